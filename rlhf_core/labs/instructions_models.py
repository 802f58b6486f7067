"""What the lab "Instructions matter" asks of the models: twelve pairs to judge, and a reward model
of each brief's twelve answers.

Generators for the worker thread; torch. What the answers mean is ``instructions_matter``'s.
"""

from __future__ import annotations

import random
from itertools import combinations

import torch

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, Record, Recording
from rlhf_core.common.known import known
from rlhf_core.common.seeds import seed_of
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.judging.briefs import Brief
from rlhf_core.judging.preferences import Pair, nothing_to_learn
from rlhf_core.judging.register import judge
from rlhf_core.labs.instructions_matter import PAIRS, begin, keep, lab_of, precise_brief
from rlhf_core.lm.texts import ROLLOUT_TOKENS, encode_prompt, pooled_of_texts, write
from rlhf_core.loop.workbench import ready, reference_pool
from rlhf_core.rewards import comparisons
from rlhf_core.rewards.kinds import Reference
from rlhf_core.rewards.reward_model import prior_stds
from rlhf_core.session.state import Session

EACH, DRAWS, MOST_TESTS, TESTS_A_PROMPT = 8, 400, 300, 40


def write_pairs(session: Session, seed: int) -> Recording[None]:
    """The original model answers the precise brief's training prompts; one pair a prompt, of the
    answers that the brief's rule likes best and least.
    """
    lm, brief = ready(session), precise_brief(session)
    lot, offered = random.Random(seed_of(seed, "prompts")), brief.training_prompts
    prompts = lot.sample(offered, len(offered))
    encoded = [encode_prompt(lm, prompt, ROLLOUT_TOKENS) for prompt in prompts]
    rows = yield from write(lm, lm.trunk, encoded, EACH, seed, stage="writing answers")
    sure, unsure = [], []
    for number, prompt in enumerate(prompts):
        own = [text for n, text, ended, _ in rows if n == number and ended and text.strip()]
        texts = list(dict.fromkeys(own))
        if len(texts) < 2:
            continue
        grades = {text: judge(text, known(brief.wanted)) for text in texts}
        best = max(texts, key=lambda text: grades[text])
        worst = min(reversed(texts), key=lambda text: grades[text])
        if grades[best] > grades[worst]:
            two = random.Random(seed_of(seed, "sides", prompt)).sample([best, worst], 2)
            sure.append({"prompt": prompt, "texts": two, "reference": two.index(best)})
        else:
            unsure.append({"prompt": prompt, "texts": texts[:2], "reference": None})
    pairs = (sure + unsure)[:PAIRS]
    if len(pairs) < PAIRS:
        raise InputError(
            f"The model gave too few different answers: only {len(pairs)} of {PAIRS} pairs. Press"
            " again for another draw."
        )
    begin(session, brief, pairs, seed)
    yield {
        "kind": "pairs",
        "count": len(pairs),
        "with_reference": sum(pair["reference"] is not None for pair in pairs),
    }


