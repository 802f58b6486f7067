"""What to think of a reward model: the numbers that matter, and what in the comparisons makes it
weak.
"""

from __future__ import annotations

from collections import Counter

import streamlit as st

from rlhf_core.evaluation import conclusion
from rlhf_core.session import judged
from rlhf_core.session.state import Session
from ui import charts, text


def doubts(session: Session) -> None:
    """What in the comparisons will make the fit weak, each in a sentence."""
    pairs = judged.pairs(session)
    made = Counter(pair.choice for pair in pairs)
    decided = made["a"] + made["b"]
    if pairs and not decided and not made["tie"]:
        st.warning(
            "So far everything was skipped or both bad, and neither teaches a score. Prefer one"
            " answer at least once.",
            icon=":material/balance:",
        )
    elif decided == 1:
        st.warning(
            "One clear judgement is enough to train, and far too little to trust. Ten or more,"
            " about different prompts, make it useful.",
            icon=":material/counter_1:",
        )
    circles = judged.contradictions(session)
    if circles:
        prompts = {row["prompt"] for row in circles}
        where = "one prompt" if len(prompts) == 1 else f"{len(prompts)} prompts"
        st.warning(
            f"Some choices contradict each other, about {where}. That is human, and nothing is"
            " thrown away: the reward model takes the middle way.",
            icon=":material/sync_problem:",
        )
        with st.expander("See where", key="circles"):
            for row in circles[:10]:
                st.markdown(f"**{text.plain(row['prompt'])}**")
                for index, winner in enumerate(row["texts"]):
                    loser = row["texts"][(index + 1) % len(row["texts"])]
                    st.markdown(f"- {text.plain(winner)} **beats** {text.plain(loser)}")


def draw(session: Session, summary: dict) -> None:
    """The numbers that matter, with what they are not."""
    accuracy, bounds = (
        summary.get("heldout_accuracy"),
        charts.interval(summary.get("heldout_interval")),
    )
    with st.container(horizontal=True, key="fit_numbers"):
        st.metric(
            "Right on prompts it never saw",
            charts.percent(accuracy) if accuracy is not None else "unknown",
            help=(
                "Held-out accuracy: the prompts are dealt into a few parts, and each part's pairs"
                " are judged by a twin that was trained without it. 50% is tossing a coin. “Can you"
                " trust it?” leaves out one prompt at a time, so its number may differ a little."
            ),
            delta=f"95% interval {bounds}" if bounds else None,
            delta_color="off",
            delta_arrow="off",
        )
        st.metric(
            "Right on what it trained on",
            charts.percent(summary.get("train_accuracy")),
            help="Always flattering: it has seen these answers.",
        )
    if summary.get("offered") not in (None, len(judged.learnable(session))):
        used = summary.get("pairs_used", 0)
        st.warning(
            f"This one was trained on {used} pair{'s' * (used != 1)}; by now there are"
            f" {len(judged.learnable(session))}. Train it again to use them.",
            icon=":material/update:",
        )


def more(summary: dict) -> None:
    """What else there is to know before its accuracy is believed."""
    if summary.get("note"):
        st.info(text.plain(summary["note"]), icon=":material/lightbulb:")
    chance = summary.get("chance")
    if conclusion.known(chance):
        st.caption(f":material/casino: {text.plain(conclusion.votes_say(chance))}")
    used, pairs = summary.get("pairs_used", 0), summary.get("pairs", 0)
    st.caption(
        f"{used} of {pairs} pairs were used: skipped and both-bad ones teach nothing; a tie counts"
        " half each way."
    )
    scored, ties = summary.get("heldout_pairs") or 0, summary.get("ties") or 0
    if scored and ties:
        st.caption(
            f"The two accuracies count clear choices only ({scored} on held-out prompts): {ties}"
            f" {'tie has' if ties == 1 else 'ties have'} no right answer to hit."
        )
    if exploits := summary.get("exploits"):
        st.caption(
            f"It also learned from {exploits} rejected exploit{'s' * (exploits > 1)}. They were"
            " picked because it erred there, so the held-out accuracy leaves them out."
        )


def by_chance(summary: dict, before: str = "") -> None:
    """One line where coins would have taught as much, the figures in its help; nothing elsewhere.
    ``before``: words in front of it.
    """
    chance = summary.get("chance")
    if conclusion.known(chance) and conclusion.by_chance(chance):
        first, _, figures = conclusion.votes_say(chance).partition(". ")
        st.markdown(
            f":orange[:material/casino: {before}{text.plain(first)}.]",
            help=text.plain(figures) or None,
        )
