"""The context flip lab: one set of outputs, two briefs, two reward models, two tuned models.

Nothing differs between the two sides but what was asked for: the texts, the prompts, the random
numbers and all settings are the same. So where the two reward models give one sentence scores of
opposite sign, the preference sits in the brief and not in the text. The scripted rater of each
brief judges, and is called that; or the learner's own rankings do, where there are enough of them.

The lab works in two sessions of its own that nobody else sees; of the learner's session it changes
``labs["context_flip"]`` and nothing else. The reward models are kept in memory, to score a sentence
of the learner's own; the tuned models go when the lab ends. Runs on the worker thread; imports
torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import chain, zip_longest

import torch

from rlhf_core.algorithms import ppo
from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, Recording, only_progress
from rlhf_core.common.intervals import wilson_interval
from rlhf_core.common.known import known
from rlhf_core.common.lab_settings import ContextFlipSettings
from rlhf_core.common.seeds import seed_of
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.judging.briefs import FEATURED_PROMPTS, PRESETS, Brief
from rlhf_core.judging.preferences import Pair
from rlhf_core.judging.register import judge
from rlhf_core.judging.typed import check_prompt
from rlhf_core.labs.context_flip_briefs import LEAST_OWN, own_rankings
from rlhf_core.labs.context_flip_task import DONE, outcome, task
from rlhf_core.labs.measuring import Findings
from rlhf_core.lm.texts import ROLLOUT_TOKENS, Written, encode_prompt, pooled_of_texts, write
from rlhf_core.loop.reward import fit_reward_model
from rlhf_core.loop.scripted_rater import judge_for_me
from rlhf_core.loop.workbench import head_of, put, ready, training_prompts
from rlhf_core.loop.writing import generate_pool
from rlhf_core.rewards.attribution import correlation
from rlhf_core.rewards.reward_model import RewardModel
from rlhf_core.session import judged, weights
from rlhf_core.session.state import SCRIPTED, YOU, Session

MOST_PROMPTS = 32  # that the two briefs are trained on together
SHOWN = 12  # sentences with their two scores
ANSWERS = 2  # of each model to each prompt at the end


def run(
    session: Session,
    settings: ContextFlipSettings,
    chosen: Sequence[Brief] | None = None,
    own_votes: Sequence[bool] = (False, False),
) -> Recording[None]:
    """The whole lab, a record a stage: {"kind": "outputs" | "judged" | "scores" | "step" |
    "answers"}, as many as ``settings.records``.

    Args:
        chosen: two briefs; left out: biology homework and meme bot, which share their prompts.
        own_votes: for each, whether the learner's own rankings under it teach its reward model, and
            not its scripted rater.

    What it has found so far is in ``session.labs["context_flip"]``, from the first scores on
    (a former result stays until then), also when it is stopped:
        briefs: rows {"slug", "title", "prefer", "wanted", "rater", "comparisons"}, two; settings;
            status "running", "stopped" or "done".
        accuracy, accuracy_interval: held-out, of each reward model. votes: of the pairs, how many
            the raters judged "opposite", "alike", or with a "tie" of at least one; {} where a
            reward model learned from rankings of other outputs.
        heads: the names of the two reward models.
        sentences: ``shown`` rows {"prompt", "text", "scores": [first, second]} in reference
            standard deviations; outputs: how many were scored; flips: share of them with scores of
            opposite sign, flips_interval; correlation of the two scores.
        metrics: for each brief, rows {"step", "reward_mean", "kl_to_reference"}.
        answers: rows {"prompt", "original", "texts": [first, second], "scores": [[of the first text
            by both], [of the second by both]]}.
        shares: for the original and both tuned models, the share of answers that each brief's rule
            counts as wanted; None for a brief without a rule.

    Raises InputError: the same brief twice, a brief that nobody can judge under, nothing to learn.
    """
    settings.validate()
    chosen = list(chosen or (PRESETS["biology-homework"], PRESETS["meme-bot"]))
    check(session, chosen, own_votes)
    training, unseen = shared_prompts(*chosen)
    seed = seed_of(session.seed, "context flip", settings.seed)
    alike = [
        replace(brief, training_prompts=training, evaluation_prompts=unseen) for brief in chosen
    ]
    own = [Session(brief, model_name=session.model_name, seed=seed) for brief in alike]
    told = {
        "briefs": [_told(brief, mine) for brief, mine in zip(chosen, own_votes, strict=True)],
        "settings": asdict(settings),
        "accuracy": [None, None],
        "votes": {},
        "sentences": [],
        "metrics": [[], []],
        "answers": [],
        "shares": [],
    }
    with Findings(session, "context_flip", "sentences", **told) as found:
        # 1. One set of outputs.
        yield from only_progress(generate_pool(own[0], settings.comparisons, 2))
        own[1].asked.candidate_sets = own[0].asked.candidate_sets
        own[1].asked.drawn = own[0].asked.drawn
        sets = len(own[0].asked.candidate_sets)
        yield {"kind": "outputs", "sets": sets}

        # 2. Judged under each brief; a reward model learns each taste.
        for side, (one, brief) in enumerate(zip(own, chosen, strict=True)):
            if own_votes[side]:
                one.judged.rankings, one.asked.older_count = own_rankings(session, brief), True
            else:
                yield from only_progress(judge_for_me(one, sets, 2))
            try:
                yield from only_progress(fit_reward_model(one, RewardModelSettings(seed=seed)))
            except InputError as error:
                raise InputError(f"Under the brief {brief.title!r}: {error}") from error
            found.found["briefs"][side]["comparisons"] = one.learned.summary["pairs_used"]
            learned = [o.learned.summary for o in own]
            found.keep(
                accuracy=[fit.get("heldout_accuracy") for fit in learned],
                accuracy_interval=[fit.get("heldout_interval") for fit in learned],
            )
            yield {"kind": "judged", "brief": brief.slug}
        if not any(own_votes):
            found.keep(votes=compare_votes(*(judged.pairs(one) for one in own)))
        models = [known(head_of(one)) for one in own]

        # 3. Both score every output.
        lm = ready(own[0])
        rows = every_answer(own[0])
        pooled = yield from pooled_of_texts(lm, rows)
        first, second = (model.score(pooled).double() for model in models)
        flips = int((first * second < 0).sum())
        scored = zip(rows, first.tolist(), second.tolist(), strict=True)
        with session.change():  # the heads get their names and are named at once
            found.keep(
                heads=[put(session, model.tensors()) for model in models],
                sentences=shown([_row(p, t, [a, b]) for (p, t, _), a, b in scored]),
                outputs=len(rows),
                flips=flips / len(rows),
                flips_interval=list(wilson_interval(flips, len(rows))),
                correlation=correlation(first, second),
            )
        yield {"kind": "scores", "flips": flips / len(rows)}

        # 4. PPO towards each taste, from the same model.
        policies = []
        for side, one in enumerate(own):
            how = PPOSettings(steps=settings.steps, seed=seed)
            policy = ppo.Policy(lm.trunk, how)
            prompts = list(training_prompts(one, lm, how.max_new_tokens).values())
            for item in ppo.train(
                policy=policy,
                reference=lm.trunk,
                prompts=prompts,
                score_fn=models[side].score,
                settings=how,
                end_id=lm.end_id,
                pad_id=lm.pad_id,
            ):
                if isinstance(item, Progress):
                    yield item
                    continue
                row = {name: item[name] for name in ("step", "reward_mean", "kl_to_reference")}
                metrics = list(found.found["metrics"])
                metrics[side] = [*metrics[side], row]
                found.keep(metrics=metrics)
                yield {"kind": "step", "brief": one.asked.brief.slug, **row}
            policies.append(policy.trunk)

        # 5. Three models, the same held-out prompts, the same random numbers.
        asked = spread(own[0].asked.brief.evaluation_prompts, settings.prompts)
        encoded = [encode_prompt(lm, prompt, ROLLOUT_TOKENS) for prompt in asked]
        luck = seed_of(session.seed, "context flip answers", settings.seed)
        written: list[list[Written]] = []
        for trunk in (lm.trunk, *policies):
            written.append((yield from write(lm, trunk, encoded, ANSWERS, luck)))
        states = [torch.stack([state for *_, state in part]) for part in written]
        scores = [[model.score(part).tolist() for model in models] for part in states]
        found.keep(
            answers=[
                {
                    "prompt": asked[row[0]],
                    "original": row[1],
                    "texts": [written[1][i][1], written[2][i][1]],
                    "scores": [[scores[model][brief][i] for brief in (0, 1)] for model in (1, 2)],
                }
                for i, row in enumerate(written[0])
            ],
            shares=[[_share(part, brief) for brief in chosen] for part in written],
        )
        yield {"kind": "answers"}


def every_answer(session: Session) -> list[tuple[str, str, bool]]:
    """(prompt, text, whether it ended) of all answers that were written, each once."""
    found: dict[tuple[str, str, bool], None] = {}
    for row in session.asked.candidate_sets:
        for text, ended in zip(row["texts"], row["finished"], strict=True):
            found[row["prompt"], text, bool(ended)] = None
    return list(found)


def _told(brief: Brief, mine: bool) -> dict:
    """One of the two briefs, as the page tells of it."""
    told = {name: getattr(brief, name) for name in ("slug", "title", "prefer", "wanted")}
    return {**told, "rater": YOU if mine else SCRIPTED, "comparisons": 0}


def _share(written: list[Written], brief: Brief) -> float | None:
    """The share of answers that the brief's rule counts as wanted; None where it has no rule."""
    if not brief.wanted:
        return None
    return sum(judge(text, brief.wanted, end) >= 3 for _, text, end, _ in written) / len(written)


