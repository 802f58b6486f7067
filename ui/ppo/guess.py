"""A guess at where a run will end, made before it, and how close it came."""

from __future__ import annotations

import streamlit as st

from rlhf_core.evaluation import predictions
from rlhf_core.session import guesses
from rlhf_core.session.state import Session
from ui import charts


def offer(session: Session, steps: int, *, disabled: bool) -> None:
    """An offer to guess where the run will end; folded away, and nothing waits for it."""
    with st.expander("Guess first? (You need not.)", icon=":material/casino:", key="guess_box"):
        st.caption(
            f"Where will {steps} more steps lead? A guess makes you look twice. Afterwards the app"
            " shows how close it came; nobody else sees it."
        )
        columns = st.columns(3)
        kl = columns[0].slider(
            "KL to the original (nats)", 0.0, 20.0, 2.0, 0.5, key="guess_kl", disabled=disabled
        )
        reward = columns[1].slider(
            "Mean reward (SD; 0: the original)",
            -1.0,
            4.0,
            0.5,
            0.1,
            key="guess_reward",
            disabled=disabled,
        )
        winner = columns[2].selectbox(
            "Who wins on unseen prompts?",
            list(predictions.WINNERS),
            format_func=predictions.WINNERS.get,
            key="guess_winner",
            disabled=disabled,
        )
        st.button(
            "Keep my guess",
            key="guess_keep",
            on_click=guesses.keep,
            args=(session, kl, reward, winner),
            kwargs={"steps": steps},
            disabled=disabled,
        )
        if waiting := guesses.waiting(session):
            st.caption(
                f":material/check: Kept: KL {charts.number(waiting['kl'])}, reward"
                f" {charts.number(waiting['reward'], sign=True)},"
                f" {predictions.WINNERS[waiting['winner']]}, at step {waiting['to']}."
            )


def scored(session: Session, *, busy: bool) -> None:
    """The newest guess of this round beside what came out, once its step is reached; where the run
    ended before, that nothing is judged.
    """
    found = guesses.scored(session)
    if found is None:
        return
    if found["early"]:
        words = "Your guess is judged at" if busy else "Your guess is not judged: it was about"
        st.caption(f":material/casino: {words} step {found['to']}.")
        return
    lines = ["| Your guess | You | It came out | |", "|:--|--:|--:|:--|"]
    for row in found["rows"]:
        you, real = (
            charts.number(value) if isinstance(value, float) else value
            for value in (row["guess"], row["real"])
        )
        mark = "close" if row["close"] else "off"
        if real is None:
            mark = "not measured yet: see Before / after"
        lines.append(f"| {row['name']} | {you} | {real or '–'} | {mark} |")
    with st.container(border=True, key="guess_scored"):
        st.markdown("\n".join(lines))
        st.caption(f"At step {found['step']}.")
