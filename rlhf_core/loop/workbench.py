"""A session's models at work: the frozen base, the policy and the reward model that its parts name.

Here names become tensors and tensors get names. The one owner of every process-wide cache of
session data (``memory``). Runs on the worker thread (or the command line); imports torch.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary, ref

import torch

from rlhf_core.algorithms.ppo import Policy
from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, Reporting
from rlhf_core.common.known import known
from rlhf_core.lm import language_model
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.texts import ROLLOUT_TOKENS, encode_prompt, write
from rlhf_core.lm.transformer import Transformer
from rlhf_core.rewards.reward_model import RewardModel
from rlhf_core.session import asked, shelf, weights
from rlhf_core.session.state import Session

LARGE, MOST_HELD = 200_000_000, 2  # bytes of a model; such policies that idle sessions may keep
STEP_TIMES: dict[
    str, dict[str, float]
] = {}  # seconds by stage (``model_choice``), for all sessions
_MEMORY: WeakKeyDictionary[Session, dict] = WeakKeyDictionary()


def memory(session: Session) -> dict:
    """What this process remembers of a session beside its state, by what it is: "policy" and
    "head" (below), and what ``loop`` and ``labs`` read once and use again. Goes with the session;
    nothing in it cannot be made again.
    """
    return _MEMORY.setdefault(session, {})


# --- the frozen base ------------------------------------------------------------------------------


def ready(session: Session) -> LanguageModel:
    """The session's frozen base. Raises ModelError; InputError where what the session learned
    belongs to another version of it: that is put away.
    """
    # Without fetching: a download takes minutes; model_choice and the command line see to it.
    lm = language_model.load(session.model_name, fetch=False)
    if not session.model_hash:
        session.model_hash = lm.fingerprint()
    if session.model_hash != lm.fingerprint():
        learned = session.learned.head or weights.now(session)
        with session.change():
            shelf.put_away(session)
            session.model_hash = lm.fingerprint()
        if learned:
            raise InputError(
                "This session's reward model and tuned weights belong to another version of the"
                " language model, which is no longer here, so they are put away. Your judgements"
                " stay: train the reward model again."
            )
    return lm


def trunk_with(lm: LanguageModel, tensors: dict | None) -> Transformer:
    """The frozen base, or a copy of it with a policy's weights laid over it. Raises InputError
    where they do not fit this model.
    """
    if tensors is None:
        return lm.trunk
    trunk = lm.trunk.trainable_copy()
    own = trunk.state_dict()
    if any(name not in own or own[name].shape != tensor.shape for name, tensor in tensors.items()):
        raise InputError("These tuned weights belong to another model.")
    trunk.load_state_dict(tensors, strict=False)
    return trunk.requires_grad_(False)


def same_below(lm: LanguageModel, tensors: dict, layers: int) -> bool:
    """Whether tuned weights still are the original's in the embeddings and the bottom ``layers``
    blocks, so that those can be frozen and shared.
    """
    below = ("wte.", "wpe.", *(f"h.{layer}." for layer in range(layers)))
    own = lm.trunk.state_dict()
    frozen = ((name, t) for name, t in tensors.items() if name.startswith(below))
    return layers == 0 or all(torch.equal(tensor, own[name]) for name, tensor in frozen)


def training_prompts(session: Session, lm: LanguageModel, new_tokens: int) -> dict[str, list[int]]:
    """Prompts that training may use, with their token ids. One that is too long for this model is
    left out: a learner may have typed it. Raises InputError.
    """
    fitting: dict[str, list[int]] = {}
    problem: InputError | None = None
    for prompt in asked.training_prompts(session):
        try:
            fitting[prompt] = encode_prompt(lm, prompt, new_tokens)
        except InputError as error:
            problem = error
    if not fitting:
        raise known(problem)
    return fitting


# --- tensors and their names ----------------------------------------------------------------------


def name_of(tensors: dict[str, torch.Tensor]) -> str:
    """What tensors are called: the SHA-256 of their names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def put(session: Session, tensors: dict[str, torch.Tensor]) -> str:
    """Keep tensors with the session; returns their name, for a part to name them by."""
    name = name_of(tensors)
    with session.lock:
        session.held = {**session.held, name: tensors}
    return name


def tensors_of(session: Session, name: str) -> dict | None:
    """The tensors of a name; None for "". Raises InputError where they are no longer kept."""
    if not name:
        return None
    found = weights.tensors(session, name)
    if found is None:
        raise InputError("The weights of this session are no longer kept. Restart the round.")
    return found


def start_of(session: Session) -> dict | None:
    """What this round started from; None: the original model."""
    return tensors_of(session, session.history.start)


def tuned_of(session: Session) -> dict | None:
    """The model as it stands; None: the original."""
    return tensors_of(session, weights.now(session))


def head_of(session: Session) -> RewardModel | None:
    """The session's reward model, or None."""
    name, here = session.learned.head, memory(session)
    if here.get("head", ("",))[0] != name:
        found = tensors_of(session, name)
        here["head"] = name, found and RewardModel.from_tensors(found)
    return here["head"][1] if name else None


# --- the live policy ------------------------------------------------------------------------------


