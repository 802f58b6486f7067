"""The projector switch: large type, thick lines, no captions, so that the last row can read along.

It stands in the address (``?projector=1``), beside the session's id, and goes along from page to
page. Knows nothing about what is drawn.
"""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from ui import styles

NAME, KEY = "projector", "projector_on"  # in the address; in the session's state
LARGER = 1.5  # times: a chart's smallest letters, 13 px, become 19.5
TALLER = 1.3  # times, for a chart's height
CSS = styles.sheet("projector")


def on() -> bool:
    """Whether this tab is drawn for a projector."""
    return bool(st.session_state.get(KEY))


def switch() -> None:
    """The switch, for the sidebar, and what it does to the page; call it before the page runs.

    A change of page drops the address's parameters, so this one is set again, as the run id is.
    """
    asked = st.query_params.get(NAME)
    if asked is not None:
        st.session_state[KEY] = asked == "1"
    elif on():
        st.query_params[NAME] = "1"
    if on():
        st.html(f"<style>{CSS}</style>")
    if st.session_state.get("projector") != on():  # the address has turned it
        st.session_state["projector"] = on()
    st.toggle(
        "Projector",
        value=on(),
        key="projector",
        on_change=_turn,
        help="Large type and thick lines, no small print: for the last row.",
    )


def _turn() -> None:
    st.session_state[KEY] = st.session_state["projector"]
    if on():
        st.query_params[NAME] = "1"
    else:
        st.query_params.pop(NAME, None)


def enlarge(figure: go.Figure, larger: float = LARGER) -> None:
    """Every letter, line and marker of ``figure`` so many times larger, in place."""
    layout = figure.layout
    layout.height = round(layout.height * TALLER) if layout.height else None
    fonts = [layout.font, layout.legend.font, layout.coloraxis.colorbar.tickfont]
    fonts += [one.font for one in layout.annotations]
    figure.for_each_xaxis(lambda axis: fonts.extend((axis.tickfont, axis.title.font)))
    figure.for_each_yaxis(lambda axis: fonts.extend((axis.tickfont, axis.title.font)))
    usual = layout.font.size or 13
    for font in fonts:
        font.size = larger * (font.size or usual)
    for note in layout.annotations:
        note.yshift = larger * (note.yshift or 0)
    for shape in layout.shapes:
        shape.line.width = larger * (shape.line.width if shape.line.width is not None else 2)
    for trace in figure.data:
        parts = trace.to_plotly_json()
        for part, name in (
            ("line", "width"),
            ("marker", "size"),
            ("error_x", "thickness"),
            ("error_y", "thickness"),
            ("textfont", "size"),
        ):
            size = parts.get(part, {}).get(name)
            if isinstance(size, int | float):
                trace[part][name] = larger * size
