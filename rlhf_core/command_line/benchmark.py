"""The command ``benchmark``: it hands over to the folder ``benchmarks`` beside ``rlhf_core``."""

from __future__ import annotations

import argparse

from rlhf_core.command_line.handing_over import hand_over


def benchmark(args: argparse.Namespace) -> int:
    part = [] if args.part is None else [args.part, *args.options]
    return hand_over("benchmarks", ["--no-page", *["--quick"] * args.quick, *part])
