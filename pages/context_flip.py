"""Context flip: one set of outputs, two briefs, two reward models, two tuned models. One button."""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import lab_settings
from rlhf_core.common.errors import InputError
from rlhf_core.judging.briefs import Brief
from rlhf_core.judging.typed import check_prompt
from rlhf_core.labs import context_flip_briefs, context_flip_task
from ui import challenges, charts, monitor, state, text
from ui.charts import context_flip as charts_flip
from ui.labs import saved

WHO_LIKES = (  # by how many of the two
    "Neither brief likes it.",
    "One brief likes it, the other does not: the text is the same.",
    "Both briefs like it.",
)
ASKED = lab_settings.ContextFlipSettings()

session = state.session()


def start(chosen: list[Brief], own: tuple[bool, bool]) -> None:
    st.session_state.pop("flip_error", None)
    if chosen[0].slug == chosen[1].slug:
        st.session_state["flip_error"] = (
            "Pick two different briefs: under one and the same, nothing can flip."
        )
        return
    state.submit("context_flip", ASKED, chosen, own, total=ASKED.records)


def pick() -> tuple[list[Brief], tuple[bool, bool]]:
    """Which two briefs, and for each whether the learner's own rankings judge."""
    offered = {brief.slug: brief for brief in context_flip_briefs.choices(session)}
    # What this tab picked last, else what was run last (a reload), else the two that the tour is
    # about.
    kept = [row["slug"] for row in (session.labs.get("context_flip") or {}).get("briefs", [])]
    remembered = st.session_state.get("flip_chosen") or kept
    before = (
        remembered
        if len(remembered) == 2 and set(remembered) <= set(offered)
        else ["biology-homework", "meme-bot"]
    )
    chosen, own = [], []
    with st.expander("Other briefs, or your own rankings as the judge", key="flip_choice"):
        for number, column in enumerate(st.columns(2)):
            with column:
                slug = st.selectbox(
                    ("First brief", "Second brief")[number],
                    list(offered),
                    list(offered).index(before[number]),
                    format_func=lambda slug: text.bare(offered[slug].title),
                    key=f"flip_brief_{number}_pick",
                    disabled=running,
                )
                brief = offered[slug]
                count = len(context_flip_briefs.own_rankings(session, brief))
                mine = brief.wanted is None
                if count >= context_flip_briefs.LEAST_OWN and not mine:
                    mine = st.toggle(
                        f"Learn from my own {count} rankings",
                        key=f"flip_own_{number}_{slug}",
                        disabled=running,
                    )
                st.caption(
                    f"Judged by: you, {count} rankings."
                    if mine
                    else "Judged by: its scripted rater, a small rule."
                    + (
                        f" (You have ranked {count} of the {context_flip_briefs.LEAST_OWN} sets"
                        " that your own taste takes.)"
                        if count < context_flip_briefs.LEAST_OWN
                        else ""
                    )
                )
            chosen.append(brief)
            own.append(bool(mine))
    st.session_state["flip_chosen"] = [brief.slug for brief in chosen]
    return chosen, tuple(own)


def stage(records: list[dict]) -> str:
    """What it is doing, in words, from the records so far."""
    last = records[-1] if records else {}
    steps = sum(record["kind"] == "step" for record in records)
    judged = sum(record["kind"] == "judged" for record in records)
    if not last:
        return "The original model writes one set of outputs"
    if last["kind"] in ("outputs", "judged"):
        return (
            f"They are judged under brief {judged + 1} of 2, and a reward model learns"
            if judged < 2
            else "Both reward models score every output"
        )
    each = ASKED.steps + 1
    if steps < 2 * each:
        return f"PPO towards brief {1 + steps // each} of 2, step {steps % each} of {ASKED.steps}"
    return "All three models answer the same new prompts"


def briefs_side_by_side(found: dict | None) -> None:
    """The two briefs as cards, each with its reward model's held-out accuracy once there is one."""
    both = (found or {}).get("briefs") or [{"title": b.title, "prefer": b.prefer} for b in chosen]
    for number, (column, brief) in enumerate(zip(st.columns(2), both, strict=True)):
        with column, st.container(border=True, key=f"flip_brief_{number}", height="stretch"):
            st.markdown(f"**{text.plain(brief['title'])}**")
            st.markdown(text.plain(brief["prefer"]))
            accuracy = (found or {}).get("accuracy", [None, None])[number]
            told = []
            if brief.get("rater"):
                told.append(
                    f"Judged by: {text.plain(brief['rater'])}, {brief['comparisons']} pairs."
                )
            if accuracy is not None:
                sure = charts.interval(found.get("accuracy_interval", [None, None])[number])
                sure = f" (95% interval {sure})" if sure else ""
                told.append(f"Held-out accuracy: {charts.percent(accuracy)}{sure}.")
            if told:
                words = "Held-out accuracy: of pairs about prompts that the reward model never saw."
                st.caption(" ".join(told), help=words if accuracy is not None else None)