def check(session: Session, chosen: Sequence[Brief], own_votes: Sequence[bool]) -> None:
    """Raises InputError where these two briefs cannot be set against each other."""
    one, other = chosen
    if one.slug == other.slug:
        raise InputError("Pick two different briefs: under one and the same, nothing can flip.")
    for brief, mine in zip(chosen, own_votes, strict=True):
        if mine and len(own_rankings(session, brief)) < LEAST_OWN:
            raise InputError(
                f"You have ranked fewer than {LEAST_OWN} sets under the brief {brief.title!r}. Rank"
                " more, or let its scripted rater judge."
            )
        if not mine and brief.wanted is None:
            raise InputError(
                f"The brief {brief.title!r} has no scripted rater. Rank at least {LEAST_OWN} sets"
                " under it yourself, or pick another brief."
            )


def shared_prompts(one: Brief, other: Brief) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(prompts to train on, prompts that training never sees) for both briefs alike, taken from
    them by turns. Raises InputError where there are none.
    """
    kept_out = {*one.evaluation_prompts, *other.evaluation_prompts}
    offered = _by_turns(one.training_prompts, other.training_prompts)
    training = tuple(p for p in offered if p not in kept_out)[:MOST_PROMPTS]
    held_out = _by_turns(one.evaluation_prompts, other.evaluation_prompts)
    unseen = tuple(p for p in held_out if p not in training)
    unseen = unseen or tuple(p for p in FEATURED_PROMPTS if p not in training)
    if not training or not unseen:
        raise InputError(
            "These two briefs have no prompts to write about. Pick at least one that comes with the"
            " app."
        )
    return training, unseen


def _by_turns(one: Sequence[str], other: Sequence[str]) -> list[str]:
    turns = chain(*zip_longest(one, other))
    return list(dict.fromkeys(prompt for prompt in turns if prompt is not None))


def score_own(session: Session, prompt: str, text: str) -> Recording[None]:
    """A sentence of the learner's under both briefs: one record {"kind": "own", "prompt", "text",
    "scores": [first, second], "copied": whether the lab had shown it}. That it did what was asked
    is kept, as "own_done". Raises InputError.
    """
    found = session.labs.get("context_flip", {})
    kept = [weights.tensors(session, name) for name in found.get("heads", ())]
    heads = [head for head in kept if head is not None]
    if not heads or len(heads) < len(kept):
        raise InputError(
            "The two reward models are no longer in memory. Run the lab again, then try your"
            " sentence."
        )
    prompt, text = check_prompt(prompt), " ".join(text.split())
    if not text:
        raise InputError("Your sentence is empty. Write how the text could go on.")
    text = f" {text}"
    pooled = yield from pooled_of_texts(ready(session), [(prompt, text, True)])
    scores = [RewardModel.from_tensors(head).score(pooled).item() for head in heads]
    copied = text.strip() in {row["text"].strip() for row in found["sentences"]}
    if not copied and outcome(task(found), scores) == DONE:
        with session.change():
            session.labs = {**session.labs, "context_flip": {**found, "own_done": True}}
    yield {"kind": "own", **_row(prompt, text, scores), "copied": copied}


def _row(prompt: str, text: str, scores: list[float]) -> dict:
    return {"prompt": prompt, "text": text, "scores": scores}


def compare_votes(first: list[Pair], second: list[Pair]) -> dict[str, int]:
    """How the same pairs were judged under the two briefs: {"opposite", "alike", "tie"}; the pairs
    are in the same order, as displayed.
    """
    counts = {"opposite": 0, "alike": 0, "tie": 0}
    for one, other in zip(first, second, strict=True):
        if not {one.choice, other.choice} <= {"a", "b"}:
            counts["tie"] += 1
        elif (one.a, one.choice) == (other.a, other.choice):
            counts["alike"] += 1
        else:
            counts["opposite"] += 1
    return counts


def shown(sentences: list[dict]) -> list[dict]:
    """The sentences that the two differ most about, those that the first brief prefers and those
    that the second does by turns, each text once.
    """
    apart = sorted(
        {row["text"]: row for row in reversed(sentences)}.values(),
        key=lambda row: -abs(row["scores"][0] - row["scores"][1]),
    )
    likes = [
        [row for row in apart if row["scores"][side] > row["scores"][1 - side]] for side in (0, 1)
    ]
    return [row for pair in zip(*likes) for row in pair][:SHOWN] or apart[:SHOWN]


def spread(prompts: tuple[str, ...], count: int) -> list[str]:
    """``count`` of the prompts, evenly over the list."""
    count = min(count, len(prompts))
    return [prompts[i * len(prompts) // count] for i in range(count)]
