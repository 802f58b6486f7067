"""Context flip: one set of outputs, two briefs, two reward models, two tuned models. One button."""

from __future__ import annotations

import streamlit as st

from rlhf_core import settings
from rlhf_core.session import InputError, check_prompt
from ui import charts, charts_flip, monitor, state, text

ASKED = settings.ContextFlipSettings()
LABEL = "Context flip"
KINDS = {"fact": "facts", "meme": "jokes"}  # registers of the word rule, as people say them

session = state.session()


def start() -> None:
    st.session_state.pop("flip_error", None)
    state.submit("context_flip", lambda: session.context_flip(ASKED), label=LABEL, long=True, total=ASKED.records)


def stage(records: list[dict]) -> str:
    """What it is doing, in words, from the records so far."""
    last = records[-1] if records else {}
    steps = sum(record["kind"] == "step" for record in records)
    judged = sum(record["kind"] == "judged" for record in records)
    if not last:
        return "The original model writes one set of outputs."
    if last["kind"] in ("outputs", "judged"):
        return (
            f"A scripted rater judges them under brief {judged + 1} of 2, and a reward model learns."
            if judged < 2
            else "Both reward models score every output."
        )
    if steps < 2 * (ASKED.steps + 1):
        return f"PPO tunes the original model to brief {1 + (steps > ASKED.steps)} of 2."
    return "All three models answer the same new prompts."


def briefs_side_by_side(found: dict | None) -> None:
    """The two briefs as cards; with the held-out accuracy of each reward model once there is one."""
    from rlhf_core import briefs

    both = (found or {}).get("briefs") or [{"title": b.title, "prefer": b.prefer} for b in (briefs.PRESETS["biology-homework"], briefs.PRESETS["meme-bot"])]
    for number, (column, brief) in enumerate(zip(st.columns(2), both, strict=True)):
        with column, st.container(border=True, key=f"flip_brief_{number}", height="stretch"):
            st.markdown(f"**{text.plain(brief['title'])}**")
            st.markdown(text.plain(brief["prefer"]))
            accuracy = (found or {}).get("accuracy", [None, None])[number]
            if accuracy is not None:
                st.caption(f"Its reward model is right on {charts.percent(accuracy)} of the pairs about prompts it never saw (held-out accuracy).")


def flipped(found: dict, names: list[str]) -> None:
    """How many sentences change sign, and which."""
    if not found["sentences"]:
        return
    st.subheader("What a sentence is worth depends on the brief", anchor=False)
    votes = found["votes"]
    st.markdown(
        f"Of {found['outputs']} outputs, **{charts.percent(found['flips'])}** (95% interval {charts.interval(found['flips_interval'])}) get a score above 0 under one "
        f"brief and below 0 under the other. The two raters judged the same {sum(votes.values())} pairs: {votes['opposite']} the opposite way, {votes['alike']} alike, "
        f"{votes['tie']} as a tie by at least one of them."
    )
    if found["correlation"] < -0.9:
        st.caption(
            "These two scripted raters want almost exactly opposite things, so the two scores are close to mirror images "
            f"(correlation {charts.number(found['correlation'], sign=True)}). Briefs written by people overlap more."
        )
    charts.draw(charts_flip.two_scores(found["sentences"], names), key="flip_scores")
    st.caption("Shown: the sentences on which the two reward models differ most, not typical ones. The share above counts all.")


def ask_own() -> None:
    st.session_state.pop("flip_error", None)
    try:
        prompt, written = check_prompt(st.session_state["flip_prompt"]), st.session_state["flip_text"]
        if not written.strip():
            raise InputError("Your sentence is empty. Write how the text could go on.")
    except InputError as error:
        st.session_state["flip_error"] = str(error)
        return
    state.submit("flip_own", lambda: session.context_flip_own(prompt, written), label="Scoring your sentence", long=False)


