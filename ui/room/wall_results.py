"""The wall once the room has judged: reward model, PPO, blind vote, verdict. HTML of ours,
everything foreign escaped; the charts stand beside it (``wall``).
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from rlhf_core.common.wording import counted
from rlhf_core.rooms import enough, plans, records
from rlhf_core.rooms.records import Room
from rlhf_core.session.state import Session
from ui import charts, whiteboard
from ui.ppo import cockpit
from ui.room import host_training, names, wall_acts

PROMPTS = 12  # of the vote, shown


def _whose(room: Room, place: int) -> str:
    """The half's heading; nothing where there is one."""
    if len(room.halves) == 1:
        return ""
    return f"<h2>{names.bdi(room.halves[place].brief['title'])}</h2>"


def reward(room: Room, found: dict, link: str) -> str:
    parts = "".join(
        f"<section>{_whose(room, place)}{_accuracy(standing)}</section>"
        for place, standing in enumerate(found["trained"])
    )
    beside = _fast(found["contest"]) if len(room.halves) == 1 else ""
    kind = "op-reward" if beside else "op-halves"
    return f"<div class='{kind}'>{parts}{beside}</div>"


def _accuracy(standing: dict) -> str:
    told = standing["accuracy"]
    if told is None:
        say = html.escape(plans.SCREENS[records.REWARD].wall)
        so_far = counted(standing.get("gathered") or standing.get("new") or 0, "judgement")
        return f"<p class='op-say'>{say}</p><p class='op-small'>{so_far} to learn from.</p>"
    share, bounds = told["share"], [told["low"], told["high"]]
    said = f"95% interval {charts.interval(bounds)}; a coin gives 50%"
    said = said if told["low"] is not None else "too few for an interval; a coin gives 50%"
    doubt = " op-doubt" if told["doubt"] else ""
    words = f"<p class='op-worth{doubt}'>{html.escape(told['words'])}</p>" if told["words"] else ""
    found = standing["groups"] or {}
    lines = _line("the room's", share, bounds) if not found.get("table") else ""
    few = f"<p class='op-small'>{html.escape(found['few'])}</p>" if found.get("few") else ""
    for about, rows in host_training.models(standing):
        lines += f"<h3>About the {about}'s judgements</h3>"
        lines += "".join(
            _line(f"{row['name']}'s model", row["share"], [row["low"], row["high"]]) for row in rows
        )
    return (
        f"<p class='op-huge'>{charts.percent(share)}</p>"
        f"<p>right about prompts it never saw<br><span class='op-small'>{said}</span></p>"
        f"{words}<div class='op-lines'>{lines}</div>{few}"
    )


def _line(name: str, share: float | None, bounds: Sequence | None) -> str:
    """A share on a line from 0 to 100%, with its interval and the coin's 50%."""
    if share is None:
        return f"<div><span>{names.bdi(name)}</span><span class='op-small'>too few</span></div>"
    low, high = bounds if bounds and None not in bounds else (share, share)
    return (
        f"<div><span>{names.bdi(name)}</span><span class='op-line' aria-hidden='true'>"
        f'<i style="--l:{100 * low:.1f}%;--w:{100 * (high - low):.1f}%"></i>'
        f'<u style="--l:{100 * share:.1f}%"></u></span><b>{charts.percent(share)}</b>'
        f"<span class='op-small'>{charts.interval([low, high])}</span></div>"
    )


