"""What only a person can say of a file: which question counts, and what the values of a choice
column mean (a small table, filled in with our guess). Knows nothing about files.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from rlhf_core.exchange.choice_column import MOST_VALUES
from rlhf_core.exchange.choice_map import NOTHING
from ui import text

MOST_LETTERS = 80
MEANS = {
    "a": "the first (left) text is better",
    "b": "the second (right) text is better",
    "tie": "a tie",
    "both_bad": "both are bad",
    "skip": "skipped",
    NOTHING: "no judgement: leave it out",
}


def ask(row: dict, key: str, read: Callable[[dict[str, str]], None]) -> None:
    """The table of ``row["choices"]`` ({"value", "count", "means"}), and a button that reads the
    file again with what it says. ``means`` is our guess, "" where there is none.
    """
    values, open_ = row["choices"], "problem" in row
    numbers = any(value["value"].lstrip("<>=-.")[:1].isdigit() for value in values)
    with st.expander(
        f"What each value means ({len(values)})",
        expanded=open_ or numbers,
        icon=":material/rule:",
        key=f"{key}_box",
    ):
        st.caption(
            "Our guess stands in the boxes. Check it against the file's own explanation: the"
            " opposite would be learned just as well."
            if open_
            else "This is how the file was read. Change what is wrong, then read it again."
        )
        if len(values) >= MOST_VALUES:
            st.caption(
                f"These are the {len(values)} most frequent. A row with another value is left out,"
                " unless it says by itself what it means."
            )
        sides = {pair.choice for pair in row.get("pairs", ())}
        if len(values) > 1 and sides in ({"a"}, {"b"}):
            st.warning(
                f"Every judgement says now: {MEANS[sides.pop()]}. Is that what the file says?",
                icon=":material/help:",
            )
        for number, value in enumerate(values):
            options = list(MEANS)
            times = "once" if value["count"] == 1 else f"{value['count']:,} times"
            guess = value["means"] or (None if open_ else NOTHING)
            st.selectbox(
                f"“{text.plain(_named(value['value']))}”, {times}",
                options,
                index=options.index(guess) if guess in options else None,
                format_func=MEANS.get,
                placeholder="Choose what it means",
                key=f"{key}_{number}",
            )
        st.button(
            "Read it like this" if open_ else "Read it again like this",
            key=f"{key}_read",
            type="primary" if open_ else "secondary",
            icon=":material/check:",
            on_click=_read,
            args=(values, key, read),
        )
        if st.session_state.pop(f"{key}_open", False):
            st.error("A value has no meaning yet. Choose one for each.", icon=":material/block:")


def _named(value: str) -> str:
    """A value in a label: cut short, and what cannot be seen by its number."""
    seen = "".join(c if c.isprintable() else f"[U+{ord(c):04X}]" for c in value)
    return seen if len(seen) <= MOST_LETTERS else f"{seen[:MOST_LETTERS]}…"


def pick(row: dict, key: str, read: Callable[[str], None]) -> None:
    """The question that says which answer is better, of ``row["questions"]``; then ``read`` it."""

    def picked() -> None:
        if st.session_state.get(key) in row["questions"]:
            read(st.session_state[key])

    st.selectbox(
        "Which of them says which answer is better?",
        row["questions"],
        index=row["questions"].index(row["question"]) if row["question"] else None,
        format_func=text.bare,
        placeholder="Choose one",
        key=key,
        on_change=picked,
    )


def _read(values: list[dict], key: str, read: Callable[[dict[str, str]], None]) -> None:
    said = {
        value["value"]: st.session_state.get(f"{key}_{number}")
        for number, value in enumerate(values)
    }
    if None in said.values():
        st.session_state[f"{key}_open"] = True
        return
    read(said)
