"""My RLHF: the picture to share, the challenges, what was understood, and an end."""

from __future__ import annotations

import streamlit as st

from rlhf_core.labs import challenges, understanding
from ui import share_picture, state, text

session = state.session()


@st.cache_data(show_spinner=False, max_entries=100)
def drawn(facts: dict) -> bytes:
    """The picture, drawn once for the same facts."""
    return share_picture.png(facts)


def the_end() -> None:
    if challenges.loop_done(session):
        st.success(
            "**You have done RLHF.** Judgements became a reward model, and PPO bent a language"
            " model to it while a frozen copy held on. Assistants are taught their manners this"
            " way, with more people and larger models.",
            icon=":material/emoji_events:",
        )


def picture() -> None:
    facts = share_picture.facts(session)
    if facts is None:
        st.markdown("Your picture comes with your first before and after.")
        st.page_link(
            "pages/loop.py", label="Go through the loop once", icon=":material/arrow_forward:"
        )
        return
    image = drawn(facts)
    st.image(image, width="stretch", alt=share_picture.alt(facts))
    with st.container(horizontal=True):
        st.download_button(
            "Download the picture",
            image,
            "my-rlhf.png",
            "image/png",
            key="my_png",
            type="primary",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "As SVG",
            share_picture.svg(facts),
            "my-rlhf.svg",
            "image/svg+xml",
            key="my_svg",
            on_click="ignore",
            help="Sharp at every size.",
        )


def list_of_challenges() -> None:
    done = challenges.earned(session)
    every = challenges.CHALLENGES
    st.progress(len(done) / len(every), text=f"**{len(done)} of {len(every)}** done")
    columns = st.columns(2)
    for place, one in enumerate(sorted(every, key=lambda one: one.name in done)):
        ticked = one.name in done
        with columns[place % 2], st.container(key=f"challenge_{one.name}", gap="xxsmall"):
            st.page_link(
                f"pages/{one.page}.py",
                label=f"**{one.title}**" + (" · done" if ticked else ""),
                icon=":material/check_circle:" if ticked else ":material/flag:",
            )
            st.caption(one.task)


def take(name: str) -> None:
    chosen = st.session_state.get(f"understood_{name}")
    if chosen is not None:
        understanding.answer(session, name, chosen)


def go_to() -> None:
    st.session_state["understood_at"] = st.session_state["understood_place"]


def questions() -> None:
    answers, every = understanding.answered(session), understanding.QUESTIONS
    right = sum(bool(answers.get(one.name, {}).get("right")) for one in every)
    st.progress(right / len(every), text=f"**{right} of {len(every)}** understood")
    first = next((n for n, one in enumerate(every) if one.name not in answers), 0)
    place = st.segmented_control(
        "Question",
        range(len(every)),
        default=st.session_state.setdefault("understood_at", first),
        required=True,
        format_func=lambda n: f"{n + 1}{' ✓' * bool(answers.get(every[n].name, {}).get('right'))}",
        key="understood_place",
        on_change=go_to,
    )
    question = every[place]
    kept = answers.get(question.name)
    st.radio(
        f"**{question.asked}**",
        range(len(question.options)),
        index=kept["chosen"] if kept else None,
        format_func=question.options.__getitem__,
        key=f"understood_{question.name}",
        on_change=take,
        args=(question.name,),
    )
    if kept is None:
        return
    if kept["chosen"] == question.right:
        st.success(f"Right. {question.why}", icon=":material/check:")
    else:
        st.warning(f"Not quite: try again. {question.why}", icon=":material/undo:")
    if own := understanding.from_own_run(session, question):
        st.markdown(f":material/person: {text.plain(own)}")


st.title("My RLHF", anchor=False)
the_end()
tabs = st.tabs(["Picture", "Challenges", "What I understood"], key="my_tabs")
for tab, draw in zip(tabs, (picture, list_of_challenges, questions), strict=True):
    with tab:
        draw()
