"""Rounds: rinse and repeat. What each round brought, going back to one, and starting the next from the tuned model."""

from __future__ import annotations

import streamlit as st

from rlhf_core.session import InputError
from ui import charts, charts_compare, state, text

session = state.session()


def attempt(action, *args, done: str) -> None:
    """Run a session's action; its refusal, in words, or ``done`` is shown on the next run."""
    try:
        action(*args)
        st.session_state["rounds_note"] = ("success", done)
    except InputError as error:
        st.session_state["rounds_note"] = ("error", str(error))


def one_round(row: dict) -> None:
    """The only round so far, as a table: a chart of one point shows nothing."""
    bounds = charts.interval(row.get("win_interval"))
    win_rate = charts.percent(row["win_rate"]) + (f" ({bounds})" if bounds else "") if row.get("win_rate") is not None else "not measured"
    lines = [
        f"| | Round {row['round']} |",
        "|:--|--:|",
        f"| Comparisons | {row.get('comparisons', 0)} |",
        f"| Held-out accuracy of the reward model | {charts.percent(row['heldout_accuracy']) if row.get('heldout_accuracy') is not None else 'unknown'} |",
        f"| PPO steps | {row.get('steps', 0)} |",
        f"| Reward at its end, in {charts.STANDARD_DEVIATIONS} (0: the original model) | {charts.number(row.get('reward'), sign=True)} ({charts.number(row.get('reward_gain'), sign=True)} in this round) |",
        f"| KL to reference, in nats a response | {charts.number(row.get('kl'))} |",
        f"| Win rate against the original model | {win_rate} |",
    ]
    st.markdown("\n".join(lines))


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
            gain = f"{charts.number(row.get('reward_gain'), sign=True)} in this round"
            words = f"At its end, in {charts.STANDARD_DEVIATIONS}. 0 is the original model."
            st.metric("Reward", charts.number(row.get("reward"), sign=True), gain, delta_color="off", delta_arrow="off", help=words)
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

finished, tuned = list(session.rounds), session.steps_done > 0
st.subheader(f"You are in round {session.current_round}", anchor=False)
if not tuned:
    st.markdown("Before the next round can start, this one needs at least one PPO step. The way there:")
    with st.container(horizontal=True):
        for page, label in (("rank", "Rank"), ("reward_model", "Reward model"), ("ppo", "PPO")):
            st.page_link(f"pages/{page}.py", label=label, icon=":material/arrow_forward:")
st.button(
    f"Start round {session.current_round + 1} from the tuned model", key="next_round", type="primary", icon=":material/restart_alt:",
    disabled=busy or not tuned, on_click=attempt, args=(session.start_next_round,), kwargs={"done": "A new round: now rank what the tuned model writes."},
)  # fmt: skip
if busy:
    st.caption("A run is changing this session's model right now. Wait for it, or stop it, before you change rounds.")

if finished or tuned:
    so_far = [*finished, session.round_summary()] if tuned else finished
    if len(so_far) == 1:
        if tuned:  # a finished one has its card below
            one_round(so_far[0])
        st.caption("From the second round on, a chart shows every line from round to round.")
    else:
        charts.draw(charts_compare.rounds_timeline(so_far), key="rounds_timeline")
    if tuned and len(so_far) > 1:
        st.caption(f"The last point, round {session.current_round}, is the one you are in.")
else:
    st.info("No round has trained anything yet. The timeline begins with the first PPO step.", icon=":material/timeline:")
for row in reversed(finished):
    card(row, last=row is finished[-1])
if finished:
    with st.popover("Back to the original model", icon=":material/history:", disabled=busy):
        st.markdown("All rounds are dropped and the model becomes the original again. Your comparisons stay.")
        st.button("Yes, back to the original", key="roll_back_0", on_click=attempt, args=(session.roll_back, 0), kwargs={"done": "Back at the original model."})
