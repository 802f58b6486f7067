"""The reward model of a session: features, whitening, a Bradley-Terry head, and scores by it.

Generators over a session (``common.events``). Imports torch. The formulas are in ``rewards``.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, Recording, last
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.judging.preferences import Pair, finished_texts, nothing_to_learn
from rlhf_core.judging.typed import check_prompt
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import pad_left, pad_right, pooled_states, response_forward
from rlhf_core.lm.texts import encode_prompt, pooled_of_texts
from rlhf_core.loop.workbench import head_of, policy_of, put, ready, reference_pool
from rlhf_core.rewards import comparisons
from rlhf_core.rewards import reward_model as rm
from rlhf_core.rewards.permutation_control import control
from rlhf_core.rewards.uncertainty import bootstrap_heads, score_with_uncertainty
from rlhf_core.session import judged, weights
from rlhf_core.session.state import Session

FEW_HELD_OUT = (
    12  # comparisons; below, the held-out accuracy is a rough guess, and the page says so
)


def fit_reward_model(
    session: Session, settings: RewardModelSettings | None = None
) -> Recording[None]:
    """Fit the reward model to the session's comparisons; a record an iteration, as in
    ``fit_records``. A stop or a refusal leaves the former one, and its records.
    """
    part, former = session.learned, session.learned.fit_records
    try:
        yield from _fit(session, settings or RewardModelSettings(seed=session.seed))
    except BaseException:
        part.fit_records = former
        raise


def _fit(session: Session, settings: RewardModelSettings) -> Iterator[Progress | dict]:
    settings.validate()
    part = session.learned
    part.fit_records = []

    # 1. What can be learned from: pairs whose prompts this model can read.
    if reason := judged.nothing_to_learn(session):
        raise InputError(
            f"There is nothing to learn from yet: {reason}. Rank some outputs, and prefer one at"
            " least once."
        )
    lm = ready(session)
    pairs, too_long = comparisons.readable(lm, judged.learnable(session))
    if too_long and (reason := nothing_to_learn(pairs)):
        raise InputError(f"There is nothing to learn from: {reason}. {too_long}")

    # 2. Features: directions in which the frozen original's own answers differ.
    pool = Pool(*(yield from reference_pool(session, lm, settings.reference_samples)))
    features = min(settings.features, pool.states.shape[1])
    whitener = rm.fit_whitener(pool.states, pool.groups, features)
    rows = comparisons.rows_of(pairs, finished_texts(session.judged.rankings))
    states = yield from pooled_of_texts(lm, rows)
    data = comparisons.from_states(whitener, pairs, rows, states)

    # 3. The head.
    folds = data.folds(settings.folds, settings.seed)
    for item in rm.fit(
        whitener,
        states[data.a],
        states[data.b],
        data.targets.float(),
        data.weights.float(),
        folds,
        data.groups,
        settings,
        data.fair,
    ):
        if isinstance(item, dict):
            unsure = torch.eye(len(item["weights"]))
            now = rm.RewardModel(whitener, torch.tensor(item["weights"]), unsure)
            item = {**item, "examples": example_scores(now, pool)}
            part.fit_records = [*part.fit_records, item]
            yield item
        else:
            head = item

    # 4. Could votes that mean nothing have taught as much? What they support, the score may weigh.
    at_random = control(
        data, folds, whitener(pool.states).double(), settings.prior_std, seed=settings.seed
    )
    chance = yield from last(at_random)
    model = head.normalised_on(pool.states, chance["support"])

    # 5. Into the session.
    heads = bootstrap_heads(data, settings.prior_std, seed=settings.seed)
    with session.change():
        if session.learned is not part:
            return  # another brief or model meanwhile: what was learned is nobody's
        if policy := policy_of(session):
            policy.batch = None  # it was scored by the former reward model
        session.learned.head = put(session, model.tensors())
        session.learned.summary = {
            **_summary(session, pairs, len(set(data.prompts)), too_long),
            "exploits": int((~data.fair).sum()),
            "unit": model.scale,
            "chance": chance,
            "examples": example_scores(model, pool, heads),
        }
        session.settings = {**session.settings, "reward_model": vars(settings)}
        weights.drop_unused(session)


def _summary(session: Session, pairs: list[Pair], prompts: int, too_long: str) -> dict:
    """What a page says of a fit that has just ended, in numbers and words."""
    end, held = session.learned.fit_records[-1], session.learned.fit_records[-1]["heldout_pairs"]
    return {
        "pairs": len(judged.pairs(session)),
        "offered": len(judged.learnable(session)),
        "pairs_used": len(pairs),
        "ties": sum(pair.choice == "tie" for pair in pairs),
        "prompts": prompts,
        "train_accuracy": end["train_accuracy"],
        "heldout_accuracy": end["heldout_accuracy"],
        "heldout_interval": [end["heldout_low"], end["heldout_high"]] if held else None,
        "heldout_pairs": held,
        "note": _note(prompts, held, too_long, len(judged.contradictions(session))),
        "fit": session.learned.summary.get("fit", 0) + 1,
        "features": len(end["weights"]),
        "rater": judged.rater(session),
    }


def _note(prompts: int, held_pairs: int, too_long: str, contradicting: int) -> str:
    """What there is to know before the accuracy is believed; empty where there is nothing."""
    notes = []
    if prompts <= 1:
        notes.append(
            "All pairs are about one prompt, so nothing could be held out: there is no"
            " telling how it does on others."
        )
    elif held_pairs < FEW_HELD_OUT:
        notes.append(
            f"Only {held_pairs} pairs could be held out: the accuracy is a rough guess, as"
            " its interval says."
        )
    notes += [too_long] * bool(too_long)
    if contradicting:
        notes.append(
            f"Your judgements contradict each other in {contradicting}"
            f" place{'s' * (contradicting != 1)}; the reward model averages them."
        )
    return " ".join(notes)


# --- scores ---------------------------------------------------------------------------------------


class Pool:
    """Reference samples: ``names`` (M) the prompt of each, ``texts`` (M), ``states`` (M, d)."""

    def __init__(self, names: list[str], texts: list[str], states: torch.Tensor):
        self.names, self.texts, self.states = names, texts, states

    @property
    def groups(self) -> torch.Tensor:
        """(M,) the number of each sample's prompt."""
        number = {prompt: i for i, prompt in enumerate(dict.fromkeys(self.names))}
        return torch.tensor([number[name] for name in self.names])


