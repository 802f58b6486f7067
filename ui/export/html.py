"""A run as one HTML file: opens anywhere, without a server, a network or this app.

The whole of it is made from a session's plain parts. Nothing in it is fetched, and a policy in its
head lets only our own script and style work (by hash), so that a text that got through as markup
would still not run. Without a script, and on paper, the last step's answers and every chart are
there all the same. Simplification: one round, the present one; earlier rounds are a line each.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rlhf_core.session import judged, paper
from rlhf_core.session.state import Session
from rlhf_core.store import bundle
from rlhf_core.store.card import card
from ui import styles
from ui.charts import number
from ui.export import reading, sections
from ui.export.card_text import html_of_card
from ui.export.steps import Steps, clean_metrics, gather
from ui.export.words import data, safe

HERE = Path(__file__).resolve().parent
MOST_BYTES = 2_000_000
FIRST_PROMPTS = 6  # whose answers are shown before anything is chosen
STATUS = {
    "interrupted": "This run was interrupted: what follows is how far it came.",
    "running": "This run was still going on when the file was made.",
}


def html_of(directory: str | Path) -> str:
    """The bundle in ``directory`` as one HTML file. Raises BundleError, BriefError,
    PreferenceError: no run can be read there.
    """
    session, card, missing = reading.read(directory)
    return html_of_session(session, card, missing)


def html_of_session(session: Session, card: str | None = None, missing: Sequence[str] = ()) -> str:
    """A session as one HTML file.

    Args:
        card: its README.md; None: the one that its bundle would have now.
        missing: sentences on what could not be read.
    """
    with session.lock:
        metrics = clean_metrics(session.tuned.metrics)
        steps = gather(metrics, session.tuned.samples)
        title = f"RLHF run: {session.asked.brief.title}"
        status = "running" if session.under_way else session.status
        notes = [session.note or STATUS.get(status, ""), *missing]
        head = _head(title, session, [note for note in notes if note])
        rows = [
            ("verdict", "The verdict", partial(sections.verdict, session)),
            ("steps", "Step by step", partial(_steps, session, metrics, steps)),
            *_made(session),
            ("card", "The card", partial(_card, session, card)),
        ]
        parts = {row: sections.section(*row) for row in rows}
    while True:
        made = _document(title, head + "".join(parts.values()), steps)
        if len(made.encode()) <= MOST_BYTES:
            return made
        row = max(parts, key=lambda one: len(parts[one].encode()))
        parts[row] = sections.section(*row[:2], _too_long)


def _too_long() -> str:
    return sections.sentence("Too long to go along in one small file: the run's folder has it.")


def card_of(session: Session) -> str:
    """The README.md that the session's bundle would have."""
    tuned, part = session.tuned, session.judged
    run = {
        "brief": session.asked.brief.to_dict(),
        "model": {"name": session.model_name},
        "settings": session.settings,
        "status": "running" if session.under_way else session.status,
    }
    contents = {
        "rankings": part.rankings,
        "preferences": [pair.to_dict() for pair in judged.pairs(session)],
        "metrics": tuned.metrics,
        "samples": tuned.samples,
        "evaluation": tuned.evaluation,
    }
    names = {"reward_model": session.learned.head, "policy": tuned.weights}
    names |= {"round_start": session.history.start}
    held = [bundle.WEIGHTS[role] for role, name in names.items() if name]
    return card(run, contents, held, paper.facts(session))


def _made(session: Session) -> list[tuple]:
    rows = [
        ("unseen", "Before and after, on prompts it never trained on", sections.before_after),
        ("brief", "The brief", sections.brief),
        ("judged", "How it was judged", sections.how_judged),
        ("reward-model", "The reward model", sections.reward),
        ("settings", "Settings and versions", sections.settings),
    ]
    if session.history.rounds:
        rows.insert(1, ("rounds", "Earlier rounds", sections.earlier_rounds))
    return [(name, title, partial(make, session)) for name, title, make in rows]


def _card(session: Session, card: str | None) -> str:
    text = card_of(session) if card is None else card
    return html_of_card(text) if text.strip() else sections.sentence("The run has no card.")