def flipped(found: dict, names: list[str]) -> None:
    """How many sentences change sign, and which."""
    if not found["sentences"]:
        return
    st.subheader("What a sentence is worth depends on the brief", anchor=False)
    low, high = found["flips_interval"]
    st.markdown(
        f"Of {found['outputs']} outputs, **{charts.percent(found['flips'])}** (95% interval"
        f" {charts.interval([low, high])}) score above 0 under one brief and below 0 under the"
        " other. Two scores that have nothing to do with each other: half."
    )
    if high < 0.5:
        st.info(
            "These two briefs mostly want the same: few outputs change sign.",
            icon=":material/drag_handle:",
        )
    elif low <= 0.5:
        st.info(
            "The interval includes one half: no flip can be shown between these two briefs.",
            icon=":material/drag_handle:",
        )
    charts.draw(charts_flip.two_scores(found["sentences"], names), key="flip_scores")
    with st.expander("What to make of it", icon=":material/help:", key="flip_sure"):
        if votes := found.get("votes"):
            st.markdown(
                f"The two raters judged the same {sum(votes.values())} pairs: {votes['opposite']}"
                f" the opposite way, {votes['alike']} alike, {votes['tie']} as a tie by at least"
                " one of them."
            )
        if found["correlation"] < -0.9:
            st.markdown(
                "These two raters want almost exactly opposite things, so the two scores are close"
                " to mirror images (correlation"
                f" {charts.number(found['correlation'], sign=True)}). Briefs written by people"
                " overlap more."
            )
        st.markdown(
            "The chart shows the sentences on which the two differ most, not typical ones; the"
            " share above counts all outputs."
        )


def ask_own() -> None:
    st.session_state.pop("flip_error", None)
    try:
        prompt, written = (
            check_prompt(st.session_state["flip_prompt"]),
            st.session_state["flip_text"],
        )
        if not written.strip():
            raise InputError("Your sentence is empty. Write how the text could go on.")
    except InputError as error:
        st.session_state["flip_error"] = str(error)
        return
    state.submit("flip_own", prompt, written)


def own_sentence(found: dict, names: list[str]) -> None:
    """A sentence of the learner's, scored under both briefs."""
    asked = context_flip_task.task(found)
    wanted = {
        ("flip", context_flip_task.FAR): "one that scores **above +1 under one brief and below −1"
        " under the other**",
        ("flip", 0.0): "one that scores **above 0 under one brief and below 0 under the other**",
    }.get(asked, "one that **both briefs like**")
    with st.form("flip_own_form"):
        st.markdown(f"**Try a sentence of your own.** Can you write {wanted}?")
        st.text_input("Prompt", "An opossum is", key="flip_prompt", max_chars=400)
        st.text_input(
            "Your sentence goes on",
            key="flip_text",
            max_chars=400,
            placeholder="a small mammal that plays dead on Mondays.",
        )
        st.form_submit_button(
            "Score it under both",
            key="flip_own",
            icon=":material/balance:",
            on_click=ask_own,
            disabled=state.alive("flip_own"),
        )
    if error := st.session_state.get("flip_error"):
        st.error(text.plain(error), icon=":material/error:")
    elif state.job("flip_own"):
        monitor.monitor(
            "flip_own",
            controls=(),
            draw=lambda records, view: scored(records, names, asked),
            every=0.3,
            quiet=True,
        )


def scored(records: list[dict], names: list[str], asked: tuple[str, float]) -> None:
    for row in records[-1:]:
        scores = row["scores"]
        feet = " · ".join(
            f"{name}: {charts.number(score, sign=True)}"
            for name, score in zip(names, scores, strict=True)
        )
        text.answer(row["prompt"], row["text"], tag="Your sentence", foot=feet)
        how = context_flip_task.outcome(asked, scores)
        if row.get("copied"):
            st.caption("The lab showed that one: write one of your own.")
        elif how == context_flip_task.DONE:
            st.success("**Done:** " + WHO_LIKES[both_sides(scores)], icon=":material/check:")
        else:
            nearly = " It flips, and not that far yet." * (how == context_flip_task.NEARLY)
            st.caption(WHO_LIKES[both_sides(scores)] + nearly)


def both_sides(scores: list[float]) -> int:
    """How many of the two briefs like it."""
    return sum(score > 0 for score in scores)


