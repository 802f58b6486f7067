"""Time of a PPO step on the bundled model: 32 answers x 24 tokens x 4 epochs, everything trained
and with the bottom two layers frozen.

    python -m benchmarks step [--steps 9]

The third line is about the PPO of the app's own defaults: the longest time between two yields,
which is how long a stop can have to wait for the worker.

The two settings take turns in one process, so that a machine whose speed drifts treats both alike.
The matrix-multiplication peak of this processor is measured in the same run, and the arithmetic
floor of the step is given beside the time.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from benchmarks.machine import matmul_peak, threads
from rlhf_core.algorithms.ppo import Policy, train
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings
from rlhf_core.judging import briefs
from rlhf_core.lm import language_model


def floor_gflop(trunk, batch, frozen: int, epochs: int) -> float:
    """Multiply-adds of one step, times two, in GFLOP: decode + one reference pass + epochs of
    forward and backward, real tokens only.
    """
    body = sum(p.numel() for block in trunk.h for p in block.parameters())
    share = (trunk.layers - frozen) / trunk.layers
    output = trunk.wte.weight.numel()
    prompt, answer = int(batch.responses.prompt_mask.sum()), int(batch.responses.mask.sum())
    decode = 2 * (body * (prompt + answer) + output * answer)
    reference = decode
    updates = epochs * (6 * body * share * (prompt + answer) + 6 * output * answer)
    return (decode + reference + updates) / 1e9


def longest_wait(lm, prompts, steps: int) -> tuple[float, float]:
    """(longest, mean) seconds between two yields of PPO with the app's defaults, over ``steps``
    steps after one that warms up.
    """
    settings = PPOSettings(steps=steps + 1)
    policy, gaps, counted = Policy(lm.trunk, settings), [], False
    work = train(
        policy=policy,
        reference=lm.trunk,
        prompts=prompts,
        score_fn=lambda x: x[:, 0],
        settings=settings,
        end_id=lm.end_id,
        pad_id=lm.pad_id,
    )
    began = time.perf_counter()
    for item in work:
        gaps += [time.perf_counter() - began] * counted
        counted = counted or (not isinstance(item, Progress) and item["step"] == 1)
        began = time.perf_counter()
    return max(gaps), statistics.fmean(gaps)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks step", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--steps", type=int, default=9, help="counted steps of each setting, after two that warm up"
    )
    args = parser.parse_args(argv)
    torch.set_num_threads(threads())
    lm = language_model.load()
    prompts = [lm.encode(p) for p in briefs.PRESETS["biology-homework"].training_prompts]
    runs = {}
    for frozen in (0, 2):
        settings = PPOSettings(
            steps=args.steps + 2, batch_size=32, minibatch_size=16, frozen_layers=frozen, seed=0
        )
        policy = Policy(lm.trunk, settings)
        runs[frozen] = (
            policy,
            train(
                policy=policy,
                reference=lm.trunk,
                prompts=prompts,
                score_fn=lambda x: x[:, 0],
                settings=settings,
                end_id=lm.end_id,
                pad_id=lm.pad_id,
            ),
        )
    seconds: dict[int, list[float]] = {0: [], 2: []}
    floors: dict[int, list[float]] = {0: [], 2: []}
    for _ in range(args.steps + 3):
        for frozen, (policy, work) in runs.items():
            for item in work:
                if not isinstance(item, Progress):
                    if item["step"] > 2:
                        seconds[frozen].append(item["seconds"])
                        floors[frozen].append(floor_gflop(lm.trunk, item["batch"], frozen, 4))
                    break
    peak = matmul_peak() / 1e9
    print(f"float32 matrix product: {peak:.0f} GFLOP/s; {torch.get_num_threads()} threads")
    for frozen, bound in ((0, 1.4), (2, 1.0)):
        middle, floor = statistics.median(seconds[frozen]), statistics.median(floors[frozen]) / peak
        print(
            f"frozen layers {frozen}: median {middle:.2f} s a step (from {min(seconds[frozen]):.2f}"
            f" to {max(seconds[frozen]):.2f}, {len(seconds[frozen])} steps), target <= {bound} s;"
            f" arithmetic floor of its real tokens {floor:.2f} s"
        )
    longest, mean = longest_wait(lm, prompts, args.steps)
    print(
        f"defaults: a stop waits at most {longest:.2f} s for the worker (mean {mean:.3f} s), target"
        " <= 0.5 s"
    )
    return 0
