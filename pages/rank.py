"""Rank: say which answers are better, under the brief. This is the only thing the whole loop ever
learns from.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.session import asked, judged, pools, thumbs_begun
from rlhf_core.session import ranking_desk as desk_rules
from rlhf_core.session.next_step import NextStep, goal
from ui import monitor, next_step, people, state, text, whiteboard
from ui.ranking import card, judgements

FORMS = {2: "Two at a time", 4: "Four at a time"}
WAYS = {  # how two answers are judged, and more than two
    2: {"order": "Which is better", "thumbs": "Good or bad"},
    4: {"order": "By picking", "drag": "By dragging", "thumbs": "Good or bad"},
}
SCRIPTED = 10  # how many judgements the scripted rater makes at a press

session = state.session()
st.session_state.setdefault("form", 2)
last = session.judged.rankings[-1:]
singly = thumbs_begun.latest(session) or (last and last[0].good is not None)
usual = "thumbs" if singly else "order"  # a reload goes on as it was
for name, value in {"keys": True, "checks": True, "way": usual, "show_all": False}.items():
    st.session_state.setdefault(name, value)


def keep(name: str) -> None:
    st.session_state[name] = st.session_state[f"{name}_widget"]


def keep_way() -> None:
    st.session_state["way"] = st.session_state[f"way_{st.session_state['form']}_widget"]


def way() -> str:
    """How answers are judged; two cannot be dragged."""
    kept = st.session_state["way"]
    return kept if kept in WAYS[st.session_state["form"]] else "order"


def checks() -> bool:
    """Are hidden checks mixed in? They compare two answers, so not among thumbs."""
    return st.session_state["checks"] and way() != "thumbs"


def refill() -> None:
    """Have the next set there before the click that asks for it: at once, where somebody had it
    before, else the worker writes ahead.
    """
    form = st.session_state["form"]
    if not state.alive("pool") and (count := pools.fill(session, form)):
        st.session_state["pool_form"] = form
        state.submit("pool", count, form)


def read_ahead() -> None:
    """Let the worker read what waits, once there is a reward model, so that the next pair can be
    chosen within a key press.
    """
    if desk_rules.stale(session) and (state.job("asking") or {}).get("status") not in (
        *state.ALIVE,
        "failed",
    ):
        state.submit("asking")


def scripted() -> None:
    count, form = SCRIPTED, st.session_state["form"]
    state.submit("scripted", count, form)


def look_for_set(records: list[dict], view: dict) -> None:
    form, singly = st.session_state["form"], way() == "thumbs"
    if card.next_asked(session, form, writing=True, checks=checks(), singly=singly):
        state.rerun()
    st.caption("The model is writing the next answers. A moment.")


@st.fragment
def desk() -> None:
    """Progress and card together: a verdict reruns only this."""
    if (session.asked.brief.slug, session.asked.brief.version) != (brief.slug, brief.version):
        state.rerun()  # changed in another tab: the brief above the card must be the one in force
    (made, many, what), said = goal(session), judged.judgement_count(session)
    enough = ": plenty for this round" if what == "pairs" else ": enough to train"
    words = whiteboard.of_goal(session) + enough * (made >= many)
    words += f" · {said} judgement{'s' * (said != 1)}" if said else ""
    called = sum(len(one.candidates) for one in session.judged.rankings if one.good is not None)
    words += f" · {called} answers called good or bad" if called else ""
    with st.container(horizontal=True, vertical_alignment="center", key="progress_row"):
        st.progress(min(1.0, made / many), text=words)
        st.button(
            "Undo",
            key="undo",
            icon=":material/undo:",
            on_click=card.undo,
            args=(session,),
            disabled=not card.can_undo(session),
            shortcut="U" if st.session_state["keys"] else None,
        )
    if message := st.session_state.pop("note", None):
        st.info(message, icon=":material/info:")
    form, pool = st.session_state["form"], (state.job("pool") or {}).get("status")
    if asked.waiting(session, form):
        st.session_state.pop("in_vain", None)
    elif pool == "done" and st.session_state.get("pool_form") == form:
        st.session_state["in_vain"] = form  # written, but not one set of this form among them
    if pool != "failed":  # else it would fail again and again: the button below tries anew
        refill()
    read_ahead()
    work = card.next_asked(
        session,
        form,
        writing=state.alive("pool") and st.session_state.get("in_vain") != form,
        checks=checks(),
        singly=way() == "thumbs",
    )
    if not next_step.here(session, "rank"):
        next_step.draw(session, "rank")  # above the card: on a phone that fills the screen
    if work:
        if len(work.row["texts"]) != form and work.how == "own":
            st.caption(
                "These were written on the Prompt page, so they come first, all at once. After them"
                " it goes on as chosen below."
            )
        with st.container(border=True, key="rank_card"):
            card.card(session, work, keys=st.session_state["keys"], form=form, way=way())
    elif state.alive("pool"):
        monitor.monitor("pool", controls=(), draw=look_for_set, every=0.3, quiet=True)
    else:
        if pool == "failed":
            monitor.state_line(state.job("pool"))
        else:
            st.warning("The next answers did not come.", icon=":material/warning:")
        with st.container(horizontal=True):
            st.button("Try again", key="refill", on_click=refill)
            if next_step.now(session).box != "prompt" and st.button(
                "Write a prompt of my own", key="to_prompt", icon=":material/edit:"
            ):
                st.switch_page("pages/prompt.py")
    onward(said)
    if session.judged.rankings:
        judgements.draw(session)


def onward(said: int) -> None:
    """Before there are enough clear choices, what they are for."""
    if not said or session.learned.head or not next_step.here(session, "rank"):
        return
    with st.container(horizontal=True, vertical_alignment="center", key="too_early"):
        st.caption("Clear: one answer is better. Ties teach little.", width="content")
        if not judged.needs(session, "reward_model"):
            st.button(
                "Train on these few already",
                key="to_reward_model",
                type="tertiary",
                on_click=next_step.go,
                args=(session, NextStep("reward_model", "", "fit")),
            )


st.title("Good or bad?" if way() == "thumbs" else "Which is better?", anchor=False)
brief = session.asked.brief
with st.container(key="brief_bar"):
    st.html(
        '<div class="op-brief" tabindex="0" role="region" aria-label="The brief">'
        f"<b>The brief: {text.escape(brief.title)}</b>"
        f' <span class="op-version">version {brief.version}</span>'
        f' <span class="op-who">for: {text.escape(brief.audience)}</span>'
        f"<ul><li><b>Better</b> {text.escape(brief.prefer)}</li>"
        f"<li><b>Worse</b> {text.escape(brief.avoid)}</li>"
        f'<li class="op-ties"><b>Tie</b> {text.escape(brief.ties)}</li></ul></div>'
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
    ways = WAYS[st.session_state["form"]]
    st.segmented_control(
        "How you say it",
        list(ways),
        format_func=ways.get,
        default=way(),
        required=True,
        key=f"way_{st.session_state['form']}_widget",
        on_change=keep_way,
    )
    st.toggle(
        "Single keys",
        value=st.session_state["keys"],
        key="keys_widget",
        on_change=keep,
        args=("keys",),
        help="One key for every button here. Switch it off if you use the keyboard in another way.",
    )
    st.toggle(
        "Hidden checks",
        value=st.session_state["checks"],
        key="checks_widget",
        on_change=keep,
        args=("checks",),
        disabled=way() == "thumbs",
        help=(
            "Some pairs come twice, with their sides swapped, and some have a reference answer. You"
            " are not told which. The page “What kind of labeller am I?” shows what they say."
        ),
    )
with st.container(horizontal=True, key="rank_links"):
    st.page_link("pages/briefs.py", label="Change the brief", icon=":material/assignment:")
    st.page_link("pages/mirror.py", label="What kind of labeller am I?", icon=":material/face:")
if brief.wanted:
    with st.expander("Short of time?", icon=":material/smart_toy:", key="scripted_box"):
        st.markdown(
            f"A **scripted rater** can judge {SCRIPTED} for you. It is a small rule that we wrote"
            " for this brief, not a person and not a model; its judgements are marked as its own."
        )
        st.button(
            f"Let the scripted rater judge {SCRIPTED}",
            key="scripted",
            on_click=scripted,
            disabled=state.alive("scripted"),
        )
        if state.job("scripted"):
            monitor.monitor(
                "scripted", controls=("stop",), draw=lambda records, view: None, every=0.4
            )
with st.expander(
    "Several people at this screen?",
    icon=":material/groups:",
    key="rank_people",
    expanded=bool(session.judged.people),
):
    people.picker(session, caption=False)
    st.caption(
        "Every judgement keeps the name of whoever sits here. The lab “Whose preferences?” compares"
        " them."
    )