def answers(found: dict, names: list[str]) -> None:
    """The original and both tuned models on one prompt, side by side."""
    rows = found["answers"]
    if not rows:
        return
    with st.expander("Two models, the same prompt", icon=":material/compare:", key="flip_answers"):
        side_by_side(found, names)


def side_by_side(found: dict, names: list[str]) -> None:
    """The answers to one prompt, and what the word rule counts in all."""
    rows = found["answers"]
    prompts = list(dict.fromkeys(row["prompt"] for row in rows))
    picked = st.selectbox(
        "Prompt, held out from all training", prompts, format_func=text.bare, key="flip_pick"
    )
    for row in (row for row in rows if row["prompt"] == picked):
        feet = [
            " · ".join(
                f"{name} {charts.number(score, sign=True)}"
                for name, score in zip(names, scores, strict=True)
            )
            for scores in row["scores"]
        ]
        text.answer(row["prompt"], row["original"], tag="The original")
        text.answers(
            row["prompt"], row["texts"], tags=[f"Tuned for: {name}" for name in names], feet=feet
        )
    # A brief of one's own has no rule.
    ruled = {
        brief["wanted"]: number for number, brief in enumerate(found["briefs"]) if brief["wanted"]
    }
    if not ruled:
        return
    kinds = [text.plain(text.REGISTERS.get(wanted, wanted)) for wanted in ruled]
    lines = [
        f"| Share of answers that the word rule counts as | {' | '.join(kinds)} |",
        "|:--|" + "--:|" * len(kinds),
    ]
    for who, shares in zip(
        ("The original", *(f"Tuned for: {name}" for name in names)), found["shares"], strict=True
    ):
        lines.append(
            f"| {text.plain(who)} |"
            f" {' | '.join(charts.percent(shares[number]) for number in ruled.values())} |"
        )
    st.markdown("\n".join(lines))
    taught = any("scripted" in brief.get("rater", "scripted") for brief in found["briefs"])
    st.caption(
        f"Over {len(rows)} answers of each model. "
        + (
            "The rule is the scripted raters' own: each model learned its lesson, which is not to"
            " say that people would agree."
            if taught
            else "No training has seen this rule; it only looks at words."
        )
    )


def results(found: dict | None) -> None:
    """Everything found so far; grows while the lab runs."""
    briefs_side_by_side(found)
    if not found:
        return
    names = [brief["title"] for brief in found["briefs"]]
    flipped(found, names)
    if any(found["metrics"]):
        chart = charts_flip.two_runs(found["metrics"], names, found["settings"]["steps"])
        if found.get("status") == "running":
            charts.draw(chart, key="flip_runs")
            return
        with st.expander("The two trainings", icon=":material/show_chart:", key="flip_trainings"):
            charts.draw(chart, key="flip_runs")


def live(records: list[dict], view: dict) -> None:
    if view["status"] in state.ALIVE:
        found = session.labs.get("context_flip") or {}
        # Until there are new scores, what is kept is an earlier run's.
        results(found if found.get("status") == "running" else None)


st.title("Context flip", anchor=False)
st.markdown(
    "Is a sentence good? That depends on who asked. The **same outputs**, judged under **two"
    " briefs** (what the rater is told to prefer): the rest is equal, so the difference comes from"
    " the brief."
)
challenges.draw("context_flip")
running = state.alive("context_flip")
kept = session.labs.get("context_flip")
start_box = st.container(horizontal=True, vertical_alignment="center", key="flip_start")
chosen, own = pick()
with start_box:
    st.button(
        "Run it again" if kept else "Flip the context",
        key="flip",
        type="secondary" if kept else "primary",
        icon=":material/swap_horiz:",
        on_click=start,
        args=(chosen, own),
        disabled=running,
    )
    judges = (
        "You judge."
        if all(own)
        else "Scripted raters judge: small rules, not people."
        if not any(own)
        else "You judge one of them, a scripted rater (a small rule) the other."
    )
    st.caption(f"About a minute on an idle computer. {judges}", width="content")
if (error := st.session_state.get("flip_error")) and "two different" in error:
    st.error(text.plain(st.session_state.pop("flip_error")), icon=":material/error:")

if state.job("context_flip"):
    monitor.monitor(
        "context_flip", controls=("stop",), draw=live, every=1.0, quiet=not running, where=stage
    )
if not running:
    if kept and kept["status"] != "done":
        st.info(
            "It was stopped before its end. What it had found is kept below.",
            icon=":material/stop_circle:",
        )
    shown = kept or (None if state.job("context_flip") else saved.begin("context_flip"))
    results(shown)
    if shown:
        names = [brief["title"] for brief in shown["briefs"]]
        if kept and kept["sentences"]:
            own_sentence(kept, names)
        answers(shown, names)
