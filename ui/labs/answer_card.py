"""A pair to judge in a lab: prompt, two texts, buttons and keys, and a clock that stands still
while the tab is out of sight.

Knows nothing about what an answer is used for: it calls ``take(choice, seconds)``. The card of the
ranking desk (``ranking``) does more; here one thing is asked at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import streamlit as st

from rlhf_core.common.errors import InputError
from ui import components, styles, text

PLACE = "lab_card"
CSS = styles.sheet("lab_card")

WORDS = {
    "a": ("A is better", "A"),
    "b": ("B is better", "B"),
    "tie": ("Tie", "T"),
    "both_bad": ("Both bad", "X"),
    "skip": ("Skip", "S"),
}
HELP = {
    "tie": "Equally good under the brief.",
    "both_bad": "Neither will do. Kept on record.",
    "skip": "I can't say. Kept on record.",
}


def brief(card: dict, heading: str = "The brief") -> None:
    """A brief's instructions on a card: what it says, and nothing where it says nothing."""
    who = (
        f' <span class="op-who">for: {text.escape(card["audience"])}</span>'
        if card.get("audience")
        else ""
    )
    rows = "".join(
        f"<li><b>{word}</b> {text.escape(card[name])}</li>"
        for name, word in (("prefer", "Better"), ("avoid", "Worse"), ("ties", "Tie"))
        if card.get(name)
    )
    st.html(
        '<div class="op-lab-brief">'
        f"<b>{text.escape(heading)}: {text.escape(card['title'])}</b>{who}<ul>{rows}</ul></div>"
    )


def draw(
    card: str,
    prompt: str,
    texts: Sequence[str],
    take: Callable[[str, float], None],
    *,
    choices: Sequence[str] = ("a", "b", "tie"),
    keys: bool = True,
    feet: Sequence[str] = ("", ""),
) -> None:
    """Draw one pair and call ``take`` with what was said.

    Args:
        card: names this pair: as long as it is the same, its clock runs on.
        texts: left and right.
        choices: which of a, b, tie, both_bad, skip to offer; a and b first.
    """
    work = st.session_state.get("lab_card")
    if not work or work["card"] != card:
        work = st.session_state["lab_card"] = {"card": card, "since": time.monotonic()}
    with st.container(border=True, key=PLACE):
        for column, letter, written, foot in zip(st.columns(2), "ab", texts, feet, strict=True):
            with column:
                text.answer(prompt, written, foot=foot)
                _button(letter, card, take, keys, kind="primary", width="stretch")
        if len(choices) > 2:
            with st.container(horizontal=True):
                for choice in choices[2:]:
                    _button(choice, card, take, keys)
        components.clock(_showing(work), place=PLACE)


def elapsed() -> float:
    """Seconds that the card which is up has been in sight."""
    work = st.session_state.get("lab_card")
    if not work:
        return 0.0
    passed = time.monotonic() - work["since"]
    return max(0.0, passed - components.seconds_away(_showing(work), PLACE))


def put_down() -> None:
    """No card is up any more: the next one starts its clock anew."""
    st.session_state.pop("lab_card", None)


def keys_switch() -> bool:
    """The off switch of single keys, shared with the Rank page; returns whether they are on."""
    st.session_state.setdefault("keys", True)
    st.toggle(
        "Single keys",
        value=st.session_state["keys"],
        key="lab_keys",
        on_change=_keep_keys,
        help="A and B choose, T is a tie. Switch it off if you use the keyboard in another way.",
    )
    return st.session_state["keys"]


def _keep_keys() -> None:
    st.session_state["keys"] = st.session_state["lab_keys"]


def _button(
    choice: str, card: str, take: Callable, keys: bool, kind: str = "secondary", **more
) -> None:
    label, shortcut = WORDS[choice]
    st.button(
        label,
        key=f"lab_{choice}",
        type=kind,
        on_click=_take,
        args=(choice, card, take),
        shortcut=shortcut if keys else None,
        help=HELP.get(choice),
        **more,
    )


def _take(choice: str, card: str, take: Callable[[str, float], None]) -> None:
    work = st.session_state.get("lab_card")
    if not work or work["card"] != card:
        return  # a second press that arrived after the card had moved on
    seconds = round(elapsed(), 2)
    put_down()
    try:
        take(choice, seconds)
    except InputError as error:
        st.session_state["note"] = str(error)


def _showing(work: dict) -> str:
    """Names this showing of the card: one that comes up again is a new one to the browser."""
    return f"{work['card']} {work['since']}"
