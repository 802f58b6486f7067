"""Flip a vote: reverse or leave out one judgement and see at once what it decides.

Nothing is kept.
"""

from __future__ import annotations

import streamlit as st

from ui import challenges, charts, state, text
from ui.charts import scored_outputs as charts_outputs
from ui.labs import tools

CHANGES = {"flip": "turned round", "withhold": "left out"}

session = state.session()


def keep(name: str) -> None:
    st.session_state[name] = st.session_state[f"{name}_widget"]


def words(row: dict) -> str:
    """A vote as one line of a list."""
    winner, loser = (row["a"], row["b"]) if row["choice"] != "b" else (row["b"], row["a"])
    verb = "ties with" if row["choice"] == "tie" else "beats"
    short = [
        one.strip() if len(one.strip()) <= 48 else one.strip()[:47].rstrip() + "…"
        for one in (winner, loser)
    ]
    return f"#{row['index'] + 1} {row['prompt']}: {short[0]} — {verb} — {short[1]}"


def summary(found: dict) -> None:
    """How much hangs on single votes."""
    rows, count = found["rows"], found["count"]
    decide = sum(row["decides"] for row in rows)
    against = sum(row["agrees"] is False for row in rows)
    scope = (
        f"of the {count} votes"
        if len(rows) == count
        else f"of the {len(rows)} most influential of the {count} votes"
    )
    told = (
        f"**{decide} {scope}** {'decides' if decide == 1 else 'decide'}, each by itself, which of"
        " the outputs below comes first."
        if decide
        else (
            f"**None {scope}** decides by itself which of the outputs below comes first: the order"
            " rests on several."
        )
    )
    if against:
        told += (
            f" It would have cast {against} of them the other way: those are the ones to read"
            " again."
        )
    st.markdown(told)


def effect(found: dict, row: dict, change: str) -> None:
    with st.container(horizontal=True, key="flip_numbers"):
        st.metric("Places that change", f"{found['moved']} of {len(found['texts'])}")
        st.metric("First place", "changes" if found["decides"] else "stays")
        st.metric(
            "Refit",
            f"{found['milliseconds']:.0f} ms" if found["milliseconds"] >= 1 else "< 1 ms",
            help=(
                "Time to fit the reward model anew with this vote changed and to score the outputs"
                " again, on the server that did it."
            ),
        )
    st.markdown(
        ("**This one vote decides.** " if found["decides"] else "") + text.plain(found["sentence"])
    )
    place_before, place_after = (
        {number: place for place, number in enumerate(found[name])}
        for name in ("order_before", "order_after")
    )
    rows = [
        {
            "prompt": prompt,
            "text": one,
            "before": before,
            "after": after,
            "places": place_before[n] - place_after[n],
        }
        for n, (prompt, one, before, after) in enumerate(
            zip(found["prompts"], found["texts"], found["before"], found["after"], strict=True)
        )
    ]
    chart = charts_outputs.moves(
        rows,
        title=f"The outputs with vote #{row['index'] + 1} {CHANGES[change]}",
        before="As voted",
        after=CHANGES[change].capitalize(),
        look_for=(
            "how far the filled dots are from the open ones: a short way says that other votes hold"
            " the score in place. ▲ and ▼ count the places won and lost."
        ),
    )
    charts.draw(chart, key="flip_chart")
    seconds = st.session_state.get("lab_flip_seconds")
    if seconds is not None:
        st.caption(
            f"From your choice reaching the server to the numbers being here: {1000 * seconds:.0f}"
            " ms. Nothing is kept: the vote stays as it was."
        )


def vote(row: dict) -> None:
    """The judgement itself."""
    text.answers(
        row["prompt"],
        [row["a"], row["b"]],
        tags=[
            (
                "Preferred"
                if row["choice"] == side
                else "A tie"
                if row["choice"] == "tie"
                else "The other"
            )
            for side in "ab"
        ],
    )


def example(found: dict) -> None:
    """The saved result: the votes that move most, each turned round and left out."""
    summary(found["votes"])
    rows = {row["index"]: row for row in found["votes"]["rows"]}
    offered = list(dict.fromkeys(one["index"] for one in found["changes"]))
    index = st.selectbox(
        "The vote (those that move most come first)",
        offered,
        format_func=lambda one: words(rows[one]),
        key="flip_saved_vote",
    )
    change = st.segmented_control(
        "What if it were",
        list(CHANGES),
        format_func=CHANGES.get,
        default="flip",
        required=True,
        key="flip_saved_change",
    )
    vote(rows[index])
    for one in found["changes"]:
        if (one["index"], one["change"]) == (index, change):
            effect(one, rows[index], change)


st.title("Flip a vote", anchor=False)
st.markdown(
    "Take one of your judgements, turn it round or leave it out, and see what it decides. With few"
    " votes, one can decide a lot."
)
challenges.draw("flip_a_vote")
tools.door(session, "flip_a_vote", example)
tools.about_the_votes(session)
found = tools.of_kind(tools.fresh("lab_votes", tools.learned_from(session)), "votes")
if not found:
    st.stop()
summary(found)
by_index = {row["index"]: row for row in found["rows"]}
if st.session_state.get("flip_vote") not in by_index:
    st.session_state["flip_vote"] = found["rows"][0]["index"]
if st.session_state.get("flip_change") not in CHANGES:
    st.session_state["flip_change"] = "flip"
options = list(by_index)
st.selectbox(
    "The vote (those that move most come first)",
    options,
    options.index(st.session_state["flip_vote"]),
    format_func=lambda index: text.bare(words(by_index[index])),
    key="flip_vote_widget",
    on_change=keep,
    args=("flip_vote",),
)
st.segmented_control(
    "What if it were",
    list(CHANGES),
    format_func=CHANGES.get,
    default=st.session_state["flip_change"],
    required=True,
    key="flip_change_widget",
    on_change=keep,
    args=("flip_change",),
)
index, change = st.session_state["flip_vote"], st.session_state["flip_change"]
row = by_index[index]
vote(row)
made = tools.fresh(
    "lab_flip", (tools.learned_from(session), index, change), index, change, watch=True
)
if what_if := tools.of_kind(made, "what_if"):
    effect(what_if, row, change)
