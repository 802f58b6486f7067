"""What is decided for a whole Label Studio export, before any answer is read.

Which of a task's fields are the prompt and the two texts, and which control says who won where it
is no Pairwise: refused by name where two fit, as a spreadsheet is. Knows nothing about files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rlhf_core.exchange.choice_column import Cell, Reading, plain_name, read_column
from rlhf_core.exchange.choices import is_blank, number_of, read_word, shown
from rlhf_core.exchange.columns import find_fields
from rlhf_core.exchange.file_rows import MAX_COLUMNS, bare
from rlhf_core.exchange.import_report import ImportRefused, ImportReport
from rlhf_core.exchange.label_studio_answers import Answer, chosen_of
from rlhf_core.exchange.preference_rows import FIELD_OF
from rlhf_core.exchange.shown_order import check_order

DECIDING = ("pairwise", "ranker")
_OURS = {"prompt": "prompt", "a": "answer1", "b": "answer2"}


@dataclass(frozen=True)
class Layout:
    """How one export is read.

    Attributes:
        names: prompt, a, b -> the tasks' field; an answer's own are ``names_of``.
        control: the ``<Choices>`` that says who won; "" where a Pairwise or Ranker does.
        reading: what its values mean.
        buckets: the Ranker's, best first, where they are not ours.
        printed: it is a table, whose lists are printed into cells.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    control: str = ""
    reading: Reading | None = None
    buckets: Sequence[str] = ()
    printed: bool = False
    told: bool = False

    def names_of(self, answer: Answer) -> dict[str, str]:
        """Prompt, a and b of one answer: left is what its Pairwise names first."""
        controls = [name for name, kind, _ in answer.results if kind == "pairwise"]
        order = compared(answer, controls[0], self.names) if controls else None
        if order and self.told and set(order) != {self.names["a"], self.names["b"]}:
            order = None
        return {**self.names, **(dict(zip("ab", order)) if order else {})}


def compared(answer: Answer, control: str, names: Mapping[str, str]) -> tuple[str, str] | None:
    """The two fields that a control's ``to_name`` compares, left first; None where it names itself
    or things that are no fields.
    """
    named = answer.objects.get(control, ())
    fields = {plain_name(name): name for name in answer.data}
    found = [fields[plain_name(name)] for name in named if plain_name(name) in fields]
    if len(found) > 2:
        found = [name for name in found if name != names.get("prompt")]
    if len(found) == 2 and found[0] != found[1]:
        return found[0], found[1]
    sides = [read_word(name)[0] for name in named]
    if sides in (["a", "b"], ["b", "a"]) and {"a", "b"} <= set(names):
        first, second = map(str, sides)
        return names[first], names[second]
    return None


def layout_of(
    answers: Sequence[Answer],
    report: ImportReport,
    fields: Sequence[str],
    buckets: Sequence[str],
    choice_map: Mapping[str, str] | None,
    question: str = "",
) -> Layout:
    """Decided over all answers. Raises ImportRefused, SeveralFit, ChoiceUnclear."""
    _pick(answers, report, question)
    _find_lists(answers, report)
    names = dict(zip(("prompt", "a", "b"), fields)) if fields else _fields(answers, report)
    control, names, reading = _control(answers, names, report, choice_map, question, bool(fields))
    layout = Layout(names, control, reading, buckets, report.counted == "row", bool(fields))
    _say_what_is_left(answers, layout, report)
    return layout


def untyped(answers: Sequence[Answer], fields: Sequence[str]) -> None:
    """Find the columns of Choices, which JSON-MIN and CSV write as a plain word: by their name, or
    by words of which most say a choice. ``fields`` are texts, whatever stands in them.
    """
    columns: dict[str, list[str]] = {}
    plain = [answer for answer in answers if not answer.results]
    for answer in plain:
        for name, value in answer.data.items():
            if isinstance(name, str) and isinstance(value, str) and not is_blank(value):
                columns.setdefault(name, []).append(value)
    found = set()
    for name, words in columns.items():
        known = FIELD_OF.get(bare(name))
        says = sum(read_word(word)[0] is not None for word in words)
        if name not in fields and (known == "choice" or (not known and 2 * says >= len(words))):
            found.add(name)
    for answer in plain:
        mine = {name: answer.data[name] for name in answer.data if name in found}
        answer.results = [
            (name, "choices", {"choices": [word]})
            for name, word in mine.items()
            if not is_blank(word)
        ]
        answer.data = {name: value for name, value in answer.data.items() if name not in mine}


