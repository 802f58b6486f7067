"""The ranking card: one prompt, its outputs, and everything a person may say about them.

Two outputs are an A/B choice; more are put in order, by picking the best first or by dragging
(``ordering``); or each is called good or bad by itself (``thumbs``). Which side an output stands on
is shuffled (people favour a side) and recorded, and so are the seconds from first sight to verdict,
without those in which the tab or the page was out of sight. Works by mouse, touch, Tab, or one key
each. Knows nothing about what a judgement is used for.
"""

from __future__ import annotations

import random
import time

import streamlit as st

from rlhf_core.common.seeds import seed_of
from rlhf_core.judging.preferences import Ranking
from rlhf_core.judging.typed import MAX_IDEAL, MAX_REASON
from rlhf_core.session import asked, judged, ranking_desk, thumbs_begun
from rlhf_core.session.ranking_desk import Asked
from rlhf_core.session.state import Session
from ui import components, state, styles, text
from ui.ranking import ordering, thumbs
from ui.ranking.ordering import button

CSS = styles.sheet("ranking_card")

AGAIN = (
    "You asked to look at this again. Judge it as you see it now; what you said first stays on"
    " record."
)
OWN = "Written to a prompt of your own, so it comes first."


# --- what comes next ------------------------------------------------------------------------------


def next_asked(
    session: Session, form: int, *, writing: bool, checks: bool = False, singly: bool = False
) -> Asked | None:
    """What to judge now: what is to be looked at again, what is on the card, thumbs that are half
    given (``singly``: they are asked for), what was asked for or taken back last, then the
    learner's own prompts, then what the desk chooses among the sets of ``form`` answers.

    While none of that form waits and none is being written, any set will do (a tuned model may
    repeat itself too much for four different answers). A hidden check on the card leaves it where
    none are mixed in any more, and waits; one that was taken back is asked again, as a pair.
    """
    for ranking_id in list(st.session_state.get("again", [])):
        found = next(
            (
                ranking
                for ranking in session.judged.rankings
                if ranking.id == ranking_id and ranking.brief == session.asked.brief.slug
            ),
            None,
        )
        if found:
            return Asked(row_again(found), "again", AGAIN)
        st.session_state["again"].remove(ranking_id)
    ranked = {ranking.id for ranking in session.judged.rankings}
    open_rows = {
        row["id"]: row
        for row in session.asked.candidate_sets
        if row["id"] not in ranked and len(set(row["texts"])) > 1
    }
    card = st.session_state.get("card") or {}
    begun = card.get("groups") or thumbs_begun.said(session, card.get("set", ""))
    if (
        (row := open_rows.get(card.get("set")))
        and (begun or card["form"] == form and not _asked_meanwhile(session, row))
        and (checks or not row.get("check"))
    ):
        chosen = card["how"] not in ("lot", "repeat", "gold")
        return Asked(
            row, card["how"], card["why"] if chosen else ranking_desk.by_lot(session, checks)
        )
    if singly and (half := thumbs_begun.latest(session)):
        made = [row_again(one) for one in session.judged.rankings if one.id == half["set"]]
        row = made[0] if made else open_rows[half["set"]]
        return Asked(row, half["how"], half["why"])
    if (first := st.session_state.get("first")) in open_rows:
        return Asked(
            open_rows[first],
            "own" if open_rows[first].get("asked") else open_rows[first].get("check") or "lot",
            "You asked for this one.",
        )
    own = next(
        (row for row in asked.unranked(session) if row["prompt"] in session.asked.user_prompts),
        None,
    )
    if own:
        return Asked(own, "own", OWN)
    found = ranking_desk.next_asked(session, form, checks=checks)
    if found is None and not writing:
        row = asked.next_set(session)
        found = Asked(row, "lot", ranking_desk.by_lot(session, checks)) if row else None
    return found


def _asked_meanwhile(session: Session, row: dict) -> bool:
    """Do answers wait that the learner asked for, and ``row`` is none of them?"""
    return not row.get("asked") and any(one.get("asked") for one in asked.unranked(session))


def row_again(ranking: Ranking) -> dict:
    """A judgement as a candidate set, to be judged again in the order in which it was shown."""
    finished = ranking.finished or [True] * len(ranking.candidates)
    return {
        "id": ranking.id,
        "prompt": ranking.prompt,
        "texts": list(ranking.candidates),
        "finished": finished,
        "shown": list(ranking.shown),
        "again": True,
        "thumbs": ranking.good is not None,
    }


def order_on_screen(session: Session, row: dict) -> list[int]:
    """Indices into the set's texts, shuffled; the same for a set however often the page is drawn. A
    set that carries its order keeps it.
    """
    if row.get("shown"):
        return list(row["shown"])
    shown = list(range(len(row["texts"])))
    random.Random(seed_of(session.seed, "sides", judged.sitting(session), row["id"])).shuffle(shown)
    return shown


