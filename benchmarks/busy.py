"""A PPO step on a busy machine: alone, two of them at once, and beside processes that only spin.

    python -m benchmarks busy [--steps 5] [--rounds 3] [--settings [GOMP_SPINCOUNT=1000 ...]]

The step is `benchmarks step`'s: 32 answers x 24 tokens x 4 epochs of the bundled model, everything
trained. Each one runs in a process of its own, which has loaded the model and made a step before
anything is timed. Two at once go on until both have been timed, so that neither ever has the cores
to itself. Nothing learns here (the learning rate is 0), so that all situations time the same texts.

A thread that waits can spin or sleep; rlhf_core/common/spinning.py says for how long it spins, and
with --settings that choice can be measured again (two processes a setting, half a gigabyte each).
Children start with no OpenMP variable but the one that is measured.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import product
from pathlib import Path
from statistics import median

from benchmarks.machine import processor, shipped

ROOT = Path(__file__).resolve().parent.parent
SPINNERS = 8
SPIN = """import os, time
mother, end = os.getppid(), time.monotonic() + 600
while time.monotonic() < end and os.getppid() == mother: pass"""  # nobody has to hunt it
ALONE, TWO, BESIDE = SITUATIONS = ("alone", "two at once", f"beside {SPINNERS} spinning")
Found = dict[str, dict[str, list[float]]]  # by setting and situation, seconds a step
SHIPPED = "as it ships"
SETTINGS = (
    SHIPPED,
    "KMP_BLOCKTIME=200",  # as PyTorch has it: LLVM's own value, which GNU's OpenMP does not read
    *(f"GOMP_SPINCOUNT={count}" for count in (30000, 10000, 5000, 2000, 1000, 500)),
    "OMP_WAIT_POLICY=PASSIVE",
    "OPOSSUM_THREADS=1",
)


# --- inside: one process that makes steps ------------------------------------------------------


def worker() -> int:
    """Makes steps from the line "go" on standard input to the line "stop"; prints their times."""
    from rlhf_core.algorithms.ppo import Policy, train
    from rlhf_core.common.events import Progress
    from rlhf_core.common.settings import PPOSettings
    from rlhf_core.judging import briefs
    from rlhf_core.lm import language_model

    lm = language_model.load()
    prompts = [lm.encode(p) for p in briefs.PRESETS["biology-homework"].training_prompts]
    settings = PPOSettings(steps=200, batch_size=32, minibatch_size=16, learning_rate=0.0)

    def steps() -> Iterator[float]:
        while True:
            work = train(
                policy=Policy(lm.trunk, settings),
                reference=lm.trunk,
                prompts=prompts,
                score_fn=lambda states: states[:, 0],
                settings=settings,
                end_id=lm.end_id,
                pad_id=lm.pad_id,
            )
            for item in work:
                if not isinstance(item, Progress) and item["step"]:
                    yield item["seconds"]

    next(steps())
    going, closed = threading.Event(), threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            (going.set if line.strip() == "go" else going.clear)()
        closed.set()
        going.set()

    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    while going.wait() and not closed.is_set():
        for seconds in steps():
            print(seconds, flush=True)
            if not going.is_set() or closed.is_set():
                break
        print("stopped", flush=True)
    return 0


# --- outside -----------------------------------------------------------------------------------


class Stepper:
    """A process that makes PPO steps while it is asked to."""

    def __init__(self, setting: str):
        own = dict([setting.split("=", 1)]) if "=" in setting else {}
        own |= {"TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        command = [sys.executable, "-m", "benchmarks.busy", "--worker"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=ROOT, env=shipped(own), **pipes)
        self.line("ready")

    def line(self, wanted: str = "") -> str:
        """The next line that it says (that is ``wanted``). RuntimeError where it has died."""
        while line := self.process.stdout.readline().strip():
            if not wanted or line == wanted:
                return line
        raise RuntimeError(f"A process that makes steps ended with {self.process.wait(10)}.")

    def say(self, word: str) -> None:
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def __enter__(self) -> Stepper:
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def spinning(count: int = SPINNERS) -> Iterator[None]:
    """``count`` processes beside us that do nothing but spin; they end with the block."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    others = []
    try:
        for _ in range(count):
            others.append(subprocess.Popen([sys.executable, "-c", SPIN], **quiet))
        time.sleep(0.5)
        yield
    finally:
        for other in others:
            other.kill()
        for other in others:
            other.wait()


