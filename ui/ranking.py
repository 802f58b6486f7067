"""The ranking card: one prompt, its outputs, and everything a person may say about them.

Two outputs are an A/B choice; more are put in order by picking the best first. Which side an output stands on is shuffled (people favour a side) and recorded, and so
are the seconds from first sight to verdict. Works by mouse, touch, Tab, or one key each. Knows nothing about what a judgement is used for.
"""

from __future__ import annotations

import random
import time

import streamlit as st

from rlhf_core.session import Session
from ui import state, text

CSS = """
[data-testid="stMain"] :has(> .st-key-brief_bar) {position: sticky; top: 3.9rem; z-index: 20;}
.op-brief {border: 1.5px solid light-dark(#d9b7a0, #6a5549); border-radius: 14px; background: light-dark(#fdf3e6, #2e2621); padding: .6rem 1rem .65rem; line-height: 1.4;
  box-shadow: 0 4px 14px rgb(0 0 0 / .06);}
.op-brief .op-who {opacity: .75;}
.op-brief ul {list-style: none; margin: .3rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: .1rem 1.4rem; font-size: .95rem;}
.op-brief li {margin: 0; padding: 0; font-size: inherit;} .op-brief li b {margin-right: .35em;}
@media (max-width: 640px) {.op-brief {font-size: .88rem; padding: .45rem .7rem;} .op-brief ul {font-size: .85rem;} .op-brief .op-who, .op-brief .op-ties {display: none;}}
.op-card-prompt {font-size: 1.25rem; line-height: 1.4; overflow-wrap: anywhere; margin-bottom: .2rem;}
.op-card-prompt span {opacity: .72; font-size: .95rem;}
[class*="st-key-answer_"] .op-answer {padding: .5rem .8rem;}
[class*="st-key-answer_"] button {min-width: 5.2rem;}
@media (min-width: 641px) {[class*="st-key-pair_"] .op-answer {font-size: 1.2rem; min-height: 7.5rem;}}
"""

ORDINALS = ("1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th")


def order_on_screen(session: Session, row: dict) -> list[int]:
    """Indices into the set's texts, shuffled; the same for a set however often the page is drawn."""
    shown = list(range(len(row["texts"])))
    random.Random(f"{session.id}/{row['id']}").shuffle(shown)
    return shown


def card(session: Session, row: dict, *, keys: bool) -> None:
    """Draw candidate set ``row`` and take the verdict; ``keys``: single keys work."""
    if st.session_state.get("card", {}).get("set") != row["id"]:
        st.session_state["card"] = {"set": row["id"], "since": time.monotonic(), "groups": [], "tie": False}
    shown = order_on_screen(session, row)
    if len(set(row["texts"])) < len(row["texts"]):
        st.caption("Some of these are the same, word for word. A tie says so; skip works too.")
    (_pair if len(shown) == 2 else _whole_list)(row, shown, keys)


def _pair(row: dict, shown: list[int], keys: bool) -> None:
    st.html(f'<div class="op-card-prompt"><span>Prompt</span> {text.escape(row["prompt"])}</div>')
    with st.container(key="pair_answers"):
        for column, letter, index, other in zip(st.columns(2), "AB", shown, reversed(shown), strict=True):
            with column:
                text.answer(row["prompt"], row["texts"][index], foot=_foot(row, index))
                _button(f"{letter} is better", letter, f"pick_{letter.lower()}", keys, _judge, row, [[index], [other]], None, kind="primary", width="stretch")
    with st.container(horizontal=True, key="pair_other"):
        _button("Tie", "T", "pick_tie", keys, _judge, row, [list(shown)], None, help="Equally good under the brief. A tie trains half each way.")
        _button("Both bad", "X", "pick_bad", keys, _judge, row, [], "both_bad", help="Neither will do. Kept on record, does not train.")
        _button("Skip", "S", "pick_skip", keys, _judge, row, [], "skip", help="I can't say. Kept on record, does not train.")


