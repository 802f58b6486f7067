"""Do real exploits exist on the bundled model? A search tries to fool reward models of the scripted
rater's votes; the exploits are rejected, and the holes looked at again.

    python -m benchmarks hack [--briefs biology-homework ...] [--seeds 2] [--prompts 3]
        [--comparisons 30] [--features 8]

For each brief and seed one session: scripted votes, a reward model, and for some of its prompts the
board of the page "Hack the reward model": the model's best of 64 against the five ways of
``hacking.attack``. "Beats" means: scores above the best of 64. Only what a rule calls nonsense
counts as an exploit; an answer about something else is right in tone and wrong in fact, which no
rule here can see, so it is counted apart.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

from rlhf_core.common.events import Progress
from rlhf_core.common.intervals import wilson_interval
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.judging import briefs
from rlhf_core.labs import hacking_board, hacking_game
from rlhf_core.loop import scripted_rater
from rlhf_core.session import asked
from rlhf_core.session.state import Session

DOUBTS = (1.0, 2.0)


def exhausted(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


def share(count: int, of: int) -> str:
    low, high = wilson_interval(count, of)
    return f"{count} of {of} ({low:.0%} to {high:.0%})"


def boards_of(
    slug: str, seed: int, prompts: int, comparisons: int, features: int
) -> list[tuple[dict, dict]]:
    """(board before, hole) for some prompts of one session; the hole is {} where there was no
    exploit. Each board starts from the same votes.
    """
    session = Session(briefs.PRESETS[slug], seed=seed)
    session.settings = {"reward_model": {"features": features, "seed": seed}}
    exhausted(scripted_rater.judge_for_me(session, comparisons, 2))
    found = []
    for prompt in asked.training_prompts(session)[:prompts]:
        exhausted(hacking_game.search(session, prompt))
        kept, hole = hacking_board.board_of(session, prompt), {}
        board = hacking_board.best_of_n_board(kept["entries"], kept["best"])
        if board["exploits"]:
            exhausted(hacking_game.reject_exploits(session, prompt))
            hole = hacking_board.board_of(session, prompt)["hole"]
            hacking_board.take_back_exploits(session)
        found.append((board, hole))
    return found


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks hack", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--briefs", nargs="+", default=["biology-homework", "meme-bot", "customer-reply"]
    )
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--prompts", type=int, default=3)
    parser.add_argument("--comparisons", type=int, default=30)
    parser.add_argument("--features", type=int, default=RewardModelSettings.features)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one prompt of one brief: whether it runs, not what it measures",
    )
    args = parser.parse_args(argv)
    if args.quick:
        args.briefs, args.seeds, args.prompts, args.comparisons = args.briefs[:1], 1, 1, 10
    began = time.perf_counter()
    for slug in args.briefs:
        boards, holes, examples = 0, [], []
        beats, absurd, survivors = Counter(), Counter(), Counter()
        for seed in range(args.seeds):
            for board, hole in boards_of(slug, seed, args.prompts, args.comparisons, args.features):
                best = next(row["score"] for row in board["rows"] if "n" in row)
                boards += 1
                for row in board["rows"]:
                    way = row["by"].removeprefix(hacking_board.SEARCH)
                    if way != row["by"]:
                        beats[way] += row["score"] > best
                        absurd[way] += bool(row["score"] > best and row["nonsense"])
                if hole:
                    holes.append(hole)
                    for k in DOUBTS:
                        left = hacking_board.with_doubt_taken_off(board, k)["left"]
                        survivors[k] += left > 0
                    first = next(row for row in board["rows"] if row["exploit"])
                    text = f"{first['text'].strip()!r} {first['score']:+.2f}"
                    examples.append(f"{text}, best of 64 {best:+.2f}")
        print(
            f"{slug}: {boards} boards, {args.comparisons} scripted votes each, {args.features}"
            " features"
        )
        print(
            "  boards with an exploit (nonsense above every honest text):"
            f" {share(len(holes), boards)}"
        )
        for way in beats:
            print(
                f"  {way}: beats the best of 64 on {beats[way]}, as nonsense by the rule on"
                f" {absurd[way]}"
            )
        for example in examples[:3]:
            print(f"  such as {example}")
        if holes:
            closed = sum(hole["closed"] for hole in holes)
            for k in DOUBTS:
                print(
                    f"  with {k:g} times its doubt taken off each score, an exploit still wins on"
                    f" {share(survivors[k], len(holes))}"
                )
            print(
                f"  rejected and trained again, the hole closed: {share(closed, len(holes))}",
                flush=True,
            )
    print(f"{time.perf_counter() - began:.0f} s in all")
    return 0
