"""The wall while people come in, practise and judge: HTML of ours, everything foreign escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence

from rlhf_core.common.wording import counted
from rlhf_core.rooms import enough, plans, records
from rlhf_core.rooms.records import Room
from ui import charts
from ui.room import names, reach

NAMES, WORDS = 28, 3  # of those who came in, and of typed texts, shown


def screen(title: str, head: str, body: str, following: str, corner: str = "") -> str:
    """One screen of the wall. ``title`` is untrusted; ``head``, ``body``, ``corner`` are HTML."""
    return (
        f'<div class="op-wall"><header><span class="op-room">{names.bdi(title)}</span>'
        f'<span class="op-act">{head}</span></header><main>{body}</main>'
        f"<footer><span>{html.escape(following)}</span>{corner}</footer></div>"
    )


def corner(room: Room, link: str) -> str:
    """How somebody who comes late joins, on every screen."""
    code = f"<b>{html.escape(room.code)}</b>"
    return f'<span class="op-late">Join at {html.escape(reach.shown(link))} {code}</span>'


def number(value: object, words: str) -> str:
    return f"<div class='op-figure'><b>{value}</b><span>{words}</span></div>"


def come_in(room: Room, found: dict, link: str) -> str:
    code = html.escape(room.code)
    people = found["everybody"][::-1][:NAMES]
    shut = "<p class='op-small'>The door is closed: nobody new can join.</p>"
    return (
        f'<div class="op-come"><div class="op-scan">{reach.qr(link, f"QR code to join: {code}")}'
        f"</div><div><p class='op-small'>Scan, or open</p>"
        f"<p class='op-address'>{html.escape(reach.shown(link))}</p>"
        f"<p class='op-small'>and type</p><p class='op-code'>{code}</p>"
        f"<p class='op-count'><b>{found['people']}</b> in the room</p>"
        f"{shut if room.door_closed else ''}{chips(people)}{typed(found)}</div></div>"
    )


def chips(people: Sequence[dict]) -> str:
    """Who is here, newest first; what does not fit is cut off, never smaller."""
    rows = "".join(f"<li>{names.html(row)}</li>" for row in people)
    return f'<ul class="op-names">{rows}</ul>' if rows else ""


def typed(found: dict, most: int = WORDS) -> str:
    """What people typed and the host let through, newest first."""
    rows = [row for row in found["words"] if row["kind"] != "name"][::-1][:most]
    return "".join(
        f"<p class='op-typed'>{_about(row)}“{names.bdi(row['text'])}”"
        f" <span>{names.html(row)}</span></p>"
        for row in rows
    )


def _about(row: dict) -> str:
    return f"<span>{names.bdi(row['prompt'])}</span> " if row["prompt"] else ""


def practice(room: Room, found: dict, link: str) -> str:
    briefs = "".join(brief(half.brief) for half in room.halves)
    count = f"<b>{found['practised']}</b> of {found['people']} have tried a pair"
    say = html.escape(plans.SCREENS[records.PRACTICE].wall)
    return (
        f"<p class='op-say'>{say}</p><div class='op-w-briefs'>{briefs}</div>"
        f"<p class='op-count'>{count}</p>{typed(found)}"
    )


def brief(card: dict) -> str:
    """A brief, to be read from the last row; a long one is cut off, the phones have all of it."""
    rows = "".join(
        f"<p><b>{word}</b> {names.bdi(card[name])}</p>"
        for name, word in (("prefer", "Better:"), ("avoid", "Worse:"), ("ties", "Tie:"))
        if card.get(name)
    )
    audience = f"<p class='op-small'>for: {names.bdi(card['audience'])}</p>"
    audience = audience if card.get("audience") else ""
    title = f"<h2>{names.bdi(card['title'])}</h2>"
    return f"<section class='op-w-brief'>{title}{audience}{rows}</section>"


def judge(room: Room, found: dict, link: str) -> str:
    figures = number(found["judged"], "judgements") + number(found["minute"], "in this minute")
    if found["pairs"]:
        figures += number(f"{found['covered']}/{found['pairs']}", "pairs seen")
    agreed = "".join(
        agreement(alpha, half.brief["title"] if len(room.halves) > 1 else "")
        for half, alpha in zip(room.halves, found["agreement"], strict=False)
    )
    many = " op-many" if len(room.halves) > 1 else ""
    return (
        f"<div class='op-judge'><div class='op-figures{many}'>{figures}{agreed}</div>"
        f"<div class='op-judged'>{most_disputed(found['split'])}{typed(found, 1)}</div></div>"
    )


def agreement(alpha: dict, whose: str) -> str:
    """Alpha with its interval, and what it means; ``whose``: the half's brief."""
    who = f" · {names.bdi(whose)}" if whose else ""
    if not alpha["enough"]:
        return number("–", f"agreement{who}. {html.escape(alpha['words'])}")
    value = charts.number(alpha["alpha"])
    return number(value, f"agreement{who} (1 perfect, 0 chance; {bounds(alpha)})")


def bounds(alpha: dict) -> str:
    """The interval of an agreement that is enough to be shown."""
    low, high = charts.number(alpha["low"]), charts.number(alpha["high"])
    if low == high:  # drawn anew, pairs that are all alike stay alike
        return f"all {alpha['units']} pairs alike"
    return f"95%: {low} to {high}"


def most_disputed(row: dict | None) -> str:
    """The pair that has most people on either side, in full; None: too few to tell."""
    if row is None:
        return (
            f"<p class='op-say'>{html.escape(plans.SCREENS[records.RANK].wall)}</p>"
            "<p class='op-small'>The pair that splits you most comes here, once"
            f" {enough.SPLIT_PEOPLE} people have judged one and {enough.SPLIT_EACH} stand on either"
            " side.</p>"
        )
    parts = (("first", row["first"]), ("tie", row["tie"]), ("second", row["second"]))
    return (
        "<section class='op-split'><h2>The pair that splits you most</h2>"
        f"<p class='op-prompt'>{names.bdi(row['prompt'])}</p>"
        f"<div class='op-two'><p class='op-a'>{names.bdi(row['a'])}</p>"
        f"<p class='op-b'>{names.bdi(row['b'])}</p></div>{bar(parts, told=True)}"
        f"<p class='op-small'>{row['first']} prefer the left, {row['second']} the right,"
        f" {counted(row['tie'], 'tie')}</p></section>"
    )


def bar(parts: Sequence[tuple[str, int]], told: bool = False) -> str:
    """Shares of a whole, one after the other: (class, count). ``told``: each with its count."""
    whole = sum(count for _, count in parts) or 1
    cells = "".join(
        f'<i class="op-part-{name}" style="--w:{100 * count / whole:.2f}%">'
        f"{f'<b>{count}</b>' if told else ''}</i>"
        for name, count in parts
        if count
    )
    return f"<div class='op-bar{' op-told' if told else ''}' aria-hidden='true'>{cells}</div>"
