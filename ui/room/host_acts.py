"""What the host sees while people come in, practise and judge."""

from __future__ import annotations

import streamlit as st

from rlhf_core.rooms import records
from rlhf_core.rooms.records import Room
from ui import charts, text
from ui.charts import room as charts_room
from ui.labs import answer_card
from ui.room import host_links, names

CARDS = 3  # disputed pairs that can be read in full
NAMES = 60  # of those who came in, shown


def come_in(room: Room, secret: str, found: dict) -> None:
    host_links.join(room)
    writing(found)
    host_links.door(room, secret)
    people = [row for row in found["everybody"] if not row["left_out"]]
    if people:
        st.html(chips(people[::-1][:NAMES]))
    for half in room.halves:
        answer_card.brief(half.brief, "The brief" if len(room.halves) == 1 else "A half's brief")


def chips(people: list[dict]) -> str:
    """Who is here, newest first."""
    rows = "".join(f"<li>{names.html(row)}</li>" for row in people)
    return f'<ul class="op-chips-room">{rows}</ul>'


def writing(found: dict) -> None:
    """How far the model is with its answers."""
    if not found["pairs"]:
        st.caption(
            ":material/hourglass_top: The model writes its answers; practice needs none of them."
        )


def practice(room: Room, secret: str, found: dict) -> None:
    writing(found)
    st.metric("Have tried a pair", f"{found['practised']} of {found['people']}")
    for half in room.halves:
        answer_card.brief(half.brief, "The brief" if len(room.halves) == 1 else "A half's brief")


def judge(room: Room, secret: str, found: dict) -> None:
    writing(found)
    charts.draw(charts_room.by_minute(found["by_minute"]), key="room_by_minute")
    disputed(found)
    charts.draw(charts_room.fast_or_careful(named(found)), key="room_fast")


def named(found: dict) -> list[dict]:
    """Everybody who counts, by their one name."""
    return [
        {**row, "called": row["pseudonym"]} for row in found["everybody"] if not row["left_out"]
    ]


def disputed(found: dict) -> None:
    """The map of disputed pairs, and the first of them in full."""
    rows = found["disputed"]
    charts.draw(charts_room.disputed(rows), key="room_disputed")
    for n, row in enumerate([row for row in rows if row["of"]][:CARDS], 1):
        prompt = names.isolated(text.plain(row["prompt"]))
        with st.expander(f"{n}. {prompt}", key=f"room_pair_{n}"):
            feet = [f"{row['first']} of {row['of']}", f"{row['second']} of {row['of']}"]
            text.answers(
                row["prompt"],
                [row["a"], row["b"]],
                tags=["First answer", "Second answer"],
                feet=[f"preferred by {foot}" for foot in feet],
            )


PANELS = {records.JOIN: come_in, records.PRACTICE: practice, records.RANK: judge}
