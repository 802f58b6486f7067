"""Brief: the instructions that decide what counts as better. Read them, change them, write your
own; every version stays in sight.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.errors import BriefError
from rlhf_core.judging import briefs
from rlhf_core.judging.briefs import Brief
from rlhf_core.session import asked
from ui import brief_choice, next_step, state, text
from ui.ranking import judgements

PLACEHOLDERS = {
    "title": "for example: Bedtime stories",
    "audience": "for example: a child of five, and whoever reads to it",
    "prefer": "for example: calm, simple, ends well",
    "avoid": "for example: anything scary, and sentences that break off",
    "ties": "for example: equally sleepy: call it a tie",
    "training_prompts": "one a line, for example:\nA fox is\nAn owl is",
    "evaluation_prompts": "one a line, none of them a training prompt",
}
LABELS = {
    "title": "Title",
    "audience": "Who the answers are for",
    "prefer": "What to prefer",
    "avoid": "What to avoid",
    "ties": "How to treat ties",
    "training_prompts": "Training prompts, one a line",
    "evaluation_prompts": "Evaluation prompts, one a line",
}
HELP = {
    "training_prompts": "The model writes answers to these, and PPO trains on them.",
    "evaluation_prompts": (
        "Kept for the final test: nothing is ever trained on them. Left empty, the test uses"
        " prompts of ours that you do not train on."
    ),
}

session = state.session()


def known() -> dict[str, Brief]:
    """Every brief there is to choose from, each in its newest version here."""
    slugs = [
        *briefs.PRESETS,
        *dict.fromkeys(
            brief.slug for brief in session.asked.briefs if brief.slug not in briefs.PRESETS
        ),
    ]
    return {slug: asked.brief_called(session, slug) for slug in slugs}


def choose() -> None:
    brief_choice.pick(session, st.session_state.get("brief_choice"))


def save(where: str, brief: Brief | None) -> None:
    """Take what the form ``where`` holds, drawn for ``brief``; what cannot be used is refused in a
    sentence, and stays in the form.
    """
    error, fields = (
        "error_new" if brief is None else "error_edit",
        {name: st.session_state[f"{where}_{name}"] for name in briefs.FIELDS},
    )
    if brief not in (None, session.asked.brief):
        st.session_state[error] = (
            f"The brief in force is now “{session.asked.brief.title}”,"
            f" version {session.asked.brief.version}: it was changed in another tab. Yours is not"
            " saved; here it is."
        )
        for name, value in fields.items() if brief.slug == session.asked.brief.slug else ():
            st.session_state[f"{form_of(session.asked.brief)}_{name}"] = value
        return
    try:
        made = asked.draft_brief(session, fields, new=brief is None)
    except BriefError as problem:
        st.session_state[error] = str(problem)
        return
    # Whatever is being written was meant for the old one.
    if brief is None:
        state.stop_all()
    else:
        state.stop("pool")
    asked.set_brief(session, made)
    st.session_state["note"] = (
        f"“{text.plain(made.title)}”, version {made.version}, is now in force. Judgements from here"
        " on are recorded under it."
    )
    for name in briefs.FIELDS if brief is None else ():
        del st.session_state[f"{where}_{name}"]


def form_of(brief: Brief) -> str:
    return f"v{brief.version}_{brief.slug}"


def as_text(value: str | tuple[str, ...]) -> str:
    return "\n".join(value) if isinstance(value, tuple) else value


def form(where: str, brief: Brief | None) -> None:
    """The fields of a brief; a new one where ``brief`` is None."""
    new = brief is None
    with st.form(key=f"form_{where}", border=False, enter_to_submit=False):
        for name in briefs.FIELDS:
            draw = st.text_input if name in ("title", "audience") else st.text_area
            more = (
                {}
                if name in ("title", "audience")
                else {"height": 140 if name.endswith("prompts") else 80}
            )
            draw(
                LABELS[name],
                value="" if new else as_text(getattr(brief, name)),
                key=f"{where}_{name}",
                placeholder=PLACEHOLDERS[name],
                help=HELP.get(name),
                **more,
            )
        st.form_submit_button(
            "Start this brief" if new else f"Save as version {brief.version + 1}",
            on_click=save,
            args=(where, brief),
        )
    if error := st.session_state.pop(f"error_{'new' if new else 'edit'}", None):
        st.error(text.plain(error), icon=":material/error:")


def words(brief: Brief) -> None:
    ties = f"<li><b>Tie</b> {text.escape(brief.ties)}</li>" if brief.ties else ""
    worse = f"<li><b>Worse</b> {text.escape(brief.avoid)}</li>" if brief.avoid else ""
    st.html(
        f'<div class="op-brief"><b>{text.escape(brief.title)}</b>'
        f' <span class="op-version">version {brief.version}</span>'
        f' <span class="op-who">for: {text.escape(brief.audience)}</span>'
        f"<ul><li><b>Better</b> {text.escape(brief.prefer)}</li>{worse}{ties}</ul></div>"
    )


def versions() -> None:
    """Every version of this brief, newest first, with what changed and what was judged under it."""
    line = [brief for brief in session.asked.briefs if brief.slug == session.asked.brief.slug]
    made = [
        ranking for ranking in session.judged.rankings if ranking.brief == session.asked.brief.slug
    ]
    for place in range(len(line) - 1, -1, -1):
        brief = line[place]
        count = sum(ranking.brief_version == brief.version for ranking in made)
        judged = (
            f"{count} {'judgement' if count == 1 else 'judgements'} made under it"
            if count
            else "nothing was judged under it"
        )
        with st.container(border=True, key=f"version_{brief.version}"):
            in_force = " · in force" if brief.version == session.asked.brief.version else ""
            st.markdown(f"**Version {brief.version}**{in_force} · {judged}")
            if place == 0:
                st.caption(
                    "As it ships."
                    if brief == briefs.PRESETS.get(brief.slug)
                    else "As it was first written."
                )
            for name, before, after in briefs.differences(line[place - 1], brief) if place else ():
                was, is_now = (text.escape(words) or "(nothing)" for words in (before, after))
                st.html(
                    f"<div class='op-change'><b>{text.escape(name)}</b>"
                    f"<del>{was}</del><ins>{is_now}</ins></div>"
                )
    if len(line) < 2:
        st.caption("Change a word above, and both versions will stand here.")


st.title("The brief", anchor=False)
st.markdown(
    "The instructions for whoever judges. Same model, same answers: change the brief and the other"
    " answer wins. **The preference lives here, not in the text.**"
)
# Also after a brief was written below, or in another tab.
st.session_state["brief_choice"] = session.asked.brief.slug
st.selectbox(
    "Which brief",
    list(known()),
    format_func=lambda slug: text.bare(known()[slug].title),
    key="brief_choice",
    on_change=choose,
    help=(
        "Choosing another brief puts the reward model and the tuned model of this one away until"
        " you come back to it. Judgements are kept, each under its own brief."
    ),
)
words(session.asked.brief)
if session.asked.brief.wanted:
    st.caption(
        "A scripted rater, a small rule of ours, can judge under this brief. It stays while “what"
        " to prefer” and “what to avoid” stay word for word: a rule can't read."
    )
else:
    st.caption(
        "No scripted rater judges under this brief: no rule of ours was made for these words. You"
        " judge."
    )
older = [
    ranking
    for ranking in session.judged.rankings
    if ranking.brief == session.asked.brief.slug
    and ranking.brief_version != session.asked.brief.version
]
if older:
    judgements.older_versions(session, older)
next_step.draw(session, "briefs")

change, own, history = st.tabs(["Change it", "Write my own", "Versions"])
with change:
    st.markdown(
        "Saving makes a **new version**. What you judged before is kept, marked with the version it"
        " was made under."
    )
    form(form_of(session.asked.brief), session.asked.brief)
with own:
    st.markdown(
        "A brief of your own, with prompts of your own. Ten training prompts or more work best with"
        " this small model, and short ones like “A fox is”."
    )
    form("new", None)
with history:
    versions()