def example_scores(
    model: rm.RewardModel,
    pool: Pool,
    heads: torch.Tensor | None = None,
    prompts: int = 3,
    each: int = 4,
) -> list[dict]:
    """A few unlabelled outputs with their scores (reference SD), all 0 before training: what the
    page re-sorts as the head learns.

    With the bootstrap ``heads`` of a fitted model, (H, k), each also has its doubt: "laplace" and
    "bootstrap", both standard deviations.
    """
    if heads is None:  # still learning: no zero and no unit yet
        raw, doubts = model.raw(pool.states), None
        scores = (raw - raw.mean()) / raw.std().clamp(min=1e-6)
    else:
        scores = model.score(pool.states)
        doubts = score_with_uncertainty(model, heads, pool.states)
    rows = []
    for prompt in list(dict.fromkeys(pool.names))[:prompts]:
        seen: dict[str, int] = {}
        for i, (name, text) in enumerate(zip(pool.names, pool.texts, strict=True)):
            if name == prompt and text not in seen and len(seen) < each:
                seen[text] = i
        for text, i in seen.items():
            doubt = {name: doubts[i][name] for name in ("laplace", "bootstrap")} if doubts else {}
            told = {"prompt": prompt, "text": text, "before": 0.0, "after": scores[i].item()}
            rows.append({**told, **doubt})
    return rows


def score_texts(session: Session, prompt: str, texts: list[str]) -> Iterator[dict]:
    """Reward (reference SD), its uncertainty and the frozen model's log-probability of finished
    texts. One record a text.
    """
    lm, model = ready(session), head_of(session)
    if model is None:
        raise InputError("There is no trained reward model to score with.")
    ids = encode_prompt(lm, check_prompt(prompt), 1)
    for text in texts:
        answer = _answer_that_fits(lm, ids, text)
        prompts, prompt_mask = pad_left([ids], lm.pad_id)
        tokens, mask = pad_right([answer], lm.pad_id)
        with torch.no_grad():
            before, at = response_forward(lm.trunk, prompts, prompt_mask, tokens, mask)
            log_p = lm.trunk.logits(before).log_softmax(-1).gather(-1, tokens[..., None]).sum()
            pooled = pooled_states(at, mask)
        yield {
            "text": text,
            "reward": model.score(pooled).item(),
            "uncertainty": model.uncertainty(pooled).item(),
            "reference_logprob": log_p.item(),
        }


def _answer_that_fits(lm: LanguageModel, prompt: list[int], text: str) -> list[int]:
    """Token ids. Raises InputError: empty, or too long for the context."""
    if not text.strip():
        raise InputError("A text to score is empty.")
    answer = lm.encode_response(text)
    if len(prompt) + len(answer) > lm.trunk.context:
        raise InputError(
            f"A text to score has {len(answer)} tokens; with the prompt it does not fit the model's"
            f" {lm.trunk.context}. Shorten it."
        )
    return answer
