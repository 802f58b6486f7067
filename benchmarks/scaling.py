"""How the time of a PPO step grows with the batch, the length of the answers, and the number of
layers: a table, and a plot if you name a file.

    python -m benchmarks scaling [--out scaling.html] [--width 192 --vocabulary 4096] [--repeats 3]
    [--quick]

Random weights in the bundled model's shape (GPT-2's with --width 768 --vocabulary 50257 --layers
12), everything trained, 4 epochs of one minibatch. One thing grows at a time; nobody ends early.
Twice the batch should cost less than twice the time, twice the layers at most twice.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

from benchmarks.machine import processor, threads

EPOCHS = 4
GROWING = {"batch": (8, 16, 32, 64), "tokens": (8, 16, 32, 64), "layers": (2, 4, 8, 16)}
UNITS = {"batch": "answers", "tokens": "tokens an answer", "layers": "layers"}


def step_seconds(
    *, batch: int, tokens: int, layers: int, width: int, vocabulary: int, repeats: int
) -> list[tuple[float, float]]:
    """(seconds, seconds of processor time) of each step after one that warms up."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from rlhf_core.algorithms.ppo import Policy, train
    from rlhf_core.common.events import Progress
    from rlhf_core.common.settings import PPOSettings
    from rlhf_core.lm.families import trunk_of

    torch.manual_seed(0)
    config = GPT2Config(
        n_layer=layers,
        n_embd=width,
        n_head=max(1, width // 32),
        vocab_size=vocabulary,
        n_positions=128,
    )
    trunk = trunk_of(GPT2LMHeadModel(config).eval().requires_grad_(False))
    settings = PPOSettings(
        steps=1 + repeats,
        batch_size=batch,
        minibatch_size=batch,
        max_new_tokens=tokens,
        epochs=EPOCHS,
        learning_rate=1e-5,
    )
    prompts = torch.randint(
        10, vocabulary, (8, 4), generator=torch.Generator().manual_seed(1)
    ).tolist()
    marks = []
    for item in train(
        policy=Policy(trunk, settings),
        reference=trunk,
        prompts=prompts,
        score_fn=lambda x: x[:, 0],
        settings=settings,
        end_id=-1,
        pad_id=1,
    ):
        if not isinstance(item, Progress):
            marks.append((time.perf_counter(), time.process_time()))
    return [
        (after[0] - before[0], after[1] - before[1]) for before, after in zip(marks[1:], marks[2:])
    ]


def measure(args) -> list[dict]:
    """A row a point: what grew, to what, and the medians."""
    fixed = {"batch": 32, "tokens": 24, "layers": args.layers}
    rows = []
    for what, sizes in GROWING.items():
        for size in sizes[:2] if args.quick else sizes:
            shape = (
                {**fixed, what: size}
                if not args.quick
                else {"batch": 8, "tokens": 4, "layers": 2, what: min(size, 16)}
            )
            steps = step_seconds(
                **shape, width=args.width, vocabulary=args.vocabulary, repeats=args.repeats
            )
            rows.append(
                {
                    "what": what,
                    "size": size,
                    "seconds": statistics.median(s for s, _ in steps),
                    "busy": statistics.median(b for _, b in steps),
                    "all": steps,
                }
            )
    return rows


def table(rows: list[dict]) -> str:
    lines = [
        "| what grows | to | s a step | of processor time | times the one before |",
        "|---|---|---|---|---|",
    ]
    for before, row in zip([None, *rows], rows):
        grown = (
            f"{row['busy'] / before['busy']:.2f}"
            if before and before["what"] == row["what"]
            else ""
        )
        low, high = min(s for s, _ in row["all"]), max(s for s, _ in row["all"])
        lines.append(
            f"| {row['what']} | {row['size']} {UNITS[row['what']]} | {row['seconds']:.3f}"
            f" ({low:.3f} to {high:.3f}) | {row['busy']:.3f} | {grown} |"
        )
    return "\n".join(lines)


def plot(rows: list[dict], path: Path, title: str) -> None:
    """The same as three lines over a doubling axis. .html needs nothing else; .png needs plotly's
    kaleido.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for what in GROWING:
        mine = [row for row in rows if row["what"] == what]
        first = mine[0]
        figure.add_scatter(
            x=[row["size"] / first["size"] for row in mine],
            y=[row["busy"] for row in mine],
            mode="lines+markers",
            name=f"{what} (1 = {first['size']})",
            text=[f"{row['size']} {UNITS[what]}" for row in mine],
            hovertemplate="%{text}: %{y:.2f} s<extra></extra>",
        )
    figure.update_layout(
        title=title,
        xaxis_title="times the smallest",
        yaxis_title="seconds of processor time a step",
        template="simple_white",
    )
    figure.update_xaxes(type="log", tickvals=[1, 2, 4, 8])
    figure.update_yaxes(type="log")
    if path.suffix == ".png":
        figure.write_image(path, width=900, height=560)
    else:
        figure.write_html(path, include_plotlyjs=True)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks scaling", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where the plot goes, .html or .png"
    )
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument(
        "--layers", type=int, default=4, help="while something else grows (default %(default)s)"
    )
    parser.add_argument(
        "--repeats",
        type=int,
        default=3,
        help="steps that count at each point (default %(default)s)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="two small points a line: whether it runs, not what it measures",
    )
    args = parser.parse_args(argv)
    if args.out and args.out.suffix not in (".html", ".png"):
        parser.error(f"the plot {args.out} must end in .html or .png")
    if args.quick:
        args.width, args.vocabulary, args.repeats = 32, 300, 1
    import torch

    torch.set_num_threads(threads())
    rows = measure(args)
    print(
        f"{processor()}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}: width"
        f" {args.width}, {args.vocabulary:,} tokens in the vocabulary, {EPOCHS} epochs"
    )
    print(table(rows))
    if args.out:
        plot(rows, args.out, f"A PPO step, width {args.width}, {torch.get_num_threads()} threads")
        print(f"The plot is in {args.out}.")
    return 0
