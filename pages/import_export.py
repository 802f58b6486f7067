"""Import and export: judgements from other tools in, this session's judgements out, Label Studio
both ways.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.exchange.exports import (
    FORMATS,
    export_pairs,
    export_thumbs,
    kept_in_the_bundle,
    not_read_back,
)
from rlhf_core.exchange.label_studio_answers import PLACES
from rlhf_core.exchange.label_studio_tasks import export_tasks, labelling_config
from rlhf_core.judging.measure import counted
from rlhf_core.judging.preferences import Pair
from rlhf_core.session import asked, judged
from rlhf_core.store.formats import to_json, to_lines
from ui import importing, state, text

OWN, RANKINGS, THUMBS = "opossum", "rankings", "kto"
KINDS = {
    OWN: "Opossum's own rows (JSON lines)",
    RANKINGS: "Opossum's rankings, as they were made (JSON lines)",
    **{kind: name[0].upper() + name[1:] for kind, name in FORMATS.items()},
    THUMBS: "Thumbs up and down (TRL's KTO)",
}
FILES = {
    OWN: "preferences.jsonl",
    RANKINGS: "rankings.jsonl",
    "trl": "preferences-trl.jsonl",
    "trl-chat": "preferences-chat.jsonl",
    "argilla": "preferences-argilla.jsonl",
    "csv": "preferences.csv",
    THUMBS: "preferences-kto.jsonl",
}
WHAT_FOR = {
    OWN: (
        "Every pair as it was judged. Comes back in here, or goes to `python -m rlhf_core run"
        " --preferences`."
    ),
    RANKINGS: "With reasons, ideal answers and thumbs. Comes back in here as comparisons.",
    "trl": (
        "prompt, chosen, rejected: what TRL's trainers and most preference data sets on the Hugging"
        " Face Hub use."
    ),
    "trl-chat": "For trainers that want prompt and answers as messages of a conversation.",
    "argilla": "One record for each two texts, with everybody's answers.",
    "csv": (
        "For a spreadsheet program. Comes back in here as well, with whatever was typed into it."
    ),
    THUMBS: (
        "prompt, completion, label: each answer that was called good or bad; of a ranking or a"
        " pair, the best and the last."
    ),
}
TASKS = {
    "judged": "Pairs, with the answers given so far",
    "again": "The same pairs without answers, to be judged by others",
    "waiting": "Outputs that nobody has judged yet",
    "ranker": "Rankings of whole lists, with the answers",
}

session = state.session()


def lost_list(sentences: list[str]) -> None:
    """What a format cannot hold: never silently."""
    if sentences:
        st.markdown("**What this file can't hold:**")
        for sentence in sentences:
            st.markdown(f"- {text.plain(sentence)}")
    else:
        st.markdown(":material/check: This file holds everything.")


def take_out(pairs: list[Pair]) -> None:
    came, rankings = judged.sources(session)
    if not pairs and not rankings:  # called alike, answers make no pair
        st.info(
            "Nothing was judged under this brief yet, so there is nothing to take out.",
            icon=":material/inbox:",
        )
        st.page_link("pages/rank.py", label="Rank some answers", icon=":material/arrow_forward:")
        return
    kind = st.radio(
        "Format",
        list(KINDS),
        format_func=KINDS.get,
        key="export_kind",
        captions=[WHAT_FOR[kind] for kind in KINDS],
    )
    if kind == OWN:
        data, lost = to_lines([pair.to_dict() for pair in pairs]), not_read_back(pairs)
    elif kind == RANKINGS:
        data = to_lines([ranking.to_dict() for ranking in rankings])
        lost = [f"{counted(len(came), 'comparison')} from imported files."] if came else []
    elif kind == THUMBS:
        data, lost = export_thumbs(came, rankings, session.asked.brief.evaluation_prompts)
    else:
        data, lost = export_pairs(pairs, kind)
    lost_list([*lost, *(kept_in_the_bundle(rankings) if kind != RANKINGS else [])])
    if data:
        st.download_button(
            f"Download {FILES[kind]}",
            data,
            FILES[kind],
            key="export_download",
            type="primary",
            icon=":material/download:",
            on_click="ignore",
        )
    else:
        st.warning(
            {
                THUMBS: "No answer counts as good or bad",
                RANKINGS: "Nothing was ranked in this session",
            }.get(kind, "No comparison prefers one of two texts")
            + ", so a file of this format would be empty.",
            icon=":material/inbox:",
        )


def tasks_of(which: str, pairs: list[Pair]) -> tuple[list, int]:
    """(what ``export_tasks`` takes, how many outputs the longest list has; 0 for pairs)."""
    if which == "ranker":
        rankings = [
            r
            for r in session.judged.rankings
            if r.brief == session.asked.brief.slug and len(r.candidates) > 2
        ]
        return rankings, max((len(r.candidates) for r in rankings), default=0)
    if which == "waiting":
        rows = [row for row in asked.unranked(session) if len(row["texts"]) == 2]
        return [
            Pair(
                row["prompt"],
                *row["texts"],
                "skip",
                brief=session.asked.brief.slug,
                brief_version=session.asked.brief.version,
            )
            for row in rows
        ], 0
    return pairs, 0


def label_studio(pairs: list[Pair]) -> None:
    st.markdown(
        "[Label Studio](https://labelstud.io) is a free labelling tool that real projects use. Your"
        " pairs can go there to be judged by other people, and come back in here."
    )
    which = st.radio("What should go there?", list(TASKS), format_func=TASKS.get, key="ls_what")
    items, places = tasks_of(which, pairs)
    if not items:
        empty = {
            "waiting": "No pair waits to be judged: the Rank page has some written.",
            "ranker": "No whole list was ranked under this brief yet.",
        }
        st.info(
            empty.get(which, "Nothing was judged under this brief yet."), icon=":material/inbox:"
        )
        return
    tasks, lost = export_tasks(items, judged=which in ("judged", "ranker"))
    config = labelling_config(
        "ranker" if which == "ranker" else "pairwise",
        session.asked.brief,
        places=min(places, len(PLACES)),
    )
    st.markdown(
        "**1. Start it, and make a project.** On your own computer, in a terminal: `pip install"
        " label-studio`, then `label-studio start`. In the page that opens: *Create Project*."
    )
    st.markdown(
        "**2. Give it the labelling config.** In the project: *Settings*, *Labeling Interface*,"
        " *Code*; paste this over what is there, and save. It shows your brief above every pair."
    )
    st.download_button(
        "Download the labelling config",
        config,
        "labelling-config.xml",
        key="ls_config",
        icon=":material/download:",
        on_click="ignore",
    )
    with st.expander("Or copy it from here", key="ls_config_box"):
        st.code(config, language="xml", wrap_lines=True)
    st.markdown(
        f"**3. Import the {len(tasks):,} {'task' if len(tasks) == 1 else 'tasks'}, label, export.**"
        " *Import* this file; label; then *Export*, *JSON*, and bring that file in under “Bring"
        " in”. (Choose JSON: the other exports leave out skipped tasks.)"
    )
    st.download_button(
        "Download the tasks",
        to_json(tasks),
        "label-studio-tasks.json",
        key="ls_tasks",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
    )
    lost_list(lost)


st.title("Import and export", anchor=False)
st.markdown(
    "Judgements are data. They can come from other people and other tools, and yours can go there."
)
inward, outward, studio = st.tabs(
    [
        ":material/login: Bring in",
        ":material/logout: Take out",
        ":material/swap_horiz: Label Studio",
    ]
)
with inward:
    st.markdown(
        "**Label Studio** exports (JSON, JSON-MIN, CSV) of Pairwise or Ranker tasks, **Argilla**"
        " records, **Hugging Face** preference rows (prompt, chosen, rejected; JSON lines or"
        " Parquet), or a **spreadsheet** (CSV, .xlsx). You see what is in the file, row by row,"
        " before anything is taken."
    )
    importing.panel(session)
with outward:
    st.markdown("Every comparison under the current brief, with who judged it.")
    take_out(judged.pairs(session))
with studio:
    label_studio(judged.pairs(session))
with st.expander("The same on the command line", icon=":material/terminal:", key="cli_box"):
    st.code(
        "python -m rlhf_core import-label-studio export.json --out prefs.jsonl\npython -m rlhf_core"
        " import sheet.csv --choice-map 0=a,1=b --out prefs.jsonl\npython -m rlhf_core"
        " export-label-studio prefs.jsonl"
        " --out tasks.json --config config.xml --brief meme-bot\npython -m rlhf_core run --brief"
        " meme-bot --preferences prefs.jsonl --out my-run",
        language="bash",
        wrap_lines=True,
    )
