"""A session's parts as a database keeps them: which fields are rows of their own, and each field as
plain values and back.

What is judged is one row a judgement, what is made step by step one row a record; the other fields
of a part stand together in one document. What a lab found is a part by itself, and so is what was
put on the shelf. Knows nothing about databases.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from rlhf_core.evaluation.token_view import Trace
from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Pair, Ranking, pair_from_row
from rlhf_core.session import arrays, shelf
from rlhf_core.session.state import Asked, History, Judged, Learned, Session, Tuned

PARTS: dict[str, type[Asked | Judged | Learned | Tuned | History]] = {
    "asked": Asked,
    "judged": Judged,
    "learned": Learned,
    "tuned": Tuned,
    "history": History,
}
JUDGEMENTS = {"judged": ("rankings", "imported", "exploits", "votes")}
RECORDS = {
    "asked": ("candidate_sets",),
    "learned": ("fit_records",),
    "tuned": ("metrics", "samples"),
    "traces": ("steps",),
}
SESSION = "session"  # the part of what stands beside the parts
FIELDS = (
    *("model_name", "model_hash", "made_by", "settings", "step_times"),
    *("under_way", "process", "on_disk", "jobs"),
)
# What is in no bundle, but travels between processes: part -> where the session has it. Arrays are
# in it, so that two writers cannot be merged: the later one has it.
ASIDE = {"asking": "value", "traces": "steps"}
MANY = {"labs": "labs/", "shelf": "shelf/"}  # a part for each key


def rows_of(part: str) -> tuple[str, ...]:
    """The fields of a part that are rows of their own."""
    return (*JUDGEMENTS.get(part, ()), *RECORDS.get(part, ()))


# --- out of a session, and into it ----------------------------------------------------------------


def fields(session: Session) -> dict[str, dict]:
    """The fields of every part, by part and name: the very objects that the session has."""
    found = {
        name: {k: v for k, v in vars(getattr(session, name)).items() if k not in kind.UNSAVED}
        for name, kind in PARTS.items()
    }
    found[SESSION] = {name: getattr(session, name) for name in FIELDS}
    found["asking"] = {"value": session.learned.asking}
    found["traces"] = {"steps": list(session.tuned.traces.values())}
    for name, prefix in MANY.items():
        for key, value in getattr(session, name).items():
            found[f"{prefix}{key}"] = {"value": value}
    return found


def put(session: Session, part: str, values: dict) -> None:
    """Give a part these fields. The part stays the object that it is, for those who hold it; but a
    policy of another run is another part, so that a run that was put away elsewhere ends here.
    """
    if part in PARTS:
        old, new = getattr(session, part), PARTS[part](**values)
        if isinstance(new, Tuned) and old.run != new.run:
            new.traces = old.traces  # they come by themselves
            session.tuned = new
            return
        for name in vars(new).keys() - {*new.UNSAVED}:
            setattr(old, name, getattr(new, name))
        return
    if part == "asking":
        session.learned.asking = values["value"]
        return
    if part == "traces":
        session.tuned.traces = {trace.step: trace for trace in values["steps"]}
        return
    if part == SESSION:
        for name, value in values.items():
            setattr(session, name, value)
        return
    for name, prefix in MANY.items():
        if part.startswith(prefix):
            key, others = part.removeprefix(prefix), dict(getattr(session, name))
            others.pop(key, None)
            if "value" in values and (name != "shelf" or shelf.readable(values["value"])):
                others[key] = values["value"]
            setattr(session, name, others)


def is_known(part: str, field: str) -> bool:
    """Whether this version knows such a field."""
    kind = PARTS.get(part)
    if kind:
        return field in kind.__dataclass_fields__
    return field in (FIELDS if part == SESSION else (ASIDE.get(part, "value"),))


# --- as plain values, and back --------------------------------------------------------------------


def _to_dicts(values: list) -> list[dict]:
    return [value.to_dict() for value in values]


def _pairs(rows: list[dict]) -> list:
    return [pair_from_row(row, f"row {number}") for number, row in enumerate(rows, 1)]


def _trace(values: dict) -> Trace:
    pieces = {int(token): piece for token, piece in values["pieces"].items()}
    return Trace(**{**values, "pieces": pieces})


_PLAIN: dict[tuple[str, str], tuple[Callable, Callable]] = {
    ("asked", "brief"): (lambda brief: brief.to_dict(), briefs.from_dict),
    ("asked", "briefs"): (_to_dicts, lambda rows: [briefs.from_dict(row) for row in rows]),
    ("asking", "value"): (arrays.plain, arrays.live),
    ("traces", "steps"): (
        lambda traces: [arrays.plain(vars(trace)) for trace in traces],
        lambda rows: [_trace(arrays.live(row)) for row in rows],
    ),
    ("judged", "rankings"): (_to_dicts, lambda rows: [Ranking.from_dict(row) for row in rows]),
    ("judged", "imported"): (_to_dicts, _pairs),
    ("judged", "exploits"): (_to_dicts, _pairs),
}


def said(row: object) -> Hashable | None:
    """What makes two rows of ``JUDGEMENTS`` the same judgement, whoever wrote them down; None: each
    is one of its own.
    """
    if isinstance(row, Ranking):
        return row.id, row.annotator, row.prompt, tuple(row.candidates)
    if isinstance(row, dict):  # a blind vote
        return row.get("prompt"), row.get("round"), row.get("step")
    return None


def called(row: object) -> str:
    """What the key of a row of ``JUDGEMENTS`` begins with."""
    return row.id if isinstance(row, Ranking) else "pair" if isinstance(row, Pair) else "vote"


def plain(part: str, field: str, value: object) -> Any:
    """A field as JSON holds it."""
    to_plain, _ = _PLAIN.get((part, field), (None, None))
    return to_plain(value) if to_plain else value


def live(part: str, field: str, value: object) -> Any:
    """A field from ``plain``'s value. Raises BriefError, PreferenceError, KeyError, TypeError."""
    _, from_plain = _PLAIN.get((part, field), (None, None))
    return from_plain(value) if from_plain else value
