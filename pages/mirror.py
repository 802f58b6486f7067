"""What kind of labeller am I? Consistency, biases, pace and contradictions of one's own judgements,
each with its interval and a word of advice.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.judging import labeller_mirror
from rlhf_core.session import judged, ranking_desk
from ui import next_step, state, text
from ui.ranking import card

EXPLAINED = {
    "self_consistency": (
        "Of the pairs that came a second time, sides swapped: how often you said the same again."
    ),
    "gold_accuracy": (
        "Of the pairs that have a reference answer, written by the brief's author: how often you"
        " said the same."
    ),
    "position_bias": (
        "Of all pairs in which you preferred one: how often it was the one on the left. Sides are"
        " drawn by lot, so a half is even."
    ),
    "length_bias": (
        "Of all pairs in which you preferred one and the lengths differ: how often it was the"
        " longer one."
    ),
    "care_against_speed": (
        "Your slower half against your quicker half: how much more often it was right, in"
        " percentage points (pairs that came twice, and reference answers)."
    ),
    "drift_of_correctness": (
        "The second half of your session against the first: how much more often it was right, in"
        " percentage points."
    ),
    "drift_of_pace": "The median seconds of the second half, divided by those of the first half.",
}

session = state.session()


def number(value: float, unit: str) -> str:
    if unit == "share":
        return text.percent(value)
    if unit == "ratio":
        return f"{value:.2f} times"
    return f"{100 * value:+.0f} points".replace("-", "\N{MINUS SIGN}")


def measure(row: dict) -> None:
    """One number with its interval and its sentence."""
    with st.container(border=True, key=f"measure_{row['key']}", height="stretch"):
        st.markdown(f"**{row['title']}**", help=EXPLAINED[row["key"]])
        if row["value"] is not None:
            span = (
                f"95% interval {number(row['low'], row['unit'])} to"
                f" {number(row['high'], row['unit'])}, "
                if row["low"] is not None
                else ""
            )
            count = f"{row['count']} {'judgement' if row['count'] == 1 else 'judgements'}"
            shown = number(row["value"], row["unit"])
            # Large and bold is for what can be told.
            shown = f"<b>{shown}</b>" if row["enough"] else f"<span>{shown} so far:</span>"
            st.html(f'<div class="op-measure">{shown} <span>{span}from {count}</span></div>')
        st.markdown(text.plain(row["words"]))


def circle(row: dict, number: int) -> None:
    """One contradiction, its answers, and the way back to the pairs it comes from."""
    with st.container(border=True, key=f"circle_{number}"):
        st.markdown(f"**{text.plain(row['words'])}**")
        text.answers(
            row["prompt"],
            row["texts"],
            tags=[chr(65 + place) for place in range(len(row["texts"]))],
        )
        again(row["rankings"], f"reconsider_{number}")


def again(ranking_ids: list[str], key: str) -> None:
    """The button that leads back to judgements, to make them again."""
    words = (
        "Look at it again" if len(ranking_ids) == 1 else f"Look at these {len(ranking_ids)} again"
    )
    if st.button(
        words, key=key, icon=":material/undo:", on_click=card.look_again, args=(ranking_ids,)
    ):
        st.switch_page("pages/rank.py")


st.title("What kind of labeller am I?", anchor=False)
st.markdown(
    "Whoever judges shapes the model. These are **your own** judgements under this brief, held up"
    " to you: as you first gave them, pair by pair."
)
pairs = ranking_desk.pairs_as_given(session)
others = sum(
    row.brief == session.asked.brief.slug and row.annotator != judged.sitting(session)
    for row in session.judged.rankings
)
lists = sum(len(row.candidates) > 2 for row in ranking_desk.own_judgements(session))
singly = ranking_desk.called_singly(session)
left_out = [
    f"{others} by the scripted rater" if others else "",
    (
        f"{lists} longer {'list' if lists == 1 else 'lists'}, whose pairs are not independent"
        if lists
        else ""
    ),
    (
        f"{singly} {'time' if singly == 1 else 'times'} two answers that were called good or bad,"
        " each by itself"
        if singly
        else ""
    ),
]
if any(left_out):
    st.caption(f"Left out: {'; '.join(filter(None, left_out))}.")
if not pairs:
    st.info(
        "You have not judged a pair yet, so the mirror is empty. Judge about twenty, then come"
        " back.",
        icon=":material/face:",
    )
    next_step.draw(session, "mirror")
    st.stop()

gold = ranking_desk.reference_answers(session)
seen = labeller_mirror.mirror(pairs, gold, seed=session.seed)
st.markdown(
    f"**{len(pairs)} {'judgement' if len(pairs) == 1 else 'judgements'}.**"
    f" {text.plain(seen['words'])}"
)
if not gold:
    st.caption(
        "This brief has no reference answers: they come with the briefs that ship, as long as what"
        " to prefer and to avoid stand as shipped."
    )
for first in range(0, len(seen["measures"]), 2):
    for column, row in zip(st.columns(2), seen["measures"][first : first + 2]):
        with column:
            measure(row)

contradicting = ranking_desk.circles(session)
st.header("Where you contradict yourself", anchor=False)
if any(row.first for row in session.judged.rankings):
    st.caption("This part looks at your answers as they stand now, changes included.")
if not contradicting:
    st.markdown("Nowhere: no two of your judgements exclude each other.")
for place, row in enumerate(contradicting[:10]):
    circle(row, place)
if len(contradicting) > 10:
    st.caption(
        f"And {len(contradicting) - 10} more. Settle these first; some of the others may go with"
        " them."
    )

if differing := ranking_desk.differing(session):
    st.header("Where the reference answers differ", anchor=False)
    st.markdown(
        "Written by the brief's author. They may be wrong: a brief is there to be argued with."
    )
    for place, row in enumerate(differing):
        with st.container(border=True, key=f"differing_{place}"):
            text.answers(
                row["item"].prompt,
                [row["item"].better, row["item"].worse],
                tags=["The author's choice", "The other one"],
            )
            st.caption(f"Why, says the author: {text.plain(row['item'].why)}.")
            again([row["ranking"]], f"differing_again_{place}")

from ui import charts  # noqa: E402  plotly: only when there is something to draw
from ui.charts import mirror as charts_mirror  # noqa: E402

st.header("In pictures", anchor=False)
charts.draw(charts_mirror.shares(seen["measures"]), key="mirror_shares")
for column, chart, key in zip(
    st.columns(2),
    (
        charts_mirror.seconds_against(seen["points"]),
        charts_mirror.pace([pair.seconds for pair in pairs]),
    ),
    ("mirror_seconds", "mirror_pace"),
    strict=True,
):
    with column:
        charts.draw(chart, key=key)
next_step.draw(session, "mirror")
