"""What the updates of RLOO, GRPO, DPO and KTO have in common: the walk through minibatches, and the
reference's one look.
"""

import pytest
import torch
from tiny_models import one_thread, tiny_trunk  # noqa: F401

from rlhf_core.algorithms.ppo import Policy
from rlhf_core.algorithms.step_loop import descend, minibatches, read_once
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import RLOOSettings


def test_the_reference_reads_every_row_once_and_without_a_gradient():
    weight, seen = torch.tensor(2.0, requires_grad=True), []

    def logprobs(few):
        seen.append(list(few))
        return weight * torch.tensor([few, few])  # (2, b)

    rows = [1.0, 2.0, 3.0, 4.0, 5.0]
    work = read_once(rows, 2, logprobs, "reading")
    assert next(work) == Progress("reading", 2, 5)
    assert torch.is_grad_enabled(), "who waits for it may need gradients"
    *steps, read = work
    assert seen == [[1.0, 2.0], [3.0, 4.0], [5.0]] and steps[-1] == Progress("reading", 5, 5)
    torch.testing.assert_close(read, torch.tensor([rows, rows]) * 2)
    assert not read.requires_grad


def test_each_epoch_goes_through_all_rows_in_a_fresh_order():
    policy = Policy(tiny_trunk(), RLOOSettings(seed=3))
    parts = minibatches(policy, 5, 2, epochs=2)
    assert [len(part) for part in parts] == [2, 2, 1, 2, 2, 1]
    first, second = torch.cat(parts[:3]), torch.cat(parts[3:])
    assert sorted(first.tolist()) == sorted(second.tolist()) == [0, 1, 2, 3, 4]
    assert first.tolist() != second.tolist()
    again = minibatches(Policy(tiny_trunk(), RLOOSettings(seed=3)), 5, 2, epochs=2)
    assert all(torch.equal(one, other) for one, other in zip(parts, again, strict=True))


def test_one_optimiser_step_a_minibatch_and_the_means_of_its_numbers():
    policy = Policy(tiny_trunk(), RLOOSettings())
    weight, taken = policy.parameters[0], []
    start = weight.detach().clone()

    def loss_of(part, joints):
        taken.append(weight.detach().clone())
        number = float(part.sum())
        return (weight**2).sum(), {"number": number, "none": None if number > 1 else 4.0}

    parts = [torch.tensor([0, 1]), torch.tensor([2])]
    *steps, numbers = descend(policy, parts, loss_of, max_grad_norm=1.0)
    assert steps == [Progress("updating the model", done, 2) for done in (0, 1, 1, 2)]
    assert numbers == {"number": pytest.approx(1.5), "none": 4.0}
    assert torch.equal(taken[0], start) and not torch.equal(taken[1], start)
    assert not torch.equal(weight, taken[1])