def _fast(contest: dict | None) -> str:
    """Beside the chart of everybody: the fastest, and who was right most often."""
    title = "<p><b>Fast or careful?</b> A dot is a person.</p>"
    if contest is None:
        few = (
            "<p class='op-small'>Too few to tell who is fastest or surest: that takes"
            f" {enough.CONTEST_PEOPLE} people with {enough.CONTEST_KNOWN} known answers each.</p>"
        )
        return f"<aside class='op-fast'>{title}{few}</aside>"
    lines = "".join(
        f"<p><b>{word}:</b> {names.html(row)}, {charts.number(row['seconds'], 1)} s,"
        f" {row['gold_right']} of {row['gold_of']} known answers right"
        f" (95%: {charts.interval([row['low'], row['high']])})</p>"
        for word, row in (("Fastest", contest["fastest"]), ("Surest", contest["surest"]))
    )
    return f"<aside class='op-fast'>{title}{lines}</aside>"


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
        missing = plans.missing(records.PPO, bool(session.learned.head), False)
        return (
            f"<div class='op-where'><p class='op-say'>{say}</p>"
            f"<p class='op-small'>{html.escape(missing)}</p></div>"
        )
    row, steps = metrics[-1], end(room, session)
    figures = (
        wall_acts.number(f"{row['step']}/{steps}", "step")
        + wall_acts.number(whiteboard.gain(session), "score, against before")
        + wall_acts.number(charts.small(row.get("kl_to_reference")), "KL, how far it drifted")
    )
    bar = wall_acts.bar((("done", row["step"]), ("rest", max(0, steps - row["step"]))))
    return f"<div class='op-where'><div class='op-figures'>{figures}</div>{bar}</div>"


def _samples(session: Session, most: int) -> str:
    """What it wrote before, and what it writes now; nothing before the run has begun: what step 0
    writes is another draw than what was judged.
    """
    if not session.tuned.samples:
        return ""
    rows = [row for row in cockpit.beside(session) if row[1]][:most]
    shown = "".join(
        f"<div class='op-sample'><p class='op-prompt'>{names.bdi(prompt)}</p>"
        f"<p><span>before</span>{names.bdi(was.get('text', ' …'))}</p>"
        f"<p><span>now</span>{names.bdi(now.get('text', ' …'))}</p></div>"
        for prompt, was, now in rows
    )
    return f"<div class='op-samples'>{shown}</div>"


# --- the vote and the verdict ---------------------------------------------------------------------


def vote(room: Room, found: dict, link: str) -> str:
    say = html.escape(plans.SCREENS[records.VOTE].wall)
    told = found["votes"]
    pairs = sum(one["pairs"] for one in told)
    if not pairs:
        tuned = any(one["steps"] for one in found["trained"])
        missing = plans.missing(records.VOTE, True, tuned)
        words = missing or "Both models are writing; the pairs reach your phone by themselves."
        return f"<p class='op-say'>{say}</p><p class='op-small'>{html.escape(words)}</p>"
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
    return f"<div class='op-talk {kind}'>{parts}</div>{wall_acts.typed(found, 1)}"


def _verdict(one: dict, halves: int) -> str:
    sentence = one["conclusion"] or one["verdict"]
    if not sentence:
        return (
            "<p class='op-say'>No verdict: nothing was measured, or nobody voted.</p>"
            f"<p class='op-small'>{html.escape(plans.SCREENS[records.TALK].wall)}</p>"
        )
    rows = [row for row in one["prompts"] if row["of"]][: PROMPTS // halves]
    lines = "".join(
        f"<div><span>{names.bdi(row['prompt'])}</span>"
        + wall_acts.bar(
            (("before", row["for_before"]), ("tie", row["tie"]), ("after", row["for_after"])),
            told=True,
        )
        + "</div>"
        for row in rows
    )
    judge = one["judge"]
    low, high = judge["interval"] if judge else (None, None)
    won = (
        f"<p>By prompts: after wins {judge['wins']} of {judge['pairs']}, before {judge['losses']},"
        f" {counted(judge['ties'], 'tie')}. Ties counted half, that is"
        f" {charts.percent(judge['win_rate'])} for after, 95% interval"
        f" {charts.interval([low, high])}; a coin gives 50%.</p>"
        if judge
        else ""
    )
    legend = (
        "<p class='op-small op-legend'>Votes for <i class='op-part-before'></i>before"
        " <i class='op-part-tie'></i>no difference <i class='op-part-after'></i>after</p>"
    )
    return (
        f"<p class='op-verdict'>{names.bdi(sentence)}</p>"
        + (f"{won}<div class='op-votes'>{lines}</div>{legend}" if rows else "")
        + f"<p class='op-small'>{html.escape(plans.SCREENS[records.TALK].wall)}</p>"
    )
