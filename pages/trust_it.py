"""Can you trust it? Held-out votes, margins, calibration, a learning curve from the learner's own
data, and the doubt beside every score.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from rlhf_core.common.errors import InputError
from rlhf_core.judging.typed import check_prompt
from ui import challenges, charts, state, text
from ui.charts import reward_lab as charts_lab
from ui.charts import scored_outputs as charts_outputs
from ui.labs import tools

MOST_TEXTS, MOST_TEXT = 8, 4_000
TABS = ("New prompts", "Margins", "Does 80% mean 80%?", "How much data?", "Unsure?")

session = state.session()


def keep(name: str) -> None:
    st.session_state[name] = st.session_state[f"{name}_widget"]


def new_prompts(found: dict) -> None:
    """Leave one prompt out: the honest accuracy for tiny data."""
    held, effective = found["held_out"], found["effective"]
    if held["count"]:
        st.metric(
            "Right on prompts it never saw",
            charts.percent(held["accuracy"]),
            delta=f"95% interval {charts.interval([held['low'], held['high']])}",
            delta_color="off",
            delta_arrow="off",
        )
    st.markdown(text.plain(held["sentence"]))
    st.caption(
        "Each prompt is left out once: a reward model that never saw it predicts the votes about"
        " it, which suits small data. Ties have no right answer and rejected exploits were picked"
        " because it errs there, so neither is counted. 50% is tossing a coin."
    )
    st.markdown("**How much the votes really tell.** " + text.plain(effective["sentence"]))
    st.caption(
        "Ten votes about the same two texts tell less than ten different ones, and a vote that it"
        " foresaw tells little. This counts votes as if all were fresh and open."
    )
    for note in found["notes"]:
        st.info(text.plain(note), icon=":material/lightbulb:")
    if held["prompts"]:
        with st.expander(
            f"Prompt by prompt ({len(held['prompts'])})",
            icon=":material/table:",
            key="trust_prompts",
        ):
            rows = sorted(held["prompts"], key=lambda row: row["right"] - row["count"])
            st.markdown(
                "\n".join(
                    [
                        "| Left-out prompt | Right |",
                        "|:--|--:|",
                        *(
                            f"| {text.plain(row['prompt'])} | {row['right']} of {row['count']} |"
                            for row in rows[:200]
                        ),
                    ]
                )
            )


def calibrated(found: dict) -> None:
    curve = found["calibration"]
    charts.draw(charts_lab.calibration(curve), key="trust_calibration")
    st.markdown(text.plain(curve["sentence"]))
    if curve["error"] is not None:
        mean, high = curve["chance"]
        st.caption(
            f"Expected calibration error: {charts.number(100 * curve['error'], 0)} points, the mean"
            f" distance from the line. With {curve['count']} votes a perfectly honest model would"
            f" show about {charts.number(100 * mean, 0)} by luck alone, and seldom more than"
            f" {charts.number(100 * high, 0)}. Confidence allows for slips: about"
            f" {charts.percent(found['noise'])} of the votes are taken to be recorded the wrong"
            f" way round, and margins count {charts.number(found['slope'], 1)}-fold."
        )


def how_much(curve: dict) -> None:
    charts.draw(charts_lab.learning_curve(curve), key="trust_curve")
    st.markdown(text.plain(curve["sentence"]))
    st.caption(
        "Drawn from these votes: their prompts are split in two again and again; it learns from a"
        " few votes about one part and is tested on the other. The forecast assumes that further"
        " votes are like the past ones."
    )


def unsure() -> None:
    """Any texts, with both kinds of doubt and the conservative score."""
    offered = tools.prompts(session)
    first = next((prompt for prompt in offered if tools.outputs_of(session, prompt)), offered[0])
    prompt = st.session_state.get("unsure_prompt", first)
    prompt = prompt if prompt in offered else first
    st.selectbox(
        "Prompt",
        offered,
        offered.index(prompt),
        format_func=text.bare,
        key="unsure_prompt_widget",
        on_change=keep,
        args=("unsure_prompt",),
    )
    st.session_state.setdefault(
        "unsure_texts", "\n".join([*tools.outputs_of(session, prompt)[:2], "zxq vrrp blort wug"])
    )
    st.session_state["unsure_texts_widget"] = st.session_state["unsure_texts"]
    st.text_area(
        f"Texts, one a line (up to {MOST_TEXTS})",
        st.session_state["unsure_texts"],
        key="unsure_texts_widget",
        on_change=keep,
        args=("unsure_texts",),
        max_chars=MOST_TEXT,
    )
    k = st.slider(
        "How much of its doubt to take off (k)",
        0.0,
        3.0,
        st.session_state.get("unsure_k", 1.0),
        0.1,
        key="unsure_k_widget",
        on_change=keep,
        args=("unsure_k",),
    )
    lines = [line.strip() for line in st.session_state["unsure_texts"].splitlines() if line.strip()]
    if not lines:
        st.info("Write at least one text.", icon=":material/edit:")
        return
    if len(lines) > MOST_TEXTS:
        st.warning(
            f"These are {len(lines)} texts; the first {MOST_TEXTS} are shown.",
            icon=":material/format_list_numbered:",
        )
    try:
        check_prompt(prompt)
    except InputError as error:
        st.error(text.plain(str(error)), icon=":material/error:")
        return
    lines = tuple(
        dict.fromkeys(tools.as_written(session, prompt, line) for line in lines[:MOST_TEXTS])
    )
    made = tools.fresh(
        "lab_scores", (tools.learned_from(session), prompt, lines), prompt, list(lines)
    )
    found = tools.of_kind(made, "scores")
    if found:
        doubts(found, prompt, k)
        st.page_link(
            "pages/ppo.py", label="To PPO and its settings", icon=":material/arrow_forward:"
        )


def doubts(found: dict, prompt: str, k: float) -> None:
    """Scores with both kinds of doubt."""
    rows = [
        {**row, "prompt": prompt, "conservative": row["score"] - k * row["laplace"]}
        for row in found["rows"]
    ]
    charts.draw(
        charts_outputs.doubts(sorted(rows, key=lambda row: -row["score"]), k), key="trust_doubts"
    )
    st.caption(
        "Two answers to “how sure?”: the Laplace bar comes from how sharply the votes pin the"
        " weights down; the violet band is the span of five reward models, each fitted to the"
        " votes drawn anew with repeats. The conservative score, score − k × doubt, is what PPO"
        " climbs when “Doubt taken off a score” in its settings is k."
    )


def margins(diagnosis: dict) -> None:
    charts.draw(charts_lab.margins(diagnosis["histogram"]), key="trust_margins")
    st.caption(
        "These are votes that it learned from, so they flatter; the other tabs are about votes"
        " that it did not see. A margin of 2 means: 88% sure."
    )


def in_tabs(diagnosis: dict, curve: dict, last: Callable[[], None]) -> None:
    """Each kind of trust in a tab; ``last`` draws the last one."""
    drawn = (
        lambda: new_prompts(diagnosis),
        lambda: margins(diagnosis),
        lambda: calibrated(diagnosis),
        lambda: how_much(curve),
        last,
    )
    for tab, draw in zip(st.tabs(list(TABS)), drawn, strict=True):
        with tab:
            draw()


def example(found: dict) -> None:
    """The saved result."""
    scores = found["scores"]
    in_tabs(found["diagnosis"], found["curve"], lambda: doubts(scores, scores["prompt"], 1.0))


st.title("Can you trust it?", anchor=False)
st.markdown(
    "A score is a guess from a few votes. Here is how good the guess is, on votes that it did not"
    " learn from."
)
challenges.draw("trust_it")
tools.door(session, "trust_it", example)
tools.about_the_votes(session)
report = tools.fresh("lab_report", tools.learned_from(session))
if report:
    diagnosis, curve = tools.of_kind(report, "diagnosis"), tools.of_kind(report, "curve")
    in_tabs(diagnosis, curve, unsure)
