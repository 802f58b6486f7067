"""What is decided for a whole Label Studio export, before any answer is read.

Which of a task's fields are the prompt and the two texts, and which control says who won where it
is no Pairwise: refused by name where two fit, as a spreadsheet is. Knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rlhf_core.exchange.choice_column import Cell, Reading, plain_name, read_column
from rlhf_core.exchange.choices import is_blank, number_of, read_word
from rlhf_core.exchange.columns import find_fields
from rlhf_core.exchange.file_rows import MAX_COLUMNS
from rlhf_core.exchange.import_report import ImportRefused, ImportReport
from rlhf_core.exchange.label_studio_answers import Answer, chosen_of

_OURS = {"prompt": "prompt", "a": "answer1", "b": "answer2"}


@dataclass(frozen=True)
class Layout:
    """How one export is read.

    Attributes:
        names: prompt, a, b -> the tasks' field.
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


def layout_of(
    answers: Sequence[Answer],
    report: ImportReport,
    fields: Sequence[str],
    buckets: Sequence[str],
    choice_map: Mapping[str, str] | None,
) -> Layout:
    """Decided over all answers. Raises ImportRefused, ChoiceUnclear."""
    names = dict(zip(("prompt", "a", "b"), fields)) if fields else _fields(answers, report)
    control, reading = _control(answers, names, report, choice_map)
    return Layout(names, control, reading, buckets, report.counted == "row")


def _fields(answers: Sequence[Answer], report: ImportReport) -> dict[str, str]:
    every = list(dict.fromkeys(name for answer in answers for name in answer.data))
    every = [name for name in every if isinstance(name, str)]
    if len(every) > MAX_COLUMNS:
        raise ImportRefused(
            f"{report.filename} has tasks with {len(every):,} different fields; at most"
            f" {MAX_COLUMNS:,} are read."
        )
    lists = bool(answers) and all("items" in answer.data for answer in answers)
    aside = ImportReport(report.filename)
    try:
        found = find_fields(
            every,
            aside,
            blank=lambda name: all(is_blank(answer.data.get(name)) for answer in answers),
            only=("prompt",) if lists else ("prompt", "a", "b"),
        )
    except ImportRefused as error:
        told = str(error).replace("columns that", "fields that")
        told = told.split(" Rename ")[0]
        raise ImportRefused(
            f"{told} Say which are prompt, left and right: --fields PROMPT,LEFT,RIGHT."
        ) from error
    unusual = [f"{name!r} as {part}" for part, name in found.items() if name != _OURS[part]]
    if unusual:
        report.say("notes", f"Of the tasks' fields, {', '.join(unusual)} was read.")
    return found


def _control(
    answers: Sequence[Answer],
    names: Mapping[str, str],
    report: ImportReport,
    choice_map: Mapping[str, str] | None,
) -> tuple[str, Reading | None]:
    """The Choices control that says who won, where no Pairwise and no Ranker does."""
    if any(kind in ("pairwise", "ranker") for answer in answers for _, kind, _ in answer.results):
        return "", None
    sides = {plain_name(names[side]): side for side in ("a", "b") if side in names}
    cells: dict[str, list[Cell]] = {}
    for answer in answers:
        texts = [answer.data.get(names.get(side)) for side in ("a", "b")]
        texts = [text if isinstance(text, str) else "" for text in texts]
        for name, kind, value in answer.results:
            if kind == "choices" and name != "verdict" and not answer.cancelled:
                cells.setdefault(name, []).append(Cell(chosen_of(value), *texts))
    fit = [
        name
        for name, column in cells.items()
        if any(
            plain_name(cell.value) in sides
            or read_word(cell.value)[0] in ("a", "b")
            or (len(cells) == 1 and number_of(cell.value) is not None)
            or plain_name(cell.value) in {plain_name(key) for key in choice_map or ()}
            for cell in column
        )
    ]
    if len(fit) > 1:
        raise ImportRefused(
            f"{report.filename} has several controls that could say which text is better:"
            f" {', '.join(map(repr, fit))}. Leave one of them in the file."
        )
    if not fit:
        return "", None
    where = f"{report.filename}: the control {fit[0]!r}"
    reading = read_column(fit[0], cells[fit[0]], where, choice_map, sides=sides)
    report.choices = reading.table(cells[fit[0]])
    report.say("notes", f"The control {fit[0]!r} (choices) was read as the choice.")
    for sentence in reading.notes:
        report.say("notes", sentence)
    return fit[0], reading
