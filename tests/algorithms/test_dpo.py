"""DPO: the loss by hand and against TRL 1.12.0's real trainer, log-probabilities against
transformers' model, and runs that learn, stop and go on.
"""

import math
import warnings

import pytest
import torch
from tiny_models import (
    END,
    PAD,
    as_words,
    nudged,
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

from rlhf_core.algorithms import dpo
from rlhf_core.algorithms.dpo import TokenPair, answer_logprobs, both_logprobs, dpo_loss
from rlhf_core.algorithms.ppo import Policy
from rlhf_core.common.settings import DPOSettings
from rlhf_core.lm.families import trunk_of
from rlhf_core.lm.language_model import fingerprint

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # TRL stirs them up

PROMPTS = random_prompts([3, 5, 1, 4])
PAIRS = [
    TokenPair(PROMPTS[0], [5, 7, END], [9, 3]),
    TokenPair(PROMPTS[1], [4, END], [8, 8, 8, 8, END]),
    TokenPair(PROMPTS[2], [10], [11, 12, END]),
    TokenPair(PROMPTS[3], [END], [6, 5, 4]),
    TokenPair(PROMPTS[3], [2, 3, 4, END], [7, END]),
]
SMALL = DPOSettings(
    steps=3, batch_size=8, minibatch_size=2, max_new_tokens=5, learning_rate=1e-3, temperature=0.7
)


def running(policy, reference, settings=SMALL, pairs=PAIRS):
    return run_of(dpo.train, policy, reference, settings, pairs=pairs, prompts=PROMPTS)


def ones(count):
    return torch.ones(count)


# --- the loss -------------------------------------------------------------------------------------


def test_loss_by_hand():
    log_p, ref = (
        torch.tensor([[-2.0, -5.0], [-4.0, -1.0]]),
        torch.tensor([[-3.0, -4.0], [-3.5, -2.0]]),
    )
    # log-ratios: chosen 1.0, -1.0; rejected -0.5, 1.0; differences 1.5, -2.0
    loss, info = dpo_loss(log_p, ref, ones(2), ones(2), beta=0.5)
    expected = [math.log(1 + math.exp(-0.75)), math.log(1 + math.exp(1.0))]
    assert loss.item() == pytest.approx(sum(expected) / 2) and info["loss"] == pytest.approx(
        sum(expected) / 2
    )
    assert info["accuracy"] == 0.5 and info["margin"] == pytest.approx((0.75 - 1.0) / 2)
    loss, _ = dpo_loss(log_p, ref, ones(2), torch.tensor([3.0, 1.0]), beta=0.5)
    assert loss.item() == pytest.approx((3 * expected[0] + expected[1]) / 4)


def test_a_policy_that_has_not_moved_pays_log_2_and_is_pulled_by_beta_halves():
    log_p = torch.tensor([[-3.0], [-7.0]], requires_grad=True)
    loss, info = dpo_loss(log_p, log_p.detach(), ones(1), ones(1), beta=0.3)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2)) and info["margin"] == 0
    torch.testing.assert_close(log_p.grad, torch.tensor([[-0.15], [0.15]]))


def test_a_target_is_the_expectation_over_who_wins_and_left_and_right_are_the_same_judgement():
    log_p, ref = (
        torch.tensor([[-2.0, -5.0], [-4.0, -1.0]]),
        torch.tensor([[-3.0, -4.0], [-3.5, -2.0]]),
    )
    won, _ = dpo_loss(log_p, ref, ones(2), ones(2), 0.5)
    lost, _ = dpo_loss(log_p, ref, 0 * ones(2), ones(2), 0.5)
    mixed, _ = dpo_loss(log_p, ref, 0.7 * ones(2), ones(2), 0.5)
    swapped, _ = dpo_loss(log_p.flip(0), ref.flip(0), 0.3 * ones(2), ones(2), 0.5)
    assert mixed.item() == pytest.approx(0.7 * won.item() + 0.3 * lost.item()) == swapped.item()
    tie, info = dpo_loss(log_p, ref, 0.5 * ones(2), ones(2), 0.5)
    assert info["accuracy"] is None and tie.item() > math.log(2)


