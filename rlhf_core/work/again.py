"""A job begun anew, or gone on with, after its worker died: what is noted when it first begins, and
what of the session is put back before it begins anew. So it makes the same numbers as if nothing
had happened. Imports no torch.
"""

from __future__ import annotations

from rlhf_core.common.events import Record
from rlhf_core.session import shelf, weights
from rlhf_core.session.state import SCRIPTED, Learned, Session
from rlhf_core.work import catalogue

NEXT = "ppo_next"  # the knobs for the next run; "Run it once" lays them aside while it works


def noted(session: Session, name: str) -> dict:
    """What the row of a job called ``name`` keeps of the session as it first begins: "step" and
    "rows" (of ``tuned.metrics``) of this round, "drawn", "scripted" (judgements), and what may have
    to be put back.
    """
    part = session.tuned
    found: Record = {"step": part.steps_done, "rows": len(part.metrics)}
    found["drawn"] = session.asked.drawn
    found["scripted"] = sum(r.annotator == SCRIPTED for r in session.judged.rankings)
    if "learned" in catalogue.JOBS[name].undo:
        found |= {"learned": session.learned.to_dict(), "key": shelf.key_of(session)}
        found["next"] = session.settings.get(NEXT)
        found["exploits"] = len(session.judged.exploits)
    return found


def put_back(session: Session, name: str, begun: dict) -> None:
    """The session as the job called ``name`` found it, in what the job changes on its way."""
    undo = catalogue.JOBS[name].undo
    with session.change():
        if "learned" in undo and begun["key"] == shelf.key_of(session):
            former = Learned.from_dict(begun["learned"])
            if former.head and not weights.is_kept(session, former.head):
                former.head = ""  # it was let go of when the next one came
            if former.to_dict() != session.learned.to_dict():
                session.learned = former
            session.judged.exploits = session.judged.exploits[: begun["exploits"]]
            if begun["next"] is not None and NEXT not in session.settings:
                session.settings = {**session.settings, NEXT: begun["next"]}
        if "sets" in undo:
            _put_back_sets(session, begun["drawn"], asked=name == "generate")


def _put_back_sets(session: Session, drawn: int, asked: bool) -> None:
    """Take away the sets drawn since; where somebody judged or asked for one of them meanwhile, all
    of them stay: they have the numbers.
    """
    part = session.asked
    judged = {r.id for r in session.judged.rankings if asked or r.annotator != SCRIPTED}
    later = [row for row in part.candidate_sets if _number(row) > drawn]
    if any(row["id"] in judged or bool(row.get("asked")) != asked for row in later):
        return
    part.candidate_sets = [row for row in part.candidate_sets if _number(row) <= drawn]
    part.drawn = drawn


def _number(row: dict) -> int:
    number = str(row["id"]).removeprefix("set-")
    return int(number) if number.isdecimal() else 0
