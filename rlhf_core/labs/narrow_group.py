"""A narrow group's bias, on a small scale: two groups judge the same answers, a reward model learns
from votes of one of them, or of both, and is asked about the taste of each.

A generator for the worker; torch. The groups are two scripted raters (``judging.register``), which
want opposite things: real groups agree about much, so the split here is as large as splits get.
Source of the idea: Casper et al. 2023 (arXiv 2307.15217), section 3.1.1.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import combinations

import torch

from rlhf_core.common.events import Progress, only_progress
from rlhf_core.common.seeds import seed_of
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.evaluation.before_after import win_rate
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import Pair
from rlhf_core.judging.register import judge
from rlhf_core.lm.texts import ROLLOUT_TOKENS, encode_prompt, pooled_of_texts, write
from rlhf_core.loop.workbench import ready, reference_pool
from rlhf_core.loop.writing import generate_pool
from rlhf_core.rewards import comparisons
from rlhf_core.rewards.kinds import Reference
from rlhf_core.session.state import Session

KEY = "narrow_group"  # in ``Session.labs``
GROUPS = ("fact", "meme")  # what each wants; both judge the same pairs
SHARES = (0.0, 0.25, 0.5)  # of the votes that come from the second group
VOTES, PROMPTS, SAMPLES = 32, 12, 4  # pairs judged; prompts kept back, and answers to each
POOL = 256  # answers that set the features and the unit: half of the app's, to be quick


def run(session: Session) -> Iterator[Progress | dict]:
    """One record, kept in ``session.labs["narrow_group"]``: {"kind": "narrow", "groups", "votes",
    "prompts", "models": [{"share" (of the second group's votes), "agrees": for each group {"share",
    "low", "high", "of"}: how often it scores higher what that group prefers, of so many pairs of
    answers to prompts kept back, with its 95% interval over prompts}], "favourites": for each group
    {"prompt", "text", "scores": of each model, reference standard deviations}, "seconds",
    "processor_seconds" (of the whole process)}.
    """
    began, worked = time.perf_counter(), time.process_time()
    seed = seed_of(session.seed, "narrow group")
    own = Session(PRESETS["biology-homework"], model_name=session.model_name, seed=seed)
    lm, settings = ready(own), RewardModelSettings()

    # 1. The same answers, judged by both groups.
    yield from only_progress(generate_pool(own, VOTES, 2))
    votes = [votes_of(own.asked.candidate_sets[:VOTES], wanted) for wanted in GROUPS]

    # 2. A reward model for each mixture of the two, from the same number of votes.
    names, texts, pool = yield from reference_pool(own, lm, POOL)
    reference = Reference([(name, text, True) for name, text in zip(names, texts)], pool)
    whitener = reference.whitener(settings.features)
    rows = comparisons.rows_of(votes[0])
    states = yield from pooled_of_texts(lm, rows)
    models = []
    for share in SHARES:
        data = comparisons.from_states(whitener, mixed(votes, share), rows, states)
        models.append(comparisons.fit_head(data, settings.prior_std).normalised_on(pool, 1.0))

    # 3. Each is asked about both tastes, on prompts that it never saw.
    prompts = list(own.asked.brief.evaluation_prompts)[:PROMPTS]
    encoded = [encode_prompt(lm, prompt, ROLLOUT_TOKENS) for prompt in prompts]
    written = yield from write(lm, lm.trunk, encoded, SAMPLES, seed)
    answers = [(number, text, bool(ended)) for number, text, ended, _ in written]
    scores = [
        model.score(torch.stack([state for *_, state in written])).tolist() for model in models
    ]
    found = {
        "kind": "narrow",
        "groups": list(GROUPS),
        "votes": VOTES,
        "prompts": len(prompts),
        "models": [
            {"share": share, "agrees": [agreement(answers, one, wanted) for wanted in GROUPS]}
            for share, one in zip(SHARES, scores, strict=True)
        ],
        "favourites": [favourite(answers, scores, wanted, prompts) for wanted in GROUPS],
        "seconds": time.perf_counter() - began,
        "processor_seconds": time.process_time() - worked,
    }
    with session.change():
        session.labs = {**session.labs, KEY: found}
    yield found


def votes_of(sets: list[dict], wanted: str) -> list[Pair]:
    """How the group that wants ``wanted`` judges each set of two; equal grades tie."""
    pairs = []
    for row in sets:
        a, b = (judge(t, wanted, end) for t, end in zip(row["texts"], row["finished"], strict=True))
        choice = "a" if a > b else "b" if b > a else "tie"
        left, right = row["texts"]
        pairs.append(Pair(row["prompt"], left, right, choice))
    return pairs


def mixed(votes: list[list[Pair]], share: float) -> list[Pair]:
    """A vote a pair, ``share`` of them by the second group, evenly over the pairs."""
    first, second = votes
    taken = [int((n + 1) * share) > int(n * share) for n in range(len(first))]
    return [second[n] if take else first[n] for n, take in enumerate(taken)]


def agreement(answers: list[tuple], scores: list[float], wanted: str) -> dict:
    """How often the scores put first what a group prefers, of two answers to one prompt that it
    does not call equal.
    """
    grades = [judge(text, wanted, ended) for _, text, ended in answers]
    hits, groups = [], []
    for i, j in combinations(range(len(answers)), 2):
        if answers[i][0] == answers[j][0] and grades[i] != grades[j]:
            hits.append(float((scores[i] > scores[j]) == (grades[i] > grades[j])))
            groups.append(str(answers[i][0]))
    share, (low, high) = win_rate(hits, groups)
    return {"share": share if hits else None, "low": low, "high": high, "of": len(hits)}


def favourite(answers: list[tuple], scores: list[list[float]], wanted: str, prompts: list[str]):
    """The first answer that a group grades highest, with each model's score of it."""
    grades = [judge(text, wanted, ended) for _, text, ended in answers]
    place = grades.index(max(grades))
    number, text, _ = answers[place]
    return {"prompt": prompts[number], "text": text, "scores": [one[place] for one in scores]}
