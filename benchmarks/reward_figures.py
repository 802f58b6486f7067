"""The reward model's figures, over seeds: accuracy, calibration, active choice, times.

    python -m benchmarks reward [--seeds 20] [--briefs biology-homework ...] [--cache FOLDER]
                               [--fine-tuned-seeds 3]

The rater is the brief's rule, which reads words alone and shares nothing with the reward model's
features; each training label is reversed with probability 0.1. A comparison is a pair of different
answers to one training prompt between which the rule decides (where it would call a tie, the next
pair is shown). The test is 500 fresh pairs from prompts that were never trained on, labelled
without noise. Sampling the answers takes most of the time: ``--cache`` keeps them, by the model's
fingerprint. The prior and the choice of the next pair were settled on biology-homework and
customer-reply; the other two briefs were measured afterwards and are the untouched check.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import torch

from rlhf_core.common.settings import FineTunedSettings, RewardModelSettings
from rlhf_core.judging import briefs
from rlhf_core.judging.next_pair import information_gain
from rlhf_core.judging.preferences import Pair
from rlhf_core.judging.register import judge
from rlhf_core.lm import language_model, texts
from rlhf_core.rewards import comparisons, fine_tuned
from rlhf_core.rewards.comparisons import Comparisons, solve, solve_many
from rlhf_core.rewards.diagnostics import calibration_curve, confidence, leave_one_prompt_out
from rlhf_core.rewards.kinds import Reference
from rlhf_core.rewards.reward_model import fit, prior_stds
from rlhf_core.rewards.uncertainty import EXPLORE
from rlhf_core.rewards.what_if import what_if

NOISE, TESTS, SIZES, DIMENSIONS = 0.1, 500, (10, 20, 40, 60, 120), (8, 16, 32)
TARGETS = {
    "accuracy at 20": (">=", 0.70),
    "accuracy at 60": (">=", 0.80),
    "ECE at 60": ("<=", 0.10),
    "active needs": ("<=", 28),
    "refit at 60, ms": ("<=", 50),
    "refit at 5,000, ms": ("<=", 1000),
    "flip a vote, ms": ("<=", 100),
    "features of 64, ms": ("<=", 150),
}


@dataclass
class Taste:
    """One brief's rule on one model's answers. ``train``, ``test``: (index, index, whether the
    first is better) of decided pairs.
    """

    brief: str
    reference: Reference
    rows: list
    states: torch.Tensor
    train: list[tuple[int, int, bool]]
    test_rows: list
    test_states: torch.Tensor
    test: list[tuple[int, int, bool]]
    tie_share: float


def decided_pairs(rows: list, wanted: str) -> tuple[list[tuple[int, int, bool]], float]:
    """Pairs of different answers to one prompt that the rule tells apart, and the share that it
    calls a tie.
    """
    by_prompt: dict[str, dict[str, int]] = {}
    for index, (prompt, text, _) in enumerate(rows):
        by_prompt.setdefault(prompt, {}).setdefault(text, index)
    grades = [judge(text, wanted, ended) for _, text, ended in rows]
    pairs, every = [], 0
    for places in by_prompt.values():
        for i, j in combinations(places.values(), 2):
            every += 1
            if grades[i] != grades[j]:
                pairs.append((i, j, grades[i] > grades[j]))
    return pairs, 1 - len(pairs) / max(1, every)


def returned(work):
    """What a generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def taste_of(slug: str, lm, cache: Path | None, share: float = 1.0) -> Taste:
    """Answers of the original model to a brief's prompts, judged by its rule. ``share``: of the
    usual number of answers.
    """
    brief = briefs.PRESETS[slug]
    file = cache / f"{slug}-{lm.fingerprint()[:12]}.pt" if cache else None
    if file and file.is_file():
        sampled = torch.load(file)
    else:
        sampled = {}
        for part, prompts, count, seed in (
            ("pool", brief.training_prompts, 512, 20_260),
            ("train", brief.training_prompts, 1000, 77),
            ("test", brief.evaluation_prompts, 800, 987_654),
        ):
            each = -(-int(share * count) // len(prompts))
            rows = returned(texts.write(lm, lm.trunk, [lm.encode(p) for p in prompts], each, seed))
            sampled[part] = (
                [(prompts[n], text, ended) for n, text, ended, _ in rows],
                torch.stack([state for *_, state in rows]),
            )
        if file:
            cache.mkdir(parents=True, exist_ok=True)
            torch.save(sampled, file)
    train, ties = decided_pairs(sampled["train"][0], brief.wanted)
    test, _ = decided_pairs(sampled["test"][0], brief.wanted)
    test = random.Random(0).sample(test, min(TESTS, len(test)))
    return Taste(
        slug, Reference(*sampled["pool"]), *sampled["train"], train, *sampled["test"], test, ties
    )


def drawn(taste: Taste, whitener, count: int, seed: int) -> Comparisons:
    """``count`` comparisons as a noisy rater of seed ``seed`` would leave them."""
    rng = random.Random(seed)
    pairs, chosen = [], rng.sample(taste.train, count)
    for i, j, first in chosen:
        choice = "a" if first != (rng.random() < NOISE) else "b"
        pairs.append(Pair(taste.rows[i][0], taste.rows[i][1], taste.rows[j][1], choice))
    used = sorted({index for i, j, _ in chosen for index in (i, j)})
    return comparisons.from_states(
        whitener, pairs, [taste.rows[i] for i in used], taste.states[used]
    )


def tests_of(taste: Taste, whitener) -> tuple[torch.Tensor, torch.Tensor]:
    """(500, k) differences of the test pairs, (500,) 1 where the first is better."""
    features = whitener(taste.test_states).double()
    i, j = (torch.tensor([pair[side] for pair in taste.test]) for side in (0, 1))
    return features[i] - features[j], torch.tensor(
        [float(first) for *_, first in taste.test], dtype=torch.float64
    )


def accuracy(margins: torch.Tensor, targets: torch.Tensor) -> float:
    return ((margins > 0) == (targets > 0.5)).double().mean().item()


def curves(taste: Taste, seeds: int, prior_std: float) -> dict:
    """{(features, comparisons): [(accuracy, calibration error) of each seed]}."""
    table = {}
    for k in DIMENSIONS:
        whitener = taste.reference.whitener(k)
        x, targets = tests_of(taste, whitener)
        for count in SIZES:
            rows = []
            for seed in range(seeds):
                data = drawn(taste, whitener, count, seed)
                weights, _ = solve(
                    data.x, data.targets, data.weights, prior_stds(whitener, prior_std)
                )
                held = leave_one_prompt_out(data, prior_std)["margins"]
                slope = confidence(held, data.targets, data.weights).slope
                rows.append(
                    (
                        accuracy(x @ weights, targets),
                        calibration_curve(slope * (x @ weights), targets)["error"],
                    )
                )
            table[k, count] = rows
    return table


def choose(
    taste: Taste, seeds: int, prior_std: float, k: int, most: int = 60, offered: int = 200
) -> tuple[list[float], list[float]]:
    """Mean accuracy after 1 .. ``most`` comparisons, chosen at random and by information gain among
    ``offered`` fresh pairs each time.
    """
    whitener = taste.reference.whitener(k)
    x_test, y_test = tests_of(taste, whitener)
    features, prior, wide = (
        whitener(taste.states).double(),
        prior_stds(whitener, prior_std),
        prior_stds(whitener, EXPLORE),
    )
    i, j, first = (torch.tensor(column) for column in zip(*taste.train))
    x_all, y_all = features[i] - features[j], first.double()
    means = []
    for active in (False, True):
        shares = torch.zeros(seeds, most)
        for seed in range(seeds):
            generator = torch.Generator().manual_seed(seed)
            # Of each pair once and for all: asking again would give the same answer.
            flips = torch.rand(len(y_all), generator=generator) < NOISE
            labels = torch.where(flips, 1 - y_all, y_all)
            order = torch.randperm(len(y_all), generator=generator).tolist()
            taken: list[int] = []
            score, w, covariance = (
                torch.zeros(k, dtype=torch.float64),
                torch.zeros(k, dtype=torch.float64),
                torch.diag(wide**2),
            )
            for step in range(most):
                options = (
                    [order[(step * offered + n) % len(order)] for n in range(offered)]
                    if active
                    else order[step : step + 1]
                )
                options = [n for n in options if n not in taken]
                best = 0
                if active:
                    gains, _ = information_gain(x_all[options], w, covariance)
                    best = int(gains.argmax())
                taken.append(options[best])
                ones = torch.ones(len(taken), dtype=torch.float64)
                score, _ = solve(x_all[taken], labels[taken], ones, prior, score)
                if active:
                    w, hessian = solve(x_all[taken], labels[taken], ones, wide, w)
                    covariance = torch.linalg.inv(hessian)
                shares[seed, step] = accuracy(x_test @ score, y_test)
        means.append(shares.mean(0).tolist())
    return means[0], means[1]


def fine_tuned_accuracy(taste: Taste, lm, count: int, seed: int) -> tuple[float, float]:
    """Accuracy of the fine-tuned reward model on the test pairs, and seconds of its training."""
    data = drawn(taste, taste.reference.whitener(8), count, seed)
    began = time.perf_counter()
    *_, scorer = fine_tuned.fit(
        lm, data.pairs, taste.reference.rows[:64], FineTunedSettings(seed=seed)
    )
    seconds = time.perf_counter() - began
    scores = scorer.score(taste.test_rows).double()
    i, j = (torch.tensor([pair[side] for pair in taste.test]) for side in (0, 1))
    return (
        accuracy(scores[i] - scores[j], torch.tensor([float(first) for *_, first in taste.test])),
        seconds,
    )


def milliseconds(work, repeats: int = 15) -> float:
    """The best of several: on a busy machine the others measure its other work."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return min(times)


def times_of(taste: Taste, lm, settings: RewardModelSettings) -> dict[str, float]:
    """Refits with cached features, a flipped vote, and reading 64 answers."""
    whitener = taste.reference.whitener(settings.features)
    few = drawn(taste, whitener, 60, 0)
    model = list(fit(whitener, *_arguments(taste, few), settings))[-1].normalised_on(
        taste.reference.states
    )
    many = drawn(taste, whitener, min(5000, len(taste.train)), 0)
    times = torch.arange(5000) % len(many)
    prior = prior_stds(whitener, settings.prior_std)
    reference = whitener(taste.reference.states)
    rows = taste.rows[:64]
    return {
        "refit at 60, ms": milliseconds(lambda: solve(few.x, few.targets, few.weights, prior)),
        "fit with records at 60, ms": milliseconds(
            lambda: list(fit(whitener, *_arguments(taste, few), settings))
        ),
        "refit at 5,000, ms": milliseconds(
            lambda: solve(many.x[times], many.targets[times], many.weights[times], prior)
        ),
        "leave one prompt out at 60, ms": milliseconds(
            lambda: leave_one_prompt_out(few, settings.prior_std)
        ),
        "five bootstrap heads at 60, ms": milliseconds(
            lambda: solve_many(few.x, few.targets, few.weights * torch.rand(5, 60), prior)
        ),
        "flip a vote, ms": milliseconds(
            lambda: what_if(few, model, 3, "flip", few.features, reference, settings.prior_std)
        ),
        "features of 64, ms": milliseconds(lambda: returned(texts.pooled_of_texts(lm, rows))),
    }


def _arguments(taste: Taste, data: Comparisons) -> tuple:
    place = {row[:2]: n for n, row in enumerate(taste.rows)}
    a, b = (
        torch.tensor([place[p.prompt, getattr(p, side)] for p in data.pairs]) for side in ("a", "b")
    )
    groups = data.groups
    return taste.states[a], taste.states[b], data.targets, data.weights, groups % 5, groups


def verdict(name: str, value: float) -> str:
    if name not in TARGETS:
        return ""
    sign, bound = TARGETS[name]
    return (
        f"   target {sign} {bound}:"
        f" {'reached' if (value <= bound if sign == '<=' else value >= bound) else 'MISSED'}"
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks reward", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument(
        "--briefs",
        nargs="+",
        default=["biology-homework", "customer-reply", "plain-kind-english", "survival-guide"],
    )
    parser.add_argument("--cache", type=Path, help="keep the sampled answers in this folder")
    parser.add_argument(
        "--fine-tuned-seeds",
        type=int,
        default=3,
        help="seeds of the fine-tuned reward model, seconds each; 0 leaves it out",
    )
    parser.add_argument("--prior-std", type=float, default=RewardModelSettings.prior_std)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one seed of one brief, few answers: whether it runs, not what it measures",
    )
    args = parser.parse_args(argv)
    if args.quick:
        args.seeds, args.briefs, args.fine_tuned_seeds = 1, args.briefs[:1], 0
    began, lm = time.perf_counter(), language_model.load()
    settings = RewardModelSettings(prior_std=args.prior_std)
    for slug in args.briefs:
        taste = taste_of(slug, lm, *((None, 0.25) if args.quick else (args.cache, 1.0)))
        print(
            f"{slug} ({briefs.PRESETS[slug].wanted}): {len(taste.test)} test pairs; the rule calls"
            f" {taste.tie_share:.0%} of the training pairs a tie; {args.seeds} seeds"
        )
        table = curves(taste, args.seeds, args.prior_std)
        for k in DIMENSIONS:
            cells = []
            for count in SIZES:
                shares, errors = zip(*table[k, count])
                cells.append(
                    f"{count}: {statistics.mean(shares):.3f} (from {min(shares):.2f} to"
                    f" {max(shares):.2f}, ECE {statistics.mean(errors):.3f})"
                )
            print(f"  {k} features, accuracy after " + "; ".join(cells), flush=True)
        at = {
            count: [statistics.mean(column) for column in zip(*table[settings.features, count])]
            for count in SIZES
        }
        figures = {"accuracy at 20": at[20][0], "accuracy at 60": at[60][0], "ECE at 60": at[60][1]}
        by_chance, by_gain = choose(taste, args.seeds, args.prior_std, settings.features)
        figures["active needs"] = next(
            (n for n, share in enumerate(by_gain, 1) if share >= by_chance[39]), len(by_gain) + 1
        )
        print(
            "  random / active after "
            + "; ".join(
                f"{n}: {by_chance[n - 1]:.3f} / {by_gain[n - 1]:.3f}" for n in (10, 20, 28, 40, 60)
            )
        )
        for count in (20, 60):
            tuned = [
                fine_tuned_accuracy(taste, lm, count, seed) for seed in range(args.fine_tuned_seeds)
            ]
            if tuned:
                shares, seconds = zip(*tuned)
                print(
                    f"  fine-tuned (TRL), {count}: {statistics.mean(shares):.3f} (from"
                    f" {min(shares):.2f} to {max(shares):.2f}, {len(shares)} seeds),"
                    f" {statistics.median(seconds):.1f} s",
                    flush=True,
                )
        figures |= times_of(taste, lm, settings)
        for name, value in figures.items():
            print(f"  {name}: {value:.3g}{verdict(name, value)}", flush=True)
    print(f"{torch.get_num_threads()} threads, {time.perf_counter() - began:.0f} s in all")
    return 0
