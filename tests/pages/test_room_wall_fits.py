"""What lies where on the wall, in a browser without a server: a pause moves nothing, typed text and
the verdict keep clear of each other, and the line about a lost server covers nothing to be read.
"""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path

import pytest
import room_stand_ins as stand_in
import streamlit

from rlhf_core.rooms.records import JOIN, PRACTICE, RANK, REWARD, TALK, VOTE
from ui.room import wall

ONE, TWO = ("meme-bot",), ("meme-bot", "biology-homework")
SIZES = ((1920, 1080), (1280, 720))
AWAY = '<div class="stDialog"><section role="dialog"><p>Connection error</p></section></div>'
VERDICT = (
    "Only the reward model it was trained on (68%) calls the tuned model better; the word rule"
    " (46%), the graded rule and your blind votes: no detectable difference."
)
# The pages' own letters, from where Streamlit has them.
[LETTERS] = Path(streamlit.__file__).parent.glob("static/static/media/SourceSansVF-Upright*.woff2")
FONT = (
    '@font-face {font-family: "Ours"; font-weight: 200 900; src: url("data:font/woff2;base64,'
    f'{base64.b64encode(LETTERS.read_bytes()).decode()}")}}'
    ' body {margin: 0; font-family: "Ours"}'
)
BOX = """one => {
  const {left, top, right, bottom} = one.getBoundingClientRect()
  return [left, top, right, bottom]
}"""


def shown(page, act: str, slugs=ONE, *, frozen: bool = False, more: str = "", **changes) -> None:
    where = stand_in.room(act, slugs=slugs)
    where = dataclasses.replace(where, act=dataclasses.replace(where.act, frozen=frozen))
    told = stand_in.for_wall(stand_in.figures(where, **changes))
    style = f"{FONT}{wall.STYLE}"
    body = f"<style>{style}</style>{wall.page(where, told)}{more}"
    page.set_content(f"<!doctype html><html><body>{body}</body></html>")
    page.evaluate("document.fonts.ready")


def boxes(page, what: str) -> list[list[float]]:
    return [one.evaluate(BOX) for one in page.locator(what).all()]


def meet(one: list[float], other: list[float]) -> bool:
    return all(one[n] < other[n + 2] - 0.5 and other[n] < one[n + 2] - 0.5 for n in (0, 1))


@pytest.mark.parametrize("slugs", [ONE, TWO], ids=["one brief", "two halves"])
@pytest.mark.parametrize("act", [JOIN, PRACTICE, RANK, REWARD, VOTE, TALK])
def test_a_pause_moves_nothing_of_the_act(page, act, slugs):
    """Charts stand fast beside it, so what moves would lie under them."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        shown(page, act, slugs)
        usual = boxes(page, ".op-wall main > *")
        shown(page, act, slugs, frozen=True)
        assert boxes(page, ".op-wall main > *:not(.op-pause)") == usual
        [pause] = boxes(page, ".op-pause")
        others = usual + boxes(page, ".op-act, .op-wall footer")
        assert not any(meet(pause, box) for box in others)


@pytest.mark.parametrize("typed", [0, 3])
def test_a_long_verdict_and_typed_text_keep_clear_of_the_votes(page, typed):
    word = {"kind": "ideal", "status": "shown", "prompt": "An opossum is", "text": "y" * 400}
    words = [{**stand_in.person(1), **word} for _ in range(typed)]
    told = stand_in.figures(stand_in.room(TALK))["votes"]
    votes = [{**half, "conclusion": VERDICT} for half in told]
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        shown(page, TALK, words=words, votes=votes)
        [legend], [main] = boxes(page, ".op-legend"), boxes(page, ".op-wall main")
        bars = boxes(page, ".op-votes > div")
        assert len(bars) == 12 and not any(meet(bar, legend) for bar in bars)
        lines = boxes(page, ".op-typed")
        assert len(lines) == min(1, typed)
        for box in [legend, *lines]:
            assert box[3] <= main[3] + 1, "nothing of it is cut off at the bottom"


@pytest.mark.parametrize("act", [JOIN, REWARD, TALK])
def test_the_line_about_a_lost_server_is_large_and_leaves_what_is_next(page, act):
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        shown(page, act, more=AWAY)
        [line] = boxes(page, ".stDialog section")
        size = page.locator(".stDialog section").evaluate("one => getComputedStyle(one).fontSize")
        assert float(size.removesuffix("px")) >= 0.014 * width
        for other in boxes(page, ".op-wall footer, .op-act, .op-wall main > *"):
            assert not meet(line, other), (width, act)
