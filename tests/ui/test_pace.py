"""Pages look for news as they like, until all of them together ask too much."""

from __future__ import annotations

import pytest

from ui import pace


@pytest.fixture(autouse=True)
def nobody_yet():
    pace._polls.clear()
    yield
    pace._polls.clear()


def test_one_page_looks_as_often_as_it_likes() -> None:
    pace.polled()

    assert pace.every(0.6) == 0.6
    assert pace.every(None) is None


def test_a_crowd_looks_less_often_and_never_more_than_the_budget_allows() -> None:
    for _ in range(int(4 * pace.BUDGET * pace.WINDOW)):
        pace.polled()

    assert pace.every(2.0) == pytest.approx(8.0, rel=0.05)


def test_when_the_crowd_has_left_pages_are_lively_again(monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    for _ in range(int(4 * pace.BUDGET * pace.WINDOW)):
        pace.polled()
    now[0] += pace.WINDOW + 1

    assert pace.every(2.0) == 2.0
