"""What the host sees and starts once the room has judged: reward model, PPO, blind vote, verdict.

The jobs are everybody's, over the room's own session, which this tab works on (``roles``); of a
room of two halves, over both sessions, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from rlhf_core.common.errors import RoomError, StoreError
from rlhf_core.common.wording import counted
from rlhf_core.rooms import acts, enough, plans, records, training, votes
from rlhf_core.rooms.records import Half, Room
from rlhf_core.session import registry, rounds
from ui import charts, monitor, state, styles, text, verdict
from ui.charts import annotation_labs as charts_labs
from ui.charts import room as charts_room
from ui.ppo import cockpit
from ui.ppo.steering import ERROR as PPO_ERROR
from ui.ppo.steering import Steering
from ui.reward_model import verdict as of_fit
from ui.room import host_open, roles
from ui.room.patience import patiently

EVERY = 2.0  # seconds between two looks at a job
GROUPS, FAVOURITES = ("majority", "minority"), 3
WHERE = "Measured on prompts that nobody trained on; the room's votes count a prompt as one vote."
STYLE = styles.sheet("ppo")


def draw(room: Room, secret: str) -> None:
    """The panel of the act; of a room of two halves, for the half that is looked at."""
    if len(room.halves) > 1:
        st.segmented_control(
            "Which half?",
            range(len(room.halves)),
            default=roles.half(room),
            format_func=lambda place: text.plain(room.halves[place].brief["title"]),
            required=True,
            key="room_half_pick",
            on_change=_other_half,
        )
    try:
        standing = training.standing(room.code, secret, roles.half(room))
        PANELS[room.act.name](room, secret, standing)
    except (RoomError, StoreError) as error:
        st.error(text.plain(str(error)), icon=":material/error:")


def _other_half() -> None:
    st.session_state[roles.HALF] = st.session_state["room_half_pick"]


def begin(room: Room, secret: str, act: str) -> None:
    """What an act needs is begun as the host goes on to it."""
    if act == records.VOTE:
        measure(room, secret)
    elif act == records.TALK:
        _each(room, lambda half: votes.count(room.code, secret, half.number))


def _each(room: Room, do: Callable[[Half], object]) -> None:
    """Do something for every half; what one cannot is told, and keeps the other from nothing."""
    for half in room.halves:
        try:
            patiently(do, half)
        except (RoomError, StoreError) as error:
            if len(room.halves) == 1 or roles.half(room) == half.number:
                st.session_state[host_open.ERROR] = str(error)


def _submit(half: Half, name: str, *args, **more) -> None:
    if (session := registry.get(half.session_id)) is not None:
        state.submit_for(session, name, *args, **more)


# --- the reward model -----------------------------------------------------------------------------


def fit(room: Room, secret: str) -> None:
    """Gather what counts now, and train on it: everybody's model, and the groups'."""

    def one(half: Half) -> None:
        training.gather(room.code, secret, half.number)
        _submit(half, "fit")  # and the groups at once: neither waits for this page
        _submit(half, "room_groups")

    _each(room, one)


def groups_lost(room: Room) -> None:
    """Ask again for the groups' models that a restart took out of the line."""
    for half in room.halves:
        session = registry.get(half.session_id)
        if session is None or not session.learned.head or session.labs.get(training.GROUPS):
            continue
        jobs = [state.job_of(session, name) or {} for name in ("fit", "room_groups")]
        if jobs[0].get("status") not in state.ALIVE and not jobs[1] and not room.closed:
            state.submit_for(session, "room_groups")


def reward(room: Room, secret: str, standing: dict) -> None:
    groups_lost(room)
    session, busy = state.session(), state.alive("fit") or state.alive("room_groups")
    again = bool(session.learned.head)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Train it again" if again else "Train the reward model",
            key="room_fit",
            type="primary" if not again or standing["new"] or standing["gone"] else "secondary",
            icon=":material/model_training:",
            disabled=busy or room.closed,
            on_click=fit,
            args=(room, secret),
        )
        if since := changed_since(standing):
            st.caption(since)
    for name in ("fit", "room_groups"):
        if state.job(name):
            monitor.monitor(
                name, controls=(), draw=lambda *_: None, every=EVERY, quiet=not state.alive(name)
            )
    if not session.learned.summary:
        st.caption("It takes a few seconds. The wall shows it as soon as it is there.")
        return
    of_fit.draw(session, session.learned.summary)
    worth(standing["accuracy"], session.learned.summary)
    groups(standing)


