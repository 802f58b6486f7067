"""Bringing judgements in: upload or paste, a report row by row, a preview, and only then "Use
these", with a way back.

What was looked at waits under ``looked_at`` in the tab's own state until it is taken or put away;
nothing of it touches the session before that. Knows nothing about file formats
(``rlhf_core.exchange.taking_in``).
"""

from __future__ import annotations

from pathlib import PurePath

import streamlit as st

from rlhf_core.common.errors import InputError
from rlhf_core.exchange import taking_in
from rlhf_core.judging.preferences import Pair
from rlhf_core.session import judged
from rlhf_core.session.state import Session
from ui import (
    importing_choices,
    importing_files,
    importing_refused,
    importing_shown,
    state,
    text,
    uploads,
)

PREVIEW, MOST_FILES = 3, 12
LOOK = "looked_at"


def panel(session: Session, *, key: str = "import") -> None:
    """The whole of it: where to put a file, what is in it, the button that takes it, and what was
    taken before.
    """
    # A new widget after every file, so that the same one can be given again.
    round_ = st.session_state.setdefault(f"{key}_round", 0)
    with st.container(key=f"{key}_upload"):
        st.file_uploader(
            "One file or several",
            accept_multiple_files=True,
            max_upload_size=importing_refused.MOST_UPLOADED,
            key=f"{key}_files_{round_}",
            on_change=_uploaded,
            args=(key, round_),
        )
    importing_refused.watch(f"{key}_upload", round_, lambda: _refused(key))
    st.caption("A larger file isn't taken: split it, or leave out what nobody has judged.")
    with st.expander(
        "Or paste the text of a file", icon=":material/content_paste:", key=f"{key}_paste_box"
    ):
        st.caption("For where uploads are blocked, as in some embedded pages.")
        st.text_area(
            "Text of the file",
            key=f"{key}_paste",
            height=160,
            placeholder=(
                '{"prompt": "An opossum is", "chosen": " a marsupial.", "rejected": " my ex."}'
            ),
        )
        st.button("Look at it", key=f"{key}_look", on_click=_pasted, args=(key,))
    with st.expander(
        "The file names its fields or buckets in another way",
        icon=":material/tune:",
        key=f"{key}_names_box",
    ):
        st.caption(
            "For spreadsheets whose columns are called otherwise, and Label Studio projects with a"
            " labelling config that isn't ours. Write the names, then give the file again."
        )
        st.text_input(
            "Columns or fields: prompt, left text, right text",
            key=f"{key}_fields",
            placeholder="for example: question, answer_a, answer_b (question+context joins two)",
        )
        st.text_input(
            "Buckets of a Ranker, best first",
            key=f"{key}_buckets",
            placeholder="for example: great, fine, poor",
        )
    if note := st.session_state.pop(f"{key}_note", None):
        (st.success if note[0] == "success" else st.error)(text.plain(note[1]))
    looked = st.session_state.get(LOOK, [])
    for number, row in enumerate(looked):
        _one_file(session, row, number, key)
    if sum("pairs" in row for row in looked) > 1:
        with st.container(horizontal=True, key=f"{key}_all_row"):
            st.button(
                "Use all of them",
                key=f"{key}_use_all",
                type="primary",
                icon=":material/done_all:",
                on_click=_use,
                args=(key, None),
            )
            st.button("Put all away", key=f"{key}_away_all", on_click=_put_away, args=(None,))
    _taken(session, key)


# --- looking --------------------------------------------------------------------------------------


def _uploaded(key: str, round_: int) -> None:
    files = st.session_state.get(f"{key}_files_{round_}") or []
    files = files if isinstance(files, list) else [files]
    heard = st.session_state.get(f"{key}_round", 0) > round_
    st.session_state[f"{key}_round"] = max(st.session_state.get(f"{key}_round", 0), round_ + 1)
    there = uploads.still_there(files)
    if len(there) < len(files) and not heard:
        st.session_state[f"{key}_note"] = ("error", uploads.GONE)
    if files and not there:
        return
    files = there
    refused = _of_round(round_)
    read = [(file.name, file.getvalue()) for file in files[:MOST_FILES]]
    uploads.let_go(files)
    if len(files) > MOST_FILES:
        st.session_state[LOOK] = []
        st.session_state[f"{key}_note"] = (
            "error",
            f"These are {len(files)} files; at most {MOST_FILES} are read at a time. Give fewer.",
        )
        return
    _look(key, read)
    rows = [row | {"round": round_} for row in st.session_state[LOOK]]
    st.session_state[LOOK] = [*refused, *rows]


