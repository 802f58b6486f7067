"""Speed and accuracy: the same kind of question, once relaxed and once against the clock. What does
hurry cost?
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.seeds import seed_of
from rlhf_core.judging import briefs
from rlhf_core.labs import speed_accuracy
from rlhf_core.session import judged
from ui import challenges, charts, state, text
from ui import people as picker
from ui.charts import annotation_labs as charts_labs
from ui.labs import answer_card

NAMES = {"relaxed": "relaxed", "clock": "against the clock"}
COUNT = speed_accuracy.EACH * len(speed_accuracy.BRIEFS)

session = state.session()


def begin() -> None:
    answer_card.put_down()
    try:
        speed_accuracy.begin(
            session,
            judged.sitting(session),
            seed_of(session.seed, "speed", len(speed_accuracy.runs_of(session))),
            deadline=st.session_state.get("speed_deadline", True),
        )
    except ValueError as error:
        st.session_state["note"] = str(error)


def start_clock() -> None:
    answer_card.put_down()
    speed_accuracy.start_clock(session)


def stop() -> None:
    answer_card.put_down()
    speed_accuracy.stop(session)


def take(number: int):
    return lambda choice, seconds: speed_accuracy.answer(session, choice, seconds, number)


def clock(run: dict) -> bool:
    """The bar that runs out; False where the time is up."""
    if run["deadline"] is None:
        return True
    left = run["deadline"] - speed_accuracy.used(run) - answer_card.elapsed()
    if left <= 0:
        return False
    gone = run["deadline"] - left
    st.html(
        '<div class="op-clock" role="img"'
        f' aria-label="{left:.0f} of {run["deadline"]:.0f} seconds left"><i style="'
        f'animation-duration:{run["deadline"]:.1f}s; animation-delay:-{gone:.2f}s"></i></div>'
    )
    return True


def block(run: dict) -> None:
    """One question of the block that is going on."""
    run = speed_accuracy.runs_of(session)[-1]
    asked = speed_accuracy.now(run)
    if asked is None:
        state.rerun()
    done = asked["number"] % COUNT
    card = f"speed/{run['seed']}/{asked['number']}"
    if (st.session_state.get("lab_card") or {}).get("card") != card:
        answer_card.put_down()
    if run["stage"] == "clock":
        answered = speed_accuracy.block_of(run, "clock")["count"]
        pace = (
            f" · {60 * answered / max(0.1, speed_accuracy.used(run)):.0f} answers a minute"
            if answered
            else ""
        )
        st.markdown(f"**Against the clock: question {done + 1} of {COUNT}**{pace}")
        if not clock(run):
            answer_card.put_down()
            speed_accuracy.stop(session, out_of_time=True)
            state.rerun()
    else:
        st.markdown(
            f"**Relaxed: question {done + 1} of {COUNT}.** Take your time; being right is all that"
            " counts."
        )
    answer_card.brief(
        {**vars(briefs.PRESETS[asked["row"]["brief"]]), "ties": ""}, "Now the brief is"
    )
    answer_card.draw(
        card,
        asked["item"].prompt,
        [asked["left"], asked["right"]],
        take(asked["number"]),
        choices=("a", "b"),
        keys=st.session_state.get("keys", True),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Stop here",
            key="speed_stop",
            icon=":material/stop:",
            on_click=stop,
            help="Ends this run. What you have answered is kept.",
        )
        answer_card.keys_switch()


def leaderboard(reveal: bool) -> None:
    """Fastest first, as such boards are; whether they were right is shown only at the end."""
    rows = speed_accuracy.board(speed_accuracy.runs_of(session))
    if not rows:
        return
    st.markdown(
        "**The board: fastest first**"
        if not reveal
        else "**The board, now with what it did not count**"
    )
    lines = [
        "| | Who | Answers a minute |" + (" Right |" if reveal else ""),
        "|--:|:--|--:|" + ("--:|" if reveal else ""),
    ]
    for place, row in enumerate(rows, 1):
        right = f" {row['right']} of {row['count']} |" if reveal else ""
        lines.append(
            f"| {place} | {text.plain(picker.label(row['who']))} | {row['a_minute']:.0f} |{right}"
        )
    st.markdown("\n".join(lines))
    if reveal:
        st.markdown(f"**{speed_accuracy.story(rows)}**")


def outcome(run: dict) -> None:
    """What a finished run shows."""
    found = speed_accuracy.results(run)
    st.subheader(
        f"What hurry did to {text.plain(run['who'])}" if run["who"] != "you" else "What hurry did",
        anchor=False,
    )
    with st.container(horizontal=True, key="speed_numbers"):
        for name in speed_accuracy.BLOCKS:
            part = found[name]
            if part["count"]:
                st.metric(
                    f"Right, {NAMES[name]}",
                    f"{part['right']} of {part['count']}",
                    f"95% interval {charts.interval([part['low'], part['high']])}",
                    delta_color="off",
                    delta_arrow="off",
                )
                bounds = (
                    f"95% interval {part['seconds_low']:.1f} to {part['seconds_high']:.1f} s"
                    if part["seconds_low"] is not None
                    else None
                )
                st.metric(
                    f"Seconds, {NAMES[name]}",
                    f"{part['seconds']:.1f}",
                    bounds,
                    delta_color="off",
                    delta_arrow="off",
                    help="Median of an answer, with the network in it.",
                )
    st.markdown(f"**{text.plain(found['words'])}**")
    if run["again"]:
        st.caption(
            "You had seen some of these questions in an earlier run, so this run does not count for"
            " the board."
        )
    # A person's first run.
    everybody = {
        one["who"]: one for one in reversed(speed_accuracy.runs_of(session)) if one["answers"]
    }
    everybody[run["who"]] = run
    charts.draw(
        charts_labs.seconds_and_correctness(
            [
                {
                    "who": picker.label(who),
                    **{name: speed_accuracy.block_of(one, name) for name in speed_accuracy.BLOCKS},
                }
                for who, one in everybody.items()
            ]
        ),
        key="speed_plot",
    )
    charts.draw(charts_labs.every_answer(run["answers"]), key="speed_answers")
    leaderboard(reveal=True)
    wrong = [(row, run["items"][n]) for n, row in enumerate(run["answers"]) if not row["right"]]
    if wrong:
        with st.expander(
            f"What was wrong, and why ({len(wrong)})", icon=":material/rule:", key="speed_wrong"
        ):
            for row, item in wrong:
                gold = speed_accuracy.gold_of(item)
                st.caption(
                    f"{briefs.PRESETS[item['brief']].title} · {NAMES[row['block']]} ·"
                    f" {row['seconds']:.1f} s · better is better because: {gold.why}"
                )
                text.answers(
                    gold.prompt, [gold.better, gold.worse], tags=["Better", "What you took"]
                )
    st.caption(
        "The relaxed block always comes first, so practice can only help the second: a loss against"
        " the clock is not made by the order. The right answers are those of the briefs' author;"
        " you may disagree, and then the brief needs another version."
    )


st.title("Speed and accuracy", anchor=False)
runs = speed_accuracy.runs_of(session)
run = runs[-1] if runs else None
if message := st.session_state.pop("note", None):
    st.info(text.plain(message), icon=":material/info:")
if run is not None and run["stage"] in speed_accuracy.BLOCKS:
    st.fragment(
        block,
        run_every=1.0 if run["stage"] == "clock" and run["deadline"] else None,
        key="speed_block",
    )(run)
    st.stop()

st.markdown(
    "In a labelling project the fastest annotator looked like the best one, until somebody counted"
    f" the mistakes. Do it yourself: {COUNT} questions at your own pace, then {COUNT} against the"
    " clock, all with a known right answer."
)
challenges.draw("speed_accuracy")
if run is not None and run["stage"] == "between":
    relaxed = speed_accuracy.block_of(run, "relaxed")
    st.success(
        f"The relaxed block is done: {relaxed['seconds']:.1f} seconds an answer. How many were"
        " right is told at the end.",
        icon=":material/check:",
    )
    st.markdown(
        f"**Now against the clock.** {COUNT} new questions, and a board that counts nothing but"
        " answers a minute."
    )
    leaderboard(reveal=False)
    with st.container(horizontal=True):
        st.button(
            "Start the clock",
            key="speed_clock",
            type="primary",
            icon=":material/timer:",
            on_click=start_clock,
        )
        st.button("Stop here", key="speed_stop", icon=":material/stop:", on_click=stop)
    st.stop()

if run is not None:
    outcome(run)
    st.divider()
st.markdown(
    "**Two briefs take turns**, the biology homework helper's and the meme bot's: what is right"
    " under the one is wrong under the other, so read which one it is. Keys A and B work. The clock"
    " stands still while this tab is out of sight. Nothing you say here trains the model."
)
picker.picker(session, key="speed", caption=False)
st.toggle(
    "Let the time run out in the second block",
    value=True,
    key="speed_deadline",
    help="Off: nothing ends by itself; hurry as you like.",
)
st.button(
    "Begin" if run is None else "Begin again",
    key="speed_begin",
    type="primary" if run is None else "secondary",
    icon=":material/play_arrow:",
    on_click=begin,
)
if run is None:
    leaderboard(reveal=False)
