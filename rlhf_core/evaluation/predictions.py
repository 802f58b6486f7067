"""Guess before a run, and see afterwards how close it came: drift, reward, and who wins.

Plain data in and out. A guess is never required, and nothing is kept of who guesses how well.
Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

WINNERS = {
    "tuned": "the tuned model",
    "original": "the original model",
    "none": "no detectable difference",
}
# Nearer than this counts as close: nats a response; reference standard deviations.
CLOSE = {"kl": 1.0, "reward": 0.3}
MOST = 50  # guesses that a session keeps


def predict(kl: float, reward: float, winner: str, *, round: int, step: int, steps: int) -> dict:
    """A guess about where a run of ``steps`` steps from ``step`` of ``round`` will end.

    Raises ValueError, in words.
    """
    if winner not in WINNERS:
        raise ValueError(f"The winner must be one of {', '.join(WINNERS)}.")
    for name, value in (("KL", kl), ("reward", reward)):
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise ValueError(f"The guess of the {name} must be a number.")
    return {
        "kl": float(kl),
        "reward": float(reward),
        "winner": winner,
        "round": round,
        "from": step,
        "to": step + steps,
    }


def outcome(winner_interval: Sequence[float] | None) -> str | None:
    """Who won, by a win rate's interval; None: not measured."""
    if not winner_interval:
        return None
    low, high = winner_interval
    return "tuned" if low > 0.5 else "original" if high < 0.5 else "none"


def score(guess: dict, metrics: Sequence[dict], evaluation: dict | None) -> dict | None:
    """How close ``guess`` came, or None while its run has no step yet.

    Returns:
        {"step": where the run stands; "to": the step that the guess was about; "early": the run
        stands before that, so nothing is judged; "rows": one {"name", "guess", "real", "close"}
        each for KL and reward, close None where it is early; and for the winner, with real None
        while nobody has measured this model}.
    """
    rows = [row for row in metrics if guess["from"] <= row.get("step", -1) <= guess["to"]]
    if not rows or rows[-1]["step"] <= guess["from"]:
        return None
    last, found = rows[-1], []
    early = last["step"] < guess["to"]
    for name, column, words in (
        ("kl", "kl_to_reference", "KL to the original (nats a response)"),
        ("reward", "reward_mean", "Mean reward (SD)"),
    ):
        real = last.get(column)
        known = isinstance(real, int | float) and math.isfinite(real)
        found.append(
            {
                "name": words,
                "guess": guess[name],
                "real": real if known else None,
                "close": None if early else known and abs(real - guess[name]) <= CLOSE[name],
            }
        )
    measured = {} if early or not evaluation else evaluation
    measured = measured if measured.get("step") == last["step"] else {}
    real = outcome(measured.get("interval"))
    found.append(
        {
            "name": "Winner on unseen prompts",
            "guess": WINNERS[guess["winner"]],
            "real": WINNERS.get(real) if real else None,
            "close": None if early else real == guess["winner"],
        }
    )
    return {"step": last["step"], "to": guess["to"], "early": early, "rows": found}
