"""Judgements: what a ranking means as pairs, what trains and what does not, and files whose
mistakes are named by line.
"""

import json
import re

import pytest

from rlhf_core.common.errors import PreferenceError
from rlhf_core.judging.contradictions import contradictions
from rlhf_core.judging.preferences import (
    MOST_CANDIDATES,
    Pair,
    Ranking,
    finished_texts,
    nothing_to_learn,
    pair_from_row,
    pairs_from_rankings,
    read_preferences,
    split_prompts,
    training_pairs,
)
from rlhf_core.store.formats import to_lines

TEXTS = [" a.", " b.", " c.", " d."]


def ranking(
    groups=(), *, texts=TEXTS, shown=None, verdict=None, prompt="A cat is", **more
) -> Ranking:
    return Ranking(
        "set-1",
        prompt,
        list(texts),
        list(shown or range(len(texts))),
        [list(g) for g in groups],
        verdict,
        **more,
    )


def rows(*rankings):
    return [
        (pair.a, pair.b, pair.choice, pair.weight) for pair in pairs_from_rankings(list(rankings))
    ]


# --- from rankings to pairs -----------------------------------------------------------------------


def test_a_full_ranking_gives_every_pair_once_each_at_an_equal_share():
    found = rows(ranking([[2], [0], [3], [1]]))  # c > a > d > b
    assert [(a, b, choice) for a, b, choice, _ in found] == [
        (" a.", " b.", "a"),
        (" a.", " c.", "b"),
        (" a.", " d.", "a"),
        (" b.", " c.", "b"),
        (" b.", " d.", "b"),
        (" c.", " d.", "a"),
    ]
    assert [weight for *_, weight in found] == [1 / 6] * 6


def test_left_and_right_are_as_displayed():
    (pair,) = pairs_from_rankings([ranking([[0], [1]], texts=TEXTS[:2], shown=[1, 0])])
    assert (pair.a, pair.b, pair.choice, pair.target) == (" b.", " a.", "b", 0.0)


def test_a_tie_trains_half_each_way():
    found = pairs_from_rankings([ranking([[0, 1], [2]], texts=TEXTS[:3])])
    assert [(pair.choice, pair.target) for pair in found] == [("tie", 0.5), ("a", 1.0), ("a", 1.0)]
    assert training_pairs(found) == found


@pytest.mark.parametrize("verdict", ["both_bad", "skip"])
def test_both_bad_and_skip_are_kept_and_do_not_train(verdict):
    (pair,) = pairs_from_rankings([ranking(verdict=verdict, shown=[3, 1, 0, 2])])
    assert (pair.a, pair.b, pair.choice, pair.target) == (" d.", " b.", verdict, None)
    assert training_pairs([pair]) == []


@pytest.mark.parametrize("count", [2, 3, 4, 8])
@pytest.mark.parametrize("tied", [False, True])
def test_weights_of_a_ranking_sum_to_one(count, tied):
    texts = [f" {i}." for i in range(count)]
    groups = [[0, 1], *([i] for i in range(2, count))] if tied else [[i] for i in range(count)]
    found = pairs_from_rankings([ranking(groups, texts=texts)])
    assert len(found) == count * (count - 1) / 2 and sum(
        pair.weight for pair in found
    ) == pytest.approx(1)


def test_identical_texts_are_no_pair_and_the_rest_share_the_weight():
    found = rows(ranking([[0], [1], [2]], texts=[" same.", " same.", " other."]))
    assert found == [(" same.", " other.", "a", 0.5), (" same.", " other.", "a", 0.5)]
    assert rows(ranking([[0], [1]], texts=[" same.", " same."])) == []


def test_pairs_carry_who_when_and_under_which_brief():
    (pair,) = pairs_from_rankings(
        [
            ranking(
                [[0], [1]],
                texts=TEXTS[:2],
                seconds=2.5,
                annotator="Kim",
                brief="meme-bot",
                brief_version=3,
            )
        ]
    )
    assert (pair.prompt, pair.seconds, pair.annotator, pair.brief, pair.brief_version) == (
        "A cat is",
        2.5,
        "Kim",
        "meme-bot",
        3,
    )


