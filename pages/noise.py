"""What would noise have done?: the same PPO on votes and on coin flips. Each climbs its own reward;
which of the two also made better answers, a rule says that neither learned from.
"""

from __future__ import annotations

import math

import streamlit as st

from rlhf_core.common import lab_settings
from rlhf_core.evaluation import beside_noise
from ui import charts, knobs, state, text
from ui.charts import noise as charts_noise
from ui.labs import runs

LABELS = {"comparisons": "Comparisons", "steps": "PPO steps of each run", "seed": "Seed"}
SHORT = {"votes": "Votes", "noise": "Coin flips"}
GUESSES = {"votes": "The one from votes", "noise": "The one from coin flips", "both": "Both"}
TEXTS_SHOWN = 3

session = state.session()
knob = knobs.Knobs(session, "noise", lab_settings.NoiseSettings, labels=LABELS)


def start() -> None:
    chosen = runs.chosen(knob, lab_settings.NoiseSettings)
    if chosen is None:
        return
    # A widget's own value is gone when its page is left.
    st.session_state["noise_guessed"] = st.session_state.get("noise_guess")
    state.submit("noise", chosen, total=chosen.records)


def change_in_words(change: dict, what: str) -> str:
    """ "gold rose by 0.52 (95% interval 0.31 to 0.74)": a change, as sure as it is."""
    middle = charts.number(change["mean"], sign=True)
    if not math.isfinite(change["low"]):
        return f"{what} {middle} (too few prompts to say how sure that is)"
    low, high = (charts.number(change[end], sign=True) for end in ("low", "high"))
    word = {1: "rose", -1: "fell", 0: "shows no detectable change"}[change["way"]]
    return f"{what} {word}: {middle} (95% interval {low} to {high})"


def headline(found: dict) -> str:
    """The verdict in a sentence or two, from ``beside_noise.verdict``: what happened, and no more
    than that.
    """
    votes, noise, gap = found["votes"], found["noise"], found["gap"]
    climbed = [name for name in SHORT if found[name]["reward"]["way"] > 0]
    if not math.isfinite(gap["low"]):
        return "Too few prompts to tell."
    if len(climbed) == 2:
        words = "Both climbed their own reward."
    elif climbed:
        words = f"Only the run on {SHORT[climbed[0]].lower()} detectably climbed its own reward."
    else:
        words = "Neither detectably climbed its own reward: too few steps, perhaps."
    better = {1: "better", -1: "worse"}
    up, other = votes["gold"]["way"], noise["gold"]["way"]
    if up > 0 and other > 0:
        words += " Both made better answers, noise too: here the coins happened to point that way."
        lead = {1: "the votes gained more", -1: "noise gained more"}.get(gap["way"])
        return words + (f" Yet {lead}." if lead else " No detectable difference between them.")
    if up > 0:
        words += " The votes made better answers"
        if other < 0:
            return words + "; noise made worse ones."
        if gap["way"] > 0:
            return words + "; noise did not detectably, and the difference is more than luck."
        return words + "; noise did not detectably, but the two cannot be told apart either."
    if other > 0:
        return words + " Noise made better answers, by luck; the votes did not detectably."
    told = better.get(gap["way"])
    return (
        words
        + " Neither made detectably better answers"
        + (f"; yet the votes' are {told} than those of noise." if told else ".")
    )


def climbers(found: dict) -> str:
    """Which guess came true: a key of ``GUESSES``, or "" for none."""
    climbed = [name for name in SHORT if found[name]["reward"]["way"] > 0]
    return "both" if len(climbed) == 2 else climbed[0] if climbed else ""


def verdict(found: dict, ended: bool) -> None:
    points = found["points"]
    both = beside_noise.verdict(points.get("votes", []), points.get("noise", []))
    if both is None:
        return
    with st.container(border=True, key="noise_verdict"):
        guess = GUESSES.get(st.session_state.get("noise_guessed") or "")
        if ended and guess:
            truth = GUESSES.get(climbers(both), "Neither")
            st.markdown(f"You guessed “{guess}”. It was “{truth}”.")
        st.markdown(f":material/gavel: **{headline(both)}**")
        for run, name in SHORT.items():
            st.markdown(
                f"**{name}, step {both[run]['step']}:**"
                f" {change_in_words(both[run]['reward'], 'its own reward')};"
                f" {change_in_words(both[run]['gold'], 'gold')}."
            )
        st.markdown(f"**Votes less coin flips:** {change_in_words(both['gap'], 'gold')}.")
        same, clear = found["agree"]
        st.caption(
            f"The coin named the rater's winner in {same} of {clear} clear votes. A score from"
            " coins points somewhere too, by luck: the votes' way or the other. The same coins"
            " turned over would point the opposite way."
        )


