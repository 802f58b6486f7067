"""The lab "Speed and accuracy": gold items judged in two blocks, one relaxed and one against the
clock; seconds against correctness.

Two briefs take turns in each block, a biology homework helper and a meme bot: what is right under
the one is wrong under the other, so whoever doesn't read the brief is wrong half the time. Plain
data in ``session.labs["speed_accuracy"]``, a list of runs. Knows nothing about models; imports no
torch.

Each item is judged once in a run and the two blocks have different items, so the blocks are two
separate samples. The relaxed block always comes first: practice can only help the second one, so
that a second block that is worse was not made so by the order.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence

from rlhf_core.common.errors import InputError
from rlhf_core.common.intervals import difference_interval, wilson_interval
from rlhf_core.common.paired import median_interval
from rlhf_core.judging.gold_items import GoldItem, gold_items
from rlhf_core.session.state import Session

BRIEFS, BLOCKS = ("biology-homework", "meme-bot"), ("relaxed", "clock")
EACH = 6  # items of each brief in each block
SHORTEST, LONGEST = 1.5, 4.0  # seconds an answer that the clock allows, at least and at most
MOST_RUNS = 40


def runs_of(session: Session) -> list[dict]:
    """All runs of this session, oldest first."""
    return session.labs.get("speed_accuracy", [])


def _keep(session: Session, runs: list[dict]) -> None:
    with session.change():
        session.labs = {**session.labs, "speed_accuracy": runs}


def plan(seed: int) -> list[dict]:
    """The items of a run: rows {"block", "brief", "item" (number in its gold file), "left": is the
    better one on the left?}; the sides even within each block and brief.
    """
    lot, rows = random.Random(seed), []
    chosen = {slug: lot.sample(range(len(gold_items(slug))), 2 * EACH) for slug in BRIEFS}
    for place, block in enumerate(BLOCKS):
        items = []
        for slug in BRIEFS:
            sides = lot.sample([True, False] * (EACH // 2), EACH)
            items += [
                {"block": block, "brief": slug, "item": n, "left": left}
                for n, left in zip(chosen[slug][place * EACH : (place + 1) * EACH], sides)
            ]
        lot.shuffle(items)
        rows += items
    return rows


def begin(session: Session, who: str, seed: int, deadline: bool = True) -> dict:
    """Start a run for ``who``. ``deadline``: the second block ends when its time is up. Raises
    InputError.
    """
    runs = runs_of(session)
    if len(runs) >= MOST_RUNS:
        raise InputError(
            f"A session keeps {MOST_RUNS} runs of this lab, which is what it has now. Start over to"
            " make room."
        )
    again = any(run["who"] == who and run["answers"] for run in runs)
    run = {
        "who": who,
        "seed": seed,
        "items": plan(seed),
        "answers": [],
        "stage": "relaxed",
        "deadline": None,
        "timed": deadline,
        "again": again,
    }
    _keep(session, [*runs, run])
    return run


def gold_of(row: dict) -> GoldItem:
    return gold_items(row["brief"])[row["item"]]


def now(run: dict) -> dict | None:
    """What to judge: {"number" (in the run), "row", "item": GoldItem, "left", "right": texts}; None
    between and after the blocks.
    """
    if run["stage"] not in BLOCKS:
        return None
    number = len(run["answers"])
    row = run["items"][number]
    item = gold_of(row)
    texts = (item.better, item.worse) if row["left"] else (item.worse, item.better)
    return {"number": number, "row": row, "item": item, "left": texts[0], "right": texts[1]}


def used(run: dict) -> float:
    """Seconds of the block against the clock that its answers took."""
    return sum(row["seconds"] for row in run["answers"] if row["block"] == "clock")


def answer(session: Session, choice: str, seconds: float, number: int) -> None:
    """Record "a" (left) or "b" about item ``number`` of the newest run; one that comes late, or
    when the card has moved on, does not count.
    """
    runs = runs_of(session)
    run = runs[-1] if runs else None
    asked = now(run) if run else None
    if run is None or asked is None or asked["number"] != number or choice not in ("a", "b"):
        return
    timed = run["stage"] == "clock" and run["deadline"] is not None
    if timed and used(run) + seconds > run["deadline"]:
        stop(session, out_of_time=True)
        return
    row = {
        "block": run["stage"],
        "choice": choice,
        "seconds": round(seconds, 2),
        "right": (choice == "a") == asked["row"]["left"],
    }
    answers = [*run["answers"], row]
    stage = run["stage"]
    if len(answers) == len(run["items"]):
        stage = "done"
    elif run["items"][len(answers)]["block"] != stage:
        stage = "between"
    _keep(session, [*runs[:-1], {**run, "answers": answers, "stage": stage}])


def start_clock(session: Session) -> None:
    """Begin the second block: half of one's own relaxed pace, within limits."""
    runs = runs_of(session)
    if runs and runs[-1]["stage"] == "between":
        pace = statistics.median(row["seconds"] for row in runs[-1]["answers"])
        seconds = round(min(LONGEST, max(SHORTEST, pace / 2)) * EACH * len(BRIEFS), 1)
        deadline = seconds if runs[-1]["timed"] else None
        _keep(session, [*runs[:-1], {**runs[-1], "stage": "clock", "deadline": deadline}])