# --- the card -------------------------------------------------------------------------------------


def card(session: Session, asked: Asked, *, keys: bool, form: int, way: str = "order") -> None:
    """Draw what is asked and take the verdict.

    Args:
        keys: single keys work.
        way: "order" (A or B; a list by picking), "drag" (a list by dragging) or "thumbs" (each
            answer good or bad). What is looked at again is asked in the way it was judged, and a
            hidden check, which compares two answers, is asked as a pair.
    """
    row, work = asked.row, st.session_state.get("card") or {}
    if work.get("set") != row["id"]:
        old = next(
            (ranking for ranking in session.judged.rankings if ranking.id == row["id"]), None
        )
        if old:
            st.session_state["reason"], st.session_state["ideal"] = old.reason, old.ideal.strip()
        work = st.session_state["card"] = {
            "set": row["id"],
            "since": time.monotonic(),
            "spent": 0.0,
            "groups": [],
            "tie": False,
            "form": form,
            "how": asked.how,
            "why": asked.why,
            "brief": _brief_of(session, row["id"]),
            "draw": 0,
        }
    if work["since"] is None:  # back from another page
        work["since"] = time.monotonic()
    work["form"], work["draw"] = form, work["draw"] + 1
    shown = order_on_screen(session, row)
    singly = way == "thumbs" and not row.get("check")
    thumbs_asked = row["thumbs"] if row.get("again") else singly
    door = {"pair": len(shown) == 2 and not thumbs_asked, "keys": keys}
    components.clock(row["id"], door=door, draw=work["draw"])
    if row.get("again"):
        st.html(
            f'<div class="op-again">{text.escape(AGAIN)}<br>'
            f"You said: {text.escape(in_words(session, row['id']))}</div>"
        )
    if len(set(row["texts"])) < len(row["texts"]):
        alike = "Call them alike" if thumbs_asked else "A tie says so"
        st.caption(f"Some of these are the same, word for word. {alike}; skip works too.")
    if thumbs_asked:
        thumbs.draw(row, shown, keys, judge)
    elif len(shown) == 2:
        _pair(row, shown, keys)
    else:
        ordering.draw(row, shown, keys, judge, drag=way == "drag")
    if not row.get("again"):
        st.html(f'<div class="op-why"><b>Why this one?</b> {text.escape(asked.why)}</div>')
    with st.expander(
        "Say more, if you like: a reason, or a better answer",
        icon=":material/edit_note:",
        key="say_more",
    ):
        st.text_input(
            "Why? (optional)",
            key="reason",
            placeholder="for example: the other one breaks off",
            help=f"At most {MAX_REASON} characters. Kept with your judgement.",
        )
        st.text_area(
            "Write the ideal answer (optional)",
            key="ideal",
            height=80,
            placeholder="how you would have gone on from the prompt",
            help=(
                f"At most {MAX_IDEAL} characters. It counts as better than every answer shown, and"
                " is recorded as written by you."
            ),
        )
        st.caption("Write first, then judge: both go with your next judgement.")
    if row.get("again"):
        st.button("Leave it as it was", key="leave_again", on_click=_leave, args=(row["id"],))


def _pair(row: dict, shown: list[int], keys: bool) -> None:
    st.html(f'<div class="op-card-prompt"><span>Prompt</span> {text.escape(row["prompt"])}</div>')
    with st.container(key="pair_answers"):
        for column, letter, index, other in zip(
            st.columns(2), "AB", shown, reversed(shown), strict=True
        ):
            with column:
                text.answer(row["prompt"], row["texts"][index], foot=ordering.foot(row, index))
                button(
                    f"{letter} is better",
                    letter,
                    f"pick_{letter.lower()}",
                    keys,
                    judge,
                    row,
                    [[index], [other]],
                    None,
                    width="stretch",
                )
    with st.container(horizontal=True, key="pair_other"):
        button(
            "Tie",
            "T",
            "pick_tie",
            keys,
            judge,
            row,
            [list(shown)],
            None,
            help="Equally good under the brief. A tie trains half each way.",
        )
        button(
            "Both bad",
            "X",
            "pick_bad",
            keys,
            judge,
            row,
            [],
            "both_bad",
            help=(
                "Neither will do. The reward model learns nothing from it; KTO takes both as bad,"
                " once there is a judged pair as well."
            ),
        )
        button(
            "Skip",
            "S",
            "pick_skip",
            keys,
            judge,
            row,
            [],
            "skip",
            help="I can't say. Kept on record, does not train.",
        )


