"""The lab "Instructions matter": the coin, the two passes, what twelve pairs show; and the models
on the bundled model.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.judging import briefs
from rlhf_core.judging.register import judge
from rlhf_core.labs import instructions_matter as lab_of_briefs
from rlhf_core.labs import instructions_models
from rlhf_core.labs.instructions_matter import answer, begin, now, results, undo
from rlhf_core.session import saving
from rlhf_core.session.state import Session

BIOLOGY = briefs.PRESETS["biology-homework"]


def begun(seed: int = 1, without: int = 0) -> Session:
    """A session with twelve made-up pairs, of which the text " right" is the reference; the last
    ``without`` have none.
    """
    session = Session(BIOLOGY)
    pairs = [
        {
            "prompt": f"p{n}",
            "texts": [" right", " wrong"],
            "reference": 0 if n < 12 - without else None,
        }
        for n in range(12)
    ]
    begin(session, BIOLOGY, pairs, seed)
    return session


def judge_all(session: Session, which: str, text_of, seconds=lambda pair: 2.0) -> None:
    """Answer everything under ``which``; ``text_of(pair)``: 0, 1 or None for a tie."""
    while (asked := now(session.labs["instructions_matter"])) and asked["which"] == which:
        text = text_of(asked["pair"])
        choice = "tie" if text is None else "a" if asked["shown"][0] == text else "b"
        answer(session, choice, seconds(asked["pair"]), (which, asked["pair"]))


def both(session: Session, vague, precise, times=None) -> dict:
    lab = session.labs["instructions_matter"]
    for which in lab["order"]:
        judge_all(
            session,
            which,
            {"vague": vague, "precise": precise}[which],
            (times or {}).get(which, lambda pair: 2.0),
        )
    return results(session.labs["instructions_matter"])


# --- the design -----------------------------------------------------------------------------------


def test_a_coin_decides_the_order_and_both_orders_come():
    orders = Counter(begun(seed).labs["instructions_matter"]["order"][0] for seed in range(200))
    assert set(orders) == {"vague", "precise"}
    assert 70 <= orders["vague"] <= 130  # 200 throws: outside with p < 0.0001


def test_every_pair_comes_once_under_each_brief_in_another_order_on_sides_drawn_anew():
    session, seen = begun(), {"vague": [], "precise": []}
    while asked := now(session.labs["instructions_matter"]):
        seen[asked["which"]].append((asked["pair"], asked["shown"][0]))
        answer(session, "a", 1.0, (asked["which"], asked["pair"]))
    pairs = {which: [pair for pair, _ in rows] for which, rows in seen.items()}
    assert (
        sorted(pairs["vague"]) == sorted(pairs["precise"]) == list(range(12))
        and pairs["vague"] != pairs["precise"]
    )
    sides = {which: dict(rows) for which, rows in seen.items()}
    assert 0 < sum(sides["vague"][n] != sides["precise"][n] for n in range(12)) < 12


def test_undo_stays_within_the_part_and_late_presses_do_nothing():
    session = begun()
    first = now(session.labs["instructions_matter"])
    assert not undo(session)
    answer(session, "a", 1.0, (first["which"], first["pair"]))
    answer(session, "b", 1.0, (first["which"], first["pair"]))  # the card has moved on
    assert len(session.labs["instructions_matter"]["answers"][first["which"]]) == 1
    assert undo(session) and now(session.labs["instructions_matter"]) == first
    judge_all(session, first["which"], lambda pair: 0)
    assert not undo(session), "the first part is closed once the second has begun"
    with pytest.raises(InputError):
        asked = now(session.labs["instructions_matter"])
        answer(session, "both_bad", 1.0, (asked["which"], asked["pair"]))


def test_half_way_is_found_again_after_a_restart(tmp_path):
    session = begun()
    first = now(session.labs["instructions_matter"])
    answer(session, "tie", 1.25, (first["which"], first["pair"]))
    saving.save(session, tmp_path / "bundle")
    again = saving.load(tmp_path / "bundle")
    assert again.labs == json.loads(json.dumps(session.labs))
    assert now(again.labs["instructions_matter"])["done"] == 1


def test_a_brief_of_ones_own_without_a_rule_takes_one_of_ours():
    own = briefs.from_dict({"slug": "mine", "title": "Mine", "prefer": "rhymes"})
    assert lab_of_briefs.precise_brief(Session(own)).slug == "biology-homework"
    assert lab_of_briefs.precise_brief(Session(briefs.PRESETS["meme-bot"])).slug == "meme-bot"


# --- the statistics -------------------------------------------------------------------------------


def test_a_wording_that_changes_everything_is_seen():
    found = both(begun(), vague=lambda pair: 1, precise=lambda pair: 0)
    assert (found["same"], found["right"], found["difference"]) == (
        0,
        {"vague": 0, "precise": 12},
        1.0,
    )
    assert (
        found["difference_low"] > 0.5
        and "closer to what its author wants" in found["words"]["reference"]
    )


def test_a_wording_that_changes_nothing_is_told_as_that_and_not_as_proof():
    found = both(begun(), vague=lambda pair: 0, precise=lambda pair: 0)
    assert found["same"] == 12 and not found["changed"]
    assert (
        "changed nothing here" in found["words"]["agreement"]
        and "24%" in found["words"]["agreement"]
    )  # Wilson's lower bound of 12 of 12 is 75.75%
    assert "no detectable change" in found["words"]["reference"]


def test_a_few_changes_are_too_few_to_tell():
    found = both(begun(), vague=lambda pair: 0 if pair > 2 else 1, precise=lambda pair: 0)
    assert (
        found["same"] == 9
        and found["difference"] == pytest.approx(3 / 12)
        and found["difference_low"] < 0.05
    )
    found = both(
        begun(), vague=lambda pair: 0 if pair > 1 else 1, precise=lambda pair: 0 if pair < 11 else 1
    )
    assert found["words"]["reference"].startswith(
        "Too few to tell: 2 pairs moved towards the precise brief and 1 away"
    )


def test_ties_are_no_right_answers_and_pairs_without_a_reference_are_not_counted():
    found = both(begun(without=8), vague=lambda pair: None, precise=lambda pair: 0)
    assert (
        found["with_reference"] == 4
        and found["right"] == {"vague": 0, "precise": 4}
        and "only 4 of the pairs" in found["words"]["reference"]
    )


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6])
def test_seconds_are_compared_pair_by_pair_and_the_order_is_named(seed):
    session = begun(seed)
    second = session.labs["instructions_matter"]["order"][1]
    found = both(
        session,
        lambda pair: 0,
        lambda pair: 0,
        {"vague": lambda pair: 1.0 + pair, "precise": lambda pair: 2.0 + 2 * pair},
    )
    assert found["ratio"] == {"ratio": 2.0, "low": 2.0, "high": 2.0, "count": 12}
    words = found["words"]["seconds"]
    assert "longer under the precise brief: 2.0 times" in words
    assert ("although you knew the pairs by then" in words) == (second == "precise") and (
        "can't tell the two apart" in words
    ) == (second == "vague")
    assert f"then the {second} one" in found["words"]["order"]


def test_results_half_way():
    session = begun()
    assert results(session.labs["instructions_matter"])["count"] == 0
    judge_all(session, session.labs["instructions_matter"]["order"][0], lambda pair: 0)
    found = results(session.labs["instructions_matter"])
    assert (
        found["count"] == 0
        and found["difference"] is None
        and "No pair" in found["words"]["agreement"]
    )


# --- with the bundled model -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def judged():
    """Twelve pairs that the bundled model wrote: read as the rule does under the precise brief, and
    the other way round under the vague one.
    """
    session = Session(BIOLOGY)
    (record,) = [
        item
        for item in instructions_models.write_pairs(session, 3)
        if not isinstance(item, Progress)
    ]
    lab = session.labs["instructions_matter"]
    for which in lab["order"]:
        judge_all(
            session,
            which,
            lambda n, which=which: (
                lab["pairs"][n]["reference"]
                if which == "precise"
                else 1 - lab["pairs"][n]["reference"]
            ),
        )
    return session, record


def test_the_pairs_are_of_twelve_prompts_and_the_reference_is_the_rules(judged):
    session, record = judged
    pairs = session.labs["instructions_matter"]["pairs"]
    assert (
        record["count"] == 12 == len({pair["prompt"] for pair in pairs})
        and record["with_reference"] == 12
    )
    for pair in pairs:
        better, worse = pair["texts"][pair["reference"]], pair["texts"][1 - pair["reference"]]
        assert (
            judge(better, "fact") > judge(worse, "fact")
            and pair["prompt"] in BIOLOGY.training_prompts
        )
    assert {pair["reference"] for pair in pairs} == {0, 1}


def test_opposite_answers_make_opposite_models(judged, monkeypatch):
    session, _ = judged
    monkeypatch.setattr(
        "rlhf_core.labs.instructions_models.RewardModelSettings", lambda: instructions_settings()
    )
    (record,) = [
        item
        for item in instructions_models.compare_models(session)
        if not isinstance(item, Progress)
    ]
    assert record["precise"]["accuracy"] + record["vague"]["accuracy"] == pytest.approx(1.0), (
        "mirrored votes give the mirrored head"
    )
    assert (
        record["precise"]["accuracy"] > 0.7
        and record["low"] > 0
        and "knows better what the brief wants" in record["words"]
    )
    assert (
        record["precise"]["low"] <= record["precise"]["accuracy"] <= record["precise"]["high"]
        and record["tests"] >= 20
    )
    assert session.labs["instructions_matter"]["models"] == record
    json.dumps(record)


def instructions_settings():
    from rlhf_core.common.settings import RewardModelSettings

    return RewardModelSettings(reference_samples=192)


def test_a_brief_under_which_all_are_ties_has_no_model(judged, monkeypatch):
    session, _ = judged
    lab = session.labs["instructions_matter"]
    other = Session(BIOLOGY)
    ties = [{**row, "text": None} for row in lab["answers"]["vague"]]
    answers = {**lab["answers"], "vague": ties}
    other.labs = {"instructions_matter": {**lab, "answers": answers, "models": None}}
    monkeypatch.setattr(
        "rlhf_core.labs.instructions_models.RewardModelSettings", lambda: instructions_settings()
    )
    (record,) = [
        item for item in instructions_models.compare_models(other) if not isinstance(item, Progress)
    ]
    assert (
        record["vague"] is None
        and record["difference"] is None
        and "under the vague brief prefer nothing" in record["words"]
    )


def test_tests_are_of_prompts_that_nobody_judged_and_no_prompt_has_too_many():
    names = ["p"] * 6 + ["q"] * 20 + ["r"] * 4
    texts = [
        (
            f" a small animal that lives in the forest and eats plants number {n}."
            if n % 2
            else f" my ex with zero plans and vibes {n}."
        )
        for n in range(30)
    ]
    rows = instructions_models.held_out_pairs(names, texts, "fact", {"p"}, 0)
    assert (
        rows
        and all(names[i] == names[j] != "p" for i, j in rows)
        and all(judge(texts[i], "fact") > judge(texts[j], "fact") for i, j in rows)
    )
    assert Counter(names[i] for i, _ in rows)["q"] <= instructions_models.TESTS_A_PROMPT
