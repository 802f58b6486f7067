"""What this machine can do, measured: the peak of a matrix product, the bandwidth of memory, and
the number format that follows.

    python -m benchmarks machine [--quick]

Every floor in benchmarks/ comes from these two figures: no phase can be faster than max(FLOPs /
peak, bytes / bandwidth).
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

# How the names of the variables begin that say how many threads there are and how they wait.
THREADING = ("OMP_", "GOMP_", "KMP_", "MKL_NUM_THREADS")


def shipped(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process that is measured: Opossum as it ships, whatever the shell set.

    No variable of OpenMP's goes along, for what counts is what a learner gets who never heard of
    them. ``own`` is added: what is to be measured.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(THREADING)}
    return {**kept, **(own or {})}


def forget_threading() -> None:
    """Take them out of this process too. Works before torch is imported: OpenMP reads them then."""
    for name in set(os.environ) - set(shipped()):
        del os.environ[name]


def threads() -> int:
    return int(os.environ.get("OPOSSUM_THREADS", "2"))


def matmul_peak(size: int = 1024, repeats: int = 20) -> float:
    """FLOP/s of a float32 matrix product: the best of several, by torch's kernel or oneDNN's,
    whichever is faster.
    """
    import torch

    from rlhf_core.lm.matrix_products import product

    a, b = torch.randn(size, size), torch.randn(size, size)
    best = float("inf")
    with torch.no_grad():
        for _ in range(repeats):
            for multiply in (torch.matmul, product):
                began = time.perf_counter()
                multiply(a, b)
                best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def bandwidth(megabytes: int = 256, repeats: int = 6) -> float:
    """Bytes a second read from memory, by a sum over an array far larger than the caches: the best
    of several.
    """
    import torch

    array, best = torch.ones(megabytes * 250_000), float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        array.sum()
        best = min(best, time.perf_counter() - began)
    return array.numel() * 4 / best


def peak_memory() -> int:
    """Bytes of memory this process held at its peak. Of its own, not of the process it was forked
    from, where the system tells them apart.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if platform.system() == "Darwin" else 1024
    )


def processor() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        [
            line.split(":")[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor() or "unknown processor"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks machine", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="small arrays: whether it runs, not what it measures"
    )
    args = parser.parse_args(argv)
    import torch

    from rlhf_core.lm import precision

    torch.set_num_threads(threads())
    peak = matmul_peak(*((128, 3) if args.quick else (1024, 20)))
    speed = bandwidth(*((8, 2) if args.quick else (256, 6)))
    print(
        f"{processor()}, {os.cpu_count()} cores, torch {torch.__version__},"
        f" {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}"
    )
    print(f"float32 matrix product {peak / 1e9:.0f} GFLOP/s; memory {speed / 1e9:.1f} GB/s read")
    print(precision.choose(precision.measure())[1])
    return 0
