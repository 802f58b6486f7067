"""Whose preferences? One reward model a person and one of the majority, each asked about
everybody's votes on prompts it never saw.

A generator for the worker thread; torch. Who agrees with whom without any model is ``annotators``'.

Every model is trained anew without a part of the prompts, whole prompts at a time, and asked about
that part: so that a model never saw the vote it is tested on, nor anybody else's vote about the
same texts. Simplification: a vote of the majority is one vote, however many people stand behind it.
"""

from __future__ import annotations

import torch

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Recording
from rlhf_core.common.intervals import wilson_interval
from rlhf_core.common.paired import paired_difference_interval
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.judging.annotators import MAJORITY, by_annotator, majority_pairs
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
from rlhf_core.rewards.comparisons import readable
from rlhf_core.rewards.kinds import Reference
from rlhf_core.rewards.reward_model import prior_stds
from rlhf_core.session import judged
from rlhf_core.session.state import Session

LEAST_VOTES, LEAST_PROMPTS, MOST_PEOPLE = 6, 3, 8


def compare_people(session: Session) -> Recording[None]:
    """Train everybody's reward model, and the majority's; one record at the end.

    {"kind": "whose", "models": [names, the majority first], "people": [names], "table": {model:
    {person: {"right", "of", "share", "low", "high"}}}, "gaps": [{"who", "own", "majority" (shares),
    "difference", "low", "high", "of", "words"}], "left_out": [{"who", "why"}], "notes":
    [sentences]}.

    Raises InputError where fewer than two people have enough votes.
    """
    settings = RewardModelSettings(**session.settings.get("reward_model", {})).validate()
    lm = ready(session)
    learnable = judged.learnable(session)
    pairs, too_long = readable(lm, learnable)
    voters, left_out = sift(pairs)
    if len(voters) < 2:
        why = "; ".join(f"{row['who']}: {row['why']}" for row in left_out) or "nobody has voted yet"
        raise InputError(
            f"Two people or more are needed, each with {LEAST_VOTES} votes on {LEAST_PROMPTS}"
            f" prompts ({why})."
        )
    notes = [too_long] if too_long else []
    majority, split = majority_pairs([pair for votes in voters.values() for pair in votes])
    sources = {MAJORITY: training_pairs(majority), **voters}
    if why := no_majority(majority, split):
        left_out.append({"who": MAJORITY, "why": why})
        del sources[MAJORITY]
    elif split:
        notes.append(
            f"{len(split)} pairs have no majority: only one person judged them, or the votes are"
            " even."
        )
    names, texts, pool = yield from reference_pool(session, lm, settings.reference_samples)
    reference = Reference([(name, text, True) for name, text in zip(names, texts)], pool)
    whitener = reference.whitener(settings.features)
    finished = finished_texts(session.judged.rankings)
    rows = comparisons.rows_of([pair for votes in sources.values() for pair in votes], finished)
    states = yield from pooled_of_texts(lm, rows)
    data = {
        name: comparisons.from_states(whitener, votes, rows, states)
        for name, votes in sources.items()
    }
    right = cross_predict(data, prior_stds(whitener, settings.prior_std), settings.seed)
    people = [name for name in voters if name in data]
    table = {model: {person: _share(right[model][person]) for person in people} for model in data}
    gaps = []
    if MAJORITY in data:
        gaps = [gap(who, right[who][who], right[MAJORITY][who]) for who in people]
    found = {
        "kind": "whose",
        "models": list(data),
        "people": people,
        "table": table,
        "gaps": gaps,
        "left_out": left_out,
        "notes": notes,
        "votes": len(learnable),
    }
    with session.change():
        session.labs = {**session.labs, "whose_preferences": found}
    yield found


