"""Marks where even the cautious end of an interval says so, and nowhere else."""

from __future__ import annotations

import pytest

from rlhf_core.rooms.marks import marks
from rlhf_core.store.room_counts import OfPerson

CAREFUL = OfPerson(1, 30, 3, 26, 13, 0, 30, 5, 6, 2)


def told(**changes) -> str:
    return " ".join(marks(CAREFUL._replace(**changes)))


def test_who_judges_with_care_has_no_mark():
    assert not marks(CAREFUL)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"left": 25}, "The left answer in 25 of 26."),
        ({"left": 0}, "The right answer in 26 of 26."),
        ({"decided": 1, "left": 1}, "A tie in 29 of 30."),
        ({"fast": 25}, "Under a second in 25 of 30."),
        ({"gold_right": 2}, "As the known answers say in 2 of 6."),
        ({"skipped": 200}, "Skipped 200 of 230."),
    ],
)
def test_each_kind_of_spam_is_told_with_its_numbers(changes, says):
    assert told(**changes) == says


@pytest.mark.parametrize(
    "changes",
    [
        {"left": 18},  # chance may well give that
        {"decided": 4, "left": 4, "judged": 4},  # too few
        {"fast": 15},
        {"gold_right": 4},  # somebody careful may miss two of six
        {"gold_right": 0, "gold_of": 4},
        {"skipped": 10},
    ],
)
def test_what_chance_may_give_is_no_mark(changes):
    assert told(**changes) == ""


def test_several_marks_stand_beside_each_other():
    both = marks(CAREFUL._replace(left=26, fast=30, gold_right=1))
    assert len(both) == 3
