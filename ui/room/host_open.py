"""The room's page for somebody who is in no room: type a code, or open a room of one's own."""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.errors import BriefError, RoomError, SettingsError, StoreError
from rlhf_core.judging import briefs
from rlhf_core.lm import model_list
from rlhf_core.rooms import limits, opening, plans
from rlhf_core.rooms.records import RoomSettings
from rlhf_core.session import asked, registry
from rlhf_core.session.state import Session
from ui import guards, state, text
from ui.room import reach

ERROR, FRESH = "room_error", "room_fresh"  # in the session's state
STANDARD = RoomSettings()


def draw(session: Session) -> None:
    st.title("Workshop room", anchor=False)
    st.markdown(
        "One code on the wall, a phone in every hand, one model that the room trains together."
    )
    _join()
    st.subheader("Open a room", anchor=False)
    if reach.at_home_only():
        st.info(reach.NOT_REACHED, icon=":material/wifi_off:")
    left, right = st.columns([3, 2], gap="large")
    with left:
        _what_is_judged(session)
    with right:
        _how_long()
    _what_they_see()
    if error := st.session_state.get(ERROR):
        st.error(text.plain(error), icon=":material/error:")
    st.button(
        "Open the room",
        key="room_open",
        type="primary",
        icon=":material/meeting_room:",
        on_click=_open,
        args=(session,),
    )
    st.caption(text.plain(limits.in_words()))


def _join() -> None:
    with st.form("room_join", border=True), st.container(horizontal=True):
        st.text_input(
            "You have a code?", key="room_code", max_chars=12, placeholder="6 letters", width=220
        )
        with st.container(width="content", vertical_alignment="bottom", height="stretch"):
            st.form_submit_button(
                "Join", key="room_join_go", icon=":material/login:", on_click=_to_the_door
            )


def _to_the_door() -> None:
    if code := "".join((st.session_state.get("room_code") or "").split()).upper():
        st.query_params.from_dict({"room": code})


def _own(session: Session) -> dict:
    """The briefs that can be chosen, by their slug: those that come along, and the visitor's."""
    mine = [asked.brief_called(session, brief.slug) for brief in session.asked.briefs]
    return {**briefs.PRESETS, **{brief.slug: brief for brief in mine}}


def _what_is_judged(session: Session) -> None:
    offered = _own(session)
    st.text_input(
        "What is it called?", value=STANDARD.title, max_chars=limits.TITLE, key="room_title"
    )
    st.selectbox(
        "What makes an answer better? The brief",
        list(offered),
        format_func=lambda slug: text.bare(offered[slug].title),
        key="room_brief",
    )
    if st.toggle(
        "Two halves, two briefs",
        key="room_two",
        help=(
            "Every other person who joins gets the second brief: same prompts, same answers, two"
            " reward models. The room sees that the preference is in the brief."
        ),
    ):
        st.selectbox(
            "The other half's brief",
            [slug for slug in offered if slug != st.session_state.get("room_brief")],
            format_func=lambda slug: text.bare(offered[slug].title),
            key="room_other",
        )
    whose = st.segmented_control(
        "Prompts",
        ["The brief's own", "Typed here"],
        default="The brief's own",
        required=True,
        key="room_prompts_whose",
    )
    if whose == "Typed here":
        st.text_area(
            "One prompt a line",
            key="room_prompts",
            height=140,
            placeholder="An opossum is\nMy cat thinks that\nOn Monday morning I",
            max_chars=limits.PROMPTS * (limits.PROMPT_LENGTH + 1),
            help=(
                f"Up to {limits.PROMPTS} prompts of {limits.PROMPT_LENGTH} characters; six or more"
                " about different things work best."
            ),
        )
        brief = offered.get(st.session_state.get("room_brief") or "")
        if brief is not None:
            st.caption(
                "The room judges and trains on these. The blind vote asks about the brief's own"
                f" prompts ({len(brief.evaluation_prompts)} that nobody trains on): else the vote"
                " would praise what was learned by heart."
            )


