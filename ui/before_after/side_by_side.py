"""Both models on the learner's own prompt with one seed, and on prompts that no training saw."""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.errors import InputError
from rlhf_core.judging.typed import check_prompt
from rlhf_core.session.state import Session
from ui import charts, monitor, state, text, word_diff

PAIRS_SHOWN = 2
ON_ARRIVAL = 2  # answers of each model to the learner's own prompt
COUNTED = ("", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight")


# --- on arrival -----------------------------------------------------------------------------------


def fill(session: Session) -> None:
    """Once for a model as it stands: let both models answer the learner's own prompt, and those
    kept for the verdict. Whatever was stopped or failed is not begun again by itself.
    """
    stands = (session.tuned.run, session.history.current_round, session.tuned.steps_done)
    if st.session_state.get("filled_for") == stands:
        return
    st.session_state["filled_for"] = stands
    if not fresh(session):
        state.submit("compare", prompt_of(session), 0, ON_ARRIVAL)
    if session.tuned.evaluation is None:
        state.submit("evaluate")


def prompt_of(session: Session) -> str:
    """What both are asked first: the learner's own newest prompt, else one that no training saw."""
    asked = session.asked
    return (asked.user_prompts or asked.brief.evaluation_prompts or asked.brief.training_prompts)[
        -1 if asked.user_prompts else 0
    ]


def fresh(session: Session) -> list[dict]:
    """What both models wrote to prompts that were asked for, by the model as it stands."""
    here = (session.history.current_round, session.tuned.steps_done)
    return [
        record
        for record in state.records("compare")
        if "before" in record and (record.get("round"), record.get("step")) in (here, (None, None))
    ]


# --- a prompt of one's own ------------------------------------------------------------------------


def own(session: Session) -> None:
    """The learner's prompt on both models, and a box for another one behind a press."""
    shown = fresh(session)
    prompt = shown[-1]["prompt"] if shown else prompt_of(session)
    yours = "Your prompt" if prompt in session.asked.user_prompts else "One prompt"
    st.subheader(yours, anchor=False)
    if state.job("compare"):
        monitor.monitor("compare", controls=("stop",), draw=compared, every=0.3, quiet=True)
    with st.expander("Ask both another prompt", icon=":material/edit:", key="compare_another"):
        another(session, prompt)


def another(session: Session, first: str) -> None:
    st.session_state.setdefault("compare_prompt", st.session_state.get("compare_kept", first))
    busy = state.alive("compare")
    st.text_input(
        "Prompt for both models",
        st.session_state["compare_prompt"],
        key="compare_prompt",
        placeholder="An opossum is",
        help="Any prompt of your own, whether it was trained on or not.",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="compare_box"):
        st.number_input(
            "Seed",
            0,
            2**31 - 1,
            st.session_state.get("compare_seed_kept", 0),
            1,
            key="compare_seed",
            width=140,
            help="Both models draw their words with the same luck: what differs is the training.",
        )
        st.button(
            "Ask both",
            key="compare",
            icon=":material/compare:",
            on_click=compare,
            args=(session,),
            disabled=busy,
        )
    with st.container(
        horizontal=True, gap="xsmall", vertical_alignment="center", key="compare_offers"
    ):
        st.caption("Prompts it never trained on:", width="content")
        for number, prompt in enumerate(session.asked.brief.evaluation_prompts[:4]):
            st.button(
                text.plain(prompt),
                key=f"compare_offer_{number}",
                type="tertiary",
                on_click=offer,
                args=(session, prompt),
                disabled=busy,
            )
    if error := st.session_state.get("compare_error"):
        st.error(text.plain(error), icon=":material/error:")


def compare(session: Session) -> None:
    """Let both models answer the prompt in the box with one seed."""
    st.session_state["compare_kept"] = prompt = st.session_state.get("compare_prompt", "")
    st.session_state["compare_seed_kept"] = seed = int(st.session_state.get("compare_seed", 0))
    st.session_state.pop("compare_error", None)
    try:
        prompt = check_prompt(prompt)
    except InputError as error:
        st.session_state["compare_error"] = str(error)
        return
    state.submit("compare", prompt, seed)


def offer(session: Session, prompt: str) -> None:
    st.session_state["compare_prompt"] = prompt
    compare(session)


def compared(records: list[dict], view: dict) -> None:
    row = next((record for record in reversed(records) if "before" in record), None)
    if row is None:
        if view["status"] in state.ALIVE:
            st.caption("Both models are writing.")
        return
    for number, (before, after) in enumerate(zip(row["before"], row["after"], strict=False)):
        both(
            row["prompt"],
            before,
            after,
            foot_before=foot(row, "before", number),
            foot_after=foot(row, "after", number),
        )
    if row["before"] == row["after"]:
        st.info(
            "Word for word the same: with this prompt and this seed, the training changed nothing.",
            icon=":material/drag_handle:",
        )
    elif same := alike(row["after"]):
        every = same == len(row["after"])
        which = ("Both" if same == 2 else "All") if every else COUNTED[same]
        st.caption(
            f":material/content_copy: **{which} of the tuned model's {len(row['after'])} answers"
            " are the same, word for word.** What PPO gains in taste it often pays for in variety."
        )


def alike(written: list[str]) -> int:
    """How many of these texts are the one that comes most often; 0 where none comes twice."""
    most = max((written.count(one) for one in written), default=0)
    return min(most, len(COUNTED) - 1) if most > 1 else 0


# --- prompts that no training saw -----------------------------------------------------------------


def held_out(session: Session) -> None:
    """The first pairs of the measurement, and how many different answers there are."""
    pairs = (session.tuned.evaluation or {}).get("pairs", [])
    if not pairs:
        return
    st.subheader("On prompts it never trained on", anchor=False)
    everything = len(pairs) <= PAIRS_SHOWN or st.toggle(
        f"Show all {len(pairs)} pairs",
        key="pairs_all",
        help="Vote blind first, below: these say which model wrote what.",
    )
    for pair in pairs if everything else pairs[:PAIRS_SHOWN]:
        feet = [
            reward(pair.get(f"reward_{side}"), pair.get(f"doubt_{side}") if everything else None)
            for side in ("before", "after")
        ]
        both(pair["prompt"], pair["before"], pair["after"], foot_before=feet[0], foot_after=feet[1])
    before, after = (len({pair[side] for pair in pairs}) for side in ("before", "after"))
    if len(pairs) > 1:
        st.caption(
            f"**Variety:** of {len(pairs)} answers each, {before} different ones before, {after}"
            " after."
        )
    if everything and "doubt_after" in pairs[0]:
        st.caption(
            "Reward ± the reward model's own doubt about it: one standard deviation, from how"
            " few votes it has to go by."
        )


def both(
    prompt: str, before: str, after: str, *, foot_before: str = "", foot_after: str = ""
) -> None:
    """One prompt, original left and tuned right (below it on a phone, so each says which it is),
    the words that changed marked.
    """
    feet = [
        " · ".join(filter(None, [foot, "" if written.strip() else "wrote nothing"]))
        for written, foot in ((before, foot_before), (after, foot_after))
    ]
    word_diff.pair(prompt, before, after, feet=feet)


def reward(score: float | None, doubt: float | None) -> str:
    """A score with the reward model's own doubt about it, where it was measured."""
    return f"reward {charts.number(score, sign=True)}" + (
        f" ± {charts.number(doubt)}" if doubt is not None else ""
    )


def foot(row: dict, side: str, number: int) -> str:
    """What the reward model gives an answer, where there is one, and whether it breaks off."""
    doubts = row.get(f"doubt_{side}")
    words = (
        [reward(row[f"reward_{side}"][number], doubts[number] if doubts else None)]
        if f"reward_{side}" in row
        else []
    )
    return " · ".join(
        words + ([] if row.get(f"ended_{side}", [True] * 99)[number] else ["breaks off"])
    )
