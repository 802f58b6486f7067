"""One slider or number field for one setting, drawn from the setting's own description (``rlhf_core.settings.describe``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

WIDE = 1000  # a range beyond this is typed, not dragged


def knob(
    row: dict, *, label: str, value: int | float, key: str, keep: Callable[[str], None], ladder: Sequence[float] = (), disabled: bool = False
) -> None:  # fmt: skip
    """Draw the setting ``row`` names; a change calls ``keep`` with its name.

    Args:
        label: its name as people say it, with its unit.
        ladder: the steps of a setting whose useful values spread over powers of ten; the default and ``value`` join them.
    """
    common = {"key": key, "help": row["help"], "on_change": keep, "args": (row["name"],), "disabled": disabled}
    if ladder:
        st.select_slider(label, sorted({*ladder, row["default"], value}), value, format_func=lambda number: f"{number:g}", **common)
    else:
        (st.number_input if row["high"] > WIDE else st.slider)(label, row["low"], row["high"], value, row["step"], **common)
