"""Does another round still help? The last measured round against the one measured before it."""

from __future__ import annotations

from rlhf_core.common.intervals import mean_interval, wilson_interval
from rlhf_core.evaluation.before_after import FEWEST_PROMPTS
from rlhf_core.evaluation.conclusion import GRADED, REWARD_MODEL, RULE


def still_improving(rounds: list[dict]) -> dict:
    """The last measured round against the one measured before it.

    {"answer": better | worse | no change | unknown, "sentence", "judge": who compared}.

    A rule that judged both compares them, the graded one first: it is the same judge in both. Else
    each round's own reward model, which is two judges.

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
            "judge": REWARD_MODEL,
            "sentence": (
                f"{missing} measured so far, so there is no telling. Measure a round on Before /"
                " after before you start the next one."
            ),
        }
    judge, (former, last) = _same_judge(measured[-2:])
    a, b = former.get("by_prompt") or {}, last.get("by_prompt") or {}
    prompts = [prompt for prompt in b if prompt in a]
    change = last["win_rate"] - former["win_rate"]
    gaps = [b[prompt] - a[prompt] for prompt in prompts]
    if 0 < len(gaps) < FEWEST_PROMPTS:
        return {
            "answer": "unknown",
            "judge": judge,
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
            "judge": judge,
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
    who = "their own reward models" if judge == REWARD_MODEL else f"the {judge}"
    span = (
        f"{100 * change:+.0f} points of win rate by {who} (95% interval {100 * low:+.0f} to"
        f" {100 * high:+.0f})"
    )
    return {
        "answer": answer,
        "judge": judge,
        "sentence": (
            f"From round {former['round']} to round {last['round']}: {span}: {words}.".replace(
                "-", "\N{MINUS SIGN}"
            )
        ),
    }


def _same_judge(rows: list[dict]) -> tuple[str, list[dict]]:
    """The first rule that judged all ``rows``, and these with its numbers; else the reward model
    and the rows as they are.
    """
    for name in (GRADED, RULE):
        found = [
            {**row, **judge}
            for row in rows
            for judge in row.get("judges") or []
            if judge["name"] == name and judge.get("by_prompt")
        ]
        if len(found) == len(rows):
            return name, found
    return REWARD_MODEL, rows
