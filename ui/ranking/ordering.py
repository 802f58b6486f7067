"""A list of outputs to put in order, for the ranking card: by picking the best first, with buttons
and number keys, or by dragging.

Keeps the picks so far in the card (``st.session_state["card"]``); what is done with the finished
order is the caller's (``judge``).
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ui import components, text

ORDINALS = ("1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th")


def draw(row: dict, shown: list[int], keys: bool, judge: Callable, *, drag: bool) -> None:
    """The list of ``row`` in the order ``shown``; ``judge(row, groups, verdict)`` takes the
    verdict.
    """
    work = st.session_state["card"]
    st.html(f'<div class="op-card-prompt"><span>Prompt</span> {text.escape(row["prompt"])}</div>')
    if drag:
        st.markdown(
            "**Put the best on top.** Drag, or use the arrows; = ties an answer with the one"
            " above it."
        )
        rows = [
            {
                "index": index,
                "prompt": text.short(row["prompt"]),
                "text": text.short(row["texts"][index]),
                "foot": foot(row, index),
            }
            for index in shown
        ]
        components.order(row["id"], rows, key="order", on_done=lambda: _dragged(row, judge))
    else:
        _picks(row, shown, keys, judge, work)
    with st.container(horizontal=True, key="list_other"):
        if not drag:
            button(
                ("✓ " if work["tie"] else "") + "Ties with the last pick",
                "T",
                "pick_tie",
                keys,
                _toggle_tie,
                help="First pick one. Then this says that the next pick is equally good.",
            )
            button(
                "Clear",
                "Z",
                "pick_clear",
                keys,
                _clear,
                disabled=not work["groups"],
                help="Begin this list again.",
            )
        button(
            "All bad",
            "X",
            "pick_bad",
            keys,
            judge,
            row,
            [],
            "both_bad",
            help="None will do. The reward model learns nothing from it; KTO takes all as bad.",
        )
        button(
            "Skip",
            "S",
            "pick_skip",
            keys,
            judge,
            row,
            [],
            "skip",
            help="I can't say. Kept on record, does not train.",
        )


def _picks(row: dict, shown: list[int], keys: bool, judge: Callable, work: dict) -> None:
    place = {index: number for number, group in enumerate(work["groups"]) for index in group}
    left = len(shown) - len(place)
    if work.pop("tie_too_early", False):
        st.markdown(
            "**A tie with what?** Pick the best one first. Then the button says that your next pick"
            " is equally good."
        )
    elif not place:
        st.markdown("**Which one is best?** Then the next best, down to the last.")
    elif work["tie"]:
        st.markdown(f"**Which one ties** with the {ORDINALS[len(work['groups']) - 1]}?")
    else:
        st.markdown(f"**Which is next best?** {left} to go.")
    for position, index in enumerate(shown):
        with st.container(key=f"answer_{position}", horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch"):
                text.answer(row["prompt"], row["texts"][index], foot=foot(row, index))
            label = ORDINALS[place[index]] if index in place else "Pick"
            button(
                label,
                str(position + 1),
                f"pick_{position + 1}",
                keys,
                _place,
                row,
                index,
                judge,
                disabled=index in place,
            )


def _dragged(row: dict, judge: Callable) -> None:
    groups = components.ordered("order", row["id"])
    if groups:
        judge(row, groups, None)


def _place(row: dict, index: int, judge: Callable) -> None:
    work = st.session_state.get("card") or {}
    if work.get("set") != row["id"] or any(index in group for group in work["groups"]):
        return
    if work["tie"] and work["groups"]:
        work["groups"][-1].append(index)
    else:
        work["groups"].append([index])
    work["tie"] = False
    if sum(map(len, work["groups"])) == len(row["texts"]):
        judge(row, work["groups"], None)


def _toggle_tie() -> None:
    work = st.session_state.get("card")
    if work and work["groups"]:
        work["tie"] = not work["tie"]
    elif work:
        work["tie_too_early"] = True


def _clear() -> None:
    work = st.session_state.get("card")
    if work:
        work.update(groups=[], tie=False)


def foot(row: dict, index: int) -> str:
    """A small line below an answer that breaks off."""
    finished = row.get("finished") or []
    return "breaks off" if index < len(finished) and not finished[index] else ""


def button(label, shortcut, key, keys, action, *args, **more) -> None:
    """A button of the card with its single key."""
    st.button(
        label, key=key, on_click=action, args=args, shortcut=shortcut if keys else None, **more
    )