def _head(title: str, session: Session, notes: Sequence[str]) -> str:
    links = (("verdict", "Verdict"), ("steps", "Steps"), ("brief", "Brief"), ("judged", "Judged"))
    links += (("reward-model", "Reward model"), ("card", "Card"))
    menu = "".join(f'<a href="#{name}">{words}</a>' for name, words in links)
    told = "".join(f'<p class="note">{safe(note)}</p>' for note in notes)
    about = f"Judged by {_judges(session)}. Language model: {session.model_name}."
    return (
        f'<header><img alt="" src="{styles.data_url("mark")}" width="44" height="44">'
        f"<div><h1>{safe(title, 200)}</h1><p>{safe(about)} Made with Opossum, hands-on RLHF.</p>"
        f'</div><button id="theme" type="button" hidden>Dark</button></header>{told}'
        f'<nav aria-label="Parts">{menu}</nav>'
    )


def _judges(session: Session) -> str:
    people = sections.who(session)
    return ", ".join(people[:3]) + (f" and {len(people) - 3} more" if len(people) > 3 else "")


# --- step by step ---------------------------------------------------------------------------------


def _steps(session: Session, metrics: Sequence[dict], steps: Steps) -> str:
    charts = sections.training_charts(metrics, session.settings.get("ppo") or {})
    if not metrics:
        return sections.sentence("No PPO step was made: the model is the original.")
    if steps.table is None:
        return sections.sentence("The run kept no answers of its steps.") + charts
    told = steps.table["steps"]
    first = _first_name(session)
    left = sections.sentence(steps.left_out) if steps.left_out else ""
    last = len(told) - 1
    return (
        '<div id="player" class="player" hidden>'
        '<div class="buttons"><button type="button" id="back" aria-label="One step back">◀</button>'
        '<button type="button" id="play" aria-pressed="false">Play</button>'
        '<button type="button" id="next" aria-label="One step on">▶</button></div>'
        f'<label class="slide"><span>Step</span><input id="step" type="range" min="0" max="{last}"'
        f' value="{last}" step="1"></label>'
        '<label class="which"><span>Prompts</span><select id="which"></select></label></div>'
        f'<p id="now" aria-live="polite">{safe(_now(told[-1]))}</p>'
        f'<div id="answers" class="rows" data-first="{safe(first)}">'
        f"{_answers(steps.table, first)}</div>"
        f'<p class="small">Not picked: of each prompt the first answer of the step. Rewards are in'
        f" reference standard deviations.</p>{left}{charts}"
    )


def _first_name(session: Session) -> str:
    """What the first step's answers are."""
    return "Original" if session.history.current_round == 1 else "Before this round"


def _now(step: dict) -> str:
    reward, kl, entropy = step["readings"]
    return (
        f"Step {step['step']}: reward {number(reward, sign=True)}, KL to reference {number(kl)}"
        f" nats a response, entropy {number(entropy)} nats a token"
    )


def _answers(table: dict, first: str) -> str:
    """The last step beside step 0, as the script draws them: for readers without scripts."""
    start: dict[int, tuple] = {}
    last: dict[int, tuple] = {}
    for place, text, reward, _ in table["steps"][-1]["rows"]:
        last.setdefault(place, (text, reward))
    for place, text, reward, _ in (
        table["steps"][0]["rows"] if not table["steps"][0]["step"] else ()
    ):
        start.setdefault(place, (text, reward))
    made = []
    for place in list(last)[:FIRST_PROMPTS]:
        text, reward = start.get(place) or ("(no answer to this prompt was kept)", None)
        made.append(f'<div class="row"><h4>{safe(table["prompts"][place])}</h4>')
        made.append(sections.card(first, text, reward))
        made.append(sections.card(f"Step {table['steps'][-1]['step']}", *last[place]) + "</div>")
    return "".join(made)


# --- the document ---------------------------------------------------------------------------------


def _document(title: str, body: str, steps: Steps) -> str:
    script = (HERE / "reader.js").read_text(encoding="utf-8")
    style = (HERE / "report.css").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}';"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="color-scheme" content="light dark">'
        f'<link rel="icon" href="{styles.data_url("mark")}"><title>{safe(title, 200)}</title>'
        f"<style>{style}</style></head><body><main>{body}</main>"
        f'<script id="data" type="application/json">{data(steps.table)}</script>'
        f"<script>{script}</script></body></html>\n"
    )


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
