"""The host's page: the acts as a stepper with a clock, what to say and what goes wrong beside each,
what the room does, and the hand on people, typed text and the end.

It may be left, closed or opened twice: where a room stands is in the database, not here.
"""

from __future__ import annotations

import html

import streamlit as st

from rlhf_core.common.errors import RoomError, StoreError
from rlhf_core.rooms import acts, doors, figures, plans, records, training
from rlhf_core.rooms.records import ACTS, Act, Room
from rlhf_core.session import registry
from ui import charts, state, styles, text
from ui.room import (
    countdown,
    host_acts,
    host_end,
    host_links,
    host_mark,
    host_open,
    host_people,
    host_training,
    names,
    roles,
    wall_acts,
)
from ui.room.patience import patiently

EVERY = 2.0  # seconds between two looks
COUNTERS = 1.0  # and at the counters: with what is kept for a second, two behind at most
MORE = 2  # minutes that a press adds
ACT, PEOPLE, WORDS, LINKS, END = "This act", "People", "Typed text", "Links", "End"
STYLE = styles.sheet("room_host") + styles.sheet("room_away")


def draw(code: str, secret: str) -> None:
    st.html(f"<style>{STYLE}</style>")
    room = _room(code, secret)
    if st.session_state.get(host_open.FRESH) == room.code:
        host_links.first(room, secret)
    with st.container(key="room_head"):
        st.title(text.plain(room.settings.title), anchor=False)
        st.html(_steps(room.act))
    if room.closed:
        st.info(
            "This room is closed: nobody joins or judges any more. You can still export it, until"
            f" {host_links.day(room.gone_ms)}.",
            icon=":material/lock:",
        )
    _deck(room, secret)
    if error := st.session_state.pop(host_open.ERROR, None):
        st.error(text.plain(error), icon=":material/error:")
    look = None if room.closed else EVERY
    often = None if room.closed else COUNTERS
    drawn = host_mark.of(room)
    st.fragment(_numbers, run_every=often, key="room_numbers")(room, secret, drawn)
    shown, script = st.columns([2, 1], gap="large")
    with script:
        _script(room, secret)
    with shown:
        view = st.segmented_control(
            "Look at",
            [ACT, PEOPLE, WORDS, LINKS, END],
            default=ACT,
            required=True,
            key="room_look",
            label_visibility="collapsed",
        )
        _view(room, secret, view or ACT, look)


def _room(code: str, secret: str) -> Room:
    try:
        return doors.by_host(code, secret)
    except RoomError as error:
        st.title("Workshop room", anchor=False)
        st.error(text.plain(str(error)), icon=":material/key_off:")
        st.markdown(
            "The host's link is the one that the room began with; it is on the printed sheet. A"
            " code opens a room for those who join, not for its host."
        )
        st.button("To the start", key="room_leave", on_click=roles.leave)
        st.stop()
    except StoreError as error:
        st.error(f"{error} The room is not lost: reload this page in a moment.")
        st.stop()


def _steps(act: Act) -> str:
    """The acts, with the one that goes on."""
    here, rows = ACTS.index(act.name), []
    for place, name in enumerate(ACTS):
        kind = "op-here" if place == here else "op-done" if place < here else ""
        now = ' aria-current="step"' if place == here else ""
        rows.append(
            f'<li class="{kind}"{now}>{place + 1} {html.escape(plans.SCREENS[name].title)}</li>'
        )
    return f'<ol class="op-acts">{"".join(rows)}</ol>'


# --- the deck -------------------------------------------------------------------------------------


def _deck(room: Room, secret: str) -> None:
    """Back, on, more time, and the hand that holds everything."""
    act, place = room.act, ACTS.index(room.act.name)
    following = plans.after(act.name)
    with st.container(horizontal=True, vertical_alignment="center", key="room_deck"):
        st.button(
            "Back",
            key="room_back",
            icon=":material/arrow_back:",
            disabled=room.closed or place == 0,
            on_click=_act,
            args=(acts.step, room.code, secret, ACTS[place - 1]),
        )
        if following:
            st.button(
                f"Go on: {plans.SCREENS[following].title}",
                key="room_on",
                type="primary",
                icon=":material/arrow_forward:",
                icon_position="right",
                disabled=room.closed,
                on_click=_go_on,
                args=(room, secret, following),
            )
        st.button(
            f"+{MORE} min",
            key="room_more_time",
            icon=":material/more_time:",
            disabled=room.closed,
            on_click=_act,
            args=(_more_time, room.code, secret),
            help="On every screen at once. A clock that has run out ends nothing by itself.",
        )
        st.button(
            "Go on taking" if act.frozen else "Freeze",
            key="room_freeze",
            icon=":material/play_arrow:" if act.frozen else ":material/ac_unit:",
            disabled=room.closed,
            on_click=_act,
            args=(acts.freeze, room.code, secret, not act.frozen),
            help=(
                "A break on every phone, and the clock stands still. What was tapped just before is"
                " kept, and sent when you go on."
            ),
        )
    if act.frozen:
        st.warning(
            "Frozen: the phones show a break and the clock stands still, until you go on.",
            icon=":material/ac_unit:",
        )


def _more_time(code: str, secret: str) -> None:
    """``MORE`` minutes on top of what is left now, not of what was when the page was drawn."""
    act = doors.by_host(code, secret).act
    left = max(0.0, (act.until_ms - act.now_ms) / 60_000) if act.until_ms is not None else 0.0
    acts.set_clock(code, secret, left + MORE)