def policy_weights(policy: Policy) -> dict[str, torch.Tensor]:
    """A copy of everything training may have changed, by transformers' names without the
    "transformer." prefix.
    """
    return {name: tensor.detach().clone() for name, tensor in policy.trunk.state_dict().items()}


def policy_of(session: Session) -> Policy | None:
    """The policy in training, with its optimiser, where this process has the one of this round's
    run.
    """
    run, policy = memory(session).get("policy", ("", None))
    if run != session.tuned.run:  # of a run that was put away, with gigabytes of a large model
        memory(session).pop("policy", None)
        return None
    return policy


def drop_stale(session: Session) -> None:
    """Let go of a policy that does not stand where the session stands: another process went on with
    the run meanwhile.
    """
    policy, name = policy_of(session), session.tuned.weights
    if policy is None:
        return
    stands = policy.step == session.tuned.steps_done
    if not stands or (name and name != name_of(policy_weights(policy))):
        memory(session).pop("policy")


def set_policy(session: Session, policy: Policy | None) -> None:
    """Keep the policy for the steps to come."""
    memory(session)["policy"] = session.tuned.run, policy


_LARGE: list[ref] = []  # sessions whose policy takes much memory, the longest idle first


def make_room(session: Session, lm: LanguageModel) -> None:
    """Before ``session`` trains a large model: put away what other sessions that train nothing now
    keep of theirs, but for the last one or two.

    GPT-2 with its optimiser takes two gigabytes a session. The weights go to the session's bundle
    and are read when they are next needed; training goes on from them, where no checkpoint is small
    enough to be kept with a fresh optimiser.
    """
    if sum(p.numel() * p.element_size() for p in lm.trunk.parameters()) < LARGE:
        return
    others = (other for reference in _LARGE if (other := reference()) is not None)
    held = [other for other in others if other is not session and policy_of(other) is not None]
    _LARGE[:] = [ref(other) for other in (*held, session)]
    idle = [other for other in held if not other.under_way and other.store is not None]
    for other in idle[: max(0, len(held) - MOST_HELD)]:
        with other.change():
            pass
        with other.lock:
            if not other.save_problem and weights.is_put_away(other, weights.now(other)):
                set_policy(other, None)
                other.held = {
                    name: found
                    for name, found in other.held.items()
                    if not weights.is_put_away(other, name)
                }


# --- reference samples ----------------------------------------------------------------------------

# Unlabelled outputs of the original model, shared by all sessions: they depend on nothing else.
Samples = tuple[list[str], list[str], torch.Tensor]  # prompt of each, text of each, (M, d) states
_POOLS: OrderedDict[tuple, Samples] = OrderedDict()
_WRITING: dict[tuple, tuple[int, int | None]] = {}  # those being written, and how far they are
MOST_POOLS = 8
T = TypeVar("T")
A_MOMENT, PATIENCE = 0.2, 3.0  # seconds between two looks at another's progress; without any


def reference_pool(session: Session, lm: LanguageModel, count: int) -> Reporting[Samples]:
    """Unlabelled outputs of the *original* model: returns (prompt of each, text of each, (M, d)
    pooled states). Made once a model and prompt list.

    A room that trains at the same moment wants the same samples (``made_once``).
    """
    fitting = training_prompts(session, lm, ROLLOUT_TOKENS)
    prompts = list(fitting)
    key, stage = (lm.fingerprint(), tuple(prompts), count), "sampling the original model"

    def written() -> Reporting[Samples]:
        each = max(2, -(-count // len(prompts)))
        work = write(lm, lm.trunk, list(fitting.values()), each, 20_260, stage=stage)
        rows = yield from work
        names, texts = [prompts[n] for n, *_ in rows], [text for _, text, _, _ in rows]
        _POOLS[key] = names, texts, torch.stack([state for *_, state in rows])
        while len(_POOLS) > MOST_POOLS:
            _POOLS.popitem(last=False)
        return _POOLS[key]

    found = yield from made_once(key, lambda: _POOLS.get(key), written, stage)
    _POOLS.move_to_end(key)
    return found


def made_once(
    key: tuple, find: Callable[[], T | None], make: Callable[[], Reporting[T]], stage: str
) -> Reporting[T]:
    """What ``find()`` knows (not None), or else what the generator ``make()`` yields and returns.

    Of those in this process who want the same at the same moment one makes it; the others wait for
    as long as it gets on, and after ``PATIENCE`` make it themselves.
    """
    seen, still = None, 0.0
    while key in _WRITING and still < PATIENCE:
        now = _WRITING[key]
        still = 0.0 if now != seen else still + A_MOMENT
        seen = now
        yield Progress(stage, *now, wait=A_MOMENT)
    known = find()
    return known if known is not None else (yield from noted(key, make()))


def noted(key: tuple, work: Reporting[T]) -> Reporting[T]:
    """``work``, its progress noted for those who wait for the same; returns what it returns."""
    try:
        while True:
            try:
                item = next(work)
            except StopIteration as end:
                return end.value
            _WRITING[key] = item.done, item.total
            yield item
    finally:
        work.close()
        _WRITING.pop(key, None)
