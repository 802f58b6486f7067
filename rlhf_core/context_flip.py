"""The context flip lab: one set of outputs, two briefs, two reward models, two tuned models.

Nothing differs between the two sides but what was asked for: the texts, the prompts, the seeds and all settings are the same. So where the two reward models
give one sentence scores of opposite sign, the preference sits in the brief and not in the text. Who judges is the scripted rater of each brief, and says so.

Knows nothing about pages. The lab works in sessions of its own (``lab_bench``); only plain results go into ``session.experiments["context_flip"]``.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from rlhf_core import briefs, lab_bench, ppo, steps
from rlhf_core.attribution import correlation
from rlhf_core.events import Progress
from rlhf_core.register import judge
from rlhf_core.session import Session
from rlhf_core.settings import ContextFlipSettings, PPOSettings, RewardModelSettings
from rlhf_core.workbench import ROLLOUT_TOKENS, encode_prompt, pooled_of_texts, ready, seed_of, training_prompts, write

SIDES = ("biology-homework", "meme-bot")  # two briefs over the same prompts
SHOWN = 12  # sentences with their two scores, the furthest apart first


def records_expected(settings: ContextFlipSettings) -> int:
    """How many records ``run`` yields: outputs, two reward models, scores, the steps of two runs, answers."""
    return 5 + 2 * (settings.steps + 1)


def run(session: Session, settings: ContextFlipSettings) -> Iterator:
    """The whole lab. Records {"kind": "outputs" | "reward_model" | "scores" | "step" | "answers"}; what it has so far is in ``session.experiments``."""
    settings.validate()
    seed = seed_of(session, "context flip", settings.seed)
    own = [lab_bench.bench(session, briefs.PRESETS[slug], seed) for slug in SIDES]
    result = {
        "briefs": [{"slug": one.brief.slug, "title": one.brief.title, "prefer": one.brief.prefer, "wanted": one.brief.wanted} for one in own],
        "settings": vars(settings), "accuracy": [None, None], "sentences": [], "metrics": [[], []], "answers": [], "status": "running",
    }  # fmt: skip

    def keep(**found) -> None:
        nonlocal result
        result = {**result, **found}
        lab_bench.keep(session, "context_flip", result)

    keep()
    try:
        # 1. One set of outputs.
        yield from (event for event in steps.generate_pool(own[0], settings.comparisons, 2) if isinstance(event, Progress))
        own[1].candidate_sets, own[1].drawn = own[0].candidate_sets, own[0].drawn
        yield {"kind": "outputs", "count": len(own[0].candidate_sets)}

        # 2. Judged under each brief; a reward model learns each taste.
        for side, one in enumerate(own):
            yield from lab_bench.teach(one, len(own[0].candidate_sets), RewardModelSettings(seed=seed))
            keep(accuracy=[(o.reward_summary or {}).get("heldout_accuracy") for o in own])
            yield {"kind": "reward_model", "brief": SIDES[side]}

        # 3. Both score every output.
        rows = list(dict.fromkeys((row["prompt"], t, bool(e)) for row in own[0].candidate_sets for t, e in zip(row["texts"], row["finished"], strict=True)))
        lm = ready(own[0])
        pooled = yield from pooled_of_texts(lm, rows)
        both = [one.reward_model.score(pooled).double() for one in own]
        order = (both[0] - both[1]).abs().argsort(descending=True).tolist()
        flips = (both[0].sign() * both[1].sign() < 0).double().mean().item()
        sentences = [{"prompt": rows[i][0], "text": rows[i][1], "scores": [both[0][i].item(), both[1][i].item()]} for i in order]
        keep(sentences=shown(sentences), flips=flips, outputs=len(rows), correlation=correlation(both[0], both[1]))
        yield {"kind": "scores", "flips": flips}

        # 4. PPO towards each taste, from the same model.
        tuned = []
        asked = PPOSettings(steps=settings.steps, seed=seed)
        for side, one in enumerate(own):
            policy, metrics = ppo.Policy(lm.trunk, asked), []
            prompts = list(training_prompts(one, lm, asked.max_new_tokens).values())
            for item in ppo.train(
                policy=policy, reference=lm.trunk, prompts=prompts, score_fn=one.reward_model.score, settings=asked, end_id=lm.end_id, pad_id=lm.pad_id
            ):
                if isinstance(item, Progress):
                    yield Progress(f"PPO for the {one.brief.title}, step {min(policy.step + 1, settings.steps)} of {settings.steps}", item.done, item.total)
                    continue
                metrics = [*metrics, {name: item[name] for name in ("step", "reward_mean", "kl_to_reference", "seconds")}]
                keep(metrics=[metrics if number == side else old for number, old in enumerate(result["metrics"])])
                yield {"kind": "step", "brief": SIDES[side], **metrics[-1]}
            tuned.append(policy.trunk)

        # 5. The same prompts, the same random numbers, three models.
        prompts = spread(list(own[0].brief.evaluation_prompts), settings.prompts)
        encoded, written = [encode_prompt(lm, prompt, ROLLOUT_TOKENS) for prompt in prompts], []
        for words, trunk in (("original", lm.trunk), *zip(SIDES, tuned, strict=True)):
            written.append((yield from write(lm, trunk, encoded, 2, seed_of(session, "context flip answers"), stage=f"writing: {words}")))
        scored = [[one.reward_model.score(torch.stack([state for *_, state in part])).tolist() for one in own] for part in written]
        answers = [
            {
                "prompt": prompts[n], "original": written[0][i][1], "texts": [written[1][i][1], written[2][i][1]],
                "scores": [[scored[1][0][i], scored[1][1][i]], [scored[2][0][i], scored[2][1][i]]],
            }
            for i, (n, *_) in enumerate(written[0])
        ]  # fmt: skip
        shares = [
            [sum(judge(text, one.brief.wanted, ended) >= 3 for _, text, ended, _ in part) / len(part) for one in own] for part in written
        ]  # (model, brief)
        keep(answers=answers[::2] + answers[1::2], shares=shares, status="done")
        yield {"kind": "answers"}
    finally:
        if result["status"] != "done":
            keep(status="stopped")
        session.autosave()


def shown(sentences: list[dict]) -> list[dict]:
    """Those furthest apart, as many that the first brief likes as the second where there are, so that both directions of the flip are seen."""
    likes = [[row for row in sentences if row["scores"][side] > row["scores"][1 - side]][: SHOWN // 2] for side in (0, 1)]
    return [row for rows in zip(*likes) for row in rows] or sentences[:SHOWN]


def spread(prompts: list[str], count: int) -> list[str]:
    """``count`` of the prompts, evenly over the list."""
    count = min(count, len(prompts))
    return [prompts[i * len(prompts) // count] for i in range(count)]
