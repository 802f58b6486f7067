"""A session's models at work: the frozen base and the tuned weights in memory, prompts in tokens,
texts written and read.

What every step of the loop (``steps``) and the command line do with a language model. Runs on the
worker thread (or the command line); imports torch.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterator

import torch

from rlhf_core.algorithms import ppo as ppo_engine
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings
from rlhf_core.judging.preferences import Pair
from rlhf_core.lm import language_model
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import (
    Responses,
    decode,
    decode_texts,
    pad_left,
    pad_right,
    response_forward,
    uniform_numbers,
)
from rlhf_core.lm.transformer import Transformer
from rlhf_core.rewards import reward_model as rm
from rlhf_core.session.state import ON_DISK, InputError, Session
from rlhf_core.store.bundle import read_bundle

LARGE, MOST_HELD = (
    200_000_000,
    2,
)  # bytes of a model's weights; policies of such models that idle sessions may keep in memory
ROLLOUT_TOKENS, ROLLOUT_TEMPERATURE, CHUNK = PPOSettings.max_new_tokens, PPOSettings.temperature, 64


def ready(session: Session) -> LanguageModel:
    """The session's frozen base; also reads a reopened session's weights from disk. Raises
    ModelError, BundleError.
    """
    lm = language_model.load(
        session.model_name, fetch=False
    )  # a download takes minutes: model_choice and the command line see to it
    if not session.model_hash:
        session.model_hash = lm.fingerprint()
    if ON_DISK in (session.reward_model, session.weights, session.start_weights):
        if session.model_hash != lm.fingerprint():
            raise InputError(
                "This session's reward model and tuned weights belong to another version of the"
                " language model, which is no longer here. Start over."
            )
        tensors = read_bundle(session.directory)["tensors"]
        with session.lock:
            if session.reward_model == ON_DISK:
                session.reward_model = rm.RewardModel.from_tensors(tensors["reward_model"])
            session.weights = tensors["policy"] if session.weights == ON_DISK else session.weights
            session.start_weights = (
                tensors["round_start"]
                if session.start_weights == ON_DISK
                else session.start_weights
            )
    return lm


def trunk_with(lm: LanguageModel, weights: dict | None) -> Transformer:
    """The frozen base, or a copy of it with a policy's weights laid over it. Raises InputError
    where they do not fit this model.
    """
    if weights is None:
        return lm.trunk
    trunk = lm.trunk.trainable_copy()
    own = trunk.state_dict()
    if any(name not in own or own[name].shape != tensor.shape for name, tensor in weights.items()):
        raise InputError("These tuned weights belong to another model.")
    trunk.load_state_dict(weights, strict=False)
    return trunk.requires_grad_(False)


def same_below(lm: LanguageModel, weights: dict, layers: int) -> bool:
    """Whether tuned weights still are the original's in the embeddings and the bottom ``layers``
    blocks, so that those can be frozen and shared.
    """
    below = ("wte.", "wpe.", *(f"h.{layer}." for layer in range(layers)))
    own = lm.trunk.state_dict()
    return layers == 0 or all(
        torch.equal(tensor, own[name]) for name, tensor in weights.items() if name.startswith(below)
    )


def policy_weights(policy: ppo_engine.Policy) -> dict[str, torch.Tensor]:
    """A copy of everything training may have changed, by transformers' names without the
    "transformer." prefix.
    """
    return {name: tensor.detach().clone() for name, tensor in policy.trunk.state_dict().items()}


# Sessions whose policy takes much memory, the longest idle first.
_LARGE: list[weakref.ref] = []


def make_room(session: Session, lm: LanguageModel) -> None:
    """Before ``session`` trains a large model: put away what other sessions that train nothing now
    keep of theirs, but for the last one or two.

    GPT-2 with its optimiser takes two gigabytes a session. The weights go to the session's bundle
    and are read when they are next needed; training goes on from them, where no checkpoint is small
    enough to be kept with a fresh optimiser.
    """
    if sum(p.numel() * p.element_size() for p in lm.trunk.parameters()) < LARGE:
        return
    held = [
        other
        for reference in _LARGE
        if (other := reference()) is not None and other is not session and other.policy is not None
    ]
    _LARGE[:] = [weakref.ref(other) for other in (*held, session)]
    idle = [other for other in held if not other.under_way and other.directory is not None]
    for other in idle[: max(0, len(held) - MOST_HELD)]:
        with other.lock:
            other.autosave(weights=True)
            if not other.save_problem and other.step_on_disk == other.steps_done:
                other.policy, other.weights = None, other.weights and ON_DISK


def encode_prompt(lm: LanguageModel, prompt: str, new_tokens: int) -> list[int]:
    """Token ids of a prompt that fits the model's context together with ``new_tokens``. Raises
    InputError.
    """
    ids = lm.encode(prompt)
    room = lm.trunk.context - new_tokens
    if not ids:
        raise InputError("The prompt has nothing in it that the model can read. Write a few words.")
    if len(ids) > room:
        raise InputError(
            f"The prompt is {len(ids)} tokens long; with {new_tokens} tokens of answer, this model"
            f" reads at most {room}. Shorten it."
        )
    return ids


def training_prompts(session: Session, lm: LanguageModel, new_tokens: int) -> dict[str, list[int]]:
    """Prompts that training may use, with their token ids. One that is too long for this model is
    left out: a learner may have typed it. Raises InputError.
    """
    fitting = {}
    for prompt in session.training_prompts:
        try:
            fitting[prompt] = encode_prompt(lm, prompt, new_tokens)
        except InputError as error:
            problem = error
    if not fitting:
        raise problem
    return fitting


def readable(lm: LanguageModel, pairs: list[Pair]) -> tuple[list[Pair], str]:
    """Those of ``pairs`` whose prompt this model can read, and a sentence about the others (an
    imported file may have longer ones); empty where there are none.
    """
    fits = {}
    for prompt in {pair.prompt for pair in pairs}:
        try:
            fits[prompt] = bool(encode_prompt(lm, prompt, 1))
        except InputError:
            fits[prompt] = False
    kept = [pair for pair in pairs if fits[pair.prompt]]
    left_out = len(pairs) - len(kept)
    return kept, (
        f"Left out, because the prompt is too long for this model: {left_out:,} of {len(pairs):,}"
        " comparisons."
        if left_out
        else ""
    )


@torch.no_grad()
def pooled_of_responses(lm: LanguageModel, responses: Responses) -> torch.Tensor:
    """(B, d) mean reference states of a batch of responses: the reward model's input."""
    _, at = response_forward(
        lm.trunk, responses.prompt_ids, responses.prompt_mask, responses.tokens, responses.mask
    )
    return rm.pooled_states(at, responses.mask)


