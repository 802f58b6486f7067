"""Opossum: the router. Page config, navigation, the sidebar's small whiteboard; then the page; then
the model is woken.

Torch is never imported here or in a page: the worker imports it after the first draw
(``state.warm_up``).
"""

from __future__ import annotations

import streamlit as st

from ui import (
    challenges,
    components,
    guards,
    next_step,
    projector,
    server_log,
    share,
    space,
    stale_polls,
    state,
    terms,
    text,
    tour,
    whiteboard,
)
from ui.labs import answer_card, menu
from ui.ranking import card
from ui.room import roles

SAVED_EVERY = 3.0  # seconds between two looks at whether a run can be saved
BOARD_EVERY, RANKED_EVERY = 2.0, 10.0  # at the small whiteboard: at work; while somebody judges
AHEAD = ("pool", "asking")  # jobs that nobody waits for and that change no number on the board

server_log.keep_short()
stale_polls.hold_back()
st.set_page_config(page_title="Opossum: RLHF, hands-on", page_icon="🐾", layout="wide")
st.html(f"<style>{whiteboard.CSS}{text.CSS}{terms.CSS}{card.CSS}{answer_card.CSS}</style>")
st.logo(whiteboard.LOGO_SVG, size="large", icon_image=whiteboard.MARK_SVG)

role = roles.of_address()
page = st.navigation(
    {
        "Learn": [
            st.Page(
                "pages/loop.py",
                title="The loop",
                icon=":material/cycle:",
                default=True,
                url_path=state.HOME,
            ),
            st.Page("pages/room.py", title="Workshop room", icon=":material/groups:"),
            st.Page("pages/my_rlhf.py", title="My RLHF", icon=":material/emoji_events:"),
            st.Page("pages/human_side.py", title="The human side", icon=":material/diversity_3:"),
            st.Page("pages/glossary.py", title="Glossary", icon=":material/menu_book:"),
            *state.lost(),
        ],
        "Steps": [
            st.Page("pages/briefs.py", title="Brief", icon=":material/assignment:"),
            st.Page("pages/prompt.py", title="Prompt", icon=":material/edit:"),
            st.Page("pages/rank.py", title="Rank", icon=":material/swap_vert:"),
            st.Page("pages/mirror.py", title="What kind of labeller am I?", icon=":material/face:"),
            st.Page("pages/reward_model.py", title="Reward model", icon=":material/favorite:"),
            st.Page("pages/ppo.py", title="PPO", icon=":material/trending_up:"),
            st.Page("pages/before_after.py", title="Before / after", icon=":material/compare:"),
            st.Page("pages/rounds.py", title="Rounds", icon=":material/replay:"),
        ],
        "Labs": menu.pages(),
        "Share": [
            st.Page(
                "pages/import_export.py", title="Import and export", icon=":material/swap_horiz:"
            ),
            st.Page("pages/paper_trail.py", title="Paper trail", icon=":material/receipt_long:"),
        ],
        "Reference": [st.Page("pages/models.py", title="Models", icon=":material/memory:")],
    },
    # the loop, the room and the steps; labs and the rest are behind one press, so that the small
    # whiteboard stays in sight
    expanded=13,
    position="hidden" if role.bare else "sidebar",
)
state.begin_run()
if role.bare and page.url_path == roles.PAGE:  # a phone or a wall: no session, nothing around it
    page.run()
    state.warm_up()
    st.stop()
roles.come_back(page.url_path)
roles.take_seat(page.url_path)
share.receive(page.url_path)
session = state.session()
challenges.take_note(session)
if page.title != "Rank":
    card.pause_clock()
next_step.follow(page.url_path)


def small_board() -> None:
    """The loop in the sidebar, kept fresh while a job of this session works."""
    next_step.follow(page.url_path)
    whiteboard.draw(state.session(), size="side")


@st.dialog("Start over?", icon=":material/delete:")
def ask_start_over() -> None:
    st.write(
        "This deletes everything in this session: prompts, rankings, the reward model, the tuned"
        " model, all rounds. It cannot be undone."
    )
    with st.container(horizontal=True):
        if st.button("Yes, delete it all", type="primary", key="start_over_yes"):
            state.start_over()
            st.switch_page("pages/loop.py")
        if st.button("Keep it", key="start_over_no"):
            st.rerun()


def cannot_save() -> None:
    """Said while a run goes on, not only when the page is drawn again."""
    if problem := state.session().save_problem:
        st.warning(text.plain(problem), icon=":material/save:")


here = f"pages/{page.url_path or 'loop'}.py"
at_work = any(state.alive(name) for name in list(session.jobs) if name not in AHEAD)
with st.sidebar:
    with st.container():  # there on every page, so that what comes below keeps its place
        if page.title != "The loop":
            every = BOARD_EVERY if at_work else RANKED_EVERY if page.title == "Rank" else None
            st.fragment(small_board, run_every=every, key="small_board")()
    tour.offer(session, here)
    projector.switch()
    if not roles.hosting() and st.button(
        "Start over",
        key="start_over",
        icon=":material/restart_alt:",
        type="tertiary",
        help="Deletes this session's data. Asks first.",
    ):
        ask_start_over()
    if not roles.hosting():
        st.caption(
            "Your work is kept for a day after your last visit, at this page's address. Anyone with"
            " the address can open it."
        )
    space.keep_address(session)

components.drawer(page.title)
components.pictures()
if note := state.note():
    st.info(note, icon=":material/info:")

if slow := guards.slowed_down():
    st.warning(slow, icon=":material/speed:")

st.fragment(cannot_save, run_every=SAVED_EVERY if at_work else None)()

tour.draw(session, here)
page.run()
state.warm_up()
