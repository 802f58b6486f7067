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


def test_no_screen_uses_the_word_that_pages_avoid():
    every = repr(plans.PLANS) + repr(plans.SCREENS) + limits.in_words() + limits.CONSENT
    assert "comparison" not in every.lower()


def test_bounds_come_from_the_environment_where_they_make_sense(monkeypatch):
    assert limits.people() == 100 and "100 people" in limits.in_words()
    for given, then in (("30", 30), ("0", 100), ("-4", 100), ("many", 100), ("99999", 1_000)):
        monkeypatch.setenv("OPOSSUM_ROOM_PEOPLE", given)
        assert limits.people() == then
    assert len(limits.CONSENT) <= limits.CONSENT_LENGTH
