"""PPO: every formula against a second, naive one; a whole update against transformers' model row by
row; and runs that stop, break and go on.
"""

import copy
import dataclasses
import math
import warnings
from itertools import pairwise

import pytest
import torch
from tiny_models import END, PAD, nudged, one_thread, random_prompts, tiny_gpt2, tiny_trunk  # noqa: F401
from torch import nn

from rlhf_core.algorithms import ppo
from rlhf_core.algorithms.ppo import Policy, TrainingDiverged, train, update, write_batch
from rlhf_core.common.errors import SettingsError
from rlhf_core.common.events import Progress
from rlhf_core.common.ppo_stages import STAGES
from rlhf_core.common.settings import PPOSettings
from rlhf_core.lm.language_model import fingerprint
from rlhf_core.lm.sampling import Responses
from rlhf_core.lm.transformer import causal_mask, position_ids

SMALL = PPOSettings(
    steps=2,
    batch_size=16,
    minibatch_size=8,
    max_new_tokens=5,
    epochs=2,
    learning_rate=1e-3,
    temperature=0.7,
    beta=0.1,
    value_rate=1.0,
    score_clip=0.0,
)
PROMPTS = random_prompts([3, 9, 1, 6, 4])


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def ragged(rows=6, width=5, seed=0):
    """A mask of rows of 1 to ``width`` real tokens, at least one of each."""
    lengths = torch.arange(rows) % width + 1
    return (
        torch.arange(width)[None]
        < lengths[torch.randperm(rows, generator=torch.Generator().manual_seed(seed))][:, None]
    )


def changed(settings, **values):
    return dataclasses.replace(settings, **values)


class Score:
    """A linear score of the pooled states, roughly mean 0 and standard deviation 1; counts its
    calls.
    """

    def __init__(self, trunk, seed=3):
        self.direction, self.calls = normal(trunk.width, seed=seed, dtype=torch.float32), 0

    def __call__(self, pooled):
        self.calls += 1
        return pooled @ self.direction / self.direction.norm()


def running(policy, reference, settings=SMALL, score=None, prompts=PROMPTS, doubt=None):
    return train(
        policy=policy,
        reference=reference,
        prompts=prompts,
        score_fn=score or Score(reference),
        settings=settings,
        end_id=END,
        pad_id=PAD,
        doubt_fn=doubt,
    )


def records(run):
    return [item for item in run if not isinstance(item, Progress)]


def batch_of(policy, reference, settings=SMALL, score=None, prompts=PROMPTS):
    *_, batch = write_batch(
        policy, reference, prompts, score or Score(reference), settings, END, PAD
    )
    return batch


def plain(record):
    """A record's numbers, without the clock and the batch."""
    return {name: value for name, value in record.items() if name not in ("seconds", "batch")}


# --- advantages -----------------------------------------------------------------------------------


def test_advantages_by_hand():
    rewards, values, mask = (
        torch.tensor([[0.0, 0.0, 1.0]]),
        torch.tensor([[0.5, 0.4, 0.3]]),
        torch.ones(1, 3, dtype=torch.bool),
    )
    advantages, returns = ppo.advantages_and_returns(rewards, values, mask, gamma=0.9, lam=0.8)
    # delta: -0.14, -0.13, 0.7; A_2 = 0.7; A_1 = -0.13 + 0.72 * 0.7; A_0 = -0.14 + 0.72 * A_1
    torch.testing.assert_close(advantages, torch.tensor([[0.12928, 0.374, 0.7]]))
    torch.testing.assert_close(returns, torch.tensor([[0.62928, 0.774, 1.0]]))


def naive_advantages(rewards, values, gamma, lam):
    """Equation 16 of the paper as it stands: a sum of discounted TD errors, one row, no padding."""
    n = len(rewards)
    deltas = [
        rewards[t] + gamma * (values[t + 1] if t + 1 < n else 0.0) - values[t] for t in range(n)
    ]
    return torch.stack(
        [sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, n)) for t in range(n)]
    )


@pytest.mark.parametrize(
    ("gamma", "lam"), [(1.0, 0.95), (0.9, 0.5), (1.0, 0.0), (1.0, 1.0), (0.7, 1.0), (0.0, 0.9)]
)
def test_advantages_are_the_papers_sum_row_by_row(gamma, lam):
    rewards, values, mask = normal(6, 5, seed=1), normal(6, 5, seed=2), ragged()
    advantages, returns = ppo.advantages_and_returns(rewards, values, mask, gamma, lam)
    for row in range(6):
        keep = mask[row]
        expected = naive_advantages(rewards[row][keep], values[row][keep], gamma, lam)
        torch.testing.assert_close(advantages[row][keep], expected)
        torch.testing.assert_close(returns[row][keep], expected + values[row][keep])
    assert (advantages[~mask] == 0).all() and (returns[~mask] == 0).all()


def test_lambda_0_is_the_td_error_and_lambda_1_the_return_less_the_value():
    rewards, values, mask = normal(6, 5, seed=1), normal(6, 5, seed=2), ragged()
    gamma = 0.9
    td, _ = ppo.advantages_and_returns(rewards, values, mask, gamma, 0.0)
    monte_carlo, returns = ppo.advantages_and_returns(rewards, values, mask, gamma, 1.0)
    for row in range(6):
        r, v = rewards[row][mask[row]], values[row][mask[row]]
        after = torch.cat([v[1:], torch.zeros(1, dtype=v.dtype)])
        torch.testing.assert_close(td[row][mask[row]], r + gamma * after - v)
        to_go = torch.stack(
            [sum(gamma ** (k - t) * r[k] for k in range(t, len(r))) for t in range(len(r))]
        )
        torch.testing.assert_close(monte_carlo[row][mask[row]], to_go - v)
        torch.testing.assert_close(returns[row][mask[row]], to_go)


