"""What would noise have done?: the same PPO on votes, on coin flips and on the coins turned over.
Each climbs its own reward; which also made better answers, a rule says that none learned from.
"""

from __future__ import annotations

import math

import streamlit as st

from rlhf_core.common import lab_settings
from rlhf_core.evaluation import beside_noise, conclusion, told_apart
from ui import challenges, charts, knobs, state, text
from ui.charts import noise as charts_noise
from ui.labs import runs, saved

LABELS = {"comparisons": "Pairs", "steps": "PPO steps of each run", "seed": "Seed"}
SHORT = {run: name for run, (name, *_) in charts_noise.RUNS.items()}
IN_WORDS = {"votes": "votes", "noise": "coin flips", "turned": "the coins turned over"}
GUESSES = {"votes": "Only the one from votes", "all": "All three", "none": "None"}
TEXTS_SHOWN = 6

session = state.session()
knob = knobs.Knobs(session, "noise", lab_settings.NoiseSettings, labels=LABELS)


def start() -> None:
    chosen = runs.chosen(knob, lab_settings.NoiseSettings)
    if chosen is None:
        return
    if session.labs.get("noise"):  # the guess was about an earlier run
        st.session_state.pop("noise_guessed", None)
    state.submit("noise", chosen, total=chosen.records)


def take_guess() -> None:
    """A widget's own value is gone when its page is left."""
    st.session_state["noise_guessed"] = st.session_state["noise_guess"]


def change_in_words(
    change: dict, what: str, up: str = "rose", down: str = "fell", none: str = "change"
) -> str:
    """ "gold rose: +0.52 (95% interval +0.31 to +0.74)": a change, as sure as it is."""
    middle = charts.number(change["mean"], sign=True)
    if not math.isfinite(change["low"]):
        return f"{what} {middle} (too few prompts to say how sure that is)"
    low, high = (charts.number(change[end], sign=True) for end in ("low", "high"))
    word = {1: up, -1: down, 0: f"shows no detectable {none}"}[change["way"]]
    return f"{what} {word}: {middle} (95% interval {low} to {high})"


def listed(names: list[str]) -> str:
    """Of one or two runs: "votes and coin flips"."""
    return " and ".join(IN_WORDS[name] for name in names)


def climbers(found: dict) -> list[str]:
    """The runs that detectably climbed their own reward."""
    return [name for name in SHORT if found[name]["reward"]["way"] > 0]


def headline(found: dict) -> str:
    """The verdict in a few sentences, from ``beside_noise.verdict``: what happened, and no more
    than that.
    """
    if not math.isfinite(found["gap"]["low"]):
        return "Too few prompts to tell."
    climbed = climbers(found)
    if len(climbed) == len(SHORT):
        words = "All three climbed their own reward."
    elif climbed:
        runs, whose = ("runs", "their") if len(climbed) > 1 else ("run", "its")
        words = f"Only the {runs} on {listed(climbed)} detectably climbed {whose} own reward."
    else:
        words = "None detectably climbed its own reward: too few steps, perhaps."
    return f"{words} {coins_in_words(found, climbed)} {votes_in_words(found)}"


def coins_in_words(found: dict, climbed: list[str]) -> str:
    """What became of gold on the coins and on their reverse; the lesson only where it was seen."""
    ways = [found[run]["gold"]["way"] for run in ("noise", "turned")]
    said = [{1: "rose", -1: "fell", 0: "shows no detectable change"}[way] for way in ways]
    if ways[0] == ways[1]:
        return f"Gold {said[0]} on the coin flips, and on the coins turned over too."
    words = f"Gold {said[0]} on the coin flips and {said[1]} on the coins turned over"
    both_climbed = {"noise", "turned"} <= set(climbed)
    lesson = ": a rising reward alone says nothing of quality."
    return words + (lesson if both_climbed and set(ways) == {1, -1} else ".")


def votes_in_words(found: dict) -> str:
    """What became of gold on the votes, and whether that is more than the coins did."""
    said = {1: "rose", -1: "fell", 0: "shows no detectable change"}[found["votes"]["gold"]["way"]]
    beside = {
        1: "it ended above the coins' mean",
        -1: "it ended below the coins' mean",
        0: "it cannot be told apart from the coins' mean",
    }[found["gap"]["way"]]
    return f"The votes' gold {said}; {beside}."


def verdict(found: dict, ended: bool) -> None:
    three = beside_noise.verdict(found["points"])
    if three is None:
        return
    with st.container(border=True, key="noise_verdict"):
        guess = GUESSES.get(st.session_state.get("noise_guessed") or "")
        if ended and guess and math.isfinite(three["gap"]["low"]):
            climbed = climbers(three)
            truths = {(): "none", ("votes",): "votes", tuple(SHORT): "all"}
            truth = GUESSES.get(truths.get(tuple(climbed), "")) or f"Only {listed(climbed)}"
            st.markdown(f"You guessed “{guess}”. It was “{truth}”.")
        st.markdown(f":material/gavel: **{headline(three)}**")
        with st.expander("How sure are we?", icon=":material/help:", key="noise_sure"):
            for run, name in SHORT.items():
                st.markdown(
                    f"**{name}, step {three[run]['step']}:**"
                    f" {change_in_words(three[run]['reward'], 'its own reward')};"
                    f" {change_in_words(three[run]['gold'], 'gold')}."
                )
            gap = change_in_words(three["gap"], "gold", "is higher", "is lower", "difference")
            st.markdown(f"**Votes less the coins' mean:** {gap}.")
            same, clear = found["agree"]
            st.markdown(
                f"The coin named the rater's winner in {same} of {clear} clear votes. A score from"
                " coins points somewhere too, by luck: the votes' way or the other. Turned over,"
                " every winner is swapped, and the score is the exact opposite."
            )


