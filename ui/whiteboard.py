"""The loop as a whiteboard drawing: six boxes in a ring, arrows between them, the brief in the
middle, live numbers in every box.

Every box is a link to its page. Drawn big on the home page and small in the sidebar, from the same
facts. Knows nothing about how the numbers come about. The only foreign text in it, the brief, is
escaped.
"""

from __future__ import annotations

import base64
import html
import math
from dataclasses import dataclass

import streamlit as st

from rlhf_core.judging import preferences
from rlhf_core.session.state import Session
from ui import text

GOAL = 30  # comparisons that make a good first round


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
        "pages/steps/prompt.py",
        "Prompt",
        "Prompt",
        "You ask. The language model writes several answers.",
    ),
    Box(
        "rank",
        "pages/steps/rank.py",
        "Rank",
        "Rank",
        "A person says which answers are better, following the brief.",
    ),
    Box(
        "reward_model",
        "pages/steps/reward_model.py",
        "Reward model",
        "Reward",
        "Learns the pattern behind those choices, as a score.",
    ),
    Box(
        "ppo",
        "pages/steps/ppo.py",
        "PPO",
        "PPO",
        "Nudges the language model towards higher scores.",
    ),
    Box(
        "before_after",
        "pages/steps/before_after.py",
        "Before / after",
        "Compare",
        "Same prompt, both models. Did it change for the better?",
    ),
    Box(
        "rounds",
        "pages/steps/rounds.py",
        "Rounds",
        "Rounds",
        "Rinse and repeat: the next round starts from the tuned model.",
    ),
)
NAMES = tuple(box.name for box in BOXES)

# An opossum, front view: ours, drawn by hand in a few strokes.
_FACE = """<g stroke="#4b423c" stroke-width="2" stroke-linejoin="round">
<ellipse cx="14" cy="16" rx="9" ry="10" fill="#4b423c"/><ellipse cx="50" cy="16" rx="9" ry="10" fill="#4b423c"/>
<ellipse cx="14.5" cy="17" rx="5" ry="6" fill="#e9a3b5" stroke="none"/><ellipse cx="49.5" cy="17" rx="5" ry="6" fill="#e9a3b5" stroke="none"/>
<path d="M8 30 C9 15 22 10 32 10 C42 10 55 15 56 30 C57 42 43 50 37 57 C34 60.5 30 60.5 27 57 C21 50 7 42 8 30Z" fill="#fbf6ef"/></g>
<path d="M32 10.5 C27 17 26 24 28 30 L36 30 C38 24 37 17 32 10.5Z" fill="#b7aba1"/>
<path d="M15 25 C20 21 27 25 28 32 C25 37 17 36 15 25Z M49 25 C44 21 37 25 36 32 C39 37 47 36 49 25Z" fill="#8d8077"/>
<circle cx="22.5" cy="30" r="3.4" fill="#231f1c"/><circle cx="41.5" cy="30" r="3.4" fill="#231f1c"/>
<circle cx="23.6" cy="28.9" r="1.1" fill="#fff"/><circle cx="42.6" cy="28.9" r="1.1" fill="#fff"/>
<ellipse cx="32" cy="54.5" rx="5" ry="3.9" fill="#e2839c" stroke="#4b423c" stroke-width="1.5"/>
<path d="M24 47 L13 45 M24 49.5 L14 51 M40 47 L51 45 M40 49.5 L50 51" stroke="#8d8077" stroke-width="1.2" stroke-linecap="round"/>"""
MARK_SVG = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">{_FACE}</svg>'
# With the name beside it, for the top of the sidebar; the colour of the letters reads on light and
# on dark.
LOGO_SVG = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 64">{_FACE}<text x="76" y="45"'
    ' font-family="Source Sans, Source Sans Pro, Segoe UI, Helvetica, Arial, sans-serif"'
    ' font-size="37" font-weight="700" fill="#c25f83">Opossum</text></svg>'
)
_ARROW_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40" fill="none" stroke="#000"'
    ' stroke-width="3.2" stroke-linecap="round" stroke-linejoin="round"><path d="M4 21 C12 17.5 24'
    ' 18.5 35 20"/><path d="M26 11.5 C29 16 32 18.5 35.5 20 C31.5 22 28.5 25 26 29"/></svg>'
)


