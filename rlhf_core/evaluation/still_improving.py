"""Does another round still help? The last measured round against the one measured before it."""

from __future__ import annotations

import random

from rlhf_core.common.intervals import wilson_interval


def still_improving(rounds: list[dict], *, seed: int = 0, draws: int = 2000) -> dict:
    """The last measured round against the one measured before it.

    {"answer": better | worse | no change | unknown, "sentence"}.

    Both have a win rate against the original model on the same prompts; prompts are drawn anew
    (paired bootstrap over prompts, Efron & Tibshirani 1993, chapter 8) where each round kept its
    prompts' rates, else the two shares are taken as independent (Wilson's intervals apart or not).
    """
    measured = [row for row in rounds if isinstance(row.get("win_rate"), int | float)]
    if len(measured) < 2:
        missing = "Only one round was" if measured else "No round was"
        return {
            "answer": "unknown",
            "sentence": (
                f"{missing} measured so far, so there is no telling. Measure a round on Before /"
                " after before you start the next one."
            ),
        }
    former, last = measured[-2:]
    a, b = former.get("by_prompt") or {}, last.get("by_prompt") or {}
    prompts = [prompt for prompt in b if prompt in a]
    change = last["win_rate"] - former["win_rate"]
    if len(prompts) >= 5:
        gaps, rng = [b[prompt] - a[prompt] for prompt in prompts], random.Random(seed)
        means = sorted(sum(rng.choices(gaps, k=len(gaps))) / len(gaps) for _ in range(draws))
        change, low, high = (
            sum(gaps) / len(gaps),
            means[int(0.025 * draws)],
            means[int(0.975 * draws) - 1],
        )
    elif former.get("pairs") and last.get("pairs"):
        (l1, h1), (l2, h2) = (
            wilson_interval(row["win_rate"] * row["pairs"], row["pairs"]) for row in (former, last)
        )
        spread_low, spread_high = (
            ((last["win_rate"] - l2) ** 2 + (h1 - former["win_rate"]) ** 2) ** 0.5,
            ((h2 - last["win_rate"]) ** 2 + (former["win_rate"] - l1) ** 2) ** 0.5,
        )
        low, high = change - spread_low, change + spread_high
    else:
        return {
            "answer": "unknown",
            "sentence": (
                "These rounds were measured without keeping how many pairs, so there is no telling."
            ),
        }
    answer = "better" if low > 0 else "worse" if high < 0 else "no change"
    words = {
        "better": "it still improves",
        "worse": "it got worse",
        "no change": "no detectable change",
    }[answer]
    span = (
        f"{100 * change:+.0f} points of win rate (95% interval {100 * low:+.0f} to"
        f" {100 * high:+.0f})"
    )
    return {
        "answer": answer,
        "sentence": (
            f"From round {former['round']} to round {last['round']}: {span}: {words}.".replace(
                "-", "\N{MINUS SIGN}"
            )
        ),
    }