def _find_lists(answers: Sequence[Answer], report: ImportReport) -> None:
    """A Ranker's list under another name than items, in the answers under ours."""
    for answer in answers:
        control = next((name for name, kind, _ in answer.results if kind == "ranker"), None)
        if control is None or "items" in answer.data:
            continue
        fit = [
            name
            for name, value in answer.data.items()
            if isinstance(value, list) and value
            if all(isinstance(item, dict) and "id" in item for item in value)
        ]
        if len(fit) > 1:
            fit = [name for name in fit if name in answer.objects.get(control, ())] or fit
        if len(fit) == 1:
            answer.data = {**answer.data, "items": answer.data[fit[0]]}
            del answer.data[fit[0]]
            report.say("notes", f"{fit[0]!r} was read as the list that was ranked.")


def _pick(answers: Sequence[Answer], report: ImportReport, question: str) -> None:
    """Leave one Pairwise or Ranker in the answers, where there are several, or another was named.

    Raises SeveralFit, ImportRefused.
    """
    kinds = {
        name: kind
        for answer in answers
        for name, kind, _ in answer.results
        if kind in DECIDING or (kind == "choices" and name != "verdict")
    }
    deciding = [name for name, kind in kinds.items() if kind in DECIDING]
    both = any(len({k for _, k, _ in a.results if k in DECIDING}) > 1 for a in answers)
    alike = {kinds[name] for name in deciding}
    if not deciding or not (question or both or len(deciding) > len(alike)):
        return
    one = question
    if kinds.get(question) != "choices":
        one = report.pick("controls", deciding, question)
    others = [name for name in deciding if name != one]
    for answer in answers:
        answer.results = [result for result in answer.results if result[0] not in others]
    if others:
        report.say("lost", f"Other controls: {', '.join(map(repr, others))[:200]}.")


def _say_what_is_left(answers: Sequence[Answer], layout: Layout, report: ImportReport) -> None:
    """Where a Pairwise does not list our two fields in our order. Raises ImportRefused."""
    said = False
    for answer in answers:
        for control, kind, _ in answer.results:
            named = answer.objects.get(control, ())
            if kind != "pairwise" or len(named) < 2:
                continue
            names = layout.names_of(answer)
            if compared(answer, control, layout.names) is None and not layout.told:
                raise ImportRefused(
                    f"{report.filename}: the control {control!r} compares"
                    f" {' and '.join(map(repr, named))[:120]}, which are not two fields of the"
                    " tasks. Say which are prompt, left and right: --fields PROMPT,LEFT,RIGHT."
                )
            sides = tuple(names.get(side, "") for side in "ab")
            if sides != (_OURS["a"], _OURS["b"]):
                said = True
                report.say(
                    "notes",
                    f"The control {control!r} names {sides[0]!r} first: that was the left text,"
                    f" {sides[1]!r} the right one.",
                )
    sides = tuple(layout.names.get(side, "") for side in "ab")
    pairwise = any(kind == "pairwise" for answer in answers for _, kind, _ in answer.results)
    if pairwise and not said and not layout.told and all(sides) and sides != ("answer1", "answer2"):
        report.say(
            "notes",
            f"{sides[0]!r} was taken for the left text. If the labelling config's toName has them"
            " the other way round, say so: --fields PROMPT,LEFT,RIGHT.",
        )


def _fields(answers: Sequence[Answer], report: ImportReport) -> dict[str, str]:
    every = list(dict.fromkeys(name for answer in answers for name in answer.data))
    every = [name for name in every if isinstance(name, str)]
    if len(every) > MAX_COLUMNS:
        raise ImportRefused(
            f"{report.filename} has tasks with {len(every):,} different fields; at most"
            f" {MAX_COLUMNS:,} are read."
        )
    lists = bool(answers) and all("items" in answer.data for answer in answers)
    pairs = [
        order
        for answer in answers
        for name, kind, _ in answer.results
        if kind == "pairwise" and (order := compared(answer, name, {}))
    ]
    aside = ImportReport(report.filename)
    try:
        found = find_fields(
            every,
            aside,
            blank=lambda name: all(is_blank(answer.data.get(name)) for answer in answers),
            only=("prompt",) if lists or pairs else ("prompt", "a", "b"),
        )
    except ImportRefused as error:
        told = str(error).replace("columns that", "fields that")
        told = told.split(" Rename ")[0]
        raise ImportRefused(
            f"{told} Say which are prompt, left and right: --fields PROMPT,LEFT,RIGHT."
        ) from error
    if pairs:
        found |= dict(zip("ab", pairs[0]))
    unusual = [f"{name!r} as {part}" for part, name in found.items() if name != _OURS[part]]
    if unusual:
        report.say("notes", f"Of the tasks' fields, {', '.join(unusual)} was read.")
    return found


