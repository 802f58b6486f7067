"""The PPO and Reward model pages on the first screen of a laptop and of a projector: what one
steers by lies inside it, before anything runs, and nothing jumps when it does.
"""

from __future__ import annotations

import pytest
from walking import SLOW, button, open_page, wait_for_step

from conftest import App, settled
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.judging import briefs
from rlhf_core.loop import reward, scripted_rater
from rlhf_core.session import asked, saving
from rlhf_core.session.state import Session

RUN = "cockpitonascreen"
COCKPIT = (
    ".st-key-ppo_play button",
    ".st-key-ppo_one_step button",
    ".st-key-ppo_beta [data-testid=stSlider]",
    ".st-key-ppo_step [data-testid=stProgress]",
    ".st-key-ppo_numbers",
    ".st-key-ppo_Reward .main-svg",
    ".st-key-ppo_KL-to-reference .main-svg",
    ".op-beside",
)
DECK = (".st-key-ppo_pause button", ".st-key-ppo_stop button")
SIZES = ({"width": 1280, "height": 800}, {"width": 1920, "height": 1080})


@pytest.fixture(scope="module")
def fitted(app: App) -> str:
    """The id of a session with a reward model and two prompts of the learner's own."""
    session = Session(briefs.PRESETS["meme-bot"], id=RUN, directory=app.runs / RUN)
    for prompt in ("My cat is", "The best thing about Mondays is"):
        asked.add_prompt(session, prompt)
    list(scripted_rater.judge_for_me(session, 10, 2))
    list(reward.fit_reward_model(session, RewardModelSettings(reference_samples=128)))
    session.status = "done"
    saving.save(session)
    return RUN


def inside(page, places: tuple[str, ...], size: dict) -> None:
    """Every one of ``places`` is drawn, and wholly within the first screen."""
    for place in places:
        box = page.locator(place).first
        box.wait_for(timeout=SLOW)
        found = box.bounding_box()
        assert found["width"] > 0 and found["height"] > 0, place
        assert found["y"] >= 0 and found["y"] + found["height"] <= size["height"], (place, found)
        assert found["x"] >= 0 and found["x"] + found["width"] <= size["width"], (place, found)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0


@pytest.mark.slow
def test_the_cockpit_is_on_the_first_screen_before_while_and_after_it_trains(
    page, app: App, fitted: str
) -> None:
    for size in SIZES:
        page.set_viewport_size(size)
        open_page(page, app.url, "ppo", fitted)
        inside(page, (*COCKPIT, *DECK), size)
    page.set_viewport_size(SIZES[0])
    before = page.locator(".op-beside").bounding_box()["y"]
    button(page, "ppo_one_step").click(timeout=SLOW)
    wait_for_step(page, 1)
    page.locator(".st-key-ppo_play button:not([disabled])").first.wait_for(timeout=SLOW)
    settled(page, SLOW)
    inside(page, (*COCKPIT, *DECK), SIZES[0])
    assert abs(page.locator(".op-beside").bounding_box()["y"] - before) < 30, "it jumped"
    assert page.locator(".op-beside").get_by_text("Step 1").count() == 2
    button(page, "ppo_stop").click(timeout=SLOW)
    button(page, "to_before_after").wait_for(timeout=SLOW)
    settled(page, SLOW)
    inside(page, (*COCKPIT, ".st-key-to_before_after button"), SIZES[0])


@pytest.mark.slow
def test_the_slider_and_what_is_typed_stay_while_it_trains(page, app: App) -> None:
    run = "cockpitwhiletrai"
    session = Session(briefs.PRESETS["meme-bot"], id=run, directory=app.runs / run)
    list(scripted_rater.judge_for_me(session, 10, 2))
    list(reward.fit_reward_model(session, RewardModelSettings(reference_samples=128)))
    session.status = "done"
    saving.save(session)
    open_page(page, app.url, "ppo", run)
    button(page, "ppo_play").click(timeout=SLOW)
    wait_for_step(page, 0)
    slider = page.locator(".st-key-ppo_beta").get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(3_000)  # several looks of the fragment
    assert slider.get_attribute("aria-valuetext") == "0.5"
    focus = "document.activeElement.closest('.st-key-ppo_beta') !== null"
    assert page.evaluate(focus), "the focus too"
    button(page, "ppo_stop").click(timeout=SLOW)
    page.locator(".st-key-ppo_play button:not([disabled])").first.wait_for(timeout=SLOW)


def test_the_scores_stand_beside_the_button(page, app: App, fitted: str) -> None:
    open_page(page, app.url, "reward_model", fitted)
    inside(
        page,
        (
            ".st-key-fit button",
            ".st-key-scores .main-svg",
            ".st-key-to_ppo, .st-key-to_rank, .st-key-to_before_after",
        ),
        SIZES[0],
    )
    train, scores = (
        page.locator(place).first.bounding_box() for place in (".st-key-fit", ".st-key-scores")
    )
    assert train["x"] + train["width"] <= scores["x"], "beside each other"
    assert scores["y"] <= train["y"] <= scores["y"] + scores["height"]


@pytest.mark.slow
def test_the_projector_is_readable_and_goes_along(page, app: App, fitted: str) -> None:
    page.set_viewport_size(SIZES[1])
    page.goto(f"{app.url}/ppo?run={fitted}&projector=1")
    settled(page, SLOW)
    page.locator(".st-key-ppo_Reward .xtick text").first.wait_for(timeout=SLOW)
    size = """selector => Math.min(...[...document.querySelectorAll(selector)]
        .filter(one => one.getBoundingClientRect().width > 0)
        .map(one => parseFloat(getComputedStyle(one).fontSize)))"""
    ticks = "[data-testid=stPlotlyChart] :is(.xtick text, .ytick text, .xtitle, .ytitle)"
    words = (
        "[data-testid=stMain] :is([data-testid=stMarkdownContainer] p, button p, .op-answer,"
        " [data-testid=stMetricLabel] p)"
    )
    assert page.evaluate(size, ticks) >= 18 and page.evaluate(size, words) >= 24
    inside(page, COCKPIT, SIZES[1])
    caption = "[data-testid=stElementContainer]:has([data-testid=stCaptionContainer])"
    assert page.locator(caption).count()
    gone = "where => [...document.querySelectorAll(where)].every(one => !one.offsetHeight)"
    assert page.evaluate(gone, caption), "and leaves no gap"
    page.locator("[data-testid=stSidebarNav]").get_by_role("link", name="Reward model").click()
    page.get_by_role("heading", name="The reward model").wait_for(timeout=SLOW)
    settled(page, SLOW)
    assert "projector=1" in page.url and f"run={fitted}" in page.url
    page.locator(".st-key-projector label").first.click()
    page.wait_for_function("!location.search.includes('projector')", timeout=SLOW)
    settled(page, SLOW)
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "16px"
