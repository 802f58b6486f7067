"""Rates: what comes at once, what comes in the long run, and that a room of a hundred fits in."""

from ui import guards, rates


class Clock:
    def __init__(self):
        self.now = 50.0

    def __call__(self):
        return self.now


def test_so_many_at_once_and_so_many_a_minute():
    clock = Clock()
    buckets = rates.Buckets(rates.Rate(at_once=3, a_minute=6), clock)
    assert [buckets.take("a") for _ in range(3)] == [0.0] * 3
    assert buckets.wait("a") == buckets.take("a") == 10.0 and buckets.take("b") == 0.0
    clock.now += 4
    assert abs(buckets.take("a") - 6.0) < 1e-9
    clock.now += 6
    assert buckets.take("a") == 0.0 and buckets.take("a") > 0
    clock.now += 3600
    assert [buckets.take("a") > 0 for _ in range(4)] == [False] * 3 + [True], "no more saved up"


def test_only_so_many_are_remembered(monkeypatch):
    monkeypatch.setattr(rates, "MOST_KEYS", 2)
    buckets = rates.Buckets(rates.Rate(at_once=1, a_minute=1), Clock())
    assert [buckets.take(key) for key in "abc"] == [0.0] * 3
    assert buckets.take("c") > 0 and buckets.take("b") > 0
    assert buckets.take("a") == 0.0, "the one heard of least lately was forgotten"


def test_a_room_of_a_hundred_behind_one_address_meets_no_limit():
    """Everybody opens four tabs in one minute and gives a dozen files; then a judgement a second,
    each with a job or two behind it. A tab polls three charts at 0.6 s, and its owner types.
    """
    assert rates.TABS.at_once >= 100 * 4 and guards.MOST_TABS_OF_ADDRESS >= 100 * 4
    assert rates.UPLOADS_OF_ADDRESS.at_once >= 100 * 12 and rates.UPLOADS.at_once >= 3 * 12
    assert rates.JOBS.a_minute >= 2 * 60 and rates.JOBS_OF_ADDRESS.a_minute >= 100 * 60
    assert rates.RERUNS.a_minute >= 60 * (3 / 0.6 + 5)
