"""Before and after: the original and the tuned model on the same prompts, with the same luck.

Generators over a session (``common.events``). Imports torch. What the numbers say is for
``evaluation``.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, Recording
from rlhf_core.common.seeds import seed_of
from rlhf_core.evaluation import before_after, verdict
from rlhf_core.evaluation.conclusion import known
from rlhf_core.judging.briefs import FEATURED_PROMPTS
from rlhf_core.judging.typed import check_prompt
from rlhf_core.lm.texts import ROLLOUT_TOKENS, encode_prompt, fluency_of_texts, write
from rlhf_core.loop.workbench import head_of, ready, trunk_with, tuned_of
from rlhf_core.session import asked, judged
from rlhf_core.session.state import Session


def evaluation_prompts(session: Session) -> list[str]:
    """Prompts the verdict may use: the brief's own, or featured ones that training did not use."""
    used = {*asked.training_prompts(session), *(pair.prompt for pair in judged.pairs(session))}
    own = list(session.asked.brief.evaluation_prompts)
    prompts = own or [prompt for prompt in FEATURED_PROMPTS if prompt not in used]
    if not prompts:
        raise InputError(
            "There is no prompt left that training has not used. Add evaluation prompts to the"
            " brief."
        )
    return prompts


def evaluate(session: Session, count: int = 200, seed: int = 1) -> Recording[None]:
    """The original and the tuned model on the same unseen prompts with the same random numbers;
    ``count`` pairs. One record, kept as ``tuned.evaluation``.
    """
    lm, model, tuned = ready(session), head_of(session), tuned_of(session)
    if tuned is None or model is None:
        raise InputError("There is no tuned model yet. Run at least one PPO step first.")
    part, round, step = session.tuned, session.history.current_round, session.tuned.steps_done
    prompts = evaluation_prompts(session)
    each = max(1, -(-count // len(prompts)))
    encoded = [encode_prompt(lm, p, ROLLOUT_TOKENS) for p in prompts]
    luck, sides = seed_of(session.seed, "evaluate", seed), {}
    for side, trunk in (("before", lm.trunk), ("after", trunk_with(lm, tuned))):
        rows = yield from write(lm, trunk, encoded, each, luck, stage=f"writing, {side}")
        states = torch.stack([state for *_, state in rows])
        scores, doubts = model.score(states).tolist(), model.uncertainty(states).tolist()
        sides[side] = [
            {
                "prompt": prompts[n],
                side: text,
                f"reward_{side}": score,
                f"doubt_{side}": doubt,
                f"ended_{side}": ended,
            }
            for (n, text, ended, _), score, doubt in zip(rows, scores, doubts, strict=True)
        ]
    pairs = [one | other for one, other in zip(sides["before"], sides["after"], strict=True)]
    # Every prompt once before any comes again, and no more pairs than asked for.
    pairs = [pairs[p * each + k] for k in range(each) for p in range(len(prompts))][:count]
    fluency: dict[str, list[float]] = {}
    for side in ("before", "after"):
        read = [(pair["prompt"], pair[side], pair[f"ended_{side}"]) for pair in pairs]
        fluency[side] = yield from fluency_of_texts(lm, read, stage=f"reading, {side}")
    wanted, draw = session.asked.brief.wanted, seed_of(session.seed, "interval", seed)
    # Of all the reward models that trained this round, the one whose votes show least.
    asked_for = [row.get("chance") for row in part.log if row["step"] < step]
    trained = [found for found in asked_for if known(found)]
    chance = max(trained, key=lambda found: found["p"], default=None)
    if chance and (models := len({found["p"] for found in trained})) > 1:
        chance = {**chance, "models": models}
    result = before_after.summarise(pairs, wanted=wanted, judge="reward model")
    result |= verdict.verdict(
        pairs,
        wanted=wanted,
        scripted=judged.scripted(session),
        fluency=fluency,
        chance=chance,
        seed=draw,
    )
    result |= {"round": round, "step": step, "seed": seed}
    with session.change():
        if session.tuned is part:  # else the round was put away meanwhile
            part.evaluation = result
    yield {"kind": "evaluation", **{k: v for k, v in result.items() if k != "pairs"}}


def compare(
    session: Session, prompt: str, seed: int = 0, samples: int = 3
) -> Iterator[Progress | dict]:
    """Any prompt on both models, the same random numbers. One record {"kind": "compare", "prompt",
    "seed", "round", "step", "before" and "after": texts, and of each "ended_", "reward_" and
    "doubt_"}.
    """
    lm, model, tuned = ready(session), head_of(session), tuned_of(session)
    prompt = check_prompt(prompt)
    ids = encode_prompt(lm, prompt, ROLLOUT_TOKENS)
    if tuned is None:
        raise InputError("There is no tuned model yet. Run at least one PPO step first.")
    record: dict = {"kind": "compare", "prompt": prompt, "seed": seed}
    record |= {"round": session.history.current_round, "step": session.tuned.steps_done}
    for side, trunk in (("before", lm.trunk), ("after", trunk_with(lm, tuned))):
        rows = yield from write(lm, trunk, [ids], samples, seed, stage=f"writing, {side}")
        record[side] = [text for _, text, _, _ in rows]
        record[f"ended_{side}"] = [ended for _, _, ended, _ in rows]
        if model is not None:
            states = torch.stack([state for *_, state in rows])
            record[f"reward_{side}"] = model.score(states).tolist()
            record[f"doubt_{side}"] = model.uncertainty(states).tolist()
    yield record