def blown_up(fits: dict) -> None:
    """That this is not what the app does."""
    real, coins = (charts.number(fits[run]["support"]) for run in ("votes", "noise"))
    st.info(
        "Here all three scores are blown up to the same size (SD 1). The app does not do that: it"
        f" shrinks a score to what its votes support, those from coins to {coins}, the one from"
        f" votes to {real}."
        + " One throw of coins in twenty passes the app's test by luck; this one did."
        * (fits["noise"]["p"] <= conclusion.SURE),
        icon=":material/zoom_out_map:",
    )


def numbers(found: dict) -> None:
    """A column a run, so that it fits a phone."""
    fits, ends = found["fits"], {run: rows[-1] for run, rows in found["points"].items()}

    def fitted(fit: dict) -> str:
        span = charts.interval(fit["accuracy_interval"])
        return charts.percent(fit["accuracy"]) + (f" ({span})" if span else "")

    def ended(run: str, field: str, digits: int = 2, sign: bool = True) -> str:
        return charts.number(ends[run][field], digits, sign) if run in ends else ""

    rows = {
        "Held-out accuracy": [fitted(fits[run]) for run in SHORT],
        "p": [charts.small(fits[run]["p"]) for run in SHORT],
        "Own reward": [ended(run, "proxy") for run in SHORT],
        "Gold": [ended(run, "gold") for run in SHORT],
        "KL": [ended(run, "kl", 1, sign=False) for run in SHORT],
    }
    lines = [f"| | {' | '.join(SHORT.values())} |", "|:--|--:|--:|--:|"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    st.markdown("\n".join(lines))
    gold = {SHORT[run]: row["gold"] for run, row in ends.items()}
    if words := told_apart.at_the_top(found.get("gold_top"), gold):
        st.caption(words)
    st.caption("p: how often votes drawn by coin teach a reward model as much.")
    ran = found["settings"]
    runs.how_it_ran(
        "noise",
        f"Brief: {text.plain(found['brief'])}. {fits['votes']['pairs']} pairs by the scripted"
        f" rater (a rule), {fits['votes']['ties']} of them ties, which the coin left alone."
        f" {ran['steps']} PPO steps each, the app's own settings, seed {ran['seed']}. Measured on"
        f" {len(found['prompts'])} prompts that none trained on. Another seed, other coins.",
    )


def texts(found: dict) -> None:
    ends = {SHORT[run]: rows[-1] for run, rows in found["points"].items()}
    sets = list(zip(*(row["texts"] for row in ends.values()), strict=True))[:TEXTS_SHOWN]
    if not sets:
        return
    prompts = [found["prompts"][written[0][0]] for written in sets]
    number = runs.one_prompt("noise", prompts)
    text.answers(
        prompts[number],
        [one[1] for one in sets[number]],
        tags=[f"{name}, step {row['step']}" for name, row in ends.items()],
        feet=[
            f"own reward {charts.number(one[2], sign=True)} · gold"
            f" {charts.number(one[3], sign=True)}"
            for one in sets[number]
        ],
    )


def live(records: list[dict], view: dict) -> None:
    found = saved.found(session, "noise")
    if not found.get("points"):
        st.caption("First come the judgements and the reward models.")
        return
    ended = view["status"] not in state.ALIVE
    verdict(found, ended)
    left, right = st.columns(2)
    with left:
        charts.draw(charts_noise.reward(found), key="noise_reward")
    with right:
        charts.draw(charts_noise.gold(found), key="noise_gold")
    blown_up(found["fits"])
    numbers(found)
    if ended:
        texts(found)


st.title("What would noise have done?", anchor=False)
st.markdown(
    "One reward model learns from votes, one from the **same pairs with every winner drawn by a"
    " coin**, one from the **same coins turned over**. The same PPO climbs all three."
)
challenges.draw("noise")
runs.needs_a_rule(session)
again = bool(session.labs.get("noise"))
started = again or state.job("noise")
asks = not started and st.session_state.get("noise_guessed") is None
if asks:
    st.segmented_control(
        "Guess first: which will climb their own reward?",
        [*GUESSES, *(["show"] if saved.of("noise") else [])],
        format_func=lambda guess: GUESSES.get(guess, "No guess, show it"),
        key="noise_guess",
        on_change=take_guess,
    )
runs.start_row(knob, start, first="Let all three climb", again=again)
if not asks:  # the saved result would give the answer away
    runs.window("noise", live, kept=again, names=SHORT)

with st.expander("What the words mean", icon=":material/menu_book:", key="noise_words"):
    st.markdown(
        "- **Own reward:** the score of the reward model that a run learns from, as the change"
        " since step 0, in standard deviations of the original's scores.\n- **Gold:** a rule that"
        " rates register, whole sentences, nothing said twice and real words. No reward model sees"
        " it; the scripted rater looks at the first two.\n- **KL:** how far a model has drifted"
        " from the original one, nats an answer.\n- **SD:** standard deviation."
    )
