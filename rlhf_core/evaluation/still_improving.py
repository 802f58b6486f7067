"""Does another round still help? The last measured round against the one measured before it."""

from __future__ import annotations

from rlhf_core.common.intervals import mean_interval, wilson_interval
from rlhf_core.evaluation.before_after import FEWEST_PROMPTS


def still_improving(rounds: list[dict]) -> dict:
    """The last measured round against the one measured before it.

    {"answer": better | worse | no change | unknown, "sentence"}.

    Both have a win rate against the original model on the same prompts. Where each round kept its
    prompts' rates, the change is tested over prompts (Student's interval of the paired gaps), and
    of fewer than FEWEST_PROMPTS nothing is said. Else, or where all prompts changed alike, the two
    shares are taken as independent (Newcombe's interval over answers, too narrow where the answers
    to one prompt are alike).
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
    gaps = [b[prompt] - a[prompt] for prompt in prompts]
    if 0 < len(gaps) < FEWEST_PROMPTS:
        return {
            "answer": "unknown",
            "sentence": (
                f"Too few prompts were measured in both of these rounds ({len(gaps)}), so there is"
                " no telling."
            ),
        }
    if gaps and max(gaps) - min(gaps) > 1e-9:
        change, (low, high) = sum(gaps) / len(gaps), mean_interval(gaps)
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