def own_sentence(names: list[str]) -> None:
    """A sentence of the learner's, scored under both briefs."""
    with st.form("flip_own_form"):
        st.markdown("**Try a sentence of your own.** Can you write one that both briefs like?")
        st.text_input("Prompt", "An opossum is", key="flip_prompt", max_chars=400)
        st.text_input("Your sentence goes on", key="flip_text", max_chars=400, placeholder="a small mammal that plays dead on Mondays.")
        st.form_submit_button("Score it under both", key="flip_own", icon=":material/balance:", on_click=ask_own, disabled=state.alive("flip_own"))
    if error := st.session_state.get("flip_error"):
        st.error(text.plain(error), icon=":material/error:")
    elif state.job("flip_own"):
        monitor.monitor("flip_own", controls=(), draw=lambda records, view: scored(records, names), every=0.3, quiet=True)


def scored(records: list[dict], names: list[str]) -> None:
    for row in records[-1:]:
        feet = " · ".join(f"{name}: {charts.number(score, sign=True)}" for name, score in zip(names, row["scores"], strict=True))
        text.answer(row["prompt"], row["text"], tag="Your sentence", foot=feet)
        both, neither = all(score > 0 for score in row["scores"]), all(score < 0 for score in row["scores"])
        st.caption("Both briefs like it." if both else "Neither brief likes it." if neither else "One brief likes it, the other does not.")


def answers(found: dict, names: list[str]) -> None:
    """The original and both tuned models on one prompt, side by side."""
    rows = found["answers"]
    if not rows:
        return
    st.subheader("Two models, the same prompt", anchor=False)
    prompts = list(dict.fromkeys(row["prompt"] for row in rows))
    picked = st.selectbox("Prompt, held out from all training", prompts, key="flip_pick")
    for row in (row for row in rows if row["prompt"] == picked):
        feet = [" · ".join(f"{name} {charts.number(score, sign=True)}" for name, score in zip(names, scores, strict=True)) for scores in row["scores"]]
        text.answer(row["prompt"], row["original"], tag="The original")
        text.answers(row["prompt"], row["texts"], tags=[f"Tuned for: {name}" for name in names], feet=feet)
    kinds = [KINDS.get(brief["wanted"], brief["wanted"]) for brief in found["briefs"]]
    lines = [f"| Share of its answers that the word rule counts as | {text.plain(kinds[0])} | {text.plain(kinds[1])} |", "|:--|--:|--:|"]
    for who, shares in zip(("The original", *(f"Tuned for: {name}" for name in names)), found["shares"], strict=True):
        lines.append(f"| {text.plain(who)} | {charts.percent(shares[0])} | {charts.percent(shares[1])} |")
    st.markdown("\n".join(lines))
    st.caption(
        f"Counted over {len(rows)} answers of each model, all drawn with the same random numbers. The rule is the one that the scripted raters judged by: "
        "it says that each model learned its lesson, not that people would agree."
    )


def results(found: dict | None) -> None:
    """Everything found so far; grows while the lab runs."""
    briefs_side_by_side(found)
    if not found:
        return
    names = [brief["title"] for brief in found["briefs"]]
    flipped(found, names)
    if any(found["metrics"]):
        charts.draw(charts_flip.two_runs(found["metrics"], names, found["settings"]["steps"]), key="flip_runs")


def live(records: list[dict], view: dict) -> None:
    if view["status"] in state.ALIVE:
        st.caption(stage(records))
        results(session.experiments.get("context_flip"))


st.title("Context flip", anchor=False)
st.markdown(
    "Is a sentence good? That depends on who asked. Here the **same outputs** are judged under **two briefs** (a brief is what the rater is told to prefer). "
    "Everything else is equal, so what comes out differently comes from the brief alone."
)
running = state.alive("context_flip")
kept = session.experiments.get("context_flip")
with st.container(horizontal=True, vertical_alignment="center", key="flip_start"):
    st.button(
        "Run it again" if kept else "Flip the context", key="flip", type="secondary" if kept else "primary", icon=":material/swap_horiz:", on_click=start, disabled=running
    )  # fmt: skip
    st.caption("About a minute on an idle computer. Scripted raters judge (small rules, not people), and your own session is not touched.", width="content")

if state.job("context_flip"):
    monitor.monitor("context_flip", controls=("stop",), draw=live, every=1.0, quiet=not running)
if not running:
    if kept and kept["status"] == "stopped":
        st.info("It was stopped before its end. What it had found is kept below.", icon=":material/stop_circle:")
    results(kept)
    if kept:
        names = [brief["title"] for brief in kept["briefs"]]
        if kept["sentences"]:
            own_sentence(names)
        answers(kept, names)