def test_what_trains_has_two_texts_a_choice_and_a_weight():
    good = Pair("p", " a.", " b.", "a")
    bad = [
        Pair("p", " a.", " b.", "skip"),
        Pair("p", " a.", " a.", "b"),
        Pair("p", " a.", " b.", "tie", weight=0.0),
    ]
    assert training_pairs([*bad, good]) == [good]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"candidates": [" a."], "shown": [0], "groups": [[0]]}, "at least two different outputs"),
        ({"groups": [[0], [1]]}, "must place every output once"),
        ({"groups": [[0, 1], [1, 2, 3]]}, "must place every output once"),
        ({"groups": []}, "must place every output once"),
        ({"groups": [[0, 1, 2, 4]]}, "must place every output once"),
        ({"shown": [0, 1, 2, 2]}, "order on screen must name every output once"),
        ({"verdict": "awful"}, "verdict 'awful' is not known"),
        ({"verdict": "skip"}, "skipped or rejected set has no ranking"),
        ({"seconds": -1}, "seconds of a ranking"),
        ({"seconds": float("nan")}, "seconds of a ranking"),
        ({"prompt": 5}, "a prompt that is text"),
        ({"candidates": "abcd"}, "list of outputs that are texts"),
        ({"candidates": [1, 2, 3, 4]}, "list of outputs that are texts"),
        ({"mood": "good"}, "field that is not known: 'mood'"),
        ({"shown": None}, "incomplete or malformed"),
        ({"groups": [["x"], [0], [1], [2]]}, "incomplete or malformed"),
    ],
)
def test_impossible_rankings_are_refused_in_words(change, sentence):
    data = {**ranking([[0], [1], [2], [3]]).to_dict(), **change}
    with pytest.raises(PreferenceError, match=sentence):
        Ranking.from_dict(data)


def test_rankings_come_back_from_plain_data():
    made = ranking(
        [[2], [0, 1], [3]],
        shown=[3, 2, 1, 0],
        seconds=4.0,
        annotator="Kim",
        brief="meme-bot",
        brief_version=2,
        round=3,
    )
    assert Ranking.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    for broken in ([], "x", None):
        with pytest.raises(PreferenceError, match="must be a JSON object"):
            Ranking.from_dict(broken)
    with pytest.raises(PreferenceError, match="incomplete"):
        Ranking.from_dict({"id": "set-1"})


def test_which_texts_the_model_ended_itself():
    rows = [
        Ranking("1", "p", [" x", " y"], [0, 1], verdict="skip", finished=[True, False]),
        Ranking("2", "q", [" x", " z"], [0, 1], verdict="skip"),
        Ranking("3", "p", [" y", " z"], [0, 1], verdict="skip", finished=[True, True]),
    ]
    found = finished_texts(rows)
    assert found == {("p", " x"): True, ("p", " y"): True, ("p", " z"): True}
    assert finished_texts(rows[:1])["p", " y"] is False and finished_texts([]) == {}


# --- contradictions -------------------------------------------------------------------------------


def pair(better, worse, prompt="p", *, flipped=False):
    return Pair(prompt, worse, better, "b") if flipped else Pair(prompt, better, worse, "a")


def test_a_pair_judged_both_ways_is_one_contradiction():
    assert contradictions([pair("x", "y"), pair("y", "x")]) == [
        {"prompt": "p", "texts": ["x", "y"]}
    ]
    assert (
        contradictions([pair("x", "y"), pair("x", "y", flipped=True)]) == []
    )  # the same judgement, shown the other way round
    assert contradictions([pair("x", "y"), pair("y", "x", prompt="q")]) == []  # another prompt
    assert (
        contradictions([pair("x", "y"), Pair("p", "y", "x", "tie"), Pair("p", "y", "x", "skip")])
        == []
    )


def test_a_circle_of_three_is_found_once_and_in_order():
    (found,) = contradictions(
        [pair("b", "c"), pair("c", "a"), pair("a", "b", flipped=True), pair("a", "z")]
    )
    texts = found["texts"]
    beats = {("a", "b"), ("b", "c"), ("c", "a")}
    assert len(texts) == 3 and all((texts[i], texts[(i + 1) % 3]) in beats for i in range(3))


def test_consistent_rankings_have_no_contradiction_and_equal_texts_make_none():
    assert (
        contradictions(
            pairs_from_rankings([ranking([[2], [0], [3], [1]]), ranking([[2], [0], [3], [1]])])
        )
        == []
    )
    assert contradictions([Pair("p", "x", "x", "a"), pair("x", "y")]) == []


