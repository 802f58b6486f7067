"""Our PPO against TRL 1.12.0's, the last release that has one: the real ``PPOTrainer`` runs on a
fixed rollout, and what it computes is what ours computes.

How its numbers are read. TRL's rewards, advantages and losses are local variables of one long
``train()``. Every minibatch passes its line ``accelerator.backward(loss)``, so that is where
``Trl`` listens: it looks at the caller's variables, keeps them, and lets the gradients flow. No
line of TRL's is replaced but its generation, which hands out the fixed rollout.

Why the comparison is fair. Same weights, same tokens, same old log-probabilities, same scores, same
order of minibatches, same Adam. Two things that differ by
design are levelled, each in one place: TRL gives its critic a backbone of its own, so ``critic_of``
lets it share the policy's (one test leaves it as shipped); ours shortens long gradients, so
``max_grad_norm`` is out of reach. No answer holds an end of text or a pad, which TRL treats
differently: the second half of this file shows each such difference (docs/differences-from-trl.md)
in TRL's own run. Everything is float64 where nothing else is said, so that a difference is a
difference and no rounding.
"""

import copy
import dataclasses
import re
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import END, PAD, nudged, one_thread, random_prompts, tiny_gpt2  # noqa: F401
from transformers import GPT2ForSequenceClassification, TrainerCallback

from rlhf_core.algorithms import ppo
from rlhf_core.algorithms.ppo import Policy, update, write_batch
from rlhf_core.common.settings import PPOSettings
from rlhf_core.lm.families import trunk_of
from rlhf_core.lm.sampling import Responses, pad_left, response_forward, token_logprobs
from rlhf_core.lm.transformer import Transformer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from datasets import Dataset
    from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore:var"
)  # TRL 1.12.0 stirs them up

ROWS, TOKENS, VOCABULARY, WIDTH = 16, 6, 12, 16
SIZES = dict(vocabulary=VOCABULARY, width=WIDTH)
SETTINGS = PPOSettings(
    batch_size=ROWS,
    minibatch_size=8,
    max_new_tokens=TOKENS,
    epochs=2,
    learning_rate=3e-3,
    value_rate=1.0,
    temperature=0.7,
    beta=0.2,
    value_coefficient=0.1,
    value_clip=0.02,
    score_clip=0.0,
    missing_end_penalty=0.7,
    max_grad_norm=1000.0,
)
WATCHED = (
    "rewards",
    "advantages",
    "returns",
    "values",
    "logprobs",
    "ref_logprobs",
    "scores",
    "padding_mask",
    "kl",
)
WATCHED_IN_MINIBATCH = (
    "loss",
    "pg_loss",
    "vf_loss",
    "new_logprobs",
    "vpred",
    "mb_advantage",
    "mb_return",
    "ratio",
    "logprobs_diff",
    "logits",
)
CHANGING = {"new_logprobs", "vpred", "logits"}  # whose gradients are kept


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# --- one rollout for both -------------------------------------------------------------------------


@dataclasses.dataclass
class Rollout:
    """Answers that somebody wrote: prompts (ROWS, P) left-padded, tokens (ROWS, TOKENS), and the
    logits they were drawn from, already divided by T.
    """

    prompts: list[list[int]]
    tokens: torch.Tensor
    logits: torch.Tensor

    @property
    def responses(self) -> Responses:
        """As our engine keeps them: cut after the first end of text."""
        ids, prompt_mask = pad_left(self.prompts, PAD)
        mask = (self.tokens == END).cumsum(1) - (self.tokens == END).long() == 0
        log_p = self.logits.log_softmax(-1)
        return Responses(
            ids,
            prompt_mask,
            torch.where(mask, self.tokens, PAD),
            mask,
            token_logprobs(log_p, self.tokens) * mask,
            log_p,
            torch.zeros(ROWS, TOKENS, WIDTH),
        )


