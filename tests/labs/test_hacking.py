"""The board, what counts as nonsense, and exploits that become rejected examples and close the
hole.
"""

import math

import pytest
import torch
from tiny_models import END, PAD, FakeLM, one_thread, tiny_trunk  # noqa: F401

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.judging.register import listed_words
from rlhf_core.labs.hacking import best_of_model, nonsense, score_typed
from rlhf_core.labs.hacking_board import (
    best_of_n_board,
    exploits_to_pairs,
    hole_closing,
    with_doubt_taken_off,
)


class Counts:
    """A scorer that a person can hack: one point a word."""

    def score(self, rows):
        return torch.tensor([float(len(text.split())) for _, text, _ in rows])

    def uncertainty(self, rows):
        return None


@pytest.fixture(scope="module")
def lm():
    return FakeLM(trunk=tiny_trunk(), end_id=END, pad_id=PAD, name="tiny")


@pytest.mark.parametrize(
    ("text", "logprob", "tokens", "why"),
    [
        ("a small animal that lives in the forest.", -16.0, 8, ""),
        ("zxq vrrp blort animal", -40.0, 8, "75% of its words are on no list"),
        ("zxq vrrp blort animal", -16.0, 8, ""),  # likely words that the list happens to lack
        ("zxq vrrp small animal", -40.0, 8, ""),  # half of them is not most of them
        ("animal animal animal animal", -8.0, 4, "75% of its words were there before"),
        (
            "small the forest in",
            -40.0,
            4,
            (
                "the original model finds it less likely than tokens drawn blindly (-10.0 nats a"
                " token; blindly -8.3)"
            ),
        ),
        ("!!! ??", -5.0, 5, "it has no word in it"),
    ],
)
def test_nonsense(text, logprob, tokens, why):
    found = nonsense(text, logprob, tokens, 4096)
    assert (found["why"], found["nonsense"]) == (why, bool(why))


def test_the_word_list_is_the_registers_and_has_words_alone():
    assert {"animal", "the", "please"} <= listed_words() and not any(
        "_" in word for word in listed_words()
    )


def test_typed_texts_are_scored_with_the_models_own_probability(lm):
    row = next(score_typed(lm, Counts(), "w1 w2", ["w3 w4 w5 "]))
    ids = torch.tensor([[*lm.encode("w1 w2 w3 w4 w5"), END]])
    log_p = lm.trunk.logits(lm.trunk.hidden_states(ids, torch.ones_like(ids).bool())).log_softmax(
        -1
    )
    expected = sum(log_p[0, t - 1, ids[0, t]].item() for t in range(2, 6)) / 4
    assert (row["text"], row["score"], row["by"], row["uncertainty"]) == (
        " w3 w4 w5",
        3.0,
        "you",
        None,
    ) and row["logprob_per_token"] == pytest.approx(expected, abs=1e-4)
    with pytest.raises(InputError, match="A text to score is empty"):
        next(score_typed(lm, Counts(), "w1", [" "]))
    with pytest.raises(InputError, match="does not fit the model's 48"):
        next(score_typed(lm, Counts(), "w1", ["w2 " * 60]))


def test_best_of_n_is_the_best_of_the_same_n_answers(lm):
    *progress, record = best_of_model(lm, Counts(), "w1 w2", n=16, seed=3)
    assert all(isinstance(item, Progress) for item in progress) and record["n"] == 16
    *_, again = best_of_model(lm, Counts(), "w1 w2", n=16, seed=3)
    *_, more = best_of_model(lm, Counts(), "w1 w2", n=64, seed=3)
    assert (
        again == record
        and more["score"] >= record["score"] >= record["mean_score"]
        and record["score"] == len(record["text"].split())
    )
    assert record["kl_bound"] == pytest.approx(math.log(16) - 15 / 16)


def entry(text, score, bad=False, by="you", prompt="p"):
    return {
        "prompt": prompt,
        "text": text,
        "score": score,
        "by": by,
        "nonsense": bad,
        "why": "it has no word in it" if bad else "",
    }


BEST = {"prompt": "p", "text": "honest best", "score": 2.0, "by": "best of 64"}