def test_what_lies_under_the_padding_does_not_reach_the_advantages():
    rewards, values, mask = normal(6, 5, seed=1), normal(6, 5, seed=2), ragged()
    dirty = [torch.where(mask, clean, 1e9) for clean in (rewards, values)]
    for clean, other in zip(
        ppo.advantages_and_returns(rewards, values, mask, 1.0, 0.95),
        ppo.advantages_and_returns(*dirty, mask, 1.0, 0.95),
    ):
        assert torch.equal(clean, other)


@pytest.mark.parametrize("shift_mean", [True, False])
def test_whitening_is_trls(shift_mean):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from trl.experimental.ppo.ppo_trainer import masked_whiten

    values, mask = 3 * normal(6, 5, seed=1) + 2, ragged()
    ours, theirs = ppo.whiten(values, mask, shift_mean), masked_whiten(values, mask, shift_mean)
    torch.testing.assert_close(ours[mask], theirs[mask], atol=1e-6, rtol=0)
    assert (ours[~mask] == 0).all()
    assert ours[mask].std().item() == pytest.approx(1, abs=1e-5)
    assert ours[mask].mean().item() == pytest.approx(
        0 if shift_mean else values[mask].mean().item(), abs=1e-5
    )


# --- rewards and distances ------------------------------------------------------------------------


def test_every_token_pays_for_its_drift_and_the_last_earns_the_score():
    mask = torch.tensor([[True, True, True], [True, False, False], [True, True, False]])
    kl = torch.tensor([[0.1, -0.2, 0.3], [0.5, 9.0, 9.0], [0.0, 1.0, 9.0]])
    rewards = ppo.token_rewards(torch.tensor([1.0, -2.0, 0.5]), kl, mask, beta=0.1)
    torch.testing.assert_close(
        rewards, torch.tensor([[-0.01, 0.02, 0.97], [-2.05, 0.0, 0.0], [0.0, 0.4, 0.0]])
    )


def test_exact_kl_is_the_sum_formula():
    p, q = normal(2, 3, 7, seed=1).softmax(-1), normal(2, 3, 7, seed=2).softmax(-1)
    ours = ppo.exact_kl(p.log(), q.log())
    for row in range(2):
        for t in range(3):
            by_hand = sum(
                p[row, t, v].item() * math.log(p[row, t, v].item() / q[row, t, v].item())
                for v in range(7)
            )
            assert ours[row, t].item() == pytest.approx(by_hand, rel=1e-9)
    torch.testing.assert_close(ours, nn.functional.kl_div(q.log(), p, reduction="none").sum(-1))
    assert (ppo.exact_kl(p.log(), p.log()) == 0).all()


def test_entropy_is_the_sum_formula():
    log_p = normal(2, 3, 7).log_softmax(-1)
    torch.testing.assert_close(
        ppo.entropy(log_p), torch.distributions.Categorical(logits=log_p).entropy()
    )
    assert ppo.entropy(torch.full((1, 1, 8), -math.log(8))).item() == pytest.approx(math.log(8))


def kl_k3(log_p, log_q):
    """(r - 1) - log r with r = q / p. Source: Schulman 2020, "Approximating KL divergence"."""
    log_r = log_q - log_p
    return torch.expm1(log_r) - log_r


def test_k3_is_never_negative_and_both_estimators_mean_the_exact_kl():
    p, q = normal(6, seed=1).softmax(-1), normal(6, seed=2).softmax(-1)
    k1, k3 = ppo.kl_k1(p.log(), q.log()), kl_k3(p.log(), q.log())
    exact = ppo.exact_kl(p.log(), q.log())
    assert (k1 < 0).any() and (k3 >= 0).all()
    torch.testing.assert_close(k3, q / p - 1 - (q / p).log())
    torch.testing.assert_close((p * k1).sum(), exact)  # expectations under p, summed out
    torch.testing.assert_close((p * k3).sum(), exact)
    assert (kl_k3(*normal(2, 10_000, seed=3)) >= 0).all()


def test_mean_k1_of_rollouts_agrees_with_their_exact_kl():
    reference = tiny_trunk()
    policy = Policy(nudged(reference, 0.05), changed(SMALL, batch_size=256, max_new_tokens=8))
    k1, exact = [], []
    for _ in range(8):
        batch = batch_of(policy, reference, changed(SMALL, batch_size=256, max_new_tokens=8))
        k1.append(
            (ppo.kl_k1(batch.responses.logprobs, batch.ref_logprobs) * batch.responses.mask).sum(1)
        )
        exact.append(batch.kl.sum(1))
    k1, exact = torch.cat(k1), torch.cat(exact)
    error = k1.std().item() / math.sqrt(len(k1))
    assert abs(k1.mean().item() - exact.mean().item()) < 3 * error
    paired = (k1 - exact).std().item() / math.sqrt(len(k1))
    assert abs((k1 - exact).mean().item()) < 3 * paired
    assert exact.mean().item() > 10 * error  # there is a distance to be wrong about
    assert exact.std() < k1.std()  # Rao-Blackwell: the point of the exact one


