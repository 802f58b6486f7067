"""Whose preferences? Several people judge the same pairs; where they split, and whose taste a
reward model has.
"""

from __future__ import annotations

import random

import streamlit as st

from rlhf_core.common.seeds import seed_of
from rlhf_core.judging import annotators
from rlhf_core.judging.preferences import Pair, pair_from_row
from rlhf_core.session import judged
from rlhf_core.session import people as crew
from ui import challenges, charts, importing, monitor, people, state, text
from ui.charts import annotation_labs as charts_labs
from ui.labs import answer_card, saved

CHOICES, MOST_CARDS = ("a", "b", "tie", "both_bad", "skip"), 3
MAJORITY = annotators.MAJORITY  # what the lab calls it in its tables
VOTES = {"first": 0, "second": 1}

session = state.session()


def take(row: dict, shown: list[int], name: str):
    return lambda choice, seconds: crew.add_opinion(
        session, row, choice, shown=shown, seconds=seconds, name=name
    )


@st.fragment
def desk(name: str) -> None:
    """The pairs that others judged, one after the other, for whoever is sitting here."""
    waiting = crew.second_opinions(session, name)
    if message := st.session_state.pop("note", None):
        st.info(text.plain(message), icon=":material/info:")
    if not waiting:
        (
            st.success(
                "You have judged every pair that somebody else has. Now let the next person sit"
                " down.",
                icon=":material/check:",
            )
            if judged.pairs(session)
            else st.info(
                "Nothing was judged yet. Rank some answers first, or bring in a file below; then"
                " others can judge the same pairs.",
                icon=":material/inbox:",
            )
        )
        if not judged.pairs(session):
            st.page_link(
                "pages/rank.py", label="Rank some answers", icon=":material/arrow_forward:"
            )
            return
    else:
        row = waiting[0]
        card = f"whose/{name}/{row['prompt']}/{'/'.join(row['texts'])}"
        shown = random.Random(seed_of(session.seed, "sides", judged.sitting(session), card)).sample(
            [0, 1], 2
        )
        answer_card.brief(vars(session.asked.brief))
        st.caption(
            f"{len(waiting)} pairs that others judged and {text.plain(people.label(name))} did not."
            " What they said is not shown."
        )
        answer_card.draw(
            card,
            row["prompt"],
            [row["texts"][i] for i in shown],
            take(row, shown, name),
            choices=CHOICES,
            keys=st.session_state.get("keys", True),
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Undo",
            key="whose_undo",
            icon=":material/undo:",
            on_click=_undo,
            args=(name,),
            disabled=not _mine(name),
        )
        answer_card.keys_switch()
        if st.button("Show what it comes to", key="whose_show", icon=":material/refresh:"):
            st.rerun()


def _mine(name: str) -> bool:
    last = session.judged.rankings[-1] if session.judged.rankings else None
    return (
        last is not None
        and last.annotator == name
        and last.id.startswith("opinion-")
        and last.brief == session.asked.brief.slug
    )


def _undo(name: str) -> None:
    crew.take_back(session, name)
    answer_card.put_down()


def counted(pairs: list[Pair]) -> tuple[dict, list[dict], list[dict]]:
    """Alpha, agreement two by two, and what splits people; counted once for the same judgements,
    since a large file takes seconds.
    """
    stamp = hash(tuple(pairs))
    if st.session_state.get("whose_counted", (None,))[0] != stamp:
        rows = [row for row in annotators.pairwise_agreement(pairs) if row["of"]]
        st.session_state["whose_counted"] = (
            stamp,
            annotators.krippendorff_alpha(pairs),
            rows,
            annotators.disagreements(pairs),
        )
    return st.session_state["whose_counted"][1:]


def agreement(alpha: dict, rows: list[dict]) -> None:
    """Who agrees with whom, two by two and all together."""
    with st.container(horizontal=True, key="alpha_row"):
        bounds = (
            f"95% interval {charts.number(alpha['low'])} to {charts.number(alpha['high'])}"
            if alpha["low"] is not None
            else None
        )
        st.metric(
            "Krippendorff's alpha",
            charts.number(alpha["alpha"]) if alpha["alpha"] is not None else "unknown",
            bounds,
            delta_color="off",
            delta_arrow="off",
            help=(
                "Agreement beyond chance, of everybody together: 1 is perfect, 0 is what chance"
                " would give, below 0 is worse than chance."
            ),
        )
        st.metric("Pairs judged by two or more", alpha["units"])
    st.markdown(f"**{text.plain(alpha['words'])}**")
    if rows:
        named = [
            {
                "name": " & ".join(map(people.label, row["annotators"])),
                "share": row["share"],
                "low": row["low"],
                "high": row["high"],
            }
            for row in rows[:15]
        ]
        chart = charts_labs.accuracies(
            named,
            title="How often two people say the same",
            x_title="Same answer (% of the pairs both judged)",
            chance=None,
            look_for=(
                "bars that don't overlap: there, two people agree more than two others do, and not"
                " by chance alone. Long bars mean few shared pairs."
            ),
        )
        charts.draw(chart, key="agreement")


def disagreement_map(rows: list[dict]) -> None:
    charts.draw(charts_labs.splits(rows), key="splits")
    for number, row in enumerate(rows[:MOST_CARDS], 1):
        with st.expander(f"{number}. {text.plain(row['prompt'])}", key=f"split_{number}"):
            feet = [", ".join(row["votes"].get(key, ())) or "nobody" for key in VOTES]
            text.answers(
                row["prompt"],
                row["texts"],
                tags=["First text", "Second text"],
                feet=[f"preferred by: {who}" for who in feet],
            )
            for key, word in (("tie", "A tie"), ("both_bad", "Both bad")):
                if who := row["votes"].get(key):
                    st.markdown(f"{word}: {text.plain(', '.join(who))}")


