"""The wall once the room has judged: reward model, PPO, blind vote, verdict. HTML of ours,
everything foreign escaped; the charts stand beside it (``wall``).
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from rlhf_core.common.wording import counted
from rlhf_core.rooms import plans, records
from rlhf_core.rooms.records import Room
from rlhf_core.session.state import Session
from ui import charts, text, whiteboard
from ui.charts.room import FEW
from ui.ppo import cockpit
from ui.room import host_training, wall_acts

PROMPTS = 12  # of the vote, shown


def _whose(room: Room, place: int) -> str:
    """The half's heading; nothing where there is one."""
    if len(room.halves) == 1:
        return ""
    return f"<h2>{text.escape(room.halves[place].brief['title'])}</h2>"


def reward(room: Room, found: dict, link: str) -> str:
    parts = "".join(
        f"<section>{_whose(room, place)}{_accuracy(standing)}</section>"
        for place, standing in enumerate(found["trained"])
    )
    beside = _fast(found["everybody"]) if len(room.halves) == 1 else ""
    kind = "op-reward" if beside else "op-halves"
    return f"<div class='{kind}'>{parts}{beside}</div>"


def _accuracy(standing: dict) -> str:
    summary = standing.get("summary") or {}
    share, bounds = summary.get("heldout_accuracy"), summary.get("heldout_interval")
    if share is None:
        say = html.escape(plans.SCREENS[records.REWARD].wall)
        so_far = counted(standing.get("gathered") or standing.get("new") or 0, "judgement")
        return f"<p class='op-say'>{say}</p><p class='op-small'>{so_far} to learn from.</p>"
    said = f"95% interval {charts.interval(bounds)}; a coin gives 50%" if bounds else ""
    lines = _line("the room's", share, bounds) if not standing["groups"] else ""
    for about, rows in host_training.models(standing):
        lines += f"<h3>About the {about}'s judgements</h3>"
        lines += "".join(
            _line(f"{row['name']}'s model", row["share"], [row["low"], row["high"]]) for row in rows
        )
    return (
        f"<p class='op-huge'>{charts.percent(share)}</p>"
        f"<p>right about prompts it never saw<br><span class='op-small'>{said}</span></p>"
        f"<div class='op-lines'>{lines}</div>"
    )


def _line(name: str, share: float | None, bounds: Sequence | None) -> str:
    """A share on a line from 0 to 100%, with its interval and the coin's 50%."""
    if share is None:
        return f"<div><span>{text.escape(name)}</span><span class='op-small'>too few</span></div>"
    low, high = bounds if bounds and None not in bounds else (share, share)
    return (
        f"<div><span>{text.escape(name)}</span><span class='op-line' aria-hidden='true'>"
        f'<i style="--l:{100 * low:.1f}%;--w:{100 * (high - low):.1f}%"></i>'
        f'<u style="--l:{100 * share:.1f}%"></u></span><b>{charts.percent(share)}</b></div>'
    )


def _fast(rows: Sequence[dict]) -> str:
    """Beside the chart of everybody: the fastest, and who was right most often."""
    known = [row for row in rows if row["gold_of"] >= FEW and row["seconds"] is not None]
    if not known:
        return "<aside></aside>"
    fastest = min(known, key=lambda row: row["seconds"])
    surest = max(known, key=lambda row: (row["gold_right"] / row["gold_of"], row["gold_of"]))
    lines = "".join(
        f"<p><b>{word}:</b> {text.escape(row['called'])}, {charts.number(row['seconds'], 1)} s,"
        f" {row['gold_right']} of {row['gold_of']} known answers right</p>"
        for word, row in (("Fastest", fastest), ("Surest", surest))
    )
    return f"<aside class='op-fast'>{lines}</aside>"


# --- PPO ------------------------------------------------------------------------------------------


def end(room: Room, session: Session) -> int:
    """The step at which the run ends."""
    last = session.tuned.metrics[-1]["step"] if session.tuned.metrics else 0
    return max(room.settings.steps, last)


