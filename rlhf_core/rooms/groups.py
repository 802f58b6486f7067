"""Majority and minority: a reward model of those who agree with the room least, beside one of all
the others, each asked about both groups' votes on prompts it never saw.

Who belongs to the minority is told from the other prompts alone, prompt by prompt: else whoever
differed by chance would be asked about that very chance. A generator for the worker; torch.
Simplification: a third of the people is called the minority, whether or not the room really parts
there; whether it does, the interval says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import torch

from rlhf_core.common.errors import InputError
from rlhf_core.common.intervals import clustered, mean_interval
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.judging.annotators import by_annotator, judgements
from rlhf_core.judging.preferences import (
    Pair,
    finished_texts,
    nothing_to_learn,
    split_prompts,
    training_pairs,
)
from rlhf_core.lm.texts import pooled_of_texts
from rlhf_core.loop.workbench import ready, reference_pool
from rlhf_core.rewards import comparisons
from rlhf_core.rewards.kinds import Reference
from rlhf_core.rewards.reward_model import prior_stds
from rlhf_core.rooms.training import GROUPS
from rlhf_core.session import judged
from rlhf_core.session.state import Session

MAJORITY, MINORITY = "majority", "minority"
LEAST_PEOPLE, LEAST_VOTES, LEAST_SHARED = 6, 6, 3  # people; clear votes of each; pairs with others
SHARE, FOLDS, FAVOURITES = 1 / 3, 5, 6


def run(session: Session) -> Iterator:
    """One record, kept in ``session.labs["room_groups"]``: {"kind": "room_groups", "people":
    {group: how many}, "votes": {group: how many}, "table": {model: {group: {"right", "of", "share"
    | None, "low", "high"}}} (intervals over prompts), "gap": {"difference" | None, "low", "high",
    "prompts", "words"}: how much oftener the minority's own model is right about the minority,
    "favourites": rows {"prompt", "majority", "minority"}: the answers that each model scores
    highest, where they part}.

    Raises InputError: too few people.
    """
    settings = RewardModelSettings(**session.settings.get("reward_model", {})).validate()
    lm = ready(session)
    pairs, _ = comparisons.readable(lm, training_pairs(judged.learnable(session)))
    pairs = enough(pairs)
    names, texts, pool = yield from reference_pool(session, lm, settings.reference_samples)
    reference = Reference([(name, text, True) for name, text in zip(names, texts)], pool)
    whitener = reference.whitener(settings.features)
    prior = prior_stds(whitener, settings.prior_std)
    rows = comparisons.rows_of(pairs, finished_texts(session.judged.rankings))
    states = yield from pooled_of_texts(lm, rows)
    data = comparisons.from_states(whitener, pairs, rows, states)
    table, gap = asked_of_both(data, prior, settings.seed)
    few = minority(data.pairs)
    inside = torch.tensor([pair.annotator in few for pair in data.pairs])
    heads = _heads(data, inside, torch.ones(len(data), dtype=torch.bool), prior)
    found = {
        "kind": GROUPS,
        "people": {MAJORITY: len(by_annotator(data.pairs)) - len(few), MINORITY: len(few)},
        "votes": {MAJORITY: int((~inside).sum()), MINORITY: int(inside.sum())},
        "table": table,
        "gap": gap,
        "favourites": favourites(data, heads),
    }
    with session.change():
        session.labs = {**session.labs, GROUPS: found}
    yield found


def enough(pairs: list[Pair]) -> list[Pair]:
    """The votes of those who gave enough of them. Raises InputError: they are too few people."""
    kept: list[Pair] = []
    voters = 0
    for votes in by_annotator(pairs).values():
        if sum(pair.choice != "tie" for pair in votes) >= LEAST_VOTES:
            kept += votes
            voters += 1
    if voters < LEAST_PEOPLE or nothing_to_learn(kept):
        raise InputError(
            f"A majority and a minority take at least {LEAST_PEOPLE} people with {LEAST_VOTES}"
            f" clear judgements each; there are {voters}."
        )
    return kept


def minority(pairs: list[Pair]) -> set[str]:
    """The third of the people who say least often what most of the others say, of those who judged
    at least ``LEAST_SHARED`` pairs on which the others have a majority; of two alike, the first.
    """
    same: Counter[str] = Counter()
    of: Counter[str] = Counter()
    for said in judgements(pairs).values():
        counts = Counter(said.values())
        for name, value in said.items():
            others = counts - Counter([value])
            if others.total() >= 2:
                (most, count), *_ = others.most_common()
                if 2 * count > others.total():
                    of[name] += 1
                    same[name] += value == most
    known = [name for name in of if of[name] >= LEAST_SHARED]
    known.sort(key=lambda name: (same[name] / of[name], name))
    return {*known[: round(len(known) * SHARE)]}


def asked_of_both(
    data: comparisons.Comparisons, prior: torch.Tensor, seed: int
) -> tuple[dict, dict]:
    """The table and the gap of ``run``, on prompts that neither the models nor the choice of the
    groups saw.
    """
    part = split_prompts(data.prompts, FOLDS, seed)
    place = torch.tensor([part[prompt] for prompt in data.prompts])
    right: dict[tuple[str, str], list[bool]] = {
        (model, group): [] for model in (MAJORITY, MINORITY) for group in (MAJORITY, MINORITY)
    }
    prompts: dict[str, list[str]] = {MAJORITY: [], MINORITY: []}
    for fold in sorted(set(part.values())):
        seen, held = place != fold, (place == fold) & data.tested
        few = minority([pair for pair, known in zip(data.pairs, seen.tolist()) if known])
        inside = torch.tensor([pair.annotator in few for pair in data.pairs])
        if not (seen & inside).any() or not (seen & ~inside).any():
            continue
        heads = _heads(data, inside, seen, prior)
        for group, mine in ((MAJORITY, held & ~inside), (MINORITY, held & inside)):
            where = mine.nonzero().flatten().tolist()
            prompts[group] += [data.pairs[n].prompt for n in where]
            for model, head in heads.items():
                margins = data.x[mine] @ head
                hit = torch.where(data.targets[mine] > 0.5, margins, -margins) > 0
                right[model, group] += hit.tolist()
    table = {
        model: {group: _told(right[model, group], prompts[group]) for group in prompts}
        for model in (MAJORITY, MINORITY)
    }
    return table, _gap(right[MINORITY, MINORITY], right[MAJORITY, MINORITY], prompts[MINORITY])


def _heads(
    data: comparisons.Comparisons, inside: torch.Tensor, seen: torch.Tensor, prior: torch.Tensor
) -> dict[str, torch.Tensor]:
    """A head of each group's votes, (k,), from those that are ``seen``."""
    weights = torch.stack([data.weights * (seen & ~inside), data.weights * (seen & inside)])
    both = comparisons.solve_many(data.x, data.targets, weights, prior)
    return {MAJORITY: both[0], MINORITY: both[1]}