def together(steppers: list[Stepper], steps: int, seconds: float) -> list[float]:
    """Seconds of ``steps`` steps of each (fewer, but one at least, where ``seconds`` run out).

    The first step of each does not count: the other may not have begun. None stops before all have
    been timed.
    """
    found: list[list[float]] = [[] for _ in steppers]
    until, enough = time.monotonic() + seconds, threading.Event()

    def follow(stepper: Stepper, mine: list[float]) -> None:
        try:
            stepper.line()
            while not enough.is_set():
                mine.append(float(stepper.line()))
                over = time.monotonic() > until
                if all(len(times) >= (1 if over else steps) for times in found):
                    enough.set()
        except BaseException:
            enough.set()  # the other would wait for this one for ever
            raise

    for stepper in steppers:
        stepper.say("go")
    with ThreadPoolExecutor(len(steppers)) as pool:
        list(pool.map(follow, steppers, found))
    for stepper in steppers:
        stepper.say("stop")
    for stepper in steppers:
        stepper.line("stopped")
    return [value for mine in found for value in mine[:steps]]


def measure(settings: list[str], rounds: int, steps: int, seconds: float) -> Found:
    """Every setting in every situation, ``rounds`` turns of ``steps`` steps each.

    All processes are there from the beginning, asleep until it is their turn, and the settings take
    turns within each situation: a machine whose speed drifts treats all alike.
    """
    found = {name: {situation: [] for situation in SITUATIONS} for name in settings}
    with ExitStack() as stack:
        pairs: dict[str, list[Stepper]] = {name: [] for name in settings}
        for name in [*settings, *settings]:  # one after the other: two starts at once take long
            pairs[name].append(stack.enter_context(Stepper(name)))
        for situation in SITUATIONS:
            for turn, name in product(range(rounds), settings):
                at_work = pairs[name] if situation == TWO else pairs[name][:1]
                with spinning() if situation == BESIDE else nullcontext():
                    times = together(at_work, steps, seconds)
                found[name][situation] += times
                said = f"{situation}, turn {turn + 1} of {rounds}, {name}"
                print(f"{said}: {median(times):.2f} s a step", file=sys.stderr)
    return found


def report(found: Found) -> None:
    """The table: median seconds a step with their range, and what they are in times."""
    fastest = min(median(row[ALONE]) for row in found.values())
    ratios = ("alone / fastest", "two / alone", "spinning / alone")
    print(f"| seconds a step | {' | '.join((*SITUATIONS, *ratios))} |")
    print("|---|" + "---|" * (len(SITUATIONS) + len(ratios)))
    for name, row in found.items():
        cells = []
        for times in row.values():
            cells.append(f"{median(times):.2f} ({min(times):.2f} to {max(times):.2f})")
        alone, two, beside = map(median, row.values())
        cells += [f"{alone / fastest:.2f}", f"{two / alone:.1f}", f"{beside / alone:.1f}"]
        print(f"| {name} | {' | '.join(cells)} |")
    print("aimed at: alone <= 1.25 x the fastest setting, two at once <= 3 x alone; ", end="")
    print(f"beside {SPINNERS} spinning a fair share is {(SPINNERS + 2) / 2:.0f} x")


def main(argv: list[str]) -> int:
    if argv == ["--worker"]:
        return worker()
    parser = argparse.ArgumentParser(prog="benchmarks busy", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5, help="timed steps a turn (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="turns a situation (default 3)")
    parser.add_argument("--seconds", type=float, default=30, help="end a turn early (default 30)")
    parser.add_argument("--quick", action="store_true", help="one step: whether it runs")
    parser.add_argument(
        "--settings",
        nargs="*",
        metavar="NAME=VALUE",
        help=f"compare settings; where none is named: {', '.join(SETTINGS)}",
    )
    args = parser.parse_args(argv)
    if args.quick:
        args.steps, args.rounds, args.seconds = 1, 1, 1.0
    chosen = list(args.settings or SETTINGS) if args.settings is not None else [SHIPPED]
    if wrong := [name for name in chosen if name != SHIPPED and "=" not in name]:
        parser.error(f"a setting is {SHIPPED!r} or NAME=VALUE, not {wrong[0]!r}")
    print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    report(measure(chosen, args.rounds, args.steps, args.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