def compare_models(session: Session) -> Recording[None]:
    """Fit one reward model to each brief's answers and test both on outputs that nobody judged,
    against the precise brief's rule.

    The uncertainty that counts is that of twelve answers: the twelve *pairs* are drawn anew with
    replacement (both briefs' answers to a pair together), both models fitted again, and the
    difference taken each time. The test outputs are many and stay as they are.

    One record, kept in the lab: {"kind": "models", "vague", "precise": {"accuracy", "low", "high"}
    | None, "difference", "low", "high" | None, "tests", "prompts", "words"}.
    """
    lab, settings = lab_of(session), RewardModelSettings()
    if lab is None:
        raise InputError("The pairs of this lab are gone. Begin it again.")
    lm = ready(session)
    prompts = tuple(lab["prompts"])
    brief = Brief(
        "lab", "lab", audience="", prefer="lab", avoid="", ties="", training_prompts=prompts
    )
    scratch = Session(brief, model_name=session.model_name)
    scratch.model_hash = session.model_hash
    names, texts, states = yield from reference_pool(scratch, lm, settings.reference_samples)
    reference = Reference([(name, text, True) for name, text in zip(names, texts)], states)
    whitener = reference.whitener(settings.features)
    prior = prior_stds(whitener, settings.prior_std)
    seen = {pair["prompt"] for pair in lab["pairs"]}
    tests = held_out_pairs(names, texts, lab["wanted"], seen, lab["seed"])
    if len(tests) < 20:
        raise InputError(
            "There are too few outputs on other prompts to test a reward model with. Use a brief"
            " with more training prompts."
        )
    features = whitener(states).double()
    better, worse = (torch.tensor([row[side] for row in tests]) for side in (0, 1))
    margins_of = features[better] - features[worse]  # (T, k)
    yield Progress("fitting", 0, 2)
    rows = [(pair["prompt"], text, True) for pair in lab["pairs"] for text in pair["texts"]]
    rows = list(dict.fromkeys(rows))
    states_of = yield from pooled_of_texts(lm, rows)
    drawn = how_often(len(lab["pairs"]), lab["seed"])
    found: dict[str, torch.Tensor | None] = {}
    for which in ("vague", "precise"):
        pairs = {row["pair"]: as_pair(lab, row) for row in lab["answers"][which]}
        if nothing_to_learn(list(pairs.values())):
            found[which] = None
            continue
        data = comparisons.from_states(whitener, list(pairs.values()), rows, states_of)
        # (1 + DRAWS, k)
        heads = comparisons.solve_many(data.x, data.targets, drawn[:, list(pairs)], prior)
        margins = margins_of @ heads.T
        found[which] = ((margins > 0).double() + 0.5 * (margins == 0).double()).mean(0)
    record: Record = {
        "kind": "models",
        "tests": len(tests),
        "prompts": len({names[row[0]] for row in tests}),
        "difference": None,
        "low": None,
        "high": None,
        **dict.fromkeys(found),
    }
    for which, values in found.items():
        if values is not None:
            record[which] = {"accuracy": values[0].item(), **_bounds(values[1:])}
    precise, vague = found["precise"], found["vague"]
    if precise is not None and vague is not None:
        apart = precise - vague
        record |= {"difference": apart[0].item(), **_bounds(apart[1:])}
    record["words"] = in_words(record)
    keep(session, {**(lab_of(session) or {}), "models": record})
    yield record


def how_often(pairs: int, seed: int) -> torch.Tensor:
    """(1 + DRAWS, pairs): how often each pair is in a draw; the first row has each once."""
    luck = torch.Generator().manual_seed(seed % 2**31)
    draws = torch.multinomial(torch.ones(DRAWS, PAIRS), PAIRS, replacement=True, generator=luck)
    counts = torch.stack([torch.bincount(row, minlength=pairs) for row in draws]).double()
    return torch.cat([torch.ones(1, pairs, dtype=counts.dtype), counts])


def held_out_pairs(
    names: list[str], texts: list[str], wanted: str, judged: set[str], seed: int
) -> list[tuple[int, int]]:
    """(index of the better, of the worse) of two outputs to one prompt that nobody judged, by the
    brief's rule; at most so many a prompt, so that none decides alone.
    """
    grades = [judge(text, wanted) for text in texts]
    tests: list[tuple[int, int]] = []
    for prompt in dict.fromkeys(names):
        if prompt not in judged:
            own = list({texts[i]: i for i, name in enumerate(names) if name == prompt}.values())
            found = [
                (i, j) if grades[i] > grades[j] else (j, i)
                for i, j in combinations(own, 2)
                if grades[i] != grades[j]
            ]
            lot = random.Random(seed_of(seed, "tests", prompt))
            tests += lot.sample(found, min(TESTS_A_PROMPT, len(found)))
    return random.Random(seed).sample(tests, min(MOST_TESTS, len(tests)))


def as_pair(lab: dict, row: dict) -> Pair:
    """An answer of the lab as a judged pair."""
    pair, choice = lab["pairs"][row["pair"]], "a" if row["text"] == row["left"] else "b"
    a, b = pair["texts"][row["left"]], pair["texts"][1 - row["left"]]
    choice = "tie" if row["text"] is None else choice
    return Pair(pair["prompt"], a, b, choice, seconds=row["seconds"])


def _bounds(values: torch.Tensor) -> dict:
    low, high = torch.quantile(values, torch.tensor([0.025, 0.975], dtype=values.dtype)).tolist()
    return {"low": low, "high": high}


def in_words(record: dict) -> str:
    """One honest sentence on the two reward models."""
    if record["difference"] is None:
        silent = " and ".join(which for which in ("vague", "precise") if record[which] is None)
        return (
            f"Your answers under the {silent} brief prefer nothing (all ties, or they cancel out),"
            " so no reward model can be trained on them."
        )
    if record["low"] > 0:
        return (
            "The reward model that learned under the precise brief knows better what the brief"
            " wants: same pairs, other instructions, another model."
        )
    if record["high"] < 0:
        return (
            "The reward model that learned under the vague brief does better on the precise brief's"
            " own rule: the precise brief was read in another way than its author meant."
        )
    return (
        "Too few to tell: twelve answers make a reward model so uncertain that the difference could"
        " be chance."
    )
