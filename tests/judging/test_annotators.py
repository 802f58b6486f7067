"""Several annotators: alpha as Krippendorff computed it by hand, agreement two by two, who splits
on what, and what most say.
"""

import json
import random
from itertools import permutations

import numpy as np
import pytest

from rlhf_core.judging.annotators import (
    alpha_interval,
    by_annotator,
    disagreements,
    judgements,
    krippendorff_alpha,
    majority_pairs,
    names,
    nominal_alpha,
    pairwise_agreement,
)
from rlhf_core.judging.preferences import Pair


def units(*people: str) -> list[list[str | None]]:
    """Rows of one annotator each, "." for a missing value, as units."""
    return [[None if value == "." else value for value in unit] for unit in zip(*people)]


def test_alpha_as_krippendorff_computed_it_by_hand():
    """Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011: examples A (binary), B
    (nominal) and C (nominal, four observers, missing values).
    """
    assert nominal_alpha(units("0100000010", "1110010000")) == pytest.approx(0.095, abs=5e-4)
    assert nominal_alpha(units("aabbdcccedda", "babbbccceddd")) == pytest.approx(0.692, abs=5e-4)
    assert nominal_alpha(
        units("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
    ) == pytest.approx(0.743, abs=5e-4)


def by_definition(rows: list[list]) -> float:
    """1 - observed / expected disagreement, straight from the definition: over all ordered pairs of
    values.
    """
    rows = [[v for v in row if v is not None] for row in rows]
    rows = [row for row in rows if len(row) > 1]
    values = [v for row in rows for v in row]
    observed = sum(
        sum(x != y for x, y in permutations(row, 2)) / (len(row) - 1) for row in rows
    ) / len(values)
    expected = sum(x != y for x, y in permutations(values, 2)) / (len(values) * (len(values) - 1))
    return 1 - observed / expected


def test_alpha_is_its_definition_and_undefined_where_nothing_varies():
    table = units("aab.cab", "abb.ca.", "aabcc.a")
    assert nominal_alpha(table) == pytest.approx(by_definition(table))
    assert (
        nominal_alpha(units("aaa", "aaa")) is None
        and nominal_alpha([]) is None
        and nominal_alpha(units("ab", "..")) is None
    )


def judged(who: str, choices: str, swap: bool = False) -> list[Pair]:
    """One person's choices on pairs 0, 1, ...: a, b, t(ie), n(either), s(kip), "." for none;
    ``swap``: with the sides swapped, so that a is still " x".
    """
    meaning = {"a": "a", "b": "b", "t": "tie", "n": "both_bad", "s": "skip"}
    pairs = []
    for i, letter in enumerate(choices):
        if letter != ".":
            choice = meaning[letter]
            x, y = f" x{i}", f" y{i}"
            pairs.append(
                Pair(f"p{i}", y, x, {"a": "b", "b": "a"}.get(choice, choice), annotator=who)
                if swap
                else Pair(f"p{i}", x, y, choice, annotator=who)
            )
    return pairs


def test_judgements_are_about_texts_and_not_sides():
    table = judgements(
        [*judged("Ada", "abtn"), *judged("Kim", "abtn", swap=True), *judged("Bo", "ssss")]
    )
    assert (
        [unit["Ada"] for unit in table.values()]
        == [unit["Kim"] for unit in table.values()]
        == [0.0, 1.0, 2.0, 3.0]
    )
    assert all("Bo" not in unit for unit in table.values())


def test_pairwise_agreement():
    pairs = [*judged("Ada", "aabb.t"), *judged("Kim", "aaba.t", swap=True), *judged("Bo", "....a.")]
    first, *others = pairwise_agreement(pairs)
    assert (first["annotators"], first["agree"], first["of"], first["share"]) == (
        ("Ada", "Kim"),
        4,
        5,
        0.8,
    ) and first["low"] < 0.8 < first["high"]
    assert [(row["of"], row["share"]) for row in others] == [(0, None)] * 2
    assert names(pairs) == ["Ada", "Kim", "Bo"] and [
        len(p) for p in by_annotator(pairs).values()
    ] == [5, 5, 1]


def test_alpha_of_pairs_does_not_depend_on_which_text_comes_first_in_the_alphabet():
    ada, kim = "abababaabb", "ababababab"
    found = krippendorff_alpha([*judged("Ada", ada), *judged("Kim", kim)])
    flipped = (
        "".join({"a": "b", "b": "a"}[c] if i % 2 else c for i, c in enumerate(ada)),
        "".join({"a": "b", "b": "a"}[c] if i % 2 else c for i, c in enumerate(kim)),
    )
    assert krippendorff_alpha([*judged("Ada", flipped[0]), *judged("Kim", flipped[1])])[
        "alpha"
    ] == pytest.approx(found["alpha"])
    mirrored = [list(unit) for unit in zip(ada, kim)]
    mirrored += [["b" if v == "a" else "a" for v in unit] for unit in mirrored]
    assert (
        found["alpha"] == pytest.approx(by_definition(mirrored))
        and found["units"] == 10
        and found["annotators"] == 2
    )
    assert found["low"] < found["alpha"] < found["high"] and found == krippendorff_alpha(
        [*judged("Ada", ada), *judged("Kim", kim)]
    )


def test_what_alpha_is_said_to_mean():
    same = "ab" * 10
    assert krippendorff_alpha([*judged("Ada", same), *judged("Kim", same)])["alpha"] == 1
    assert (
        "agree closely"
        in krippendorff_alpha([*judged("Ada", "a" * 20), *judged("Kim", "a" * 20)])["words"]
    )  # all for " x": that is agreement too
    assert (
        "disagree too much"
        in krippendorff_alpha([*judged("Ada", same), *judged("Kim", same[::-1])])["words"]
    )
    assert krippendorff_alpha([*judged("Ada", "aba"), *judged("Kim", "aba")])["words"].startswith(
        "Too few to tell: 3 pairs"
    )
    assert (
        krippendorff_alpha(judged("Ada", "aba"))["alpha"] is None
        and "No two people" in krippendorff_alpha([])["words"]
    )
    ties = krippendorff_alpha([*judged("Ada", "tttttttt"), *judged("Kim", "tttttttt")])
    assert ties["alpha"] is None and "the same" in ties["words"]


def test_the_disagreement_table_has_the_most_even_split_first():
    pairs = [
        *judged("Ada", "aaat"),
        *judged("Kim", "abab", swap=True),
        *judged("Bo", "abbn"),
        *judged("Cy", "aba."),
    ]
    rows = disagreements(pairs)
    assert json.loads(json.dumps(rows)) and [
        (row["prompt"], row["split"], row["majority"]) for row in rows
    ] == [("p3", pytest.approx(2 / 3), None), ("p1", 0.25, "second"), ("p2", 0.25, "first")]
    assert (
        rows[1]["votes"] == {"first": ["Ada"], "second": ["Kim", "Bo", "Cy"]}
        and rows[1]["words"] == "Ada: the first; Kim, Bo, Cy: the second"
    )


def test_the_majority_is_more_than_half_and_the_rest_is_named():
    pairs = [*judged("Ada", "aaatt"), *judged("Kim", "abab.", swap=True), *judged("Bo", "bbbn.")]
    kept, dropped = majority_pairs(pairs)
    assert [(p.prompt, p.a, p.choice, p.annotator) for p in kept] == [
        ("p0", " x0", "a", "majority"),
        ("p1", " y1", "a", "majority"),
        ("p2", " x2", "a", "majority"),
    ]
    assert [(row["prompt"], row["why"]) for row in dropped] == [
        ("p3", "no answer has more than half of 3 votes"),
        ("p4", "only 1 judged it"),
    ]
    assert (
        majority_pairs([*judged("Ada", "a"), *judged("Kim", "b")])[1][0]["why"]
        == "no answer has more than half of 2 votes"
    )


def test_the_interval_of_alpha_is_that_of_the_package_taken_draw_by_draw():
    lot, mirror = random.Random(3), {0.0: 1.0, 1.0: 0.0, 2.0: 2.0, 3.0: 3.0}
    units = [
        [lot.choice([0.0, 0.0, 1.0, 2.0, 3.0]) for _ in range(lot.choice([2, 3, 4]))]
        for _ in range(15)
    ]
    low, high = alpha_interval(units, seed=5, draws=60)
    drawn = np.random.default_rng(5).multinomial(15, np.full(15, 1 / 15), size=60)
    alphas = []
    for row in drawn:
        chosen = [unit for unit, times in zip(units, row) for _ in range(times)]
        alphas.append(
            nominal_alpha([*chosen, *([mirror[value] for value in unit] for unit in chosen)])
        )
    assert (low, high) == pytest.approx(tuple(np.quantile(alphas, [0.025, 0.975])), abs=1e-12)