def _act(do, *args) -> None:
    """Do what the host asked, or keep the sentence that says why not."""
    try:
        patiently(do, *args)
    except (RoomError, StoreError) as error:
        st.session_state[host_open.ERROR] = str(error)


def _go_on(room: Room, secret: str, following: str) -> None:
    _act(acts.step, room.code, secret, following)
    st.session_state.pop(host_open.FRESH, None)
    st.session_state["room_look"] = ACT
    host_training.begin(room, secret, following)


def _script(room: Room, secret: str) -> None:
    """What to say, and what goes wrong, in this act of the plan."""
    screens = plans.SCREENS
    groups = _with_groups(room, secret)
    scene = plans.said(room.settings.plan, room.act.name, groups=groups, writing=not room.pairs)
    with st.container(border=True, key="room_script"):
        st.markdown(f"**{screens[room.act.name].title}**, {scene.minutes} minutes. Say:")
        st.markdown("\n".join(f"- {text.plain(line)}" for line in scene.say))
        for trouble, remedy in scene.wrong:
            with st.expander(text.plain(trouble), icon=":material/help:"):
                st.markdown(text.plain(remedy))
        st.caption(text.plain(screens[room.act.name].next))


def _with_groups(room: Room, secret: str) -> bool:
    """Are there models of a majority and a minority, or can there be some?"""
    if room.act.name not in (records.REWARD, records.TALK):
        return True
    try:
        told = [training.standing(room.code, secret, half.number) for half in room.halves]
    except (RoomError, StoreError):
        return False
    known = [one["groups"] for one in told if one["groups"]]
    enough = room.people >= plans.GROUPS_PEOPLE * len(room.halves)
    return any(one["table"] for one in known) if known else enough


# --- what the room does ---------------------------------------------------------------------------


def looked(room: Room, secret: str) -> dict | None:
    """The figures of now; None, and a sentence on the page, where they cannot be had."""
    try:
        return figures.for_host(room.code, secret)
    except (RoomError, StoreError) as error:
        if getattr(error, "kind", "") == "unknown":
            state.rerun()  # deleted from another tab: the whole page says so
        st.caption(text.plain(f"{error} This page looks again in a moment."))
        return None


def _numbers(room: Room, secret: str, drawn: list) -> None:
    """Clock and counters, two seconds behind at most; what another tab stepped to or started draws
    the page anew. ``drawn``: the mark of what it shows.
    """
    found = looked(room, secret)
    if found is None:
        return
    if found["act"]["number"] != room.act.number or host_mark.of(room) != drawn:
        state.rerun()
    _watch_over_answers(room, found)
    with st.container(horizontal=True, vertical_alignment="center", key="room_counts"):
        with st.container(width="content", key="room_clock"):
            countdown.draw(found["act"], key="room_countdown")
        out = f", {found['left_out']} left out" if found["left_out"] else ""
        _count("In the room", found["people"], f"{found['here']} here now{out}")
        _count("Judgements", found["judged"], f"{found['minute']} in the last minute")
        seen = f"{found['covered']} of {found['pairs']}" if found["pairs"] else "being written"
        _count("Pairs seen", seen, "judged at least once")
        for half, alpha in zip(room.halves, found["agreement"], strict=False):
            title = names.isolated(text.plain(half.brief["title"]))
            _count(
                f"Agreement · {title}" if len(room.halves) > 1 else "Agreement",
                charts.number(alpha["alpha"]) if alpha["enough"] else "–",
                wall_acts.bounds(alpha) if alpha["enough"] else "too few to tell",
                help=alpha["words"],
            )
        marked = sum(bool(row["marks"]) and not row["left_out"] for row in found["everybody"])
        waiting = sum(row["status"] == "waiting" for row in host_people.for_the_wall(room, found))
        if marked or waiting:
            told = [f"{marked} marked"] * bool(marked) + [f"{waiting} typed"] * bool(waiting)
            _count("Wait for you", marked + waiting, ", ".join(told))


def _watch_over_answers(room: Room, found: dict) -> None:
    """A job that nobody looks at leaves the line before it began; then it is asked for again."""
    session = None if found["pairs"] or room.closed else registry.get(room.session_id)
    if session is not None:
        told = state.job_of(session, "room_answers")  # which is a look
        if told is None or told["status"] == "expired":
            state.submit_for(session, "room_answers")


def _count(label: str, value: object, below: str, help: str | None = None) -> None:
    st.metric(label, value, below, delta_color="off", delta_arrow="off", help=help, width="content")


def _view(room: Room, secret: str, view: str, look: float | None) -> None:
    if view == LINKS:
        host_links.draw(room, secret)
    elif view == END:
        host_end.draw(room, secret)
    elif view in (PEOPLE, WORDS):
        part = host_people.people if view == PEOPLE else host_people.words

        def fresh() -> None:
            if (found := looked(room, secret)) is not None:
                part(room, secret, found)

        st.fragment(fresh, run_every=look, key=f"room_{view}")()
    elif room.act.name in host_training.PANELS:
        host_training.draw(room, secret)
    else:

        def panel() -> None:
            if (found := looked(room, secret)) is not None:
                host_acts.PANELS[room.act.name](room, secret, found)

        st.fragment(panel, run_every=look, key=f"room_act_{room.act.name}")()
