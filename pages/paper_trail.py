"""Paper trail: what happened in this session, taken home; a run from elsewhere, opened."""

from __future__ import annotations

import streamlit as st

from ui import state
from ui.paper import about, happened, hub, opening, taking, timeline

session = state.session()

st.title("Paper trail", anchor=False)
st.markdown(
    "Show your work. What was judged, by whom, under which instructions, and how the model came of"
    " it: anybody who has the run can look it up, and make it again with the same numbers."
)
happened.draw(session)
home, card, away, order, bring = st.tabs(
    [
        ":material/home: Take it home",
        ":material/description: The card",
        ":material/cloud_upload: Publish",
        ":material/list: Timeline",
        ":material/folder_open: Open a run",
    ]
)
with home:
    taking.draw(session)
with card:
    about.draw(session)
with away:
    hub.draw(session)
with order:
    timeline.draw(session)
with bring:
    opening.draw()
with st.expander("The same on the command line", icon=":material/terminal:", key="paper_cli"):
    st.code(
        "python -m rlhf_core export-zip my-run --out my-run.zip\n"
        "python -m rlhf_core export-html my-run --out my-run.html\n"
        "python -m rlhf_core export-dataset my-run --out judgements --license cc-by-4.0\n"
        "python -m rlhf_core export-model my-run --out tuned-model\n"
        "python -m rlhf_core export-reward-model my-run --out reward-model\n"
        "python -m rlhf_core export-training my-run --out project\n"
        "python -m rlhf_core export-dvc my-run --out pipeline\n"
        "python -m rlhf_core push-dataset my-run --to my-judgements\n"
        "python -m rlhf_core replay my-run",
        language="bash",
        wrap_lines=True,
    )
