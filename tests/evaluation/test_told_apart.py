"""One sentence on several runs: what may be said follows from intervals, and from nothing else."""

import pytest

from rlhf_core.common.intervals import mean_interval, t_quantile
from rlhf_core.evaluation import told_apart

NAMES = {"ppo": "PPO", "dpo": "DPO", "kto": "KTO"}
SPREAD = [0.1, -0.1, 0.2, -0.2, 0.0] * 4  # of 20 prompts


def run(*ends: float, spread=SPREAD) -> list[dict]:
    """A run whose gold was 0 at step 0, and these since."""
    rows = [{"step": 0, "gold_a": [0.0] * 20, "gold_b": [0.0] * 20}]
    for step, end in enumerate(ends, 1):
        golds = [end + one for one in spread]
        rows.append({"step": step, "gold_a": golds, "gold_b": golds})
    return rows


def best(gold: float, spread=SPREAD) -> dict:
    golds = [gold + one for one in spread]
    return {"n": 64, "golds": golds, "gains": golds}


TURNED = SPREAD[::-1]  # the same prompts' luck the other way round: their gaps vary


@pytest.mark.parametrize(
    "golds, of_best, said",
    [
        (
            (0.5, 0.51, 0.49),
            1.1,
            "The 3 trained ones cannot be told apart; best of 64 is higher than all of them, paid"
            " for at every prompt.",
        ),
        (
            (0.9, 0.3, 0.31),
            0.91,
            "PPO is higher than KTO and DPO; no other two trained ones can be told apart; best of"
            " 64 is higher than KTO and DPO, and cannot be told apart from PPO, paid for at every"
            " prompt.",
        ),
        (
            (0.9, 0.91, 0.3),
            2.0,
            "DPO and PPO are higher than KTO; no other two trained ones can be told apart; best of"
            " 64 is higher than all of them, paid for at every prompt.",
        ),
        (
            (0.9, 0.6, 0.3),
            -0.2,
            "PPO is higher than DPO and KTO; DPO is higher than KTO; best of 64 is lower than all"
            " of them, paid for at every prompt.",
        ),
        (
            (0.5, 0.51, 0.49),
            0.5,
            "The 3 trained ones cannot be told apart; best of 64, paid for at every prompt, cannot"
            " be told apart from them.",
        ),
    ],
)
def test_the_sentence_follows_the_intervals(golds, of_best, said):
    spreads = (SPREAD, TURNED, SPREAD[2:] + SPREAD[:2])
    points = {
        name: run(gold, spread=spread)
        for name, gold, spread in zip(NAMES, golds, spreads, strict=True)
    }
    assert told_apart.conclusion(points, best(of_best, TURNED[1:] + TURNED[:1]), NAMES) == said


def test_one_run_two_runs_none_and_too_few():
    two = {"ppo": run(0.5), "dpo": run(0.5, spread=TURNED)}
    assert told_apart.conclusion(two, {}, NAMES) == "PPO and DPO cannot be told apart."
    one = {"ppo": run(0.5)}
    assert told_apart.conclusion(one, best(1.1, TURNED), NAMES) == (
        "Best of 64 is higher than PPO, paid for at every prompt."
    )
    assert told_apart.conclusion(one, {"n": 64}, NAMES) == ""  # an older result: nothing to say
    assert told_apart.conclusion({"ppo": run()}, best(1.0), NAMES) == ""  # step 0 alone
    few = {"ppo": run(0.5), "dpo": run(2.0)}
    for rows in few.values():
        for row in rows:
            row["gold_a"], row["gold_b"] = row["gold_a"][:4], row["gold_b"][:4]
    assert told_apart.conclusion(few, {}, NAMES) == "Too few prompts to tell them apart."


def test_many_comparisons_take_more_to_convince():
    """A difference that one comparison would find, fifteen together do not."""
    one, other = [0.065 + x for x in SPREAD], TURNED
    assert told_apart.higher(one, other, 1) == 1 and told_apart.higher(other, one, 1) == -1
    assert told_apart.higher(one, other, 15) == 0
    # Tables of Student's t, e.g. Abramowitz & Stegun 26.10.
    for freedom, tail, value in ((5, 0.001, 5.893), (9, 0.0025, 3.690), (19, 0.001, 3.579)):
        assert t_quantile(freedom, tail) == pytest.approx(value, rel=0.01)
    assert mean_interval(SPREAD, tail=0.001)[1] > mean_interval(SPREAD)[1]


def test_intervals_of_changes_and_gains():
    rows = run(0.5)
    rows[0]["gold_a"] = rows[0]["gold_b"] = list(SPREAD)  # it began where its prompts' luck was
    assert told_apart.change_of(rows) == pytest.approx((0.5, 0.5))  # paired: the luck drops out
    assert told_apart.change_of(rows[:1]) is None
    low, high = told_apart.gain_of(best(0.8))
    assert low < 0.8 < high and told_apart.gain_of({"n": 64}) is None


def test_the_top_of_the_scale_is_said():
    words = told_apart.at_the_top(1.12, {"best of 64": 1.10, "PPO": 0.4, "KTO": 1.05})
    assert words.startswith("Gold ends at +1.12") and "best of 64 and KTO stand there" in words
    assert told_apart.at_the_top(1.12, {"PPO": 0.9}) == ""
    assert told_apart.at_the_top(None, {"PPO": 0.9}) == ""