def _refused(key: str) -> None:
    """What the browser refused, beside what came with it; what was there before is gone."""
    rows = importing_refused.rows_of(f"{key}_upload")
    if rows:
        beside = [row for row in _of_round(rows[0]["round"]) if "look" in row]
        st.session_state[LOOK] = [*beside, *rows]


def _of_round(round_: object) -> list[dict]:
    return [row for row in st.session_state.get(LOOK, []) if row.get("round") == round_]


def _pasted(key: str) -> None:
    pasted = st.session_state.get(f"{key}_paste", "")
    if not pasted.strip():
        st.session_state[LOOK] = []
        st.session_state[f"{key}_note"] = (
            "error",
            "Nothing was pasted. Copy the text of the file into the box first.",
        )
        return
    _look(key, [("the pasted text", pasted.encode("utf-8", "replace"))])


def _look(key: str, files: list[tuple[str, bytes]]) -> None:
    """Read each file; a row for each, of what is in it or of why it cannot be used. What was looked
    at before is gone, whatever comes of it.
    """
    st.session_state[LOOK] = []
    fields, buckets = (
        _names(st.session_state.get(f"{key}_{which}", "")) for which in ("fields", "buckets")
    )
    if fields and len(fields) != 3:
        st.session_state[f"{key}_note"] = (
            "error",
            (
                "Three field names are needed, with commas between them: prompt, left text, right"
                f" text. These are {len(fields)}."
            ),
        )
        return
    told = {"fields": fields, "buckets": buckets}
    st.session_state[LOOK] = [importing_files.row_of(name, data, told) for name, data in files]


def _ask(row: dict, key: str) -> None:
    """Which question counts, and what the values of the choice column mean, where that can be
    said.
    """

    def read(told: dict, said: dict[str, str] | None) -> None:
        again = importing_files.row_of(row["file"], row["data"], told, said, row)
        st.session_state[LOOK] = [
            again if one.get("look") == row["look"] else one
            for one in st.session_state.get(LOOK, [])
        ]

    if row.get("questions"):
        importing_choices.pick(
            row,
            f"{key}_question_{row['look']}",
            lambda name: read(row["told"] | {"question": name}, None),
        )
    if row.get("choices"):
        importing_choices.ask(
            row, f"{key}_means_{row['look']}", lambda said: read(row["told"], said)
        )


def _names(typed: str) -> list[str]:
    return [name.strip() for name in typed.split(",") if name.strip()]


# --- what is in a file ----------------------------------------------------------------------------


def _one_file(session: Session, row: dict, number: int, key: str) -> None:
    if "problem" in row:
        st.error(f"{text.plain(row['problem'])} Nothing was changed.", icon=":material/block:")
        _ask(row, key)
        return
    report, pairs = row["report"], row["pairs"]
    with st.container(border=True, key=f"{key}_file_{number}"):
        st.markdown(f"**{text.plain(row['file'])}** · {text.plain(report['format'])}")
        with st.container(horizontal=True):
            st.metric("Judgements read", f"{report['read']:,}")
            st.metric(
                "Can be used",
                f"{report['used']:,}",
                help="As judged pairs: a ranking of a whole list makes several.",
            )
            st.metric(
                "Repaired",
                f"{len(report['repaired']):,}",
                help=(
                    "Of those that can be used: read in another way than it was written. Each is"
                    " listed below."
                ),
            )
            st.metric(
                "Left out", f"{len(report['left_out']):,}", help="Each with its reason below."
            )
        if report["rankings"]:
            st.caption(
                f"{report['rankings']:,} rankings of whole lists; with the single ones they make"
                f" {report['pairs']:,} judged pairs."
            )
        if report["unjudged"]:
            st.caption(f"{report['unjudged']:,} tasks in the file were not answered by anybody.")
        importing_shown.rows(
            "Left out, row by row",
            report["left_out"],
            report["counted"],
            ":material/remove_circle:",
            f"{key}_left_{number}",
        )
        importing_shown.rows(
            "Repaired, row by row",
            report["repaired"],
            report["counted"],
            ":material/build:",
            f"{key}_repaired_{number}",
        )
        if report["lost"] or report["notes"]:
            with st.expander(
                "How it was read, and what got lost"
                f" ({len(report['lost']) + len(report['notes'])})",
                icon=":material/info:",
                key=f"{key}_notes_{number}",
            ):
                for sentence in report["notes"]:
                    st.markdown(f"- {text.plain(sentence)}")
                for sentence in report["lost"]:
                    st.markdown(f"- **Not kept:** {text.plain(sentence)}")
        _ask(row, key)
        st.markdown(
            "**The first few, as they would be taken in:**"
            if len(pairs) > 1
            else "**As it would be taken in:**"
        )
        for pair in pairs[:PREVIEW]:
            importing_shown.pair(pair)
        if row["nameless"]:
            st.text_input(
                "Whose judgements are these? The file names nobody (or only “you”)",
                key=f"{key}_whose_{number}",
                max_chars=30,
                placeholder="a name or a colour; leave it empty if it doesn't matter",
            )
        fresh, doubts = _sifted(session, row, number, key)
        for sentence in doubts:
            st.markdown(f":material/info: {text.plain(sentence)}")
        with st.container(horizontal=True):
            count = (
                f"Use these {len(fresh):,}"
                if len(fresh) > 1
                else "Use this one"
                if fresh
                else "Nothing new to use"
            )
            st.button(
                count,
                key=f"{key}_use_{number}",
                type="primary",
                icon=":material/check:",
                disabled=not fresh,
                on_click=_use,
                args=(key, number),
            )
            st.button("Put it away", key=f"{key}_away_{number}", on_click=_put_away, args=(number,))