def _told(right: list[bool], prompts: list[str]) -> dict:
    low, high = clustered([float(hit) for hit in right], prompts) if right else (0.0, 1.0)
    share = sum(right) / len(right) if right else None
    return {"right": sum(right), "of": len(right), "share": share, "low": low, "high": high}


def _gap(own: list[bool], others: list[bool], prompts: list[str]) -> dict:
    by_prompt: dict[str, list[int]] = {}
    for mine, theirs, prompt in zip(own, others, prompts, strict=True):
        by_prompt.setdefault(prompt, []).append(int(mine) - int(theirs))
    means = [sum(values) / len(values) for values in by_prompt.values()]
    found = {"difference": None, "low": -1.0, "high": 1.0, "prompts": len(means)}
    if len(means) >= 2:
        low, high = mean_interval(means)
        found |= {"difference": sum(means) / len(means), "low": max(-1.0, low)}
        found["high"] = min(1.0, high)
    if found["low"] > 0:
        words = "The minority loses by the majority: a model of its own knows it better."
    elif found["high"] < 0:
        words = "The minority gains by the majority: more votes make a better model of its taste."
    else:
        words = "Too few to tell whether the minority would be served better by a model of its own."
    return found | {"words": words}


def favourites(data: comparisons.Comparisons, heads: dict[str, torch.Tensor]) -> list[dict]:
    """Of each prompt the answer that each model scores highest, where they are two; where they part
    most comes first.
    """
    scores = {name: (data.features @ head).tolist() for name, head in heads.items()}
    of_prompt: dict[str, list[int]] = {}
    for place, (prompt, _, _) in enumerate(data.rows):
        of_prompt.setdefault(prompt, []).append(place)
    found = []
    for prompt, places in of_prompt.items():
        most, few = (max(places, key=scores[name].__getitem__) for name in (MAJORITY, MINORITY))
        if most != few:
            apart = scores[MAJORITY][most] - scores[MAJORITY][few]
            apart += scores[MINORITY][few] - scores[MINORITY][most]
            texts = {MAJORITY: data.rows[most][1], MINORITY: data.rows[few][1]}
            found.append((apart, {"prompt": prompt, **texts}))
    found.sort(key=lambda row: -row[0])
    return [row for _, row in found[:FAVOURITES]]
