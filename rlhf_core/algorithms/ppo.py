"""PPO for a language model: write, score, price the drift, judge each token, update; again.

The loop is ``train``; its five numbered stages are the whole method. Everything above it is one
formula a function, each with its source. A policy and its value head share one trunk; the frozen
reference is the original model, read once a batch for both the KL penalty and the reward features.
``train`` is a generator: it yields ``Progress`` after every decoded token and every minibatch (so
that a run can be paused or stopped there) and a record after every finished step. A step that does
not finish (stopped, diverged) leaves no trace.

Knows nothing about people, prompts as text, or files. Simplifications against full-scale RLHF: one
device, no reward whitening, a constant learning rate, a linear value head on the policy's own
trunk.

Shapes: B responses, T response positions, V vocabulary, d hidden size, P widest prompt.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from rlhf_core.algorithms.batch import Batch
from rlhf_core.algorithms.joints import Joints
from rlhf_core.algorithms.tensors_aside import Aside
from rlhf_core.common.errors import SettingsError
from rlhf_core.common.events import Progress, Record, last
from rlhf_core.common.known import known
from rlhf_core.common.ppo_stages import JUDGING, PRICING, SCORING, UPDATING, WRITING
from rlhf_core.common.settings import DPOSettings, PPOSettings, RLOOSettings, TrainingSettings
from rlhf_core.lm.packing import answer_states, spread_out
from rlhf_core.lm.sampling import decode, pooled_states, token_logprobs, uniform_numbers
from rlhf_core.lm.transformer import Transformer, causal_mask, position_ids


class TrainingDiverged(RuntimeError):
    """Numbers stopped being finite; the last good weights are back in place."""


# --- formulas -------------------------------------------------------------------------------------


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the True positions of ``mask``."""
    return (values * mask).sum() / mask.sum()


def whiten(values: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
    """Zero mean (if ``shift_mean``), unit variance where True; 0 elsewhere. (B, T) -> (B, T).

    Source: lm-human-preferences ``utils/core.py`` (whiten); variance with Bessel's correction as in
    TRL's ``masked_whiten``.
    """
    count = mask.sum()
    mean = masked_mean(values, mask)
    variance = masked_mean((values - mean) ** 2, mask) * count / (count - 1)
    white = (values - mean) * torch.rsqrt(variance + 1e-8)
    return (white if shift_mean else white + mean) * mask


def exact_kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) in nats at each position, over the whole vocabulary. (..., V) twice -> (...).

    Averaged over sampled responses this is the Rao-Blackwellised estimate of the sequence KL:
    unbiased and never negative (arXiv 2504.10637).
    """
    return (log_p.exp() * (log_p - log_q)).sum(-1).clamp(min=0)


def kl_k1(log_p: Tensor, log_q: Tensor) -> Tensor:
    """log p - log q of the taken tokens: unbiased, may be negative; what the reward pays for.

    Source: Schulman 2020, "Approximating KL divergence".
    """
    return log_p - log_q


def entropy(log_p: Tensor) -> Tensor:
    """Entropy in nats at each position. (..., V) -> (...)."""
    return -(log_p.exp() * log_p).sum(-1)


def token_rewards(scores: Tensor, kl: Tensor, mask: Tensor, beta: float) -> Tensor:
    """-beta * KL on every response token, plus the score on the last. (B,), (B, T) x 2 -> (B, T).

    Source: Ziegler et al. 2019 (arXiv 1909.08593), section 2.1; "N implementation details of RLHF
    with PPO", Huang et al. 2024 (arXiv 2403.17031).
    """
    rewards = -beta * kl * mask
    last = mask.sum(1) - 1  # (B,)
    rewards[torch.arange(len(scores)), last] += scores
    return rewards


def advantages_and_returns(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation, backwards over the response.

    delta_t = r_t + gamma V_{t+1} - V_t;  A_t = delta_t + gamma lam A_{t+1};  return = A + V.
    V after the last token is 0. (B, T) each -> (B, T) advantages, (B, T) returns; 0 where masked.

    Source: Schulman et al. 2016 (arXiv 1506.02438), equations 11-16.
    """
    rewards, values = rewards * mask, values * mask
    running = torch.zeros(len(rewards), dtype=rewards.dtype)
    following = torch.zeros_like(running)
    advantages = torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * following - values[:, t]
        running = (delta + gamma * lam * running) * mask[:, t]
        advantages[:, t] = running
        following = values[:, t]
    return advantages, (advantages + values) * mask