def models() -> None:
    """The majority's reward model and everybody's own, on everybody's votes."""
    st.subheader("Whose reward model?", anchor=False)
    st.markdown(
        "A reward model that learns from everybody's votes learns the majority's taste. Does it"
        " know yours? Here one is trained for each person and one for the majority, and each is"
        " asked about everybody's votes on prompts that it never saw."
    )
    busy = state.alive("whose")
    st.button(
        "Train them all",
        key="whose_fit",
        type="primary",
        icon=":material/model_training:",
        disabled=busy,
        on_click=_fit,
    )
    if state.job("whose"):
        monitor.monitor(
            "whose", controls=("stop",), draw=lambda records, view: None, every=0.4, quiet=not busy
        )
    record = session.labs.get("whose_preferences")
    if not record or busy:
        return
    if record["votes"] != len(judged.learnable(session)):
        st.caption(
            f"These were trained on {record['votes']} judgements; by now there are"
            f" {len(judged.learnable(session))}. Train them again to take all in."
        )
    of_models(record)


def of_models(record: dict) -> None:
    """Each person's taste, as everybody's model knows it."""
    missing = next((row for row in record["left_out"] if row["who"] == MAJORITY), None)
    if missing:
        st.info(
            f"**There is no majority here:** {text.plain(missing['why'])}. So each is asked about"
            " the others' judgements only.",
            icon=":material/group_off:",
        )
    asked = st.selectbox(
        "Whose taste?", record["people"], format_func=people.label, key="whose_taste"
    )
    if asked is not None:
        knows(record, asked, bool(missing))
    with st.expander("Is anybody served badly?", icon=":material/balance:", key="whose_gaps"):
        for row in record["gaps"]:
            bounds = (
                f"{charts.number(100 * row['low'], 0, sign=True)} to"
                f" {charts.number(100 * row['high'], 0, sign=True)}"
            )
            st.markdown(
                f"- {text.plain(row['words'])} Own less majority:"
                f" {charts.number(100 * row['difference'], 0, sign=True)} points (95% interval"
                f" {bounds})."
            )
        for row in (row for row in record["left_out"] if row is not missing):
            who, why = text.plain(people.label(row["who"])), text.plain(row["why"])
            st.caption(f"Left out: {who} ({why}).")
        for sentence in record["notes"]:
            st.caption(text.plain(sentence))


def knows(record: dict, person: str, alone: bool) -> None:
    """How well each model knows one person's taste. ``alone``: there is no majority's model."""
    rows = [
        {
            "name": f"{people.label(model)}{' (own)' if model == person else ''}",
            **{k: record["table"][model][person][k] for k in ("share", "low", "high")},
        }
        for model in record["models"]
    ]
    others = "others': then they do not speak" if alone else "majority's: then it does not speak"
    chart = charts_labs.accuracies(
        rows,
        title=f"Whose model knows the taste of: {text.plain(people.label(person))}",
        x_title=f"Right about {charts.label(people.label(person), 20)}'s votes (%)",
        look_for=(
            f"the own model far to the right of the {others} for this person. Bars across 50% know"
            " nothing yet."
        ),
    )
    charts.draw(chart, key=f"whose_{record['people'].index(person)}")


def example(found: dict) -> None:
    """The saved result: three rules judged the same pairs."""
    kept = [pair_from_row(row, f"saved pair {n}") for n, row in enumerate(found["pairs"], 1)]
    alpha, agreed, split = counted(kept)
    agreement(alpha, agreed)
    disagreement_map(split)
    of_models(found["models"])


def _fit() -> None:
    state.submit("whose")


st.title("Whose preferences?", anchor=False)
st.markdown(
    "A reward model learns the taste of whoever judged. With several people it learns a mixture,"
    " and it matters who is in it."
)
challenges.draw("whose_preferences")
pairs = judged.pairs(session)
by_person = annotators.pairs_judged(pairs)
if len(by_person) < 2 and (kept := saved.begin("whose_preferences")):
    example(kept)
    st.subheader("For a result of your own", anchor=False)
name = people.picker(session)

st.subheader("Judge what others judged", anchor=False)
desk(name)

st.subheader("Who judged what", anchor=False)
if by_person:
    st.markdown(
        " · ".join(
            f"**{text.plain(people.label(who))}** {count:,} {'pair' if count == 1 else 'pairs'}"
            f" ({shared:,} with others)"
            for who, (count, shared) in by_person.items()
        ),
        help="With others: somebody else judged the same two texts too. Skipped pairs are left"
        " out, and a pair that came twice counts once.",
    )
else:
    st.caption("Nobody has judged anything under this brief yet.")
with st.expander("Add other people's files", icon=":material/upload_file:", key="whose_import"):
    st.caption(
        "Several at once, if you like: exports of this app, of Label Studio or of Argilla, or"
        " spreadsheets. Who said what is kept."
    )
    importing.panel(session, key="whose_import")
if len(by_person) < 2:
    st.info(
        "From two people on, this page shows how far they agree, which pairs split them, and whose"
        " taste the reward model has.",
        icon=":material/groups:",
    )
    st.stop()
alpha, agreed, split = counted(pairs)
agreement(alpha, agreed)
disagreement_map(split)
models()