def _whole_list(row: dict, shown: list[int], keys: bool) -> None:
    work = st.session_state["card"]
    place = {index: number for number, group in enumerate(work["groups"]) for index in group}
    st.html(f'<div class="op-card-prompt"><span>Prompt</span> {text.escape(row["prompt"])}</div>')
    left = len(shown) - len(place)
    if work.pop("tie_too_early", False):
        st.markdown("**A tie with what?** Pick the best one first. Then T (or the button) says that your next pick is equally good.")
    elif not place:
        st.markdown("**Which one is best?** Then the next best, down to the last.")
    elif work["tie"]:
        st.markdown(f"**Which one ties** with the {ORDINALS[len(work['groups']) - 1]}?")
    else:
        st.markdown(f"**Which is next best?** {left} to go.")
    for position, index in enumerate(shown):
        with st.container(key=f"answer_{position}", horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch"):
                text.answer(row["prompt"], row["texts"][index], foot=_foot(row, index))
            label = ORDINALS[place[index]] if index in place else "Pick"
            _button(label, str(position + 1), f"pick_{position + 1}", keys, _place, row, index, disabled=index in place)
    with st.container(horizontal=True, key="list_other"):
        _button("Ties with the last pick", "T", "pick_tie", keys, _toggle_tie, kind="primary" if work["tie"] else "secondary",
                help="First pick one. Then this says that the next pick is equally good.")  # fmt: skip
        _button("Clear", "Z", "pick_clear", keys, _clear, disabled=not place, help="Begin this list again.")
        _button("All bad", "X", "pick_bad", keys, _judge, row, [], "both_bad", help="None of them will do. Kept on record, does not train.")
        _button("Skip", "S", "pick_skip", keys, _judge, row, [], "skip", help="I can't say. Kept on record, does not train.")


def undo(session: Session) -> None:
    """Take back the last pick of a half-made list, else the last judgement."""
    work = st.session_state.get("card")
    if work and work["groups"]:
        work["groups"][-1].pop()
        work["groups"] = [group for group in work["groups"] if group]
        work["tie"] = False
        return
    if can_undo(session):
        st.session_state["first"] = session.undo_ranking().id
        st.session_state.pop("card", None)


def can_undo(session: Session) -> bool:
    """Is there a pick or a judgement under this brief to take back?"""
    picks = st.session_state.get("card", {}).get("groups")
    return bool(picks) or bool(session.rankings and session.rankings[-1].brief == session.brief.slug)


def next_row(session: Session, form: int, *, writing: bool) -> dict | None:
    """What to judge now: a list that is half made, what was asked for or taken back last, then the learner's own prompts, then the next set of ``form`` answers.

    While none of that form waits and none is being written, any set will do (a tuned model may repeat itself too much for four different answers).
    """
    rows = list(session.unranked())
    begun = st.session_state.get("card") or {}
    first = [row for row in rows if begun.get("groups") and row["id"] == begun["set"]] + [row for row in rows if row["id"] == st.session_state.get("first")]
    own = [row for row in rows if row["prompt"] in session.user_prompts]
    return next(iter(first + own), None) or session.next_set(form) or (None if writing else session.next_set())


def _judge(row: dict, groups: list[list[int]], verdict: str | None) -> None:
    session = state.session()
    work = st.session_state.get("card") or {}
    if work.get("set") != row["id"]:
        return  # a second click that arrived after the card had moved on
    st.session_state.pop("card")
    try:
        session.add_ranking(
            row["id"], groups=groups, verdict=verdict, shown=order_on_screen(session, row), seconds=round(time.monotonic() - work["since"], 2)
        )  # fmt: skip
    except ValueError as error:  # judged in another tab already, or no longer there
        st.session_state["note"] = str(error)


def _place(row: dict, index: int) -> None:
    work = st.session_state.get("card") or {}
    if work.get("set") != row["id"] or any(index in group for group in work["groups"]):
        return
    if work["tie"] and work["groups"]:
        work["groups"][-1].append(index)
    else:
        work["groups"].append([index])
    work["tie"] = False
    if sum(map(len, work["groups"])) == len(row["texts"]):
        _judge(row, work["groups"], None)


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


def _foot(row: dict, index: int) -> str:
    finished = row.get("finished") or []
    return "breaks off" if index < len(finished) and not finished[index] else ""


def _button(label, shortcut, key, keys, action, *args, kind="secondary", **more) -> None:
    st.button(label, key=key, on_click=action, args=args, type=kind, shortcut=shortcut if keys else None, **more)
