"""Which pairs come to whom: the same on any server, spread over the room, checks at their share."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

from room_people import sets

from rlhf_core.judging import briefs, gold_items
from rlhf_core.rooms import pairs

BRIEF = briefs.PRESETS["biology-homework"]


def rows(made: list[dict]) -> list:
    return [SimpleNamespace(**row) for row in made]


def dealt(person: int, seed: int = 3, shares=(0.15, 0.4)) -> list:
    every = rows(pairs.of_sets(sets(count=36), seed)) + rows(pairs.gold(0, BRIEF, seed))
    asked = [pair for pair in every if pair.purpose in ("rank", "gold")]
    return pairs.order(seed, person, asked, *shares)


def test_three_answers_give_three_pairs_of_which_some_are_everybodys():
    made = pairs.of_sets(sets(count=36), seed=1)
    assert len(made) == 108 == len({row["pair_id"] for row in made})
    shared = [row for row in made if row["shared"]]
    assert len(shared) == pairs.SHARED and len({row["about"]["set"] for row in shared}) == 16
    assert not any(row["shared"] for row in pairs.of_sets(sets(), 1, rows(made)))


def test_the_same_answers_are_the_same_pairs():
    assert pairs.of_sets(sets(), 1) == pairs.of_sets(sets(), 1)
    assert {row["pair_id"] for row in pairs.of_sets(sets(), 1)} == {
        row["pair_id"] for row in pairs.of_sets(sets(), 2)
    }


def test_known_answers_are_the_briefs_own_and_their_side_is_drawn():
    made = pairs.gold(0, BRIEF, 5)
    assert len(made) == len(gold_items.gold_items(BRIEF.slug)) == 12
    assert [row["purpose"] for row in made].count("practice") == pairs.PRACTICED
    better = {item.prompt: item.better for item in gold_items.gold_items(BRIEF.slug)}
    for row in made:
        assert row[row["right_choice"]] in better.values()
    assert {row["right_choice"] for row in made} == {"a", "b"}


def test_a_brief_that_was_changed_has_no_known_answers():
    assert pairs.gold(0, briefs.revised(BRIEF, {"prefer": "Jokes."}), 5) == []


def test_a_person_gets_every_pair_once_and_the_same_on_any_server():
    first = dealt(4)
    assert [pair.pair_id for pair in first] == [pair.pair_id for pair in dealt(4)]
    assert len({pair.pair_id for pair in first}) == len(first) == 108 + 9
    assert [pair.pair_id for pair in first] != [pair.pair_id for pair in dealt(5)]


def test_checks_and_everybodys_pairs_come_at_their_shares():
    for person in range(1, 12):
        begin = dealt(person)[:40]
        kinds = Counter("gold" if p.purpose == "gold" else p.shared for p in begin)
        assert 5 <= kinds["gold"] <= 7 and 12 <= kinds[True] <= 16 and kinds[False] >= 18


def test_no_checks_where_the_host_wants_none():
    begin = dealt(2, shares=(0.0, 0.4))[:60]
    assert not any(pair.purpose == "gold" for pair in begin)


def test_few_people_cover_all_pairs_between_them():
    seen = Counter()
    for person in range(1, 13):
        seen.update(pair.pair_id for pair in dealt(person)[:30] if not pair.shared)
    assert len(seen) >= 80 and max(seen.values()) <= 6


def test_a_check_cannot_be_told_by_its_place():
    places = Counter(
        next(n for n, pair in enumerate(dealt(person)) if pair.purpose == "gold")
        for person in range(1, 40)
    )
    assert len(places) >= 3
