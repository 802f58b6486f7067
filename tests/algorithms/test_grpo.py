"""GRPO: advantages and loss by hand and against TRL 1.12.0's real trainer, and runs that stop and
go on.
"""

import copy
import math
import warnings

import pytest
import torch
from test_rloo import ANSWERS, SCORES, TEMPERATURE, Recorded, our_batch
from tiny_models import (
    as_words,
    nudged,
    one_thread,  # noqa: F401
    random_prompts,
    tiny_gpt2,
    tiny_tokenizer,
)
from tiny_runs import (
    assert_going_on_equals_never_stopping,
    assert_gradients_are,
    assert_it_climbs_and_a_dearer_drift_drifts_less,
    assert_the_seed_decides,
    changed,
    drifted_gpt2,
    records,
    run_of,
    tiny_policy,
)

from rlhf_core.algorithms import grpo, rloo
from rlhf_core.algorithms.grpo import group_advantages, grpo_loss, kl_k3
from rlhf_core.algorithms.ppo import Policy, exact_kl
from rlhf_core.common.errors import SettingsError
from rlhf_core.common.settings import GRPOSettings
from rlhf_core.lm.families import trunk_of
from rlhf_core.lm.language_model import fingerprint

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # TRL stirs them up

SMALL = GRPOSettings(
    steps=2,
    batch_size=16,
    minibatch_size=8,
    group=4,
    max_new_tokens=5,
    epochs=2,
    learning_rate=1e-3,
    temperature=0.7,
    beta=0.1,
    score_clip=0.0,
)
PROMPTS = random_prompts([3, 9, 1, 6, 4, 2])


def running(policy, reference, settings=SMALL, prompts=PROMPTS, **more):
    return run_of(grpo.train, policy, reference, settings, prompts=prompts, **more)


# --- advantages -----------------------------------------------------------------------------------


def test_a_reward_counts_in_standard_deviations_of_its_group(double):
    rewards, group = torch.tensor([1.0, 0.0, 2.0, 6.0, 4.0]), torch.tensor([0, 1, 0, 0, 1])
    spreads = math.sqrt((4 + 1 + 9) / 2) + 1e-4, math.sqrt(8) + 1e-4
    expected = [-2 / spreads[0], -2 / spreads[1], -1 / spreads[0], 3 / spreads[0], 2 / spreads[1]]
    torch.testing.assert_close(group_advantages(rewards, group), torch.tensor(expected))


def test_a_group_that_earned_the_same_teaches_nothing():
    group = torch.tensor([0, 0, 1, 1])
    advantages = group_advantages(torch.tensor([3.0, 3.0, 0.0, 1.0]), group)
    assert advantages[:2].tolist() == [0, 0] and advantages[3] > 0.7


def test_an_answer_without_company_is_refused():
    with pytest.raises(ValueError, match="needs at least two of each"):
        group_advantages(torch.ones(3), torch.tensor([0, 0, 1]))


# --- the loss -------------------------------------------------------------------------------------


def test_k3_is_the_kl_on_average_and_never_negative(double):
    generator = torch.Generator().manual_seed(0)
    log_p, log_q = torch.randn(2, 50, 7, generator=generator).log_softmax(-1)
    each = kl_k3(log_p, log_q)
    assert each.min() >= 0
    torch.testing.assert_close((log_p.exp() * each).sum(-1), exact_kl(log_p, log_q))


def test_k3_times_the_ratio_pulls_like_the_kl_it_estimates_and_alone_like_the_other(double):
    logits = torch.tensor([0.3, -0.5, 1.0], requires_grad=True)
    ref = torch.tensor([-0.2, 0.9, 0.1]).log_softmax(0)
    log_p = logits.log_softmax(0)
    often, k3 = log_p.exp().detach(), kl_k3(log_p, ref)
    ratio = (log_p - log_p.detach()).exp()
    for loss, kl in ((ratio * k3, exact_kl(log_p, ref)), (k3, exact_kl(ref, log_p))):
        (pulled,) = torch.autograd.grad((often * loss).sum(), logits, retain_graph=True)
        (expected,) = torch.autograd.grad(kl, logits, retain_graph=True)
        torch.testing.assert_close(pulled, expected)


