"""A crowd on loopback that speaks Streamlit's own websocket protocol, and what it does to the app.

    python -m benchmarks load [click room ten abuse kill soak bare] [--people 100 --seconds 120 ...]

No browser: a tab is a websocket, its pages are read, its fragments poll as a browser's do. The
server is the app as it ships, on a free port, its sessions in a folder that goes again. All parts
run where none is named; ``soak`` is then short. The crowd is this process: what it uses of the
machine itself is told apart, for it shares the cores. Every part has a limit of time, and ends what
it started, also on Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.load import abuse, kill, room, server, soak, ten
from benchmarks.load.drawn import TabError
from benchmarks.load.figures import Figures

PARTS = {
    "click": (room.click, "what a judgement costs the server, alone and in a crowd"),
    "room": (room.room, "a room judges while others run PPO"),
    "ten": (ten.ten, "people press “Run it once” at the same moment"),
    "abuse": (abuse.abuse, "one stranger beside the room"),
    "kill": (kill.kill, "kill -9 of the server, then of a worker"),
    "soak": (soak.soak, "everything pressed in random order; what stays in memory"),
    "bare": (room.bare, "the same crowd on an app of one button: the floor"),
}
QUICK = {"people": 2, "seconds": 5.0, "join": 2.0, "ppo": 1, "ten": 2, "times": 1, "minutes": 0.5}


def parsed(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks load",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--people", type=int, default=100, help="who judge at the same time")
    parser.add_argument("--seconds", type=float, default=120.0, help="of judging, in each part")
    parser.add_argument("--join", type=float, default=60.0, help="seconds in which all come in")
    parser.add_argument("--every", type=float, default=4.0, help="seconds between two judgements")
    parser.add_argument("--ppo", type=int, default=2, help="others who run PPO beside the room")
    parser.add_argument("--ten", type=int, default=10, help="who press “Run it once” together")
    parser.add_argument("--times", type=int, default=10, help="how often something is killed")
    parser.add_argument("--minutes", type=float, default=5.0, help="of the soak; 120 to be sure")
    parser.add_argument("--seed", type=int, default=0, help="of who presses what, and when")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="measure that one too")
    parser.add_argument("--rounds", type=int, default=1, help="of both, by turns, if --against")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--quick", action="store_true", help="whether it runs: two people, seconds")
    args = parser.parse_args(argv)
    if unknown := [part for part in args.parts if part not in PARTS]:
        parser.error(f"There is no part {unknown[0][:40]!r}; choose of {', '.join(PARTS)}.")
    if args.people < 1 or args.every <= 0 or args.seconds <= 0:
        parser.error("--people, --every and --seconds must be more than 0.")
    if args.against and not (args.against / "serve.py").is_file():
        parser.error(f"There is no serve.py in {args.against}: --against wants a checkout.")
    args.root = server.ROOT
    if args.quick:
        vars(args).update(QUICK)
    return args


def limit(part: str, args: argparse.Namespace) -> float:
    """Seconds after which a part is given up."""
    pace = args.join + args.seconds
    return {
        "click": 600 + 2 * pace,
        "room": 1800 + pace,
        "bare": 300 + pace,
        "ten": 600 + 300 * (args.ten + 2),
        "abuse": 4 * (900 + pace),
        "kill": 1800 + 300 * args.times,
        "soak": 900 + 60 * args.minutes,
    }[part]


async def measure(args: argparse.Namespace, figures: Figures) -> bool:
    """All parts that are asked for; whether each came to its end."""
    this, whole = asyncio.current_task(), True
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    for part in args.parts or PARTS:
        for side, root in turns(args):
            args.root = root
            whole &= await one(part, side, args, figures)
    return whole


def turns(args: argparse.Namespace) -> list[tuple[str, Path]]:
    """Which checkout is measured when: by turns, each first as often as the other."""
    if not args.against:
        return [("", server.ROOT)]
    both = [("this", server.ROOT), ("other", args.against.resolve())]
    return [one for number in range(args.rounds) for one in (both, both[::-1])[number % 2]]


async def one(part: str, side: str, args: argparse.Namespace, figures: Figures) -> bool:
    """A part, once; whether it came to its end."""
    work, words = PARTS[part]
    figures.begin(part, words, side)
    began, most, whole = time.perf_counter(), limit(part, args), True
    with tempfile.TemporaryDirectory(prefix="opossum-load-") as folder:
        try:
            async with asyncio.timeout(most):
                await work(figures, args, Path(folder))
        except TimeoutError:
            figures.note(f"Given up: it did not end within {most:.0f} s.")
            whole = False
        except (TabError, RuntimeError) as error:
            figures.note(f"Given up: {error}")
            whole = False
    print(f"  ({time.perf_counter() - began:.0f} s)", flush=True)
    return whole


def main(argv: list[str]) -> int:
    args, figures = parsed(argv), Figures()
    try:
        whole = asyncio.run(measure(args, figures))
    except asyncio.CancelledError:
        return 143
    finally:
        if args.json:
            options = {name: value for name, value in vars(args).items() if name != "json"}
            figures.write(
                args.json, {k: str(v) if isinstance(v, Path) else v for k, v in options.items()}
            )
    figures.side_by_side()
    missed = sum(figure.missed for figure in figures.all)
    print(f"\n{missed} targets missed" if missed else "\nevery target reached")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