def test_no_gradient_reaches_the_reference():
    log_p, ref = (
        torch.tensor([[-2.0], [-4.0]], requires_grad=True),
        torch.tensor([[-3.0], [-3.5]], requires_grad=True),
    )
    dpo_loss(log_p, ref, ones(1), ones(1), 0.5)[0].backward()
    assert ref.grad is None and log_p.grad.abs().min() > 0


# --- log-probabilities ----------------------------------------------------------------------------


def alone(model, prompt, answer, temperature):
    """transformers' own forward on one row, no padding."""
    log_p = (
        model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1] / temperature
    ).log_softmax(-1)
    return log_p[range(len(answer)), answer].sum()


def test_log_probabilities_are_transformers_row_by_row(double):
    model = tiny_gpt2()
    ours = both_logprobs(trunk_of(model), PAIRS, PAD, 0.7)
    chosen, rejected = (
        torch.stack([alone(model, p.prompt, getattr(p, side), 0.7) for p in PAIRS])
        for side in ("chosen", "rejected")
    )
    torch.testing.assert_close(ours, torch.stack([chosen, rejected]), atol=1e-9, rtol=0)
    one = answer_logprobs(
        trunk_of(model), [PROMPTS[2]], [[10]], PAD, 0.7
    )  # whatever else is in the batch
    assert one.item() == pytest.approx(chosen[2].item(), abs=1e-9)


# --- TRL ------------------------------------------------------------------------------------------


def test_loss_and_gradients_are_trls(tmp_path, double):
    """TRL's own DPOTrainer reads, collates and computes; a policy that has drifted, so that no
    log-ratio is 0.
    """
    pairs = [
        TokenPair(
            p.prompt,
            [t for t in p.chosen if t != END] + [END],
            [t for t in p.rejected if t != END] + [END],
        )
        for p in PAIRS
    ]  # TRL adds the end
    reference, model = tiny_gpt2(), drifted_gpt2().requires_grad_(True)
    ours_policy = Policy(trunk_of(model), changed(SMALL, temperature=1.0))  # a copy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from datasets import Dataset
        from trl import DPOConfig, DPOTrainer

        rows = Dataset.from_dict(
            {
                "prompt": [as_words(p.prompt) for p in pairs],
                "chosen": [as_words(p.chosen[:-1]) for p in pairs],
                "rejected": [as_words(p.rejected[:-1]) for p in pairs],
            }
        )
        config = DPOConfig(
            output_dir=str(tmp_path),
            bf16=False,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            beta=0.3,
            per_device_train_batch_size=len(pairs),
            gradient_checkpointing=False,
            max_length=None,
        )
        trainer = DPOTrainer(
            model, reference, config, train_dataset=rows, processing_class=tiny_tokenizer()
        )
    inputs = trainer.data_collator(list(trainer.train_dataset))
    assert [row["chosen_ids"] for row in trainer.train_dataset] == [p.chosen for p in pairs]
    theirs = trainer.compute_loss(trainer.model.train(), inputs)
    theirs.backward()

    ref_log_p = both_logprobs(trunk_of(reference), pairs, PAD, 1.0)
    log_p = both_logprobs(ours_policy.trunk, pairs, PAD, 1.0)
    loss, info = dpo_loss(log_p, ref_log_p, ones(len(pairs)), ones(len(pairs)), 0.3)
    loss.backward()
    assert (
        loss.item() == pytest.approx(theirs.item(), abs=1e-6)
        and abs(loss.item() - math.log(2)) > 0.01
    )
    assert info["accuracy"] == pytest.approx(
        trainer._metrics["train"]["rewards/accuracies"][-1], abs=1e-6
    )
    assert info["margin"] == pytest.approx(
        trainer._metrics["train"]["rewards/margins"][-1], abs=1e-6
    )
    assert_gradients_are(ours_policy.trunk, model)


