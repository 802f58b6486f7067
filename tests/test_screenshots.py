"""Every page, empty, in a real browser: light, dark and 375 px wide. The pictures stay in test-artefacts/screenshots."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import settled

PAGES = {
    "home": "",
    "prompt": "prompt",
    "rank": "rank",
    "reward-model": "reward_model",
    "ppo": "ppo",
    "before-after": "before_after",
    "rounds": "rounds",
}
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "375": {"color_scheme": "light", "viewport": {"width": 375, "height": 812}, "device_scale_factor": 2},
}


@pytest.mark.parametrize("look", LOOKS)
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
        assert width <= LOOKS[look]["viewport"]["width"], f"{name} is {width} px wide and scrolls sideways"
    context.close()
    assert errors == []