def responses_of_texts(lm: LanguageModel, rows: list[tuple[str, str, bool]]) -> Responses:
    """(prompt, text, ended) rows as tokens, to be read. A longer answer is cut where the context
    ends: each by its own length, so that no row depends on another.
    """
    encoded = [encode_prompt(lm, p, 1) for p, _, _ in rows]
    prompts, prompt_mask = pad_left(encoded, lm.pad_id)
    answers = [
        (lm.encode(t) + ([lm.end_id] if ended else []))[: lm.trunk.context - len(ids)]
        or [lm.end_id]
        for ids, (_, t, ended) in zip(encoded, rows, strict=True)
    ]
    tokens, mask = pad_right(answers, lm.pad_id)
    return Responses(prompts, prompt_mask, tokens, mask, torch.zeros(tokens.shape))


def pooled_of_texts(lm: LanguageModel, rows: list[tuple[str, str, bool]]) -> Iterator:
    """Mean reference states of (prompt, text, ended) rows, (N, d), in chunks; yields Progress,
    returns the tensor.
    """
    parts = []
    for first in range(0, len(rows), CHUNK):
        chunk = rows[first : first + CHUNK]
        parts.append(pooled_of_responses(lm, responses_of_texts(lm, chunk)))
        yield Progress("reading", min(first + CHUNK, len(rows)), len(rows))
    return torch.cat(parts)


