"""Instructions matter: the same twelve pairs under a vague brief and under a precise one, and what
that does to a reward model.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.seeds import seed_of
from rlhf_core.labs import instructions_matter as lab_of_briefs
from ui import challenges, charts, monitor, state, text
from ui.charts import annotation_labs as charts_labs
from ui.labs import answer_card, saved

PAIRS = lab_of_briefs.PAIRS

session = state.session()


def write() -> None:
    answer_card.put_down()
    st.session_state["instructions_draw"] = st.session_state.get("instructions_draw", 0) + 1
    lab = lab_of_briefs.lab_of(session) or {}
    parts = lab.get("seed", 0), st.session_state["instructions_draw"]
    state.submit("instructions_pairs", seed_of(session.seed, "instructions matter", *parts))


def train() -> None:
    state.submit("instructions_models")


def again() -> None:
    answer_card.put_down()
    st.session_state.pop("second_brief_read", None)
    lab_of_briefs.keep(session, None)


def undo() -> None:
    lab_of_briefs.undo(session)
    answer_card.put_down()


@st.fragment
def desk() -> None:
    lab = lab_of_briefs.lab_of(session)
    asked = lab_of_briefs.now(lab) if lab else None
    if (
        asked is None
        or (asked["part"], asked["done"]) == (1, 0)
        and not st.session_state.get("second_brief_read")
    ):
        st.rerun()
    pair = lab["pairs"][asked["pair"]]
    st.progress(
        asked["done"] / PAIRS,
        text=(
            f"{'First' if asked['part'] == 0 else 'Second'} brief: pair {asked['done'] + 1} of"
            f" {PAIRS}"
        ),
    )
    answer_card.brief(lab_of_briefs.card_of(lab, asked["which"]))
    answer_card.draw(
        f"instructions/{lab['seed']}/{asked['which']}/{asked['pair']}",
        pair["prompt"],
        [pair["texts"][i] for i in asked["shown"]],
        lambda choice, seconds: lab_of_briefs.answer(
            session, choice, seconds, (asked["which"], asked["pair"])
        ),
        keys=st.session_state.get("keys", True),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Undo",
            key="instructions_undo",
            icon=":material/undo:",
            on_click=undo,
            disabled=not asked["done"],
        )
        answer_card.keys_switch()


def _second() -> None:
    st.session_state["second_brief_read"] = True


def outcome(lab: dict) -> None:
    """What twelve pairs under two briefs show, and what they don't."""
    found = lab_of_briefs.results(lab)
    st.subheader("What the wording did", anchor=False)
    with st.container(horizontal=True, key="instructions_numbers"):
        st.metric(
            "Same answer under both",
            f"{found['same']} of {found['count']}",
            f"95% interval {charts.interval([found['same_low'], found['same_high']])}",
            delta_color="off",
            delta_arrow="off",
        )
        for which in ("vague", "precise"):
            st.metric(
                f"As the precise brief wants, {which}",
                f"{found['right'][which]} of {found['with_reference']}",
                help=(
                    "Held against the precise brief's scripted rule: a word list that we wrote, not"
                    " a person. A tie counts as not."
                ),
            )
        for which in ("vague", "precise"):
            if found["seconds"][which] is not None:
                st.metric(
                    f"Seconds, {which}",
                    f"{found['seconds'][which]:.1f}",
                    help="Median of an answer, with the network in it.",
                )
    words = found["words"]
    st.markdown(f"- **Agreement.** {text.plain(words['agreement'])}")
    bounds = ""
    if found["difference"] is not None:
        low, high = (
            charts.number(100 * found[end], 0, sign=True)
            for end in ("difference_low", "difference_high")
        )
        bounds = (
            f" Precise less vague: {charts.number(100 * found['difference'], 0, sign=True)} points"
            f" of 100, 95% interval {low} to {high}, pair by pair."
        )
    st.markdown(f"- **Towards the brief.** {text.plain(words['reference'])}{bounds}")
    ratio, times = found["ratio"], ""
    if ratio["low"] is not None:
        times = (
            f" Precise over vague, pair by pair: {ratio['ratio']:.2f} times, interval"
            f" {ratio['low']:.2f} to {ratio['high']:.2f}."
        )
    st.markdown(f"- **Seconds.** {text.plain(words['seconds'])}{times}")
    with st.expander("Which brief came first?", icon=":material/casino:", key="instructions_order"):
        st.markdown(text.plain(words["order"]))
    if found["changed"]:
        with st.expander(
            f"The {len(found['changed'])} pairs that you judged differently",
            icon=":material/compare_arrows:",
            key="instructions_changed",
        ):
            said = {
                which: {row["pair"]: row["text"] for row in rows}
                for which, rows in lab["answers"].items()
            }
            for number in found["changed"]:
                pair = lab["pairs"][number]
                tags = [
                    " and ".join(
                        f"better under the {which} brief"
                        for which in ("vague", "precise")
                        if said[which][number] == i
                    )
                    for i in (0, 1)
                ]
                ties = [which for which in ("vague", "precise") if said[which][number] is None]
                text.answers(
                    pair["prompt"],
                    pair["texts"],
                    tags=tags,
                    feet=[f"a tie under the {ties[0]} brief" if ties else "", ""],
                )


