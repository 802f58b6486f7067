"""What did it learn? One text taken apart word by word and vote by vote; and whether the score
follows something shallow instead of the taste.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.errors import InputError
from rlhf_core.judging.typed import check_prompt
from ui import challenges, charts, state, text
from ui.labs import menu, tools

TABS = ("One text, taken apart", "Taste, or just length?")
MOST_TEXT = 2_000  # characters of a text to explain
SURFACE = {
    "length": "Length (words)",
    "capitals": "Capitals (share of the letters)",
    "punctuation": "Punctuation (marks a word)",
    "repetition": "Repetition (share of words that were there before)",
}

session = state.session()


def take(name: str) -> None:
    """Another prompt, or a judged output: into the box."""
    if name == "prompt":
        st.session_state["explain_prompt"] = st.session_state["explain_prompt_widget"]
        st.session_state.pop("explain_text", None)
    elif chosen := st.session_state.get("explain_judged"):
        st.session_state["explain_text"] = chosen


def keep_text() -> None:
    st.session_state["explain_text"] = st.session_state["explain_text_widget"].strip()


def ask() -> tuple[str, str]:
    """The prompt and the text to look into."""
    offered = tools.prompts(session)
    first = next((prompt for prompt in offered if tools.outputs_of(session, prompt)), offered[0])
    prompt = st.session_state.get("explain_prompt", first)
    prompt = prompt if prompt in offered else first
    outputs = tools.outputs_of(session, prompt)
    st.session_state.setdefault("explain_text", outputs[0] if outputs else "a small animal.")
    st.session_state["explain_text_widget"] = st.session_state["explain_text"]
    left, right = st.columns(2)
    with left:
        st.selectbox(
            "Prompt",
            offered,
            offered.index(prompt),
            format_func=text.bare,
            key="explain_prompt_widget",
            on_change=take,
            args=("prompt",),
        )
    with right:
        st.selectbox(
            "Take an output that you judged",
            outputs,
            None,
            format_func=text.bare,
            key="explain_judged",
            on_change=take,
            args=("judged",),
            placeholder="Choose one",
            disabled=not outputs,
        )
    st.text_area(
        "The text to take apart",
        st.session_state["explain_text"],
        key="explain_text_widget",
        on_change=keep_text,
        max_chars=MOST_TEXT,
        height=80,
    )
    return prompt, st.session_state["explain_text"]


def table(rows: list[list[str]], head: list[str]) -> None:
    """A table of our own words and escaped ones."""
    st.markdown(
        "\n".join(
            [
                "| " + " | ".join(head) + " |",
                "|:--" + "|--:" * (len(head) - 1) + "|",
                *("| " + " | ".join(row) + " |" for row in rows),
            ]
        )
    )


def word_by_word(words: dict, written: str) -> None:
    st.markdown("**Word by word**")
    text.shares(words["words"])
    read = "".join(row["word"] for row in words["words"] if row["without"] is not None).strip()
    if len(read) < 0.98 * len(written.strip()):
        st.warning(
            f"Only the first {len(read)} of {len(written.strip())} letters and signs fit into the"
            " model: the rest was not read, and has no part in the score.",
            icon=":material/content_cut:",
        )
    st.caption(
        "Green over a solid line raises the score, orange over a dashed line lowers it. Point at a"
        " word, or tab to it, for its numbers."
    )
    if words["sentence"]:
        st.markdown(text.plain(words["sentence"]))
    with st.expander("The same as a table", icon=":material/table:", key="words_table"):
        rows = [
            [
                text.plain(text.visible(row["word"].strip())),
                charts.number(row["share"], sign=True),
                charts.number(row["without"], sign=True) if row["without"] is not None else "—",
            ]
            for row in words["words"]
        ]
        table(rows, ["Word", "Share of the score", "Score without it"])
        st.caption(
            "The shares add up to the score exactly. They say where the score shows, not why: a"
            " word has read all words before it."
        )


def by_votes(found: dict) -> None:
    for row in found["votes"]:
        verb = "ties with" if row["tie"] else "beats"
        st.markdown(
            f"- **{charts.number(row['effect'], sign=True)}** from “{text.plain(row['prompt'])}”:"
            f" {text.plain(row['winner'])} **{verb}** {text.plain(row['loser'])}"
        )
    st.caption(
        "The number is what the score would lose without that one pair; each was refitted"
        " without it."
    )
    menu.link("flip_a_vote", "Turn one of them round")


def nearest(rows: list[dict], typical: float) -> None:
    for row in rows:
        record = ", ".join(f"{row[name]} {name}" for name in ("won", "lost", "tied") if row[name])
        st.markdown(
            f"- {text.plain(row['prompt'])} **{text.plain(row['text'])}** ·"
            f" {record or 'never compared'} · distance {charts.number(row['distance'], 1)}"
        )
    st.caption(
        f"Distance in its own features: two answers to one prompt are typically about {typical:.0f}"
        " apart. Where nothing is near, the score is a guess."
    )


def one_text() -> None:
    prompt, written = ask()
    try:
        check_prompt(prompt)
    except InputError as error:
        st.error(text.plain(str(error)), icon=":material/error:")
        return
    if not written:
        st.info("Write a text, or take one that you judged.", icon=":material/edit:")
        return
    written = tools.as_written(session, prompt, written)
    found = tools.fresh(
        "lab_explain", (tools.learned_from(session), prompt, written), prompt, written
    )
    if found:
        taken_apart(found, written)


def taken_apart(found: list[dict], written: str) -> None:
    """The records of one text."""
    score = tools.of_kind(found, "score")
    with st.container(horizontal=True, key="explain_numbers"):
        st.metric(
            "Score",
            charts.number(score["score"], sign=True),
            help=f"In {charts.STANDARD_DEVIATIONS}: 0 is an average output of the original model.",
        )
        st.metric(
            "± doubt (Laplace)",
            charts.number(score["laplace"]),
            help=(
                "One standard deviation of the score, from how sharply the votes pin the weights"
                " down."
            ),
        )
        st.metric(
            "Five heads say",
            (
                f"{charts.number(score['lowest'], sign=True)} to"
                f" {charts.number(score['highest'], sign=True)}"
                if score["lowest"] < score["highest"]
                else "no span"
            ),
            help=(
                "Five reward models, each fitted to the votes drawn anew with repeats (bootstrap)."
                " A wide span: these few votes could have told it otherwise. No span: there are so"
                " few that every draw is the same, which says nothing."
            ),
        )
    word_by_word(tools.of_kind(found, "words"), written)
    with st.expander(
        "Which judged pairs made this score?", icon=":material/how_to_vote:", key="explain_votes"
    ):
        by_votes(tools.of_kind(found, "votes"))
    alike = tools.of_kind(found, "nearest")
    with st.expander(
        "Which judged answers look most like it?", icon=":material/near_me:", key="explain_nearest"
    ):
        nearest(alike["rows"], alike["typical"])


def shallow() -> None:
    """Length instead of taste?"""
    found = tools.fresh("lab_report", tools.learned_from(session))
    if surface := tools.of_kind(found, "surface"):
        of_the_surface(surface)


def of_the_surface(surface: dict) -> None:
    if surface["warning"]:
        st.warning(text.plain(surface["warning"]), icon=":material/straighten:")
    else:
        st.success(
            "Its score follows none of these four: no correlation is 0.5 or stronger.",
            icon=":material/check:",
        )
    rows = []
    for row in surface["features"]:
        votes = (
            f"{charts.percent(row['votes'])} of {row['votes_count']}"
            if row["votes_count"]
            else "no vote differs in it"
        )
        rows.append(
            [
                SURFACE[row["name"]],
                f"**{charts.number(row['correlation'], sign=True)}**"
                + (" ⚠" if row["warning"] else ""),
                votes,
            ]
        )
    table(rows, ["", "Correlation with the score", "Votes for the one with more"])
    st.caption(
        f"Correlation over {surface['outputs']} outputs that nobody judged: +1 means that the score"
        " is that thing, 0 that it has nothing to do with it, −1 the opposite. The last column is"
        " what was voted: near 50% nobody cared. A strong correlation that the votes did not"
        " ask for is a reward model that has learned a shortcut."
    )


def example(found: dict) -> None:
    """The saved result: a few texts taken apart, and what the score follows."""
    first, second = st.tabs(list(TABS))
    with first:
        texts = {f"{one['prompt']} {one['text'].strip()}": one for one in found["texts"]}
        chosen = st.selectbox("The text to take apart", list(texts), key="explain_saved")
        taken_apart(texts[chosen]["records"], texts[chosen]["text"])
    with second:
        of_the_surface(found["surface"])


st.title("What did it learn?", anchor=False)
st.markdown(
    "A reward model knows no words for its taste. But its score of a text can be taken apart: into"
    " words, into the votes behind it, and into what it is *not*."
)
challenges.draw("what_it_learned")
tools.door(session, "what_it_learned", example)
tools.about_the_votes(session)
first, second = st.tabs(list(TABS))
with first:
    one_text()
with second:
    shallow()
