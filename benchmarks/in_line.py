"""Memory of one server on which several learners train GPT-2: their runs wait in line, then go one
after the other.

    python -m benchmarks memory [--sessions 3] [--steps 2] [--frozen 0] [--quick]

The GPT-2 124M shape with random weights, saved to a folder and chosen as a learner would.
Everything else is the app's own: sessions, the queue, bundles on disk.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.machine import peak_memory, threads
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.judging.preferences import Pair
from rlhf_core.lm import language_model
from rlhf_core.loop import reward
from rlhf_core.session import saving
from rlhf_core.session.state import Session
from rlhf_core.work import jobs
from rlhf_core.work.running import Order

PROMPTS = ("An opossum is", "A pigeon is", "My neighbour has", "The best thing about tea is")


def make_model(folder: Path, quick: bool) -> None:
    """A GPT-2 with random weights, and the bundled model's tokenizer of far fewer tokens."""
    import torch
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    size = dict(n_layer=2, n_embd=64, n_head=2, vocab_size=5_000) if quick else {}
    GPT2LMHeadModel(GPT2Config(**size)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(language_model.BUNDLED).save_pretrained(folder)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks memory", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sessions",
        type=int,
        default=3,
        help="learners whose runs wait in line (default %(default)s)",
    )
    parser.add_argument(
        "--steps", type=int, default=2, help="PPO steps of each (default %(default)s)"
    )
    parser.add_argument(
        "--frozen",
        type=int,
        default=0,
        help="bottom layers of twelve that are not trained (default %(default)s: everything is)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="a tiny model: whether it runs, not what it measures"
    )
    args = parser.parse_args(argv)
    import torch

    torch.set_num_threads(threads())
    with tempfile.TemporaryDirectory() as place:
        make_model(Path(place) / "model", args.quick)
        language_model.load(str(Path(place) / "model"))
        print(
            f"{args.sessions} sessions of a GPT-2 {'(tiny)' if args.quick else '124M'} shape; with"
            f" the model loaded the process holds {peak_memory() / 1e9:.2f} GB at its peak"
        )
        sessions, runs = [], []
        settings = PPOSettings(
            steps=args.steps,
            batch_size=16,
            minibatch_size=16,
            max_new_tokens=16,
            epochs=2,
            frozen_layers=0 if args.quick else args.frozen,
            learning_rate=1e-5,
        )
        for number in range(args.sessions):
            session = Session(
                model_name=str(Path(place) / "model"),
                seed=number,
                directory=Path(place) / f"session-{number}",
            )
            session.store = saving.Folder()
            session.judged.imported = [
                Pair(prompt, " a marsupial.", " a mood.", "a")
                for prompt in PROMPTS
                for _ in range(3)
            ]
            for _ in reward.fit_reward_model(session, RewardModelSettings(reference_samples=64)):
                pass
            sessions.append(session)
        for session in sessions:
            runs.append(
                jobs.queue().submit(
                    Order("ppo", session, (settings,)),
                    label="PPO",
                    owner=session.id,
                    long=True,
                    total=args.steps + 1,
                )
            )
        seen: dict[int, float] = {}
        while any(jobs.queue().view(run)["status"] in jobs.ALIVE for run in runs):
            time.sleep(0.2)
            done = sum(jobs.queue().view(run)["status"] not in jobs.ALIVE for run in runs)
            if done not in seen:
                seen[done] = peak_memory() / 1e9
        for run in runs:
            view = jobs.queue().view(run)
            if view["status"] != "done":
                print(f"A run ended as {view['status']}: {view['error']}")
                return 1
        for done in range(1, args.sessions + 1):
            print(
                f"  after {done} of {args.sessions} runs: peak"
                f" {seen.get(done, peak_memory() / 1e9):.2f} GB"
            )
        print(
            f"  aimed at: 16 GB with three in line; peak {peak_memory() / 1e9:.2f} GB,"
            f" {peak_memory() / 1e9 / 16:.0%} of it"
        )
    return 0
