"""Can noise fool the verdict, and does a taste get through? Over seeds, with the app's settings.

    python -m benchmarks null [--seeds 20] [--first 1000] [--briefs biology-homework meme-bot]
        [--sizes 6 12 30] [--out null.jsonl] [--part 1/2] [--all] [--quick]

One run: comparisons of the scripted rater; their labels as they are ("true"), or with the winner
of each pair drawn by a fair coin, ties kept ("permuted"), or a coin for every pair, ties too
("coin"). Noise comes in as somebody's file, so the word rule counts as a judge of its own; true
labels are the scripted rater's, so only the graded rule does. Then the reward model, PPO, 200 pairs
of answers, and the verdict. "A/A" is the original model against itself with other random numbers,
behind a reward model of 30 true comparisons.

A verdict cannot be better or worse where the votes fail their control (``conclusion.outcome``), so
those runs end there; ``--all`` trains and measures them too. One thread. Every run is a line of
``--out``, and runs that stand there already are not made again; several processes can share the
work. Goals: better and worse each in at most 5% of runs on noise and of A/A, pooled; true labels
better in at least 90% at 30 comparisons, 75% at 12.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.reward_figures import returned
from rlhf_core.common.intervals import wilson_interval
from rlhf_core.common.seeds import seed_of
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.evaluation import conclusion, verdict
from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Pair
from rlhf_core.lm.texts import ROLLOUT_TOKENS, encode_prompt, write
from rlhf_core.loop import comparing, reward, scripted_rater, tuning, workbench
from rlhf_core.session import judged
from rlhf_core.session.state import Session

PAIRS, STRANGER = 200, "somebody"
NOISE = ("permuted", "coin")


def labelled(pairs: list[Pair], kind: str, seed: int) -> list[Pair]:
    """The same pairs with the labels of ``kind``; noise is somebody's, not the scripted rater's."""
    if kind not in NOISE:
        return pairs
    rng = random.Random(seed_of(seed, "noise", kind))
    drawn = [
        pair.choice if pair.choice == "tie" and kind == "permuted" else rng.choice("ab")
        for pair in pairs
    ]
    return [replace(p, choice=c, annotator=STRANGER) for p, c in zip(pairs, drawn, strict=True)]


def session_of(slug: str, comparisons: int, kind: str, seed: int) -> Session | None:
    """A session with its reward model fitted; None where the labels leave nothing to learn."""
    asked = Session(briefs.PRESETS[slug], seed=seed)
    returned(scripted_rater.judge_for_me(asked, comparisons, 2))
    session = Session(briefs.PRESETS[slug], seed=seed)
    with session.change():
        session.judged.imported = labelled(judged.pairs(asked), kind, seed)
    if judged.nothing_to_learn(session):
        return None
    returned(reward.fit_reward_model(session, RewardModelSettings(seed=seed)))
    return session


def one_run(slug: str, comparisons: int, kind: str, seed: int, everything: bool) -> dict:
    session = session_of(slug, comparisons, kind, seed)
    if session is None:  # ties alone: the app refuses, in words
        return {"verdict": conclusion.FEW_VOTES, "p": 1.0, "decided": 0}
    chance = session.learned.summary["chance"]
    told = {name: chance[name] for name in ("p", "decided", "support", "accuracy")}
    if (failed := conclusion.unproven(chance)) and not everything:
        return {"verdict": failed, **told}
    returned(tuning.ppo(session, PPOSettings(seed=seed)))
    returned(comparing.evaluate(session, PAIRS))
    found = session.tuned.evaluation
    ways = {row["name"]: conclusion.direction(row) for row in found["judges"]}
    rates = {row["name"]: round(row["win_rate"], 3) for row in found["judges"]}
    kl = session.tuned.metrics[-1]["kl_to_reference"]
    return {"verdict": found["verdict"], **told, "ways": ways, "win_rates": rates, "kl": kl}


def original_twice(slug: str, seed: int) -> dict:
    """The original model against itself: same prompts, other random numbers."""
    session = session_of(slug, 30, "true", seed)
    lm, model = workbench.ready(session), workbench.head_of(session)
    prompts, wanted = comparing.evaluation_prompts(session), session.asked.brief.wanted
    encoded, sides = [encode_prompt(lm, prompt, ROLLOUT_TOKENS) for prompt in prompts], {}
    for side in ("before", "after"):
        luck = seed_of(seed, "A/A", side)
        rows = returned(write(lm, lm.trunk, encoded, -(-PAIRS // len(prompts)), luck))
        scores = model.score(torch.stack([state for *_, state in rows])).tolist()
        sides[side] = [
            {"prompt": prompts[n], side: text, f"reward_{side}": score, f"ended_{side}": ended}
            for (n, text, ended, _), score in zip(rows, scores, strict=True)
        ]
    pairs = [one | other for one, other in zip(sides["before"], sides["after"], strict=True)]
    chance = session.learned.summary["chance"]
    found = verdict.verdict(pairs[:PAIRS], wanted=wanted, scripted=False, chance=chance, seed=seed)
    return {
        "verdict": found["verdict"],
        "p": chance["p"],
        "ways": {row["name"]: conclusion.direction(row) for row in found["judges"]},
    }


def share(rows: list[dict], what: str) -> str:
    count = sum(row["verdict"] == what for row in rows)
    _, high = wilson_interval(count, len(rows))
    return f"{count}/{len(rows)} = {count / max(1, len(rows)):.1%} (up to {high:.1%})"


def told(rows: list[dict]) -> None:
    """The whole table, and the pooled shares beside their goals."""
    cells: dict[tuple, list[dict]] = {}
    for row in rows:
        cells.setdefault((row["kind"], row["comparisons"], row["brief"]), []).append(row)
    names = (
        *(conclusion.BETTER, conclusion.WORSE, conclusion.SAME),
        *(conclusion.NOT_THE_VOTES, conclusion.FEW_VOTES),
    )
    print("| labels | comparisons | brief | runs | " + " | ".join(names) + " |")
    print("|" + "---|" * (4 + len(names)))
    for (kind, count, slug), some in sorted(cells.items()):
        figures = " | ".join(str(sum(row["verdict"] == name for row in some)) for name in names)
        print(f"| {kind} | {count} | {slug} | {len(some)} | {figures} |")
    for kinds, words in ((NOISE, "noise"), (("A/A",), "A/A")):
        some = [row for row in rows if row["kind"] in kinds]
        for what in (conclusion.BETTER, conclusion.WORSE):
            print(f"{words}: {what} in {share(some, what)}; goal <= 5%")
    for count, goal in ((30, 90), (12, 75)):
        some = [row for row in rows if row["kind"] == "true" and row["comparisons"] == count]
        print(f"true, {count}: better in {share(some, conclusion.BETTER)}; goal >= {goal}%")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks null", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1000, help="number of the first seed")
    parser.add_argument("--briefs", nargs="+", default=["biology-homework", "meme-bot"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[6, 12, 30])
    parser.add_argument("--kinds", nargs="+", default=["true", *NOISE, "A/A"])
    parser.add_argument("--out", type=Path, help="JSON lines; goes on where it ended")
    parser.add_argument("--part", default="1/1", help="2/3: the second of three processes")
    parser.add_argument("--all", action="store_true", help="train on votes that show nothing too")
    parser.add_argument("--quick", action="store_true", help="one seed: whether it runs")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    part, parts = map(int, args.part.split("/"))
    seeds, sizes = (1, [12]) if args.quick else (args.seeds, args.sizes)
    work = [
        (kind, count, slug, seed)
        for seed in range(args.first, args.first + seeds)
        for kind in args.kinds
        for count in ([30] if kind == "A/A" else sizes)
        for slug in args.briefs
    ]
    rows: list[dict] = []
    if args.out and args.out.exists():
        rows = [json.loads(line) for line in args.out.read_text().splitlines()]
    known = {(row["kind"], row["comparisons"], row["brief"], row["seed"]) for row in rows}
    for kind, count, slug, seed in work[part - 1 :: parts]:
        if (kind, count, slug, seed) in known:
            continue
        found = (
            original_twice(slug, seed)
            if kind == "A/A"
            else one_run(slug, count, kind, seed, args.all)
        )
        row = {"kind": kind, "comparisons": count, "brief": slug, "seed": seed, **found}
        rows.append(row)
        if args.out:
            with args.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
        print(f"{kind} {count} {slug} {seed}: {found['verdict']} (p {found['p']:.3f})", flush=True)
    told(rows)
    return 0