def policy_loss(
    log_p: Tensor, old_log_p: Tensor, advantages: Tensor, mask: Tensor, clip: float
) -> tuple[Tensor, dict[str, float]]:
    """PPO's clipped objective as a loss. (B, T) each -> ().

    Mean of max(-A r, -A clip(r, 1 - clip, 1 + clip)), r = exp(log_p - old_log_p).

    Source: Schulman et al. 2017 (arXiv 1707.06347), equation 7.
    """
    log_ratio = log_p - old_log_p
    ratio = log_ratio.exp()
    unclipped, clipped = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    loss = masked_mean(torch.maximum(unclipped, clipped), mask)
    with torch.no_grad():
        info = {
            "clip_fraction": masked_mean((clipped > unclipped).to(loss.dtype), mask).item(),
            # k2 of old against new: k3 lets one token that became far likelier outweigh all others
            "approx_kl_update": masked_mean(log_ratio**2 / 2, mask).item(),
            "largest_ratio_error": ((ratio - 1).abs() * mask).max().item(),
        }
    return loss, info


def value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float
) -> Tensor:
    """Half the mean of max((V - R)^2, (V_clipped - R)^2). (B, T) each -> ().

    V_clipped is V kept within ``clip`` of the old value.

    Source: lm-human-preferences ``train_policy.py`` (loss); Huang et al. 2024, "value clipping".
    """
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (near - returns) ** 2), mask)


def next_beta(beta: float, kl: float, target: float) -> float:
    """Adaptive KL coefficient: at most 10% up or down a step, towards the target.

    e = clip(KL / target - 1, -0.2, 0.2); beta *= 1 + K e. Source: Ziegler et al. 2019, section 2.2.
    Their K (0.1; in the code a horizon of 10,000 episodes) hardly moves in 20 steps; ours is 0.5.
    """
    return beta * (1 + 0.5 * min(0.2, max(-0.2, kl / target - 1)))


# --- the policy -----------------------------------------------------------------------------------


class Policy:
    """What training changes: a trunk, a value head on it, the optimiser, the random state.

    Attributes:
        step: finished steps.
        beta: price of drift now (moves under adaptive KL).
        batch: the last batch written and measured; the next step trains on it.
    """

    def __init__(self, base: Transformer, settings: TrainingSettings):
        self.frozen_layers = settings.frozen_layers
        self.trunk = base.trainable_copy(settings.frozen_layers)
        self.value_head = nn.Linear(base.width, 1)
        # It guesses 0 at first, so the first advantages are the rewards to come, drift's price and
        # all, before they are whitened.
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)
        trunk = [p for m in self.trunk.trained_modules(self.frozen_layers) for p in m.parameters()]
        self.parameters = [*trunk, *self.value_head.parameters()]
        self.optimizer = torch.optim.Adam(
            [{"params": trunk}, {"params": list(self.value_head.parameters())}],
            lr=settings.learning_rate,
            eps=1e-5,
            fused=True,
        )
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.step, self.beta = 0, settings.beta
        self.batch: Batch | None = None

    def values(self, hidden: Tensor) -> Tensor:
        """(B, T, d) -> (B, T): expected rest of the reward, before each token."""
        values: Tensor = self.value_head(hidden)  # (B, T, 1)
        return values.squeeze(-1)

    def _changing(self) -> list[Tensor]:
        """The weights, then what the optimiser remembers of each."""
        weights = [p.detach() for p in self.parameters]
        states = [self.optimizer.state.get(p, {}) for p in self.parameters]
        return weights + [tensor for state in states for tensor in state.values()]

    def descend(self, loss: Tensor, max_grad_norm: float) -> None:
        """One gradient step, its length limited. Raises TrainingDiverged: the loss is no number."""
        for _ in self.descend_in_parts(loss, max_grad_norm, Joints()):
            pass

    def descend_in_parts(self, loss: Tensor, most: float, joints: Joints) -> Iterator[None]:
        """``descend`` with a yield at each of the ``joints`` of the pass that led to the loss."""
        if not torch.isfinite(loss):
            raise TrainingDiverged("The loss is no longer a finite number.")
        self.optimizer.zero_grad(set_to_none=True)
        yield from joints.backward(loss)
        nn.utils.clip_grad_norm_(self.parameters, most)
        self.optimizer.step()

    def snapshot(self) -> Record:
        """Everything a discarded step must give back."""
        return {
            "tensors": Aside(self._changing()),
            "generator": self.generator.get_state(),
            "step": self.step,
            "beta": self.beta,
            "batch": self.batch,
        }

    def restore(self, snapshot: Record) -> None:
        if len(self._changing()) > snapshot["tensors"].count:  # the optimiser had seen nothing yet
            self.optimizer.state.clear()
        snapshot["tensors"].give_back(self._changing())
        self.optimizer.zero_grad(set_to_none=True)
        self.generator.set_state(snapshot["generator"])
        self.step, self.beta, self.batch = snapshot["step"], snapshot["beta"], snapshot["batch"]


