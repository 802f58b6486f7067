"""Rule or reward model?: the same climb twice, by a rule that can be checked and by a reward model
that learned that rule; and what each climb found beside the rule.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import lab_settings
from rlhf_core.evaluation.before_after import FEWEST_PROMPTS
from rlhf_core.evaluation.checkable_rule import LONGEST, PARTS
from ui import challenges, charts, knobs, monitor, state, text
from ui.charts import rule_or_reward as charts_rule
from ui.labs import runs, saved

LABELS = {
    "comparisons": "Pairs that the rule judges",
    "steps": "GRPO steps of each climb",
    "learning_rate": "Learning rate",
    "beta": "β, the price of drift",
    "seed": "Seed",
}
LADDERS = {
    "learning_rate": (1e-4, 2e-4, 5e-4, 1e-3, 2e-3),
    "beta": (0.0, 0.02, 0.05, 0.1, 0.25, 0.5),
}
NAMES = {run: style[0] for run, style in charts_rule.RUNS.items()}
SHORT = {"rule": "Rule", "learned": "Reward model"}
TEXTS_SHOWN = 6
COLUMNS = (
    "Learned reward: the reward model's score, in the original's standard deviations above where it"
    " began. KL: nats an answer. Distinct-2: different pairs of words among all pairs; the"
    " lower, the more alike the answers are. Repeats: answers that stand, word for word, under"
    " another prompt too."
)

session = state.session()
knob = knobs.Knobs(
    session, "rule_or_reward", lab_settings.RuleOrRewardSettings, labels=LABELS, ladders=LADDERS
)


def start() -> None:
    chosen = runs.chosen(knob, lab_settings.RuleOrRewardSettings)
    if chosen is None:
        return
    whole = bool(st.session_state.get("rule_or_reward_whole"))
    state.submit("rule_or_reward", chosen, whole, total=chosen.records)


def how_it_pays(busy: bool) -> None:
    told = session.settings
    ran = session.labs.get("rule_or_reward", {}).get("all_or_nothing", False)
    for stage in ("rule_or_reward", "rule_or_reward_next"):
        ran = told.get(stage, {}).get("whole", ran)
    st.toggle(
        "All or nothing",
        value=bool(ran),
        key="rule_or_reward_whole",
        on_change=lambda: session.choose(
            "rule_or_reward", {"whole": st.session_state["rule_or_reward_whole"]}
        ),
        disabled=busy,
        help=(
            "On: the rule pays its climb 1 for all three parts, else nothing: rare at first, so it"
            " may find no way up. Off: a third for each part."
        ),
    )


def share_moved(rows: list[dict], share: str) -> str:
    """How a share changed over a run. The change is that of the two as they are shown."""
    change, shown = rows[-1]["changes"][share], [round(100 * row[share], 1) for row in rows]
    middle = None if change[0] is None else (shown[-1] - shown[0]) / 100
    return (
        f"{charts.percent(rows[0][share], 1)} → {charts.percent(rows[-1][share], 1)},"
        f" {moved([middle, *change[1:]], 'points', 100, 1)}"
    )


def moved(change: list[float], unit: str, times: float = 1.0, digits: int = 0) -> str:
    """A change with its interval in words; "no detectable change" where it holds 0, and no verdict
    where there is none.
    """
    if change[0] is None:
        return "cannot be told"
    if change[1] is None:
        middle = charts.number(times * change[0], digits, sign=True)
        return f"{middle} {unit} (too little to say how sure that is)"
    middle, low, high = (times * value for value in change)
    span = (
        f"{charts.number(middle, digits, sign=True)} {unit} (95% interval"
        f" {charts.number(low, digits, sign=True)} to {charts.number(high, digits, sign=True)})"
    )
    return f"no detectable change: {span}" if low <= 0 <= high else span


def numbers(found: dict) -> None:
    lines = [
        "| | Whole rule | Learned reward | KL | Distinct-2 | Repeats | Time |",
        "|:--|--:|--:|--:|--:|--:|--:|",
    ]
    first = next(iter(found["points"].values()))[0]
    rows = {"Before": first} | {
        f"{SHORT[run]}, step {points[-1]['step']}": points[-1]
        for run, points in found["points"].items()
        if points[-1]["step"]
    }
    for name, row in rows.items():
        time = monitor.duration(row["seconds"]) if row["step"] else ""
        lines.append(
            f"| {name} | {charts.percent(row['satisfied'], 1)} |"
            f" {charts.number(row['learned'], sign=True)} | {charts.number(row['kl'], 1)} |"
            f" {charts.number(row['distinct_2'])} | {charts.percent(row['repeats'], 1)} | {time} |"
        )
    st.markdown("\n".join(lines))
    st.caption("Time: the processor's, in the thread that trains.", help=COLUMNS)


def where_it_led(found: dict) -> None:
    """What happened, from the numbers of this run alone."""
    st.subheader("Where did each climb lead?", anchor=False)
    points = found["points"]
    for run in charts_rule.RUNS:
        rows = points.get(run, [])
        if not rows or not rows[-1]["step"]:
            continue
        changes = rows[-1]["changes"]
        st.markdown(
            f"**{NAMES[run]}, step {rows[-1]['step']}: {verdict(run, changes, found)}**"
            f" Answers that fulfil the whole rule: {share_moved(rows, 'satisfied')}."
        )
        with st.expander("What says so", icon=":material/search:", key=f"led_{run}"):
            st.markdown(" ".join(evidence(run, rows, found)))


def evidence(run: str, rows: list[dict], found: dict) -> list[str]:
    """What a verdict rests on, in sentences."""
    last, alike = rows[-1], share_moved(rows, "repeats")
    words = [f"Answers that stand, word for word, under another prompt too: {alike}."]
    if last["animal"]:
        name, share = last["animal"]
        words.append(
            f"{charts.percent(share)} of the answers name the same animal, “{text.plain(name)}”."
        )
    if run == "rule":
        words.append(
            "The rule never asked for an answer to the prompt, for a fact, or for a second idea: a"
            " short sentence with an animal in it is enough, whatever the prompt was."
        )
    if run == "learned":
        words += beside_the_rule(found, last)
    return words


def verdict(run: str, changes: dict, found: dict) -> str:
    """What was seen beyond doubt, by the lower end of an interval. Of the imitation no more than
    that: what its reward rose by, the rule's parts may explain together and not added up.
    """
    if changes["repeats" if run == "rule" else "beside"][1] is None:
        if len(found["prompts"]) < FEWEST_PROMPTS:
            return "too few prompts to tell."
        return "the original's answers show too little of the rule to tell."
    if run == "rule":
        if changes["repeats"][1] > 0:
            return "gamed by saying the same to different prompts."
        return "not seen to be gamed by repeating itself (no detectable change)."
    rose = "rose" if changes["beside"][1] > 0 else "did not detectably rise"
    return f"its reward {rose} by more than the rule's three parts, added up, explain."


def beside_the_rule(found: dict, last: dict) -> list[str]:
    """What the imitation rewards that the rule does not."""
    changes, word = last["changes"], found.get("word")
    words = [
        f"Its own reward: {moved(changes['learned'], 's.d.', digits=2)}. Of that, beyond what the"
        f" three parts, added up, explain: {moved(changes['beside'], 's.d.', digits=2)}. What it"
        " pays for two parts together, or for being shorter still, counts as beyond them."
    ]
    if word and last["word"] is not None:
        middle, low, high = word["more"]
        words.append(
            f"At the same parts of the rule, it scores answers with the word"
            f" “{text.plain(word['word'])}” higher by {charts.number(middle)}"
            f" (95% interval {charts.number(low)} to {charts.number(high)}), which no rule said;"
            f" {charts.percent(found['points']['learned'][0]['word'], 1)} of the answers had it"
            f" before, {charts.percent(last['word'], 1)} have it now."
        )
    else:
        words.append("No single word was found that it rewards beside the rule.")
    return words


def texts(found: dict) -> None:
    points = found["points"]
    rows = {"Before": next(iter(points.values()))[0]["texts"]} | {
        NAMES[run]: rows[-1]["texts"] for run, rows in points.items() if rows[-1]["step"]
    }
    count = min(TEXTS_SHOWN, *map(len, rows.values())) if len(rows) > 1 else 0
    if not count:
        return
    prompts = [found["prompts"][one[0]] for one in rows["Before"][:count]]
    number = runs.one_prompt("rule_or_reward", prompts)
    answers = {name: written[number] for name, written in rows.items()}
    text.answers(
        prompts[number],
        [one[1] for one in answers.values()],
        tags=list(answers),
        feet=[
            f"{one[2]} of {len(PARTS)} parts · reward model {charts.number(one[3], sign=True)}"
            for one in answers.values()
        ],
    )


def live(records: list[dict], view: dict) -> None:
    found = saved.found(session, "rule_or_reward")
    if not found.get("points"):
        st.caption(
            "First the rule compares answers of the original model, and a reward model learns from"
            " that."
        )
        return
    charts.draw(charts_rule.satisfied(found), key="rule_or_reward_chart")
    numbers(found)
    if view["status"] not in state.ALIVE:
        where_it_led(found)
        texts(found)
    ran = found["settings"]
    held_out = charts.interval(found.get("accuracy_interval"))
    runs.how_it_ran(
        "rule_or_reward",
        f"The reward model learned from {found['pairs']} pairs by the rule; held-out accuracy"
        f" {charts.percent(found['accuracy'])}{f' ({held_out})' if held_out else ''}. The rule's"
        f" three parts, added up, explain {charts.percent(found['explained'])} of how its score"
        f" varies over the original's answers. The rule paid"
        f" {'all or nothing' if found['all_or_nothing'] else 'a third for each part'}."
        f" {ran['steps']} steps each, seed {ran['seed']}; prompts of the brief"
        f" {text.plain(found['brief'])}. Measured on prompts that neither trained on. One seed:"
        " another may tell another story.",
    )


st.title("Rule or reward model?", anchor=False)
st.markdown(
    "Some wishes can be checked by a program, others must be learned from judgements. Here is one"
    f" that can be checked: **end in a full stop**, **at most {LONGEST} words**, **name an"
    " animal**."
    " The same model climbs it twice (GRPO): once the rule itself, once a reward model that only"
    " saw which of two answers the rule preferred."
)
challenges.draw("rule_or_reward")
runs.needs_a_rule(session)
again = bool(session.labs.get("rule_or_reward"))
runs.start_row(knob, start, first="Let both climb", again=again, more=how_it_pays)
runs.window("rule_or_reward", live, kept=again, names=NAMES)
