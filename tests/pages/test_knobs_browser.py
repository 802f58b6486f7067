"""Knobs in a closed popover, in a real browser, which draws them only when it opens: they say what
they are set to, and moving one moves no other.
"""

from __future__ import annotations

import pytest
from browser_helpers import kept
from walking import SLOW, button, open_knobs, open_page, wait_for_step

from conftest import App, settled
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.judging import briefs
from rlhf_core.loop import reward, scripted_rater
from rlhf_core.session import saving
from rlhf_core.session.state import Session


@pytest.mark.slow  # by keyboard and mouse, fourteen seconds
def test_a_preset_first_then_one_hidden_knob_leaves_the_others_alone(page, app: App) -> None:
    session = Session(
        briefs.PRESETS["meme-bot"], id="knobsinapopover0", directory=app.runs / "knobsinapopover0"
    )
    list(scripted_rater.judge_for_me(session, 10, 2))
    list(reward.fit_reward_model(session, RewardModelSettings(reference_samples=128)))
    session.status = "done"
    saving.save(session)
    open_page(page, app.url, "ppo", session.id)
    open_knobs(page)
    button(page, "preset_reckless").click()
    page.wait_for_timeout(500)
    settled(page, SLOW)
    page.get_by_role("button", name="More settings").click()
    box = page.locator("[data-testid=stPopoverBody]")
    box.get_by_role("slider", name="Minibatch").wait_for(timeout=SLOW)
    said = {
        slider.get_attribute("aria-label").split(" (")[0]: float(slider.input_value())
        for slider in box.get_by_role("slider").all()
    }
    assert (said["Minibatch"], said["Longest answer"], said["GAE λ"]) == (
        PPOSettings.minibatch_size,
        PPOSettings.max_new_tokens,
        PPOSettings.lam,
    )
    box.get_by_role("slider", name="Minibatch").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(1_000)
    settled(page, SLOW)
    page.keyboard.press("Escape")
    button(page, "preset_gentle").click()  # saves nothing by itself; the next look does
    page.wait_for_timeout(500)
    settled(page, SLOW)
    page.get_by_role("button", name="More settings").click()
    box.get_by_role("slider", name="Minibatch").wait_for(timeout=SLOW)
    again = {
        slider.get_attribute("aria-label").split(" (")[0]: float(slider.input_value())
        for slider in box.get_by_role("slider").all()
    }
    assert again == said, "the preset took the minibatch back, and nothing else had moved"
    box.get_by_role("slider", name="Minibatch").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(1_000)
    settled(page, SLOW)
    page.keyboard.press("Escape")
    button(page, "ppo_play").click()
    wait_for_step(page, 0)
    button(page, "ppo_stop").click(timeout=SLOW)
    # A run with a step behind it offers the next thing in its place.
    stoppable = "document.querySelector('.st-key-ppo_stop button:not([disabled])')"
    page.wait_for_function(f"() => !{stoppable}", timeout=SLOW)
    settled(page, SLOW)
    ran = kept(app, session.id).settings["ppo"]
    moved = {name: value for name, value in ran.items() if value != getattr(PPOSettings, name)}
    assert moved == {
        "beta": 0.5,
        "learning_rate": 1e-4,
        "clip": 0.1,
        "epochs": 2,
        "minibatch_size": PPOSettings.minibatch_size - 8,
    }
