"""A workshop room as the engine tells of it, without an engine: what tests of its pages draw."""

from __future__ import annotations

import dataclasses

from rlhf_core.judging.briefs import PRESETS
from rlhf_core.rooms.records import ACTS, RANK, Act, Half, Room, RoomSettings

WORTH = "These votes cannot be told from coin tosses; more of them may."
NOW = 1_800_000_000_000  # ms
TOLD = ("slug", "title", "audience", "prefer", "avoid", "ties", "version")


def room(act: str = RANK, *, slugs: tuple[str, ...] = ("meme-bot",), **settings) -> Room:
    halves = []
    for number, slug in enumerate(slugs):
        brief = {name: getattr(PRESETS[slug], name) for name in TOLD}
        halves.append(Half(number, f"{'s' * 15}{number}", brief))
    return Room(
        code="KHTWPZ",
        settings=RoomSettings(briefs=slugs, **settings),
        halves=tuple(halves),
        act=Act(act, NOW - 60_000, NOW + 240_000, NOW, False, 1 + ACTS.index(act)),
        people=24,
        pairs=60,
        opened_ms=NOW - 600_000,
        closes_ms=NOW + 86_400_000,
        gone_ms=NOW + 14 * 86_400_000,
        closed=False,
    )


def act_of(where: Room) -> dict:
    """The act as the figures tell it."""
    act = dataclasses.asdict(where.act)
    told = {"began": act["began_ms"], "until": act["until_ms"], "now": act["now_ms"]}
    return {"name": act["name"], "frozen": act["frozen"], "number": act["number"]} | {
        **told,
        "closed": where.closed,
    }


def person(number: int, **changes) -> dict:
    """A row of "everybody", as the host gets it."""
    row = {
        "number": number,
        "name": "",
        "pseudonym": f"Teal Otter {number}",
        "half": 0,
        "judged": 10 + number,
        "practice": 2,
        "left": 5,
        "decided": 9,
        "seconds": 2.0 + number / 4,
        "fast": 0.0,
        "gold_right": min(6, 2 + number % 5),
        "gold_of": 6,
        "agrees": 7,
        "agrees_of": 9,
        "marks": [],
        "left_out": False,
        "tapped": True,
        "here": True,
    }
    return row | changes


def pair(number: int = 1, **changes) -> dict:
    """A row of "disputed"."""
    row = {
        "pair": f"pair-{number}",
        "half": 0,
        "prompt": "An opossum is",
        "a": " a great character for memes, and it knows that.",
        "b": " a marsupial with a prehensile tail.",
        "first": 9,
        "second": 8,
        "tie": 2,
        "of": 19,
        "split": 0.53,
    }
    return row | changes


def vote(prompt: str = "A raccoon is", **changes) -> dict:
    """A row of a half's "prompts"."""
    row = {
        "prompt": prompt,
        "before": " a small animal.",
        "after": " my entire personality.",
        "for_before": 5,
        "for_after": 14,
        "tie": 3,
        "of": 22,
    }
    return row | changes


def standing(**changes) -> dict:
    """What was trained for a half."""
    told = {
        "gathered": 240,
        "new": 12,
        "gone": 0,
        "model": True,
        "accuracy": {"share": 0.68, "low": 0.61, "high": 0.75, "words": WORTH, "doubt": True},
        "summary": {"heldout_accuracy": 0.68, "heldout_interval": [0.61, 0.75]},
        "steps": 7,
        "gain": 1.3,
        "evaluation": None,
        "groups": groups(),
        "problem": "",
    }
    return told | changes


def groups() -> dict:
    """The record of "room_groups"."""
    share = {"right": 7, "of": 10, "share": 0.7, "low": 0.6, "high": 0.8}
    table = {name: {"majority": share, "minority": share} for name in ("majority", "minority")}
    return {
        "kind": "room_groups",
        "people": {"majority": 16, "minority": 8},
        "votes": {"majority": 160, "minority": 80},
        "table": table,
        "gap": {"difference": 0.1, "words": "Too few to tell."},
        "favourites": [
            {"prompt": "An opossum is", "majority": " a mood.", "minority": " an animal."}
        ],
    }


def figures(where: Room, **changes) -> dict:
    """What the host is told."""
    halves = len(where.halves)
    alpha = {"alpha": 0.41, "low": 0.33, "high": 0.49, "units": 38, "annotators": 24}
    told = {
        "act": act_of(where),
        "people": where.people,
        "here": 22,
        "left_out": 0,
        "practised": 21,
        "judged": 412,
        "minute": 63,
        "by_minute": [{"minute": n, "judged": 50 + 7 * n} for n in range(6)],
        "agreement": [alpha | {"words": "They agree.", "enough": True}] * halves,
        "disputed": [pair(n) for n in range(1, 6)],
        "split": pair(1),
        "contest": {
            name: person(n) | {"low": 0.3, "high": 0.9}
            for n, name in enumerate(("fastest", "surest"), 1)
        },
        "pairs": where.pairs,
        "covered": 54,
        "everybody": [person(n) for n in range(1, where.people + 1)],
        "words": [],
        "trained": [standing()] * halves,
        "votes": [
            {
                "pairs": 12,
                "votes": 180,
                "people": 20,
                "prompts": [vote(f"Prompt number {n} is") for n in range(12)],
                "judge": {
                    **{"pairs": 12, "wins": 9, "losses": 2, "ties": 1},
                    **{"win_rate": 0.79, "interval": [0.5, 0.93]},
                },
                "verdict": "better",
                "conclusion": "Better: the room prefers after on 9 of 12 prompts (75%).",
            }
        ]
        * halves,
    }
    return told | changes


def for_wall(told: dict) -> dict:
    """What the wall is told of that, where nobody's name may be shown."""
    rows = [{**row, "name": ""} for row in told["everybody"]]
    shown = [{**row, "name": ""} for row in told["words"] if row["status"] == "shown"]
    contest = {what: {**row, "name": ""} for what, row in (told["contest"] or {}).items()}
    return {**told, "everybody": rows, "words": shown, "contest": contest or None}