def _control(
    answers: Sequence[Answer],
    names: dict[str, str],
    report: ImportReport,
    choice_map: Mapping[str, str] | None,
    question: str,
    told: bool,
) -> tuple[str, dict[str, str], Reading | None]:
    """The Choices control that says who won, where no Pairwise and no Ranker does, and the names
    of prompt, a and b as it sees them.
    """
    if any(kind in DECIDING for answer in answers for _, kind, _ in answer.results):
        return "", names, None
    sides = {plain_name(names[side]): side for side in ("a", "b") if side in names}
    columns: dict[str, list[tuple[Answer, object]]] = {}
    for answer in answers:
        for name, kind, value in answer.results:
            if kind == "choices" and name != "verdict" and not answer.cancelled:
                columns.setdefault(name, []).append((answer, chosen_of(value)))
    told_of = {plain_name(key) for key in choice_map or ()}
    fit = [
        name
        for name, column in columns.items()
        if name == question
        or any(
            plain_name(value) in sides
            or read_word(value)[0] in ("a", "b")
            or (len(columns) == 1 and number_of(value) is not None)
            or plain_name(value) in told_of
            for _, value in column
        )
    ]
    control = report.pick("controls", fit, question)
    if not control:
        return "", names, None
    if not told:
        names = _ordered(control, columns[control], names, sides, report)
    sides = {plain_name(names[side]): side for side in ("a", "b") if side in names}
    cells = []
    for answer, value in columns[control]:
        texts = [answer.data.get(names.get(side)) for side in ("a", "b")]
        cells.append(Cell(value, *(text if isinstance(text, str) else "" for text in texts)))
    where = f"{report.filename}: the control {control!r}"
    reading = read_column(
        control, cells, where, choice_map, sides=sides, command="import-label-studio"
    )
    rows = [answer.data for answer, _ in columns[control]]
    every = dict.fromkeys(name for row in rows for name in row if isinstance(name, str))
    used = {**names, "choice": control}
    check_order(rows, list(every), used, cells, reading, report.filename)
    report.choices = reading.table(cells)
    report.say("notes", f"The control {control!r} (choices) was read as the choice.")
    for sentence in reading.notes:
        report.say("notes", sentence)
    return control, names, reading


def _ordered(
    control: str,
    column: Sequence[tuple[Answer, object]],
    names: dict[str, str],
    sides: Mapping[str, str],
    report: ImportReport,
) -> dict[str, str]:
    """``names`` in the order in which a Choices names two texts. Raises ImportRefused: two orders,
    or another than the fields' own, to which "1" or "A" could belong as well.
    """
    orders = dict.fromkeys(
        order for answer, _ in column if (order := compared(answer, control, names))
    )
    if not orders:
        return names
    order = next(iter(orders))
    ours = tuple(names.get(side) for side in "ab")
    if list(orders) == [ours]:
        return names
    words = [value for _, value in column if plain_name(value) not in sides]
    words = [value for value in words if read_word(value)[0] in ("a", "b")]
    loose = [word for word in words if not re.search(r"left|right", str(word), re.IGNORECASE)]
    if len(orders) > 1 or (loose and set(order) == set(ours)):
        raise ImportRefused(
            f"{report.filename}: the control {control!r} names {order[0]!r} before {order[1]!r}"
            f"{' here and there' if len(orders) > 1 else ''}, so nothing says which text"
            f" {shown((loose or words or [''])[0])} means. Say which are prompt, first and second:"
            " --fields PROMPT,FIRST,SECOND."
        )
    report.say(
        "notes",
        f"The control {control!r} names {order[0]!r} first: that was the left text,"
        f" {order[1]!r} the right one.",
    )
    return {**names, **dict(zip("ab", order))}