def blown_up(fits: dict) -> None:
    """That this is not what the app does."""
    real, coins = (charts.number(fits[run]["support"]) for run in SHORT)
    st.info(
        "Here both scores are blown up to the same size (SD 1). The app does not do that: it"
        f" shrinks a score to what its votes support, the one from coin flips to {coins}, the one"
        f" from votes to {real}.",
        icon=":material/zoom_out_map:",
    )


def numbers(found: dict) -> None:
    fits, points = found["fits"], found["points"]
    lines = [
        "| Reward model from | Held-out accuracy | p | Own reward | Gold | KL |",
        "|:--|--:|--:|--:|--:|--:|",
    ]
    for run, name in SHORT.items():
        fit, rows = fits[run], points.get(run)
        span = charts.interval(fit["accuracy_interval"])
        lines.append(
            f"| {name} | {charts.percent(fit['accuracy'])}{f' ({span})' if span else ''} |"
            f" {charts.small(fit['p'])} |"
            + (
                f" {charts.number(rows[-1]['proxy'], sign=True)} |"
                f" {charts.number(rows[-1]['gold'], sign=True)} |"
                f" {charts.number(rows[-1]['kl'], 1)} |"
                if rows
                else " | | |"
            )
        )
    st.markdown("\n".join(lines))
    ran = found["settings"]
    st.caption(
        f"p: how often votes drawn by coin teach a reward model as much. Brief:"
        f" {text.plain(found['brief'])}. {fits['votes']['pairs']} comparisons by the scripted rater"
        f" (a rule), {fits['votes']['ties']} of them ties, which the coin left alone."
        f" {ran['steps']} PPO steps each, the app's own settings, seed {ran['seed']}. Measured on"
        f" {len(found['prompts'])} prompts that neither trained on. Another seed, other coins."
    )


def texts(found: dict) -> None:
    st.subheader("What they write", anchor=False)
    ends = {SHORT[run]: rows[-1] for run, rows in found["points"].items()}
    for written in list(zip(*(row["texts"] for row in ends.values()), strict=True))[:TEXTS_SHOWN]:
        text.answers(
            found["prompts"][written[0][0]],
            [one[1] for one in written],
            tags=[f"{name}, step {row['step']}" for name, row in ends.items()],
            feet=[
                f"own reward {charts.number(one[2], sign=True)} · gold"
                f" {charts.number(one[3], sign=True)}"
                for one in written
            ],
        )


def live(records: list[dict], view: dict) -> None:
    found = session.labs.get("noise", {})
    if not found.get("points"):
        st.caption("First come the comparisons and two reward models.")
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
    "One reward model learns from votes, another from the **same pairs with every winner drawn by a"
    " coin**. The same PPO climbs both."
)
runs.needs_a_rule(session)
again = bool(session.labs.get("noise"))
if not again and not state.alive("noise"):
    st.segmented_control(
        "Which of the two will climb its own reward?",
        list(GUESSES),
        format_func=GUESSES.get,
        key="noise_guess",
    )
runs.start_row(knob, start, first="Let both climb", again=again)
runs.window("noise", live, kept=again)

with st.expander("What the words mean", icon=":material/menu_book:", key="noise_words"):
    st.markdown(
        "- **Own reward:** the score of the reward model that a run learns from, as the change"
        " since step 0, in standard deviations of the original's scores.\n- **Gold:** a rule that"
        " rates register, whole sentences, nothing said twice and real words. No reward model sees"
        " it; the scripted rater looks at the first two.\n- **KL:** how far a model has drifted"
        " from the original one, nats an answer.\n- **SD:** standard deviation."
    )