def rollout_of(trunk: Transformer, ends: bool = False) -> Rollout:
    """A fixed rollout, drawn from a policy near ``trunk``, so that the first ratios are not all 1.
    With ``ends``, every second answer ends early, and it is so near that none is clipped.
    """
    prompts = random_prompts([3, 5, 1, 4] * (ROWS // 4), VOCABULARY)
    tokens = torch.randint(
        2, VOCABULARY, (ROWS, TOKENS), generator=torch.Generator().manual_seed(3)
    )
    if ends:
        tokens[range(0, ROWS, 2), torch.arange(ROWS // 2) % (TOKENS - 2) + 1] = END
    ids, mask = pad_left(prompts, PAD)
    with torch.no_grad():
        old = nudged(trunk, 0.001 if ends else 0.03)
        before, _ = response_forward(
            old, ids, mask, tokens, torch.ones_like(tokens, dtype=torch.bool)
        )
        logits = old.logits(before) / SETTINGS.temperature
    return Rollout(prompts, tokens, logits)


def policy_and_reference(settings: PPOSettings = SETTINGS):
    """A policy that has drifted from its reference and expects something; transformers' own model
    with the policy's weights.
    """
    reference = trunk_of(tiny_gpt2(**SIZES))
    policy = Policy(nudged(reference, 0.05), settings)
    policy.value_head.weight.data += 0.1 * torch.randn(
        1, WIDTH, generator=torch.Generator().manual_seed(4)
    )
    policy.value_head.bias.data += 0.2
    return policy, reference


def as_transformers(trunk: Transformer):
    model = tiny_gpt2(**SIZES)
    missing = model.transformer.load_state_dict(trunk.state_dict(), strict=False)
    assert not missing.unexpected_keys
    return model.requires_grad_(True)


def critic_of(model, head: torch.nn.Linear, shared: bool = True):
    """TRL's value model on the policy's own trunk (or, as TRL is used, on a copy of it), with our
    value head.
    """
    config = copy.deepcopy(model.config)
    config.num_labels = 1
    critic = GPT2ForSequenceClassification(config)
    critic.transformer = model.transformer if shared else copy.deepcopy(model.transformer)
    critic.score = copy.deepcopy(head)
    return critic


class Trl:
    """One run of TRL's trainer and what it computed."""

    def __init__(
        self,
        policy: Policy,
        reference,
        rollout: Rollout,
        where,
        monkeypatch,
        settings=SETTINGS,
        pad=PAD,
        shared=True,
        callbacks=None,
        **options,
    ):
        self.model = as_transformers(policy.trunk)
        self.critic = critic_of(self.model, policy.value_head, shared)
        self.seen, self.minibatches, self.logged = {}, [], []
        judge = critic_of(tiny_gpt2(**SIZES, seed=5), torch.nn.Linear(WIDTH, 1))
        config = dict(
            output_dir=str(where),
            bf16=False,
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            num_sample_generations=0,
            disable_tqdm=True,
            per_device_train_batch_size=ROWS,
            num_mini_batches=ROWS // settings.minibatch_size,
            num_ppo_epochs=settings.epochs,
            total_episodes=ROWS,
            response_length=TOKENS,
            temperature=settings.temperature - 1e-7,  # TRL adds 1e-7 to it
            learning_rate=settings.learning_rate,
            lr_scheduler_type="constant",
            optim="adamw_torch",
            adam_epsilon=1e-5,
            weight_decay=0.0,
            kl_coef=settings.beta,
            gamma=settings.gamma,
            lam=settings.lam,
            cliprange=settings.clip,
            cliprange_value=settings.value_clip,
            vf_coef=settings.value_coefficient,
            missing_eos_penalty=settings.missing_end_penalty,
        )
        ids, mask = pad_left(rollout.prompts, pad)
        order = copy.deepcopy(policy.generator)
        monkeypatch.setattr(
            np.random, "permutation", lambda rows: torch.randperm(rows, generator=order).numpy()
        )  # the order that ours is going to take
        monkeypatch.setattr(
            ppo_trainer,
            "batch_generation",
            lambda *_: (torch.cat([ids, rollout.tokens], 1), rollout.logits),
        )
        self.trainer = PPOTrainer(
            args=PPOConfig(**{**config, **options}),
            processing_class=types.SimpleNamespace(pad_token_id=pad, eos_token_id=END),
            model=self.model,
            ref_model=reference,
            reward_model=judge,
            value_model=self.critic,
            train_dataset=Dataset.from_dict({"input_ids": [[2]] * ROWS}),
            data_collator=lambda rows: {"input_ids": ids},
            callbacks=callbacks,
        )
        self.trainer.accelerator.backward = self.backward
        self.trainer.log = self.logged.append
        self.start = self.weights()
        self.trainer.train()
        self.end = self.weights()

    def backward(self, loss):
        """Stands where accelerate's does; called by train() with its variables in reach."""
        variables = sys._getframe(1).f_locals
        self.seen = {name: variables[name].detach().clone() for name in WATCHED}
        for name in CHANGING:
            variables[name].retain_grad()
        loss.backward()
        row = {name: variables[name].detach().clone() for name in WATCHED_IN_MINIBATCH}
        row |= {f"gradient of {name}": variables[name].grad.clone() for name in CHANGING}
        self.minibatches.append(
            {
                **row,
                "gradients": {
                    name: p.grad.clone()
                    for name, p in self.parameters().items()
                    if p.grad is not None
                },
            }
        )

    def parameters(self):
        """Under our names."""
        return dict(self.model.transformer.named_parameters()) | {
            f"value_head.{name}": p for name, p in self.critic.score.named_parameters()
        }

    def weights(self):
        return {name: p.detach().clone() for name, p in self.parameters().items()}

    @property
    def change(self):
        return {name: self.end[name] - self.start[name] for name in self.start}


class Recorded(torch.optim.Adam):
    """Adam that remembers the gradients it was given."""

    def step(self, *args, **kwargs):
        self.given = [
            *getattr(self, "given", []),
            [p.grad.clone() for group in self.param_groups for p in group["params"]],
        ]
        return super().step(*args, **kwargs)


def names(policy: Policy) -> list[str]:
    """Our parameters' names, in the order of ``policy.parameters``."""
    known = {id(p): name for name, p in policy.trunk.named_parameters()} | {
        id(p): f"value_head.{name}" for name, p in policy.value_head.named_parameters()
    }
    return [known[id(p)] for p in policy.parameters]


class Ours:
    """Our ``write_batch`` and ``update`` on the same rollout; ``calls`` holds what passed through
    each of its formulas.
    """

    FORMULAS = ("token_rewards", "advantages_and_returns", "whiten", "policy_loss", "value_loss")

    def __init__(
        self,
        policy: Policy,
        reference: Transformer,
        rollout: Rollout,
        scores,
        monkeypatch,
        settings=SETTINGS,
    ):
        monkeypatch.setattr(ppo, "decode", lambda *_, **__: iter([rollout.responses]))
        generator = policy.generator.get_state()
        *_, batch = write_batch(
            policy, reference, rollout.prompts, lambda pooled: scores, settings, END, PAD
        )
        policy.generator.set_state(generator)
        r = batch.responses
        # the value head reads the states of the policy itself, not of the one that drew the tokens
        with torch.no_grad():
            before, _ = response_forward(
                policy.trunk, r.prompt_ids, r.prompt_mask, r.tokens, r.mask
            )
            self.batch = dataclasses.replace(batch, values=policy.values(before) * r.mask)
        policy.optimizer = Recorded(policy.parameters, lr=settings.learning_rate, eps=1e-5)
        start = [p.detach().clone() for p in policy.parameters]
        self.calls = {name: [] for name in self.FORMULAS}
        for name in self.FORMULAS:
            monkeypatch.setattr(ppo, name, self.listening(name, getattr(ppo, name)))
        *_, self.summary = update(policy, self.batch, settings, END)
        self.gradients = [dict(zip(names(policy), given)) for given in policy.optimizer.given]
        self.change = {
            name: p.detach() - q for name, p, q in zip(names(policy), policy.parameters, start)
        }

    def listening(self, name, formula):
        def call(*arguments):
            if name in ("policy_loss", "value_loss"):
                arguments[0].retain_grad()
            result = formula(*arguments)
            self.calls[name].append((arguments, result))
            return result

        return call


def both(tmp_path, monkeypatch, settings=SETTINGS, ends=False, dtype=torch.float64, **options):
    torch.set_default_dtype(dtype)
    policy, reference = policy_and_reference(settings)
    rollout = rollout_of(policy.trunk, ends)
    theirs = Trl(
        policy, as_transformers(reference), rollout, tmp_path, monkeypatch, settings, **options
    )
    ours = Ours(
        policy,
        reference,
        rollout,
        theirs.seen["scores"] + settings.missing_end_penalty * ~rollout.responses.ended(END),
        monkeypatch,
        settings,
    )
    return ours, theirs


def close(one, other, tolerance=1e-6):
    torch.testing.assert_close(one, other, atol=tolerance, rtol=0)


def relative(one: dict, other: dict) -> float:
    """Length of the difference over the length of ``other``."""
    one, other = (
        torch.cat([numbers[name].flatten() for name in sorted(other)]) for numbers in (one, other)
    )
    return ((one - other).norm() / other.norm()).item()


# --- the same numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gamma", "lam", "beta"), [(1.0, 0.95, 0.2), (0.9, 0.5, 1.0), (1.0, 1.0, 0.0)]
)
def test_rewards_advantages_and_returns_are_trls(tmp_path, monkeypatch, gamma, lam, beta):
    ours, theirs = both(
        tmp_path,
        monkeypatch,
        dataclasses.replace(SETTINGS, gamma=gamma, lam=lam, beta=beta, epochs=1),
    )
    close(ours.batch.responses.logprobs, theirs.seen["logprobs"])
    close(ours.batch.ref_logprobs, theirs.seen["ref_logprobs"])
    close(ours.batch.values, theirs.seen["values"])
    ((_, rewards),) = ours.calls["token_rewards"]
    ((_, (_, returns)),) = ours.calls["advantages_and_returns"]
    ((_, white),) = ours.calls["whiten"]
    close(rewards, theirs.seen["rewards"])
    close(returns, theirs.seen["returns"])
    close(white, theirs.seen["advantages"])
    assert theirs.seen["rewards"].std() > 0.1 and not theirs.seen["padding_mask"].any()


def test_losses_and_their_gradients_are_trls_in_every_minibatch(tmp_path, monkeypatch):
    ours, theirs = both(tmp_path, monkeypatch)
    clipped, bounded = 0, 0
    assert len(theirs.minibatches) == len(ours.gradients) == 4
    for k, row in enumerate(theirs.minibatches):
        (log_p, *_), (loss_p, info) = ours.calls["policy_loss"][k]
        (values, *_), loss_v = ours.calls["value_loss"][k]
        close(loss_p.detach(), row["pg_loss"])
        close(loss_v.detach(), row["vf_loss"])
        close(log_p.detach(), row["new_logprobs"].flatten())
        close(values.detach(), row["vpred"].flatten())
        close(log_p.grad, row["gradient of new_logprobs"].flatten())
        close(values.grad, row["gradient of vpred"].flatten())
        assert set(ours.gradients[k]) == set(row["gradients"])
        for name, gradient in row["gradients"].items():
            close(ours.gradients[k][name], gradient)
        clipped += info["clip_fraction"]
        bounded += (row["gradient of vpred"] == 0).sum().item()
        assert (
            row["gradient of new_logprobs"].abs().max() > 1e-3
            and row["gradient of vpred"].abs().max() > 1e-5
        )
    assert clipped > 0.05 and bounded > 0  # both brakes were at work


def test_the_shares_that_are_shown_are_trls(tmp_path, monkeypatch):
    ours, theirs = both(tmp_path, monkeypatch)
    (logged,) = theirs.logged
    assert ours.summary["clip_fraction"] == pytest.approx(logged["policy/clipfrac_avg"], abs=1e-6)
    assert ours.summary["policy_loss"] == pytest.approx(logged["loss/policy_avg"], abs=1e-6)
    assert ours.summary["value_loss"] == pytest.approx(logged["loss/value_avg"], abs=1e-6)


# --- the same change of the weights ---------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("value_coefficient", [0.1, 1.0])
def test_a_whole_update_moves_the_weights_as_trls_does(
    tmp_path, monkeypatch, value_coefficient, dtype
):
    """Two epochs of two minibatches, policy and value head on one trunk on both sides: TRL's critic
    is given the policy's backbone, nothing else is changed.
    """
    ours, theirs = both(
        tmp_path,
        monkeypatch,
        dataclasses.replace(SETTINGS, value_coefficient=value_coefficient),
        dtype=dtype,
    )
    assert set(ours.change) == set(theirs.change)
    assert relative(ours.change, theirs.change) < 1e-4
    for name, change in theirs.change.items():
        assert change.abs().max() > 1e-4, name  # every tensor moved


def test_an_update_moves_the_policy_as_trl_as_shipped_does(tmp_path, monkeypatch):
    """TRL's critic on a backbone of its own can't reach the policy; nor can ours once the value
    loss weighs nothing. The critics start out equal, so that the advantages are.
    """
    settings = dataclasses.replace(SETTINGS, value_coefficient=0.0)
    ours, theirs = both(tmp_path, monkeypatch, settings, shared=False, vf_coef=0.1)
    trunk = {
        name: change for name, change in theirs.change.items() if not name.startswith("value_head")
    }
    assert relative(ours.change, trunk) < 1e-4
    assert (
        theirs.change["value_head.weight"].abs().max() > 1e-4
        and ours.change["value_head.weight"].abs().max() == 0
    )


# --- where ours differs on purpose: a test a line of docs/differences-from-trl.md -----------------

ONE_STEP = dataclasses.replace(SETTINGS, minibatch_size=ROWS, epochs=1)


def rows_in_order(numbers, settings=ONE_STEP):
    """Undo the shuffle of the only minibatch."""
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(settings.seed))
    return torch.empty_like(numbers).index_copy(0, order, numbers)


def gradient_at_every_token(ours: Ours, name: str):
    """What ours gives ``policy_loss`` or ``value_loss`` back, (ROWS, TOKENS), 0 where there is no
    token.
    """
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(ONE_STEP.seed))
    mask = ours.batch.responses.mask
    (numbers, *_), _ = ours.calls[name][0]
    gradient = torch.zeros(ROWS, TOKENS)
    gradient[mask[order]] = numbers.grad
    return rows_in_order(gradient)


def ends_of(ours: Ours):
    """Row and position of every end of text."""
    return ((ours.batch.responses.tokens == END) & ours.batch.responses.mask).nonzero(as_tuple=True)


def scores_in(rewards, kl):
    """What of the rewards is no KL penalty."""
    return rewards + SETTINGS.beta * kl


def test_pad_as_end_of_text_hides_the_end_from_trls_policy_and_not_from_ours(tmp_path, monkeypatch):
    ours, theirs = both(tmp_path, monkeypatch, ONE_STEP, ends=True, pad=END, stop_token="eos")
    rows, at = ends_of(ours)
    slope = rows_in_order(theirs.minibatches[0]["gradient of logits"]).abs().sum(-1)
    assert len(rows) == ROWS // 2 and theirs.seen["padding_mask"][rows, at].all()
    assert slope[rows, at].max() == 0 and slope[rows, at - 1].min() > 1e-5
    assert (
        scores_in(theirs.seen["rewards"], theirs.seen["kl"])[rows, at].abs().min() > 1e-3
    )  # the score is there, and nobody to learn from it
    assert gradient_at_every_token(ours, "policy_loss")[rows, at].abs().min() > 1e-5


def test_with_another_pad_trls_score_lands_behind_the_end_and_ours_on_it(tmp_path, monkeypatch):
    ours, theirs = both(tmp_path, monkeypatch, ONE_STEP, ends=True, stop_token="eos")
    rows, at = ends_of(ours)
    assert not theirs.seen["padding_mask"][
        rows, at
    ].any()  # this pad leaves the end to be learned ...
    placed = scores_in(theirs.seen["rewards"], theirs.seen["kl"])
    close(
        placed[rows, at + 1], theirs.seen["scores"][rows]
    )  # ... but its score comes one slot late,
    assert placed[rows, at].abs().max() < 1e-9
    assert (
        rows_in_order(theirs.minibatches[0]["gradient of vpred"])[rows, at + 1].abs().max() > 1e-6
    )  # where the critic is trained on a slot without a token
    (((scores, kl, mask, beta), rewards),) = ours.calls["token_rewards"]
    placed = rewards + beta * kl * mask
    close(placed[rows, at], theirs.seen["scores"][rows])
    assert (
        rewards[rows, at + 1].abs().max() == 0
        and gradient_at_every_token(ours, "value_loss")[rows, at + 1].abs().max() == 0
    )


def test_trl_reads_on_behind_the_end_unless_it_is_told_a_stop_token(tmp_path, monkeypatch):
    ours, theirs = both(tmp_path, monkeypatch, ONE_STEP, ends=True)  # stop_token is None by default
    rows, at = ends_of(ours)
    assert not theirs.seen["padding_mask"].any()
    assert (
        rows_in_order(theirs.minibatches[0]["gradient of logits"])[rows, at + 1].abs().max() > 1e-6
    )
    assert gradient_at_every_token(ours, "policy_loss")[rows, at + 1].abs().max() == 0


def test_trls_averages_count_the_padding_ours_do_not(tmp_path, monkeypatch):
    ours, theirs = both(tmp_path, monkeypatch, ONE_STEP, ends=True, stop_token="eos")
    (logged,), (minibatch,) = theirs.logged, theirs.minibatches
    real = ours.batch.responses.mask
    moved, ratio = rows_in_order(minibatch["logprobs_diff"]), rows_in_order(minibatch["ratio"])
    assert (~real).sum() > 10 and moved[~real].abs().max() == 0 and moved[real].abs().max() > 0.01
    assert logged["policy/approxkl_avg"] == pytest.approx(
        0.5 * (moved[real] ** 2).sum().item() / (ROWS * TOKENS)
    )  # diluted
    assert logged["val/ratio"] == pytest.approx(
        (ratio[real].sum().item() + (~real).sum().item()) / (ROWS * TOKENS)
    )  # ones under the padding
    assert ours.summary["approx_kl_update"] == pytest.approx(
        0.5 * (moved[real] ** 2).mean().item()
    )  # the same estimate, undiluted


def test_trls_kl_may_be_negative_ours_is_exact(tmp_path, monkeypatch):
    ours, theirs = both(tmp_path, monkeypatch)
    assert theirs.logged[0]["objective/kl"] == pytest.approx(theirs.seen["kl"].sum(1).mean().item())
    assert theirs.seen["kl"].sum(1).min() < -0.1
    p, q = ours.batch.responses.full_logprobs, ours.batch.ref_logprobs
    assert (
        ours.batch.kl.min() > 0
        and p.shape == (ROWS, TOKENS, VOCABULARY)
        and q.shape == (ROWS, TOKENS)
    )


def test_trl_ignores_the_longest_gradient_it_is_given_ours_obeys(tmp_path, monkeypatch):
    def lengths(gradients):
        return [torch.sqrt(sum((g**2).sum() for g in row.values())).item() for row in gradients]

    ours, theirs = both(
        tmp_path, monkeypatch, dataclasses.replace(SETTINGS, max_grad_norm=0.01), max_grad_norm=0.01
    )
    _, free = both(tmp_path, monkeypatch, SETTINGS, max_grad_norm=1000.0)
    assert (
        theirs.trainer.args.max_grad_norm == 0.01
        and min(lengths(row["gradients"] for row in theirs.minibatches)) > 0.1
    )
    assert all(torch.equal(theirs.change[name], free.change[name]) for name in free.change)
    assert max(lengths(ours.gradients)) < 0.0100001


def test_trls_critic_is_a_second_model_ours_a_row_of_weights_that_trains_the_trunk(
    tmp_path, monkeypatch
):
    def trunk_change(change):
        return torch.cat(
            [
                numbers.flatten()
                for name, numbers in change.items()
                if not name.startswith("value_head")
            ]
        )

    def run(weight):
        return both(
            tmp_path,
            monkeypatch,
            dataclasses.replace(SETTINGS, value_coefficient=weight),
            shared=False,
        )

    (ours_with, theirs_with), (ours_without, theirs_without) = run(10.0), run(0.0)
    size = sum(p.numel() for p in theirs_with.model.parameters())
    assert sum(p.numel() for p in theirs_with.trainer.model.parameters()) == 2 * size + WIDTH + 1
    assert sum(numbers.numel() for numbers in ours_with.change.values()) == size + WIDTH + 1
    assert torch.equal(trunk_change(theirs_with.change), trunk_change(theirs_without.change))
    assert (
        trunk_change(ours_with.change) - trunk_change(ours_without.change)
    ).norm() > 0.1 * trunk_change(ours_without.change).norm()


def test_trls_defaults_that_ours_does_not_share(monkeypatch, tmp_path):
    monkeypatch.setenv(
        "ACCELERATE_MIXED_PRECISION", "no"
    )  # TRL's arguments write it; put back afterwards
    theirs, ours = PPOConfig(output_dir=str(tmp_path), use_cpu=True), PPOSettings()
    torch.set_default_dtype(torch.float32)
    policy, _ = policy_and_reference(ours)
    assert theirs.bf16 is True and {p.dtype for p in policy.parameters} == {torch.float32}
    assert theirs.missing_eos_penalty is None and ours.missing_end_penalty > 0
    assert theirs.adam_epsilon == 1e-8 and {
        group["eps"] for group in policy.optimizer.param_groups
    } == {1e-5}
    assert theirs.lr_scheduler_type == "linear"


class StopAtOnce(TrainerCallback):
    def on_step_end(self, args, state, control, **_):
        control.should_training_stop = True
        return control


def test_trl_cannot_be_stopped_by_a_callback_and_its_rate_falls_ours_stops_anywhere_and_keeps_it(
    tmp_path, monkeypatch
):
    policy, reference = policy_and_reference()
    theirs = Trl(
        policy,
        as_transformers(reference),
        rollout_of(policy.trunk),
        tmp_path,
        monkeypatch,
        callbacks=[StopAtOnce()],
        total_episodes=4 * ROWS,
        lr_scheduler_type="linear",
    )
    assert len(theirs.logged) == 4
    assert [row["lr"] for row in theirs.logged] == pytest.approx(
        [SETTINGS.learning_rate * share for share in (1, 0.75, 0.5, 0.25)]
    )

    torch.set_default_dtype(torch.float32)  # our decoder's
    policy, reference = policy_and_reference()
    run = ppo.train(
        policy=policy,
        reference=reference,
        prompts=random_prompts([3, 5], VOCABULARY),
        score_fn=lambda pooled: pooled[:, 0],
        settings=dataclasses.replace(SETTINGS, steps=4),
        end_id=END,
        pad_id=PAD,
    )
    rows = []
    for item in run:
        if isinstance(item, dict):
            rows.append(item)
        if len(rows) == 3:
            run.close()
    assert [row["step"] for row in rows] == [0, 1, 2] and policy.step == 2
    assert [row["learning_rate"] for row in rows] == [
        0.0,
        SETTINGS.learning_rate,
        SETTINGS.learning_rate,
    ]


def test_trls_row_is_the_batch_before_the_update_ours_the_one_after(tmp_path, monkeypatch):
    ours, theirs = both(tmp_path, monkeypatch)
    assert theirs.logged[0]["objective/scores"] == pytest.approx(
        theirs.seen["scores"].mean().item()
    )  # written by the policy that had not moved
    monkeypatch.undo()
    torch.set_default_dtype(torch.float32)  # our decoder's
    policy, reference = policy_and_reference()
    rows = ppo.train(
        policy=policy,
        reference=reference,
        prompts=random_prompts([3, 5], VOCABULARY),
        score_fn=lambda pooled: pooled[:, 0],
        settings=dataclasses.replace(SETTINGS, steps=1),
        end_id=END,
        pad_id=PAD,
    )
    before, after = (row for row in rows if isinstance(row, dict))
    assert before["step"] == 0 and before["clip_fraction"] == 0 and after["step"] == 1
    r = after["batch"].responses
    with torch.no_grad():
        states, _ = response_forward(policy.trunk, r.prompt_ids, r.prompt_mask, r.tokens, r.mask)
        again = token_logprobs(
            (policy.trunk.logits(states) / SETTINGS.temperature).log_softmax(-1), r.tokens
        )
    close(
        again[r.mask], r.logprobs[r.mask], 1e-5
    )  # step 1's numbers are those of the policy that has moved


def test_every_difference_in_the_document_names_tests_that_exist():
    folder = Path(__file__).parent.parent
    known = set(
        re.findall(
            r"^def (test_\w+)",
            "".join(file.read_text(encoding="utf-8") for file in folder.rglob("test_*.py")),
            re.MULTILINE,
        )
    )
    rows = [
        line
        for line in (
            (folder.parent / "docs" / "differences-from-trl.md")
            .read_text(encoding="utf-8")
            .splitlines()
        )
        if line.startswith("| ")
    ]
    rows = [line for line in rows if not line.startswith("| where ")]
    named = [re.findall(r"`(test_\w+)`", line) for line in rows]
    assert len(rows) > 10 and all(named) and {name for names in named for name in names} <= known
