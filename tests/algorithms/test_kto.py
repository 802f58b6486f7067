"""KTO: the loss by hand and against TRL 1.12.0's real trainer, and runs that learn, stop and go
on.
"""

import math
import warnings

import pytest
import torch
from tiny_models import (
    END,
    PAD,
    as_words,
    one_thread,  # noqa: F401
    random_prompts,
    tiny_gpt2,
    tiny_tokenizer,
    tiny_trunk,
)
from tiny_runs import (
    assert_going_on_equals_never_stopping,
    assert_gradients_are,
    assert_the_seed_decides,
    changed,
    drifted_gpt2,
    records,
    run_of,
    tiny_policy,
)

from rlhf_core.algorithms import kto
from rlhf_core.algorithms.dpo import answer_logprobs
from rlhf_core.algorithms.kto import Judged, beside_others, kto_loss, reference_point
from rlhf_core.algorithms.ppo import Policy
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import KTOSettings
from rlhf_core.lm.families import trunk_of
from rlhf_core.lm.language_model import fingerprint

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # TRL stirs them up

PROMPTS = random_prompts([3, 5, 1, 4])
ROWS = [
    Judged(PROMPTS[0], [5, 7, END], True),
    Judged(PROMPTS[1], [4, END], False),
    Judged(PROMPTS[2], [10, END], True),
    Judged(PROMPTS[3], [END], True),
    Judged(PROMPTS[3], [2, 3, 4, END], False),
]
SMALL = KTOSettings(
    steps=3, batch_size=8, minibatch_size=2, max_new_tokens=5, learning_rate=1e-3, temperature=0.7
)


def running(policy, reference, settings=SMALL, rows=ROWS):
    return run_of(kto.train, policy, reference, settings, rows=rows, prompts=PROMPTS)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


# --- the loss -------------------------------------------------------------------------------------


def test_loss_by_hand(double):
    log_p, ref = torch.tensor([-2.0, -5.0, -3.0]), torch.tensor([-3.0, -4.5, -1.0])
    good, weights = torch.tensor([True, False, True]), torch.tensor([1.0, 2.0, 0.5])
    loss, info = kto_loss(log_p, ref, good, weights, torch.tensor(0.25), beta=0.4)
    # log-ratios 1.0, -0.5, -2.0; above the reference point by 0.75, -0.75, -2.25
    each = [1 - sigmoid(0.3), 2 * (1 - sigmoid(0.3)), 0.5 * (1 - sigmoid(-0.9))]
    assert loss.item() == pytest.approx(sum(each) / 3) == info["loss"]
    assert info["margin"] == pytest.approx(0.4 * (-0.5 + 0.5)) and info["drift"] == 0.25


def test_a_policy_that_has_not_moved_pays_a_half_and_good_and_bad_pull_alike(double):
    log_p = torch.tensor([-3.0, -7.0], requires_grad=True)
    good = torch.tensor([True, False])
    loss, info = kto_loss(log_p, log_p.detach(), good, torch.ones(2), torch.tensor(0.0), beta=0.4)
    loss.backward()
    assert loss.item() == 0.5 and info["margin"] == 0
    torch.testing.assert_close(log_p.grad, torch.tensor([-0.05, 0.05]))  # beta / 4, halved


def test_the_farther_from_the_reference_point_the_weaker_the_pull(double):
    """Diminishing returns both ways: what tells KTO from DPO, whose losers pull for ever."""
    pulls = []
    for ratio in (0.0, 5.0, -5.0):
        log_p = torch.tensor([ratio], requires_grad=True)
        one = torch.ones(1)
        kto_loss(log_p, torch.zeros(1), one.bool(), one, torch.tensor(0.0), 1.0)[0].backward()
        pulls.append(log_p.grad.abs().item())
    assert pulls[0] > 30 * pulls[1] and pulls[1] == pytest.approx(pulls[2])


def test_the_reference_point_is_the_mean_drift_never_negative_and_nothing_learns_through_it():
    log_p = torch.tensor([-1.0, -2.0], requires_grad=True)
    point = reference_point(log_p, torch.tensor([-3.0, -1.5]))
    assert point.item() == 0.75 and not point.requires_grad
    assert reference_point(log_p, torch.zeros(2)).item() == 0


def test_each_answer_stands_beside_another_rows_prompt_and_is_cut_to_what_can_be_read():
    assert beside_others(ROWS, 48) == [row.answer for row in (ROWS[4], *ROWS[:4])]
    assert beside_others(ROWS, 6)[0] == [2, 3, 4] and beside_others(ROWS, 6)[1] == [5]


