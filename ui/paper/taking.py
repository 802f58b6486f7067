"""Files to take home: what each is, the button that has it made by the worker, and the download of
what was made.
"""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from rlhf_core.common.errors import StoreError
from rlhf_core.session import registry, taking, weights
from rlhf_core.session.state import Session
from ui import monitor, state, text
from ui.export.html import html_of_session

JOB = "take_home"  # the slot of both jobs


class Kind(NamedTuple):
    title: str
    about: str
    job: str = JOB


KINDS = {
    "run": Kind(
        "The whole run",
        "Judgements, settings, seeds, samples, verdict, weights: all that this page can open again,"
        " here or elsewhere. Names stand in it as they were typed.",
    ),
    "dataset": Kind(
        "The judgements as a data set",
        "A folder that `datasets.load_dataset` reads, with a card that says how it came about."
        " Judges have pseudonyms.",
        "take_data",
    ),
    "model": Kind(
        "The tuned model",
        "A folder that `transformers.AutoModelForCausalLM.from_pretrained` loads, with its card.",
    ),
    "reward": Kind(
        "The reward model", "With `score.py`, twenty lines that score a text without Opossum."
    ),
    "training": Kind(
        "A project for real hardware",
        "The same judgements and settings with TRL and accelerate: one GPU, many, many machines.",
        "take_training",
    ),
    "pipeline": Kind(
        "A pipeline to go on with",
        "A DVC project of five stages: change a setting, and what follows from it runs again.",
        "take_pipeline",
    ),
}
JUDGED = ("dataset", "training", "pipeline")  # these need a judgement


def missing(session: Session, what: str) -> str:
    """What has to happen before there is such a file; "": it can be made."""
    judged = session.judged
    if what == "model" and not weights.now(session):
        return "First run at least one PPO step."
    if what == "reward" and not session.learned.head:
        return "First train a reward model."
    if what in JUDGED and not (judged.rankings or judged.imported or judged.exploits):
        return "First judge some answers."
    return ""


def draw(session: Session) -> None:
    try:
        kept = taking.kept(session)
    except StoreError as error:
        st.error(text.plain(str(error)), icon=":material/error:")
        kept = {}
    busy = state.alive(JOB)
    if state.job(JOB):
        monitor.monitor(JOB, controls=("stop",), draw=lambda records, view: None, every=0.5)
    # A row at a time: in their order also where columns do not fit.
    places = [place for _ in range(0, len(KINDS), 2) for place in st.columns(2)]
    for place, (what, kind) in zip(places, KINDS.items(), strict=True):
        with place.container(border=True, height="stretch", key=f"paper_{what}"):
            st.markdown(f"**{kind.title}**")
            st.markdown(kind.about)
            if lacking := missing(session, what):
                st.caption(lacking)
                continue
            _buttons(session, what, kept.get(what), busy)
    with st.container(border=True, key="paper_page"):
        _page(session)


def _page(session: Session) -> None:
    """The run as one HTML file; it is made at the press, in less than a second."""
    st.markdown("**The run as a web page**")
    st.markdown(
        "One small file that opens in any browser, offline, on a phone too: answers step by step,"
        " charts, verdict, card. Judges have no names."
    )
    if lacking := missing(session, "dataset"):
        st.caption(lacking)
        return
    st.download_button(
        "Download the page",
        lambda: html_of_session(session).encode(),
        f"{taking.file_name(session, 'run')}.html",
        "text/html",
        key="paper_download_page",
        icon=":material/download:",
        on_click="ignore",
    )


def _buttons(session: Session, what: str, made: tuple | None, busy: bool) -> None:
    if made and made[2]:
        sha256, size, _ = made
        st.download_button(
            f"Download ({max(0.1, size / 1e6):,.1f} MB)",
            lambda: registry.keeper().weights.blobs.get(sha256),
            f"{taking.file_name(session, what)}.zip",
            "application/zip",
            key=f"paper_download_{what}",
            type="primary" if what == "run" else "secondary",
            icon=":material/download:",
            on_click="ignore",
        )
        return
    make_button(what, made, busy, key=f"paper_make_{what}")


def make_button(what: str, made: tuple | None, busy: bool, key: str) -> None:
    """Have the worker make the file, for the first time or anew."""
    if made:
        st.caption("Something has changed since it was made.")
    job = KINDS[what].job
    st.button(
        "Make it anew" if made else "Make the file",
        key=key,
        icon=":material/package_2:",
        disabled=busy,
        on_click=state.submit,
        args=(job, *((what,) if job == JOB else ())),
    )