@torch.no_grad()
def fluency_of_texts(
    lm: LanguageModel, rows: list[tuple[str, str, bool]], stage: str = "reading"
) -> Iterator:
    """Log-probability of each (prompt, text, ended) row under the frozen model, nats a token (its
    end of text counts as one); yields Progress, returns [floats].
    """
    found = []
    for first in range(0, len(rows), CHUNK):
        responses = responses_of_texts(lm, rows[first : first + CHUNK])
        before, _ = response_forward(
            lm.trunk, responses.prompt_ids, responses.prompt_mask, responses.tokens, responses.mask
        )
        real = responses.mask
        log_p = torch.zeros(real.shape)
        log_p[real] = (
            lm.trunk.logits(before[real])
            .log_softmax(-1)
            .gather(-1, responses.tokens[real][:, None])
            .squeeze(1)
        )  # (real tokens,)
        found += (log_p.sum(1) / real.sum(1)).tolist()
        yield Progress(stage, min(first + CHUNK, len(rows)), len(rows))
    return found


def seed_of(session: Session, *parts) -> int:
    """A seed for one purpose of this session, from its own seed: the same actions give the same
    numbers.
    """
    return (
        int.from_bytes(hashlib.sha256(repr((session.seed, *parts)).encode()).digest()[:4], "big")
        >> 1
    )


def decoded(
    lm: LanguageModel,
    trunk: Transformer,
    prompts: list[list[int]],
    samples: int,
    seed: int,
    *,
    stage: str,
    temperature: float = ROLLOUT_TEMPERATURE,
    new_tokens: int = ROLLOUT_TOKENS,
    keep_distributions: bool = False,
) -> Iterator[Progress | tuple[int, Responses]]:
    """``samples`` responses a prompt, in chunks: Progress a token, then (number of the chunk's
    first prompt, its responses).
    """
    uniforms = uniform_numbers(
        len(prompts) * samples, new_tokens, torch.Generator().manual_seed(seed)
    )
    per_chunk = max(1, CHUNK // samples)
    for first in range(0, len(prompts), per_chunk):
        part = prompts[first : first + per_chunk]
        numbers = uniforms[first * samples : (first + len(part)) * samples]
        responses = None
        for token, responses in enumerate(  # noqa: B007
            decode(
                trunk,
                part,
                uniforms=numbers,
                end_id=lm.end_id,
                pad_id=lm.pad_id,
                samples=samples,
                temperature=temperature,
                keep_distributions=keep_distributions,
            )
        ):
            yield Progress(
                stage,
                first * samples + len(part) * samples * token // new_tokens,
                len(prompts) * samples,
            )
        yield first, responses


def write(
    lm: LanguageModel,
    trunk: Transformer,
    prompts: list[list[int]],
    samples: int,
    seed: int,
    *,
    stage: str = "writing",
    temperature: float = ROLLOUT_TEMPERATURE,
    new_tokens: int = ROLLOUT_TOKENS,
) -> Iterator:
    """``samples`` responses a prompt; yields Progress a token, returns [(prompt number, text,
    ended, pooled reference states)].
    """
    rows = []
    for item in decoded(
        lm,
        trunk,
        prompts,
        samples,
        seed,
        stage=stage,
        temperature=temperature,
        new_tokens=new_tokens,
    ):
        if isinstance(item, Progress):
            yield item
            continue
        first, responses = item
        texts, ended, pooled = (
            decode_texts(lm, responses),
            responses.ended(lm.end_id).tolist(),
            pooled_of_responses(lm, responses),
        )
        rows += [(first + i // samples, texts[i], ended[i], pooled[i]) for i in range(len(texts))]
    return rows
