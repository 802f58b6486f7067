"""A chart as a picture for slides, in a real browser: its bar saves SVG and PNG, by mouse and by
keyboard, in the theme's own ink.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from walking import SLOW, open_page

from conftest import App

pytestmark = pytest.mark.slow  # with the others of its kind it would be minutes of `make test`

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def chart(chromium, app: App):
    """``chart(scheme)``: the first chart of a lab that opens with a saved result."""
    contexts = []

    def show(scheme: str):
        contexts.append(chromium.new_context(color_scheme=scheme, accept_downloads=True))
        page = contexts[-1].new_page()
        open_page(page, app.url, "goodhart")
        found = page.locator(".js-plotly-plot").first
        found.locator(".modebar-btn").first.wait_for(state="attached", timeout=SLOW)
        return page, found

    yield show
    for context in contexts:
        context.close()


def saved(page, press, place) -> tuple[str, bytes]:
    with page.expect_download(timeout=SLOW) as waiting:
        press()
    waiting.value.save_as(place)
    return waiting.value.suggested_filename, place.read_bytes()


def button(chart, kind: str):
    return chart.get_by_role("button", name=f"Save this chart as {kind}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_kinds_by_mouse(chart, tmp_path, scheme):
    page, found = chart(scheme)
    found.hover()
    assert found.locator(".modebar-btn:visible").count() == 2
    name, data = saved(page, button(found, "SVG").click, tmp_path / "one")
    assert re.fullmatch(r"[a-z0-9-]+\.svg", name)
    drawn = ElementTree.fromstring(data)
    styles = [text.get("style", "") for text in drawn.iter(f"{SVG}text")]
    ink = page.evaluate("getComputedStyle(document.querySelector('.stApp')).color")
    assert styles and all(f"fill: {ink}" in style for style in styles), "no grey for screens"
    faces = {style.partition("font-family: ")[2][:9] for style in styles}
    assert faces == {"Helvetica"}, "words are as wide elsewhere as they were measured here"
    width = page.evaluate("document.querySelector('.js-plotly-plot').offsetWidth")
    name, data = saved(page, button(found, "PNG").click, tmp_path / "two")
    assert name.endswith(".png") and data.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(data[16:20], "big") == pytest.approx(3 * width, abs=3)
    assert saved(page, button(found, "SVG").click, tmp_path / "three")[0].endswith(".svg")
    colour = page.evaluate("document.querySelector('.js-plotly-plot').layout.font.color ?? null")
    assert colour != ink, "the chart on the page is as it was"


def test_by_keyboard(chart, tmp_path):
    page, found = chart("light")
    found.locator(".modebar-btn").first.focus()
    button(found, "PNG").focus()
    name, data = saved(page, lambda: page.keyboard.press("Enter"), tmp_path / "one")
    assert name.endswith(".png") and len(data) > 5_000
