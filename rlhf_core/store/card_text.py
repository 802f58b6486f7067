"""Text of a card: what somebody typed, quoted so that it stays text in YAML, Markdown and HTML, and
small pieces of Markdown.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable

from rlhf_core.common.untrusted import straight, unlinked


def printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else " " for c in straight(text))


def quoted(text: str) -> str:
    """A YAML double-quoted string (JSON's is one, where every character is printable)."""
    return json.dumps(printable(text).replace("\n", " "), ensure_ascii=False)


def inline(text: object) -> str:
    """Text inside a Markdown line: whatever could be markup or HTML is escaped."""
    return re.sub(
        r"([\\`*_{}\[\]()#+!|<>&~$:-])", r"\\\1", unlinked(printable(str(text)).replace("\n", " "))
    ).strip()


def block(rows: Iterable[str]) -> str:
    """An indented block: nothing in it is markup."""
    lines = [line for row in rows for line in printable(str(row)).splitlines()]
    return "\n".join("    " + line for line in lines)


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells are Markdown already."""
    lines = [[*heads]]
    lines += [["---"] * len(lines[0]), *([*row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}" if number else f"no {thing}s"


def number(value: object) -> float | None:
    """A finite number, or None: a record may come from a file."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def share(value: object, interval: object = None) -> str:
    """A share in percent with its 95% interval, where both are there."""
    found = number(value)
    if found is None:
        return "not known"
    between = ""
    if isinstance(interval, list | tuple) and len(interval) == 2:
        low, high = map(number, interval)
        if low is not None and high is not None:
            between = f" (95% interval {low:.0%} to {high:.0%})"
    return f"{found:.0%}{between}"