def test_a_policy_that_has_not_moved_is_at_distance_zero():
    reference = tiny_trunk()
    for frozen in (0, 1):
        batch = batch_of(Policy(reference, changed(SMALL, frozen_layers=frozen)), reference)
        assert batch.kl.max().item() < 1e-6 and (batch.kl >= 0).all()
        torch.testing.assert_close(batch.ref_logprobs, batch.responses.logprobs, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("kl", "factor"), [(0.0, 0.9), (3.9, 0.9875), (4.0, 1.0), (4.4, 1.05), (400.0, 1.1)]
)
def test_adaptive_beta_moves_towards_the_target_by_a_tenth_at_most(kl, factor):
    assert ppo.next_beta(0.3, kl, 4.0) == pytest.approx(0.3 * factor)


# --- losses ---------------------------------------------------------------------------------------


def test_policy_loss_and_gradient_are_the_naive_ones():
    old, advantages, mask, clip = -normal(6, 5, seed=1).abs(), normal(6, 5, seed=2), ragged(), 0.2
    ours = (old + 0.3 * normal(6, 5, seed=3)).requires_grad_(True)
    naive = ours.detach().clone().requires_grad_(True)
    loss, info = ppo.policy_loss(ours, old, advantages, mask, clip)

    terms, clipped, k2 = [], 0, []
    for row, t in mask.nonzero().tolist():
        ratio = torch.exp(naive[row, t] - old[row, t])
        bounded = min(max(ratio.item(), 1 - clip), 1 + clip)
        inside = bounded == ratio.item()
        gain, limited = (
            advantages[row, t] * ratio,
            advantages[row, t] * (ratio if inside else bounded),
        )
        terms.append(-(gain if gain.item() <= limited.item() else limited))
        clipped += limited.item() < gain.item()
        k2.append(math.log(ratio.item()) ** 2 / 2)
    expected = sum(terms) / len(terms)
    loss.backward()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    torch.testing.assert_close(ours.grad, naive.grad, atol=1e-12, rtol=1e-9)
    assert (
        (ours.grad[~mask] == 0).all()
        and (ours.grad[mask] == 0).any()
        and (ours.grad[mask] != 0).any()
    )
    assert info["clip_fraction"] == pytest.approx(clipped / len(terms)) and 0 < clipped < len(terms)
    assert info["approx_kl_update"] == pytest.approx(sum(k2) / len(k2))


@pytest.mark.parametrize(
    ("advantage", "ratio", "slope"),
    [
        (1.0, 1.1, -1.1),
        (1.0, 1.3, 0.0),
        (1.0, 0.5, -0.5),
        (-1.0, 0.7, 0.0),
        (-1.0, 1.3, 1.3),
        (-1.0, 0.9, 0.9),
    ],
)
def test_policy_loss_brakes_only_what_has_gone_far_enough(advantage, ratio, slope):
    log_p = torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True)
    one = torch.ones(1, 1, dtype=torch.float64)
    loss, _ = ppo.policy_loss(log_p, 0 * one, advantage * one, one, 0.2)
    loss.backward()
    assert log_p.grad.item() == pytest.approx(slope)


def test_value_loss_and_gradient_are_the_naive_ones():
    old, returns, mask, clip = normal(6, 5, seed=1), normal(6, 5, seed=2), ragged(), 0.2
    ours = (old + 0.4 * normal(6, 5, seed=3)).requires_grad_(True)
    naive = ours.detach().clone().requires_grad_(True)
    loss, terms, kept = ppo.value_loss(ours, old, returns, mask, clip), [], 0
    for row, t in mask.nonzero().tolist():
        value, before, target = naive[row, t], old[row, t].item(), returns[row, t].item()
        moved = value.item() - before
        near = (
            value
            if abs(moved) <= clip
            else torch.tensor(before + math.copysign(clip, moved), dtype=torch.float64)
        )
        plain_square, near_square = (value - target) ** 2, (near - target) ** 2
        terms.append(plain_square if plain_square.item() >= near_square.item() else near_square)
        kept += near_square.item() > plain_square.item()
    expected = 0.5 * sum(terms) / len(terms)
    loss.backward()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9) and kept > 0
    torch.testing.assert_close(ours.grad, naive.grad, atol=1e-12, rtol=1e-9)


# --- a whole update -------------------------------------------------------------------------------


class Recorded(torch.optim.Adam):
    """Adam that remembers the gradients it was given."""

    def step(self, *args, **kwargs):
        self.given = [
            parameter.grad.clone() for group in self.param_groups for parameter in group["params"]
        ]
        return super().step(*args, **kwargs)