def _with_name(row: dict, number: int, key: str) -> list[Pair]:
    return (
        taking_in.named(
            row["pairs"], " ".join(st.session_state.get(f"{key}_whose_{number}", "").split())[:30]
        )
        if row["nameless"]
        else row["pairs"]
    )


def _sifted(session: Session, row: dict, number: int, key: str) -> tuple[list[Pair], list[str]]:
    """``taking_in.sift``, remembered: a large file takes a fifth of a second, and the page is drawn
    often.
    """
    pairs = _with_name(row, number, key)
    state_of = (
        session.asked.brief,
        len(judged.pairs(session)),
        pairs[0].annotator,
        pairs[-1].annotator,
    )
    if row.get("sifted", (None,))[0] != state_of:
        row["sifted"] = (state_of, *taking_in.sift(session, pairs))
    return row["sifted"][1:]


# --- taking it, and back --------------------------------------------------------------------------


def _use(key: str, number: int | None) -> None:
    """Take one file in, or (None) all that can be used; what cannot stays where it is, with the
    reason.
    """
    session, looked = state.session(), st.session_state.get(LOOK, [])
    taken, files, left = 0, 0, []
    for place, row in enumerate(looked):
        if "pairs" in row and number in (None, place):
            fresh, _ = _sifted(session, row, place, key)
            try:
                about = taking_in.not_taken(row["about"], row["pairs"], fresh)
                taken += taking_in.take_in(session, fresh, row["file"], about)
                files += 1
                continue
            except InputError as error:
                if number is not None:
                    st.session_state[f"{key}_note"] = ("error", str(error))
        left.append(row)
    st.session_state[LOOK] = [row for row in left if "pairs" in row or "data" in row]
    if taken:
        where = f"{files} files" if files > 1 else "the file"
        st.session_state[f"{key}_note"] = (
            "success",
            (
                f"{taken:,} comparisons of {where} are in this session now. Train the reward model"
                " again to let it learn from them."
            ),
        )


def _put_away(number: int | None) -> None:
    st.session_state[LOOK] = [
        row
        for place, row in enumerate(st.session_state.get(LOOK, []))
        if number is not None and place != number
    ]


def _taken(session: Session, key: str) -> None:
    log = session.judged.imports
    if not log:
        return
    with st.container(border=True, key=f"{key}_taken"):
        st.markdown(f"**Taken in so far:** {sum(row['pairs'] for row in log):,} comparisons")
        for row in log[-8:]:
            st.markdown(f"- {text.plain(PurePath(row['file']).name)}: {row['pairs']:,}")
        st.button(
            f"Undo the last import ({log[-1]['pairs']:,})",
            key=f"{key}_undo",
            icon=":material/undo:",
            on_click=_undo,
            args=(key,),
        )


def _undo(key: str) -> None:
    if last := taking_in.give_back(state.session()):
        st.session_state[f"{key}_note"] = (
            "success",
            (
                f"{last['pairs']:,} comparisons of {last['file']} are out again. Everything else is"
                " as it was."
            ),
        )
