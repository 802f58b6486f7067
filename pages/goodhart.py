"""Goodhart lab: chase a score without a leash and watch what it was meant to measure fall; then two
cures, and what they really did.
"""

from __future__ import annotations

import math

import streamlit as st

from rlhf_core.common import lab_settings
from rlhf_core.evaluation import gold_rule, overoptimisation, told_apart
from ui import challenges, charts, knobs, state, text
from ui.charts import goodhart as charts_goodhart
from ui.labs import runs, saved

LABELS = {
    "comparisons": "Pairs",
    "features": "Features of the reward model",
    "steps": "PPO steps of each run",
    "learning_rate": "Learning rate",
    "beta": "β of the run with a penalty",
    "conservative": "Doubt taken off, times its size",
    "seed": "Seed",
}
LADDERS = {
    "learning_rate": (1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 3e-3),
    "beta": (0.05, 0.1, 0.25, 0.5, 1.0),
}
NAMES = {run: style[0] for run, style in charts_goodhart.RUNS.items()}
# The gold rule's questions, as they stand over a column.
SHORT = ("Right register", "Full sentence", "Nothing twice", "Real words")
TEXTS_SHOWN = 6

session = state.session()
knob = knobs.Knobs(
    session, "goodhart", lab_settings.GoodhartSettings, labels=LABELS, ladders=LADDERS
)


def start() -> None:
    chosen = runs.chosen(knob, lab_settings.GoodhartSettings)
    if chosen is None:
        return
    state.submit("goodhart", chosen, total=chosen.records)


def span_of(found: dict, sign: bool = False) -> str:
    """The interval, or why there is none."""
    if not math.isfinite(found["low"]):
        return "too few prompts to say how sure that is"
    low, high = (charts.number(found[end], sign=sign) for end in ("low", "high"))
    return f"95% interval {low} to {high}"


def fall_in_words(fall: dict, ended: bool = True) -> str:
    """One run's gold, from its peak to its end, or to where it is."""
    span = f"{charts.number(fall['fall'])} ({span_of(fall)})"
    rise = (
        f"the proxy {'rose' if fall['proxy_rise'] > 0 else 'fell'} by"
        f" {charts.number(abs(fall['proxy_rise']))}"
    )
    if fall["peak_step"] == fall["last_step"]:
        return (
            "gold was highest at the very end: it did not fall."
            if ended
            else f"so far, at step {fall['last_step']}, gold has not fallen."
        )
    where = f"from its peak at step {fall['peak_step']} to step {fall['last_step']}"
    if fall["low"] <= 0 <= fall["high"]:
        return f"no detectable fall of gold {where}: {span}, while {rise}."
    return (
        f"gold {'fell' if fall['fall'] > 0 else 'rose'} {where} by"
        f" {span.lstrip(charts.number(-1)[0])}, while {rise}."
    )


def cure_in_words(name: str, cure: dict, ended: bool) -> str:
    """What a cure did to the fall, and whether it moved the curve or only stopped earlier on it; no
    last word before the run has ended.
    """
    words = f"**{name}:** {fall_in_words(cure['fall'], ended)} "
    if not ended:
        return words + "This run is still going on."
    if cure["halved"] is not None:
        words += (
            "That is at most half of the fall without a penalty. "
            if cure["halved"]
            else "That is more than half of the fall without a penalty. "
        )
    same = cure["same_distance"]
    gap = (
        f" ({charts.number(same['difference'], sign=True)}, {span_of(same, sign=True)})"
        if same
        else ""
    )
    return (
        words
        + {
            "moved": f"**It moved the curve:** at the same KL its gold is higher{gap}.",
            "worse": (
                f"At the same KL its gold is even lower{gap}: whatever it gained came from stopping"
                " earlier."
            ),
            "stopped earlier": (
                "**It only stopped earlier:** it stayed nearer to the original model, and at the"
                f" same KL its gold shows no detectable difference{gap}."
            ),
            "too few to tell": (
                "Too few to tell whether it moved the curve: at the same KL its gold shows no"
                f" detectable difference{gap}."
            ),
        }[cure["effect"]]
    )