@pytest.mark.parametrize("frozen", [0, 1])
def test_an_update_is_that_of_transformers_model_row_by_row(frozen):
    """One minibatch, one epoch: transformers' forward on each row alone (no padding, no cache,
    nothing shared), the losses by definition, torch's Adam.
    """
    reference = tiny_trunk()
    settings = changed(
        SMALL,
        batch_size=8,
        minibatch_size=8,
        epochs=1,
        max_new_tokens=16,
        frozen_layers=frozen,
        beta=0.3,
        value_coefficient=0.5,
        missing_end_penalty=0.7,
    )
    policy = Policy(reference, settings)
    for module in (
        policy.trunk.h[1],
        policy.trunk.ln_f,
    ):  # it has drifted where it is trained, and expects something
        for parameter in module.parameters():
            parameter.data += 0.03 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(5)
            )
    policy.value_head.weight.data += 0.1
    policy.optimizer = Recorded(policy.parameters, lr=settings.learning_rate, eps=1e-5)
    batch = batch_of(policy, reference, settings)
    responses = batch.responses
    assert (
        responses.ended(END).any()
        and not responses.ended(END).all()
        or len(set(responses.lengths.tolist())) > 1
    )

    # A second policy inside transformers' own model, with the same weights.
    model, head = tiny_gpt2(), copy.deepcopy(policy.value_head)
    model.transformer.load_state_dict(policy.trunk.state_dict(), strict=False)
    trained = (
        [model.transformer.h[1], model.transformer.ln_f]
        if frozen
        else [
            model.transformer.wte,
            model.transformer.wpe,
            *model.transformer.h,
            model.transformer.ln_f,
        ]
    )
    parameters = [
        p.requires_grad_(True) for module in [*trained, head] for p in module.parameters()
    ]
    rows, everything = [], []
    for row in range(8):
        prompt, answer = (
            responses.prompt_ids[row][responses.prompt_mask[row]],
            responses.tokens[row][responses.mask[row]],
        )
        ids, span = torch.cat([prompt, answer])[None], slice(len(prompt) - 1, -1)
        out = model(ids, output_hidden_states=True)
        log_p = (out.logits[0, span] / settings.temperature).log_softmax(-1)[
            range(len(answer)), answer
        ]
        values = head(out.hidden_states[-1][0, span])[:, 0]
        with torch.no_grad():
            ref = (tiny_gpt2()(ids).logits[0, span] / settings.temperature).log_softmax(-1)[
                range(len(answer)), answer
            ]
        drift = log_p.detach() - ref
        reward = -settings.beta * drift
        reward[-1] += batch.scores[row] - (0.0 if END in answer else settings.missing_end_penalty)
        advantage = naive_advantages(reward, values.detach(), settings.gamma, settings.lam)
        rows.append((log_p, values, advantage, advantage + values.detach()))
        everything.append(advantage)
    white = torch.cat(everything)
    mean, spread = white.mean(), white.std()
    count = len(white)
    # The policy is where the batch was written, so every ratio is 1, nothing is clipped, and the
    # losses are simply these.
    loss_p = (
        sum(
            (-(log_p - log_p.detach()).exp() * (advantage - mean) / spread).sum()
            for log_p, _, advantage, _ in rows
        )
        / count
    )
    loss_v = 0.5 * sum(((values - returns) ** 2).sum() for _, values, _, returns in rows) / count
    optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate, eps=1e-5)
    (loss_p + settings.value_coefficient * loss_v).backward()
    length = torch.sqrt(sum((p.grad**2).sum() for p in parameters))
    for parameter in parameters:
        parameter.grad *= min(1.0, settings.max_grad_norm / length.item())
    optimiser.step()

    *_, summary = update(policy, batch, settings, END)
    assert summary["policy_loss"] == pytest.approx(loss_p.item(), abs=1e-5)
    assert summary["value_loss"] == pytest.approx(loss_v.item(), rel=1e-4)
    assert summary["clip_fraction"] == 0 and summary["first_ratio_error"] < 1e-4
    given, expected = (
        torch.cat([g.flatten() for g in policy.optimizer.given]),
        torch.cat([p.grad.flatten() for p in parameters]),
    )
    assert length > settings.max_grad_norm  # the shortening is part of the comparison
    assert (given - expected).norm() < 1e-4 * expected.norm()
    moved, theirs = (
        torch.cat([p.data.flatten() for p in policy.parameters]),
        torch.cat([p.data.flatten() for p in parameters]),
    )
    assert (moved - theirs).abs().max() < 0.02 * settings.learning_rate


def test_first_minibatch_finds_the_policy_where_the_batch_was_written():
    reference = tiny_trunk()
    for frozen in (0, 1):
        policy = Policy(reference, changed(SMALL, frozen_layers=frozen))
        for _ in range(3):  # also after updates
            *_, summary = update(policy, batch_of(policy, reference), SMALL, END)
            assert summary["first_ratio_error"] < 1e-4 < summary["largest_ratio_error"]


def test_the_value_head_learns_at_its_own_rate():
    """Adam's first step moves a weight by the learning rate, whatever its gradient."""
    reference, settings = (
        tiny_trunk(),
        changed(SMALL, steps=1, epochs=1, minibatch_size=16, value_rate=7.0, max_grad_norm=1000.0),
    )
    policy = Policy(reference, settings)
    records(running(policy, reference, settings))
    moved = [
        (p - q).abs().max().item()
        for p, q in zip(policy.parameters, Policy(reference, settings).parameters)
    ]
    assert max(moved[:-2]) == pytest.approx(settings.learning_rate, rel=0.05) and max(
        moved[-2:]
    ) == pytest.approx(7 * settings.learning_rate, rel=0.05)


def dirtied(batch, extra):
    """The same batch with other tokens and states under its padding, and ``extra`` more columns of
    padding on both sides.
    """
    r, source = batch.responses, torch.Generator().manual_seed(9)
    rows, filler = len(r.mask), lambda *shape: torch.randint(2, 40, shape, generator=source)
    prompt_ids = torch.cat(
        [
            filler(rows, extra),
            torch.where(r.prompt_mask, r.prompt_ids, filler(*r.prompt_ids.shape)),
        ],
        1,
    )
    prompt_mask = torch.cat([torch.zeros(rows, extra, dtype=torch.bool), r.prompt_mask], 1)
    tokens = torch.cat(
        [torch.where(r.mask, r.tokens, filler(*r.tokens.shape)), filler(rows, extra)], 1
    )
    mask = torch.cat([r.mask, torch.zeros(rows, extra, dtype=torch.bool)], 1)

    def wide(numbers):
        return torch.cat([torch.where(r.mask, numbers, 3.0), torch.full((rows, extra), 3.0)], 1)

    real = torch.cat([r.prompt_mask, r.mask], 1)[..., None]
    noise = torch.randn(rows, extra, batch.shared.shape[2], generator=source)
    shared = torch.cat(
        [
            noise,
            torch.where(real, batch.shared, torch.randn(batch.shared.shape, generator=source)),
            noise,
        ],
        1,
    )
    responses = Responses(prompt_ids, prompt_mask, tokens, mask, wide(r.logprobs))
    return dataclasses.replace(
        batch,
        responses=responses,
        shared=shared,
        ref_logprobs=wide(batch.ref_logprobs),
        values=wide(batch.values),
    )


