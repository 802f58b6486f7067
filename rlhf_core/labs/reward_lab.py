"""The reward lab over a ``Session``: each tool as a generator for the worker thread, ``Progress``
and then records that a page can draw.

What the tools compute is in ``rewards``; here is what they need from a session, read once and kept
until its votes, settings or model change. Nothing in this module changes what the session judged
or learned (the tools that do are ``hacking_game`` and ``second_opinion``); of what it is asked it
keeps two things that ``challenges`` looks for.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from rlhf_core.common.errors import InputError, RewardModelError
from rlhf_core.common.events import Progress, Recording, Reporting
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.evaluation import conclusion
from rlhf_core.judging.preferences import finished_texts
from rlhf_core.judging.typed import check_prompt
from rlhf_core.labs import hacking
from rlhf_core.labs.hacking_board import about_head, keep_about_head
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.texts import pooled_of_texts
from rlhf_core.loop.workbench import memory, ready, reference_pool
from rlhf_core.rewards import attribution, comparisons
from rlhf_core.rewards.comparisons import Comparisons, readable
from rlhf_core.rewards.diagnostics import diagnose
from rlhf_core.rewards.kinds import HeadScorer, Reference
from rlhf_core.rewards.learning_curve import learning_curve
from rlhf_core.rewards.reward_model import RewardModel, Whitener
from rlhf_core.rewards.uncertainty import bootstrap_heads, score_with_uncertainty
from rlhf_core.rewards.what_if import what_if
from rlhf_core.session import asked, judged
from rlhf_core.session.state import Session

MOST_LISTED = 60  # votes whose effect is refitted one by one


@dataclass
class Lab:
    """What the tools work on.

    Attributes:
        model: the head fitted to ``data`` as it is now, normalised on ``reference``; the session's
            own may be older than its last votes.
        support: what ``model`` is normalised with.
        finished: whether the model ended (prompt, text) itself.
        pool_features: (M, k) of the reference samples.
    """

    lm: LanguageModel
    settings: RewardModelSettings
    reference: Reference
    data: Comparisons
    model: RewardModel
    support: float
    finished: dict[tuple[str, str], bool]
    pool_features: Tensor


def open_lab(session: Session) -> Reporting[Lab]:
    """Returns the Lab; yields Progress while features are read. Raises RewardModelError where
    nothing can be learned from the votes, InputError.
    """
    pairs = judged.learnable(session)
    settings = RewardModelSettings(**session.settings.get("reward_model", {})).validate()
    finished = finished_texts(session.judged.rankings)
    key = (
        tuple(pairs),
        settings,
        tuple(asked.training_prompts(session)),
        session.model_name,
        session.learned.head,
    )
    former, lab = memory(session).get("reward lab", (None, None))
    if former == key:
        return lab
    comparisons.usable(pairs)  # says at once what is wrong
    pairs, _ = readable(ready(session), pairs)
    comparisons.usable(pairs)
    lm, reference, whitener = yield from _features(session, settings)
    data = yield from comparisons.read(lm, pairs, whitener, finished)
    support = conclusion.support(session.learned.summary.get("chance"))
    model = comparisons.fit_head(data, settings.prior_std).normalised_on(reference.states, support)
    states = whitener(reference.states)
    lab = Lab(lm, settings, reference, data, model, support, finished, states)
    memory(session)["reward lab"] = key, lab
    return lab


def _features(
    session: Session, settings: RewardModelSettings
) -> Reporting[tuple[LanguageModel, Reference, Whitener]]:
    """Returns (language model, Reference, Whitener): what needs no vote."""
    lm = ready(session)
    names, texts, states = yield from reference_pool(session, lm, settings.reference_samples)
    reference = Reference([(name, text, True) for name, text in zip(names, texts)], states)
    return lm, reference, reference.whitener(settings.features)


def report(session: Session) -> Recording[None]:
    """How far it can be trusted, and what it follows: records "diagnosis" (``diagnose``), "surface"
    (``surface_correlations``), "curve" (``learning_curve``).
    """
    lab = yield from open_lab(session)
    yield {"kind": "diagnosis", **diagnose(lab.data, lab.model.weights, lab.settings.prior_std)}
    texts = [text for _, text, _ in lab.reference.rows]
    yield {
        "kind": "surface",
        "outputs": len(texts),
        **attribution.surface_correlations(texts, lab.model.score(lab.reference.states), lab.data),
    }
    yield {"kind": "curve", **learning_curve(lab.data, lab.settings.prior_std)}


def scores(
    session: Session, prompt: str, texts: list[str], conservative: float = 1.0
) -> Recording[None]:
    """Scores with both uncertainties: one record {"kind": "scores", "rows":
    ``score_with_uncertainty`` and "text"}.
    """
    lab = yield from open_lab(session)
    pooled = yield from pooled_of_texts(lab.lm, _rows(lab, prompt, texts))
    heads = bootstrap_heads(lab.data, lab.settings.prior_std, seed=session.seed)
    rows = score_with_uncertainty(lab.model, heads, pooled, conservative)
    yield {"kind": "scores", "rows": [{"text": text, **row} for text, row in zip(texts, rows)]}


def explain(session: Session, prompt: str, text: str) -> Recording[None]:
    """What made one score: records "score" (a row of ``scores``), "words", "votes", "nearest"
    (``attribution.explain_score``).
    """
    lab = yield from open_lab(session)
    ((_, _, ended),) = _rows(lab, prompt, [text])
    (scored,) = [item for item in scores(session, prompt, [text]) if isinstance(item, dict)]
    score, judged_texts = scored["rows"][0]["score"], {row[1].strip() for row in lab.data.rows}
    if text.strip() not in judged_texts and score > about_head(session).get("best_own", 0.0):
        keep_about_head(session, best_own=score)
    yield {"kind": "score", "prompt": check_prompt(prompt), **scored["rows"][0]}
    yield from attribution.explain_score(
        lab.lm, lab.data, lab.model, check_prompt(prompt), text, lab.settings.prior_std, ended
    )


def watched(lab: Lab, prompts: int = 3, each: int = 4) -> list[int]:
    """Numbers of a few unlabelled outputs, the first different ones of the first prompts: what the
    lab re-sorts.
    """
    rows, seen = lab.reference.rows, set()
    names = list(dict.fromkeys(prompt for prompt, _, _ in rows))[:prompts]
    chosen: dict[str, list[int]] = {name: [] for name in names}
    for number, (prompt, text, _) in enumerate(rows):
        if prompt in chosen and (prompt, text) not in seen and len(chosen[prompt]) < each:
            seen.add((prompt, text))
            chosen[prompt].append(number)
    return [number for name in names for number in chosen[name]]


def votes(session: Session) -> Recording[None]:
    """The votes as they can be flipped, those that move the watched outputs most first.

    Yields:
        Progress, then one record {"kind": "votes", "count", "rows": {"index", "prompt", "a", "b",
        "choice", "margin" (log-odds of a), "agrees" (None: a tie), "largest" (largest move of a
        watched output if it is reversed, reference standard deviations; None: it is the only vote
        that prefers anything), "moved" (places that change), "decides"}}. At most ``MOST_LISTED``:
        the influence of each vote is estimated, and those at the top are refitted.
    """
    lab = yield from open_lab(session)
    data, features, prior = lab.data, lab.pool_features[watched(lab)], lab.settings.prior_std
    margins = data.x @ lab.model.weights.double()
    influences = attribution.influences(data, lab.model.weights, prior)
    estimate = (influences @ features.double().T).abs().amax(1)
    order = estimate.argsort(descending=True, stable=True)[:MOST_LISTED].tolist()
    rows = []
    for done, index in enumerate(order, 1):
        pair, margin = data.pairs[index], margins[index].item()
        try:
            found = what_if(
                data, lab.model, index, "flip", features, lab.pool_features, prior, lab.support
            )
            effect = {
                "largest": max(abs(b - a) for b, a in zip(found["before"], found["after"])),
                "moved": found["moved"],
                "decides": found["decides"],
            }
        except RewardModelError:  # without it there is nothing to learn from
            effect = {"largest": None, "moved": len(features), "decides": True}
        agrees = None if pair.choice == "tie" else (margin > 0) == (pair.choice == "a")
        vote = {"prompt": pair.prompt, "a": pair.a, "b": pair.b, "choice": pair.choice}
        rows.append({"index": index, **vote, "margin": margin, "agrees": agrees, **effect})
        yield Progress("turning each vote round", done, len(order))
    rows.sort(key=lambda row: (row["largest"] is not None, -(row["largest"] or 0.0)))
    yield {"kind": "votes", "count": len(data), "rows": rows}


def flip(
    session: Session,
    index: int,
    change: str = "flip",
    prompt: str | None = None,
    texts: list[str] | None = None,
    watch: bool = False,
) -> Recording[None]:
    """One vote reversed or withheld, nothing kept: one record {"kind": "what_if", "prompts",
    "texts", "index", "change", ...``what_if``}.

    The outputs shown are the ``watched`` ones, or ``texts`` of ``prompt``, or all judged outputs of
    the vote's own prompt.
    """
    lab = yield from open_lab(session)
    vote = lab.data.pairs[index] if 0 <= index < len(lab.data) else None
    if watch:
        numbers = watched(lab)
        prompts, texts, _ = map(list, zip(*(lab.reference.rows[n] for n in numbers)))
        features = lab.pool_features[numbers]
    elif texts:
        prompts = [prompt or ""] * len(texts)
        states = yield from pooled_of_texts(lab.lm, _rows(lab, prompt or "", texts))
        features = lab.data.whitener(states)
    else:
        own = [i for i, row in enumerate(lab.data.rows) if row[0] == (vote.prompt if vote else "")]
        prompts = [lab.data.rows[i][0] for i in own]
        texts = [lab.data.rows[i][1] for i in own]
        features = lab.data.features[own]
    pool, prior = lab.pool_features, lab.settings.prior_std
    found = what_if(lab.data, lab.model, index, change, features, pool, prior, lab.support)
    if found["decides"] and change == "withhold":
        keep_about_head(session, casting_vote=index)
    shown = {"prompts": prompts, "texts": texts, "index": index, "change": change}
    yield {"kind": "what_if", **shown, **found}


def typed(session: Session, prompt: str, texts: list[str]) -> Recording[None]:
    """Entries for the board: records of ``hacking.score_typed``."""
    lab = yield from open_lab(session)
    yield from hacking.score_typed(lab.lm, HeadScorer(lab.lm, lab.model), prompt, texts)


def models_best(session: Session, prompt: str, n: int = hacking.BEST_OF) -> Recording[None]:
    """The honest competitor on the board: ``hacking.best_of_model``."""
    lab = yield from open_lab(session)
    yield from hacking.best_of_model(lab.lm, HeadScorer(lab.lm, lab.model), prompt, n, session.seed)


def _rows(lab: Lab, prompt: str, texts: list[str]) -> list[comparisons.Row]:
    """Rows to read. Raises InputError: an empty prompt or text."""
    prompt = check_prompt(prompt)
    if not texts or not all(text.strip() for text in texts):
        raise InputError("A text to score is empty.")
    return [(prompt, text, lab.finished.get((prompt, text), True)) for text in texts]
