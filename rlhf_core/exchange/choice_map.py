"""What a person says that values of a choice column mean: ``1=a,2=b,"no, left"=a,>=4=tie``.

A map holds what was typed: a value, or a limit for numbers. Said twice and differently of one
value, it is refused by name: which was meant, nobody can know. Knows nothing about files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rlhf_core.common.known import known
from rlhf_core.exchange.choices import number_of, shown
from rlhf_core.exchange.import_report import ImportRefused
from rlhf_core.judging.preferences import CHOICES

NOTHING = "none"  # such a cell is no judgement
_QUOTED = re.compile(r'\s*"((?:[^"]|"")*)"\s*=([^,]*)(?:,|$)')
_PLAIN = re.compile(r"([^,]*)(?:,|$)")
_LIMIT = re.compile(r"(<=|>=|<|>)\s*(.+)")
_SIGNS = {"≤": "<=", "≥": ">="}


def parse_map(text: str) -> dict[str, str]:
    """A choice map as it is typed: ``1=a,2=b,3=tie``; ``<4=a,4=tie,>4=b`` for numbers; a value with
    a comma in it stands in quotation marks.

    Raises ImportRefused naming the part that is none, or the value that has two meanings.
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(text) or not found:
        if quoted := _QUOTED.match(text, at):
            key, sign, meaning = quoted[1].replace('""', '"'), "=", quoted[2]
            part, at = quoted[0], quoted.end()
        else:
            plain = known(_PLAIN.match(text, at))
            part, at = plain[1], plain.end()
            key, sign, meaning = part.rpartition("=")
        key, meaning = key.strip(), meaning.strip().casefold().replace(" ", "_")
        if not sign or not key or meaning not in (*CHOICES, NOTHING):
            raise ImportRefused(
                f"The choice map {shown(text)} is not understood at {shown(part.strip())}: it must"
                f" look like 1=a,2=b,3=tie, with one of {', '.join(CHOICES)}, {NOTHING} behind each"
                ' value; a value with a comma stands in quotation marks: "yes, left"=a.'
            )
        if found.get(key, meaning) != meaning:
            raise _both(key, f"{written(key)}={found[key]}", f"{written(key)}={meaning}")
        found[key] = meaning
    return found


def written(key: str) -> str:
    """A value as ``parse_map`` reads it."""
    if "," in key or '"' in key or key != key.strip():
        return '"' + key.replace('"', '""') + '"'
    return key


def fits(key: str, value: object) -> bool:
    """Does this part of a map speak of this cell?"""
    number = number_of(value)
    if " ".join(key.split()).casefold() == key_of(value).casefold():
        return True
    limit = _limit(key)
    bound = number_of(limit[2] if limit else key)
    if number is None or bound is None:
        return False
    return {
        "<": number < bound,
        "<=": number <= bound,
        ">": number > bound,
        ">=": number >= bound,
    }.get(limit[1] if limit else "", number == bound)


def is_limit(key: str) -> bool:
    """Does it speak of all numbers on one side of a number?"""
    limit = _limit(key)
    return limit is not None and number_of(limit[2]) is not None


def _limit(key: str) -> re.Match | None:
    for sign, plain in _SIGNS.items():
        key = key.replace(sign, plain)
    return _LIMIT.fullmatch(key)


def told(value: object, asked: Mapping[str, str]) -> str | None:
    """What the map says of this value; None where it says nothing. Raises ImportRefused where it
    says two things.
    """
    said = [key for key in asked if fits(key, value)] if asked else []
    for key in said[1:]:
        if asked[key] != asked[said[0]]:
            raise _both(
                key_of(value), *(f"{written(part)}={asked[part]}" for part in (said[0], key))
            )
    return asked[said[0]] if said else None


def key_of(value: object) -> str:
    """A cell as a map names it."""
    number = number_of(value)
    if number is not None and not isinstance(value, bool):
        return f"{number:g}"
    return " ".join(str(value).split())


def _both(value: str, one: str, other: str) -> ImportRefused:
    return ImportRefused(
        f"The choice map says two things of {shown(value)}: {one} and {other}. Keep one."
    )
