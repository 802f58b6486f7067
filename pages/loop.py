"""Home: the whole loop on one whiteboard, a brief to pick, and one button that runs everything once."""

from __future__ import annotations

import json
from pathlib import Path

import streamlit as st

from rlhf_core import briefs
from ui import monitor, state, text, whiteboard

EXAMPLE = Path(__file__).resolve().parent.parent / "assets" / "example.json"
COMPARISONS, STEPS = 30, 12  # what "Run it once for me" does; about a minute on two cores
STAGES = {  # stage of a run_once record -> (box that lights up, what is going on, in words)
    "generate": ("prompt", "The model writes several answers to each prompt."),
    "rank": ("rank", "A scripted rater compares them under the brief: a small rule, not a person, and not you."),
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
    chosen = st.session_state.get("brief_pick")
    if chosen and chosen != session.brief.slug:
        session.set_brief(briefs.PRESETS[chosen])


def run_once() -> None:
    state.submit("run_once", lambda: session.run_once(comparisons=COMPARISONS, steps=STEPS), label="The whole loop, once", long=True)


def before_and_after(pairs: list[dict], key: str, limit: int = 4) -> None:
    """The same prompts, the original model on the left, the tuned one on the right."""
    with st.container(key=f"pairs_{key}"):
        for pair in pairs[:limit]:
            text.answers(str(pair.get("prompt", "")), [str(pair.get("before", "")), str(pair.get("after", ""))], feet=["before", "after"])


def curves(metrics: list[dict], key: str, steps: int | None = None) -> None:
    """Reward and drift, side by side."""
    from ui import charts  # plotly: only when there is something to draw

    for column, name in zip(st.columns(2), ("reward", "kl_to_reference"), strict=True):
        with column:
            charts.draw(getattr(charts, name)(metrics, steps), key=f"{key}_{name}")


def verdict(win_rate: float | None, interval: list | None) -> None:
    if win_rate is None:
        return
    low_high = f" (95% interval {text.percent(interval[0])} to {text.percent(interval[1])})" if interval else ""
    st.markdown(f"The reward model prefers **after** in **{text.percent(win_rate)}** of new prompts{low_high}. It is the same score PPO trained on, so read a few yourself.")


def live(records: list[dict], view: dict) -> None:
    """The board with the working box lit, and below it what that box is doing."""
    stages = [record for record in records if record.get("stage") in STAGES]
    stage = stages[-1]["stage"] if stages else "generate"
    box, words = STAGES[stage]
    if view["status"] in state.ALIVE:
        whiteboard.draw(session, now=box, busy=view["status"] == "running")
        st.markdown(f"**{words}**")
    of_stage = [record for record in stages if record["stage"] == stage]
    if stage in ("generate", "rank"):
        shown = next((record for record in reversed(of_stage) if record.get("texts")), None)
        if shown:
            best = set(shown["groups"][0]) if shown.get("groups") else set()
            for index, (column, written) in enumerate(zip(st.columns(min(2, len(shown["texts"]))), shown["texts"], strict=False)):
                with column:
                    text.answer(str(shown.get("prompt", "")), str(written), foot="✓ preferred by the scripted rater" if index in best and len(best) == 1 else "")
    elif stage == "reward" and session.fit_records:
        last = session.fit_records[-1]
        held = last.get("heldout_accuracy")
        st.markdown(f"Iteration {last.get('iteration', 0)}: " + (f"right on **{text.percent(held)}** of the pairs it was not shown." if held is not None else "learning."))
    elif stage == "ppo" and len(session.metrics) > 1:
        curves(session.metrics, "live", STEPS)


status = (state.job("run_once") or {}).get("status")
running = status in state.ALIVE

st.html(
    f'<h1>{whiteboard.MARK} Teach a language model your taste</h1><p class="op-lede">Rank what a small GPT-2 writes. '
    "A reward model learns your taste, PPO bends the model towards it, and you see what changed. All of it live, on this computer.</p>"
)
if not running:
    st.pills(
        "Who is the model writing for? The answer is called the brief, and it decides what counts as better.",
        list(briefs.PRESETS),
        format_func=lambda slug: briefs.PRESETS[slug].title,
        default=session.brief.slug if session.brief.slug in briefs.PRESETS else None,
        required=session.brief.slug in briefs.PRESETS,
        key="brief_pick",
        on_change=pick_brief,
    )
    with st.container(horizontal=True, key="start_buttons"):
        again = "Run it once more for me" if session.evaluation else "Run it once for me"
        st.button(again, key="run_once", type="primary", icon=":material/play_circle:", on_click=run_once, help="The whole loop, live, in about a minute.")
        if st.button("Do it myself: write a prompt", key="to_prompt", icon=":material/arrow_forward:", icon_position="right"):
            st.switch_page("pages/prompt.py")
    whiteboard.draw(session)

if status:
    monitor.monitor("run_once", controls=("stop",), draw=live)

if running:
    pass
elif session.evaluation:
    st.header("What changed", anchor=False)
    st.caption(f"Your session, round {session.current_round}. Judged by: {text.plain(session.rater)}.")
    verdict(session.evaluation.get("win_rate"), session.evaluation.get("interval"))
    before_and_after(session.evaluation.get("pairs", []), "session")
    curves(session.metrics, "session")
    st.subheader("Now you be the judge", anchor=False)
    st.markdown("A scripted rater judged that run. Your own taste is more interesting: write a prompt and rank what comes back." if session.rater != "you" else "On to the details.")
    with st.container(horizontal=True):
        if st.button("Read all the pairs", key="to_before_after", icon=":material/compare:"):
            st.switch_page("pages/before_after.py")
        if st.button("Write my own prompt", key="to_prompt_again", type="primary", icon=":material/arrow_forward:", icon_position="right"):
            st.switch_page("pages/prompt.py")
else:
    example = precomputed(EXAMPLE.stat().st_mtime if EXAMPLE.exists() else 0.0)
    if example:
        st.header("What comes out: an example", anchor=False)
        st.badge("Precomputed: made earlier, not in your session", icon=":material/inventory_2:", color="orange")
        title = example.get("brief", {}).get("title") if isinstance(example.get("brief"), dict) else briefs.PRESETS.get(str(example.get("brief")), session.brief).title
        st.caption(f"The same loop as here, brief: {text.plain(str(title))}, judged by a scripted rater. Made with: {text.plain(str(example.get('made_with', 'the bundled model')))}.")
        before_and_after(example["pairs"], "example")
        verdict(example.get("win_rate"), example.get("interval"))
        if len(example.get("metrics") or []) > 1:
            curves(example["metrics"], "example")
