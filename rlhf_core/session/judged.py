"""What is judged: rankings, votes, and the pairs that the reward model may learn from.

Commands act at once, under the session's lock. Imports no torch.
"""

from __future__ import annotations

from dataclasses import replace

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Record
from rlhf_core.judging import preferences
from rlhf_core.judging.contradictions import contradictions as find_contradictions
from rlhf_core.judging.preferences import (
    EXPLOIT,
    Pair,
    Ranking,
    pairs_from_rankings,
    training_pairs,
)
from rlhf_core.judging.thumbs import Thumb, thumbs_from_pairs, thumbs_from_rankings
from rlhf_core.judging.typed import MAX_IDEAL, MAX_REASON, check_note
from rlhf_core.judging.witnesses import independent
from rlhf_core.session.reckoned import reckoned
from rlhf_core.session.state import IMPORTED, SCRIPTED, YOU, Session
from rlhf_core.store import card

MOST_NAMED = 6  # who judged: more are counted, not named


def sitting(session: Session) -> str:
    """Who is judging now (``people``)."""
    return session.judged.sitting or YOU


def counts(session: Session, ranking: Ranking) -> bool:
    """Does this judgement count under the brief in force?"""
    part = session.asked
    version_counts = part.older_count or ranking.brief_version == part.brief.version
    return ranking.brief == part.brief.slug and version_counts


def add_ranking(
    session: Session,
    candidate_set_id: str,
    *,
    groups: list[list[int]] | None = None,
    verdict: str | None = None,
    good: list[int] | None = None,
    shown: list[int] | None = None,
    seconds: float | None = None,
    annotator: str | None = None,
    reason: str = "",
    ideal: str = "",
    asked: str = "",
) -> Ranking:
    """Record a judgement of a candidate set; by whoever is sitting here where ``annotator`` names
    nobody. ``good``: as in ``Ranking``.

    Raises InputError (unknown or already judged set, a reason or ideal answer that can't be used),
    PreferenceError (impossible ranking).
    """
    with session.change():
        sets, part = session.asked.candidate_sets, session.judged
        row = next((row for row in sets if row["id"] == candidate_set_id), None)
        if row is None:
            raise InputError("These outputs are no longer part of the session. Take the next ones.")
        if any(ranking.id == candidate_set_id for ranking in part.rankings):
            raise InputError(
                "These outputs were already judged, perhaps in another tab. Take the next ones."
            )
        reason, ideal = _notes(reason, ideal, row["texts"])
        ranking = Ranking(
            id=row["id"],
            prompt=row["prompt"],
            candidates=list(row["texts"]),
            shown=list(shown) if shown is not None else list(range(len(row["texts"]))),
            groups=groups or [],
            verdict=verdict,
            good=good,
            seconds=seconds,
            annotator=annotator or sitting(session),
            brief=session.asked.brief.slug,
            brief_version=session.asked.brief.version,
            round=session.history.current_round,
            finished=list(row["finished"]),
            reason=reason,
            ideal=ideal,
            asked=row.get("check") or asked,
        )
        part.rankings = [*part.rankings, ranking]
    return ranking