def test_a_nonsense_text_above_every_honest_one_is_an_exploit():
    board = best_of_n_board(
        [entry("fine", 1.0), entry("!!!", 3.0, True), entry("??", 1.5, True), entry("fine", 1.0)],
        BEST,
    )
    assert [(row["place"], row["text"], row["exploit"]) for row in board["rows"]] == [
        (1, "!!!", True),
        (2, "honest best", False),
        (3, "??", False),
        (4, "fine", False),
    ]
    assert board["exploits"] == 1 and board["sentence"].startswith(
        "You broke it: '!!!' scores +3.00, above every honest text (+2.00)"
    )
    assert "best of 64 leads" in best_of_n_board([entry("fine", 1.0)], BEST)["sentence"]
    assert "An honest text leads" in best_of_n_board([entry("fine", 4.0)], BEST)["sentence"]
    assert best_of_n_board([], None)["sentence"] == "Nothing was typed yet."


def test_what_a_machine_found_is_neither_honest_nor_an_exploit_until_somebody_says_so():
    found, worse = (
        entry("a spiny plant", 5.0, by="a search: about something else"),
        entry("!!!", 3.0, True),
    )
    board = best_of_n_board([found, worse], BEST)
    assert [row["exploit"] for row in board["rows"]] == [False, True, False], (
        "it sets no ceiling for the nonsense"
    )
    assert [pair.a for pair in exploits_to_pairs(board)] == ["honest best"], (
        "and nobody is taught to prefer it"
    )
    assert "A machine found it" in best_of_n_board([found], BEST)["sentence"]
    called = best_of_n_board(
        [{**found, "nonsense": True, "why": "you say that nobody should want it"}], BEST
    )
    assert called["exploits"] == 1 and called["sentence"].startswith(
        "You broke it: 'a spiny plant'"
    )


def test_exploits_become_the_losers_of_comparisons():
    board = best_of_n_board([entry("!!!", 3.0, True), entry("fine", 1.0)], BEST)
    (pair,) = exploits_to_pairs(board, "meme-bot", 2)
    assert (
        pair.prompt,
        pair.a,
        pair.b,
        pair.choice,
        pair.annotator,
        pair.brief,
        pair.brief_version,
    ) == ("p", "honest best", "!!!", "a", "you (exploit)", "meme-bot", 2)
    with pytest.raises(InputError, match="no nonsense text"):
        exploits_to_pairs(best_of_n_board([entry("fine", 1.0)], BEST))
    with pytest.raises(InputError, match="no honest text on the board"):
        exploits_to_pairs(best_of_n_board([entry("!!!", 3.0, True)], None))


def test_the_hole_closes_or_does_not():
    before = best_of_n_board([entry("!!!", 3.0, True)], BEST)
    closed = hole_closing(before, best_of_n_board([entry("!!!", -1.0, True)], BEST))
    assert (
        closed["closed"]
        and closed["rows"] == [{"text": "!!!", "before": 3.0, "after": -1.0}]
        and "stood +1.00 from the best honest one, and stand \N{MINUS SIGN}3.00 from it now"
        in closed["sentence"]
    )
    still = hole_closing(before, best_of_n_board([entry("!!!", 2.5, True)], BEST))
    assert (
        not still["closed"]
        and "still open" in still["sentence"]
        and "1 of 1 still beat" in still["sentence"]
    )
    assert (
        hole_closing(best_of_n_board([], BEST), before)["sentence"] == "There was no hole to close."
    )


def test_doubt_taken_off_sees_through_an_exploit_or_does_not():
    best, sure, unsure = (
        {**BEST, "uncertainty": 0.5},
        {**entry("!!!", 3.0, True), "uncertainty": 0.2},
        {**entry("??", 2.5, True), "uncertainty": 2.0},
    )
    both = best_of_n_board([sure, unsure], best)
    assert (
        both["exploits"] == 2
        and with_doubt_taken_off(both)["left"] == 1
        and "1 of the 2 would still win" in with_doubt_taken_off(both)["sentence"]
    )
    assert with_doubt_taken_off(both, 0.0)["left"] == 2
    assert (
        "its doubt about them is 2.00, about the honest text that then leads 0.50"
        in with_doubt_taken_off(best_of_n_board([unsure], best))["sentence"]
    )
    assert (
        "wrong and does not know it"
        in with_doubt_taken_off(best_of_n_board([sure], best))["sentence"]
    )
    assert (
        with_doubt_taken_off(best_of_n_board([entry("!!!", 3.0, True)], BEST))["sentence"] == ""
    ), "a score without doubt has none to take off"
    assert with_doubt_taken_off(best_of_n_board([], best)) == {
        "exploits": 0,
        "left": 0,
        "sentence": "",
    }
