"""The lab "Speed and accuracy": the plan, the two blocks, the clock, and what it shows."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from rlhf_core.common.errors import InputError
from rlhf_core.labs import speed_accuracy as lab
from rlhf_core.session import saving
from rlhf_core.session.state import Session


def play(session: Session, right, seconds: float, *, most: int = 99) -> None:
    """Answer the block that is going on. ``right(number in the run)``: answer it rightly?"""
    stage = lab.runs_of(session)[-1]["stage"]
    while (
        most
        and lab.runs_of(session)[-1]["stage"] == stage
        and (asked := lab.now(lab.runs_of(session)[-1]))
    ):
        better_left = asked["left"] == asked["item"].better
        lab.answer(
            session, "a" if better_left == right(asked["number"]) else "b", seconds, asked["number"]
        )
        most -= 1


def whole_run(
    who: str = "you",
    relaxed=lambda n: True,
    clock=lambda n: True,
    pace: tuple[float, float] = (6.0, 2.0),
    session: Session | None = None,
) -> Session:
    session = session or Session()
    lab.begin(session, who, seed=len(lab.runs_of(session)))
    play(session, relaxed, pace[0])
    lab.start_clock(session)
    play(session, clock, pace[1])
    return session


def test_a_run_has_each_item_once_and_is_balanced():
    for seed in range(20):
        items = lab.plan(seed)
        assert len({(row["brief"], row["item"]) for row in items}) == 24 == len(items)
        for block in lab.BLOCKS:
            rows = [row for row in items if row["block"] == block]
            assert (
                Counter(row["brief"] for row in rows) == {slug: 6 for slug in lab.BRIEFS}
                and sum(row["left"] for row in rows) == 6
            )
        assert [row["block"] for row in items] == ["relaxed"] * 12 + ["clock"] * 12
    assert lab.plan(1) == lab.plan(1) != lab.plan(2)


def test_a_whole_run():
    session = whole_run(relaxed=lambda n: n != 0, clock=lambda n: n % 2 == 0)
    (run,) = lab.runs_of(session)
    found = lab.results(run)
    assert run["stage"] == "done" and run["deadline"] == 12 * 3.0
    assert (found["relaxed"]["right"], found["clock"]["right"]) == (11, 6) and found[
        "difference"
    ] == pytest.approx(-5 / 12)
    assert (found["relaxed"]["seconds"], found["clock"]["seconds"]) == (6.0, 2.0)
    assert "speed cost accuracy" in found["words"] and found["high"] < 0


@pytest.mark.parametrize(
    ("relaxed", "clock", "pace", "said"),
    [
        (lambda n: True, lambda n: n != 12, (6.0, 2.0), "too few to tell"),
        (lambda n: n % 3 == 0, lambda n: True, (6.0, 2.0), "practice outweighed the hurry"),
        (lambda n: True, lambda n: False, (2.0, 2.4), "You did not hurry"),
        (lambda n: True, lambda n: True, (6.0, 2.0), "right just as often"),
    ],
)
def test_words(relaxed, clock, pace, said):
    session = Session()
    lab.begin(session, "you", 5, deadline=False)
    play(session, relaxed, pace[0])
    lab.start_clock(session)
    play(session, clock, pace[1])
    assert said in lab.results(lab.runs_of(session)[0])["words"]


def test_the_clock_is_half_ones_own_pace_within_limits_and_can_be_switched_off():
    for pace, deadline in ((1.0, 18.0), (5.0, 30.0), (60.0, 48.0)):
        session = Session()
        lab.begin(session, "you", 0)
        play(session, lambda n: True, pace)
        lab.start_clock(session)
        assert lab.runs_of(session)[0]["deadline"] == deadline
    session = Session()
    lab.begin(session, "you", 0, deadline=False)
    play(session, lambda n: True, 5.0)
    lab.start_clock(session)
    play(session, lambda n: True, 1000.0)
    assert (
        lab.runs_of(session)[0]["deadline"] is None
        and lab.block_of(lab.runs_of(session)[0], "clock")["count"] == 12
    )


def test_an_answer_after_the_time_does_not_count_and_ends_the_block():
    session = Session()
    lab.begin(session, "you", 0)
    play(session, lambda n: True, 4.0)
    lab.start_clock(session)  # 24 s
    play(session, lambda n: True, 10.0)
    (run,) = lab.runs_of(session)
    assert (
        run["stage"] == "done"
        and lab.block_of(run, "clock")["count"] == 2
        and lab.used(run) == 20.0
    )
    assert lab.results(run)["words"].startswith("Time ran out after 2 of 12 answers. Against")


def test_a_block_that_nobody_answered_in_time_says_so():
    session = Session()
    lab.begin(session, "you", 0)
    play(session, lambda n: True, 4.0)
    lab.start_clock(session)
    lab.stop(session, out_of_time=True)
    (run,) = lab.runs_of(session)
    assert lab.results(run)["words"].startswith("Time ran out before your first answer")
    assert "Only one block has answers" in lab.results(run)["words"]


def test_late_presses_and_wrong_numbers_do_nothing():
    session = Session()
    lab.begin(session, "you", 0)
    lab.answer(session, "a", 1.0, 0)
    lab.answer(session, "b", 1.0, 0)
    lab.answer(session, "tie", 1.0, 1)
    assert len(lab.runs_of(session)[0]["answers"]) == 1
    lab.start_clock(session)
    assert lab.runs_of(session)[0]["stage"] == "relaxed", (
        "the clock does not start before the first block is done"
    )


def test_stopping_half_way_keeps_what_was_done_and_a_reload_finds_it(tmp_path):
    session = Session()
    lab.begin(session, "you", 0)
    play(session, lambda n: True, 2.0, most=5)
    saving.save(session, tmp_path / "bundle")
    again = saving.load(tmp_path / "bundle")
    assert lab.now(lab.runs_of(again)[0])["number"] == 5
    assert again.labs == json.loads(json.dumps(session.labs))
    lab.stop(again)
    (run,) = lab.runs_of(again)
    assert (
        run["stage"] == "done"
        and len(run["answers"]) == 5
        and "Only one block" in lab.results(run)["words"]
    )
    lab.begin(again, "you", 1)
    lab.stop(again)
    assert len(lab.runs_of(again)) == 1, "a run without an answer is forgotten"


def test_the_board_counts_speed_and_the_story_counts_right_answers():
    session = whole_run("Ada", pace=(6.0, 3.0))
    whole_run("Ben", clock=lambda n: False, pace=(6.0, 1.0), session=session)
    whole_run("Ben", pace=(6.0, 0.5), session=session)  # knows the answers by now
    rows = lab.board(lab.runs_of(session))
    assert [(row["who"], row["right"], row["count"]) for row in rows] == [
        ("Ben", 0, 12),
        ("Ada", 12, 12),
    ] and rows[0]["a_minute"] == pytest.approx(60)
    assert lab.runs_of(session)[2]["again"] and not lab.runs_of(session)[1]["again"]
    assert lab.story(rows).startswith("The fastest came last") and "luck" not in lab.story(rows)
    assert "no race yet" in lab.story(rows[:1])


def test_the_story_does_not_oversell():
    few = [
        {"who": "x", "seconds": 1.0, "right": 5, "count": 6, "share": 5 / 6},
        {"who": "y", "seconds": 2.0, "right": 6, "count": 6, "share": 1.0},
    ]
    assert lab.story(few).startswith("The fastest came last") and "may be luck" in lab.story(few)
    assert lab.story([{**few[1], "seconds": 0.5}, few[0]]).startswith(
        "The fastest was also right most often"
    )
    middle = [
        {**few[0], "right": 3, "share": 0.5},
        {**few[0], "seconds": 3.0, "right": 1, "share": 1 / 6},
        few[1],
    ]
    assert lab.story(middle).startswith("The fastest was not the most accurate")


def test_a_session_keeps_so_many_runs(monkeypatch):
    monkeypatch.setattr(lab, "MOST_RUNS", 1)
    session = whole_run()
    with pytest.raises(InputError, match="Start over"):
        lab.begin(session, "you", 1)