# --- held-out split -------------------------------------------------------------------------------


def test_split_goes_by_prompt_is_balanced_seeded_and_knows_no_order():
    prompts = [f"p{i % 23}" for i in range(200)]
    folds = split_prompts(prompts, 5, seed=1)
    assert set(folds) == set(prompts)
    sizes = [list(folds.values()).count(fold) for fold in range(5)]
    assert sum(sizes) == 23 and max(sizes) - min(sizes) <= 1
    assert (
        split_prompts(list(reversed(prompts)), 5, seed=1)
        == folds
        != split_prompts(prompts, 5, seed=2)
    )


# --- files ----------------------------------------------------------------------------------------


def write(path, *lines):
    path.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines),
        encoding="utf-8",
    )
    return path


GOOD = {"prompt": "A cat is", "a": " x.", "b": " y.", "choice": "a"}


def test_pairs_come_back_from_a_file_whatever_is_written_in_them(tmp_path):
    odd = ' 🦝 "quoted" \\ two\nlines\r\n, U+2028 \u2028 and U+0085 \x85 \x0b \x0c <b>&</b>'
    pairs = [
        Pair("A cat is", odd, " y.", "b", 1 / 3, 2.5, "Kim", "meme-bot", 4),
        *(Pair("漢字", " x.", " y.", choice) for choice in ("tie", "both_bad", "skip", "a")),
    ]
    (tmp_path / "p.jsonl").write_bytes(to_lines([pair.to_dict() for pair in pairs]))
    assert read_preferences(tmp_path / "p.jsonl") == pairs


def test_rankings_pairs_come_back_too(tmp_path):
    pairs = pairs_from_rankings([ranking([[2, 3], [0], [1]], seconds=1.0), ranking(verdict="skip")])
    (tmp_path / "p.jsonl").write_bytes(to_lines([pair.to_dict() for pair in pairs]))
    assert read_preferences(tmp_path / "p.jsonl") == pairs


def test_trl_rows_are_read(tmp_path):
    path = write(
        tmp_path / "trl.jsonl",
        {"prompt": "A cat is", "chosen": " good.", "rejected": " bad.", "score": 3},
    )
    assert read_preferences(path) == [Pair("A cat is", " good.", " bad.", "a", annotator="unknown")]


