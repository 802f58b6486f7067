"""Algorithms side by side: best-of-n, PPO, RLOO, GRPO, DPO and KTO from the same judgements and the
same number of steps, on one chart.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import lab_settings
from rlhf_core.session import judged
from ui import challenges, charts, knobs, monitor, state, text
from ui.charts import goodhart as charts_goodhart
from ui.labs import runs, saved

LABELS = {
    "comparisons": "Comparisons by the scripted rater",
    "steps": "Steps of each training",
    "seed": "Seed",
}
NAMES = {run: style[0] for run, style in charts_goodhart.ALGORITHMS.items()}
HOW = {
    "best_of_n": "Trains nothing: writes n answers, keeps the one with the highest score.",
    "ppo": (
        "Writes a batch, scores it with the reward model, nudges every token by what was better"
        " than expected."
    ),
    "rloo": (
        "Like PPO without a value head: each answer is judged against the other answers to its"
        " prompt."
    ),
    "grpo": (
        "Like RLOO, but counts how many standard deviations an answer is above the others to its"
        " prompt, and pays for drift word by word. Often chosen for rewards that can be checked."
    ),
    "dpo": (
        "Needs no reward model: raises the probability of the preferred answer of each comparison."
    ),
    "kto": (
        "Needs no comparisons either, only thumbs up or down for single answers: good ones should"
        " become likelier than the model has drifted on the whole, bad ones less likely."
    ),
}
TEXTS_SHOWN = 3

session = state.session()
TRAINED = lab_settings.AlgorithmsSettings.TRAINED
knob = knobs.Knobs(session, "algorithms", lab_settings.AlgorithmsSettings, labels=LABELS)


def start() -> None:
    chosen = runs.chosen(knob, lab_settings.AlgorithmsSettings)
    if chosen is None:
        return
    own = bool(usable and st.session_state.get("algorithms_own"))
    runs_chosen = [name for name in TRAINED if name in st.session_state.get("algorithms_runs", [])]
    if not runs_chosen:
        st.session_state["algorithms_error"] = "Choose at least one algorithm that trains."
        return
    state.submit("algorithms", chosen, own, runs_chosen, total=chosen.records_of(len(runs_chosen)))


def which(busy: bool) -> None:
    """Which algorithms train: at first, those of the last run."""
    kept = session.labs.get("algorithms", {}).get("runs") or TRAINED
    st.pills(
        "Which of them train",
        TRAINED,
        selection_mode="multi",
        default=[name for name in TRAINED if name in kept],
        format_func=NAMES.get,
        key="algorithms_runs",
        disabled=busy,
        help="Each takes its time. Best-of-n trains nothing and is always there.",
    )


def whose_comparisons(busy: bool) -> None:
    if usable:
        st.toggle(
            f"From your {len(judged.learnable(session))} comparisons",
            key="algorithms_own",
            disabled=busy,
            help="Off: the scripted rater, a rule, makes its own.",
        )


def numbers(found: dict) -> None:
    """What each has got to, and what it cost."""
    lines = ["| | Gold | Proxy | KL | Time |", "|:--|--:|--:|--:|--:|"]
    for row in found.get("best_of_n", [])[-1:]:
        gold, proxy, time = (
            charts.number(row["gold"], sign=True),
            charts.number(row["proxy"], sign=True),
            monitor.duration(found["best_of_n_seconds"]),
        )
        lines.append(
            f"| Best of {row['n']} | {gold} | {proxy} | ≤ {charts.number(row['kl'], 1)} | {time} a"
            " prompt |"
        )
    for run, rows in found.get("points", {}).items():
        row = rows[-1]
        lines.append(
            f"| {NAMES[run]}, step {row['step']} | {charts.number(row['gold'], sign=True)} |"
            f" {charts.number(row['proxy'], sign=True)} | {charts.number(row['kl'], 1)} |"
            f" {monitor.duration(row['seconds'])} |"
        )
    st.markdown("\n".join(lines))
    st.caption(
        "Gold and proxy are changes from the original model, in its own standard deviations; KL is"
        " in nats an answer. Gold is a rule's rating (wanted register, full sentence, nothing said"
        " twice, real words), not a person's; the proxy is the reward model's score, which DPO"
        " and KTO never see. Time is that of the training; best-of-n trains nothing and pays for"
        " every prompt anew. It was measured here and now, whatever else this machine was doing."
    )


def texts(found: dict) -> None:
    """The same prompts, answered by each."""
    st.subheader("What they write", anchor=False)
    rows = {
        f"Best of {found['best_of_n'][-1]['n']}": found["best_texts"],
        **{NAMES[run]: points[-1]["texts"] for run, points in found["points"].items()},
    }
    for number in range(min(TEXTS_SHOWN, *map(len, rows.values()))):
        answers = {name: texts[number] for name, texts in rows.items()}
        prompt = found["prompts"][next(iter(answers.values()))[0]]
        text.answers(
            prompt,
            [one[1] for one in answers.values()],
            tags=list(answers),
            feet=[f"gold {charts.number(one[3], sign=True)}" for one in answers.values()],
        )


def live(records: list[dict], view: dict) -> None:
    found = saved.found(session, "algorithms")
    if not found.get("points"):
        st.caption(
            "First it collects the comparisons, trains the reward model and lets the original model"
            " write the answers that best-of-n chooses from."
            if view["status"] in state.ALIVE
            else "It ended before the first result: there is nothing to show."
        )
        return
    charts.draw(charts_goodhart.algorithms(found), key="algorithms_chart")
    numbers(found)
    if view["status"] not in state.ALIVE:
        texts(found)
    ran = found["settings"]
    st.caption(
        f"Brief: {text.plain(found['brief'])}. {found['pairs']} comparisons by:"
        f" {text.plain(found['rater'])}. {ran['steps']} steps each, seed {ran['seed']}. All are"
        " measured on prompts that none of them trained on. One seed and one setting of each:"
        " another setting may turn the order round."
    )
    if "kto" in found["points"]:
        st.caption(
            "KTO learned from single answers. Where you called answers good or bad on the Rank"
            " page, those; else the best of each ranking counts as good and the last as bad, and a"
            " tie says nothing."
        )


usable = not judged.nothing_to_learn(session) and bool(session.asked.brief.wanted)
st.title("Algorithms side by side", anchor=False)
st.markdown(
    "Six ways to use the same judgements, from the same start and with the same number of steps."
    " Which gets the better texts (*gold*, an independent rule's rating), and how far does it drift"
    " from the original model for them (*KL*)?"
)
st.markdown(
    "\n".join(f"- **{NAMES.get(name, 'Best-of-n')}:** {words}" for name, words in HOW.items())
)
challenges.draw("algorithms")
runs.needs_a_rule(session)
which(state.alive("algorithms"))
again = bool(session.labs.get("algorithms"))
runs.start_row(knob, start, first="Run them", again=again, more=whose_comparisons)
runs.window("algorithms", live, kept=again)