@pytest.mark.parametrize("frozen", [0, 1])
@pytest.mark.parametrize("extra", [0, 3])
def test_what_lies_under_the_padding_changes_nothing(frozen, extra):
    reference, settings = tiny_trunk(), changed(SMALL, frozen_layers=frozen)
    clean, dirty = Policy(reference, settings), Policy(reference, settings)
    batch = batch_of(clean, reference, settings)
    dirty.generator.set_state(clean.generator.get_state())
    assert not batch.responses.mask.all() and not batch.responses.prompt_mask.all()
    *_, one = update(clean, batch, settings, END)
    *_, other = update(dirty, dirtied(batch, extra), settings, END)
    assert one == pytest.approx(other, abs=1e-5)
    for p, q, start in zip(
        clean.parameters, dirty.parameters, Policy(reference, settings).parameters
    ):
        torch.testing.assert_close(p, q, atol=2e-5, rtol=0)
        assert (p - start).abs().max() > 1e-4


def test_the_end_of_text_action_is_learned():
    """Answers of a single token: the end is rewarded, any other token is not. If the end were
    masked there would be nothing to learn it from.
    """
    reference, settings = tiny_trunk(), changed(SMALL, batch_size=8, minibatch_size=8, epochs=1)
    policy, prompt = Policy(reference, settings), torch.tensor(PROMPTS[0])
    ids, tokens = prompt.repeat(8, 1), torch.tensor([[END]] * 4 + [[7], [8], [9], [10]])
    with torch.no_grad():
        hidden = reference.hidden_states(ids, torch.ones_like(ids, dtype=torch.bool))[:, -1:]
        log_p = (reference.logits(hidden) / settings.temperature).log_softmax(-1)
    taken, ones = log_p.gather(2, tokens[..., None])[..., 0], torch.ones(8, 1, dtype=torch.bool)
    responses = Responses(ids, torch.ones_like(ids, dtype=torch.bool), tokens, ones, taken)
    batch = ppo.Batch(
        responses,
        torch.empty(0),
        torch.tensor([1.0] * 4 + [0.0] * 4),
        tokens[:, 0] == END,
        taken,
        torch.zeros(8, 1),
        torch.zeros(8, 1),
        0.7,
    )
    *_, _ = update(policy, batch, settings, END)
    with torch.no_grad():
        after = (
            policy.trunk.logits(
                policy.trunk.hidden_states(ids[:1], responses.prompt_mask[:1])[:, -1]
            )
            / settings.temperature
        ).log_softmax(-1)[0]
    assert after[END] > log_p[0, 0, END] + 0.01
    assert after[7:11].exp().sum() < log_p[0, 0, 7:11].exp().sum()


def test_a_penalty_for_a_missing_end_makes_answers_end():
    """Nothing but the penalty speaks here: the score is 0 for everything."""
    reference = tiny_trunk(vocabulary=12)
    prompts = random_prompts([3, 5, 4], 12)
    settings = changed(
        SMALL,
        batch_size=64,
        minibatch_size=32,
        steps=8,
        learning_rate=3e-3,
        missing_end_penalty=2.0,
        beta=0.0,
    )
    rows = records(
        running(
            Policy(reference, settings),
            reference,
            settings,
            lambda pooled: torch.zeros(len(pooled)),
            prompts,
        )
    )
    ended = [row["batch"].ended.double().mean().item() for row in rows]
    assert ended[0] < 0.8 and ended[-1] > ended[0] + 0.15
    assert all(
        row["reward_mean"] == 0 for row in rows
    )  # the penalty is no part of the reward that is shown


# --- frozen layers --------------------------------------------------------------------------------