def _how_long() -> None:
    st.segmented_control(
        "How long do you have?",
        list(plans.PLANS),
        default=STANDARD.plan,
        format_func=lambda minutes: f"{minutes} minutes",
        required=True,
        key="room_plan",
    )
    chosen = st.session_state.get("room_plan") or STANDARD.plan
    st.caption(
        " · ".join(
            f"{plans.SCREENS[scene.act].title} {scene.minutes}" for scene in plans.PLANS[chosen]
        )
        + " min"
    )
    here = [name for name in model_list.offered() if model_list.here(name)]
    if len(here) > 1:
        model = st.selectbox(
            "Which model writes?", here, format_func=model_list.title, key="room_model"
        )
        if model_list.from_the_web(model):
            st.warning(model_list.content_note(model), icon=":material/public:")
    st.slider(
        "PPO steps",
        5,
        limits.STEPS,
        STANDARD.steps,
        key="room_steps",
        help="With the bundled model, a step takes two to five seconds on two cores.",
    )


def _what_they_see() -> None:
    with st.expander("What people see", icon=":material/visibility:", key="room_see"):
        st.toggle(
            "Names may stand on the wall",
            key="room_names",
            help=(
                "Nicknames, each after your tap. Off: everybody is a colour and an animal on the"
                " wall, whatever they typed."
            ),
        )
        st.toggle(
            "Phones show the numbers too",
            value=STANDARD.numbers_on_phones,
            key="room_numbers_on_phones",
            help="Held-out accuracy, steps, score. Off: only the wall does, so that eyes go up.",
        )
        st.toggle(
            "People may write an ideal answer",
            key="room_ideal",
            help=(
                "After a pair, on the phone, if they like. You read it first: it reaches the wall"
                " only by your tap, and trains nothing."
            ),
        )
        st.text_area(
            "What people read before they join",
            value=limits.CONSENT,
            max_chars=limits.CONSENT_LENGTH,
            key="room_consent",
            height=130,
        )
        st.slider(
            "Pairs with a known answer (%)",
            0,
            50,
            round(100 * STANDARD.gold_share),
            key="room_gold",
            help="They show who reads. Only briefs that come along have such pairs.",
        )
        st.slider(
            "Pairs that everybody gets (%)",
            0,
            100,
            round(100 * STANDARD.shared_share),
            key="room_shared",
            help="More of them: agreement is known better. Fewer: more pairs are seen at all.",
        )


def _settings(session: Session) -> RoomSettings:
    says, offered = st.session_state, _own(session)
    chosen = [says.get("room_brief") or STANDARD.briefs[0]]
    if says.get("room_two") and says.get("room_other"):
        chosen.append(says["room_other"])
    typed = says.get("room_prompts_whose") == "Typed here"
    lines = (says.get("room_prompts") or "").splitlines() if typed else []
    prompts = tuple(" ".join(line.split()) for line in lines if line.strip())
    if typed and not prompts:
        raise RoomError("No prompt is typed yet: write one a line, or take the brief's own.")
    return RoomSettings(
        briefs=tuple(chosen),
        own_briefs={
            slug: offered[slug].to_dict()
            for slug in chosen
            if slug not in briefs.PRESETS or offered[slug] != briefs.PRESETS[slug]
        },
        prompts=prompts,
        model=says.get("room_model") or "",
        plan=says.get("room_plan") or STANDARD.plan,
        title=says.get("room_title") or "",
        consent=says.get("room_consent") or "",
        names_on_wall=bool(says.get("room_names")),
        numbers_on_phones=bool(says.get("room_numbers_on_phones", True)),
        gold_share=says.get("room_gold", 15) / 100,
        shared_share=says.get("room_shared", 40) / 100,
        steps=says.get("room_steps") or STANDARD.steps,
        ideal_answers=bool(says.get("room_ideal")),
    )


def _open(session: Session) -> None:
    """Open the room, have its answers written, and let this tab be its host's."""
    st.session_state.pop(ERROR, None)
    if refused := guards.too_many_jobs(session.id):
        st.session_state[ERROR] = refused
        return
    try:
        opened = opening.open_room(_settings(session))
    except (RoomError, SettingsError, BriefError, StoreError) as error:
        st.session_state[ERROR] = str(error)
        return
    if (room := registry.get(opened.session_id)) is not None:
        state.submit_for(room, "room_answers")
    st.query_params.from_dict({"room": opened.code, "host": opened.host})
    st.session_state[FRESH] = opened.code
