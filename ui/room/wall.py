"""The projector's page: read only, large, one screen an act, nothing to scroll, and always what
happens next. It knows the wall's key, and what the engine tells for that; of people and of what
they typed, that is only what the host let through.
"""

from __future__ import annotations

import html

import streamlit as st

from rlhf_core.common.errors import RoomError, StoreError
from rlhf_core.rooms import doors, figures, plans, records
from rlhf_core.rooms.records import ACTS, Room
from rlhf_core.session import registry
from rlhf_core.session.state import Session
from ui import projector, styles, text
from ui.charts import Chart
from ui.charts import ppo as charts_ppo
from ui.charts import room as charts_room
from ui.room import countdown, reach, wall_acts, wall_results

EVERY = 1.5  # seconds between two looks
LAST = "wall_last"  # in the session's state: the figures that were drawn last
CONFIG = {"displayModeBar": False, "staticPlot": True, "responsive": True}
CLOCK = "wall_countdown"
GONE = "This room was deleted, with everything in it. Thank you for coming."
# Of a chart, in hundredths of the screen's width (of a 16:9 picture): as css/room_wall.css places.
HEIGHTS = {records.REWARD: 32.0, records.PPO: 16.5, "half": 11.6}
LETTERS = 1.5 / 12.8  # times larger, for each pixel of such a hundredth
STYLE = styles.sheet("room_wall") + styles.sheet("room_away")


def draw(code: str, key: str) -> None:
    st.html(f"<style>{STYLE}</style>")
    try:
        room = doors.by_wall(code, key)
    except (RoomError, StoreError) as error:
        st.html(
            wall_acts.screen(
                "Workshop room",
                "",
                f"<p class='op-say'>{text.escape(str(error))}</p>",
                "Ask the host for the wall's link; it is on the printed sheet.",
            )
        )
        return
    st.fragment(_look, run_every=None if room.closed else EVERY, key="wall_look")(room, key)


def _look(room: Room, key: str) -> None:
    try:
        found = st.session_state[LAST] = figures.for_wall(room.code, key)
    except StoreError:  # busy: what was there stays
        found = st.session_state.get(LAST)
    except RoomError as error:
        why = GONE if error.kind == "unknown" else str(error)
        said = f"<p class='op-say'>{text.escape(why)}</p>"
        st.html(wall_acts.screen(room.settings.title, "", said, ""))
        return
    if found is None:
        return
    st.html(page(room, found))
    act = found["act"]
    size = countdown.window(CLOCK)
    with st.container(key="wall_clock"):
        countdown.draw(act, key=CLOCK, without="", size=size)
    where = act["name"] if len(room.halves) == 1 else "half"
    for place, chart in enumerate(charts_of(room, found)):
        _chart(chart, f"wall_chart_{where}_{place}", HEIGHTS[where], size)


def page(room: Room, found: dict) -> str:
    """The whole screen but its clock and charts, as HTML; everything foreign in it is escaped."""
    act = found["act"]
    screens, place = plans.SCREENS[act["name"]], ACTS.index(act["name"])
    dots = "".join(
        f'<i class="{"op-here" if n == place else "op-done" if n < place else ""}"></i>'
        for n in range(len(ACTS))
    )
    head = f"<b>{place + 1} {html.escape(screens.title)}</b><span class='op-dots'>{dots}</span>"
    link = reach.address(room=room.code)
    if act["closed"]:
        body = "<p class='op-say'>This room is closed. Thank you for coming.</p>"
    else:
        body = MAINS[act["name"]](room, found, link)
    banner = "<p class='op-pause'>A pause: nothing is taken just now.</p>" if act["frozen"] else ""
    following = "" if act["closed"] else screens.next
    return wall_acts.screen(
        room.settings.title, head, banner + body, following, wall_acts.corner(room, link)
    )


def sessions(room: Room) -> list[Session]:
    """Where the halves' models are."""
    found = [registry.get(half.session_id) for half in room.halves]
    return [session for session in found if session is not None]


def _ppo(room: Room, found: dict, link: str) -> str:
    return wall_results.ppo(room, sessions(room))


def charts_of(room: Room, found: dict) -> list[Chart]:
    """The charts of the act; they stand where the screen leaves room for them."""
    act = found["act"]["name"]
    if found["act"]["closed"]:
        return []
    if act == records.REWARD and len(room.halves) == 1:
        rows = [{**row, "called": row["pseudonym"]} for row in found["everybody"]]
        return [charts_room.fast_or_careful(rows)]
    if act != records.PPO:
        return []
    drawn = []
    for session in sessions(room):
        metrics, steps = list(session.tuned.metrics), wall_results.end(room, session)
        drawn.append(charts_ppo.reward(metrics, steps))
        drawn.append(charts_ppo.kl_to_reference(metrics, steps))
    for chart, short in zip(drawn, ("Reward (SD)", "KL (nats)") * 2, strict=False):
        chart.figure.update_yaxes(title_text=short)
        chart.figure.update_layout(showlegend=False)
    if len(room.halves) > 1:  # a chart a half: the score, which is what differs
        drawn = drawn[::2]
    return drawn


def _chart(chart: Chart, key: str, height: float, size: tuple[int, int]) -> None:
    """``chart``, its letters and its ``height`` as large as the window ``size`` allows."""
    unit = min(size[0] / 100, size[1] / 56.25)  # css/room_wall.css calls it --u
    projector.enlarge(chart.figure, LETTERS * unit)
    chart.figure.update_layout(height=round(height * unit))
    chart.figure.update_yaxes(nticks=5)
    with st.container(key=key):
        st.plotly_chart(
            chart.figure, width="stretch", key=f"{key}_plot", config=CONFIG, alt=chart.alt
        )


MAINS = {
    records.JOIN: wall_acts.come_in,
    records.PRACTICE: wall_acts.practice,
    records.RANK: wall_acts.judge,
    records.REWARD: wall_results.reward,
    records.PPO: _ppo,
    records.VOTE: wall_results.vote,
    records.TALK: wall_results.talk,
}
