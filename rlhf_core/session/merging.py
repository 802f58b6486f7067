"""Two writers changed the same part of a session: what it is then.

Each one's changes since what both knew are made on top of the other's, so that nothing that was
added or taken away is lost; where both set the same value, the one who comes later has it. Pure
functions; nothing is edited in place.

Source: three-way merging, as version control does it; of rows by their keys.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence


def merged(base: object, mine: object, theirs: object) -> object:
    """A field as both leave it."""
    if mine is base or mine == base:
        return theirs
    if theirs == base:
        return mine
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return merged_dicts(base if isinstance(base, dict) else {}, mine, theirs)
    if isinstance(mine, list) and isinstance(theirs, list):
        return merged_lists(base if isinstance(base, list) else [], mine, theirs)
    return mine


def merged_dicts(base: dict, mine: dict, theirs: dict) -> dict:
    """Key by key, at any depth."""
    found = {}
    for key in (*theirs, *(key for key in mine if key not in theirs)):
        if key in mine and key in theirs:
            found[key] = merged(base.get(key), mine[key], theirs[key])
        elif key not in base or (key in mine and mine[key] != base[key]):
            found[key] = mine[key] if key in mine else theirs[key]
        elif key in theirs and theirs[key] != base[key]:
            found[key] = theirs[key]  # I took away what they changed meanwhile: theirs stays
    return found


def merged_lists(base: list, mine: list, theirs: list) -> list:
    """Theirs, without what I took away, and with what I added at its end."""
    added = _without(mine, base)
    if added and theirs[: len(mine)] == mine:
        return theirs  # what I added is there already: it was sent twice
    return [*_without(theirs, _without(base, mine)), *_without(added, _without(theirs, base))]


def merged_rows(
    base: Sequence[str],
    mine: Sequence[tuple[str, object]],
    theirs: Sequence[tuple[str, object]],
    said: Callable[[object], Hashable | None],
) -> list[tuple[str, object]]:
    """Rows that have keys: theirs, without those that I took away, and those that I added at the
    end; what both added that says the same (``said``; None: nothing is the same) counts once.
    """
    known, own = set(base), {key for key, _ in mine}
    stay = [(key, row) for key, row in theirs if key in own or key not in known]
    there, heard = {key for key, _ in stay}, {said(row) for _, row in stay} - {None}
    added = [(key, row) for key, row in mine if key not in known and key not in there]
    return [*stay, *((key, row) for key, row in added if said(row) not in heard)]


def _without(rows: list, others: list) -> list:
    """``rows`` without one of each in ``others``."""
    left, found = list(others), []
    for row in rows:
        if row in left:
            left.remove(row)
        else:
            found.append(row)
    return found
