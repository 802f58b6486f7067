"""Rounds: rinse and repeat. What each round brought, going back to one, the branches that leaves
behind, and the next round from the tuned model.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.errors import InputError
from rlhf_core.evaluation import conclusion, still_improving
from rlhf_core.session import rounds
from ui import charts, monitor, next_step, state, text, verdict
from ui.charts import rounds as charts_rounds

FRESH = (
    "A round's first reward differs from the last one of the round before: its reward model, once"
    " trained anew, is another judge with a unit of its own, and the answers are a fresh sample."
)

session = state.session()


def attempt(action, *args, done: str, kept: str = "") -> None:
    """Run a command on the session; its refusal, in words, or ``done`` is shown on the next run.
    ``kept`` follows with the name of the branch that it left, if any.
    """
    try:
        left = action(*args)
        words = kept.format(left) if kept and left else ""
        st.session_state["rounds_note"] = ("success", f"{done} {words}".strip())
    except InputError as error:
        st.session_state["rounds_note"] = ("error", str(error))


def go_back(number: int) -> None:
    attempt(
        rounds.roll_back,
        session,
        number,
        st.session_state.get(f"branch_name_{number}", ""),
        done=f"Back at the end of round {number}." if number else "Back at the original model.",
        kept="What came after is kept as the branch “{}”.",
    )


def return_to(name: str) -> None:
    attempt(
        rounds.return_to,
        session,
        name,
        done=f"Back on the branch “{name}”.",
        kept="Where you were is kept as “{}”.",
    )


def forget(name: str) -> None:
    attempt(rounds.forget_branch, session, name, done=f"The branch “{name}” is deleted.")


def learned_from(row: dict) -> str:
    """After going back, a reward model may know fewer comparisons than there are by now."""
    used = row["learned_from"]
    return "" if used == row.get("comparisons", 0) else f", which learned from {used}"


def held_out(row: dict) -> str:
    """ "100% of 4": never the share alone."""
    accuracy, pairs = row.get("heldout_accuracy"), row["heldout_pairs"]
    if accuracy is None:
        return "unknown"
    return charts.percent(accuracy) + (f" of {pairs}" if pairs else "")


def one_round(row: dict) -> None:
    """The only round so far, as a table: a chart of one point shows nothing."""
    rates = [
        f"| Win rate against the original model, by {who} |"
        f" {charts.percent(rate)}{f' ({bounds})' if bounds else ''} |"
        for who, rate, bounds in charts_rounds.win_rates(row)
    ]
    bounds = charts.interval(row["heldout_interval"])
    accuracy = held_out(row) + (f" ({bounds})" if bounds else "")
    lines = [
        f"| | Round {row['round']} |",
        "|:--|--:|",
        *(rates or ["| Win rate against the original model | not measured |"]),
        f"| KL to reference, in nats a response | {charts.number(row.get('kl'))} |",
        (
            "| Reward at its end, by its own reward model, in"
            f" {charts.STANDARD_DEVIATIONS} (0: the original model) |"
            f" {charts.number(row.get('reward'), sign=True)}"
            f" ({charts.number(row.get('reward_gain'), sign=True)} in this round) |"
        ),
        f"| PPO steps | {row.get('steps', 0)} |",
        f"| Held-out accuracy of the reward model{learned_from(row)} | {accuracy} |",
        f"| Pairs | {row.get('comparisons', 0)} |",
    ]
    st.markdown("\n".join(lines))


def card(row: dict) -> None:
    """One finished round: what went in, what came out, and the way back to it."""
    number = row["round"]
    with st.container(border=True, key=f"round_{number}"):
        st.markdown(f"**Round {number}**")
        with st.container(horizontal=True):
            rates = charts_rounds.win_rates(row)
            for who, rate, bounds in rates:
                st.metric(
                    f"Win rate by {who}",
                    charts.percent(rate),
                    f"95% interval {bounds}" if bounds else None,
                    delta_color="off",
                    delta_arrow="off",
                    help="Against the original model.",
                )
            if not rates:
                st.metric("Win rate", "not measured", help="Against the original model.")
            st.metric(
                "KL to reference",
                charts.number(row.get("kl")),
                help="Nats a response, to the original model.",
            )
            count, few = row.get("comparisons", 0), learned_from(row)
            st.metric(
                "Pairs learned from" if few else "Pairs",
                f"{row['learned_from']} of {count}" if few else count,
            )
            sure = charts.interval(row["heldout_interval"])
            st.metric(
                "Held-out accuracy",
                held_out(row),
                f"95% interval {sure}" if sure else None,
                delta_color="off",
                delta_arrow="off",
            )
            st.metric("PPO steps", row.get("steps", 0))
            gain = f"{charts.number(row.get('reward_gain'), sign=True)} in this round"
            if (start := charts_rounds.began(row)) is not None and number > 1:
                gain += f", from {charts.number(start, sign=True)}"
            words = f"At its end, in {charts.STANDARD_DEVIATIONS}. 0 is the original model. {FRESH}"
            st.metric(
                "Reward by its own reward model",
                charts.number(row.get("reward"), sign=True),
                gain,
                delta_color="off",
                delta_arrow="off",
                help=words,
            )
        kept = row.get("verdict") or {}
        if words := kept.get("conclusion") or kept.get("sentence"):
            st.caption(f":material/gavel: {text.plain(words)}", help=verdict.explained(words))
        if rounds.kept(session, number):
            way_back(number, f"Roll back to round {number}")
        else:
            st.caption(
                "Its weights are no longer kept, so one cannot go back to it; its numbers stay."
            )


def way_back(number: int, label: str) -> None:
    """Back to the end of round ``number`` (0: the original); what came after becomes a branch."""
    with st.popover(label, icon=":material/history:", disabled=busy):
        where = (
            f"what it was at the end of round {number}, and its reward model comes back with it"
            if number
            else "the original again; the reward model stays"
        )
        st.markdown(f"The model becomes {where}. Your judgements stay.")
        if len(session.history.rounds) > number or session.tuned.steps_done:
            st.markdown(
                "**What came after is not lost:** it is kept below as a branch that you can"
                " return to."
            )
            st.text_input(
                "A name for it",
                key=f"branch_name_{number}",
                max_chars=rounds.MAX_NAME,
                placeholder="for example: strict taste, beta 0.1",
            )
            if len(session.history.branches) >= rounds.MOST_BRANCHES:
                st.caption(
                    f"{rounds.MOST_BRANCHES} branches are kept; the oldest,"
                    f" “{text.plain(session.history.branches[0]['name'])}”, would go."
                )
        words = f"Yes, go back to round {number}" if number else "Yes, back to the original"
        st.button(words, key=f"roll_back_{number}", on_click=go_back, args=(number,))


def branch_card(branch: dict, number: int) -> None:
    """A future that was left, and the way back to it."""
    row = branch["summary"]
    with st.container(border=True, key=f"branch_{number}"):
        st.markdown(f":material/fork_right: **{text.plain(branch['name'])}**")
        rates = charts_rounds.win_rates(rounds.told(row))[:1]  # the most independent judge
        rate = "".join(f", win rate by {who} {charts.percent(share)}" for who, share, _ in rates)
        came = (
            f"went off after round {branch['left_at']}"
            if branch["left_at"]
            else "went off at the original model"
        )
        steps = row.get("steps", 0)
        st.caption(
            f"It {came}; it stands in round {branch['round']}"
            + (
                f" after {steps} PPO step{'s' if steps > 1 else ''}, reward"
                f" {charts.number(row.get('reward'), sign=True)} SD, KL"
                f" {charts.number(row.get('kl'))} nats{rate}."
                if steps
                else ", before its first step."
            )
        )
        with st.container(horizontal=True):
            st.button(
                "Return to it",
                key=f"return_{number}",
                icon=":material/alt_route:",
                on_click=return_to,
                args=(branch["name"],),
                disabled=busy,
                help="Where you are now becomes a branch in its turn.",
            )
            with st.popover("Delete", icon=":material/delete:", disabled=busy):
                st.markdown("Deletes its model and its numbers for good.")
                st.button(
                    "Yes, delete this branch",
                    key=f"forget_{number}",
                    on_click=forget,
                    args=(branch["name"],),
                )


busy = state.alive("ppo") or state.alive("run_once")

st.title("Rounds", anchor=False)
st.markdown(
    "Rank again, now that the model has changed: that is how it is done in practice. Your"
    " judgements add up; each round starts from the tuned model."
)
with st.container(border=True, key="rounds_fixed"):
    st.markdown(
        ":material/anchor: **Compare rounds** by the judges that no reward model taught (graded"
        " rule, word rule, your blind votes) and by KL: all look from the *original* model."
        " **Not by reward:** each round's own reward model gives it, so rewards of two rounds come"
        " from two judges."
    )

if note := st.session_state.pop("rounds_note", None):
    (st.success if note[0] == "success" else st.error)(text.plain(note[1]))

finished, tuned = list(session.history.rounds), session.tuned.steps_done > 0
st.subheader(f"You are in round {session.history.current_round}", anchor=False)
if not tuned:
    st.markdown(
        "Before the next round can start, this one needs at least one PPO step. The way there:"
    )
    with st.container(horizontal=True):
        for page, label in (("rank", "Rank"), ("reward_model", "Reward model"), ("ppo", "PPO")):
            st.page_link(f"pages/{page}.py", label=label, icon=":material/arrow_forward:")
st.button(
    f"Start round {session.history.current_round + 1} from the tuned model",
    key="next_round",
    type="primary" if next_step.here(session, "rounds") else "secondary",
    icon=":material/restart_alt:",
    disabled=busy or not tuned,
    on_click=attempt,
    args=(rounds.start_next, session),
    kwargs={"done": "A new round: now rank what the tuned model writes."},
)
if busy:
    st.caption(
        "A run is changing this session's model right now. Wait for it, or stop it, before you"
        " change rounds."
    )
    for name in filter(state.alive, ("ppo", "run_once")):
        monitor.monitor(name, controls=("stop",), draw=lambda records, view: None)
elif tuned and not session.tuned.evaluation:
    with st.container(border=True, key="not_measured"):
        st.markdown(
            ":material/info: **This round is not measured.** Measure it before you start the next:"
            " later nobody can tell whether another round helped."
        )
        st.page_link(
            "pages/before_after.py", label="Before / after", icon=":material/arrow_forward:"
        )

if finished or tuned:
    so_far = [*finished, rounds.summary(session)] if tuned else finished
    so_far = [rounds.told(row) for row in so_far]
    if len(so_far) == 1:
        if tuned:  # a finished one has its card below
            one_round(so_far[0])
        second = so_far[0]["round"] + 1
        st.caption(f"A chart from round to round comes with round {second}'s first PPO step.")
    else:
        found = still_improving.still_improving(so_far)
        icon = {
            "better": ":material/trending_up:",
            "worse": ":material/trending_down:",
            "no change": ":material/trending_flat:",
        }.get(found["answer"], ":material/help:")
        with st.container(border=True, key="rounds_verdict"):
            st.markdown(f"{icon} **Does it still improve?** {text.plain(found['sentence'])}")
            if found["answer"] != "unknown":
                outside = found["judge"] in conclusion.INDEPENDENT
                st.caption(
                    "Both against the original, on the same prompts that no training saw."
                    + ("" if outside else " Two reward models, two judges: no outside view.")
                )
        charts.draw(charts_rounds.rounds_timeline(so_far), key="rounds_timeline")
        st.caption(FRESH)
    if tuned and len(so_far) > 1:
        st.caption(f"The last point, round {session.history.current_round}, is the one you are in.")
else:
    st.info(
        "No round has trained anything yet. The timeline begins with the first PPO step.",
        icon=":material/timeline:",
    )
for row in reversed(finished):
    card(rounds.told(row))
if finished or tuned:
    way_back(0, "Back to the original model")
if session.history.branches:
    st.subheader("Branches", anchor=False)
    st.caption(
        "Futures that you left by going back. Judgements are shared by all of them; the models are"
        " not."
    )
    for number, branch in enumerate(reversed(session.history.branches)):
        branch_card(branch, number)
next_step.draw(session, "rounds")
