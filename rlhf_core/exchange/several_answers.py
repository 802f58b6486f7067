"""Tables with three or more answers a row: which is the best of them, or how they are ranked.

One column names the best (it beats each of the others, and nothing is said about those), or holds
an order (2>1>3), or each answer has a rank or a rating of its own. What could be an order as well
as a list of ranks (2,3,1) is refused. Knows nothing about files.

Source: InstructGPT's rankings of several outputs (Ouyang et al. 2022, section 3.5, arXiv
2203.02155).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange.answer_names import Answers
from rlhf_core.exchange.choice_map import NOTHING, fits, told
from rlhf_core.exchange.choices import IN_WORDS, MEANINGS, is_blank, number_of, shown
from rlhf_core.exchange.columns import check_thousands, find_fields, rejected, say_spare, suffix
from rlhf_core.exchange.conversations import RowRefused, as_text
from rlhf_core.exchange.file_rows import Record, bare
from rlhf_core.exchange.import_report import ImportRefused, ImportReport
from rlhf_core.exchange.not_whole import NotWhole
from rlhf_core.exchange.preference_rows import FIELD_OF, check_text, label, read_number, who
from rlhf_core.exchange.printed import NotPrinted, looks_printed, unprinted
from rlhf_core.exchange.signs import may_turn
from rlhf_core.judging.preferences import Pair, Ranking

_BEST = frozenset(("best_response", "best_answer", "best_output", "best_completion", "top"))
_ORDERS = frozenset(("order", "ranked", "ranking_order", "best_to_worst", "preference_order"))
_RANKS = frozenset(("ranks",))
_RANKINGS = frozenset(("ranking", "rank", "rankings")) | _ORDERS | _RANKS
_NUMBERED = re.compile(
    r"(rank|score|rating|reward|stars|grade)s?_?(?:[a-z]+?_?)??([0-9]{1,2}|[a-h])"
    r"|[a-z]+_?([0-9]{1,2}|[a-h])_(rank|score|rating|reward|stars|grade)"
)


def take_records(
    rows: list[Record],
    names: list[str],
    columns: list[str],
    report: ImportReport,
    choice_map: Mapping[str, str] | None = None,
) -> None:
    """Every row of the table into the report. Raises ImportRefused.

    Args:
        columns: of the answers, three or more, in the order of their names.
    """
    report.format = f"{len(columns)} answers a row"
    rest = [name for name in names if name not in columns]
    objects = [row for row in rows if isinstance(row.value, dict)]
    judged, kind = _judged_by(objects, rest, columns, report)
    fields = find_fields(
        [name for name in rest if name not in judged],
        report,
        only=("prompt", "annotator", "seconds"),
    )
    if "prompt" not in fields:
        raise ImportRefused(
            f"{report.filename} has no column prompt beside its {len(columns)} answers a row."
        )
    say_spare(names, [*columns, *judged, *fields.values()], report)
    places = [names.index(name) for name in columns]
    answers = Answers(columns, places == sorted(places))
    read = {"each": _by_each, "best": _best_of, "order": _order_of}[kind]
    status = rejected(objects)
    found: list[tuple[Record, list[str], str | None]] = []
    numbers = {f"{n:g}" for row in objects if (n := number_of(row.value.get(judged[0])))}
    counted = str(len(columns)) in numbers and "0" not in numbers
    for key in choice_map or {}:
        if not any(fits(key, row.value.get(judged[0])) for row in objects):
            raise ImportRefused(f"{report.filename}: the column {judged[0]!r} has no {shown(key)}.")
    if kind == "best":
        _check_counting(objects, judged[0], answers, choice_map, report)
    if kind == "each":
        check_thousands([row.value for row in objects], judged, report)
    for row in rows:
        try:
            found.append((row, _texts(row, fields, columns, status), None))
        except RowRefused as error:
            found.append((row, [], str(error)))
    made = []
    for row, texts, why in found:
        order = None
        if why is None:
            value = [row.value.get(name) for name in judged]
            try:
                if kind == "best" and (worst := _same_as_best(row.value, value[0])):
                    raise RowRefused(f"{judged[0]} and {worst} name the same answer")
                order = _told(value[0], choice_map, columns, report) or read(
                    value, texts, answers, counted, judged
                )
            except RowRefused as error:
                why = str(error)
        made.append((row, texts, order, why))
    _check_order(made, judged, kind, report)
    _check_part(made, judged, report)
    _say(judged, kind, columns, report)
    for row, texts, order, why in made:
        what = row.value.get(fields["prompt"]) if isinstance(row.value, dict) else row.value
        if order is None or why is not None:
            report.leave_out(row.row, what, why or "")
            continue
        try:
            _take(row, texts, order, fields, what, report)
        except (RowRefused, PreferenceError) as error:
            report.leave_out(row.row, what, str(error).rstrip("."))


# --- which columns say it -------------------------------------------------------------------------


def _judged_by(
    rows: list[Record], names: list[str], columns: list[str], report: ImportReport
) -> tuple[list[str], str]:
    """(the columns that say it, "best", "order" or "each"). Raises ImportRefused."""
    full = [name for name in names if not all(is_blank(row.value.get(name)) for row in rows)]
    if len(full) < len(names) and not any(_may_judge(name) for name in full):
        full = names  # nobody has answered yet
    best = [n for n in full if _may_judge(n) and not _ranks(n)]
    orders = [n for n in full if bare(n) in _RANKINGS]
    for name in list(best):
        if any(re.search(r"[<>]|\d\s*,\s*\d", str(row.value.get(name))) for row in rows):
            best.remove(name)
            orders.append(name)
    each: dict[str, dict[str, str]] = {}
    for name in full:
        if match := _NUMBERED.fullmatch(bare(name)):
            each.setdefault(match[1] or match[4], {})[match[2] or match[3]] = name
    ends = [suffix(name) for name in columns]
    whole = [[found[end] for end in ends] for found in each.values() if set(ends) == set(found)]
    ways = [*([name] for name in best), *([name] for name in orders), *whole]
    several = f"{report.filename} has {len(columns)} answers a row"
    if len(ways) > 1:
        sets = " and ".join("/".join(map(repr, way)) for way in ways[:3])
        raise ImportRefused(f"{several} and says in several ways which is best: {sets}. Keep one.")
    if not ways:
        raise ImportRefused(
            f"{several} ({', '.join(map(repr, columns[:4]))}) and no column that says which is"
            " best: one called best, with its name, or ranking, like 2>1>3, is needed."
        )
    return ways[0], "each" if whole else "best" if best else "order"


def _may_judge(name: str) -> bool:
    return FIELD_OF.get(bare(name)) in ("choice", "chosen") or bare(name) in _BEST or _ranks(name)


def _ranks(name: str) -> bool:
    return bare(name) in _RANKINGS or bool(_NUMBERED.fullmatch(bare(name)))


# --- what a row says: the order as groups of answers, best first ----------------------------------


def _best_of(value: list, texts: list, answers: Answers, counted: bool, names: list) -> tuple:
    cell = value[0]
    if is_blank(cell):
        raise RowRefused(f"{names[0]} is empty")
    at = answers.of(cell, texts, counted)
    if at is not None:
        if not texts[at].strip():
            raise RowRefused(f"{names[0]} is {shown(cell)}, and that answer is empty")
        return ("best", at)
    word = " ".join(re.sub(r"[^\w]+|_", " ", str(cell)).casefold().split())
    word = {"none of them": "neither", "all bad": "both bad", "all good": "tie"}.get(word, word)
    choice = MEANINGS.get(word)
    if choice in ("tie", "both_bad", "skip") and not may_turn(str(cell), choice):
        return (choice, None)
    raise RowRefused(f"{names[0]} is {shown(cell)}, which names none of the answers")


def _same_as_best(row: Mapping, best: object) -> str:
    """The column of the worst answer, where it names the best one; "" elsewhere."""
    return next(
        (
            name
            for name, cell in row.items()
            if bare(str(name)).startswith("worst") and not is_blank(cell) and cell == best
        ),
        "",
    )


def _order_of(value: list, texts: list, answers: Answers, counted: bool, names: list) -> tuple:
    """("order", groups) or, where numbers can be an order or ranks, ("either", order, by rank)."""
    cell, name = value[0], names[0]
    if looks_printed(cell):
        try:
            cell = unprinted(cell)
        except NotPrinted as error:
            raise RowRefused(f"{name} is {shown(cell)}, which cannot be read") from error
    if is_blank(cell):
        raise RowRefused(f"{name} is empty")
    full = [at for at, text in enumerate(texts) if text.strip()]
    signs = isinstance(cell, str) and set(re.findall(r"[<>≻≺]", cell))
    unknown = RowRefused(f"{name} is {shown(value[0])}, which does not place every answer once")
    if signs:
        if len(signs) > 1:
            raise unknown
        levels = [re.split(r"[=~≈]+", part) for part in re.split(r"[<>≻≺]+", cell)]
        if sum(map(len, levels)) != len(full):
            raise unknown
        groups = [[answers.of(one, texts, True) for one in level] for level in levels]
        if signs & {"<", "≺"}:
            groups.reverse()
    else:
        listed = isinstance(cell, list)
        parts = (
            cell if listed else [p for p in re.split(r"[\s,;|/]+", str(cell).strip("[]() ")) if p]
        )
        if len(parts) != len(full):
            raise unknown
        numbers = [n for part in parts if (n := number_of(part)) is not None]
        if len(numbers) == len(parts):
            return _numbers(numbers, texts, answers, bare(name), unknown)
        groups = [[answers.of(part, texts, counted)] for part in parts]
    if sorted((at for group in groups for at in group), key=str) != sorted(full, key=str):
        raise unknown
    return ("order", groups)


def _numbers(
    numbers: list[float], texts: list, answers: Answers, name: str, unknown: RowRefused
) -> tuple:
    count = len(numbers)
    low = 0 if 0 in numbers else 1
    if name in _RANKS:
        return ("order", _by_rank(numbers))
    if sorted(numbers) != list(range(low, low + count)) or count != len(texts):
        raise unknown
    first = [[int(number) - low] for number in numbers]
    if name in _ORDERS:
        return ("order", first)
    return ("either", first, _by_rank(numbers))


def _by_rank(ranks: Sequence[float]) -> list[list[int]]:
    return [[at for at, rank in enumerate(ranks) if rank == one] for one in sorted(set(ranks))]


def _by_each(value: list, texts: list, answers: Answers, counted: bool, names: list) -> tuple:
    """Ranks (1 is the best) or ratings (the higher the better) in a column an answer."""
    full = [at for at, text in enumerate(texts) if text.strip()]
    scores = {at: n for at in full if (n := number_of(value[at])) is not None}
    missing = [at for at in full if at not in scores]
    if missing:
        raise RowRefused(f"{names[missing[0]]} is no number")
    sign = 1 if "rank" in bare(names[0]) else -1
    order = sorted({sign * score for score in scores.values()})
    return ("order", [[at for at in full if sign * scores[at] == one] for one in order])


def _told(
    cell: object, choice_map: Mapping[str, str] | None, columns: list[str], report: ImportReport
) -> tuple | None:
    meaning = told(cell, choice_map or {})
    if meaning in ("a", "b"):
        raise ImportRefused(
            f"{report.filename} has {len(columns)} answers a row, of which a choice map cannot"
            f" speak as a and b: write their names into the column instead of {shown(cell)}."
        )
    if meaning == NOTHING:
        raise RowRefused(f"{shown(cell)} counts as no judgement, as was said")
    return (meaning, None) if meaning else None


# --- all rows -------------------------------------------------------------------------------------


def _check_order(made: list, judged: list[str], kind: str, report: ImportReport) -> None:
    """Raises ImportRefused where a list of numbers can be an order, or ranks."""
    for row, _, order, _ in made:
        if order and order[0] == "either" and order[1] != order[2]:
            cell = row.value.get(judged[0])
            numbers = re.findall(r"\d+", str(cell))
            raise ImportRefused(
                f"{report.filename}: {judged[0]!r} is {shown(cell)} ({report.counted} {row.row}),"
                f" which can mean that answer {numbers[0]} is the best, or that the first"
                f" answer has rank {numbers[0]}. Write the order as"
                f" {'>'.join(numbers)}, or call the column order or ranks."
            )


def _check_counting(
    rows: list[Record],
    name: str,
    answers: Answers,
    choice_map: Mapping[str, str] | None,
    report: ImportReport,
) -> None:
    """Raises ImportRefused where numbers may count the answers from 0, and their names do not."""
    values = [row.value.get(name) for row in rows]
    numbers = {number_of(value) for value in values if told(value, choice_map or {}) is None}
    index = re.search(r"(?:^|_)(?:index|idx)$", bare(name)) and len(answers.columns) not in numbers
    if "0" not in answers.names and (0 in numbers or (index and numbers - {None})):
        raise ImportRefused(
            f"{report.filename}: {name!r} may count the answers from 0"
            f"{' (it holds a 0)' if 0 in numbers else ''}, and their names do not. Write the"
            f" answers' own names there, as {answers.columns[0]!r}."
        )


def _check_part(made: list, judged: list[str], report: ImportReport) -> None:
    """Raises ImportRefused where only one answer of all could be read as the best."""
    read = {order[1] for _, _, order, _ in made if order and order[0] == "best"}
    unread = [why for _, _, order, why in made if not order and why and "names none" in why]
    if unread and len(read) < 2:
        raise ImportRefused(
            f"{report.filename}: {unread[0]}; only a part of {judged[0]!r} can be read, and that"
            " part alone would mislead. Write the answers' own names there."
        )


def _say(judged: list[str], kind: str, columns: list[str], report: ImportReport) -> None:
    answers = ", ".join(map(repr, columns[:4]))
    answers += f" and more, to {columns[-1]!r}" if len(columns) > 4 else ""
    how = {
        "best": f"{judged[0]!r} names the best: it beats each of the others, and nothing is said"
        " about those",
        "order": f"{judged[0]!r} ranks them, the best first",
        "each": "each has a"
        + (
            " rank, of which 1 is the best"
            if "rank" in bare(judged[0])
            else " rating, the higher the better"
        )
        + f" ({', '.join(map(repr, judged))})",
    }[kind]
    if kind == "order" and bare(judged[0]) in _RANKS:
        how = f"{judged[0]!r} has a rank for each, of which 1 is the best"
    report.say("notes", f"The answers are {answers}; {how}.")


# --- one row --------------------------------------------------------------------------------------


def _texts(
    row: Record, fields: dict, columns: list[str], status: Callable[[dict], str]
) -> list[str]:
    """The row's answers, "" where there is none. Raises RowRefused."""
    if not isinstance(row.value, dict):
        raise RowRefused("it is no object with named fields")
    if why := status(row.value):
        raise RowRefused(why)
    for name in (fields["prompt"], *columns):
        if isinstance(row.value.get(name), NotWhole):
            raise RowRefused(f"{name!r} {row.value[name].why}")
    check_text(label("prompt", fields), as_text("prompt", row.value.get(fields["prompt"])), False)
    texts = []
    for name in columns:
        cell = as_text(name, row.value.get(name))
        texts.append("" if is_blank(cell) else check_text(name, cell, False))
    if len({text for text in texts if text}) < 2:
        raise RowRefused("fewer than two different answers stand in it")
    return texts