def ppo(room: Room, found: Sequence[Session]) -> str:
    many = len(room.halves) > 1
    most = 1 if many else 2
    parts = "".join(
        f"<section>{_whose(room, place)}{_where(room, session)}{_samples(session, most)}</section>"
        for place, session in enumerate(found)
    )
    return f"<div class='op-ppo{' op-halves' if many else ''}'>{parts}</div>"


def _where(room: Room, session: Session) -> str:
    metrics = session.tuned.metrics
    if not metrics:
        say = html.escape(plans.SCREENS[records.PPO].wall)
        return f"<p class='op-say op-where'>{say} It starts in a moment.</p>"
    row, steps = metrics[-1], end(room, session)
    figures = (
        wall_acts.number(f"{row['step']}/{steps}", "step")
        + wall_acts.number(whiteboard.gain(session), "score, against before")
        + wall_acts.number(charts.small(row.get("kl_to_reference")), "KL, how far it drifted")
    )
    bar = wall_acts.bar((("done", row["step"]), ("rest", max(0, steps - row["step"]))))
    return f"<div class='op-where'><div class='op-figures'>{figures}</div>{bar}</div>"


def _samples(session: Session, most: int) -> str:
    """What it wrote before, and what it writes now."""
    rows = [row for row in cockpit.beside(session) if row[1]][:most]
    shown = "".join(
        f"<div class='op-sample'><p class='op-prompt'>{text.escape(prompt)}</p>"
        f"<p><span>before</span>{text.escape(was.get('text', ' …'))}</p>"
        f"<p><span>now</span>{text.escape(now.get('text', ' …'))}</p></div>"
        for prompt, was, now in rows
    )
    return f"<div class='op-samples'>{shown}</div>"


# --- the vote and the verdict ---------------------------------------------------------------------


def vote(room: Room, found: dict, link: str) -> str:
    say = html.escape(plans.SCREENS[records.VOTE].wall)
    told = found["votes"]
    pairs = sum(one["pairs"] for one in told)
    if not pairs:
        return (
            f"<p class='op-say'>{say}</p><p class='op-small'>Both models are writing; the pairs"
            " reach your phone by themselves.</p>"
        )
    figures = (
        wall_acts.number(sum(one["votes"] for one in told), "votes")
        + wall_acts.number(sum(one["people"] for one in told), f"of {found['people']} have voted")
        + wall_acts.number(pairs, "prompts")
    )
    return f"<p class='op-say'>{say}</p><div class='op-figures op-wide'>{figures}</div>"


def talk(room: Room, found: dict, link: str) -> str:
    parts = "".join(
        f"<section>{_whose(room, place)}{_verdict(one, len(room.halves))}</section>"
        for place, one in enumerate(found["votes"])
    )
    kind = "op-halves" if len(room.halves) > 1 else "op-one"
    return f"<div class='op-talk {kind}'>{parts}</div>{wall_acts.typed(found)}"


def _verdict(one: dict, halves: int) -> str:
    sentence = one["conclusion"] or one["verdict"]
    if not sentence:
        return (
            "<p class='op-say'>No verdict: nothing was measured, or nobody voted.</p>"
            f"<p class='op-small'>{html.escape(plans.SCREENS[records.TALK].wall)}</p>"
        )
    rows = [row for row in one["prompts"] if row["of"]][: PROMPTS // halves]
    lines = "".join(
        f"<div><span>{text.escape(row['prompt'])}</span>"
        + wall_acts.bar(
            (("before", row["for_before"]), ("tie", row["tie"]), ("after", row["for_after"]))
        )
        + "</div>"
        for row in rows
    )
    legend = (
        "<p class='op-small op-legend'><i class='op-part-before'></i>before"
        " <i class='op-part-tie'></i>no difference <i class='op-part-after'></i>after</p>"
    )
    return (
        f"<p class='op-verdict'>{text.escape(sentence)}</p>"
        + (f"<div class='op-votes'>{lines}</div>{legend}" if rows else "")
        + f"<p class='op-small'>{html.escape(plans.SCREENS[records.TALK].wall)}</p>"
    )