def worth(told: dict | None, summary: dict) -> None:
    """What the accuracy is worth, in the sentence that wall and phones have."""
    if told and told["doubt"]:
        of_fit.by_chance(summary)
    elif told and told["words"]:
        st.caption(f":material/casino: {text.plain(told['words'])}")


def changed_since(standing: dict) -> str:
    """What the reward model does not know yet; "" where nothing changed, or there is none."""
    if not standing["model"]:
        return ""
    told = []
    if standing["new"]:
        told.append(f"{counted(standing['new'], 'judgement')} came in since.")
    if standing["gone"]:
        told.append(
            f"{counted(standing['gone'], 'judgement')} of people who are left out by now are still"
            " in it: train it again."
        )
    return " ".join(told)


def groups(standing: dict) -> None:
    """The majority's model and the minority's, each asked about both; where they part."""
    found = standing["groups"]
    if not found:
        return
    if few := found.get("few"):
        st.caption(f":material/groups: {text.plain(few)}")
        return
    rows = [
        {**row, "name": f"{row['name']} on {about}"}
        for about, of_group in models(standing)
        for row in of_group
    ]
    charts.draw(
        charts_labs.accuracies(
            rows,
            title="Majority and minority: whose taste does which model know?",
            x_title="Right on held-out judgements (%)",
            look_for=(
                "“majority on minority”, the majority's model asked about the minority: far to the"
                " left, PPO will go against them. Bars across 50% know nothing yet."
            ),
        ),
        key="room_models",
    )
    st.caption(text.plain(found["gap"]["words"]))
    for n, row in enumerate(found["favourites"][:FAVOURITES], 1):
        with st.expander(f"Where they part: {text.plain(row['prompt'])}", key=f"room_part_{n}"):
            text.answers(
                row["prompt"],
                [row[group] for group in GROUPS],
                tags=[f"The {group}'s favourite" for group in GROUPS],
            )


def models(standing: dict) -> list[tuple[str, list[dict]]]:
    """(the group asked about, rows {"name", "share", "low", "high"} of each group's model)."""
    table = (standing.get("groups") or {}).get("table") or {}

    def row(model: str, about: str) -> dict:
        found = table[model][about]
        return {"name": model, **found, "share": enough.share(found)}

    return [(about, [row(model, about) for model in GROUPS]) for about in GROUPS if table]


# --- PPO ------------------------------------------------------------------------------------------


def ppo(room: Room, secret: str, standing: dict) -> None:
    st.html(f"<style>{STYLE}</style>")
    run = Steering(state.session())
    if run.missing and not run.session.tuned.metrics:
        st.info(
            "PPO climbs the reward model's score, and there is none yet: train it first.",
            icon=":material/info:",
        )
        _back(room, secret, records.REWARD)
        if state.alive("fit"):
            monitor.monitor("fit", controls=(), draw=lambda *_: None, every=EVERY)
        return
    _deck(room, run)
    if error := st.session_state.get(PPO_ERROR):
        st.error(text.plain(error), icon=":material/error:")
    if state.job("ppo"):
        monitor.monitor(
            "ppo",
            controls=(),
            draw=lambda _, view: cockpit.live(run, view, answers=_begun(run)),
            every=EVERY,
            quiet=True,
            line=cockpit.trouble,
        )
    else:
        cockpit.live(run, {}, answers=_begun(run))
    st.page_link(
        "pages/ppo.py", label="The whole cockpit: knobs, doctor, answers", icon=":material/tune:"
    )


def _begun(run: Steering) -> bool:
    """Has the run answers of its own? Until then there is no "before", here as on the wall: what
    was judged is another draw than what step 0 writes.
    """
    return bool(run.session.tuned.samples)


def _back(room: Room, secret: str, act: str) -> None:
    """A way back to the act without which this one has nothing to show."""

    def go() -> None:
        try:
            patiently(acts.step, room.code, secret, act)
        except (RoomError, StoreError) as error:
            st.session_state[host_open.ERROR] = str(error)

    st.button(
        f"Back to: {plans.SCREENS[act].title}",
        key="room_back_to",
        icon=":material/arrow_back:",
        on_click=go,
        disabled=room.closed,
    )