def in_words(session: Session, ranking_id: str) -> str:
    """What a judgement says, with the letters or places that are on the card."""
    ranking = next(
        (ranking for ranking in session.judged.rankings if ranking.id == ranking_id), None
    )
    if ranking is None:
        return ""
    if ranking.verdict:
        return {"both_bad": "none of them will do.", "skip": "skipped."}[ranking.verdict]
    names = {
        index: "AB"[place] if len(ranking.shown) == 2 else f"no. {place + 1}"
        for place, index in enumerate(ranking.shown)
    }
    if ranking.good is not None:
        sides = {
            "good": [names[index] for index in ranking.shown if index in ranking.good],
            "bad": [names[index] for index in ranking.shown if index not in ranking.good],
        }
        return "; ".join(f"{side}: {', '.join(named)}" for side, named in sides.items() if named)
    return " > ".join(" = ".join(names[index] for index in group) for group in ranking.groups)


# --- what a press does ----------------------------------------------------------------------------


def judge(
    row: dict, groups: list[list[int]], verdict: str | None, good: list[int] | None = None
) -> None:
    """Record a verdict on the card. Where it cannot be recorded, a note says why, and what was
    written stays. ``good``: as in ``Ranking``.
    """
    session, work = state.session(), st.session_state.get("card") or {}
    if work.get("set") != row["id"]:
        return  # a second click that arrived after the card had moved on
    if work["brief"] != (session.asked.brief.slug, session.asked.brief.version):
        st.session_state.pop("card")
        thumbs_begun.leave(session, row["id"])
        st.session_state["note"] = (
            "The brief has changed since these came up, so that judgement was not counted. Read the"
            " brief as it is now, then judge."
        )
        return
    said = {
        "groups": groups,
        "verdict": verdict,
        "good": good,
        "seconds": seconds(work),
        "reason": st.session_state.get("reason", ""),
        "ideal": st.session_state.get("ideal", ""),
    }
    try:
        if row.get("again"):
            judged.change_ranking(session, row["id"], **said)
        else:
            judged.add_ranking(
                session, row["id"], shown=order_on_screen(session, row), asked=work["how"], **said
            )
    except ValueError as error:
        # judged in another tab already, no longer there, or a reason that can't be kept: then the
        # card stays
        st.session_state["note"] = str(error)
        work.update(groups=[], tie=False)
        return
    _leave(row["id"])


def seconds(work: dict) -> float:
    """From first sight of the card until now, without the time in which it was out of sight."""
    passed = work["spent"] + (
        time.monotonic() - work["since"] if work["since"] is not None else 0.0
    )
    return round(max(0.0, passed - components.seconds_away(work["set"])), 2)


def pause_clock() -> None:
    """Another page is shown: the card waits, and its clock with it."""
    work = st.session_state.get("card")
    if work and work["since"] is not None:
        work["spent"] += time.monotonic() - work["since"]
        work["since"] = None


def undo(session: Session) -> None:
    """Take back the last pick of a half-made list, or the last thumb, else the last judgement."""
    work = st.session_state.get("card")
    if work and thumbs_begun.take_back(session, work["set"]):
        return
    if work and work["groups"]:
        work["groups"][-1].pop()
        work["groups"] = [group for group in work["groups"] if group]
        work["tie"] = False
        return
    if can_undo(session):
        last = judged.undo_ranking(session)
        st.session_state["first"] = last.id
        st.session_state["reason"], st.session_state["ideal"] = last.reason, last.ideal.strip()
        st.session_state.pop("card", None)


def can_undo(session: Session) -> bool:
    """Is there a pick or a judgement under this brief to take back?"""
    work = st.session_state.get("card", {})
    half = thumbs_begun.of(session, work["set"]) if work else thumbs_begun.latest(session)
    picks = work.get("groups") or (half and half["said"])
    return bool(picks) or bool(
        session.judged.rankings and session.judged.rankings[-1].brief == session.asked.brief.slug
    )


def look_again(ranking_ids: list[str]) -> None:
    """Put these judgements on the card, one after the other, to be made again."""
    st.session_state["again"] = list(dict.fromkeys(ranking_ids))
    st.session_state.pop("card", None)


def _leave(set_id: str) -> None:
    """The card is done with: judged, or left as it was."""
    thumbs_begun.leave(state.session(), set_id)
    if set_id in st.session_state.get("again", []):
        st.session_state["again"].remove(set_id)
    st.session_state["reason"] = st.session_state["ideal"] = ""
    st.session_state.pop("card", None)


def _brief_of(session: Session, set_id: str) -> tuple[str, int]:
    """The brief that a set is judged under: the one in force when it came up."""
    half = thumbs_begun.of(session, set_id)
    brief = session.asked.brief
    return tuple(half["brief"]) if half else (brief.slug, brief.version)
