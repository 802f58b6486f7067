"""The whole loop from the command line, over seeds: time, memory, and what it did to the model.

    python -m benchmarks loop [--seeds 5] [--briefs biology-homework meme-bot]

Each run is `python -m rlhf_core run --comparisons 30 --steps 15` in a process of its own; what it
made is then measured on prompts that neither the language model nor PPO was trained on. Every seed
is printed, not only the mean.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

import torch

from benchmarks.machine import shipped
from benchmarks.reward_figures import returned
from rlhf_core.judging.register import judge
from rlhf_core.lm import texts
from rlhf_core.loop import comparing, workbench
from rlhf_core.session import saving

TARGETS = {
    "seconds": ("<=", 45.0),
    "peak_gb": ("<=", 1.5),
    "reward_gain": (">=", 0.6),
    "kl": ("<=", 6.0),
    "rm_accuracy": (">=", 0.80),
    "wanted_after": (">=", 0.80),
    "full_sentences": (">=", 0.90),
    "distinct_2_kept": (">=", 0.70),
}


def reward_model_accuracy(session, pairs_wanted: int = 500) -> tuple[float, int]:
    """Share of fresh pairs from unseen prompts that the reward model orders as the brief's rule
    does, where the rule has no doubt.
    """
    lm = workbench.ready(session)
    prompts = list(session.asked.brief.evaluation_prompts)
    each = max(4, 1 + 1200 // len(prompts))
    encoded = [lm.encode(prompt) for prompt in prompts]
    rows = returned(texts.write(lm, lm.trunk, encoded, each, 987_654))
    states = torch.stack([state for *_, state in rows])
    scores = workbench.head_of(session).score(states).tolist()
    graded = [
        (n, judge(text, session.asked.brief.wanted, ended), score)
        for (n, text, ended, _), score in zip(rows, scores, strict=True)
    ]
    pairs = []
    for number in range(len(prompts)):
        mine = [(g, s) for n, g, s in graded if n == number]
        pairs += [(a, b) for a, b in combinations(mine, 2) if a[0] != b[0]]
    pairs = random.Random(0).sample(pairs, min(pairs_wanted, len(pairs)))
    return sum((a[0] > b[0]) == (a[1] > b[1]) for a, b in pairs) / len(pairs), len(pairs)


def one_run(brief: str, seed: int, comparisons: int, steps: int) -> dict:
    """One run of the command line and what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        asked = {"comparisons": comparisons, "steps": steps, "seed": seed, "out": out}
        command = [sys.executable, "-m", "rlhf_core", "run", "--brief", brief]
        for name, value in asked.items():
            command += [f"--{name}", str(value)]
        began = time.perf_counter()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, check=True, env=shipped(), **quiet)
        seconds = time.perf_counter() - began
        # The largest child so far, GB.
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        session = saving.load(out)
        accuracy, pairs = reward_model_accuracy(session)
        returned(comparing.evaluate(session, 200, 4242))
        evaluation = session.tuned.evaluation
        first, last = session.tuned.metrics[0], session.tuned.metrics[-1]
        return {
            "brief": brief,
            "seed": seed,
            "seconds": seconds,
            "peak_gb": peak,
            "reward_gain": last["reward_mean"] - first["reward_mean"],
            "kl": last["kl_to_reference"],
            "rm_accuracy": accuracy,
            "rm_pairs": pairs,
            "wanted_before": evaluation["rule"]["before"],
            "wanted_after": evaluation["rule"]["after"],
            "full_sentences": evaluation["full_sentences"]["after"],
            "distinct_2_kept": (
                evaluation["distinct_2"]["after"] / max(1e-9, evaluation["distinct_2"]["before"])
            ),
            "win_rate": evaluation["win_rate"],
            "mean_words": evaluation["mean_words"]["after"],
            "gain_unseen": evaluation["mean_reward"]["after"] - evaluation["mean_reward"]["before"],
        }


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks loop", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--briefs", nargs="+", default=["biology-homework", "meme-bot"])
    parser.add_argument("--comparisons", type=int, default=30)
    parser.add_argument("--steps", type=int, default=15)
    args = parser.parse_args(argv)
    columns = [
        "seconds",
        "peak_gb",
        "reward_gain",
        "gain_unseen",
        "kl",
        "rm_accuracy",
        "wanted_before",
        "wanted_after",
        "full_sentences",
        "distinct_2_kept",
        "win_rate",
        "mean_words",
    ]
    print("brief seed " + " ".join(columns))
    missed = 0
    for brief in args.briefs:
        for seed in range(args.seeds):
            row = one_run(brief, seed, args.comparisons, args.steps)
            bad = [
                name
                for name, (sign, bound) in TARGETS.items()
                if not (row[name] <= bound if sign == "<=" else row[name] >= bound)
            ]
            missed += len(bad)
            told = f"   MISSED: {', '.join(bad)}" if bad else ""
            figures = " ".join(f"{row[name]:.2f}" for name in columns)
            print(f"{brief} {seed} {figures}{told}", flush=True)
    print(f"{missed} targets missed" if missed else "every target reached by every seed")
    return 0