def test_loss_by_hand(double):
    """Two answers, one padded; ratios 1.5 and 0.9 up, 0.5 down; the clip at 0.2."""
    old = torch.zeros(2, 2)
    log_p = torch.tensor([[math.log(1.5), math.log(0.9)], [math.log(0.5), 7.0]])
    ref, mask = log_p - 0.3, torch.tensor([[True, True], [True, False]])
    k3 = math.exp(-0.3) + 0.3 - 1
    log_p.requires_grad_(True)
    earned = torch.tensor([2.0, -1.0])
    loss, info = grpo_loss(log_p, old, ref, earned, mask, 0.2, 0.5, tokens=6)
    policy = -2 * 1.2 - 2 * 0.9 + 0.8
    assert loss.item() == pytest.approx((policy + 0.5 * (1.5 + 0.9 + 0.5) * k3) / 6)
    assert info["clip_fraction"] == pytest.approx(2 / 3)
    loss.backward()
    pull = 0.5 * 0.3  # beta times the log-ratio to the reference, for each r
    expected = [[1.5 * pull / 6, 0.9 * (-2 + pull) / 6], [0.5 * pull / 6, 0]]
    torch.testing.assert_close(log_p.grad, torch.tensor(expected))


# --- TRL ------------------------------------------------------------------------------------------


