"""What the load benchmark makes of what it heard: percentiles, targets, what is stored."""

from __future__ import annotations

import json
import math

import pytest

from benchmarks.__main__ import PARTS, main
from benchmarks.load import main as load
from benchmarks.load import soak, stored
from benchmarks.load.figures import Figures, at
from rlhf_core.session import asked, judged
from rlhf_core.session.in_database import InDatabase
from rlhf_core.session.state import Session
from rlhf_core.store.blobs import Blobs
from rlhf_core.store.database import Database, url_of


def test_percentiles_are_values_that_came():
    assert at(range(1, 101), 0.95) == 96 and at([3.0], 0.95) == 3.0
    assert math.isnan(at([], 0.5))


def test_a_target_is_missed_by_the_95th_percentile_not_by_the_median(capsys):
    figures = Figures()
    figures.begin("room", "words")
    figures.times("next pair", [0.1] * 18 + [0.9] * 2, p95=0.5)
    figures.times("never", [])
    middle, worst = figures.all
    assert (middle.value, middle.missed) == (0.1, False)
    assert (worst.value, worst.missed) == (0.9, True)
    said = capsys.readouterr().out
    assert said.count("MISSED") == 1 and "never happened" in said


def test_a_figure_that_is_none_is_a_miss():
    figures = Figures()
    figures.add("last", float("nan"), target=1.0)
    assert figures.all[0].missed


def test_troubles_are_counted_and_written(tmp_path):
    figures = Figures()
    figures.begin("room", "words")
    figures.troubles(["broken", "broken", "gone"])
    figures.write(tmp_path / "found.json", {"people": 3})
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["options"] == {"people": 3} and found["machine"]["cores"] >= 1
    assert [(row["name"], row["value"]) for row in found["figures"]] == [("errors", 3)]
    assert "room: 2 x broken" in found["notes"]


def test_the_slope_is_that_of_a_line():
    assert soak.slope([(0, 5.0), (10, 7.0), (20, 9.0)]) == pytest.approx(0.2)
    assert soak.slope([(3, 5.0)]) == 0.0


def test_an_error_in_the_servers_log_is_told_with_its_place():
    log = """Started
Traceback (most recent call last):
  File "page.py", line 3, in <module>
    brief = PRESETS[slug]
KeyError: 'gone'
Goes on
"""
    assert soak.tracebacks(log) == [
        "File \"page.py\", line 3, in <module> | brief = PRESETS[slug] | KeyError: 'gone'"
    ]
    assert soak.tracebacks("all well") == []


def test_what_is_stored_is_read_from_the_database(tmp_path):
    store = InDatabase(Database(url_of(tmp_path)), Blobs(str(tmp_path / "blobs")))
    session = Session()
    session.store = store
    for number in range(2):
        row = asked.add_set(session, "A yak is", [f" {number}.", " b."], [True, True], 0)
        judged.add_ranking(session, row["id"], groups=[[0], [1]])
    with session.change():
        session.tuned.metrics = [{"step": 0}, {"step": 1}]
    third = asked.add_set(session, "A yak is", [" 3.", " b."], [True, True], 0)
    judged.add_ranking(session, third["id"], groups=[[0], [1]])
    judged.undo_ranking(session)
    assert stored.judgements(tmp_path, session.id) == ["set-1", "set-2"], "one was taken back"
    assert stored.steps(tmp_path, session.id) == [0, 1]
    assert stored.judgements(tmp_path, "") == stored.steps(tmp_path, "nobody") == []
    assert stored.judgements(tmp_path / "nowhere", session.id) == []


def test_every_part_has_a_limit_and_an_unknown_one_is_refused(capsys):
    args = load.parsed(["room", "--people", "3"])
    assert (args.parts, args.people) == (["room"], 3)
    assert all(load.limit(part, args) > 60 for part in load.PARTS)
    assert load.parsed(["--quick"]).people == 2
    for wrong in (["crowd"], ["--people", "0"], ["--every", "0"]):
        with pytest.raises(SystemExit):
            load.parsed(wrong)
    assert "There is no part 'crowd'" in capsys.readouterr().err


def test_two_checkouts_are_measured_by_turns_and_told_side_by_side(tmp_path, capsys):
    with pytest.raises(SystemExit):
        load.parsed(["room", "--against", str(tmp_path)])
    assert "There is no serve.py" in capsys.readouterr().err
    assert [side for side, _ in load.turns(load.parsed(["room"]))] == [""]
    (tmp_path / "serve.py").touch()
    args = load.parsed(["room", "--against", str(tmp_path), "--rounds", "2"])
    assert [side for side, _ in load.turns(args)] == ["this", "other", "other", "this"]
    assert load.turns(args)[1][1] == tmp_path.resolve()
    figures = Figures()
    for (side, _), value in zip(load.turns(args), (1.0, 5.0, 7.0, 2.0), strict=True):
        figures.begin("room", "words", side)
        figures.add("first page", value)
    figures.side_by_side()
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.split() == ["room:", "first", "page", "1.50", "6.00", "s"]


def test_all_benchmarks_at_once_leave_the_long_one_out(monkeypatch):
    ran = []

    class Part:
        @staticmethod
        def main(options):
            ran.append(options)
            return 0

    monkeypatch.setattr("importlib.import_module", lambda name: ran.append(name) or Part)
    assert main(["--quick", "--no-page"]) == 0
    assert PARTS["step"][0] in ran and PARTS["load"][0] not in ran
    assert main(["load", "--people", "2"]) == 0
    assert ran[-2:] == [PARTS["load"][0], ["--people", "2"]]