def change_ranking(
    session: Session,
    ranking_id: str,
    *,
    groups: list[list[int]] | None = None,
    verdict: str | None = None,
    good: list[int] | None = None,
    seconds: float | None = None,
    reason: str = "",
    ideal: str = "",
) -> Ranking:
    """Judge again what was judged before, under the brief as it now is; what was said first stays
    on record. Raises InputError, PreferenceError.
    """
    with session.change():
        part, brief = session.judged, session.asked.brief
        places = {r.id: i for i, r in enumerate(part.rankings) if r.brief == brief.slug}
        if ranking_id not in places:
            raise InputError(
                "That judgement is no longer there; perhaps it was taken back in another tab."
            )
        place = places[ranking_id]
        old = part.rankings[place]
        if old.annotator != sitting(session):
            raise InputError(
                f"That judgement was made by: {old.annotator}. Only your own can be changed."
            )
        reason, ideal = _notes(reason, ideal, old.candidates)
        said: Record = {"groups": groups or [], "verdict": verdict, "good": good}
        before: Record = {"groups": old.groups, "verdict": old.verdict, "good": old.good}
        first, took = old.first, old.seconds
        if said != before:
            if old.good is None:
                del before["good"]
            first, took = old.first or {**before, "seconds": old.seconds}, seconds
        new = replace(
            old,
            **said,
            first=first,
            seconds=took,
            reason=reason,
            ideal=ideal,
            brief_version=brief.version,
        )
        part.rankings = [*part.rankings[:place], new, *part.rankings[place + 1 :]]
    return new


def _notes(reason: str, ideal: str, texts: list[str]) -> tuple[str, str]:
    """Both as they are kept; the ideal answer begins as the model's own answers do."""
    reason = check_note(reason, "The reason", MAX_REASON)
    ideal = check_note(ideal, "The ideal answer", MAX_IDEAL)
    if ideal in {" ".join(text.split()) for text in texts}:
        raise InputError(
            "Your ideal answer is one of those shown, word for word. Say that it is better, or"
            " change a word."
        )
    return reason, ideal if not ideal or ideal[0] in ",.;:!?'’" else f" {ideal}"


def undo_ranking(session: Session) -> Ranking | None:
    """Take the last judgement back; its outputs come up again. None where the last one was not made
    under this brief.
    """
    with session.change():
        part = session.judged
        if not part.rankings or part.rankings[-1].brief != session.asked.brief.slug:
            return None
        last, part.rankings = part.rankings[-1], part.rankings[:-1]
        sets = session.asked.candidate_sets
        first = [row for row in sets if row["id"] == last.id]
        session.asked.candidate_sets = [*first, *(row for row in sets if row["id"] != last.id)]
    return last


# --- what may be learned from ---------------------------------------------------------------------


def sources(session: Session) -> tuple[list[Pair], list[Ranking]]:
    """What was judged under the current brief: pairs that came as pairs, and rankings; also about
    evaluation prompts.
    """
    part, slug = session.judged, session.asked.brief.slug
    exploits = [pair for pair in part.exploits if pair.brief == slug]
    counted = [ranking for ranking in part.rankings if counts(session, ranking)]
    return [*part.imported, *exploits], counted


def pairs(session: Session) -> list[Pair]:
    """Every judged pair under the current brief: what the reward model may learn from."""

    def made() -> list[Pair]:
        came, counted = sources(session)
        return [*came, *pairs_from_rankings(counted)]

    return list(reckoned(session, "pairs", _of(session), made))


def _of(session: Session) -> tuple:
    """What the pairs follow from."""
    part, asked = session.judged, session.asked
    return part.rankings, part.imported, part.exploits, asked.brief, asked.older_count


def learnable(session: Session) -> list[Pair]:
    """The pairs that the reward model is fitted to: those that prefer or tie, and never about an
    evaluation prompt.
    """
    kept_out = {*session.asked.brief.evaluation_prompts}

    def made() -> list[Pair]:
        return [pair for pair in training_pairs(pairs(session)) if pair.prompt not in kept_out]

    return list(reckoned(session, "learnable", _of(session), made))


def pair_count(session: Session) -> int:
    """How many pairs the reward model may learn from: four answers in order are six; both bad and
    skip are none.
    """
    return len(learnable(session))


def witness_count(session: Session) -> int:
    """How many clear choices about texts of their own there are: what a taste can be told from."""
    made = lambda: independent(learnable(session))  # noqa: E731
    return reckoned(session, "witnesses", _of(session), made)


def judgement_count(session: Session) -> int:
    """How many judgements count under the brief in force: a pair or a whole list is one; skips are
    none.
    """
    return sum(
        counts(session, ranking) and ranking.verdict != "skip"
        for ranking in session.judged.rankings
    )


