"""A session's models at work: the frozen base and the tuned weights in memory, prompts in tokens,
texts written and read.

What every step of the loop (``steps``) and the command line do with a language model. Runs on the
worker thread (or the command line); imports torch.
"""

from __future__ import annotations

import hashlib
import weakref

import torch

from rlhf_core.algorithms import ppo as ppo_engine
from rlhf_core.common.errors import InputError
from rlhf_core.lm import language_model
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.texts import encode_prompt
from rlhf_core.lm.transformer import Transformer
from rlhf_core.rewards import reward_model as rm
from rlhf_core.session.state import ON_DISK, Session
from rlhf_core.store.bundle import read_bundle

LARGE, MOST_HELD = (
    200_000_000,
    2,
)  # bytes of a model's weights; policies of such models that idle sessions may keep in memory


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


def seed_of(session: Session, *parts) -> int:
    """A seed for one purpose of this session, from its own seed: the same actions give the same
    numbers.
    """
    return (
        int.from_bytes(hashlib.sha256(repr((session.seed, *parts)).encode()).digest()[:4], "big")
        >> 1
    )
