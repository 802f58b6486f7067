"""Small checks of understanding: a question, then right or wrong with the reason, and what the
learner's own run says of it where there is one.

What was answered is kept in ``session.labs["understood"]``, rows {"chosen", "right", "tries"} by
question. Nobody is graded: a question may be tried again. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rlhf_core.common.errors import InputError
from rlhf_core.common.wording import signed
from rlhf_core.session import judged
from rlhf_core.session.state import Session

KEY = "understood"  # in ``Session.labs``


class Question(NamedTuple):
    """One question.

    Attributes:
        options: what can be answered; right: the place of the right one.
        why: the reason, one or two sentences.
        own: a sentence with this session's numbers; "" where it has none.
    """

    name: str
    asked: str
    options: tuple[str, ...]
    right: int
    why: str
    own: Callable[[Session], str] = lambda session: ""


# --- what the learner's own session says ----------------------------------------------------------


def _kl_and_beta(session: Session) -> str:
    rows = [row for row in session.tuned.metrics if row["step"]]
    raised = [n for n in range(1, len(rows)) if rows[n]["beta"] > rows[n - 1]["beta"]]
    if raised:
        before, end = rows[raised[-1] - 1], rows[-1]
        how = "fell" if end["kl_to_reference"] < before["kl_to_reference"] else "did not fall"
        return (
            f"In your run KL {how} after you raised β from {before['beta']:g} to {end['beta']:g}:"
            f" {before['kl_to_reference']:.1f} nats at step {before['step']},"
            f" {end['kl_to_reference']:.1f} at step {end['step']}."
        )
    if not rows:
        return ""
    return (
        f"Your run, β {rows[-1]['beta']:g} throughout, stands at {rows[-1]['kl_to_reference']:.1f}"
        " nats. Raise β while it trains and watch."
    )


def _reward(session: Session) -> str:
    rows = session.tuned.metrics
    if len(rows) < 2:
        return ""
    return (
        f"Your model went from {signed(rows[0]['reward_mean'])} to"
        f" {signed(rows[-1]['reward_mean'])} SD: on average, that far above an ordinary answer of"
        " the original, in the reward model's opinion."
    )


def _learned_from(session: Session) -> str:
    used = session.learned.summary.get("pairs_used")
    return f"Yours learned from {used} pairs, and from nothing else." if used else ""


def _held_out(session: Session) -> str:
    found = session.learned.summary
    if found.get("heldout_accuracy") is None:
        return ""
    return (
        f"Yours is right on {found['train_accuracy']:.0%} of the pairs it learned from, and on"
        f" {found['heldout_accuracy']:.0%} of {found['heldout_pairs']} that it did not see."
    )


def _interval(session: Session) -> str:
    found = session.tuned.evaluation or {}
    if not found.get("interval"):
        return ""
    low, high = found["interval"]
    says = "lies above a half" if low > 0.5 else "lies below a half" if high < 0.5 else "holds 50%"
    return (
        f"Yours: the reward model gives the tuned model {found['win_rate']:.0%}, interval"
        f" {low:.0%} to {high:.0%}, which {says}."
    )


def _context(session: Session) -> str:
    found = session.labs.get("context_flip") or {}
    if not found.get("sentences"):
        return ""
    return (
        f"In your Context flip, {found['flips']:.0%} of {found['outputs']} sentences changed sign."
    )


def _rising(session: Session) -> str:
    found = session.tuned.evaluation or {}
    gain = session.tuned.reward_gain
    if gain is None or not found.get("verdict"):
        return ""
    return f"Your reward moved by {signed(gain)} SD; the verdict was: {found['verdict']}."


def _who(session: Session) -> str:
    return f"Here they were judged by: {judged.rater(session)}." if judged.pairs(session) else ""


QUESTIONS = (
    Question(
        "learned_from",
        "What does the reward model learn from?",
        ("What the words mean", "Which answer won each pair", "A list of true facts"),
        1,
        "It sees pairs and who won. It finds the pattern that the winners share, not the meaning.",
        _learned_from,
    ),
    Question(
        "context",
        "The same sentence, another brief. What happens to its score?",
        ("It may change its sign", "It stays: quality is quality", "It gets a little smaller"),
        0,
        "The preference sits in the brief, not in the text: a marsupial for homework, a meme for"
        " the meme bot.",
        _context,
    ),
    Question(
        "held_out",
        "Why are some pairs kept away from the reward model?",
        ("To train faster", "To save memory", "To see whether it learned more than by heart"),
        2,
        "On pairs that it learned from it can be right by heart. Only unseen ones tell a taste.",
        _held_out,
    ),
    Question(
        "reward",
        "An answer has reward +1. What does that say?",
        (
            "It is true",
            "One person liked it",
            "It scores one standard deviation above the original's mean",
        ),
        2,
        "0 is the mean of the original model's answers and 1 their usual spread. It is an opinion"
        " learned from votes, and can be fooled.",
        _reward,
    ),
    Question(
        "kl_beta",
        "β goes up. What happens to KL, the drift from the original?",
        ("It rises", "It falls, or rises less", "Nothing"),
        1,
        "β is the price of a nat of drift. The dearer it is, the nearer the model stays to its"
        " frozen copy.",
        _kl_and_beta,
    ),
    Question(
        "rising",
        "The reward rises at every step. Are the answers getting better?",
        ("Yes, that is what reward means", "Not necessarily", "Only if β is 0"),
        1,
        "PPO climbs whatever it is given, coin flips too. Others must judge: a rule that nobody"
        " trained on, or you, blind.",
        _rising,
    ),
    Question(
        "interval",
        "The tuned model wins 60%, 95% interval 45% to 75%. Is it better?",
        ("Yes", "No", "That cannot be told"),
        2,
        "The interval holds 50%, a coin. More prompts or votes would make it shorter.",
        _interval,
    ),
    Question(
        "who",
        "Whose taste does the tuned model have?",
        ("Everybody's", "That of whoever judged the pairs", "Its own"),
        1,
        "RLHF has no other source of taste than its judges and the brief that they were given.",
        _who,
    ),
)


def of(name: str) -> Question:
    """The question called ``name``. Raises InputError."""
    found = next((one for one in QUESTIONS if one.name == name), None)
    if found is None:
        raise InputError("There is no such question.")
    return found


def answered(session: Session) -> dict[str, dict]:
    """What was answered, by question."""
    kept = session.labs.get(KEY)
    return kept if isinstance(kept, dict) else {}


def answer(session: Session, name: str, chosen: int) -> bool:
    """Keep an answer, the place of an option; whether it is right. A question that was once
    answered rightly stays so. Raises InputError.
    """
    question = of(name)
    if not 0 <= chosen < len(question.options):
        raise InputError("That is none of the answers.")
    with session.change():
        former = answered(session).get(name, {})
        row = {
            "chosen": chosen,
            "right": bool(former.get("right")) or chosen == question.right,
            "tries": int(former.get("tries", 0)) + 1,
        }
        session.labs = {**session.labs, KEY: {**answered(session), name: row}}
    return chosen == question.right


def from_own_run(session: Session, question: Question) -> str:
    """``Question.own``; "" where a record of a run is not whole."""
    try:
        return question.own(session)
    except (KeyError, IndexError, TypeError, ValueError):
        return ""
