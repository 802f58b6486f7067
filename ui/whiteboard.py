"""The loop as a whiteboard drawing: six boxes in a ring, arrows between them, the brief in the
middle, live numbers in every box.

Every box is a link to its page. Drawn big on the home page and small in the sidebar, from the same
facts. Knows nothing about how the numbers come about. The only foreign text in it, the brief, is
escaped.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass

import streamlit as st

from rlhf_core.common.wording import counted
from rlhf_core.evaluation import conclusion
from rlhf_core.session import judged, rounds
from rlhf_core.session.next_step import goal
from rlhf_core.session.state import Session
from ui import next_step, state, styles, text

VERDICTS = {  # big board, small board
    conclusion.BETTER: ("the tuned model is better", "better"),
    conclusion.WORSE: ("the tuned model is worse", "worse"),
    conclusion.SAME: ("no detectable difference", "same"),
    conclusion.NOT_THE_VOTES: ("changed; the votes could be chance", "unproven"),
    conclusion.FEW_PROMPTS: ("too few prompts to tell", "too few"),
    conclusion.FEW_VOTES: ("too few clear votes to tell", "too few"),
}


@dataclass(frozen=True)
class Box:
    """One station of the loop."""

    name: str
    page: str
    title: str
    short: str
    what: str


BOXES = (
    Box(
        "prompt",
        "pages/prompt.py",
        "Prompt",
        "Prompt",
        "You ask; the model writes several answers.",
    ),
    Box("rank", "pages/rank.py", "Rank", "Rank", "You say which answers are better."),
    Box(
        "reward_model",
        "pages/reward_model.py",
        "Reward model",
        "Reward",
        "Learns to score as the votes do.",
    ),
    Box("ppo", "pages/ppo.py", "PPO", "PPO", "Nudges the model towards higher scores."),
    Box(
        "before_after",
        "pages/before_after.py",
        "Before / after",
        "Compare",
        "Both models, same prompt. Better?",
    ),
    Box("rounds", "pages/rounds.py", "Rounds", "Rounds", "Rinse and repeat."),
)
BY_RULE = "A scripted rater, a rule, says which are better."  # instead of "You say"
NAMES = tuple(box.name for box in BOXES)

MARK_SVG = styles.picture("mark")
# With the name beside it, for the top of the sidebar; the colour of the letters reads on light and
# on dark. An image may use none of the page's fonts, only those of the machine, and one of them may
# be half as wide again as another: the name is always as long as textLength says.
_NAME = (
    '<text x="76" y="45" textLength="172" lengthAdjust="spacingAndGlyphs" font-size="37"'
    ' font-weight="700" fill="#c25f83" font-family="Source Sans, Source Sans Pro, Segoe UI,'
    ' Helvetica, Arial, sans-serif">Opossum</text>'
)
LOGO_SVG = MARK_SVG.replace('"0 0 64 64"', '"0 0 256 64"').replace("</svg>", f"{_NAME}</svg>")

# An <img>, since the page's sanitiser takes out inline <svg>.
MARK = f'<img class="op-mark" src="{styles.data_url("mark")}" alt="">'
CSS = f':root {{--op-arrow: url("{styles.data_url("arrow")}");}}\n' + styles.sheet("board")

_TURNS = (
    ("a1", "right"),
    ("a2", "right"),
    ("a3", "down"),
    ("a4", "left"),
    ("a5", "left"),
    ("a6", "up"),
)


def numbers(session: Session) -> dict[str, tuple[str, str]]:
    """Each box's live number, in words for the big board and squeezed for the small one; empty
    where there is none yet.
    """
    found = dict.fromkeys(NAMES, ("", ""))
    seen = seen_sets(session)
    if seen:
        answers, prompts = (
            sum(len(row["texts"]) for row in seen),
            len({row["prompt"] for row in seen}),
        )
        found["prompt"] = (
            f"{answers} answers to {prompts} prompt{'s' if prompts > 1 else ''}, yours or judged",
            f"{answers}",
        )
    if judged.pair_count(session):
        made, many, what = goal(session)
        found["rank"] = (
            of_goal(session),
            f"{made}/{many}" if what != "pairs" or made < many else f"{made}",
        )
    summary = session.learned.summary or {}
    accuracy, chance = summary.get("heldout_accuracy"), summary.get("chance")
    if conclusion.by_chance(chance):
        found["reward_model"] = (
            ("too few clear votes to tell taste from chance", "too few")
            if conclusion.unproven(chance) == conclusion.FEW_VOTES
            else ("the votes could be chance", "unproven")
        )
    elif accuracy is not None and summary.get("heldout_pairs") and summary.get("heldout_interval"):
        pairs, (low, high) = summary["heldout_pairs"], summary["heldout_interval"]
        right = round(accuracy * pairs, 1)  # a tie may count half
        found["reward_model"] = (
            (
                f"right on {right:g} of {pairs} unseen pairs"
                f" ({text.percent(low).rstrip('%')}\N{EN DASH}{text.percent(high)})"
            ),
            f"{right:g}/{pairs}",
        )
    elif accuracy is not None:
        found["reward_model"] = (
            f"right on {text.percent(accuracy)} of unseen pairs",
            text.percent(accuracy),
        )
    elif session.learned.head:
        found["reward_model"] = (
            f"trained on {summary.get('pairs_used', summary.get('pairs', 0))} pairs",
            "ready",
        )
    if len(session.tuned.metrics) > 1:
        found["ppo"] = (
            f"step {session.tuned.metrics[-1]['step']}: reward {gain(session)} {since(session)}",
            gain(session, 1),
        )
    if verdict := rounds.with_votes(session).get("verdict"):
        found["before_after"] = VERDICTS.get(str(verdict), ("measured", ""))
    elif session.tuned.evaluation and session.tuned.evaluation.get("win_rate") is not None:
        share = session.tuned.evaluation["win_rate"]
        found["before_after"] = (
            f"after wins {text.percent(share)} (ties count half), says the reward model",
            text.percent(share),
        )
    if session.history.rounds or session.history.current_round > 1:
        found["rounds"] = (
            f"round {session.history.current_round}",
            f"{session.history.current_round}",
        )
    return found


def of_goal(session: Session) -> str:
    """How far the judging is, in the words that every page uses."""
    made, many, what = goal(session)
    if what == "pairs":
        return f"{made} of about {many} pairs" if made < many else counted(made, "pair")
    return f"{made} of {many} {what}"


def seen_sets(session: Session) -> list[dict]:
    """The candidate sets that came before somebody's eyes: those asked for on the Prompt page, and
    all that were judged; not those written ahead.
    """
    ranked = {ranking.id for ranking in session.judged.rankings}
    return [row for row in session.asked.candidate_sets if row.get("asked") or row["id"] in ranked]


def gain(session: Session, digits: int = 2) -> str:
    """How much PPO has raised the mean reward in this round, in reference standard deviations (SD);
    "no number" where a step has none.
    """
    value = 0.0 if len(session.tuned.metrics) == 1 else session.tuned.reward_gain
    known = value is not None and math.isfinite(value)
    return (f"{round(value, digits) + 0.0:+.{digits}f} SD" if known else "no number").replace(
        "-", "\N{MINUS SIGN}"
    )


def since(session: Session) -> str:
    """What ``gain`` is measured from, in words."""
    if session.tuned.metrics and session.tuned.metrics[0].get(
        "reward_model"
    ) != session.tuned.metrics[-1].get("reward_model"):
        return (  # two scales: only the distance to the original's mean, 0 on both, can be told
            "over the original"
        )
    return "since step 0" if session.history.current_round == 1 else "since this round began"


def drift(session: Session) -> str:
    """The KL to the frozen original, in words, or nothing before PPO has run."""
    value = (
        session.tuned.metrics[-1].get("kl_to_reference") if len(session.tuned.metrics) > 1 else None
    )
    return f" Drift so far: {value:.1f} nats (KL)." if value is not None else ""


def draw(
    session: Session,
    *,
    size: str = "home",
    now: str | None = None,
    busy: bool = False,
    lit: bool = True,
) -> None:
    """Draw the board.

    Args:
        size: "home" (big) or "side" (small, for the sidebar).
        now: the box to light up; the one that waits for the learner where left out.
        busy: work is going on in that box right now ("working"), instead of it being the next to
        press ("next").
        lit: False where the page's one primary button leads elsewhere: then no box says "next".
    """
    now = now or next_step.now(session).box
    live, by_rule = numbers(session), judged_by_rule(session)
    big = size == "home"
    with st.container(key=f"board_{size}"), st.container(key=f"ring_{size}"):
        for place, box in enumerate(BOXES):
            with st.container(border=True, key=f"box_{size}_{box.name}"):
                st.page_link(box.page, label=f"{place + 1} · {box.title}" if big else box.short)
                st.html(
                    _inside(
                        BY_RULE if by_rule and box.name == "rank" else box.what,
                        box.name,
                        live[box.name][0 if big else 1],
                        big,
                        lit and box.name == now,
                        busy,
                        drift(session),
                    )
                )
            area, way = _TURNS[place]
            st.html(f'<div class="op-arrow op-{way} op-at-{area}" aria-hidden="true"><i></i></div>')
            if place == 2:
                st.html(_middle(session, big))


def judged_by_rule(session: Session) -> bool:
    """Did nobody but the scripted rater judge, or is it about to?"""
    people = [one for one in judged.pairs(session) if not judged.is_scripted(one.annotator)]
    return not people and (judged.scripted(session) or state.alive("run_once"))


def _inside(
    what: str, name: str, number: str, big: bool, lit: bool, busy: bool, drifted: str
) -> str:
    word = "working" if busy else "start here" if name == "prompt" else "next"
    chip = f'<span class="op-chip">{word}</span>' if lit else ""
    what = f'<div class="op-what">{what}</div>' if big else ""
    frozen = (
        f'<div class="op-frozen">❄ A frozen copy holds it back.{html.escape(drifted)}</div>'
        if big and name == "ppo"
        else ""
    )
    state = ("op-now" if lit else "") + (" op-busy" if lit and busy else "")
    return (
        f'<div class="op-inside {state}">{chip}{what}'
        f'<div class="op-number">{html.escape(number)}</div>{frozen}</div>'
    )


def _middle(session: Session, big: bool) -> str:
    brief = session.asked.brief
    detail = f"<small>Better: {text.escape(brief.prefer)}</small>" if big else ""
    lead = "The brief: " if big else ""
    return (
        f'<div class="op-mid op-at-mid">{MARK}'
        f"<div><b>{lead}{text.escape(brief.title)}</b>{detail}</div></div>"
    )