def test_kept_activations_give_the_same_loss_and_gradients_as_recomputed_ones():
    reference, settings = tiny_trunk(layers=3), changed(SMALL, frozen_layers=2)
    policy = Policy(reference, settings)
    batch = batch_of(policy, reference, settings)
    r = batch.responses
    ids, mask = torch.cat([r.prompt_ids, r.tokens], 1), torch.cat([r.prompt_mask, r.mask], 1)

    def outcome(hidden):
        log_p = (
            (policy.trunk.logits(hidden[:, r.prompt_ids.shape[1] - 1 : -1]) / 0.7)
            .log_softmax(-1)
            .gather(2, r.tokens[..., None])[..., 0]
        )
        loss = -(log_p * r.mask).sum() / r.mask.sum()
        return loss, torch.autograd.grad(
            loss, [p for p in policy.trunk.parameters() if p.requires_grad]
        )

    kept, kept_gradients = outcome(policy.trunk.run(batch.shared, causal_mask(mask), start=2))
    again, gradients = outcome(policy.trunk.hidden_states(ids, mask))
    torch.testing.assert_close(kept, again, atol=1e-6, rtol=0)
    assert len(gradients) == 14  # a block's 12 and the last norm's 2
    for one, other in zip(kept_gradients, gradients):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_the_reference_branch_is_the_reference():
    reference, settings = tiny_trunk(layers=3), changed(SMALL, frozen_layers=2)
    policy = Policy(reference, settings)
    for p in policy.trunk.h[2].parameters():
        p.data += 0.05
    batch = batch_of(policy, reference, settings)
    r = batch.responses
    ids, mask = torch.cat([r.prompt_ids, r.tokens], 1), torch.cat([r.prompt_mask, r.mask], 1)
    theirs = (
        tiny_gpt2(layers=3)(
            ids, attention_mask=mask.long(), position_ids=position_ids(mask)
        ).logits[:, r.prompt_ids.shape[1] - 1 : -1]
        / 0.7
    )
    expected = theirs.log_softmax(-1).gather(2, r.tokens[..., None])[..., 0]
    torch.testing.assert_close(batch.ref_logprobs[r.mask], expected[r.mask], atol=1e-5, rtol=0)
    exact = ppo.exact_kl(r.full_logprobs, theirs.log_softmax(-1))
    torch.testing.assert_close(batch.kl[r.mask], exact[r.mask], atol=1e-4, rtol=0)
    assert batch.kl.sum() > 0.1


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_run_leaves_the_base_as_it_was_and_moves_only_what_it_may(frozen):
    reference, settings = tiny_trunk(), changed(SMALL, frozen_layers=frozen)
    before, policy = fingerprint(reference), Policy(reference, settings)
    records(running(policy, reference, settings))
    assert fingerprint(reference) == before
    for (name, ours), theirs in zip(policy.trunk.named_parameters(), reference.parameters()):
        assert torch.equal(ours, theirs) == (
            frozen > 0 and name.startswith(("wte", "wpe", "h.0."))
        ), name


# --- whole runs -----------------------------------------------------------------------------------


def test_ppo_raises_a_simple_score_and_a_dearer_drift_drifts_less():
    reference = tiny_trunk()
    score = Score(reference)
    settings = changed(
        SMALL,
        batch_size=32,
        minibatch_size=16,
        max_new_tokens=8,
        epochs=4,
        steps=10,
        learning_rate=2e-3,
        missing_end_penalty=0.0,
        beta=0.01,
    )
    free = records(running(Policy(reference, settings), reference, settings, score))
    assert free[-1]["reward_mean"] > free[0]["reward_mean"] + free[0]["reward_std"]
    assert free[0]["kl_to_reference"] < 1e-5 < 0.5 < free[-1]["kl_to_reference"]
    dear = Policy(reference, changed(settings, beta=1.0))
    held = records(running(dear, reference, changed(settings, beta=1.0), score))
    assert held[-1]["kl_to_reference"] < 0.5 * free[-1]["kl_to_reference"]


def test_records_are_the_means_of_their_batch():
    reference = tiny_trunk()
    rows = records(running(Policy(reference, SMALL), reference))
    assert [row["step"] for row in rows] == [0, 1, 2]
    for row in rows:
        batch, mask = row["batch"], row["batch"].responses.mask
        assert row["reward_mean"] == pytest.approx(sum(batch.scores.tolist()) / 16, abs=1e-5)
        assert row["reward_std"] == pytest.approx(torch.std(batch.scores).item())
        assert row["kl_to_reference"] == pytest.approx(
            sum(batch.kl[i][mask[i]].sum().item() for i in range(16)) / 16, abs=1e-5
        )
        distribution = torch.distributions.Categorical(logits=batch.responses.full_logprobs[mask])
        assert row["entropy"] == pytest.approx(distribution.entropy().mean().item(), rel=1e-4)
        assert row["beta"] == SMALL.beta and row["seconds"] > 0
    assert rows[0]["learning_rate"] == rows[0]["clip_fraction"] == rows[0]["value_loss"] == 0.0
    assert all(
        row["learning_rate"] == SMALL.learning_rate
        and row["value_loss"] > 0
        and row["approx_kl_update"] > 0
        for row in rows[1:]
    )


def test_doubt_is_taken_off_before_the_limit_and_the_record_stays_plain():
    reference = tiny_trunk()
    batch = batch_of(Policy(reference, SMALL), reference)
    ended, scores = torch.tensor([True, True, False, True]), torch.tensor([3.0, 3.0, 0.5, -1.0])
    batch = dataclasses.replace(
        batch, scores=scores, ended=ended, doubt=torch.tensor([0.5, 2.0, 0.0, 1.0])
    )
    settings = changed(SMALL, conservative=2.0, score_clip=1.5, missing_end_penalty=1.0)
    assert ppo.earned_scores(batch, settings).tolist() == [1.5, -1.0, -0.5, -3.0]
    assert ppo.earned_scores(batch, changed(settings, conservative=0.0)).tolist() == [
        1.5,
        1.5,
        -0.5,
        -1.0,
    ]
    row = ppo.record(
        Policy(reference, settings),
        settings,
        batch_of(Policy(reference, SMALL), reference),
        {},
        0.0,
    )
    assert "doubt_mean" not in row, "a reward model that knows no doubt has no mean of it"