def sift(pairs: list[Pair]) -> tuple[dict[str, list[Pair]], list[dict]]:
    """Whose votes are enough for a reward model, the busiest ``MOST_PEOPLE``; and who is left out,
    with why.
    """
    enough, left_out = {}, []
    for who, votes in by_annotator(training_pairs(pairs)).items():
        decided = [pair for pair in votes if pair.choice != "tie"]
        prompts = len({pair.prompt for pair in decided})
        if len(decided) < LEAST_VOTES or prompts < LEAST_PROMPTS:
            left_out.append({"who": who, "why": f"{len(decided)} clear votes on {prompts} prompts"})
        elif reason := nothing_to_learn(votes):
            left_out.append({"who": who, "why": reason})
        else:
            enough[who] = votes
    busiest = sorted(enough, key=lambda who: -len(enough[who]))
    left_out += [
        {"who": who, "why": f"only the {MOST_PEOPLE} people with most votes are compared"}
        for who in busiest[MOST_PEOPLE:]
    ]
    return {who: enough[who] for who in enough if who in busiest[:MOST_PEOPLE]}, left_out


def no_majority(majority: list[Pair], split: list[dict]) -> str:
    """Why the pairs that people agree on carry no majority, in words; "" where they carry one: more
    than half of the pairs that two or more judged, and as many as a person needs (``sift``).

    majority, split: of ``majority_pairs``.
    """
    shared = len(majority) + sum(row["judged_by"] > 1 for row in split)
    if not shared:
        return "no two people judged the same pair"
    learnable = training_pairs(majority)
    clear = [pair for pair in learnable if pair.choice != "tie"]
    few = len(clear) < LEAST_VOTES or len({pair.prompt for pair in clear}) < LEAST_PROMPTS
    if not few and 2 * len(majority) > shared:
        return nothing_to_learn(learnable)
    return (
        f"of {shared} {'pair' if shared == 1 else 'pairs'} that two or more judged, {len(majority)}"
        f" got the same answer from most; it takes more than half of them, and {LEAST_VOTES} clear"
        f" ones on {LEAST_PROMPTS} prompts"
    )


def cross_predict(
    data: dict[str, comparisons.Comparisons], prior: torch.Tensor, seed: int, folds: int = 10
) -> dict[str, dict[str, list[bool]]]:
    """model -> person -> for each clear vote of the person, in order: is the model, trained without
    the vote's prompt, right about it? No opinion is not right.
    """
    fold_of = split_prompts(
        [prompt for one in data.values() for prompt in one.prompts], folds, seed
    )
    answers: dict[str, dict[str, list[bool]]] = {}
    for model, own in data.items():
        mine = torch.tensor([fold_of[prompt] for prompt in own.prompts])
        # (folds, N): without each part of the prompts.
        weights = own.weights * (mine[None] != torch.arange(folds)[:, None])
        heads = comparisons.solve_many(own.x, own.targets, weights, prior)  # (folds, k)
        answers[model] = {}
        for person, votes in data.items():
            place = torch.tensor([fold_of[prompt] for prompt in votes.prompts])
            margins = (votes.x * heads[place]).sum(1)
            right = torch.where(votes.targets > 0.5, margins, -margins) > 0
            answers[model][person] = right[votes.targets != 0.5].tolist()
    return answers


def gap(who: str, own: list[bool], majority: list[bool]) -> dict:
    """How much better ``who`` is served by a model of their own than by the majority's, vote by
    vote, with a sentence.
    """
    both = sum(x and y for x, y in zip(own, majority))
    mine = sum(x and not y for x, y in zip(own, majority))
    theirs = sum(y and not x for x, y in zip(own, majority))
    low, high = paired_difference_interval(both, mine, theirs, len(own) - both - mine - theirs)
    own_share, majority_share = sum(own) / len(own), sum(majority) / len(majority)
    if low > 0:
        words = (
            f"{who} loses by the majority: a model of {who}'s own votes is right about them more"
            " often."
        )
    elif high < 0:
        words = (
            f"{who} gains by the majority: more votes make a better model of this taste than"
            f" {who}'s own few."
        )
    else:
        words = (
            f"Too few to tell whether {who} is served better by the majority's model or by one of"
            f" {who}'s own ({len(own)} pairs)."
        )
    return {
        "who": who,
        "own": own_share,
        "majority": majority_share,
        "difference": own_share - majority_share,
        "low": low,
        "high": high,
        "of": len(own),
        "words": words,
    }


def _share(right: list[bool]) -> dict:
    low, high = wilson_interval(sum(right), len(right))
    return {
        "right": sum(right),
        "of": len(right),
        "share": sum(right) / len(right) if right else None,
        "low": low,
        "high": high,
    }