def test_windows_files_blank_lines_and_a_byte_order_mark_are_no_problem(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf"
        + json.dumps(GOOD).encode()
        + b"\r\n\r\n"
        + json.dumps(GOOD).encode()
        + b"\r\n"
    )
    assert len(read_preferences(path)) == 2


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "not valid JSON"),
        ("[1]", "must be a JSON object"),
        ("[" * 100_000, "not valid JSON"),
        ({**GOOD, "prompt": ""}, "field 'prompt' is missing or empty"),
        ({k: v for k, v in GOOD.items() if k != "b"}, "field 'b' is missing or empty"),
        ({**GOOD, "a": 7}, "field 'a' is missing or empty"),
        ({**GOOD, "a": "x" * 10_001}, "field 'a' has 10,001 characters"),
        ({**GOOD, "choice": "left"}, "choice is 'left'"),
        ({k: v for k, v in GOOD.items() if k != "choice"}, "choice is None"),
        ({"prompt": "p", "chosen": " x."}, "field 'rejected' is missing or empty"),
        ({**GOOD, "weight": -1}, "the weight is -1; it must be a number from 0.01 to 100."),
        ({**GOOD, "weight": "abc"}, "the weight is 'abc'; it must be"),
        ({**GOOD, "weight": "1"}, "the weight is '1'; it must be"),
        ({**GOOD, "weight": True}, "the weight is True; it must be"),
        ({**GOOD, "weight": 0}, "the weight is 0; it must be"),
        ({**GOOD, "weight": 1e9}, "the weight is 1000000000.0; it must be"),
        ({**GOOD, "weight": 100.5}, "the weight is 100.5; it must be"),
        ({**GOOD, "weight": 0.00004}, "the weight is 4e-05; it must be"),
        ({**GOOD, "weight": 0.001}, "the weight is 0.001; it must be"),
        ({**GOOD, "weight": 0.005}, "the weight is 0.005; it must be"),
        ({**GOOD, "seconds": True}, "field 'seconds' is True"),
        ('{"prompt": "p", "a": "x", "b": "y", "choice": "a", "weight": NaN}', "the weight is nan"),
        (
            '{"prompt": "p", "a": "x", "b": "y", "choice": "a", "seconds": 1e999}',
            "field 'seconds' is inf",
        ),
        (
            '{"prompt": "p", "a": "x", "b": "y", "choice": "a", "weight": 1' + "0" * 400 + "}",
            "the weight is 1000",
        ),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path, line, sentence):
    path = write(tmp_path / "prefs.jsonl", GOOD, "", GOOD, line, GOOD)
    with pytest.raises(PreferenceError, match=f"^{re.escape(str(path))} line 4: ") as caught:
        read_preferences(path)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_unreadable_files_are_refused_in_words(tmp_path):
    with pytest.raises(PreferenceError, match="nowhere.jsonl cannot be read: No such file"):
        read_preferences(tmp_path / "nowhere.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"prompt": "caf\xe9"}')
    with pytest.raises(PreferenceError, match=r"not UTF-8 text \(byte 15\)"):
        read_preferences(tmp_path / "latin.jsonl")
    with pytest.raises(PreferenceError, match="holds no rows"):
        read_preferences(write(tmp_path / "empty.jsonl", "", " "))
    (tmp_path / "big.jsonl").write_bytes(b" " * (2 * 1024 * 1024 + 1))
    with pytest.raises(PreferenceError, match="larger than 2 MB"):
        read_preferences(tmp_path / "big.jsonl")


def test_one_row_at_a_time():
    assert pair_from_row({**GOOD, "seconds": 3, "annotator": "Kim"}, "row 1") == Pair(
        "A cat is", " x.", " y.", "a", seconds=3, annotator="Kim"
    )
    for row in (None, 5, "text", []):
        with pytest.raises(PreferenceError, match="^row 1: "):
            pair_from_row(row, "row 1")


@pytest.mark.parametrize("weight", [1 / 5050, 0.01, 0.5, 1, 100])
def test_weights_that_a_row_may_have(weight):
    assert pair_from_row({**GOOD, "weight": weight}, "row 1").weight == weight
    assert pair_from_row({**GOOD, "weight": None}, "row 1").weight == 1


def test_the_pairs_of_the_longest_rankings_come_back(tmp_path):
    """The app's longest, 8 answers and an ideal one; and the longest that is taken."""
    for count, ideal in ((8, " best."), (MOST_CANDIDATES, " best.")):
        texts = [f" {i}." for i in range(count)]
        order = list(range(count))
        made = Ranking("r", "A cat is", texts, order, [[i] for i in order], ideal=ideal)
        pairs = pairs_from_rankings([made])
        assert len(pairs) == count * (count - 1) // 2 + count
        path = write(tmp_path / "pairs.jsonl", *(pair.to_dict() for pair in pairs))
        assert read_preferences(path) == pairs
    order = list(range(MOST_CANDIDATES + 1))
    with pytest.raises(PreferenceError, match="of 101 outputs is too long; at most 100 fit"):
        Ranking("r", "A cat is", [f" {i}." for i in order], order, [order])


def test_where_nothing_can_be_learned_the_reason_is_said():
    one, other = Pair("p", " x.", " y.", "a"), Pair("p", " y.", " x.", "a")
    assert nothing_to_learn([]) == "no pair was judged yet"
    assert (
        nothing_to_learn([Pair("p", " x.", " x.", "a"), Pair("p", " x.", " y.", "skip")])
        == "no pair prefers one of two different texts"
    )
    assert nothing_to_learn([Pair("p", " x.", " y.", "tie")]) == "every pair is a tie"
    assert nothing_to_learn([one, other]) == nothing_to_learn(
        [one, Pair("p", " x.", " y.", "b"), Pair("q", " x.", " y.", "tie")]
    )
    assert nothing_to_learn([one, other]) == "every preference is taken back by its opposite"
    assert (
        nothing_to_learn([one])
        == nothing_to_learn([one, other, one])
        == nothing_to_learn([one, Pair("q", " y.", " x.", "a")])
        == ""
    )
