"""A session of before today's limits opens: what is not allowed any more is brought within them or
left out, a note says so, and everything else is there.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from rlhf_core.__main__ import main
from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange import taking_in
from rlhf_core.judging.preferences import Pair, is_weight
from rlhf_core.session import judged, saving
from rlhf_core.session.older_limits import imported_within, rankings_within
from rlhf_core.session.state import Session
from rlhf_core.store import bundle

FILES = [{"file": "one.csv", "pairs": 3}, {"file": "two.csv", "pairs": 2}]


def pair(number: int, weight: float) -> dict:
    return Pair("A cat is", f" {number}.", " x.", "a", weight, annotator="Lee").to_dict()


def ranking(name: str, outputs: int) -> dict:
    everyone = list(range(outputs))
    return {
        "id": name,
        "prompt": "A cat is",
        "candidates": [f" number {index}." for index in everyone],
        "shown": everyone,
        "groups": [[index] for index in everyone],
        "brief": "biology-homework",
    }


def older(directory: Path, weights: list[float], rankings: list[dict] = ()) -> Path:
    """A bundle with these weights of its imported pairs, as an older version wrote it."""
    session = Session(directory=directory)
    session.asked.user_prompts = ["A yak is"]
    session.judged.imports = list(FILES)
    place = saving.save(session)
    contents = bundle.read_bundle(place)
    run = contents["run"]
    run["state"]["judged"]["imported"] = len(weights)
    rows = [pair(number, weight) for number, weight in enumerate(weights)]
    return bundle.write_bundle(place, run=run, preferences=rows, rankings=list(rankings))


def test_weights_and_long_rankings_of_before_no_longer_keep_a_session_shut(tmp_path):
    place = older(
        tmp_path / "run",
        [2.0, 0.0, 1e6, 0.5, 0.0],
        [ranking("set-1", 3), ranking("set-2", 150), ranking("set-3", 100)],
    )
    session = saving.load(place)
    assert [one.weight for one in session.judged.imported] == [2.0, 100, 0.5]
    assert [one.a for one in session.judged.imported] == [" 0.", " 2.", " 3."]
    assert [one.id for one in session.judged.rankings] == ["set-1", "set-3"]
    assert session.asked.user_prompts == ["A yak is"]
    assert session.take_note() == (
        "A ranking of more than 100 outputs, the most today, is left out. 2 imported pairs"
        " weighed nothing: they are left out. An imported pair weighed more than 100, the"
        " most today: it is set to 100."
    )
    # Each file still gives back its own.
    assert session.judged.imports == [
        {"file": "one.csv", "pairs": 2},
        {"file": "two.csv", "pairs": 1},
    ]
    assert taking_in.give_back(session)["file"] == "two.csv"
    assert [one.a for one in session.judged.imported] == [" 0.", " 2."]
    # Saved, it is a session of today.
    saving.save(session)
    again = saving.load(place)
    assert again.note == "" and judged.pairs(again) == judged.pairs(session)


def test_the_command_line_says_so_too(tmp_path, capfd):
    place = older(tmp_path / "run", [1.0, 0.0])
    main(["score", "--bundle", str(place), "--prompt", "A cat is", "--text", " a pet."])
    assert "An imported pair weighed nothing: it is left out." in capfd.readouterr().err


def test_every_weight_comes_within_the_limits_and_as_near_as_may_be():
    draw = random.Random(0)
    weights = [5e-324, 1 / 11_175, *(10 ** draw.uniform(-6, 4) for _ in range(500))]
    kept, _, note = imported_within([pair(0, weight) for weight in weights], [])
    for before, row in zip(weights, kept, strict=True):
        now = row["weight"]
        assert is_weight(now)
        if is_weight(before):
            assert now == before
        elif before > 1:
            assert now == 100
        else:  # a little more, and never more than in the shortest ranking that would do
            assert before < now <= max(1.2 * before, 1 / 5_050)
    assert "raised to them" in note


def test_what_is_allowed_stays_as_it_is_and_what_is_wrong_is_still_named(tmp_path):
    rows = [pair(0, 1.0), pair(1, 1 / 36), {**pair(2, 1.0), "weight": None}, {"chosen": "x"}]
    assert imported_within(rows, FILES) == (rows, FILES, "")
    assert rankings_within([ranking("set-1", 100), "no ranking"])[1] == ""
    place = older(tmp_path / "run", [1.0])
    run = bundle.read_bundle(place)["run"]
    bundle.write_bundle(place, run=run, preferences=[{**pair(0, 1.0), "weight": "heavy"}])
    with pytest.raises(PreferenceError, match="row 1: the weight is 'heavy'"):
        saving.load(place)