def _data_url(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


# An <img>, since the page's sanitiser takes out inline <svg>.
MARK = f'<img class="op-mark" src="{_data_url(MARK_SVG)}" alt="">'

CSS = (
    f"""
:root {{--op-arrow: url("{_data_url(_ARROW_SVG)}");}}
"""
    + """
[data-testid="stMainBlockContainer"] {padding: 3.6rem clamp(1rem, 4vw, 4rem) 4rem; max-width: 1320px;}
[data-testid="stMain"] h1 {font-size: clamp(1.6rem, 3.4vw, 2.4rem) !important; line-height: 1.15 !important; padding: 0 !important; margin: 0 0 .35rem !important;}
[data-testid="stCaptionContainer"] {opacity: .76 !important;}
[data-testid="stApp"] button[data-selected="true"] p, [data-testid="stSliderThumbValue"] p {color: light-dark(#a83f67, #f0a0bb);}
[data-testid="stPlotlyChart"] :is(.xtick, .ytick, .g-xtitle, .g-ytitle, .legend, .annotation, [class*="g-x"], [class*="g-y"]) text {
  fill: light-dark(#4a423c, #d9d0c7) !important;}
[data-testid="stSlider"] [data-testid="stWidgetLabel"] p {color: inherit;}
[data-testid="stSlider"] [data-testid="stWidgetLabel"] {color: light-dark(#2b2622, #f3ede6);}
[data-testid="stApp"] button kbd {color: inherit; opacity: 1;}
.op-lede {font-size: 1.1rem; margin: .45rem 0 0 !important; max-width: 62rem; line-height: 1.45; opacity: .88;}
.op-mark {width: 1em; height: 1em; vertical-align: -.12em; flex: none;}
[class*="st-key-board_"] {container-type: inline-size;}
[class*="st-key-ring_"] {display: grid !important; grid-template-columns: minmax(0, 1fr) 3.2rem minmax(0, 1fr) 3.2rem minmax(0, 1fr);
  grid-template-areas: "prompt a1 rank a2 reward_model" "a6 mid mid mid a3" "rounds a5 before_after a4 ppo"; gap: 0 !important; align-items: stretch;}
[class*="st-key-ring_"] > * {min-width: 0; width: auto !important; height: auto !important;}
[class*="st-key-box_"] {position: relative; height: 100%; gap: .15rem !important; padding: .8rem 1rem .75rem !important;
  border: 2px solid color-mix(in srgb, currentColor 55%, transparent) !important; border-radius: 22px 14px 26px 12px / 14px 24px 12px 22px !important;
  background: light-dark(#fffdf9, #26211e); transition: transform .12s, box-shadow .12s;}
[class*="st-key-box_"]:hover {transform: translateY(-2px); box-shadow: 0 6px 18px rgb(0 0 0 / .12);}
[class*="st-key-box_"]:has(a:focus-visible) {outline: 3px solid light-dark(#a83f67, #f0a0bb); outline-offset: 3px;}
[class*="st-key-box_"] [data-testid="stElementContainer"], [class*="st-key-box_"] [data-testid="stHtml"],
[class*="st-key-box_"] [data-testid="stPageLink"], [class*="st-key-box_"] [data-testid="stPageLink"] * {position: static !important;}
[class*="st-key-box_"] [data-testid="stElementContainer"] {margin: 0 !important;}
[class*="st-key-box_"] [data-testid="stPageLink"] a {padding: 0 !important; margin: 0 !important; background: none !important; width: auto;}
[class*="st-key-box_"] [data-testid="stPageLink"] a::after {content: ""; position: absolute; inset: 0; z-index: 1; border-radius: inherit;}
[class*="st-key-box_"] [data-testid="stPageLink"] p {font-weight: 700 !important; font-size: 1.14rem !important; white-space: normal !important; overflow: visible !important;}
.op-what {font-size: .92rem; line-height: 1.38; opacity: .82;}
.op-number {font-size: 1rem; font-weight: 700; margin-top: .4rem; color: light-dark(#a83f67, #f0a0bb); line-height: 1.3; }
.op-frozen {font-size: .84rem; line-height: 1.35; margin-top: .45rem; padding: .25rem .6rem; border: 1.5px dashed color-mix(in srgb, currentColor 45%, transparent);
  border-radius: 10px;}
.op-chip {display: none; position: absolute; top: -.8rem; right: .9rem; font-size: .78rem; font-weight: 700; letter-spacing: .02em; padding: .1rem .6rem;
  border-radius: 99px; background: light-dark(#a83f67, #f0a0bb); color: light-dark(#fff, #231f1c); z-index: 2; pointer-events: none;}
[class*="st-key-box_"]:has(.op-now) {border-color: light-dark(#a83f67, #f0a0bb) !important; border-width: 3px !important; background: light-dark(#fdf0f3, #35262b);}
.op-now .op-chip {display: block;}
.op-now.op-busy .op-chip {animation: op-breathe 1.4s ease-in-out infinite;}
@keyframes op-breathe {50% {opacity: .45;}}
@media (prefers-reduced-motion: reduce) {.op-now.op-busy .op-chip {animation: none;} [class*="st-key-box_"] {transition: none;}}
.op-arrow {display: flex; align-items: center; justify-content: center; opacity: .6;}
[class*="st-key-ring_"] > :has(.op-arrow), [class*="st-key-ring_"] > :has(.op-mid) {align-self: center;}
.op-arrow i {display: block; width: 2.1rem; height: 2.1rem; background: currentColor; mask: var(--op-arrow) center / contain no-repeat;}
.op-arrow.op-right i {transform: rotate(0deg);} .op-arrow.op-down i {transform: rotate(90deg);}
.op-arrow.op-left i {transform: rotate(180deg);} .op-arrow.op-up i {transform: rotate(-90deg);}
.op-mid {display: flex; gap: .9rem; align-items: center; justify-content: center; padding: .8rem 0; margin: 0 -5.5rem; text-align: left;}
.op-mid > div {max-width: 31rem;}
.op-mid .op-mark {width: 3.6rem; height: 3.6rem;}
.op-mid b {font-weight: 700;} .op-mid small {font-size: .88rem; opacity: .82; display: block; line-height: 1.4;}
"""
    + "\n".join(
        f'[class*="st-key-ring_"] > :has([class*="st-key-box_"][class*="_{name}"]),'
        f' [class*="st-key-ring_"] > [class*="_{name}"] {{grid-area: {name};}}'
        for name in NAMES
    )
    + "\n"
    + "\n".join(
        f'[class*="st-key-ring_"] > :has(.op-at-{area}) {{grid-area: {area};}}'
        for area in ("a1", "a2", "a3", "a4", "a5", "a6", "mid")
    )
    + """
@container (max-width: 640px) {
  [class*="st-key-ring_home"] {grid-template-columns: minmax(0, 1fr);
    grid-template-areas: "mid" "prompt" "a1" "rank" "a2" "reward_model" "a3" "ppo" "a4" "before_after" "a5" "rounds" "a6";}
  [class*="st-key-ring_home"] .op-arrow {height: 2rem;} [class*="st-key-ring_home"] .op-arrow i {transform: rotate(90deg); height: 1.6rem;}
  [class*="st-key-ring_home"] .op-arrow.op-at-a6 i {transform: rotate(-90deg);}
  [class*="st-key-ring_home"] .op-mid {padding: 0 0 1.2rem; margin: 0;}
}
[class*="st-key-ring_side"] {grid-template-columns: minmax(0, 1fr) 1rem minmax(0, 1fr) 1rem minmax(0, 1fr);}
[class*="st-key-box_side"] {padding: .3rem .4rem .35rem !important; border-width: 1.5px !important; border-radius: 10px 7px 11px 6px / 7px 11px 6px 10px !important; gap: 0 !important;}
[class*="st-key-box_side"] [data-testid="stPageLink"] p {font-size: .74rem !important; line-height: 1.2;}
[class*="st-key-box_side"] .op-number {font-size: .74rem; margin: 0;}
[class*="st-key-box_side"] .op-chip {display: none;}
[class*="st-key-ring_side"] .op-arrow i {width: .85rem; height: .85rem;}
[class*="st-key-ring_side"] .op-mid {padding: .35rem 0; margin: 0 -1.4rem; gap: .4rem;} [class*="st-key-ring_side"] .op-mid .op-mark {width: 1.6rem; height: 1.6rem;}
[class*="st-key-ring_side"] .op-mid b {font-size: .76rem; line-height: 1.2;} [class*="st-key-ring_side"] .op-mid small {display: none;}
"""
)

_TURNS = (
    ("a1", "right"),
    ("a2", "right"),
    ("a3", "down"),
    ("a4", "left"),
    ("a5", "left"),
    ("a6", "up"),
)


def comparisons(session: Session) -> int:
    """Pairs that the rankings so far say something about: four answers in order are six; both bad
    and skip are none, nor are rejected exploits.
    """
    return len(
        preferences.training_pairs(
            [pair for pair in session.pairs if pair.annotator != preferences.EXPLOIT]
        )
    )


def next_box(session: Session) -> str:
    """The station that waits for the learner now."""
    if not session.candidate_sets:
        return "prompt"
    if session.reward_model is None and comparisons(session) < GOAL:
        return "rank"
    if session.reward_model is None:
        return "reward_model"
    if len(session.metrics) < 2:
        return "ppo"
    return "before_after" if session.evaluation is None else "rounds"


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
    judged = comparisons(session)
    if judged:
        found["rank"] = (
            f"{judged} of about {GOAL} comparisons" if judged < GOAL else f"{judged} comparisons",
            f"{judged}/{GOAL}",
        )
    summary = session.reward_summary or {}
    accuracy = summary.get("heldout_accuracy")
    if accuracy is not None and summary.get("heldout_pairs") and summary.get("heldout_interval"):
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
    elif session.reward_model is not None:
        found["reward_model"] = (
            f"trained on {summary.get('pairs_used', summary.get('pairs', 0))} pairs",
            "ready",
        )
    if len(session.metrics) > 1:
        found["ppo"] = (
            f"step {session.metrics[-1]['step']}: reward {gain(session)} {since(session)}",
            gain(session, 1),
        )
    if session.evaluation and session.evaluation.get("win_rate") is not None:
        share = session.evaluation["win_rate"]
        found["before_after"] = (
            f"after wins {text.percent(share)} (ties count half), says the reward model",
            text.percent(share),
        )
    if session.rounds or session.current_round > 1:
        found["rounds"] = (f"round {session.current_round}", f"{session.current_round}")
    return found


def seen_sets(session: Session) -> list[dict]:
    """The candidate sets that came before somebody's eyes: those asked for on the Prompt page, and
    all that were judged; not those written ahead.
    """
    judged = {ranking.id for ranking in session.rankings}
    return [row for row in session.candidate_sets if row.get("asked") or row["id"] in judged]


def gain(session: Session, digits: int = 2) -> str:
    """How much PPO has raised the mean reward in this round, in reference standard deviations (SD);
    "no number" where a step has none.
    """
    value = 0.0 if len(session.metrics) == 1 else session.reward_gain
    known = value is not None and math.isfinite(value)
    return (f"{round(value, digits) + 0.0:+.{digits}f} SD" if known else "no number").replace(
        "-", "\N{MINUS SIGN}"
    )


def since(session: Session) -> str:
    """What ``gain`` is measured from, in words."""
    if session.metrics and session.metrics[0].get("reward_model") != session.metrics[-1].get(
        "reward_model"
    ):
        return (  # two scales: only the distance to the original's mean, 0 on both, can be told
            "over the original"
        )
    return "since step 0" if session.current_round == 1 else "since this round began"


def drift(session: Session) -> str:
    """The KL to the frozen original, in words, or nothing before PPO has run."""
    value = session.metrics[-1].get("kl_to_reference") if len(session.metrics) > 1 else None
    return f" Drift so far: {value:.1f} nats (KL)." if value is not None else ""


def draw(
    session: Session, *, size: str = "home", now: str | None = None, busy: bool = False
) -> None:
    """Draw the board.

    Args:
        size: "home" (big) or "side" (small, for the sidebar).
        now: the box to light up; the one that waits for the learner where left out.
        busy: work is going on in that box right now ("working"), instead of it being the next to
        press ("next").
    """
    now = now or next_box(session)
    live = numbers(session)
    big = size == "home"
    with st.container(key=f"board_{size}"), st.container(key=f"ring_{size}"):
        for place, box in enumerate(BOXES):
            with st.container(border=True, key=f"box_{size}_{box.name}"):
                st.page_link(box.page, label=f"{place + 1} · {box.title}" if big else box.short)
                st.html(
                    _inside(
                        box,
                        live[box.name][0 if big else 1],
                        big,
                        box.name == now,
                        busy,
                        drift(session),
                    )
                )
            area, way = _TURNS[place]
            st.html(f'<div class="op-arrow op-{way} op-at-{area}" aria-hidden="true"><i></i></div>')
            if place == 2:
                st.html(_middle(session, big))


def _inside(box: Box, number: str, big: bool, lit: bool, busy: bool, drifted: str) -> str:
    chip = (
        "<span"
        f' class="op-chip">{"working" if busy else ("start here" if box.name == "prompt" else "next")}</span>'
        if lit
        else ""
    )
    what = f'<div class="op-what">{box.what}</div>' if big else ""
    frozen = (
        '<div class="op-frozen">❄ A frozen copy of the original holds it'
        f" back.{html.escape(drifted)}</div>"
        if big and box.name == "ppo"
        else ""
    )
    state = ("op-now" if lit else "") + (" op-busy" if lit and busy else "")
    return (
        f'<div class="op-inside {state}">{chip}{what}<div'
        f' class="op-number">{html.escape(number)}</div>{frozen}</div>'
    )


def _middle(session: Session, big: bool) -> str:
    brief = session.brief
    detail = (
        f"<small>Better: {text.escape(brief.prefer)}</small><small>Worse:"
        f" {text.escape(brief.avoid)}</small>"
        if big
        else ""
    )
    lead = "The brief: " if big else ""
    return (
        '<div class="op-mid'
        f' op-at-mid">{MARK}<div><b>{lead}{text.escape(brief.title)}</b>{detail}</div></div>'
    )