# --- the stages -----------------------------------------------------------------------------------

LOOK = 16  # answers of a batch whose tokens can be looked at more closely


@torch.no_grad()
def write_batch(
    policy: Policy,
    reference: Transformer,
    prompts: list[list[int]],
    score_fn: Callable[[Tensor], Tensor],
    settings: TrainingSettings,
    end_id: int,
    pad_id: int,
    doubt_fn: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[Progress | Batch]:
    """Stages 1 and 2: write with the policy, read with the reference. Last yield: the Batch."""
    # 1. Generate: temperature only, so that the sampled distribution is the one that is trained.
    order = torch.randperm(len(prompts), generator=policy.generator).tolist()
    chosen = [prompts[order[i % len(prompts)]] for i in range(settings.batch_size)]
    uniforms = uniform_numbers(settings.batch_size, settings.max_new_tokens, policy.generator)
    written = decode(
        policy.trunk,
        chosen,
        uniforms=uniforms,
        end_id=end_id,
        pad_id=pad_id,
        temperature=settings.temperature,
        keep_distributions=True,
        keep_hidden=True,
    )
    for done, responses in enumerate(written, 1):
        yield Progress(WRITING, done, settings.max_new_tokens)
    if not torch.isfinite(responses.logprobs).all():
        raise TrainingDiverged("The model's probabilities are no longer finite numbers.")

    # 2. Score: one pass of the frozen reference gives its log-probabilities and the features.
    here = Progress(SCORING, 0, 1)  # told again and again, so that others need not wait for long
    yield here
    ids = torch.cat([responses.prompt_ids, responses.tokens], 1)
    everything = torch.cat([responses.prompt_mask, responses.mask], 1)
    allowed, width = causal_mask(everything), responses.prompt_ids.shape[1]
    frozen, embedded = policy.frozen_layers, reference.embed(ids, position_ids(everything))
    shared = reference.run(embedded, allowed, stop=frozen)  # (B, P + T, d)
    yield here
    hidden = reference.run(shared, allowed, start=frozen)  # (B, P + T, d)
    yield here
    # Whole distributions at real tokens only: (N, V).
    real, before = responses.mask, hidden[:, width - 1 : -1]
    log_p = known(responses.full_logprobs)[real]
    ref_logits = reference.logits(before[real] / settings.temperature)
    yield here
    ref_log_p = ref_logits.log_softmax(-1)
    yield here
    ref_taken = token_logprobs(ref_log_p, responses.tokens[real])
    pooled = pooled_states(hidden[:, width:], responses.mask)  # (B, d)
    scores, doubt = score_fn(pooled), doubt_fn(pooled) if doubt_fn else None  # (B,)
    kl = spread_out(exact_kl(log_p, ref_log_p), real)
    yield here
    values = policy.values(known(responses.hidden)) * responses.mask
    computed = {
        "reward model's scores": scores,
        "reward model's doubts": doubt,
        "value head's expectations": values,
        "distances to the reference": kl,
    }
    for what, numbers in computed.items():
        if numbers is not None and not torch.isfinite(numbers).all():
            raise TrainingDiverged(f"The {what} are no longer finite numbers.")
    yield Batch(
        responses=responses,
        shared=shared,
        scores=scores,
        ended=responses.ended(end_id),
        ref_logprobs=spread_out(ref_taken, real),
        values=values,
        kl=kl,
        temperature=settings.temperature,
        doubt=doubt,
        entropy=spread_out(entropy(log_p), real),
        ref_full_logprobs=spread_out(ref_log_p[: int(real[:LOOK].sum())], real[:LOOK]),
    )


def earned_scores(batch: Batch, settings: PPOSettings | RLOOSettings) -> Tensor:
    """What an answer earns: its score less doubt, up to a limit, less where it never ended. (B,).

    A score beyond anything the reward model was fitted on counts as its limit (TRL's former
    PPOConfig.score_clip, upper side only). mu - k sigma, where k > 0, keeps the policy from earning
    where nobody has judged; batch.scores and the records stay plain, so that runs with different k
    can be compared.

    Source: Coste et al. 2024 (arXiv 2310.02743), section 3, "uncertainty-weighted", with a standard
    deviation; Yang et al. 2024 (arXiv 2402.13210).

    Raises SettingsError: k > 0, and the reward model knows no doubt.
    """
    scores = batch.scores
    if settings.conservative > 0:
        if batch.doubt is None:
            why = "This reward model cannot say how unsure it is"
            raise SettingsError(f"{why}, so the setting conservative must be 0.")
        scores = scores - settings.conservative * batch.doubt
    if settings.score_clip > 0:
        scores = scores.clamp(max=settings.score_clip)
    return scores - settings.missing_end_penalty * ~batch.ended


def update(
    policy: Policy, batch: Batch, settings: PPOSettings, end_id: int
) -> Iterator[Progress | dict[str, float]]:
    """Stages 3 to 5 on one batch. Last yield: the means of the update's numbers."""
    responses, mask = batch.responses, batch.responses.mask
    # 3. KL penalty: each token pays for its drift, the last one earns the score.
    yield Progress(PRICING, 0, 1)
    drift = kl_k1(responses.logprobs, batch.ref_logprobs)  # (B, T)
    rewards = token_rewards(earned_scores(batch, settings), drift, mask, policy.beta)

    # 4. Advantages: was the rest better than the value head expected?
    yield Progress(JUDGING, 0, 1)
    advantages, returns = advantages_and_returns(
        rewards, batch.values, mask, settings.gamma, settings.lam
    )
    advantages = whiten(advantages, mask)
    batch.rewards, batch.advantages = rewards, advantages
    batch.last_logprobs = torch.zeros_like(responses.logprobs)

    # 5. Clipped update: several epochs over the same batch, in fresh minibatches.
    trunk, frozen = policy.trunk, policy.frozen_layers
    infos: list[dict[str, float]] = []
    rows = len(mask)
    total = settings.epochs * math.ceil(rows / settings.minibatch_size)
    for _ in range(settings.epochs):
        for part in torch.randperm(rows, generator=policy.generator).split(settings.minibatch_size):
            joints, real, here = Joints(), mask[part], Progress(UPDATING, len(infos), total)
            # The hidden states that predict the answers' tokens, real ones only: (N, d); N tokens.
            hidden = answer_states(trunk, responses, part, batch.shared, frozen, joints)
            yield here
            log_p = trunk.logits(hidden / settings.temperature).log_softmax(-1)  # (N, V)
            yield here
            log_p = token_logprobs(log_p, responses.tokens[part][real])
            batch.last_logprobs[part] = spread_out(log_p.detach(), real)
            ones = torch.ones_like(log_p)
            loss_p, info = policy_loss(
                log_p, responses.logprobs[part][real], advantages[part][real], ones, settings.clip
            )
            values, old_values = policy.values(hidden), batch.values[part][real]
            loss_v = value_loss(values, old_values, returns[part][real], ones, settings.value_clip)
            loss = loss_p + settings.value_coefficient * loss_v
            for _ in policy.descend_in_parts(loss, settings.max_grad_norm, joints):
                yield here
            infos.append({**info, "policy_loss": loss_p.item(), "value_loss": loss_v.item()})
            yield Progress(UPDATING, len(infos), total)
    policy.optimizer.zero_grad(set_to_none=True)  # as large as the model, and of no more use
    summary = {name: sum(info[name] for info in infos) / len(infos) for name in infos[0]}
    summary["first_ratio_error"] = infos[0]["largest_ratio_error"]
    yield summary


def train(
    *,
    policy: Policy,
    reference: Transformer,
    prompts: list[list[int]],
    score_fn: Callable[[Tensor], Tensor],
    settings: PPOSettings,
    end_id: int,
    pad_id: int,
    doubt_fn: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[Progress | Record]:
    """Train ``policy`` for ``settings.steps`` more steps.

    Args:
        policy: changed in place; go on with the same object to continue a run.
        reference: the frozen original model.
        prompts: token lists; every batch goes through them evenly, in random order.
        score_fn: (B, d) mean response states of the reference -> (B,) reward in reference standard
            deviations.
        doubt_fn: the same -> (B,) standard deviation of that reward; needed where
            ``settings.conservative`` is above 0, which adds its mean to the record ("doubt_mean").

    Yields:
        ``Progress``, and a record a finished step: step, reward_mean and reward_std (reference SD,
        without the KL penalty), kl_to_reference (exact, nats a response), entropy (nats a token),
        clip_fraction, approx_kl_update (nats a token), value_loss, policy_loss, kl_k1 (nats a
        response, the estimate that is paid for: may be negative), beta, learning_rate, seconds, and
        "batch" (the ``Batch`` just written). Step 0 is the policy before any update. Step n is
        measured on a fresh batch written after n updates; step n + 1 trains on that batch. Where
        there is no such batch (the first call), or it was written at another temperature, the
        policy is measured first, at the step where it stands.

    Raises:
        TrainingDiverged: numbers were not finite; the policy is as it was after its last finished
            step.
    """
    settings.validate()
    trunk, value_head = policy.optimizer.param_groups
    trunk["lr"] = settings.learning_rate
    value_head["lr"] = settings.learning_rate * settings.value_rate

    def write() -> Iterator[Progress | Batch]:
        return write_batch(policy, reference, prompts, score_fn, settings, end_id, pad_id, doubt_fn)

    if policy.batch is None or policy.batch.temperature != settings.temperature:
        began, undrawn = time.perf_counter(), policy.generator.get_state()
        try:
            batch = yield from last(write())
        except BaseException:  # stopped or diverged: these random numbers were never drawn
            policy.generator.set_state(undrawn)
            raise
        policy.batch = batch
        yield record(policy, settings, batch, {}, time.perf_counter() - began)
    for _ in range(settings.steps):
        began, before = time.perf_counter(), policy.snapshot()
        try:
            summary = yield from last(update(policy, known(policy.batch), settings, end_id))
            batch = yield from last(write())
        except BaseException as error:  # stopped or diverged: the unfinished step never happened
            policy.restore(before)
            if isinstance(error, TrainingDiverged):
                raise TrainingDiverged(
                    f"Training broke in step {policy.step + 1}: {error} The model of step"
                    f" {policy.step} is kept. Try a smaller learning rate or a larger beta."
                ) from error
            raise
        policy.step, policy.batch = policy.step + 1, batch
        row = record(policy, settings, batch, summary, time.perf_counter() - began)
        if settings.kl_target > 0:
            policy.beta = next_beta(policy.beta, row["kl_to_reference"], settings.kl_target)
        del before  # the next one takes its place
        yield row


def record(
    policy: Policy, settings: TrainingSettings, batch: Batch, summary: Record, seconds: float
) -> Record:
    """The numbers of one finished step (see ``train``)."""
    responses = batch.responses
    drift = kl_k1(responses.logprobs, batch.ref_logprobs)  # (B, T), 0 where masked
    row = {
        "step": policy.step,
        "reward_mean": batch.scores.mean().item(),
        "reward_std": batch.scores.std().item(),
        "kl_to_reference": batch.kl.sum(1).mean().item(),
        "entropy": masked_mean(known(batch.entropy), responses.mask).item(),
        "clip_fraction": summary.get("clip_fraction", 0.0),
        "approx_kl_update": summary.get("approx_kl_update", 0.0),
        "value_loss": summary.get("value_loss", 0.0),
        "policy_loss": summary.get("policy_loss", 0.0),
        "kl_k1": drift.sum(1).mean().item(),
        "beta": policy.beta,
        "learning_rate": settings.learning_rate if summary else 0.0,
        "seconds": seconds,
        "batch": batch,
    }
    taken_off = not isinstance(settings, DPOSettings) and settings.conservative > 0
    if batch.doubt is not None and taken_off:
        row["doubt_mean"] = batch.doubt.mean().item()
    return row