# --- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("frozen", [0, 1])
def test_dpo_learns_its_comparisons_and_leaves_the_base_alone(frozen):
    settings = changed(SMALL, steps=12, frozen_layers=frozen)
    policy, reference = tiny_policy(settings)
    before = fingerprint(reference)
    rows = records(running(policy, reference, settings))
    assert [row["step"] for row in rows] == list(range(13)) and rows[0]["loss"] is rows[0][
        "accuracy"
    ] is rows[0]["margin"] is None
    assert (
        rows[1]["loss"] < 0.75
        and rows[-1]["loss"] < 0.5 * rows[1]["loss"]
        and rows[-1]["accuracy"] == 1
    )
    assert rows[-1]["kl_to_reference"] > 0.1 > 1e-5 > rows[0]["kl_to_reference"]
    assert fingerprint(reference) == before and not policy.value_head.weight.any()
    with torch.no_grad():
        moved = both_logprobs(policy.trunk, PAIRS, PAD, 0.7) - both_logprobs(
            reference, PAIRS, PAD, 0.7
        )
    assert (moved[0] > moved[1]).all()


def test_what_it_reports_is_the_loss_of_its_minibatches():
    """A learning rate of nothing: the loss stays log 2, every margin 0; and the whole pass is one
    minibatch's mean.
    """
    reference, settings = tiny_trunk(), changed(SMALL, steps=1, minibatch_size=5, learning_rate=0.0)
    row = records(running(Policy(reference, settings), reference, settings))[1]
    assert row["loss"] == pytest.approx(math.log(2), abs=1e-5) and row["margin"] == pytest.approx(
        0, abs=1e-5
    )
    settings = changed(SMALL, steps=1, minibatch_size=5)
    policy = Policy(nudged(reference, 0.05), settings)
    with torch.no_grad():
        sides = [both_logprobs(trunk, PAIRS, PAD, 0.7) for trunk in (policy.trunk, reference)]
    _, expected = dpo_loss(*sides, ones(5), ones(5), settings.beta)
    row = records(running(policy, reference, settings))[1]
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-4)


def test_targets_and_weights_of_the_comparisons_are_used():
    reference, settings = tiny_trunk(), changed(SMALL, steps=10, minibatch_size=5)

    def moved(pairs):
        policy = Policy(reference, settings)
        records(running(policy, reference, settings, pairs))
        with torch.no_grad():
            change = both_logprobs(policy.trunk, PAIRS, PAD, 0.7) - both_logprobs(
                reference, PAIRS, PAD, 0.7
            )
        return change[0] - change[1]

    assert (moved([pair._replace(target=0.0) for pair in PAIRS]) < 0).all()
    light = moved([PAIRS[0]] + [pair._replace(weight=1e-6) for pair in PAIRS[1:]])
    assert light[0] > 2 * light[1:].abs().max()


def test_records_are_ppos_where_they_mean_the_same():
    for row in records(running(*tiny_policy(SMALL))):
        assert row["reward_mean"] == pytest.approx(row["batch"].scores.mean().item())
        assert row["kl_to_reference"] == pytest.approx(row["batch"].kl.sum(1).mean().item())
        assert set(row) - {"loss", "accuracy", "margin"} == set(dpo.step_loop.SHARED)


def test_same_seed_same_run_other_seed_other_run():
    assert_the_seed_decides(running, SMALL)


@pytest.mark.parametrize("items", [2, 5, 11, 17])
def test_a_stop_anywhere_leaves_the_last_finished_step_and_going_on_equals_never_stopping(items):
    assert_going_on_equals_never_stopping(running, SMALL, items)


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        ([], "There is no pair to learn from yet"),
        ([PAIRS[0], PAIRS[0]._replace(rejected=[])], "Pair 2 has an empty prompt or answer"),
        ([PAIRS[0]._replace(prompt=[])], "Pair 1 has an empty prompt or answer"),
        (
            [PAIRS[0]._replace(chosen=[5] * 46)],
            "Pair 1 is 49 tokens long; the model reads at most 48",
        ),
    ],
)
def test_what_cannot_be_learned_from_is_told(pairs, sentence):
    with pytest.raises(ValueError, match=sentence):
        next(running(*tiny_policy(SMALL), pairs=pairs))
