"""One vote changed, against a fit from scratch of the changed votes."""

import pytest
import torch
from lab_data import general_optimum, judged, model_of, normal
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.errors import RewardModelError
from rlhf_core.rewards.what_if import what_if

REFERENCE = normal(300, 4, seed=50)


@pytest.mark.parametrize("change", ["flip", "withhold"])
def test_the_scores_are_those_of_a_fit_to_the_changed_votes(change):
    data, _ = judged(20)
    outputs = normal(6, 4, seed=7)
    found = what_if(data, model_of(data), 5, change, outputs, REFERENCE, 1.0)
    targets, weights = data.targets.clone(), data.weights.clone()
    if change == "flip":
        targets[5] = 1 - targets[5]
    else:
        weights[5] = 0

    def scores(targets, weights):
        w = general_optimum(data.x, targets, weights, torch.ones(4, dtype=torch.float64))
        raw = REFERENCE @ w
        return (outputs @ w - raw.mean()) / raw.std()

    torch.testing.assert_close(
        torch.tensor(found["before"], dtype=torch.float64),
        scores(data.targets, data.weights),
        atol=1e-4,
        rtol=0,
    )
    torch.testing.assert_close(
        torch.tensor(found["after"], dtype=torch.float64),
        scores(targets, weights),
        atol=1e-4,
        rtol=0,
    )
    assert found["order_after"] == scores(targets, weights).argsort(descending=True).tolist()


def test_weakly_supported_votes_move_scores_less():
    data, _ = judged(20)
    outputs = normal(6, 4, seed=7)
    full, weak = (
        what_if(data, model_of(data), 5, "flip", outputs, REFERENCE, 1.0, support)
        for support in (1.0, 0.25)
    )
    for when in ("before", "after"):
        assert weak[when] == pytest.approx([score / 4 for score in full[when]])
    assert weak["order_after"] == full["order_after"]


def test_one_vote_can_decide_and_most_do_not():
    data, _ = judged(2, k=4, choices=["a", "a"])
    best = (
        data.x[0] - (data.x[0] @ data.x[1]) / (data.x[1] @ data.x[1]) * data.x[1]
    )  # what only the first vote is about
    found = what_if(data, model_of(data), 0, "flip", torch.stack([best, -best]), REFERENCE, 1.0)
    assert (found["order_before"], found["order_after"], found["decides"], found["moved"]) == (
        [0, 1],
        [1, 0],
        True,
        2,
    ) and "decides which output" in found["sentence"]
    many, _ = judged(300, truth=[3.0, 0, 0, 0])
    found = what_if(
        many,
        model_of(many),
        0,
        "withhold",
        torch.tensor([[2.0, 0, 0, 0], [-2.0, 0, 0, 0]]),
        REFERENCE,
        1.0,
    )
    assert not found["decides"] and found["moved"] == 0 and "changes no place" in found["sentence"]


def test_a_tie_reversed_is_a_tie_and_the_only_vote_cannot_go():
    data, _ = judged(3, choices=["a", "tie", "tie"])
    found = what_if(data, model_of(data), 1, "flip", normal(3, 4), REFERENCE, 1.0)
    assert (
        found["before"] == pytest.approx(found["after"], abs=1e-4)
        and "same tie" in found["sentence"]
    )
    with pytest.raises(RewardModelError, match="the only vote that prefers anything"):
        what_if(data, model_of(data), 0, "withhold", normal(3, 4), REFERENCE, 1.0)
