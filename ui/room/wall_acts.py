"""The wall while people come in, practise and judge: HTML of ours, everything foreign escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence

from rlhf_core.common.wording import counted
from rlhf_core.rooms import plans, records
from rlhf_core.rooms.records import Room
from ui import charts, text
from ui.room import reach

NAMES, WORDS = 28, 3  # of those who came in, and of typed texts, shown


def screen(title: str, head: str, body: str, following: str, corner: str = "") -> str:
    """One screen of the wall. ``title`` is untrusted; ``head``, ``body``, ``corner`` are HTML."""
    return (
        f'<div class="op-wall"><header><span class="op-room">{text.escape(title)}</span>'
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
    names = [row["called"] for row in found["everybody"]][::-1][:NAMES]
    return (
        f'<div class="op-come"><div class="op-scan">{reach.qr(link, f"QR code to join: {code}")}'
        f"</div><div><p class='op-small'>Scan, or open</p>"
        f"<p class='op-address'>{html.escape(reach.shown(link))}</p>"
        f"<p class='op-small'>and type</p><p class='op-code'>{code}</p>"
        f"<p class='op-count'><b>{found['people']}</b> in the room</p>{chips(names)}"
        f"{typed(found)}</div></div>"
    )


def chips(names: Sequence[str]) -> str:
    """Who is here, newest first; what does not fit is cut off, never smaller."""
    rows = "".join(f"<li>{text.escape(name)}</li>" for name in names)
    return f'<ul class="op-names">{rows}</ul>' if rows else ""


def typed(found: dict) -> str:
    """What people typed and the host let through, newest first."""
    rows = [row for row in found["words"] if row["kind"] != "name"][::-1][:WORDS]
    return "".join(
        f"<p class='op-typed'>“{text.escape(row['text'])}”"
        f" <span>{text.escape(row['called'])}</span></p>"
        for row in rows
    )


def practice(room: Room, found: dict, link: str) -> str:
    briefs = "".join(brief(half.brief) for half in room.halves)
    tried = sum(bool(row.get("practice")) for row in found["everybody"])
    count = f"<b>{tried}</b> of {found['people']} have tried a pair"
    say = html.escape(plans.SCREENS[records.PRACTICE].wall)
    return (
        f"<p class='op-say'>{say}</p><div class='op-w-briefs'>{briefs}</div>"
        f"<p class='op-count'>{count}</p>{typed(found)}"
    )


def brief(card: dict) -> str:
    """A brief, to be read from the last row; a long one is cut off, the phones have all of it."""
    rows = "".join(
        f"<p><b>{word}</b> {text.escape(card[name])}</p>"
        for name, word in (("prefer", "Better:"), ("avoid", "Worse:"), ("ties", "Tie:"))
        if card.get(name)
    )
    audience = f"<p class='op-small'>for: {text.escape(card['audience'])}</p>"
    audience = audience if card.get("audience") else ""
    title = f"<h2>{text.escape(card['title'])}</h2>"
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
        f"<div>{most_disputed(found['disputed'])}</div></div>"
    )


def agreement(alpha: dict, whose: str) -> str:
    """Alpha with its interval, and what it means; ``whose``: the half's brief."""
    who = f" · {text.escape(whose)}" if whose else ""
    if alpha["alpha"] is None:
        return number("–", f"agreement{who}: too few pairs judged by two")
    value, bounds = charts.number(alpha["alpha"]), "interval not known yet"
    if alpha["low"] is not None:
        bounds = f"95%: {charts.number(alpha['low'])} to {charts.number(alpha['high'])}"
    return number(value, f"agreement{who} (1 perfect, 0 chance; {bounds})")


def most_disputed(rows: Sequence[dict]) -> str:
    """The pair that has most people on either side, in full."""
    row = max(rows, key=lambda row: min(row["first"], row["second"]), default=None)
    if row is None or not min(row["first"], row["second"]):
        return (
            f"<p class='op-say'>{html.escape(plans.SCREENS[records.RANK].wall)}</p>"
            "<p class='op-small'>The pair that splits you most comes here.</p>"
        )
    parts = (("first", row["first"]), ("tie", row["tie"]), ("second", row["second"]))
    return (
        "<section class='op-split'><h2>The pair that splits you most</h2>"
        f"<p class='op-prompt'>{text.escape(row['prompt'])}</p>"
        f"<div class='op-two'><p class='op-a'>{text.escape(row['a'])}</p>"
        f"<p class='op-b'>{text.escape(row['b'])}</p></div>{bar(parts)}"
        f"<p class='op-small'>{row['first']} prefer the left, {row['second']} the right,"
        f" {counted(row['tie'], 'tie')}</p></section>"
    )


def bar(parts: Sequence[tuple[str, int]]) -> str:
    """Shares of a whole, one after the other: (class, count)."""
    whole = sum(count for _, count in parts) or 1
    cells = "".join(
        f'<i class="op-part-{name}" style="--w:{100 * count / whole:.2f}%"></i>'
        for name, count in parts
        if count
    )
    return f"<div class='op-bar' aria-hidden='true'>{cells}</div>"