def reward_models(lab: dict) -> None:
    st.subheader("And the reward model?", anchor=False)
    record, busy = lab["models"], state.alive("instructions_models")
    if record is None or busy:
        st.markdown(
            "One reward model learns from your twelve answers under the vague brief, another from"
            " those under the precise one. Then both are asked about outputs that nobody judged."
        )
        st.button(
            "Train both",
            key="instructions_train",
            type="primary",
            icon=":material/model_training:",
            on_click=train,
            disabled=busy,
        )
        if state.job("instructions_models"):
            monitor.monitor(
                "instructions_models",
                controls=("stop",),
                draw=lambda records, view: None,
                every=0.4,
                quiet=not busy,
            )
        return
    rows = [
        {
            "name": f"{which} brief",
            "share": record[which]["accuracy"],
            "low": record[which]["low"],
            "high": record[which]["high"],
        }
        for which in ("vague", "precise")
        if record[which]
    ]
    chart = charts_labs.accuracies(
        rows,
        title="Which reward model knows what the precise brief wants?",
        x_title="Right (% of pairs of unseen outputs)",
        look_for=(
            "bars that don't overlap. They are long because each model has seen only twelve"
            " answers: the bars show what other twelve pairs might have given."
        ),
    )
    charts.draw(chart, key="instructions_models_chart")
    bounds = ""
    if record["difference"] is not None:
        low, high = (charts.number(100 * record[end], 0, sign=True) for end in ("low", "high"))
        bounds = (
            f" Precise less vague: {charts.number(100 * record['difference'], 0, sign=True)}"
            f" points, 95% interval {low} to {high}."
        )
    st.markdown(f"**{text.plain(record['words'])}**{bounds}")
    with st.expander("How it was tested", icon=":material/help:", key="instructions_tested"):
        st.markdown(
            f"On {record['tests']} pairs of outputs to {record['prompts']} other prompts; right is"
            " what the precise brief's scripted rule says, a word list and not a person. The"
            " interval comes from drawing the twelve pairs anew 400 times and training both models"
            " each time."
        )


st.title("Instructions matter", anchor=False)
challenges.draw("instructions_matter")
lab, writing = lab_of_briefs.lab_of(session), state.alive("instructions_pairs")
if lab is None or writing:
    brief = lab_of_briefs.precise_brief(session)
    st.markdown(
        f"You judge {PAIRS} pairs twice: once under a vague brief (“choose the better answer”) and"
        f" once under a precise one (**{text.plain(brief.title)}**). Same pairs, same person. Do"
        " the instructions change what the model learns?"
    )
    if brief.slug != session.asked.brief.slug:
        st.caption(
            f"Your own brief “{text.plain(session.asked.brief.title)}” has no rule to measure by,"
            " so this lab takes one of ours."
        )
    st.markdown(
        "It takes about four minutes. Keys A, B and T work; you may stop at any time and come back."
        " Nothing you say here trains the session's model."
    )
    st.button(
        "Write the pairs and begin",
        key="instructions_begin",
        type="primary",
        icon=":material/play_arrow:",
        on_click=write,
        disabled=writing,
    )
    if state.job("instructions_pairs"):
        monitor.monitor(
            "instructions_pairs",
            controls=("stop",),
            draw=lambda records, view: None,
            every=0.3,
            quiet=not writing,
        )
    if not writing and (kept := saved.begin("instructions_matter")):
        outcome(kept)
        reward_models(kept)
    st.stop()

asked = lab_of_briefs.now(lab)
if (
    asked is not None
    and (asked["part"], asked["done"]) == (1, 0)
    and not st.session_state.get("second_brief_read")
):
    st.success(
        "Halfway. The same pairs come again, in another order and on other sides, and the brief"
        " changes:",
        icon=":material/swap_horiz:",
    )
    answer_card.brief(lab_of_briefs.card_of(lab, asked["which"]), "The new brief")
    st.markdown("Judge by this one now, even where you said something else before.")
    st.button(
        "I have read it",
        key="instructions_second",
        type="primary",
        icon=":material/arrow_forward:",
        on_click=_second,
    )
    st.stop()
if asked is not None:
    desk()
    with st.popover("Begin this lab again", icon=":material/restart_alt:"):
        st.markdown("Your answers in this lab are dropped. Everything else stays.")
        st.button("Yes, begin again", key="instructions_again", on_click=again)
    st.stop()
outcome(lab)
reward_models(lab)
st.button(
    "Do it again with other pairs",
    key="instructions_more",
    icon=":material/restart_alt:",
    on_click=again,
)
