"""Rounds: rinse and repeat. What each round brought, going back to one, and starting the next from the tuned model."""

from __future__ import annotations

import streamlit as st

from rlhf_core.session import InputError
from ui import charts, state, text

session = state.session()


def attempt(action, *args, done: str) -> None:
    """Run a session's action; its refusal, in words, or ``done`` is shown on the next run."""
    try:
        action(*args)
        st.session_state["rounds_note"] = ("success", done)
    except InputError as error:
        st.session_state["rounds_note"] = ("error", str(error))


def card(row: dict, last: bool) -> None:
    """One finished round: what went in, what came out, and the way back to it."""
    number = row["round"]
    bounds = charts.interval(row.get("win_interval"))
    with st.container(border=True, key=f"round_{number}"):
        st.markdown(f"**Round {number}**")
        with st.container(horizontal=True):
            st.metric("Comparisons", row.get("comparisons", 0))
            st.metric("Held-out accuracy", charts.percent(row["heldout_accuracy"]) if row.get("heldout_accuracy") is not None else "unknown")
            st.metric("PPO steps", row.get("steps", 0))
            st.metric("Reward gain", charts.number(row.get("reward_gain"), sign=True), help=f"In {charts.STANDARD_DEVIATIONS} of the original model.")
            st.metric("KL to reference", charts.number(row.get("kl")), help="Nats a response, to the original model.")
            st.metric(
                "Win rate",
                charts.percent(row["win_rate"]) if row.get("win_rate") is not None else "not measured",
                help="Against the original model, judged by the reward model." + (f" 95% interval {bounds}." if bounds else ""),
            )
        with st.popover(f"Roll back to round {number}", icon=":material/history:", disabled=busy):
            st.markdown(
                f"The model becomes what it was at the end of round {number}. "
                + ("Later steps are dropped." if last else "Later rounds are dropped.")
                + " Your comparisons stay."
            )
            st.button(
                f"Yes, go back to round {number}",
                key=f"roll_back_{number}",
                on_click=attempt,
                args=(session.roll_back, number),
                kwargs={"done": f"Back at the end of round {number}."},
            )


busy = state.alive("ppo") or state.alive("run_once")

st.title("Rounds", anchor=False)
st.markdown("Rank again, now that the model has changed: that is how it is done in practice. Your comparisons add up; each round starts from the tuned model.")
with st.container(border=True, key="rounds_fixed"):
    st.markdown(
        ":material/anchor: **What stays put.** The KL penalty always measures the distance to the *original* model, and the score's zero and unit "
        "stay those of the *original* model's answers. So the numbers of all rounds can be compared."
    )

if note := st.session_state.pop("rounds_note", None):
    (st.success if note[0] == "success" else st.error)(text.plain(note[1]))

finished = list(session.rounds)
st.subheader(f"You are in round {session.current_round}", anchor=False)
missing = session.needs("rounds")
if missing:
    st.markdown("The next round needs " + " and ".join(text.plain(need) for need in missing) + ".")
    with st.container(horizontal=True):
        st.page_link("pages/rank.py", label="Rank", icon=":material/arrow_forward:")
        st.page_link("pages/reward_model.py", label="Reward model", icon=":material/arrow_forward:")
        st.page_link("pages/ppo.py", label="PPO", icon=":material/arrow_forward:")
st.button(
    f"Start round {session.current_round + 1} from the tuned model", key="next_round", type="primary", icon=":material/restart_alt:",
    disabled=busy or bool(missing), on_click=attempt, args=(session.start_next_round,), kwargs={"done": "A new round: now rank what the tuned model writes."},
)  # fmt: skip
if busy:
    st.caption("A run is changing this session's model right now. Wait for it, or stop it, before you change rounds.")

if finished:
    charts.draw(charts.rounds_timeline(finished), key="rounds_timeline")
    for row in reversed(finished):
        card(row, last=row is finished[-1])
else:
    st.info("No finished round yet. When you start the next one, this one goes on the timeline.", icon=":material/timeline:")
