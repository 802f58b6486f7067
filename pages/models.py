"""Models: another language model for this session, with what to know before it is fetched, and how
long a step of it takes here.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import settings
from rlhf_core.lm import model_list
from ui import knobs, monitor, state, step_time, text

FOLDER = "a folder"
SIZES = {
    model_list.BUNDLED: (
        "4.8 million parameters, came along with Opossum, trained on text made for it"
    )
}

session = state.session()
offered = model_list.offered()
if session.model_name not in offered:
    offered.append(session.model_name)
if model_list.default() not in offered:
    offered.append(model_list.default())
if state.at_home():
    offered.append(FOLDER)


@st.cache_data(ttl=30, show_spinner=False)
def caption(name: str) -> str:
    """One line on a model: what it is, and whether it has to be fetched."""
    if name == FOLDER:
        return "any model of the families GPT-2, Llama, OPT, GPT-NeoX or MPT in Hugging Face layout"
    if name in model_list.PACKAGED:
        known = model_list.PACKAGED[name]
        return (
            f"{known.family} · {known.parameters} million parameters · {known.licence} · on this"
            " machine: takes requests (what ends in . ! or ?) and goes on with beginnings"
        )
    if name not in model_list.HUB:
        return SIZES.get(name, "a folder on this machine")
    known = model_list.HUB[name]
    where = "on this machine" if model_list.here(name) else f"{known.megabytes} MB to fetch"
    return f"{known.family} · {known.parameters} million parameters · {known.licence} · {where}"


def choose() -> None:
    """Hand the choice to the worker; whatever ran for the former model ends."""
    name = (
        st.session_state.get("model_folder", "").strip()
        if st.session_state["model_pick"] == FOLDER
        else st.session_state["model_pick"]
    )
    st.session_state.pop("model_error", None)
    if not name:
        state.forget("model")  # what an earlier try said is no answer to this one
        st.session_state["model_error"] = "Type the folder's path first."
        return
    state.stop_all()
    st.session_state.pop("timed_for", None)
    caption.clear()
    state.submit("model", name)


def name_of(choice: str) -> str:
    return "A folder on this machine" if choice == FOLDER else text.plain(model_list.title(choice))


st.title("Which model writes?", anchor=False)
st.markdown(
    "Everything here works with the small model that came along, in a minute. A larger one knows"
    " more words and more of the web, and takes longer. You see how much longer before anything"
    " starts."
)
busy = state.alive("model")
st.markdown(f"Now: **{text.plain(model_list.title(session.model_name))}**.")
if not busy and session.model_name != model_list.BUNDLED:
    knob = knobs.Knobs(session, "ppo", settings.PPOSettings, labels={})
    if step_time.panel(session, knob.chosen(), busy=state.alive("ppo") or state.alive("run_once")):
        if st.button(
            "Write a prompt with it",
            key="model_to_prompt",
            icon=":material/arrow_forward:",
            icon_position="right",
            type="primary",
        ):
            st.switch_page("pages/prompt.py")
# First drawn, or just changed.
if (
    st.session_state.get("model_now") != session.model_name
    or st.session_state.get("model_pick") not in offered
):
    st.session_state["model_now"] = st.session_state["model_pick"] = session.model_name
picked = st.radio(
    "Model",
    offered,
    captions=[text.plain(caption(name)) for name in offered],
    format_func=name_of,
    key="model_pick",
    disabled=busy,
)
if picked == FOLDER:
    st.text_input(
        "The folder's path",
        key="model_folder",
        placeholder="/home/me/models/my-gpt2",
        disabled=busy,
        help=(
            "A folder with config.json, a tokenizer and one model.safetensors. No pickles, no"
            " remote code."
        ),
    )
if model_list.from_the_web(picked):
    st.warning(model_list.content_note(picked), icon=":material/public:")
if picked != session.model_name or picked == FOLDER:
    if session.learned.head or session.tuned.metrics or session.history.rounds:
        st.info(
            "Your judgements stay: they are about texts, whoever wrote them. The reward model, the"
            " tuned model and the rounds belong to the model you have now: they are put away, and"
            " come back with it.",
            icon=":material/info:",
        )
    if any(state.alive(name) for name in session.jobs if name not in ("model", step_time.JOB)):
        st.warning(
            "Something of yours is running just now. Changing the model stops it; its finished"
            " steps stay with the former model.",
            icon=":material/stop_circle:",
        )
    st.button(
        "Use this model",
        key="use_model",
        type="primary",
        icon=":material/check:",
        on_click=choose,
        disabled=busy,
    )
if error := st.session_state.get("model_error"):
    st.error(text.plain(error), icon=":material/error:")
if state.job("model"):
    monitor.monitor("model", controls=("stop",), draw=lambda records, view: None, every=0.5)
