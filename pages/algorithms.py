"""Algorithms side by side: best-of-n, PPO, RLOO, GRPO, DPO and KTO from the same judgements and the
same number of steps, on one chart.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import lab_settings
from rlhf_core.evaluation import told_apart
from rlhf_core.session import judged
from ui import challenges, charts, knobs, monitor, state, terms, text
from ui.charts import goodhart as charts_goodhart
from ui.labs import runs, saved

LABELS = {
    "comparisons": "Pairs that the scripted rater judges",
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
    "dpo": ("Needs no reward model: raises the probability of the preferred answer of each pair."),
    "kto": (
        "Needs no judged pairs either, only thumbs up or down for single answers: good ones should"
        " become likelier than the model has drifted on the whole, bad ones less likely. Where you"
        " called answers good or bad on the Rank page, it learns from those; else the best of each"
        " ranking counts as good and the last as bad, and a tie says nothing."
    ),
}
TEXTS_SHOWN = 6

session = state.session()
TRAINED = lab_settings.AlgorithmsSettings.TRAINED
knob = knobs.Knobs(session, "algorithms", lab_settings.AlgorithmsSettings, labels=LABELS)


def kept(name: str):
    """What was chosen besides the knobs: for the next run, or for the last one."""
    for stage in ("algorithms_next", "algorithms"):
        if (value := session.settings.get(stage, {}).get(name)) not in (None, []):
            return value
    return session.labs.get("algorithms", {}).get(name)


def keep(name: str) -> None:
    session.choose("algorithms", {name: st.session_state[f"algorithms_{name}"]})


def start() -> None:
    chosen = runs.chosen(knob, lab_settings.AlgorithmsSettings)
    if chosen is None:
        return
    own = bool(usable and st.session_state.get("algorithms_own"))
    runs_chosen = [name for name in TRAINED if name in st.session_state.get("algorithms_runs", [])]
    if not runs_chosen:
        st.session_state["algorithms_error"] = "Choose at least one algorithm that trains."
        return
    session.choose("algorithms", {"runs": runs_chosen, "own": own})
    state.submit("algorithms", chosen, own, runs_chosen, total=chosen.records_of(len(runs_chosen)))


def which(busy: bool) -> None:
    """Which algorithms train: as chosen last, also after a reload."""
    last = kept("runs")
    last = last if isinstance(last, list) and set(last) & set(TRAINED) else TRAINED
    st.pills(
        "Which of them train",
        TRAINED,
        selection_mode="multi",
        default=[name for name in TRAINED if name in last],
        format_func=NAMES.get,
        key="algorithms_runs",
        on_change=keep,
        args=("runs",),
        disabled=busy,
        help="Each takes its time. Best-of-n trains nothing and is always there.",
    )


def whose_comparisons(busy: bool) -> None:
    if usable:
        st.toggle(
            f"From your {len(judged.learnable(session))} pairs",
            value=bool(kept("own")),
            key="algorithms_own",
            on_change=keep,
            args=("own",),
            disabled=busy,
            help="Off: the scripted rater, a rule, makes its own.",
        )


def conclusion(found: dict) -> None:
    """What came out of it, in one sentence, and what gold cannot show any more."""
    points, best = found["points"], found.get("best_of_n", [])[-1:]
    if words := told_apart.conclusion(points, best[0] if best else {}, NAMES):
        with st.container(border=True, key="algorithms_verdict"):
            st.markdown(
                f":material/gavel: **{words}**",
                help="By gold, prompt by prompt; all of them together hold with 95%.",
            )
    ends = {f"best of {row['n']}": row["gold"] for row in best}
    ends |= {NAMES[run]: rows[-1]["gold"] for run, rows in points.items()}
    if words := told_apart.at_the_top(found.get("gold_top"), ends):
        st.caption(f":material/vertical_align_top: {words}")


def gold(value: float, span: tuple[float, float] | None) -> str:
    """ "+0.71 ± 0.19"."""
    middle = charts.number(value, sign=True)
    return middle if span is None else f"{middle} ± {charts.number((span[1] - span[0]) / 2)}"


def numbers(found: dict) -> None:
    """What each has got to, and what it cost."""
    lines = ["| | Gold | Proxy | KL | Time |", "|:--|--:|--:|--:|--:|"]
    for row in found.get("best_of_n", [])[-1:]:
        lines.append(
            f"| Best of {row['n']} | {gold(row['gold'], told_apart.gain_of(row))} |"
            f" {charts.number(row['proxy'], sign=True)} | ≤ {charts.number(row['kl'], 1)} |"
            f" {monitor.duration(found['best_of_n_seconds'])} a prompt |"
        )
    for run, rows in found.get("points", {}).items():
        row, span = rows[-1], told_apart.change_of(rows)
        lines.append(
            f"| {NAMES[run]}, step {row['step']} | {gold(row['gold'], span)} |"
            f" {charts.number(row['proxy'], sign=True)} | {charts.number(row['kl'], 1)} |"
            f" {monitor.duration(row['seconds'])} |"
        )
    st.markdown("\n".join(lines))
    with st.expander("What the columns mean", icon=":material/table:", key="algorithms_columns"):
        st.markdown(
            "Gold and proxy: changes from the original model, in its standard deviations; ±: 95%"
            " interval over prompts. KL: nats an answer. Time: the processor's, in the thread that"
            " trains, so that other programs on this machine do not count; best-of-n pays it anew"
            " at every prompt."
        )


def texts(found: dict) -> None:
    """The same prompt, answered by each."""
    rows = {
        f"Best of {found['best_of_n'][-1]['n']}": found["best_texts"],
        **{NAMES[run]: points[-1]["texts"] for run, points in found["points"].items()},
    }
    count = min(TEXTS_SHOWN, *map(len, rows.values()))
    prompts = [found["prompts"][one[0]] for one in next(iter(rows.values()))[:count]]
    if not prompts:
        return
    number = runs.one_prompt("algorithms", prompts)
    answers = {name: texts[number] for name, texts in rows.items()}
    text.answers(
        prompts[number],
        [one[1] for one in answers.values()],
        tags=list(answers),
        feet=[f"gold {charts.number(one[3], sign=True)}" for one in answers.values()],
    )


def live(records: list[dict], view: dict) -> None:
    found = saved.found(session, "algorithms")
    if not found.get("points"):
        st.caption(
            "First it collects the judgements, trains the reward model and lets the original model"
            " write the answers that best-of-n chooses from."
            if view["status"] in state.ALIVE
            else "It ended before the first result: there is nothing to show."
        )
        return
    if view["status"] not in state.ALIVE:
        conclusion(found)
    charts.draw(charts_goodhart.algorithms(found), key="algorithms_chart")
    numbers(found)
    if view["status"] not in state.ALIVE:
        texts(found)
    ran = found["settings"]
    runs.how_it_ran(
        "algorithms",
        f"Brief: {text.plain(found['brief'])}. {found['pairs']} pairs by:"
        f" {text.plain(found['rater'])}. {ran['steps']} steps each, seed {ran['seed']}, measured on"
        " prompts that none trained on. One seed and one setting of each: another may turn the"
        " order round.",
    )


usable = not judged.nothing_to_learn(session) and bool(session.asked.brief.wanted)
st.title("Algorithms side by side", anchor=False)
st.markdown(
    "Six ways to use the same judgements, from the same start, with the same number of steps. Which"
    " gets the better texts (*gold*), and how far does it drift from the original model for them"
    " (*KL*)?"
)
challenges.draw("algorithms")
runs.needs_a_rule(session)
which(state.alive("algorithms"))
again = bool(session.labs.get("algorithms"))
runs.start_row(knob, start, first="Run them", again=again, more=whose_comparisons)
runs.window("algorithms", live, kept=again, names=NAMES)

with st.expander("How each of them works", icon=":material/menu_book:", key="algorithms_words"):
    ways = {"best_of_n": "Best-of-n", **NAMES}
    st.markdown("\n".join(f"- **{ways[name]}:** {words}" for name, words in HOW.items()))
    terms.draw(
        "**Gold** is a rule's rating (wanted [[register]], full sentence, nothing said twice, real"
        " words), not a person's. The **proxy** is the reward model's score, which DPO and KTO"
        " never see. Best-of-n is drawn where its [[KL]] can be at most (log n − (n − 1)/n); the"
        " others' KL is measured."
    )
