"""The doctor: what the records of a run show, in plain words, with one safe way to try again."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ui import text

SEVERITY = {
    "serious": (":material/emergency_home:", "error"),
    "watch": (":material/visibility:", "warning"),
    "note": (":material/info:", "info"),
}


def draw(
    findings: list[dict],
    labels: dict,
    on_retry: Callable[[int, dict], None],
    *,
    busy: bool,
    measured: bool,
) -> None:
    """What the records show, in plain words, with one safe way to try again."""
    if not findings:
        if measured:
            st.caption(
                ":material/stethoscope: The doctor looked at every step so far and saw none of the"
                " classic failures."
            )
        return
    for number, one in enumerate(findings):
        icon, kind = SEVERITY[one["severity"]]
        changes = [f"{labels.get(name, name)} {value:g}" for name, value in one["retry"].items()]
        with st.container(border=True, key=f"doctor_{one['name']}"):
            words = (
                f"**{text.plain(one['title'])}.** {text.plain(one['seen'])}"
                f" {text.plain(one['means'])}"
            )
            getattr(st, kind)(words, icon=icon) if number == 0 else st.markdown(f"{icon} {words}")
            st.caption(f"The knob behind it: **{text.plain(one['knob'])}**.")
            if changes:
                verb = "Stop, go back" if busy else "Go back"
                st.button(
                    f"{verb} to step {one['step']} and try with safer settings",
                    key=f"retry_{one['name']}",
                    icon=":material/healing:",
                    on_click=on_retry,
                    args=(one["step"], one["retry"]),
                    help="Changes: "
                    + text.plain(", ".join(changes))
                    + ". Later steps are taken back.",
                )
