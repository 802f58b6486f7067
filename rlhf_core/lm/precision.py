"""Which number format the engine computes in: float32, and why not bfloat16.

Decided from the processor and a measurement, not from a rule of thumb.

Without instructions for it bfloat16 is emulated: on a processor with AVX2 only it was measured 38
times slower than float32. With them (avx512_bf16, amx_bf16) a product takes about half the time,
and keeps 8 bits of each number. That moves log-probabilities by hundredths of a nat, and PPO's
promises rest on them: the first ratio is 1 within 1e-4, the distance to the reference starts at 0,
a cached answer has the probability of a whole pass. A reference in another format than the policy
would count its rounding as drift. So bfloat16 is chosen only where it is there, faster, and exact
enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

PROMISED = 1e-4  # nats by which a log-probability may be off


@dataclass(frozen=True)
class Measured:
    """A product of the size of a GPT-2's inner layer, then a softmax, in both formats."""

    capable: bool  # the processor has instructions for bfloat16
    speedup: float  # time in float32 / time in bfloat16
    error: float  # nats, the largest difference of a log-probability


def capable() -> bool:
    """Does this processor compute in bfloat16 itself?"""
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, lambda: False)() for question in questions)


@torch.no_grad()
def measure(
    rows: int = 64,
    width: int = 768,
    repeats: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> Measured:
    """Some milliseconds where the processor has bfloat16; nothing is timed where it has not."""
    if not capable():
        return Measured(False, 0.0, float("nan"))
    generator = torch.Generator().manual_seed(0)
    x, weight = (
        torch.randn(rows, width, generator=generator),
        0.02 * torch.randn(4 * width, width, generator=generator),
    )
    seconds, log_p = {}, {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = x.to(dtype), weight.to(dtype)
        times = []
        for _ in range(1 + repeats):
            began = clock()
            out = F.linear(a, b)
            times.append(clock() - began)
        seconds[dtype], log_p[dtype] = min(times[1:]), out.float().log_softmax(-1)
    error = (log_p[torch.float32] - log_p[torch.bfloat16]).abs().max().item()
    return Measured(True, seconds[torch.float32] / max(seconds[torch.bfloat16], 1e-9), error)


def choose(measured: Measured) -> tuple[torch.dtype, str]:
    """The format, and one sentence that says why."""
    if not measured.capable:
        return (
            torch.float32,
            (
                "float32: this processor has no instructions for bfloat16, so it would be emulated,"
                " and far slower."
            ),
        )
    if measured.speedup <= 1.1:
        return (
            torch.float32,
            f"float32: bfloat16 is not faster here ({measured.speedup:.1f} times the speed).",
        )
    if not measured.error <= PROMISED:
        return (
            torch.float32,
            (
                f"float32: bfloat16 is {measured.speedup:.1f} times as fast here, but it moves"
                f" log-probabilities by up to {measured.error:.3f} nats, and PPO needs them to"
                f" {PROMISED:g}: its ratios start at 1, and its distance to the reference at 0."
            ),
        )
    return (
        torch.bfloat16,
        (
            f"bfloat16: {measured.speedup:.1f} times as fast here, and exact to {measured.error:g}"
            " nats."
        ),
    )
