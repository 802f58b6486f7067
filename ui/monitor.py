"""A window on one running job: how far it is, how long it will take, its buttons, and a drawing of
what it has recorded so far.

Polls only while the job is alive; when it ends, the whole page runs once more, so that everything
that depends on it is fresh. Knows nothing about what a job computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from rlhf_core.work import lines
from ui import state, text

BUTTONS = {  # control -> (icon, what a pointer that rests on it reads)
    "pause": (":material/pause:", "Stop for a moment. Nothing is lost."),
    "resume": (":material/play_arrow:", "Carry on where it paused."),
    "step": (":material/skip_next:", "Do one step, then pause."),
    "stop": (":material/stop:", "End it here. All finished steps stay."),
}

STOPPING = 0.4  # seconds that a page waits for a stop before it is drawn again

# Asked for, takes effect at the next token.
WISHES = {"paused": " · pausing", "stopped": " · stopping", "expired": " · stopping"}


def monitor(
    name: str,
    *,
    controls: Sequence[str] = ("pause", "step", "stop"),
    draw: Callable[[list[dict], dict], None],
    every: float = 0.6,
    quiet: bool = False,
    where: Callable[[list[dict]], str] | None = None,
    line: Callable[[dict, list[dict]], None] | None = None,
) -> None:
    """Show the session's job ``name`` and keep it fresh while it is alive.

    Args:
        controls: which of pause (and resume), step, stop to offer.
        draw: called as ``draw(records, view)`` on each refresh, also after the end; draws below the
        buttons.
        every: seconds between two looks.
        quiet: leave the state line out while all is well (a job of a second or two, or one that
        ``draw`` speaks for).
        where: how far it is, in words, from its records, for a job whose records are no unit that
        anybody counts in; "" before there is anything to say.
        line: draws the state line from the view and the records, in place of ``state_line``.
    """
    key = name.replace(" ", "_")
    was_alive, was_paused = state.alive(name), (state.job(name) or {}).get("status") == "paused"

    def look() -> None:
        view = state.job(name)
        if view is None:
            state.rerun() if was_alive else st.caption("That run is no longer kept.")
            return
        # Begun by a button in here: only the whole page can begin to poll.
        if view["status"] in state.ALIVE and not was_alive:
            state.rerun()
        if (
            not quiet
            or view["status"] in ("paused", "failed", "expired")
            or (view["status"] == "queued" and view["long"])
        ):
            records = state.records(name)
            if line:
                line(view, records)
            else:
                state_line(view, records, where(records) if where else None)
        how_it_came(view)
        if controls and view["status"] in state.ALIVE:
            _buttons(name, view, controls)
        draw(state.records(name), view)
        if (was_alive and view["status"] not in state.ALIVE) or (
            view["status"] == "paused" and not was_paused
        ):
            state.rerun()

    often = every if was_alive else None
    st.fragment(look, run_every=often, key=f"monitor_{key}")()


def how_it_came(view: dict) -> None:
    """What there is to know of how a job came to its records, in a sentence, where there is any."""
    if view.get("note"):
        st.caption(text.plain(view["note"]))


def state_line(view: dict, records: Sequence[dict] = (), where: str | None = None) -> None:
    """One line, in words, on where a job is; a bar while it runs and knows its total.

    Args:
        records: what it has made, for what is said of them when it was stopped.
        where: how far it is, in other words than "3 of 12".
    """
    status, label = view["status"], view["label"]
    if status == "queued" and not view["long"]:
        st.caption("In a moment.")
    elif status == "queued":
        ahead = max(0, (view.get("position") or 1) - 1)
        who = (
            "Next in line."
            if ahead == 0
            else f"Waiting: {ahead} {'run is' if ahead == 1 else 'runs are'} ahead of yours."
        )
        begun = view.get("begun")
        if begun:
            who = "Others have a turn; then yours goes on by itself."
        about = " Goes on in about {}." if begun else " Starts in about {}."
        st.info(
            f"{who}{_about(view.get('eta_seconds'), about)} Your page stays quick.",
            icon=":material/hourglass_top:",
        )
    elif status == "running":
        done, total = view.get("done") or 0, view.get("total")
        words = f"**{where or text.plain(view.get('stage') or label)}**"
        words += f" · {done} of {total}" if where is None and total and total > 1 else ""
        words += WISHES.get(view.get("wish")) or _about(view.get("eta_seconds"), " · about {} left")
        st.progress(min(1.0, done / total) if total else 0.0, text=words)
    elif status == "paused":
        st.info(
            "Paused. Nothing is lost; it is kept for half an hour.", icon=":material/pause_circle:"
        )
    elif status == "failed":
        st.error(
            text.plain(view.get("error") or "It stopped by itself, and nobody knows why.")
            + (" What was finished before is kept." if view.get("records") else ""),
            icon=":material/error:",
        )
    elif status == "expired":
        st.warning(
            "Nobody was watching for a while, so it was put away."
            + (" What was finished is kept." if view.get("records") else "")
            + " Start it again when you like.",
            icon=":material/bedtime:",
        )
    elif status == "stopped":
        st.info(_stopped(view, records), icon=":material/stop_circle:")


def _stopped(view: dict, records: Sequence[dict]) -> str:
    """What a stop has left: finished steps, only what comes before the first one, or nothing."""
    if not view.get("records"):
        return "Stopped before anything was finished. Nothing changed."
    if any(record.get("kind") == "restarted" for record in records[-1:]):
        return "Stopped before a new step was finished."
    if records and not any(_is_a_step(record) for record in records):
        return "Stopped before the first step was finished. What was measured is kept."
    return "Stopped. All finished steps are kept."


def _is_a_step(record: dict) -> bool:
    """Step 0 only looks, and so does what a lab does before its runs."""
    return record.get("kind") not in ("start", "pool") and record.get("step", 1) != 0


def duration(seconds: float, whole: bool = False) -> str:
    """``seconds`` as people say it: "0.4 s", "8 s", "2 min". ``whole``: no fractions, for a figure
    that counts down.
    """
    if seconds < 1.95 and not whole:
        return f"{max(0.1, seconds):.1f} s"
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _about(seconds: float | None, sentence: str) -> str:
    return sentence.format(duration(seconds, whole=True)) if seconds is not None else ""


def _buttons(name: str, view: dict, controls: Sequence[str]) -> None:
    key, paused, queue = name.replace(" ", "_"), view["status"] == "paused", lines.line_in_force()
    actions = {
        "pause": (queue.pause, view["id"]),
        "resume": (queue.resume, view["id"]),
        "step": (queue.step, view["id"]),
        # Mostly over by then, so that the page need not look again to learn it.
        "stop": (state.stop, name, STOPPING),
    }
    with st.container(horizontal=True, key=f"controls_{key}"):
        for control in controls:
            control = "resume" if control == "pause" and paused else control
            icon, help_text = BUTTONS[control]
            st.button(
                control.capitalize(),
                key=f"{key}_{control}",
                icon=icon,
                help=help_text,
                on_click=actions[control][0],
                args=actions[control][1:],
                disabled=view["status"] == "queued" and control == "pause",
                type="primary" if control == "resume" else "secondary",
            )
