"""What is next: the one station of the loop that waits for the learner, and the words of the button
that goes there.

The board, the sidebar and the button at the end of each page all ask here, so they agree. Reads the
session's state alone: which jobs run is the queue's to know. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlhf_core.evaluation.conclusion import ENOUGH_VOTES, FEW_VOTES, by_chance, unproven
from rlhf_core.session import judged
from rlhf_core.session.state import SCRIPTED, Session

ENOUGH = ENOUGH_VOTES  # clear choices about texts of their own that a taste can be told from
GOAL = 30  # pairs that make a good first round
SOME_MORE = 8  # pairs after which a reward model is worth training again
PROMPT, RANK, REWARD_MODEL, PPO = "prompt", "rank", "reward_model", "ppo"
BEFORE_AFTER, ROUNDS = "before_after", "rounds"


@dataclass(frozen=True)
class NextStep:
    """A station, and what a button that leads there says.

    Attributes:
        box: its name on the board, which is also its page's.
        label: for the button.
        job: what the button starts on the way (``work.catalogue``); "": nothing.
    """

    box: str
    label: str
    job: str = ""


TRAIN_AGAIN = NextStep(REWARD_MODEL, "Train it again, on more judgements", "fit")


def next_step(session: Session) -> NextStep:
    """The station that waits for the learner now."""
    tuned, learned = session.tuned, session.learned
    if not learned.head:
        return _first_ranking(session)
    if _own_turn(session) or _new_round(session):
        if fresh_pairs(session) >= ENOUGH:
            return NextStep(REWARD_MODEL, "Train it again, on your taste", "fit")
        return _more_ranking(session)
    if tuned.evaluation is not None and unproven(learned.summary.get("chance")) == FEW_VOTES:
        if missing(session) > 0:
            return NextStep(RANK, "Judge more: too few to tell")
        return TRAIN_AGAIN
    if len(tuned.metrics) < 2 and wants_more(session):
        if fresh_pairs(session) >= SOME_MORE:
            return TRAIN_AGAIN
        return NextStep(RANK, "Judge some more: these could be chance")
    if len(tuned.metrics) < 2:
        return NextStep(PPO, "Bend the model: PPO", "ppo")
    if _learned_since(session):
        return NextStep(PPO, "Go on with PPO: the score is new", "ppo")
    if tuned.evaluation is None:
        return NextStep(BEFORE_AFTER, "Compare before and after")
    if fresh_pairs(session) >= SOME_MORE:
        return TRAIN_AGAIN
    return NextStep(ROUNDS, "Rinse and repeat: the next round")


def wants_more(session: Session) -> bool:
    """Could coins have taught the reward model as much, from less than makes a good round? A few
    judgements more then tell more than any number of PPO steps.
    """
    return by_chance(session.learned.summary.get("chance")) and judged.pair_count(session) < GOAL


def missing(session: Session) -> int:
    """Clear choices that are still missing before a taste can be told; none or less: enough."""
    return ENOUGH - judged.witness_count(session)


def goal(session: Session) -> tuple[int, int, str]:
    """What the learner judges towards at the moment: how many there are, how many it takes, and of
    what. First clear choices, until a reward model can be trained; then pairs of a good round.
    """
    if not session.learned.head:
        return min(ENOUGH, judged.witness_count(session)), ENOUGH, "clear choices"
    return judged.pair_count(session), GOAL, "pairs"


def fresh_pairs(session: Session) -> int:
    """Pairs judged since the reward model was trained."""
    summary = session.learned.summary
    return judged.pair_count(session) - summary.get("offered", summary.get("pairs", 0))


def waiting_answers(session: Session) -> bool:
    """Do answers that the learner asked for wait to be ranked?"""
    ranked = {ranking.id for ranking in session.judged.rankings}
    return any(
        row.get("asked") and row["id"] not in ranked and len(set(row["texts"])) > 1
        for row in session.asked.candidate_sets
    )


def _first_ranking(session: Session) -> NextStep:
    """Before there is a reward model."""
    pairs = judged.pair_count(session)
    if missing(session) <= 0 and not judged.needs(session, REWARD_MODEL):
        return NextStep(REWARD_MODEL, "Train the reward model", "fit")
    if not pairs and not any(len(set(row["texts"])) > 1 for row in session.asked.candidate_sets):
        return NextStep(PROMPT, "Write a prompt")
    return _ranking(session)


def _ranking(session: Session) -> NextStep:
    return NextStep(RANK, "Rank these answers" if waiting_answers(session) else "Rank some answers")


def _more_ranking(session: Session) -> NextStep:
    """A reward model is there, but it is not the learner's own, or not of this round."""
    if _own_turn(session):
        asked = any(row.get("asked") for row in session.asked.candidate_sets)
        if not asked and not fresh_pairs(session):
            return NextStep(PROMPT, "Now you: write a prompt")
        return _ranking(session)
    return NextStep(RANK, "Rank what the tuned model writes")


def _own_turn(session: Session) -> bool:
    """The scripted rater went once round the whole loop: from here on the learner judges."""
    alone = session.learned.summary.get("rater") == SCRIPTED
    return alone and session.tuned.evaluation is not None


def _new_round(session: Session) -> bool:
    """A round that has nothing of its own yet: its reward model is the former round's."""
    finished = session.history.rounds
    carried = bool(finished) and finished[-1].get("head") == session.learned.head
    return carried and len(session.tuned.metrics) < 2


def _learned_since(session: Session) -> bool:
    """Was the reward model trained again after the last PPO step?"""
    fit = session.tuned.metrics[-1].get("reward_model")
    return fit is not None and fit != session.learned.summary.get("fit", fit)
