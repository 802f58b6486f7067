"""The blind vote: two answers, A and B at random, and which of them is better."""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.errors import InputError
from rlhf_core.common.seeds import seed_of
from rlhf_core.common.wording import counted
from rlhf_core.evaluation import conclusion
from rlhf_core.evaluation import verdict as engine
from rlhf_core.session import judged
from rlhf_core.session.state import Session
from ui import charts, text
from ui.before_after import side_by_side


def draw(session: Session) -> None:
    """One pair after the other, by click or by key, for as long as the learner likes."""
    st.subheader("Now blind: which is better?", anchor=False)
    found = (session.tuned.evaluation or {}).get("pairs", [])
    asked = {record["prompt"] for record in side_by_side.fresh(session)}
    pairs = to_vote_on(found, asked)
    votes = judged.votes_here(session)
    if not pairs:
        st.info(
            "Both models wrote the same for every prompt, so there is nothing to vote on.",
            icon=":material/drag_handle:",
        )
        return
    done = {row["prompt"] for row in votes}
    waiting = [pair for pair in pairs if pair["prompt"] not in done]
    st.progress(
        1 - len(waiting) / len(pairs),
        text=f"{len(pairs) - len(waiting)} of {len(pairs)} pairs voted on"
        + (". You may stop any time." if waiting else ""),
    )
    if error := st.session_state.pop("vote_error", None):
        st.error(text.plain(error), icon=":material/error:")
    if waiting:
        pair = waiting[0]
        who = judged.sitting(session)
        flipped = st.session_state.setdefault("vote_sides", {}).setdefault(
            pair["prompt"], bool(seed_of(session.seed, "blind vote", who, pair["prompt"]) % 2)
        )
        left, right = ("after", "before") if flipped else ("before", "after")
        keys = st.session_state.get("keys", True)  # the switch stands on the Rank page
        for column, side, name in zip(st.columns(2), (left, right), "AB", strict=True):
            with column:
                text.answer(pair["prompt"], pair[side], tag=f"Answer {name}")
                st.button(
                    f"{name} is better",
                    key=f"vote_{name.lower()}",
                    on_click=vote,
                    args=(session, pair["prompt"], side),
                    width="stretch",
                    shortcut=name if keys else None,
                )
        st.button(
            "No difference",
            key="vote_tie",
            on_click=vote,
            args=(session, pair["prompt"], "tie"),
            width="stretch",
            shortcut="T" if keys else None,
        )
    if not votes:
        return
    with st.expander(
        "Your count so far (opening it ends the blindness)" if waiting else "Your count",
        expanded=not waiting,
        key=f"vote_count_{'open' if waiting else 'done'}",
    ):
        count = {
            side: sum(row["choice"] == side for row in votes) for side in ("after", "tie", "before")
        }
        with st.container(horizontal=True):
            st.metric("After preferred", count["after"])
            st.metric("No difference", count["tie"])
            st.metric("Before preferred", count["before"])
        st.markdown(tally(votes, session.seed))


def to_vote_on(found: list[dict], asked: set[str]) -> list[dict]:
    """One pair a prompt, the last that differs: none that stands above with its names, and first
    the prompts that do not stand there (``asked``: those that the learner asked both).
    """
    shown = found[: side_by_side.PAIRS_SHOWN]
    named = asked | {pair["prompt"] for pair in shown}
    different = [pair for pair in found if pair["before"] != pair["after"]]
    pairs = [pair for pair in different if pair not in shown] or different
    one_each = {pair["prompt"]: pair for pair in pairs}.values()
    return sorted(one_each, key=lambda pair: pair["prompt"] in named)


def vote(session: Session, prompt: str, choice: str) -> None:
    try:
        judged.add_vote(session, prompt, choice)
    except InputError as error:
        st.session_state["vote_error"] = str(error)


def tally(votes: list[dict], seed: int) -> str:
    """What the votes say, with their interval; of none, nothing."""
    if not votes:
        return ""
    row = engine.by_votes(votes, seed=seed)
    words = (
        f"Win rate of after: **{charts.percent(row['win_rate'])}** of"
        f" {counted(row['pairs'], 'vote')} (95% interval"
        f" {charts.interval(row['interval'])}), a tie counting half. "
    )
    way = conclusion.direction(row)
    if not way:
        return words + "Luck alone could give that: **too few to tell**."
    return (
        words + f"That lies wholly {'above' if way > 0 else 'below'} one half: chance alone hardly"
        " explains it."
    )
