"""Home: what RLHF is, the whole loop on one whiteboard, and one button that runs everything once;
after that, first of all, what it changed.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.judging import briefs
from rlhf_core.lm import model_list
from rlhf_core.session import asked, judged, rounds, tour
from ui import brief_choice, monitor, next_step, state, terms, text, whiteboard, word_diff
from ui.home import changed, example
from ui.labs import menu
from ui.ppo import cockpit

COMPARISONS, STEPS = 30, 15  # what "Run it once for me" does; about a minute on two cores
STAGES = {  # stage of a run_once record -> (box that lights up, what is going on, in words)
    "generate": ("prompt", "The model writes several answers to each prompt."),
    "rank": (
        "rank",
        "A scripted rater compares them under the brief: a small rule, not a person, and not you.",
    ),
    "reward": ("reward_model", "The reward model learns which answers win."),
    "ppo": ("ppo", "PPO nudges the model towards higher scores; the frozen copy pulls back."),
    "evaluate": ("before_after", "Both models answer prompts that nobody trained on."),
}

session = state.session()


def pick_brief() -> None:
    brief_choice.pick(session, st.session_state.get("brief_pick"))


def run_once() -> None:
    state.submit("run_once", comparisons=COMPARISONS, steps=STEPS)


def live(records: list[dict], view: dict) -> None:
    """One bar over the whole run, the board with the working box lit, and what that box is
    doing.
    """
    if view["status"] not in state.ALIVE:
        return
    stages = [record for record in records if record.get("stage") in STAGES]
    stage = stages[-1]["stage"] if stages else "generate"
    box, words = STAGES[stage]
    number = list(STAGES).index(stage) + 1
    if view["status"] == "running":
        st.progress(view.get("share") or 0.0, text=f"**{number} of {len(STAGES)}** · {words}")
    whiteboard.draw(session, now=box, busy=view["status"] == "running")
    if stage == "ppo" and len(session.tuned.metrics) > 1:
        step = session.tuned.metrics[-1]["step"]
        st.markdown(f"What it writes at step {step} of {STEPS}:")
        newest = [row for row in session.tuned.samples if row["step"] == step][:2]
        text.side_by_side(
            [(row["prompt"], row["text"], "", f"reward {row['reward']:+.1f}") for row in newest]
        )
        changed.curves(session.tuned.metrics, "live", STEPS)
        return
    if stage == "evaluate":  # the pairs are counted at the end; here is what it wrote in training
        for prompt, was, now in cockpit.beside(session):
            if was and now:
                word_diff.pair(prompt, was["text"], now["text"])
        return
    compared = [record for record in stages if record.get("groups")]
    for record in compared[-2:]:
        best = set(record["groups"][0]) if len(record["groups"]) > 1 else set()
        feet = [
            "✓ preferred by the scripted rater" if index in best else ""
            for index in range(len(record["texts"]))
        ]
        text.answers(
            record["prompt"],
            record["texts"],
            feet=feet if best else ["a tie, says the scripted rater"] * len(feet),
        )


def climax() -> None:
    """What the run changed: the pairs, one sentence, and the way on."""
    number = session.history.current_round
    st.header("What changed" + (f" in round {number}" if number > 1 else ""), anchor=False)
    changed.pairs(session.tuned.evaluation.get("pairs", []), "session")
    changed.verdict(rounds.with_votes(session), judged.rater(session), "loop")
    st.caption(f"Judged by: {text.plain(judged.rater(session))}.")
    with st.container(horizontal=True, key="after_the_run"):
        next_step.draw(session, "loop")
        if step.box != "before_after" and st.button(
            "Read all the pairs", key="read_pairs", icon=":material/compare:"
        ):
            st.switch_page("pages/before_after.py")
    with st.expander("Its two charts", icon=":material/show_chart:", key="session_charts"):
        changed.curves(session.tuned.metrics, "session")
        terms.caption(
            "[[SD]]: one standard deviation of the original's scores. [[KL]], in [[nats]]: 0 is no"
            " drift, 3 a clear change of style, 10 a different model."
        )


def choose_brief() -> None:
    st.pills(
        "Who is it for?",
        list(dict.fromkeys([*briefs.PRESETS, *(brief.slug for brief in session.asked.briefs)])),
        format_func=lambda slug: text.plain(asked.brief_called(session, slug).title),
        default=session.asked.brief.slug,
        required=True,
        key="brief_pick",
        on_change=pick_brief,
    )


def run_button(primary: bool) -> None:
    again = "Run it once more for me" if session.tuned.evaluation else "Run it once for me"
    how_long = (
        "in about a minute"
        if session.model_name == model_list.BUNDLED
        else "in several minutes with this model, with settings that fit a workshop"
    )
    st.button(
        again,
        key="run_once",
        type="primary" if primary else "secondary",
        icon=":material/play_circle:",
        on_click=run_once,
        disabled=not session.asked.brief.wanted,
        help=(
            f"The whole loop, live, {how_long}."
            if session.asked.brief.wanted
            else "This brief has no scripted rater, so nobody could judge for you."
        ),
    )
    if session.model_name != model_list.BUNDLED:
        st.caption(
            f"With the model **{text.plain(model_list.title(session.model_name))}**,"
            f" {how_long.replace('this model', 'it')}. The page Models changes it."
        )


status = (state.job("run_once") or {}).get("status")
running, step = status in state.ALIVE, next_step.now(session)
show_off = next_step.whole_loop_first(session)

st.html(f"<h1>{whiteboard.MARK} Teach a language model your taste</h1>")
if not running and not session.tuned.evaluation:
    st.html(
        '<p class="op-lede">ChatGPT was taught its manners this way: people compared answers, a'
        " second model learned their taste, and the first was bent to it.<br>That is RLHF,"
        " reinforcement learning from human feedback.<br>Here you do it yourself, with a small"
        " GPT-2, live on this computer.</p>"
    )
if running or status in ("failed", "expired"):
    monitor.monitor("run_once", controls=("stop",), draw=live, every=1.0, quiet=True)
if status == "stopped":
    any_finished = any(set(row) - {"kind", "stage"} for row in state.records("run_once"))
    st.info(
        "Stopped. What was finished is kept; every page shows its part of it."
        if any_finished
        else "Stopped before anything was finished.",
        icon=":material/stop_circle:",
    )
if not running:
    if session.tuned.evaluation:
        climax()
    else:
        choose_brief()
        with st.container(horizontal=True, vertical_alignment="center", key="start_buttons"):
            if show_off:
                run_button(primary=True)
                if st.button("Do it myself", key="to_prompt", icon=":material/edit:"):
                    st.switch_page("pages/prompt.py")
            else:
                next_step.draw(session, "loop")
                run_button(primary=False)
    whiteboard.draw(session, lit=not show_off)
    if session.tuned.evaluation:
        with st.expander(
            "Once more, or for somebody else",
            icon=":material/play_circle:",
            key="once_more",
            expanded=tour.at(session, 0),  # the tour's first station points in there
        ):
            choose_brief()
            run_button(primary=False)
    elif next_step.untouched(session) and (found := example.load()):
        example.draw(found)
    st.page_link(
        "pages/room.py",
        label="Many people in one room? Open a workshop room, or join one",
        icon=":material/groups:",
    )
    with st.expander("Labs", icon=":material/science:", key="labs"):
        menu.links()
