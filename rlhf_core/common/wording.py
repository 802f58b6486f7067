"""Numbers in the engine's sentences, as print has them."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """ "1 pair", "2 pairs"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, and a minus that is one: "+0.75", "−0.75".

    Values that round to nothing carry a plus.
    """
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
