"""The session's own numbers by name, for the formulas of the glossary (``common.glossary``).

Only numbers that are there and finite; a formula that wants another one stays in symbols. Knows
nothing about words and pages.
"""

from __future__ import annotations

import math
from typing import TypeGuard

from rlhf_core.common import settings
from rlhf_core.common.knob import within
from rlhf_core.evaluation import conclusion
from rlhf_core.session import judged, rounds
from rlhf_core.session.state import Session

OF_A_STEP = {  # a record of ``ppo.train`` -> as the glossary calls it
    "step": "step",
    "reward_mean": "reward",
    "kl_to_reference": "kl",
    "kl_k1": "k1",
    "entropy": "entropy",
    "beta": "beta",
    "clip_fraction": "clip_fraction",
    "approx_kl_update": "approx_kl",
    "value_loss": "value_loss",
    "policy_loss": "policy_loss",
}
OF_A_JUDGE = ("win_rate", "win_low", "win_high", "luck_low", "luck_high")  # shares it counted
OF_AN_UPDATE = ("clip_fraction", "approx_kl", "value_loss", "policy_loss")  # none at step 0


def of(session: Session) -> dict[str, float]:
    """Everything that is known now. Shares lie between 0 and 1; units as in the records. Those of a
    judge are rounded as pages show them, to whole percent.
    """
    found = {**_reward_model(session), **_run(session), **_verdict(session)}
    return {name: float(value) for name, value in found.items() if _number(value)}


def after_drift(session: Session) -> float | None:
    """How far score less beta times KL has moved since this reward model began to train, at the
    newest step's beta, in reference SD: what PPO climbs, but for what bounds a single answer. None
    before there are two steps.
    """
    rows = session.tuned.metrics
    same = [row for row in rows if row.get("reward_model") == rows[-1].get("reward_model")]
    if len(same) < 2:
        return None
    beta, ends = same[-1].get("beta"), (same[0], same[-1])
    found = [(row["reward_mean"], row["kl_to_reference"]) for row in ends if _climbed(row)]
    if not _number(beta) or len(found) < len(ends):
        return None
    first, last = (reward - beta * kl for reward, kl in found)
    return last - first


def _climbed(row: dict) -> bool:
    return _number(row.get("reward_mean")) and _number(row.get("kl_to_reference"))


def _number(value: object) -> TypeGuard[float]:
    """Is it a finite one? A record may come from a file."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _run(session: Session) -> dict:
    """The settings of the run, and the newest step."""
    ran = {**session.settings.get("ppo", {})} or session.settings.get("ppo_next", {})
    found: dict = dict(within(settings.PPOSettings, ran))
    batch, minibatch = found["batch_size"], found["minibatch_size"]
    found["gradient_steps"] = found["epochs"] * math.ceil(batch / min(batch, minibatch))
    if not found["score_clip"]:
        del found["score_clip"]  # off: no score is too high
    metrics = session.tuned.metrics
    if not metrics:
        return found
    row = metrics[-1]
    found |= {name: row.get(key) for key, name in OF_A_STEP.items()}
    found["reward_start"] = metrics[0].get("reward_mean")
    if not row.get("learning_rate"):  # measured before any update
        found |= dict.fromkeys(OF_AN_UPDATE)
    climbed, lost = found["policy_loss"], found["value_loss"]
    if _number(climbed) and _number(lost):
        found["climbed"] = -climbed
        found["objective"] = -climbed - found["value_coefficient"] * lost
    return found | _earned(session, found)


def _earned(session: Session, known: dict) -> dict:
    """What the newest step's answers earn on average, as ``ppo.earned_scores`` and
    ``ppo.token_rewards`` count it: from each answer's own score, since the limit is each answer's.
    """
    beta, k1 = known.get("beta"), known.get("k1")
    if not (_number(beta) and _number(k1)):
        return {}
    found = {"drift_price": beta * k1}
    rows = [row for row in session.tuned.samples if row["step"] == known["step"]]
    scores = [row["reward"] for row in rows if _number(row.get("reward"))]
    # Doubt is kept as a mean only.
    if not rows or known["conservative"] or len(scores) < len(rows):
        return found
    highest = known.get("score_clip", math.inf)
    found["capped"] = sum(min(score, highest) for score in scores) / len(rows)
    found["unended"] = sum(not row.get("ended", True) for row in rows) / len(rows)
    found["end_price"] = known["missing_end_penalty"] * found["unended"]
    found["earned"] = found["capped"] - found["end_price"] - found["drift_price"]
    return found


def _reward_model(session: Session) -> dict:
    records, summary = session.learned.fit_records, session.learned.summary
    last = records[-1] if records else {}
    found = {"rm_loss": last.get("loss"), "rm_floor": last.get("floor")}
    if not session.learned.head:
        return found
    names = ("train_accuracy", "heldout_accuracy", "heldout_pairs", "unit", "features")
    found |= {name: summary.get(name) for name in names}
    accuracy, pairs = summary.get("heldout_accuracy"), summary.get("heldout_pairs")
    if _number(accuracy) and _number(pairs):
        found["heldout_hits"] = round(accuracy * pairs)
    chance = summary.get("chance")
    if conclusion.known(chance):
        found |= {name: chance[name] for name in ("p", "fits", "support")}
    return found


def judge(session: Session) -> str:
    """Who counted the shares of ``OF_A_JUDGE``; "" where nobody has."""
    row = _counts(session)
    return str(row.get("name") or row.get("judge") or "")


def _counts(session: Session) -> dict:
    """The row of the judge that matters most: a person's votes, else the graded rule's, else
    whoever there is; {} before anything was measured.
    """
    if not session.tuned.evaluation:
        return {}
    whole = rounds.with_votes(session)
    judges = whole.get("judges") or [whole]
    first = (conclusion.YOU, conclusion.GRADED, conclusion.RULE)
    by_name = {row.get("name"): row for row in judges if row.get("pairs")}
    return next((by_name[name] for name in first if name in by_name), judges[0])


def _verdict(session: Session) -> dict:
    """The blind votes, and what one judge counted."""
    found: dict = {"votes": len(judged.votes_here(session))}
    row = _counts(session)
    if not row:
        return found
    found |= {name: row.get(name) for name in ("wins", "ties", "losses", "win_rate")}
    if all(_number(found[name]) for name in ("wins", "ties", "losses")):
        found["compared"] = found["wins"] + found["ties"] + found["losses"]
    for names, key in ((("win_low", "win_high"), "interval"), (("luck_low", "luck_high"), "luck")):
        if isinstance(row.get(key), list | tuple) and len(row[key]) == 2:
            found |= dict(zip(names, row[key], strict=True))
    shares = {name: found[name] for name in OF_A_JUDGE if _number(found.get(name))}
    return found | {name: round(100 * share) / 100 for name, share in shares.items()}