def stop(session: Session, *, out_of_time: bool = False) -> None:
    """End the newest run where it stands; a run without an answer is forgotten. ``out_of_time``: it
    was the clock that ended it.
    """
    runs = runs_of(session)
    if runs and runs[-1]["stage"] != "done":
        run = {**runs[-1], "stage": "done", "out_of_time": out_of_time}
        ended = [run] if run["answers"] else []
        _keep(session, [*runs[:-1], *ended])


# --- what it shows --------------------------------------------------------------------------------


def block_of(run: dict, block: str) -> dict:
    """One block in numbers: {"count", "right", "share" | None, "low", "high", "seconds" (median) |
    None, "seconds_low", "seconds_high" | None}.
    """
    rows = [row for row in run["answers"] if row["block"] == block]
    right, seconds = sum(row["right"] for row in rows), [row["seconds"] for row in rows]
    low, high = wilson_interval(right, len(rows))
    bounds = median_interval(seconds) or (None, None)
    return {
        "count": len(rows),
        "right": right,
        "share": right / len(rows) if rows else None,
        "low": low,
        "high": high,
        "seconds": statistics.median(seconds) if rows else None,
        "seconds_low": bounds[0],
        "seconds_high": bounds[1],
    }


def results(run: dict) -> dict:
    """Both blocks, their difference in shares of right answers (clock - relaxed) with its interval,
    and a sentence.
    """
    relaxed, clock = (block_of(run, block) for block in BLOCKS)
    low, high = difference_interval(
        clock["right"], clock["count"], relaxed["right"], relaxed["count"]
    )
    known = relaxed["count"] > 0 and clock["count"] > 0
    return {
        "relaxed": relaxed,
        "clock": clock,
        "difference": clock["share"] - relaxed["share"] if known else None,
        "low": low,
        "high": high,
        "words": _time_ran_out(run, clock) + _words(relaxed, clock, low, high),
    }


def _time_ran_out(run: dict, clock: dict) -> str:
    if not run.get("out_of_time"):
        return ""
    if not clock["count"]:
        return "Time ran out before your first answer against the clock. "
    return f"Time ran out after {clock['count']} of {EACH * len(BRIEFS)} answers. "


def _words(relaxed: dict, clock: dict, low: float, high: float) -> str:
    if not relaxed["count"] or not clock["count"]:
        return "Only one block has answers, so there is nothing to compare it with."
    faster = clock["seconds"] < relaxed["seconds"]
    pace = (
        f"Against the clock you took {clock['seconds']:.1f} s an answer, relaxed"
        f" {relaxed['seconds']:.1f} s. "
    )
    if not faster:
        return pace + "You did not hurry, so this says nothing about speed."
    if high < 0:
        return pace + "And you were right less often: speed cost accuracy."
    if low > 0:
        return pace + "And you were right more often: practice outweighed the hurry."
    drop = relaxed["share"] - clock["share"]
    what = "You were right just as often"
    if abs(drop) > 1e-9:
        how = "less" if drop > 0 else "more"
        what = f"You were right {how} often (by {100 * abs(drop):.0f} points of 100)"
    return (
        pace
        + f"{what}, but {clock['count']} answers against {relaxed['count']} allow for a true change"
        f" anywhere from {_points(low)} to {_points(high)} points: too few to tell."
    )


def _points(share: float) -> str:
    return f"{100 * share:+.0f}".replace("-", "\N{MINUS SIGN}")


def board(runs: Sequence[dict]) -> list[dict]:
    """Who did it against the clock, fastest first: {"who", "seconds" (mean an answer), "a_minute",
    "right", "count", "share"}. A person's first run counts.
    """
    rows, seen = [], set()
    for run in runs:
        answers = [row for row in run["answers"] if row["block"] == "clock"]
        if answers and run["who"] not in seen:
            seen.add(run["who"])
            mean = sum(row["seconds"] for row in answers) / len(answers)
            right = sum(row["right"] for row in answers)
            rows.append(
                {
                    "who": run["who"],
                    "seconds": mean,
                    "a_minute": 60 / max(mean, 0.01),
                    "right": right,
                    "count": len(answers),
                    "share": right / len(answers),
                }
            )
    return sorted(rows, key=lambda row: row["seconds"])


def story(rows: Sequence[dict]) -> str:
    """What the board shows once it says who was right: the talk's fastest annotator who came last,
    where it is so.
    """
    if len(rows) < 2:
        return (
            "With one person on the board there is no race yet: let somebody else sit down, and do"
            " it again."
        )
    fastest, best = rows[0], max(rows, key=lambda row: (row["share"], row["count"]))
    low, _ = difference_interval(best["right"], best["count"], fastest["right"], fastest["count"])
    sure = (
        ""
        if low > 0
        else " With so few answers that may be luck; a real project would look at hundreds."
    )
    if fastest["share"] >= best["share"]:
        return "The fastest was also right most often, or as often as anybody. That happens." + sure
    if fastest["share"] <= min(row["share"] for row in rows):
        return (
            "The fastest came last: a leaderboard that counts answers a minute rewards the worst"
            " labels." + sure
        )
    return "The fastest was not the most accurate." + sure