def thumbs(session: Session) -> list[Thumb]:
    """Every single answer that was called good or bad, or counts as such (``thumbs``), never to an
    evaluation prompt.
    """
    came, counted = sources(session)
    found = [*thumbs_from_pairs(came), *thumbs_from_rankings(counted)]
    kept_out = session.asked.brief.evaluation_prompts
    return [thumb for thumb in found if thumb.prompt not in kept_out]


def nothing_to_learn(session: Session) -> str:
    """Why the reward model cannot be fitted yet, in words; empty where it can."""

    def made() -> str:
        every, kept_out = pairs(session), {*session.asked.brief.evaluation_prompts}
        usable = [pair for pair in every if pair.prompt not in kept_out]
        if every and not usable:
            return "every pair so far is about a prompt that is kept for the verdict"
        return preferences.nothing_to_learn(usable)

    return reckoned(session, "nothing to learn", _of(session), made)


def contradictions(session: Session) -> list[dict]:
    """Where the judgements contradict each other."""
    return find_contradictions(pairs(session))


def scripted(session: Session) -> bool:
    """Did the scripted rater judge any of what counts, here or before it was exported and imported
    again? Then the brief's word rule is no second opinion.
    """
    return any(is_scripted(pair.annotator) for pair in learnable(session))


def is_scripted(annotator: str) -> bool:
    return annotator.casefold().startswith(card.SCRIPTED)


def rater(session: Session) -> str:
    """Who judged, in words."""
    part = session.judged
    counted = (r for r in part.rankings if counts(session, r) and r.verdict != "skip")
    names = list(dict.fromkeys(ranking.annotator for ranking in counted))
    if part.imported:
        by_rule = [is_scripted(pair.annotator) for pair in part.imported]
        names += [SCRIPTED] * (any(by_rule) and SCRIPTED not in names)
        names += [IMPORTED] * (not all(by_rule))
    if any(pair.brief == session.asked.brief.slug for pair in part.exploits):
        names.append(EXPLOIT)
    if len(names) > MOST_NAMED:
        return f"{len(names)} people"
    return " and ".join(names) or "nobody yet"


# --- blind votes, and what is still missing -------------------------------------------------------


def add_vote(session: Session, prompt: str, choice: str) -> None:
    """A blind before/after vote: choice is "before", "after" or "tie". The first one on a prompt
    counts, for the model as it stands: a double tap is one vote. Raises InputError.
    """
    if choice not in ("before", "after", "tie"):
        raise InputError("A vote must be before, after or tie.")
    with session.change():
        round, step = session.history.current_round, session.tuned.steps_done
        vote = {"prompt": prompt, "choice": choice, "round": round, "step": step}
        if prompt not in {row["prompt"] for row in votes_here(session)}:
            session.judged.votes = [*session.judged.votes, vote]


def votes_here(session: Session) -> list[dict]:
    """The blind votes on the model as it stands; those on an earlier one do not count for it."""
    here = {"round": session.history.current_round, "step": session.tuned.steps_done}
    return [row for row in session.judged.votes if here.items() <= row.items()]


def needs(session: Session, step: str) -> list[str]:
    """What is missing before ``step`` ("reward_model", "ppo", "before_after", "rounds") can be
    done, in words; empty: go ahead.
    """
    if step == "reward_model" and (reason := nothing_to_learn(session)):
        if learnable(session):
            return [f"a judgement that tells a taste: so far {reason}"]
        return ["at least one judged pair (rank some answers first)"]
    if step == "ppo" and not session.learned.head:
        return ["a trained reward model"]
    has_rounds = step == "rounds" and session.history.rounds
    if step in ("before_after", "rounds") and not session.tuned.weights and not has_rounds:
        return ["a tuned model: run at least one PPO step"]
    return []