def _deck(room: Room, run: Steering) -> None:
    begun = (run.last_step or 0) > 0
    with st.container(horizontal=True, key="room_ppo_deck"):
        st.button(
            "Play on" if begun or run.paused else "Play",
            key="room_play",
            type="secondary" if begun else "primary",
            icon=":material/play_arrow:",
            on_click=_play,
            args=(room, run),
            disabled=(run.busy and not run.paused) or bool(run.missing) or room.closed,
        )
        st.button(
            "Pause",
            key="room_pause",
            icon=":material/pause:",
            on_click=run.pause,
            disabled=not run.busy or run.paused,
        )
        st.button(
            "Stop",
            key="room_stop",
            icon=":material/stop:",
            on_click=run.stop,
            disabled=not run.working,
            help=monitor.BUTTONS["stop"][1],
        )


def _play(room: Room, run: Steering) -> None:
    """Start this half's run, and the other's behind it."""
    run.start()
    for half in room.halves:
        other = registry.get(half.session_id)
        if other is not None and other.id != run.session.id and other.learned.head:
            state.submit_for(other, "ppo", total=room.settings.steps + (not other.tuned.metrics))


# --- the vote and the verdict ---------------------------------------------------------------------


def measure(room: Room, secret: str) -> None:
    """Have both models answer the same unseen prompts, for every half that was tuned."""
    for half in room.halves:
        session = registry.get(half.session_id)
        if session is not None and session.tuned.steps_done:
            found = session.tuned.evaluation or {}
            if found.get("step") != session.tuned.steps_done:
                state.submit_for(session, "room_vote")


def vote(room: Room, secret: str, standing: dict) -> None:
    session, busy = state.session(), state.alive("evaluate")
    if not session.tuned.steps_done:
        st.info(
            "Nothing was trained yet, so before and after are the same. Go back to PPO, or on to"
            " the talk.",
            icon=":material/info:",
        )
        _back(room, secret, records.PPO)
        return
    if state.job("evaluate"):
        monitor.monitor("evaluate", controls=(), draw=lambda *_: None, every=EVERY, quiet=not busy)
    if busy:
        st.caption("Both models write. The pairs reach the phones by themselves.")
        return
    if not session.tuned.evaluation:
        st.button(
            "Have both models answer",
            key="room_measure",
            type="primary",
            on_click=measure,
            args=(room, secret),
        )
        return
    _each(room, lambda half: votes.prepare(room.code, secret, half.number))
    if error := st.session_state.pop(host_open.ERROR, None):
        st.warning(text.plain(error), icon=":material/drag_handle:")

    def count() -> None:
        found = votes.standing(room.code, secret, roles.half(room))
        with st.container(horizontal=True):
            st.metric("Votes", found["votes"])
            st.metric("People who voted", found["people"])
            st.metric("Prompts", found["pairs"])
        st.caption(
            "Which answer is which shows only after the vote: a count that moves while people vote"
            " would tell them."
        )

    st.fragment(count, run_every=None if room.closed else EVERY, key="room_votes")()


def talk(room: Room, secret: str, standing: dict) -> None:
    session = state.session()
    found = votes.standing(room.code, secret, roles.half(room))
    if found["conclusion"]:
        verdict.sentence(found["conclusion"], "room_")
    if found["votes"]:
        charts.draw(charts_room.votes(found["prompts"]), key="room_vote_map")
    elif not session.tuned.evaluation:
        st.info("Nothing was measured: no verdict. That is worth a talk, too.")
    measured = rounds.with_votes(session)
    if measured.get("judges"):
        verdict.how_sure(measured["judges"], measured.get("chance"), "room_sure", WHERE)
        verdict.language_table(measured.get("language") or [], measured.get("rule"))
    st.button(
        "Count the votes again",
        key="room_count",
        icon=":material/how_to_vote:",
        type="tertiary",
        on_click=begin,
        args=(room, secret, records.TALK),
    )
    for n, row in enumerate(found["prompts"], 1):
        with st.expander(f"{n}. {text.plain(row['prompt'])}", key=f"room_said_{n}"):
            text.answers(
                row["prompt"],
                [row["before"], row["after"]],
                tags=["Before", "After"],
                feet=[f"{row['for_before']} of {row['of']}", f"{row['for_after']} of {row['of']}"],
            )


PANELS = {records.REWARD: reward, records.PPO: ppo, records.VOTE: vote, records.TALK: talk}