def verdict(found: dict) -> None:
    """What this experiment says, in sentences."""
    points = found.get("points", {})
    free = overoptimisation.fall_of(points.get("free", []))
    if free is None:
        return
    with st.container(border=True, key="goodhart_verdict"):
        caught = (
            free["fall"] >= overoptimisation.FALL and free["low"] > 0 and free["proxy_rise"] > 0
        )
        st.markdown(
            ":material/gavel: "
            + ("**Goodhart's law, caught in the act.** " if caught else "")
            + f"**{NAMES['free']}:**"
            f" {fall_in_words(free, found.get('status') != 'running' or len(points) > 1)}"
        )
        cures(found)
        with st.expander("How sure are we?", icon=":material/help:", key="goodhart_sure"):
            st.markdown(
                "In standard deviations of the original model's ratings. The peak is looked for in"
                " one half of the answers and the fall measured in the other: the highest of many"
                " noisy numbers always looks too high where it was found. One seed is one story;"
                " “Change the experiment” tells others."
            )


def cures(found: dict) -> None:
    """What the two cures did, one press away."""
    points, told = found["points"], []
    for run in ("penalty", "conservative"):
        if cure := overoptimisation.judge_cure(points["free"], points.get(run, [])):
            last = points[run][-1]["step"] >= found["settings"]["steps"]
            told.append(cure_in_words(NAMES[run], cure, found.get("status") != "running" or last))
    if told:
        with st.expander("Did the two cures help?", icon=":material/healing:", key="cures"):
            st.markdown("\n\n".join(told))


def numbers(found: dict) -> None:
    """Where each run ended, and which of the gold rule's four questions decided."""
    ends = [("The original model", rows[0]) for rows in list(found["points"].values())[:1]] + [
        (f"{NAMES[run]}, step {rows[-1]['step']}", rows[-1])
        for run, rows in found["points"].items()
    ]
    lines = ["| Run | KL | Proxy | Gold |", "|:--|--:|--:|--:|"]
    for name, row in ends:
        proxy, gold = charts.number(row["proxy"], sign=True), charts.number(row["gold"], sign=True)
        lines.append(f"| {name} | {charts.number(row['kl'], 1)} | {proxy} | {gold} |")
    st.markdown("\n".join(lines))
    if words := told_apart.at_the_top(found.get("gold_top"), {n: row["gold"] for n, row in ends}):
        st.caption(words)
    with st.expander("What the gold rule saw", icon=":material/rule:", key="goodhart_parts"):
        lines = [f"| Run | {' | '.join(SHORT)} |", "|:--|" + "--:|" * len(SHORT)]
        lines += [
            f"| {name} |"
            f" {' | '.join(charts.percent(row['parts'][part]) for part in gold_rule.PARTS)} |"
            for name, row in ends
        ]
        st.markdown("\n".join(lines))
        st.caption(
            "Means over all answers at the end of each run. The rating is the mean of the four."
        )


def texts(found: dict) -> None:
    """What a run wrote where gold was best (or the original model, where that was the end), and at
    its end.
    """
    points = {run: rows for run, rows in found.get("points", {}).items() if rows}
    run = (
        st.segmented_control(
            "What it writes: run",
            list(points),
            format_func=NAMES.get,
            default="free",
            key="goodhart_run",
        )
        or "free"
    )
    rows = points[run]
    fall = overoptimisation.fall_of(rows)
    peak = next(row for row in rows if row["step"] == fall["peak_step"]) if fall else rows[-1]
    best = f"{NAMES[run]}, at its best, step {peak['step']}"
    if peak is rows[-1]:
        peak, best = rows[0], "The original model"
    pairs = list(zip(peak["texts"], rows[-1]["texts"], strict=True))[:TEXTS_SHOWN]
    if not pairs:
        return
    prompts = [found["prompts"][before[0]] for before, _ in pairs]
    number = runs.one_prompt("goodhart", prompts, "Prompt, held out from all training")
    (_, before, *old), (_, after, *new) = pairs[number]
    feet = [
        f"proxy {charts.number(proxy, sign=True)} · gold {charts.number(gold, sign=True)}"
        for proxy, gold in (old, new)
    ]
    text.answers(
        prompts[number],
        [before, after],
        tags=[best, f"{NAMES[run]}, at the end, step {rows[-1]['step']}"],
        feet=feet,
    )


