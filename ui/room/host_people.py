"""The host's hand on people and on what they typed. Nothing here is silent: each press is an event,
and stands in the export.

Pressing twice is asked of what changes the figures: once to say whom, once to mean it.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.errors import RoomError, StoreError
from rlhf_core.rooms import integrity, limits
from rlhf_core.rooms.records import Room
from ui import charts, text
from ui.room import names
from ui.room.patience import patiently

ASKED, ERROR = "room_asked", "room_hand_error"  # in the session's state
MOST_WORDS = 40  # texts on the page at a time; those that wait come first
WHAT = {"name": "a nickname", "prompt": "a prompt", "ideal": "an ideal answer"}


def people(room: Room, secret: str, found: dict) -> None:
    """Everybody, those to look at first."""
    rows = found["everybody"]
    if error := st.session_state.pop(ERROR, None):
        st.error(text.plain(error), icon=":material/error:")
    if not rows:
        st.caption("Nobody has joined yet.")
        return
    marked = [row for row in rows if row["marks"] and not row["left_out"]]
    out = [row for row in rows if row["left_out"]]
    for row in marked:
        _line(room, secret, row, "Leave out")
    for row in out:
        _line(room, secret, row, "Take in again")
    st.html(table(rows))
    if marked or out:
        st.caption("Who is left out counts nowhere from the next training on; it stays on record.")
    silent(room, secret, rows)
    others = [row for row in rows if not row["marks"] and not row["left_out"]]
    if others:
        with st.popover("Leave out somebody else", key="room_others"):
            numbers = {row["number"]: row for row in others}
            chosen = st.selectbox(
                "Whom?",
                list(numbers),
                format_func=lambda number: names.line(numbers[number]),
                key="room_whom",
            )
            if chosen in numbers:
                _line(room, secret, numbers[chosen], "Leave out")


def silent(room: Room, secret: str, rows: list[dict]) -> None:
    """Of a full room: everybody who has judged nothing, out at one press; the second means it."""
    key = "room_silent"
    none = [row for row in rows if not row["left_out"] and not row["tapped"]]
    if not none or len([row for row in rows if not row["left_out"]]) < limits.people():
        return
    st.caption(
        f"The room is full, and {len(none)} in it have tapped nothing. Who is left out takes"
        " nobody's place."
    )
    if st.session_state.get(ASKED) != key:
        st.button(f"Leave out all {len(none)} who are silent", key=key, on_click=_ask, args=(key,))
        return
    with st.container(horizontal=True):
        st.button(
            "Yes, leave them out",
            key=f"{key}_yes",
            type="primary",
            on_click=_do,
            args=(integrity.leave_out_silent, room.code, secret),
        )
        st.button("No", key=f"{key}_no", on_click=_ask, args=("",))


def _line(room: Room, secret: str, row: dict, does: str) -> None:
    """A person, what is the matter, and the press; the second one means it."""
    number, key = row["number"], f"room_{'in' if row['left_out'] else 'out'}_{row['number']}"
    asked = st.session_state.get(ASKED) == key
    why = "left out" if row["left_out"] else " ".join(row["marks"]) or "not marked"
    with st.container(horizontal=True, vertical_alignment="center", border=True, key=f"{key}_row"):
        st.markdown(f"**{names.markdown(row)}** {text.plain(why)}", width="stretch")
        if not asked:
            st.button(does, key=key, on_click=_ask, args=(key,))
            return
        do = integrity.take_in if row["left_out"] else integrity.leave_out
        args = (number,) if row["left_out"] else (number, " ".join(row["marks"]))
        st.button(
            f"Yes, {does.lower()}",
            key=f"{key}_yes",
            type="primary",
            on_click=_do,
            args=(do, room.code, secret, *args),
        )
        st.button("No", key=f"{key}_no", on_click=_ask, args=("",))


def _ask(key: str) -> None:
    st.session_state[ASKED] = key


def _do(do, *args) -> None:
    st.session_state.pop(ASKED, None)
    try:
        patiently(do, *args)
    except (RoomError, StoreError) as error:
        st.session_state[ERROR] = str(error)


def table(rows: list[dict]) -> str:
    """Everybody, a row each; who is to be looked at, and who judged most, first."""
    order = sorted(rows, key=lambda row: (not row["marks"], -row["judged"], row["number"]))
    lines = []
    for row in order:
        gold = f"{row['gold_right']} of {row['gold_of']}" if row["gold_of"] else "–"
        agrees = f"{row['agrees']} of {row['agrees_of']}" if row["agrees_of"] else "–"
        seconds = "–" if row["seconds"] is None else f"{charts.number(row['seconds'], 1)} s"
        left = "–"
        if row["decided"]:
            left = charts.percent(row["left"] / row["decided"])
        kind = ' class="op-out"' if row["left_out"] else ' class="op-marked"' * bool(row["marks"])
        cells = (names.html(row), row["judged"], seconds, left)
        lines.append(
            f"<tr{kind}>{''.join(f'<td>{cell}</td>' for cell in (*cells, gold, agrees))}</tr>"
        )
    heads = ("Who", "Judged", "Median", "Left", "Known answers", "As most")
    head = "".join(f"<th scope='col'>{word}</th>" for word in heads)
    body = "".join(lines)
    return (
        f'<div class="op-people" tabindex="0" role="region" aria-label="Everybody"><table><thead>'
        f"<tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def for_the_wall(room: Room, found: dict) -> list[dict]:
    """What people typed that may ever stand on the wall; nicknames only where the room has them."""
    names = room.settings.names_on_wall
    return [row for row in found["words"] if names or row["kind"] != "name"]


def words(room: Room, secret: str, found: dict) -> None:
    """What people typed: nothing of it is on the wall before a press here."""
    rows = for_the_wall(room, found)
    if error := st.session_state.pop(ERROR, None):
        st.error(text.plain(error), icon=":material/error:")
    st.caption(
        "What people typed reaches the wall only by your press."
        + ("" if room.settings.names_on_wall else " Nicknames never do in this room.")
    )
    rows.sort(key=lambda row: row["status"] != "waiting")
    shown_first = rows[:MOST_WORDS]
    waiting = [row for row in shown_first if row["status"] == "waiting"]
    if not rows:
        st.caption("Nobody has typed anything.")
    if len(waiting) > 1:
        st.button(
            f"Show all {len(waiting)} that wait (I have read them)",
            key="room_show_all",
            on_click=_show_all,
            args=(room, secret, waiting),
        )
    for row in shown_first:
        shown = row["status"] == "shown"
        with st.container(
            horizontal=True, vertical_alignment="center", border=True, key=f"word_{row['word']}"
        ):
            what = WHAT.get(row["kind"], row["kind"])
            about = f" to “{names.isolated(text.plain(row['prompt']))}”" if row["prompt"] else ""
            st.text(f"{text.bare(row['text'])}", width="stretch")
            st.caption(
                f"{what}{about}, by {text.plain(row['pseudonym'])}" + " · on the wall" * shown
            )
            for word, to in (("Show", True), ("Keep off", False)):
                if row["status"] == "waiting" or to != shown:
                    st.button(
                        word,
                        key=f"word_{row['word']}_{'show' if to else 'hide'}",
                        on_click=_do,
                        args=(integrity.show, room.code, secret, row["word"], to),
                    )

    if len(rows) > MOST_WORDS:
        st.caption(f"{len(rows) - MOST_WORDS} more follow when these are settled.")


def _show_all(room: Room, secret: str, rows: list[dict]) -> None:
    for row in rows:
        _do(integrity.show, room.code, secret, row["word"], True)