def trl_trainer(where, model, reference, prompts, beta):
    """TRL's GRPOTrainer at its defaults, which will be handed ``ANSWERS``, four to a prompt, as if
    it had written them, and ``SCORES``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from datasets import Dataset
        from trl import GRPOConfig, GRPOTrainer

        def fixed(prompts, completions, **_):
            return SCORES

        config = GRPOConfig(
            output_dir=str(where),
            bf16=False,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            per_device_train_batch_size=8,
            num_generations=4,
            temperature=TEMPERATURE,
            disable_dropout=True,
            gradient_checkpointing=False,
            num_iterations=2,  # so that it keeps the old log-probabilities
        )
        rows = Dataset.from_dict({"prompt": [as_words(prompt) for prompt in prompts]})
        trainer = GRPOTrainer(model, fixed, config, rows, processing_class=tiny_tokenizer())
    told = (config.loss_type, config.scale_rewards, config.importance_sampling_level)
    assert told == ("dapo", "group", "token") and config.use_bias_correction_kl
    assert (config.beta, config.epsilon) == (0.0, 0.2)
    # given beta at once, it would load the reference from the hub by the model's name
    trainer.beta, trainer.ref_model = beta, reference
    trainer._generate_single_turn = lambda *_: (ANSWERS, None)
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    return trainer, trainer._generate_and_score_completions(
        [{"prompt": as_words(prompt)} for prompt in prompts for _ in range(4)]
    )


@pytest.mark.parametrize("beta", [0.0, 0.2])
def test_advantages_loss_and_gradients_are_trls(tmp_path, double, beta):
    """The policy moves a little between writing and learning, the same way on both sides, so that
    ratios and clip count.
    """
    prompts = random_prompts([4, 4])  # of one length: test_rloo says why
    reference, model = tiny_gpt2(), drifted_gpt2().requires_grad_(True)
    trainer, inputs = trl_trainer(tmp_path, model, reference, prompts, beta)
    settings = changed(
        SMALL,
        batch_size=8,
        minibatch_size=8,
        epochs=1,
        beta=beta,
        missing_end_penalty=0.0,
        max_grad_norm=1000.0,
    )
    policy = Policy(trunk_of(copy.deepcopy(model)), settings)
    batch = our_batch(policy.trunk, trunk_of(reference), prompts)
    ours = group_advantages(batch.scores, rloo.same_prompt(batch.responses))
    # TRL keeps rewards in float32, whatever else it computes in
    torch.testing.assert_close(ours, inputs["advantages"].double(), atol=1e-6, rtol=0)
    mask = batch.responses.mask
    torch.testing.assert_close(
        batch.responses.logprobs, inputs["old_per_token_logps"] * mask, atol=1e-9, rtol=0
    )

    for p, q in zip(policy.trunk.parameters(), model.transformer.parameters()):
        step = 0.01 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel()))
        p.data += step
        q.data += step
    theirs = trainer.compute_loss(model, inputs)
    theirs.backward()
    losses = []
    policy.optimizer = Recorded(policy.parameters, lr=0.0)
    with pytest.MonkeyPatch.context() as patch:

        def seen(*arguments, **more):
            losses.append(grpo_loss(*arguments, **more))
            return losses[-1]

        patch.setattr(grpo, "grpo_loss", seen)
        *_, summary = grpo.update(policy, batch, settings)
    ((loss, info),) = losses
    assert loss.item() == pytest.approx(theirs.item(), abs=1e-6)
    assert 0 < info["clip_fraction"] < 1 and summary == info
    clipped = trainer._metrics["train"]["clip_ratio/region_mean"][-1]
    assert info["clip_fraction"] == pytest.approx(clipped)
    assert_gradients_are(policy.trunk, model, policy.optimizer.given)


class Noting(Policy):
    """Keeps the gradients of every step, and takes none."""

    def __init__(self, base, settings):
        super().__init__(base, settings)
        self.optimizer, self.given = Recorded(self.parameters, lr=0.0), []

    def descend_in_parts(self, loss, most, joints):
        yield from super().descend_in_parts(loss, most, joints)
        self.given.append([g for g in self.optimizer.given if g is not None])


def test_minibatches_add_up_to_the_batch(double):
    """Two halves of a batch: the mean of their gradients is the whole's, long answers or short."""
    prompts, trunk = random_prompts([4, 4]), trunk_of(tiny_gpt2())
    batch = our_batch(nudged(trunk, 0.05), trunk, prompts)
    gradients = []
    for size in (8, 4):
        settings = changed(SMALL, batch_size=8, minibatch_size=size, max_grad_norm=1e3, epochs=1)
        policy = Noting(nudged(trunk, 0.05), settings)
        *_, _ = grpo.update(policy, batch, settings)
        assert len(policy.given) == 8 // size
        gradients.append([torch.stack(each).mean(0) for each in zip(*policy.given)])
    for whole, halves in zip(*gradients):
        torch.testing.assert_close(halves, whole)


# --- runs -----------------------------------------------------------------------------------------


def test_a_run_leaves_the_base_and_the_value_head_as_they_were():
    for frozen in (0, 1):
        settings = changed(SMALL, frozen_layers=frozen)
        policy, reference = tiny_policy(settings)
        before = fingerprint(reference)
        rows = records(running(policy, reference, settings))
        assert [row["step"] for row in rows] == [0, 1, 2] and rows[-1]["kl_to_reference"] > 1e-4
        assert fingerprint(reference) == before and not policy.value_head.weight.any()
        for row in rows:
            count = torch.bincount(rloo.same_prompt(row["batch"].responses))
            assert len(count) == 4 and (count == 4).all()  # 16 answers, 4 of 6 prompts


def test_grpo_raises_a_simple_score_and_a_dearer_drift_drifts_less():
    assert_it_climbs_and_a_dearer_drift_drifts_less(running, SMALL, dearer=2.0)


def test_same_seed_same_run_other_seed_other_run():
    assert_the_seed_decides(running, SMALL)


@pytest.mark.parametrize("items", [3, 12, 22])
def test_a_stop_anywhere_leaves_the_last_finished_step_and_going_on_equals_never_stopping(items):
    assert_going_on_equals_never_stopping(running, SMALL, items)


def test_impossible_settings_are_refused_before_anything_is_written():
    with pytest.raises(SettingsError, match="The setting group is 1"):
        next(running(*tiny_policy(SMALL), changed(SMALL, group=1)))