def live(records: list[dict], view: dict) -> None:
    found = saved.found(session, "goodhart")
    if not found.get("points"):
        st.caption(
            "First it collects the judgements, trains the reward model and lets the original model"
            " write the answers that best-of-n chooses from."
        )
        return
    verdict(found)
    charts.draw(charts_goodhart.over_optimisation(found), key="goodhart_chart")
    if view["status"] not in state.ALIVE:
        texts(found)
    numbers(found)
    ran = found["settings"]
    accuracy = (
        f", right on {charts.percent(found['accuracy'])} of held-out pairs"
        if found.get("accuracy") is not None
        else ""
    )
    accuracy += (
        f" (95% interval {charts.interval(found['accuracy_interval'])}: very few)"
        if found.get("accuracy_interval")
        else ""
    )
    runs.how_it_ran(
        "goodhart",
        f"Brief: {text.plain(found['brief'])}. Reward model: {ran['features']} features from"
        f" {found['pairs']} pairs by the scripted rater (a rule){accuracy}. Runs:"
        f" {ran['steps']} PPO steps, learning rate {ran['learning_rate']:g}, no limit to a score,"
        f" no fee for answers that never end; β {ran['beta']:g} in the run with a penalty,"
        f" {ran['conservative']:g} times the doubt taken off in the conservative one. Seed"
        f" {ran['seed']}.",
    )


st.title("Goodhart lab", anchor=False)
st.markdown(
    "**When a measure becomes a target, it ceases to be a good measure.** PPO chases a poor"
    " *proxy*, a reward model's score: freely, with a KL penalty (drift costs), and with a"
    " conservative reward (less its own doubt). *Gold*, a rule, rates what comes out."
)
challenges.draw("goodhart")
runs.needs_a_rule(session)
again = bool(session.labs.get("goodhart"))
runs.start_row(knob, start, first="Run the experiment", again=again)
runs.window("goodhart", live, kept=again, names=NAMES)

with st.expander("What the words mean", icon=":material/menu_book:", key="goodhart_words"):
    st.markdown(
        "- **Proxy:** the score of a reward model, in standard deviations of the original model's"
        " answers. It learned from few pairs, so it is easy to fool.\n- **Gold:** the mean"
        " of four questions, each answered by a rule from the letters alone:"
        f" {', '.join(gold_rule.PARTS.values())}. It is a rule, not a person: it does not know"
        " whether a fact is true. No reward model sees it. The scripted rater that made the"
        " pairs asks the first two questions as well, but to tell the register this rule"
        " reads none of the words that the rater reads, and was learned from other texts: same"
        " taste, other evidence.\n- **KL:** how far a model has drifted from the"
        " original one, in nats an answer: exact at each token, averaged over sampled answers."
        " Its square root makes the curves straight enough to compare.\n- **Fluency:** the mean"
        " log-probability of a token under the original"
        " model; 0 on the chart is what the original itself writes.\n- **Best-of-n:** nothing is"
        " trained; of n answers the one with the highest score is kept. Drawn where its KL is at"
        " most.\n- **Optimal frontier:** the original's own answers, reweighted by exp(score / β):"
        " the best trade of proxy against KL there is, as far as 64 answers a prompt can show"
        " it.\n- **Moved or stopped earlier:** a cure that only keeps the run near the start"
        " avoids the fall and learns less. One that moves the curve has more gold *at the same"
        " KL*."
    )
