"""The picture to share: what this session came to, on one card of 1200 by 630 (the size that posts
show whole), as PNG and as SVG.

``facts`` takes the plain facts from a session, ``card`` lays them out once, and the two drawings
read that layout. Prompts and model output are only ever text: escaped in the SVG, drawn in the PNG.
"""

from __future__ import annotations

import html
import io
import textwrap
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import streamlit as st
from PIL import Image, ImageDraw, ImageFont

from rlhf_core.session import judged, rounds
from rlhf_core.session.state import Session
from ui import charts
from ui.whiteboard import VERDICTS

WIDTH, HEIGHT, LEFT = 1200, 630, 60
INK, FAINT, TEAL, ORANGE, PAPER = "#231f1c", "#6b625b", "#176e63", "#a8500f", "#fffdf9"
LETTERS = 0.46  # mean width of a letter, of its size
LINES = 2  # of an answer; the rest becomes an ellipsis
FONTS = Path(st.__file__).parent / "static" / "static" / "media"


class Line(NamedTuple):
    """One line of words on the card; x and y of the left end of its base line, pixels."""

    x: int
    y: int
    size: int
    colour: str
    bold: bool
    words: str


def facts(session: Session) -> dict | None:
    """{"brief", "judge", "prompt", "before", "after", "reward", "kl", "steps", "verdict"}; None
    before a tuned model was compared with the original.
    """
    found, rows = rounds.with_votes(session), session.tuned.metrics
    pairs = found.get("pairs") or []
    if not pairs or len(rows) < 2:
        return None
    changed = (pair for pair in pairs if pair["before"] != pair["after"])
    pair = next(changed, pairs[0])  # the first that changed, in their order: not picked
    said = VERDICTS.get(found.get("verdict"), ("not judged yet", ""))[0]
    return {
        "brief": session.asked.brief.title,
        "judge": judged.rater(session),
        **{name: str(pair[name]) for name in ("prompt", "before", "after")},
        "reward": session.tuned.reward_gain,
        "kl": rows[-1].get("kl_to_reference"),
        "steps": session.tuned.steps_done,
        "verdict": said,
    }


def card(found: dict) -> list[Line]:
    """The words of the card, each in its place."""
    numbers = (
        f"{found['steps']} PPO steps   ·   reward {charts.number(found['reward'], sign=True)} SD"
        f"   ·   KL {charts.number(found['kl'], 1)} nats"
    )
    return [
        Line(LEFT + 84, 96, 46, INK, True, "I have done RLHF"),
        *_wrapped(f"Brief: {found['brief']}", 148, 26, FAINT, False, 1),
        *_wrapped(f"“{found['prompt'].strip()}”", 204, 30, INK, True, 1),
        Line(LEFT, 254, 22, ORANGE, True, "BEFORE"),
        *_wrapped(f"… {found['before'].strip()}", 296, 34, INK, False, LINES),
        Line(LEFT, 404, 22, TEAL, True, "AFTER"),
        *_wrapped(f"… {found['after'].strip()}", 446, 34, INK, False, LINES),
        Line(LEFT, 548, 26, INK, True, numbers),
        *_wrapped(
            f"Votes by: {found['judge']}. Verdict (rules, blind votes): {found['verdict']}.",
            584,
            22,
            FAINT,
            False,
            1,
        ),
        Line(LEFT, 614, 18, FAINT, False, "Made with Opossum: RLHF, hands-on"),
    ]


def _wrapped(words: str, y: int, size: int, colour: str, bold: bool, most: int) -> list[Line]:
    """``words`` on at most so many lines."""
    room = int((WIDTH - 2 * LEFT) / (LETTERS * size))
    words = " ".join("".join(c for c in words if c.isprintable() or c.isspace()).split())
    lines = textwrap.wrap(words, room, max_lines=most, placeholder=" …") or [""]
    step = round(1.2 * size)
    return [Line(LEFT, y + n * step, size, colour, bold, one) for n, one in enumerate(lines)]


def alt(found: dict) -> str:
    """The card in words, for who cannot see it."""
    return ". ".join(line.words.strip(". ") for line in card(found)) + "."


def svg(found: dict) -> str:
    """The card as SVG: sharp at every size."""
    lines = "".join(
        f'<text x="{line.x}" y="{line.y}" font-size="{line.size}" fill="{line.colour}"'
        f' font-weight="{700 if line.bold else 400}">{html.escape(line.words)}</text>'
        for line in card(found)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}" role="img" font-family="Source Sans 3, Source Sans Pro, Segoe UI,'
        f' Helvetica, Arial, sans-serif"><title>{html.escape(alt(found))}</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>'
        f'<rect width="{WIDTH}" height="12" fill="{TEAL}"/>{_face()}{lines}</svg>'
    )


def _face() -> str:
    """The opossum, simplified, beside the heading."""
    return "".join(
        f'<ellipse cx="{x}" cy="{y}" rx="{a}" ry="{b}" fill="{colour}"/>'
        for x, y, a, b, colour in FACE
    )


FACE = (  # ellipses: x, y, half width, half height, colour; the mark's, in a few strokes
    (72, 56, 14, 16, "#4b423c"),
    (120, 56, 14, 16, "#4b423c"),
    (96, 80, 36, 34, "#b7aba1"),
    (96, 88, 26, 26, "#fbf6ef"),
    (82, 78, 6, 6, "#231f1c"),
    (110, 78, 6, 6, "#231f1c"),
    (96, 106, 8, 6, "#e2839c"),
)


@lru_cache(maxsize=32)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """The app's own font, from Streamlit's files; Pillow's where there is none."""
    for file in sorted(FONTS.glob("SourceSansVF-Upright*.woff2")):
        try:
            font = ImageFont.truetype(str(file), size)
            font.set_variation_by_axes([700 if bold else 400])
            return font
        except OSError:
            continue
    return ImageFont.load_default(size)


def png(found: dict) -> bytes:
    """The card as PNG. Letters that the font lacks (emoji, Chinese) become boxes."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, WIDTH, 12), fill=TEAL)
    for x, y, a, b, colour in FACE:
        draw.ellipse((x - a, y - b, x + a, y + b), fill=colour)
    for line in card(found):
        font = _font(line.size, line.bold)
        draw.text((line.x, line.y), line.words, fill=line.colour, font=font, anchor="ls")
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()