def test_no_doubt_taken_off_is_exactly_the_run_that_knows_none():
    reference = tiny_trunk()
    without, knowing, taken = (
        Policy(reference, SMALL),
        Policy(reference, SMALL),
        Policy(reference, SMALL),
    )
    doubt = lambda pooled: pooled[:, 0].abs()  # noqa: E731
    rows = list(map(plain, records(running(without, reference))))
    assert rows == list(map(plain, records(running(knowing, reference, doubt=doubt))))
    assert [p.tolist() for p in without.parameters] == [p.tolist() for p in knowing.parameters]
    other = records(running(taken, reference, changed(SMALL, conservative=1.0), doubt=doubt))
    assert [p.tolist() for p in without.parameters] != [p.tolist() for p in taken.parameters]
    assert other[0]["reward_mean"] == rows[0]["reward_mean"], (
        "the score in the record is the plain one"
    )
    assert all(
        row["doubt_mean"] == pytest.approx(row["batch"].doubt.mean().item())
        and row["doubt_mean"] > 0
        for row in other
    )


def test_a_conservative_score_keeps_the_policy_from_where_it_is_unsure():
    """Doubt that grows twice as fast as the score: above 0 every further step costs, so there is no
    reason to go there.
    """
    reference = tiny_trunk()
    score, settings, ends = (
        Score(reference),
        changed(SMALL, steps=8, batch_size=32, beta=0.0, missing_end_penalty=0.0),
        {},
    )
    for k in (0.0, 1.0):
        chosen = changed(settings, conservative=k)
        ends[k] = records(
            running(
                Policy(reference, chosen),
                reference,
                chosen,
                score,
                doubt=lambda pooled: 2 * score(pooled).clamp(min=0),
            )
        )
    gains = {k: rows[-1]["reward_mean"] - rows[0]["reward_mean"] for k, rows in ends.items()}
    assert gains[0.0] > 0.3 and gains[1.0] < 0.6 * gains[0.0], gains


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_doubts_that_are_no_numbers_end_the_run(value):
    reference = tiny_trunk()
    with pytest.raises(TrainingDiverged, match="reward model's doubts are no longer finite"):
        records(
            running(
                Policy(reference, SMALL),
                reference,
                doubt=lambda pooled: torch.full((len(pooled),), value),
            )
        )


def test_a_reward_model_that_knows_no_doubt_cannot_be_scored_conservatively():
    reference = tiny_trunk()
    policy = Policy(reference, SMALL)
    with pytest.raises(
        SettingsError, match="cannot say how unsure it is, so the setting conservative must be 0"
    ):
        records(running(policy, reference, changed(SMALL, conservative=0.5)))
    assert policy.step == 0


def test_every_batch_goes_through_the_prompts_evenly():
    reference = tiny_trunk()
    (row,) = records(running(Policy(reference, SMALL), reference, changed(SMALL, steps=1)))[:1]
    r = row["batch"].responses
    used = [tuple(ids[mask].tolist()) for ids, mask in zip(r.prompt_ids, r.prompt_mask)]
    counts = [used.count(tuple(prompt)) for prompt in PROMPTS]
    assert sum(counts) == 16 and max(counts) - min(counts) <= 1


def test_same_seed_same_run_other_seed_other_run():
    reference = tiny_trunk()
    one, same, other = (
        list(
            map(
                plain,
                records(
                    running(
                        Policy(reference, changed(SMALL, seed=s)), reference, changed(SMALL, seed=s)
                    )
                ),
            )
        )
        for s in (4, 4, 5)
    )
    assert one == same != other


def test_progress_is_reported_for_every_token_and_every_minibatch():
    reference = tiny_trunk()
    events = [
        item for item in running(Policy(reference, SMALL), reference) if isinstance(item, Progress)
    ]
    said = [event.done for event in events if event.stage == "updating the model"]
    minibatches = [done for before, done in pairwise([0, *said]) if done > before]
    assert len(minibatches) == 2 * 2 * 2  # steps x epochs x minibatches
    assert len(said) > 3 * len(minibatches), "and several times within each"
    writes = [event for event in events if event.stage == "writing answers"]
    assert 3 * 3 <= len(writes) <= 3 * 5 and {event.total for event in writes} == {5}
    assert minibatches == [1, 2, 3, 4] * 2


@pytest.mark.parametrize(("target", "way"), [(1e-6, 1), (100.0, -1)])
def test_adaptive_beta_moves_the_right_way_in_a_run(target, way):
    reference, settings = tiny_trunk(), changed(SMALL, steps=4, kl_target=target, beta=0.2)
    betas = [
        row["beta"] for row in records(running(Policy(reference, settings), reference, settings))
    ]
    assert betas[:2] == [0.2, 0.2]  # step 1 was still trained with the first
    assert all(way * (later - earlier) > 0 for earlier, later in zip(betas[1:], betas[2:]))


def test_no_target_keeps_beta():
    reference, settings = tiny_trunk(), changed(SMALL, steps=3, beta=0.2)
    assert {
        row["beta"] for row in records(running(Policy(reference, settings), reference, settings))
    } == {0.2}


def test_impossible_settings_are_refused_before_anything_is_written():
    reference = tiny_trunk()
    policy = Policy(reference, SMALL)
    with pytest.raises(SettingsError, match="learning rate"):
        next(running(policy, reference, changed(SMALL, learning_rate=math.nan)))
    assert policy.batch is None and torch.equal(
        policy.generator.get_state(), Policy(reference, SMALL).generator.get_state()
    )


# --- stopping and going on ------------------------------------------------------------------------


