"""The shelf: what was learned under other briefs, and with other models, until the learner comes
back to them.

A taste belongs to its brief, and a reward model and a tuned one to the model that they came from.
So changing the brief or the model puts the present ones away, under both names, and takes out what
was left there before. Bounded: ``MOST``; the one that was put away first goes first. Imports no
torch.
"""

from __future__ import annotations

from typing import TypeGuard

from rlhf_core.session import weights
from rlhf_core.session.state import ABOUT_HEAD, History, Learned, Session, Tuned

MOST = 6


def key_of(session: Session) -> str:
    """The place on the shelf of what is learned now."""
    return f"{session.asked.brief.slug}@{session.model_name}"


def put_away(session: Session, heads: dict[str, list[str]] | None = None) -> None:
    """Put away what was learned under the present brief and model, if anything was, and begin
    empty. Judgements stay where they are, each under its own brief; so do the learner's guesses.

    ``heads``: reward models that labs made and that go too, by lab.
    """
    key, part = key_of(session), session.asked
    if heads or session.learned.head or session.tuned.metrics or session.history.rounds:
        for name in (session.learned.head, session.tuned.weights, session.history.start):
            weights.put_away(session, name)
        sets = [{k: v for k, v in row.items() if k != "tokens"} for row in part.candidate_sets]
        row = {
            "model_hash": session.model_hash,
            "learned": session.learned.to_dict(),
            "tuned": session.tuned.to_dict(),
            "history": session.history.to_dict(),
            "sets": sets,
            "about_head": session.labs.get(ABOUT_HEAD),
            "heads": heads or {},
            "settings": {k: v for k, v in session.settings.items() if k in ("ppo", "ppo_next")},
        }
        others = {name: kept for name, kept in session.shelf.items() if name != key}
        session.shelf = dict([*others.items(), (key, row)][-MOST:])
    begin_empty(session)


def begin_empty(session: Session) -> None:
    """No reward model, nothing that the labs found about it, no policy and no rounds."""
    session.learned, session.tuned = Learned(), Tuned()
    session.history = History(predictions=session.history.predictions)
    session.labs = {name: found for name, found in session.labs.items() if name != ABOUT_HEAD}


def take_out(session: Session) -> bool:
    """Go on with what was put away under the brief and the model that are now in force; whether
    there was anything. What is no longer kept of it is left out.
    """
    row = session.shelf.get(key_of(session))
    if not readable(row):
        weights.drop_unused(session)
        return False
    guesses = session.history.predictions
    session.learned = Learned.from_dict(row["learned"])
    session.tuned = Tuned.from_dict(row["tuned"])
    session.history = History.from_dict({**row["history"], "predictions": guesses})
    session.model_hash = row["model_hash"]
    if row["about_head"] is not None:
        session.labs = {**session.labs, ABOUT_HEAD: row["about_head"]}
    for name, kept in row["heads"].items():
        if isinstance(found := session.labs.get(name), dict) and not found.get("heads"):
            session.labs = {**session.labs, name: {**found, "heads": kept}}
    session.settings = {**session.settings, **row["settings"]}
    known = {one["id"] for one in session.asked.candidate_sets}
    back = [one for one in row["sets"] if one["id"] not in known]
    session.asked.candidate_sets = [*session.asked.candidate_sets, *back]
    session.shelf = {name: kept for name, kept in session.shelf.items() if kept is not row}
    weights.drop_unused(session)
    return True


def readable(row: object) -> TypeGuard[dict]:
    """Whether a row of a record, perhaps of another version, is whole."""
    kinds: dict[str, type] = {"learned": dict, "tuned": dict, "history": dict}
    kinds |= {"heads": dict, "settings": dict}
    kinds |= {"sets": list, "model_hash": str}
    return (
        isinstance(row, dict)
        and "about_head" in row
        and all(isinstance(row.get(name), kind) for name, kind in kinds.items())
    )