# --- TRL ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["policy", "reference"])
def test_loss_reference_point_and_gradients_are_trls(tmp_path, double, which):
    """TRL's own KTOTrainer reads, collates and computes; policy and reference differ, so that no
    log-ratio is 0. The estimate of the KL is clamped to 0 in one case, and not in the other.
    """
    reference, model = tiny_gpt2(), drifted_gpt2()
    if which == "reference":
        reference, model = model, reference
    model.requires_grad_(True)
    policy = Policy(trunk_of(model), changed(SMALL, temperature=1.0))  # a copy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from datasets import Dataset
        from trl import KTOConfig, KTOTrainer

        data = Dataset.from_dict(
            {
                "prompt": [as_words(row.prompt) for row in ROWS],
                "completion": [as_words(row.answer[:-1]) for row in ROWS],  # TRL adds the end
                "label": [row.good for row in ROWS],
            }
        )
        config = KTOConfig(
            output_dir=str(tmp_path),
            bf16=False,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            beta=0.3,
            desirable_weight=0.8,
            undesirable_weight=1.5,
            per_device_train_batch_size=len(ROWS),
            gradient_checkpointing=False,
            max_length=None,
        )
        trainer = KTOTrainer(
            model, reference, config, train_dataset=data, processing_class=tiny_tokenizer()
        )
    told = list(trainer.train_dataset)
    assert [row["completion_ids"] for row in told] == [row.answer for row in ROWS]
    assert [row["KL_completion_ids"] for row in told] == beside_others(ROWS, 48)
    inputs = trainer.data_collator(told)
    theirs = trainer.compute_loss(trainer.model.train(), inputs)
    theirs.backward()

    prompts, answers = [row.prompt for row in ROWS], [row.answer for row in ROWS]

    def both(answers):
        trunks = policy.trunk, trunk_of(reference)
        return [answer_logprobs(trunk, prompts, answers, PAD, 1.0) for trunk in trunks]

    point = reference_point(*both(beside_others(ROWS, 48)))
    good = torch.tensor([row.good for row in ROWS])
    loss, info = kto_loss(*both(answers), good, torch.where(good, 0.8, 1.5), point, 0.3)
    loss.backward()
    seen = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    assert loss.item() == pytest.approx(theirs.item(), abs=1e-6) and abs(loss.item() - 0.5) > 0.005
    assert point.item() == pytest.approx(seen["kl"], abs=1e-6)
    assert (point.item() > 0.1) == (which == "policy") == (point.item() != 0)
    assert info["margin"] == pytest.approx(seen["rewards/margins"], abs=1e-6)
    assert_gradients_are(policy.trunk, model)


# --- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("frozen", [0, 1])
def test_kto_learns_what_was_called_good_and_leaves_the_base_alone(frozen):
    settings = changed(SMALL, steps=25, frozen_layers=frozen)
    policy, reference = tiny_policy(settings)
    before = fingerprint(reference)
    rows = records(running(policy, reference, settings))
    assert [row["step"] for row in rows] == list(range(26))
    assert rows[0]["loss"] is rows[0]["drift"] is rows[0]["margin"] is None
    assert rows[-1]["loss"] < 0.8 * rows[1]["loss"] and rows[-1]["margin"] > 0.3
    assert rows[-1]["kl_to_reference"] > 0.1 > 1e-5 > rows[0]["kl_to_reference"]
    assert fingerprint(reference) == before and not policy.value_head.weight.any()


def test_weights_of_answers_and_of_the_sides_are_used():
    reference = tiny_trunk()

    def moved(rows, **values):
        settings = changed(SMALL, steps=10, minibatch_size=5, **values)
        policy = Policy(reference, settings)
        records(running(policy, reference, settings, rows))
        asked = [row.prompt for row in rows], [row.answer for row in rows]
        with torch.no_grad():
            after, start = (answer_logprobs(t, *asked, PAD, 0.7) for t in (policy.trunk, reference))
        return after - start

    only_good, only_bad = moved(ROWS, bad_weight=0.0), moved(ROWS, good_weight=0.0)
    assert only_good[0] > 0.5 > only_bad[0] and only_bad[1] < -0.5
    light = [row if i == 0 else row._replace(weight=1e-6) for i, row in enumerate(ROWS)]
    assert moved(light)[0] > 3 * moved(light)[1:].abs().max() or moved(light)[0] > 1


def test_no_minibatch_is_smaller_than_it_should_be():
    """A lone answer would be its own reference point."""
    settings = changed(SMALL, steps=1)
    for count, parts in ((5, 2), (4, 2), (2, 1)):
        items = list(running(*tiny_policy(settings), settings, ROWS[:count]))
        updates = {
            (item.done, item.total)
            for item in items
            if isinstance(item, Progress) and item.stage == "updating the model"
        }
        assert updates == {(done, parts) for done in range(parts + 1)}


def test_records_are_ppos_where_they_mean_the_same():
    for row in records(running(*tiny_policy(SMALL))):
        assert row["reward_mean"] == pytest.approx(row["batch"].scores.mean().item())
        assert set(row) - {"loss", "drift", "margin"} == set(kto.step_loop.SHARED)


def test_same_seed_same_run_other_seed_other_run():
    assert_the_seed_decides(running, SMALL)


@pytest.mark.parametrize("items", [2, 5, 11, 17])
def test_a_stop_anywhere_leaves_the_last_finished_step_and_going_on_equals_never_stopping(items):
    assert_going_on_equals_never_stopping(running, SMALL, items)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "needs at least two answers"),
        ([ROWS[0]], "needs at least two answers"),
        ([ROWS[0], ROWS[0]._replace(answer=[])], "Judged answer 2 has an empty prompt or answer"),
        (
            [ROWS[0]._replace(answer=[5] * 46), ROWS[1]],
            "Judged answer 1 is 49 tokens long with its prompt; the model reads at most 48",
        ),
    ],
)
def test_what_cannot_be_learned_from_is_told(rows, sentence):
    with pytest.raises(ValueError, match=sentence):
        next(running(*tiny_policy(SMALL), rows=rows))
