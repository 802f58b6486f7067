"""Home: the whole loop on one whiteboard, a brief to pick, and one button that runs everything
once.
"""

from __future__ import annotations

import json
from pathlib import Path

import streamlit as st

from rlhf_core.judging import briefs
from rlhf_core.lm import model_list
from rlhf_core.session import asked, judged, rounds
from ui import brief_choice, charts, monitor, state, text, whiteboard
from ui import verdict as verdict_card
from ui.charts import ppo as charts_ppo
from ui.labs import menu

EXAMPLE = Path(__file__).resolve().parent.parent / "assets" / "example.json"
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


@st.cache_data(show_spinner=False)
def precomputed(changed: float) -> dict | None:
    """The example that was made earlier, or None where there is none that can be read."""
    try:
        found = json.loads(EXAMPLE.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and found.get("pairs") else None
    except (OSError, ValueError):
        return None


def pick_brief() -> None:
    brief_choice.pick(session, st.session_state.get("brief_pick"))


def run_once() -> None:
    state.submit("run_once", comparisons=COMPARISONS, steps=STEPS)


def before_and_after(pairs: list[dict], key: str, limit: int = 4) -> None:
    """The same prompts, the original model on the left, the tuned one on the right."""
    with st.container(key=f"pairs_{key}"):
        for pair in pairs[:limit]:
            text.answers(
                str(pair.get("prompt", "")),
                [str(pair.get("before", "")), str(pair.get("after", ""))],
                tags=["Before", "After"],
            )


def curves(metrics: list[dict], key: str, steps: int | None = None) -> None:
    """Reward and drift, side by side."""
    for column, name in zip(st.columns(2), ("reward", "kl_to_reference"), strict=True):
        with column:
            charts.draw(getattr(charts_ppo, name)(metrics, steps), key=f"{key}_{name}")


def verdict(evaluation: dict, rater: str, key: str) -> None:
    """What the numbers say, and what they do not. ``rater``: who judged the comparisons; the
    scripted one judges by the very rule that counts here.
    """
    scripted = "scripted" in rater
    if evaluation.get("verdict") and evaluation.get("judges"):
        verdict_card.sentence(evaluation["conclusion"], f"{key}_")
        verdict_card.how_sure(evaluation["judges"], evaluation.get("chance"), f"{key}_how_sure")
        return
    if evaluation.get("sentence"):
        st.markdown(
            text.plain(evaluation["sentence"])
            + " PPO trained on that very score, so read a few yourself."
        )
    elif evaluation.get("win_rate") is not None:
        low, high = evaluation.get("interval") or (None, None)
        span = (
            f" (95% interval {text.percent(low)} to {text.percent(high)})"
            if low is not None
            else ""
        )
        st.markdown(
            "By the reward model, **after** has a win rate, ties counted half, of"
            f" **{text.percent(evaluation['win_rate'])}**{span}. PPO trained on that very score, so"
            " read a few yourself."
        )
    if rule := evaluation.get("rule"):
        kind = text.REGISTERS.get(rule["name"], rule["name"])
        st.markdown(
            (
                "The rule that the scripted rater judged by, so the teacher's own yardstick and no"
                " second opinion,"
                if scripted
                else "A separate rule that only looks at words"
            )
            + f" finds {kind} in **{text.percent(rule['before'])}** of the answers before and"
            f" **{text.percent(rule['after'])}** after."
        )


def live(records: list[dict], view: dict) -> None:
    """The board with the working box lit, and below it what that box is doing."""
    stages = [record for record in records if record.get("stage") in STAGES]
    stage = stages[-1]["stage"] if stages else "generate"
    box, words = STAGES[stage]
    if view["status"] not in state.ALIVE:
        return
    number, total = list(STAGES).index(stage) + 1, view["total"]
    if view["status"] == "running":
        st.progress(
            min(1.0, view["done"] / total) if total else 0.0,
            text=f"**{number} of {len(STAGES)}** · {words}",
        )
    whiteboard.draw(session, now=box, busy=view["status"] == "running")
    if stage == "ppo" and len(session.tuned.metrics) > 1:
        step = session.tuned.metrics[-1]["step"]
        st.markdown(f"What it writes at step {step} of {STEPS}:")
        newest = [row for row in session.tuned.samples if row["step"] == step][:2]
        text.side_by_side(
            [(row["prompt"], row["text"], "", f"reward {row['reward']:+.1f}") for row in newest]
        )
        curves(session.tuned.metrics, "live", STEPS)
        return
    judged = [record for record in stages if record.get("groups")]
    for record in judged[-2:]:
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


status = (state.job("run_once") or {}).get("status")
running = status in state.ALIVE

st.html(
    f'<h1>{whiteboard.MARK} Teach a language model your taste</h1><p class="op-lede">Rank what a'
    " small GPT-2 writes. A reward model learns your taste, PPO bends the model towards it, and"
    " you see what changed. All of it live, on this computer.</p>"
)
if not running:
    if status == "done" and session.tuned.evaluation:
        st.success(
            "Done: one full turn of the loop. What changed is below the board.",
            icon=":material/check_circle:",
        )
    elif status == "stopped":
        any_finished = any(set(row) - {"kind", "stage"} for row in state.records("run_once"))
        st.info(
            "Stopped. What was finished is kept; every page shows its part of it."
            if any_finished
            else "Stopped before anything was finished.",
            icon=":material/stop_circle:",
        )
    st.pills(
        "Who is the model writing for? The answer is called the brief, and it decides what counts"
        " as better.",
        list(dict.fromkeys([*briefs.PRESETS, *(brief.slug for brief in session.asked.briefs)])),
        format_func=lambda slug: text.plain(asked.brief_called(session, slug).title),
        default=session.asked.brief.slug,
        required=True,
        key="brief_pick",
        on_change=pick_brief,
    )
    brief_choice.question(session, "brief_pick")
    with st.container(horizontal=True, vertical_alignment="center", key="start_buttons"):
        again = "Run it once more for me" if session.tuned.evaluation else "Run it once for me"
        how_long = (
            "in about a minute"
            if session.model_name == model_list.BUNDLED
            else "in several minutes with this model, with settings that fit a workshop"
        )
        st.button(
            again,
            key="run_once",
            type="primary",
            icon=":material/play_circle:",
            on_click=run_once,
            disabled=not session.asked.brief.wanted,
            help=(
                f"The whole loop, live, {how_long}."
                if session.asked.brief.wanted
                else "This brief has no scripted rater, so nobody could judge for you."
            ),
        )
        if st.button(
            "Do it myself: write a prompt",
            key="to_prompt",
            icon=":material/arrow_forward:",
            icon_position="right",
        ):
            st.switch_page("pages/prompt.py")
        st.page_link(
            "pages/briefs.py",
            label="Change the brief, or write your own",
            icon=":material/assignment:",
        )
    if session.model_name != model_list.BUNDLED:
        st.caption(
            f"With the model **{text.plain(model_list.title(session.model_name))}**,"
            f" {how_long.replace('this model', 'it')}. The page Models changes it."
        )
    whiteboard.draw(session)
    if len(session.tuned.metrics) > 1:
        st.caption(
            "SD is one standard deviation of the original model's scores, where the votes support"
            " them in full: how much two of its answers typically differ. KL says how far the"
            " choice of words has drifted from the original's, in nats: 0 is no drift, 3 a clear"
            " change of style, 10 a different model."
        )

if running or status in ("failed", "expired"):
    monitor.monitor("run_once", controls=("stop",), draw=live, every=1.0, quiet=True)

if running:
    pass
elif session.tuned.evaluation:
    st.header("What changed", anchor=False)
    st.caption(
        f"Your session, round {session.history.current_round}. Judged by:"
        f" {text.plain(judged.rater(session))}."
    )
    verdict(rounds.with_votes(session), judged.rater(session), "loop")
    before_and_after(session.tuned.evaluation.get("pairs", []), "session")
    curves(session.tuned.metrics, "session")
    st.subheader("Now you be the judge", anchor=False)
    st.markdown(
        "A scripted rater judged that run. Your own taste is more interesting: write a prompt and"
        " rank what comes back."
        if judged.rater(session) != "you"
        else "On to the details."
    )
    with st.container(horizontal=True):
        if st.button("Read all the pairs", key="to_before_after", icon=":material/compare:"):
            st.switch_page("pages/before_after.py")
        if st.button(
            "Write my own prompt",
            key="to_prompt_again",
            type="primary",
            icon=":material/arrow_forward:",
            icon_position="right",
        ):
            st.switch_page("pages/prompt.py")
else:
    example = precomputed(EXAMPLE.stat().st_mtime if EXAMPLE.exists() else 0.0)
    if example:
        st.header("What comes out: an example", anchor=False)
        st.badge(
            "Precomputed: made earlier, not in your session",
            icon=":material/inventory_2:",
            color="orange",
        )
        title = (
            example.get("brief", {}).get("title")
            if isinstance(example.get("brief"), dict)
            else briefs.PRESETS.get(str(example.get("brief")), session.asked.brief).title
        )
        st.caption(
            f"The same loop as here, brief: {text.plain(str(title))}, judged by a scripted rater."
            " Made with:"
            f" {text.plain(str(example.get('made_with', 'the bundled model')).rstrip('. '))}."
        )
        before_and_after(example["pairs"], "example")
        verdict(example, str(example.get("judge", "")), "example")
        if len(example.get("metrics") or []) > 1:
            curves(example["metrics"], "example")

if not running:
    st.header("Labs: one claim each, and you make it happen", anchor=False)
    with st.container(horizontal=True, key="labs"):
        menu.links()
