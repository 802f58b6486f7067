"""Rank: say which answers are better, under the brief. This is the only thing the whole loop ever learns from."""

from __future__ import annotations

import streamlit as st

from ui import monitor, ranking, state, text, whiteboard

READY, FIRST, BATCH = 8, 4, 12  # refill the pool when fewer than READY sets wait; sets in the first refill (soon there), and in every other
MOST = 30  # sets of any form that may wait
ENOUGH = 6  # comparisons from which training is worth a first look
FORMS = {2: "Two at a time", 4: "Four at a time"}
SCRIPTED = 10  # how many judgements the scripted rater makes at a press

session = state.session()
st.session_state.setdefault("form", 2)
st.session_state.setdefault("keys", True)


def keep(name: str) -> None:
    st.session_state[name] = st.session_state[f"{name}_widget"]


def refill() -> None:
    """Let the worker write ahead, so that the next set is there before the click that asks for it."""
    form = st.session_state["form"]
    ahead = session.waiting(form)
    if ahead < READY and session.waiting() < MOST:
        st.session_state["pool_form"] = form
        state.submit("pool", lambda: session.generate_pool(BATCH if ahead else FIRST, form), label="Writing the next answers", long=False)


def scripted() -> None:
    count, form = SCRIPTED, st.session_state["form"]
    state.submit("scripted", lambda: session.judge_for_me(count, form), label="The scripted rater judges", long=False)


def look_for_set(records: list[dict], view: dict) -> None:
    if ranking.next_row(session, st.session_state["form"], writing=True):
        state.rerun()
    st.caption("The model is writing the next answers. A moment.")


@st.fragment
def desk() -> None:
    """Progress and card together: a verdict reruns only this."""
    made = whiteboard.comparisons(session)
    words = f"{made} of about {whiteboard.GOAL} comparisons" if made < whiteboard.GOAL else f"{made} comparisons: plenty for this round"
    with st.container(horizontal=True, vertical_alignment="center", key="progress_row"):
        st.progress(min(1.0, made / whiteboard.GOAL), text=words)
        st.button("Undo", key="undo", icon=":material/undo:", on_click=ranking.undo, args=(session,), disabled=not ranking.can_undo(session),
                  shortcut="U" if st.session_state["keys"] else None)  # fmt: skip
    if message := st.session_state.pop("note", None):
        st.info(message, icon=":material/info:")
    form, pool = st.session_state["form"], (state.job("pool") or {}).get("status")
    if session.waiting(form):
        st.session_state.pop("in_vain", None)
    elif pool == "done" and st.session_state.get("pool_form") == form:
        st.session_state["in_vain"] = form  # written, but not one set of this form among them
    if pool != "failed":  # else it would fail again and again: the button below tries anew
        refill()
    row = ranking.next_row(session, form, writing=state.alive("pool") and st.session_state.get("in_vain") != form)
    if row:
        if len(row["texts"]) != form:
            st.caption("These were written on the Prompt page, so they come first, all at once. After them it goes on as chosen below.")
        with st.container(border=True, key="rank_card"):
            ranking.card(session, row, keys=st.session_state["keys"])
    elif state.alive("pool"):
        monitor.monitor("pool", controls=(), draw=look_for_set, every=0.3, quiet=True)
    else:
        if pool == "failed":
            monitor.state_line(state.job("pool"))
        else:
            st.warning("The next answers did not come.", icon=":material/warning:")
        with st.container(horizontal=True):
            st.button("Try again", key="refill", on_click=refill)
            if st.button("Write a prompt of my own", key="to_prompt", icon=":material/edit:"):
                st.switch_page("pages/prompt.py")
    if made:
        if st.button(
            "Train the reward model",
            key="to_reward_model",
            type="primary" if made >= ENOUGH else "secondary",
            icon=":material/arrow_forward:",
            icon_position="right",
        ):
            st.switch_page("pages/reward_model.py")
        if made < ENOUGH:
            st.caption(f"From {ENOUGH} comparisons on it is worth a look; about {whiteboard.GOAL} make it good.")


st.title("Which is better?", anchor=False)
brief = session.brief
with st.container(key="brief_bar"):
    st.html(
        f'<div class="op-brief"><b>The brief: {text.escape(brief.title)}</b> <span class="op-who">for: {text.escape(brief.audience)}</span>'
        f'<ul><li><b>Better</b> {text.escape(brief.prefer)}</li><li><b>Worse</b> {text.escape(brief.avoid)}</li><li class="op-ties"><b>Tie</b> {text.escape(brief.ties)}</li></ul></div>'
    )
desk()

with st.container(horizontal=True, vertical_alignment="bottom", key="rank_options"):
    st.segmented_control(
        "Answers on the table",
        list(FORMS),
        format_func=FORMS.get,
        default=st.session_state["form"],
        required=True,
        key="form_widget",
        on_change=keep,
        args=("form",),
    )
    st.toggle(
        "Single keys",
        value=st.session_state["keys"],
        key="keys_widget",
        on_change=keep,
        args=("keys",),
        help="One key for every button here. Switch it off if you use the keyboard in another way.",
    )
if brief.wanted:
    with st.expander("Short of time?", icon=":material/smart_toy:", key="scripted_box"):
        st.markdown(
            f"A **scripted rater** can judge {SCRIPTED} for you. It is a small rule that we wrote for this brief, not a person and not a model; its judgements are marked as its own."
        )
        st.button(f"Let the scripted rater judge {SCRIPTED}", key="scripted", on_click=scripted, disabled=state.alive("scripted"))
        if state.job("scripted"):
            monitor.monitor("scripted", controls=("stop",), draw=lambda records, view: None, every=0.4)
