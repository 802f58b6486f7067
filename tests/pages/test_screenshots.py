"""Every page, empty, in a real browser: light, dark and 375 px wide. The pictures stay in
test-artefacts/screenshots.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe import serious
from browser_helpers import LOOKS, PAGES

from conftest import settled

WORDS_OF_CHARTS = (
    "[data-testid=stPlotlyChart] :is(.xtick text, .ytick text, .xtitle, .ytitle, .legendtext)"
)
COLOURS = """selector => [...document.querySelectorAll(selector)]
    .map(word => getComputedStyle(word).fill)
    .concat([getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor])"""


@pytest.mark.parametrize(
    "look",
    [  # the narrowest finds what is too wide; all of them: `make screenshots`
        pytest.param(look, marks=[] if look == "375" else pytest.mark.slow) for look in LOOKS
    ],
)
def test_every_page_draws_and_fits(chromium, app_url: str, artefacts: Path, look: str) -> None:
    folder = artefacts / "screenshots"
    folder.mkdir(exist_ok=True)
    context = chromium.new_context(reduced_motion="reduce", **LOOKS[look])
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    for name, path in PAGES.items():
        page.goto(f"{app_url}/{path}")
        settled(page)
        page.get_by_role("heading").first.wait_for()
        page.wait_for_timeout(500)  # widgets that the frontend loads when it first needs them
        page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
        assert page.get_by_test_id("stException").count() == 0, f"{name} shows an exception"
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= LOOKS[look]["viewport"]["width"], (
            f"{name} is {width} px wide and scrolls sideways"
        )
    context.close()
    assert errors == []


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours that a browser names ("rgb(…)")."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        return sum(
            share * (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4)
            for share, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True)
        )

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("first, then", [("light", "dark"), ("dark", "light")])
def test_the_words_of_charts_can_be_read_also_when_the_theme_changes(
    chromium, app_url: str, first: str, then: str
) -> None:
    context = chromium.new_context(reduced_motion="reduce", **LOOKS[first])
    page = context.new_page()
    page.goto(app_url)  # home shows the precomputed example's charts
    settled(page)
    page.locator("[data-testid=stPlotlyChart] .xtick text").first.wait_for()
    for look in (first, then):
        page.emulate_media(color_scheme=look, reduced_motion="reduce")
        page.wait_for_timeout(2_000)
        page.locator("[data-testid=stPlotlyChart] .xtick text").first.wait_for()
        *words, background = page.evaluate(COLOURS, WORDS_OF_CHARTS)
        assert len(words) > 10 and min(contrast(word, background) for word in words) >= 4.5, (
            look,
            set(words),
            background,
        )
    context.close()


@pytest.mark.slow
@pytest.mark.parametrize("look", ["light", "dark"])  # a phone has the same elements
def test_axe_finds_nothing_serious_on_any_page(chromium, app_url: str, look: str) -> None:
    context = chromium.new_context(reduced_motion="reduce", **LOOKS[look])
    page = context.new_page()
    findings: list[str] = []
    for name, path in PAGES.items():
        page.goto(f"{app_url}/{path}")
        settled(page)
        page.get_by_role("heading").first.wait_for()
        page.wait_for_timeout(500)
        findings += [f"{name}: {finding}" for finding in serious(page)]
    context.close()
    assert findings == []
