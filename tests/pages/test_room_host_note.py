"""docs/workshop.md says what the host's page says: plans and troubles stand once, as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlhf_core.rooms import plans

NOTE = (Path(__file__).resolve().parents[2] / "docs" / "workshop.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("minutes", plans.PLANS)
def test_every_plan_is_in_the_note_word_by_word(minutes):
    part = NOTE.split(f"### {minutes} minutes\n")[1].split("\n### ")[0]
    rows = [line for line in part.splitlines() if line.startswith("| ")][1:]
    for row, scene in zip(rows, plans.PLANS[minutes], strict=True):
        title = plans.SCREENS[scene.act].title
        assert row == f"| {title} | {scene.minutes} | {'<br>'.join(scene.say)} |"
    assert sum(scene.minutes for scene in plans.PLANS[minutes]) == minutes


def test_every_trouble_is_in_the_note():
    told = {wrong for scenes in plans.PLANS.values() for scene in scenes for wrong in scene.wrong}
    assert all(f"| {trouble} | {remedy} |" in NOTE for trouble, remedy in told)