def state_of(policy):
    """Everything that decides how a run goes on, as plain values."""
    moments = [
        {name: value.tolist() for name, value in sorted(policy.optimizer.state.get(p, {}).items())}
        for p in policy.parameters
    ]
    batch = policy.batch and [policy.batch.responses.tokens.tolist(), policy.batch.scores.tolist()]
    return [
        [p.tolist() for p in policy.parameters],
        moments,
        policy.generator.get_state().tolist(),
        policy.step,
        policy.beta,
        batch,
    ]


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_stop_anywhere_leaves_the_last_finished_step_and_going_on_equals_never_stopping(frozen):
    reference = tiny_trunk(width=16, heads=2, vocabulary=20)
    prompts = random_prompts([3, 5, 1], 20)
    settings = changed(SMALL, max_new_tokens=4, frozen_layers=frozen, kl_target=0.01)
    score = Score(reference)
    whole = Policy(reference, settings)
    kinds, finished, rows = (
        [],
        [state_of(whole)],
        [],
    )  # finished[i]: the state that a stop at event i must leave
    for item in running(whole, reference, settings, score, prompts):
        kinds.append(item.stage if isinstance(item, Progress) else "record")
        if kinds[-1] == "record":
            rows.append(plain(item))
        finished.append(state_of(whole) if kinds[-1] == "record" else finished[-1])
    assert set(kinds) == {*STAGES, "record"} and kinds.count("record") == 3
    end = state_of(whole)

    for stop in range(1, len(kinds) + 1):
        policy = Policy(reference, settings)
        run, seen = running(policy, reference, settings, score, prompts), []
        for _ in range(stop):
            item = next(run)
            seen += [] if isinstance(item, Progress) else [plain(item)]
        run.close()
        assert state_of(policy) == finished[stop], f"stopped at event {stop} ({kinds[stop - 1]})"
        left = settings.steps - policy.step
        if left:
            seen += map(
                plain,
                records(running(policy, reference, changed(settings, steps=left), score, prompts)),
            )
        assert state_of(policy) == end and seen == rows, (
            f"went on from event {stop} ({kinds[stop - 1]})"
        )


def test_a_run_can_be_prolonged():
    reference = tiny_trunk()
    at_once, in_parts = Policy(reference, SMALL), Policy(reference, SMALL)
    rows = records(running(at_once, reference, changed(SMALL, steps=3)))
    parts = records(running(in_parts, reference, changed(SMALL, steps=1))) + records(
        running(in_parts, reference, changed(SMALL, steps=2))
    )
    assert list(map(plain, rows)) == list(map(plain, parts)) and state_of(at_once) == state_of(
        in_parts
    )


def test_another_temperature_is_measured_afresh_before_it_is_trained_at():
    """The batch at hand was written at the old temperature: its log-probabilities would be wrong by
    far.
    """
    reference = tiny_trunk()
    policy = Policy(reference, SMALL)
    records(running(policy, reference, changed(SMALL, steps=1)))
    warm = changed(SMALL, steps=1, temperature=1.4)
    again, after = records(running(policy, reference, warm))
    assert (again["step"], after["step"]) == (1, 2)
    assert again["batch"].temperature == 1.4 and after["approx_kl_update"] < 0.05


# --- numbers that break ---------------------------------------------------------------------------


class Reckless(PPOSettings):
    """Settings that nobody checks."""

    def validate(self):
        return self


def test_a_huge_learning_rate_is_stopped_explained_and_undone():
    reference = tiny_trunk()
    policy = Policy(reference, SMALL)
    records(running(policy, reference, changed(SMALL, steps=1)))
    good = state_of(policy)
    wild = Reckless(**{**dataclasses.asdict(SMALL), "learning_rate": 1e38})
    with pytest.raises(
        TrainingDiverged,
        match=(
            r"^Training broke in step 2: .* The model of step 1 is kept. Try a smaller learning"
            r" rate"
        ),
    ) as caught:
        records(running(policy, reference, wild))
    assert "no longer" in str(caught.value) and state_of(policy) == good
    (row,) = records(running(policy, reference, changed(SMALL, steps=1)))  # and it can go on
    assert row["step"] == 2 and math.isfinite(row["reward_mean"])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_that_are_no_numbers_end_the_step_they_appear_in(value):
    reference = tiny_trunk()
    policy, score, seen = Policy(reference, SMALL), Score(reference), []

    def broken(pooled):
        scores = score(pooled)
        return scores if score.calls < 3 else scores * value

    with pytest.raises(
        TrainingDiverged,
        match=(
            "Training broke in step 2: The reward model's scores are no longer finite numbers. The"
            " model of step 1 is kept"
        ),
    ):
        for item in running(policy, reference, changed(SMALL, steps=5), broken):
            seen += [] if isinstance(item, Progress) else [item]
    assert [row["step"] for row in seen] == [0, 1] and all(
        math.isfinite(row["reward_mean"]) for row in seen
    )
    unbroken = Policy(reference, SMALL)
    records(running(unbroken, reference, changed(SMALL, steps=1)))
    assert state_of(policy) == state_of(unbroken)


def test_scores_that_never_were_numbers_stop_before_the_first_step():
    reference = tiny_trunk()
    policy = Policy(reference, SMALL)
    with pytest.raises(TrainingDiverged, match="reward model's scores"):
        records(
            running(policy, reference, SMALL, lambda pooled: torch.full((len(pooled),), math.nan))
        )
    assert state_of(policy) == state_of(Policy(reference, SMALL))


def test_a_broken_policy_is_noticed_while_it_writes():
    reference = tiny_trunk()
    policy = Policy(reference, SMALL)
    policy.trunk.ln_f.weight.data[0] = math.nan
    with pytest.raises(TrainingDiverged, match="probabilities are no longer finite"):
        records(running(policy, reference))
