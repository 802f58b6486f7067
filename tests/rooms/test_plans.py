"""The plans fill their minutes, say something in every act, and name what goes wrong."""

from __future__ import annotations

import pytest

from rlhf_core.rooms import limits, plans
from rlhf_core.rooms.records import ACTS


@pytest.mark.parametrize("minutes", plans.PLANS)
def test_a_plan_plays_every_act_in_its_minutes(minutes):
    scenes = plans.PLANS[minutes]
    assert [scene.act for scene in scenes] == list(ACTS) == list(plans.SCREENS)
    assert sum(scene.minutes for scene in scenes) == minutes
    for scene in scenes:
        assert scene.say and scene.wrong and plans.scene(minutes, scene.act) is scene
        assert all(trouble.endswith(".") and remedy for trouble, remedy in scene.wrong)


def test_every_screen_says_what_happens_next():
    for act, screens in plans.SCREENS.items():
        assert screens.title and screens.phone and screens.wall
        following = plans.after(act)
        assert screens.next.startswith("Next: " if following else "This is the last")


def test_what_only_groups_or_a_writing_model_make_true_is_said_only_then():
    every = {line for scenes in plans.PLANS.values() for scene in scenes for line in scene.say}
    assert {*plans.WITH_GROUPS} < every
    whole = plans.said(45, "reward", groups=True, writing=True)
    assert whole.say == plans.scene(45, "reward").say
    less = plans.said(45, "reward", groups=False, writing=True)
    assert {*whole.say} - {*less.say} == {plans.WITH_GROUPS[0]}
    wrong = [
        {trouble for trouble, _ in plans.said(20, "practice", groups=True, writing=now).wrong}
        for now in (True, False)
    ]
    assert wrong[0] - wrong[1] == {"The model is still writing."}


def test_no_screen_uses_the_word_that_pages_avoid():
    every = repr(plans.PLANS) + repr(plans.SCREENS) + limits.in_words() + limits.CONSENT
    assert "comparison" not in every.lower()


def test_bounds_come_from_the_environment_where_they_make_sense(monkeypatch):
    assert limits.people() == 100 and "100 people" in limits.in_words()
    for given, then in (("30", 30), ("0", 100), ("-4", 100), ("many", 100), ("99999", 1_000)):
        monkeypatch.setenv("OPOSSUM_ROOM_PEOPLE", given)
        assert limits.people() == then
    assert len(limits.CONSENT) <= limits.CONSENT_LENGTH
