"""The tour: a card in the corner that tells one station after the other, and a frame around the
control to touch. It waits until that was touched, can be left, and goes on where it was left.

It changes nothing itself: what the learner does at a station is the real thing. The frame is a rule
of CSS, so that the control stays the learner's; a small script brings it into sight, once.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from rlhf_core.session import tour
from rlhf_core.session.state import Session
from ui import next_step, state, styles
from ui.tour.stations import STATIONS, Station

STYLE = styles.sheet("tour")
LOOK = 1.5  # seconds between two looks whether the control was touched
_bring = st.components.v2.component(
    "opossum_tour", js=(Path(__file__).resolve().parent / "bring.js").read_text(encoding="utf-8")
)


def minutes() -> int:
    """How long a host's tour takes."""
    return sum(station.minutes for station in STATIONS)


def begin(session: Session) -> None:
    """Open the tour where it was left; on its page, unless that is the present one."""
    now = tour.state(session)["station"]
    tour.keep(session, open=True, station=now if now < len(STATIONS) else 0)


def offer(session: Session, here: str) -> None:
    """The button in the sidebar that opens the tour. ``here``: the present page's title."""
    now = tour.state(session)
    if now["open"]:
        return
    begun = 0 < now["station"] < len(STATIONS)
    label = f"Go on with the tour ({now['station'] + 1} of {len(STATIONS)})"
    if st.button(
        label if begun else "Take the tour",
        key="tour_begin",
        icon=":material/explore:",
        type="tertiary",
        help=f"{len(STATIONS)} stations, about {minutes()} minutes; you do every step yourself.",
    ):
        begin(session)
        _to(STATIONS[tour.state(session)["station"]].page, here)


def draw(session: Session, here: str) -> None:
    """The card, where the tour is open. ``here``: the script of the present page."""
    now = tour.state(session)
    if not now["open"]:
        return
    st.html(f"<style>{STYLE}</style>")
    with st.container(key="tour"):
        if now["station"] >= len(STATIONS):
            _end(session)
            return
        station = STATIONS[now["station"]]
        if station.page == here:
            if now["since"] is None and station.watch:
                tour.keep(session, since=station.watch(session))
            _point(station, now["station"])
        # A press on Rank draws Rank's card alone, and a job ends whenever it does: so it looks.
        often = LOOK if station.page == here else None
        st.fragment(_card, run_every=often)(here)


def _point(station: Station, number: int) -> None:
    """Frame the control, and bring it into sight once."""
    st.html(f"<style>{frame(station.control, station.press)}</style>")
    _bring(key="tour_bring", data={"control": station.control, "station": number})


def frame(control: str, press: str = "") -> str:
    """The rule of CSS that frames the control of this key, or what to ``press`` in it."""
    return (
        f".st-key-{control} {press} {{outline: 3px solid light-dark(#a83f67, #f0a0bb);"
        f" outline-offset: {2 if press else 6}px; border-radius: .5rem;}}"
    )


def _card(here: str) -> None:
    """The station's words, and the way on."""
    session = state.session()
    now = tour.state(session)
    if not now["open"] or now["station"] >= len(STATIONS):
        return
    number, station = now["station"], STATIONS[now["station"]]
    clock = f" · {station.minutes} min" if now["host"] else ""
    st.markdown(
        f"Tour · {number + 1} of {len(STATIONS)}{clock}\n\n**{station.title}**\n\n{station.story}"
    )
    if now["host"]:
        st.markdown(f":material/record_voice_over: *{station.say}*")
    arrived = station.page == here
    touched = arrived and station.touched(session, now["since"])
    if arrived:
        mark = ":material/check_circle:" if touched and station.watch else ":material/touch_app:"
        st.markdown(f"{mark} **{station.do}**")
    with st.container(horizontal=True, key="tour_ways"):
        if st.button("Back", key="tour_back", icon=":material/arrow_back:", disabled=not number):
            _go_on(session, number - 1, here)
        if not arrived:
            if st.button("Go there", key="tour_there", icon=":material/arrow_forward:"):
                _to(station.page, here)
        elif st.button(
            "Next" if touched else "Skip",
            key="tour_next",
            icon=":material/arrow_forward:",
            type="secondary" if touched else "tertiary",
        ):
            _go_on(session, number + 1, here)
        if st.button(
            "Leave",
            key="tour_leave",
            type="tertiary",
            help="It goes on from here when you come back.",
        ):
            tour.leave(session)
            st.rerun()  # the whole page: the frame goes too
    st.toggle(
        "I lead a room",
        value=now["host"],
        key="tour_host",
        on_change=lambda: tour.keep(session, host=bool(st.session_state.get("tour_host"))),
        help=f"Adds what to say and how long, {minutes()} minutes in all.",
    )


def _go_on(session: Session, number: int, here: str) -> None:
    tour.go(session, number)
    _to(STATIONS[number].page if number < len(STATIONS) else here, here)


def _to(page: str, here: str) -> None:
    """Run the app again, at ``page``. The wish stays until that is drawn (``next_step.follow``):
    the former page may be polling at this very moment.
    """
    if page != here:
        st.session_state[next_step.GOING] = Path(page).stem
    st.rerun()


def _end(session: Session) -> None:
    st.markdown(
        "**That was the loop.** You said what is better, a model learned it, another was bent to"
        " it, and you looked whether it was worth it."
    )
    with st.container(horizontal=True):
        st.button(
            "Done", key="tour_leave", on_click=lambda: tour.keep(session, open=False, station=0)
        )