def _take(
    row: Record, texts: list[str], order: tuple, fields: dict, what: object, report: ImportReport
) -> None:
    repairs = list(row.repairs)
    common: dict = dict(
        prompt=as_text("prompt", row.value.get(fields["prompt"])),
        seconds=read_number(row.value.get(fields.get("seconds")), "seconds", None, repairs),
        annotator=who(row.value.get(fields.get("annotator"))),
    )
    full = [at for at, text in enumerate(texts) if text]
    if order[0] == "best":
        best = order[1]
        rivals = [at for at in full if texts[at] != texts[best]]
        pairs = [
            Pair(
                a=texts[min(best, at)],
                b=texts[max(best, at)],
                choice="a" if best < at else "b",
                weight=1 / len(rivals),
                **common,
            )
            for at in rivals
        ]
        report.take(row.row, what, pairs[0], pairs, repairs)
        return
    candidates = [texts[at] for at in full]
    verdict = order[0] if order[0] in ("both_bad", "skip") else None
    groups = [full] if order[0] == "tie" else [] if verdict else order[1]
    if order[0] in IN_WORDS:
        repairs.append(f"the choice was read as {IN_WORDS[order[0]]}")
    made = Ranking(
        id=f"row-{row.row}",
        candidates=candidates,
        shown=list(range(len(full))),
        groups=[[full.index(at) for at in group] for group in groups],
        verdict=verdict,
        **common,
    )
    report.take_judgement(row.row, what, made, repairs)
