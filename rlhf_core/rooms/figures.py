"""What the host and the wall see, counted by the database; all but ``counts.of_room`` serves for a
second.

Small samples carry their interval. Plain values, JSON-able.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Row
from sqlalchemy.orm import Session as Open

from rlhf_core.common.seeds import seed_of
from rlhf_core.judging.annotators import FIRST, SECOND, TIE, agreement
from rlhf_core.rooms import counts, desk, enough, marks, reading, training, votes
from rlhf_core.rooms.fresh import Fresh
from rlhf_core.rooms.records import TALK
from rlhf_core.store import room_counts, room_rows
from rlhf_core.store.room_counts import Choices, OfPerson
from rlhf_core.store.tables import now_ms

SERVES = 1.0  # seconds
MOST_MINUTES, MOST_DISPUTED = 180, 30
LEAST_OTHERS = 2  # who judged the same pair: below, there is no majority to agree with
_COUNTED = Fresh(SERVES)
ON_THE_WALL = (
    *("half", "judged", "practice", "seconds", "gold_right", "gold_of", "agrees"),
    *("agrees_of", "here"),
)

BLIND = ("half", "pairs", "votes", "people")  # of the votes, what tells nothing


def for_host(code: str, host: str) -> dict:
    """{"act" (as ``desk.take``), **``counts.of_room``, "by_minute": [{"minute" (from the first
    judgement's, 0), "judged"}], "agreement": ``enough.agreement`` of each half, a list, "disputed":
    rows {"pair", "half", "prompt", "a", "b", "first", "second", "tie", "of", "split"}, most split
    first, at most 30, "split": the one of them that splits the room most | None: too few to tell,
    "contest": ``enough.contest``, "pairs", "covered" (judged at least once), "everybody": rows
    {"number",
    "name" | "", "pseudonym", "half", "judged", "practice", "skipped", "left", "decided", "seconds"
    | None (median), "fast" (under a second), "timed", "gold_right", "gold_of", "agrees",
    "agrees_of" (with most of the others, on pairs that two or more of them judged), "marks":
    [sentences], "left_out", "tapped" (at anything), "here"}, "words": rows {"word", "kind", "text",
    "number", "pseudonym", "prompt": what it is about | "", "status": waiting | shown | hidden}
    (untrusted), "trained": ``training.standing`` of each half, "votes": ``votes.standing`` of each
    half}. Raises RoomError.
    """
    with reading.database().look() as db:
        row = reading.row_for(db, code, host, "host")
        now = counts.of_room(db, row.room_id, now_ms())
    return {"act": desk.act(row), **_counted(row), **now}


def for_wall(code: str, wall: str) -> dict:
    """As ``for_host``, without who was left out, marks, the sessions' ids and what was typed unless
    the host let it through: "everybody" rows are {"pseudonym", "name", "half", "judged",
    "practice", "seconds", "gold_right", "gold_of", "agrees", "agrees_of", "here"} of those who were
    not left out, "words" only those shown, as {"kind", "text", "prompt", "pseudonym", "name"};
    "name" is "" unless the room's settings allow names and the host let this one through; of
    "votes", before the talk, only how many there are: which answer is which stays hidden. Raises
    RoomError.
    """
    with reading.database().look() as db:
        row = reading.row_for(db, code, wall, "wall")
        settings, _ = reading.facts(db, row.room_id)
        now = counts.of_room(db, row.room_id, now_ms())
    found = {**_counted(row), **now}
    shown = [word for word in found["words"] if word["status"] == "shown"]
    names = {word["number"]: word["text"] for word in shown if word["kind"] == "name"}
    names = names if settings.names_on_wall else {}

    def for_all(one: dict) -> dict:
        told = {name: one[name] for name in ("pseudonym", *ON_THE_WALL)}
        return {**told, "name": names.get(one["number"], "")}

    everybody = [for_all(one) for one in found["everybody"] if not one["left_out"]]
    contest = found["contest"]
    contest = (
        {what: for_all(one) | _bounds(one) for what, one in contest.items()} if contest else None
    )
    words = [
        {name: word[name] for name in ("kind", "text", "prompt", "pseudonym")}
        | {"name": names.get(word["number"], "")}
        for word in shown
        if word["kind"] != "name"
    ]
    trained = [{k: v for k, v in one.items() if k != "session_id"} for one in found["trained"]]
    told = {"everybody": everybody, "words": words, "trained": trained, "contest": contest}
    if row.act != TALK:
        told["votes"] = [{name: one[name] for name in BLIND} for one in found["votes"]]
    kept = {name: value for name, value in found.items() if name != "left_out"}
    return {"act": desk.act(row), **kept, **told}


def _bounds(one: dict) -> dict:
    return {"low": one["low"], "high": one["high"]}


def _counted(row: Row) -> dict:
    return _COUNTED.get((row.room_id, row.act_number), lambda: _count(row))


def _count(row: Row) -> dict:
    now, room_id = now_ms(), row.room_id
    with reading.database().look() as db:
        _, halves = reading.facts(db, room_id)
        people, texts = room_rows.people(db, room_id), reading.pairs(db, row)
        choices = room_counts.choices(db, room_id)
        everybody = _everybody(db, room_id, people, now)
        minutes = room_counts.by_minute(db, room_id)
        words = room_rows.words(db, room_id)
    mine = [[one for one in choices if one.half == half.number] for half in halves]
    busy = Counter(one["half"] for one in everybody if one["judged"] and not one["left_out"])
    seed = seed_of(row.seed, "agreement")
    names = {person.person: person.pseudonym for person in people}
    told, split = ("kind", "text", "status"), disputed(choices, texts)
    return {
        "by_minute": _minutes(minutes),
        "agreement": [
            enough.agreement(agreement(_units(mine[half.number]), busy[half.number], seed=seed))
            for half in halves
        ],
        "disputed": split[:MOST_DISPUTED],
        "split": enough.split(split),
        "contest": enough.contest([one for one in everybody if not one["left_out"]]),
        "pairs": sum(pair.purpose == "rank" for pair in texts.values()),
        "covered": len({one.pair_id for one in choices if texts[one.pair_id].purpose == "rank"}),
        "everybody": everybody,
        "words": [
            {"word": word.word_id, "number": word.person, "pseudonym": names[word.person]}
            | {name: getattr(word, name) for name in told}
            | {"prompt": texts[word.pair_id].prompt if word.pair_id in texts else ""}
            for word in words
        ],
        "trained": [training.stands(row, half) for half in halves],
        "votes": [votes.stands(row, half) for half in halves],
    }


def _units(choices: list[Choices]) -> list[list[float]]:
    """What was said of each pair that two or more judged, as ``annotators`` counts it."""
    said = ([FIRST] * one.a + [SECOND] * one.b + [TIE] * one.tie for one in choices)
    return [unit for unit in said if len(unit) > 1]


def disputed(choices: list[Choices], texts: dict[str, Row]) -> list[dict]:
    """The pairs that split a half, the most evenly split first; of two alike, what more judged.

    "split": the share that is not with the largest group.
    """
    rows = []
    for one in choices:
        count, pair = one.a + one.b + one.tie, texts[one.pair_id]
        split = 1 - max(one.a, one.b, one.tie) / count
        if split:
            said = {"first": one.a, "second": one.b, "tie": one.tie, "of": count, "split": split}
            shown = {"prompt": pair.prompt, "a": pair.a, "b": pair.b}
            rows.append({"pair": one.pair_id, "half": one.half, **shown, **said})
    return sorted(rows, key=lambda one: (-one["split"], -one["of"]))


def _minutes(counted: list[tuple[int, int]]) -> list[dict]:
    """Every minute from the first one on, those in which nobody judged too."""
    if not counted:
        return []
    found, first = dict(counted), counted[0][0]
    last = min(counted[-1][0], first + MOST_MINUTES - 1)
    return [
        {"minute": minute - first, "judged": found.get(minute, 0)}
        for minute in range(first, last + 1)
    ]


def _everybody(db: Open, room_id: str, people: list[Row], now: int) -> list[dict]:
    counted = {one.person: one for one in room_counts.of_people(db, room_id)}
    seconds = room_counts.median_seconds(db, room_id)
    agrees = agreeing(room_counts.of_shared(db, room_id))
    rows = []
    for person in people:
        number = person.person
        one = counted.get(number) or OfPerson(number, *[0] * (len(OfPerson._fields) - 1))
        same, of = agrees.get(number, (0, 0))
        rows.append(
            {
                "number": number,
                "name": person.name,
                "pseudonym": person.pseudonym,
                "half": person.half,
                **{name: value for name, value in one._asdict().items() if name != "person"},
                "seconds": seconds.get(number),
                "agrees": same,
                "agrees_of": of,
                "marks": marks.marks(one),
                "left_out": person.left_out,
                "tapped": number in counted,
                "here": now - person.seen_ms < counts.MINUTE,
            }
        )
    return rows


def agreeing(said: list[tuple[int, int, str, str]]) -> dict[int, tuple[int, int]]:
    """Person -> (how often they say what most of the others of their half say, of how many pairs on
    which the others have such a majority).

    said: (person, half, pair, choice).
    """
    of_pair: dict[tuple[int, str], dict[str, int]] = {}
    for _, half, pair, choice in said:
        counts = of_pair.setdefault((half, pair), {})
        counts[choice] = counts.get(choice, 0) + 1
    found: dict[int, tuple[int, int]] = {}
    for person, half, pair, choice in said:
        counts = of_pair[half, pair]
        others = sum(counts.values()) - 1
        if others < LEAST_OTHERS:
            continue
        left = {said: count - (said == choice) for said, count in counts.items()}
        most = max(left, key=left.__getitem__)
        if 2 * left[most] > others:
            same, of = found.get(person, (0, 0))
            found[person] = same + (choice == most), of + 1
    return found
