"""What the host and the wall see, counted by the database; each answer serves for a second.

Small samples carry their interval. Plain values, JSON-able.
"""

from __future__ import annotations


def for_host(code: str, host: str) -> dict:
    """{"act" (as ``desk.take``), "people", "here" (heard of within a minute), "judged", "minute"
    (judgements in the last 60 s), "by_minute": [{"minute", "judged"}] of the rank act, "agreement":
    {"alpha" | None, "low", "high", "units", "annotators", "words"} by half: a list, "disputed":
    rows {"pair", "half", "prompt", "a", "b", "first", "second", "tie", "of", "split"}, most split
    first, at most 30, "pairs", "covered" (judged at least once), "everybody": rows {"number",
    "name" | "", "pseudonym", "half", "judged", "practice", "left", "decided", "seconds" | None
    (median), "fast" (share under a second), "gold_right", "gold_of", "agrees", "agrees_of" (with
    the others' majority, on pairs that three or more judged), "marks": [sentences], "left_out",
    "here"}, "words": rows {"word", "kind", "text", "number", "pseudonym", "status": waiting | shown
    | hidden} (untrusted), "trained": by half what ``training.standing`` says, "votes": as
    ``votes.standing``}. Raises RoomError.
    """
    raise NotImplementedError


def for_wall(code: str, wall: str) -> dict:
    """As ``for_host``, without marks and without anything typed that the host did not let through:
    "everybody" rows are {"called", "half", "judged", "seconds", "gold_right", "gold_of", "agrees",
    "agrees_of"}, "words" only those shown, as {"kind", "text", "called"}. Raises RoomError.
    """
    raise NotImplementedError
