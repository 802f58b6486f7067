"""What a phone may send, and what it gets: the one way from its JSON to the engine and back.

Two carry it here: the server's desk (``endpoint``) and, without that, the page itself (``join``).
Everything that comes is a stranger's, so it is checked value by value before the engine hears of
it. Knows nothing about HTTP or pages.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import NamedTuple

from rlhf_core.common.errors import RoomError, StoreError
from rlhf_core.rooms import desk
from ui import rates

MOST_JUDGED, MOST_HELD = 50, 50  # of one request; the phone sends 25 and holds 20
MOST_LETTERS = 1_000  # of an ideal answer, before the engine says what fits; one a request
MOST_SECONDS = 1e6  # that a pair was looked at
CODE, SECRET = re.compile(r"[A-Za-z0-9 -]{1,20}"), re.compile(r"[A-Za-z0-9_-]{8,64}")
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
CHOICES = ("a", "b", "tie", "skip")
FIELDS = {"code": str, "me": str, "judged": list, "holds": list}
WROTE = "wrote"  # what somebody wrote: only where there is something
ROW = {"id", "pair", "choice", "seconds", "at"}
# Seconds until a phone asks again by itself, while nothing is tapped: a hundred of them are twenty
# requests a second.
POLL = 5.0
BUSY = "The server is busy. What you tapped is kept, and sent again by itself."
STATUS = {"unknown": 404, "closed": 410, "full": 403}

wrong_codes = rates.Buckets(rates.WRONG_CODES)  # by address, however they were tried
asked_of_person, asked_of_address = rates.Buckets(rates.DESK), rates.Buckets(rates.DESK_OF_ADDRESS)


class Answer(NamedTuple):
    """``status``: HTTP's number. ``said``: plain data; with any status but 200 {"sorry"}."""

    status: int
    said: dict


def sorry(status: int, sentence: str, **more) -> Answer:
    return Answer(status, {"sorry": sentence, **more})


def answer(asked: object, address: str) -> Answer:
    """What the desk says to a phone's request, which came from ``address``. Blocks: it asks the
    database.
    """
    wrong = fault(asked)
    if wrong:
        return sorry(400, wrong)
    # What is counted is a hash: a token stays nowhere that it need not.
    whose = hashlib.sha256(f"{asked['code']} {asked['me']}".encode()).hexdigest()
    wait = asked_of_address.take(address) or asked_of_person.take(whose)
    if wait:
        slower = "This phone asks more often than the room answers."
        return sorry(429, slower, wait=math.ceil(wait))
    try:
        more = (asked[WROTE],) if WROTE in asked else ()
        said = desk.take(asked["code"], asked["me"], asked["judged"], asked["holds"], *more)
    except RoomError as error:
        if error.kind == "unknown" and wrong_codes.take(address):
            return sorry(429, "Too many wrong codes came from your address.", wait=60)
        return sorry(STATUS.get(error.kind, 403), str(error))
    except StoreError:
        return sorry(503, BUSY)
    return Answer(200, {**said, "poll": POLL})


def fault(asked: object) -> str:
    """What is wrong with a request, in a sentence; "" where nothing is."""
    if not isinstance(asked, dict) or set(asked) - {WROTE} != set(FIELDS):
        return f"A request has exactly these fields: {', '.join(FIELDS)}."
    for name, kind in FIELDS.items():
        if not isinstance(asked[name], kind):
            return f"The field {name} is not what it should be."
    if not CODE.fullmatch(asked["code"]) or not SECRET.fullmatch(asked["me"]):
        return "That is no code of a room, or no token of a phone."
    if len(asked["judged"]) > MOST_JUDGED or len(asked["holds"]) > MOST_HELD:
        return f"At most {MOST_JUDGED} judgements and {MOST_HELD} pairs fit into one request."
    if not all(isinstance(one, str) and ID.fullmatch(one) for one in asked["holds"]):
        return "A pair that the phone holds has no proper name."
    if WROTE in asked and not _written(asked[WROTE]):
        return f"What was written is one text of at most {MOST_LETTERS:,} letters, about a pair."
    return next((wrong for row in asked["judged"] if (wrong := _row(row))), "")


def _written(rows: object) -> bool:
    if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict):
        return False
    row = rows[0]
    if set(row) != {"id", "pair", "text"} or not all(isinstance(one, str) for one in row.values()):
        return False
    named = SECRET.fullmatch(row["id"]) and ID.fullmatch(row["pair"])
    return bool(named) and len(row["text"]) <= MOST_LETTERS


def _row(row: object) -> str:
    if not isinstance(row, dict) or set(row) != ROW:
        return f"A judgement has exactly these fields: {', '.join(sorted(ROW))}."
    if not (isinstance(row["id"], str) and SECRET.fullmatch(row["id"])):
        return "A judgement's id is 8 to 64 letters and digits."
    if not (isinstance(row["pair"], str) and ID.fullmatch(row["pair"])):
        return "A judgement names no proper pair."
    if row["choice"] not in CHOICES:
        return f"A choice is one of {', '.join(CHOICES)}."
    if not _number(row["seconds"], MOST_SECONDS) or not _number(row["at"], 1e14):
        return "A judgement's seconds and time are numbers, 0 or more."
    return ""


def _number(value: object, most: float) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and math.isfinite(value) and 0 <= value <= most
