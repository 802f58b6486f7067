"""A sign beside a choice is overlooked only where it is known to be harmless: ``A ❌`` is no A."""

from __future__ import annotations

import pytest

from rlhf_core.exchange.choices import read_word
from rlhf_core.exchange.import_report import ImportRefused
from rlhf_core.exchange.spreadsheets import import_preferences
from tests.exchange.test_choice_column import table


@pytest.mark.parametrize(
    "text",
    "A ❌|✗ A|A 👎|A ✘|A ↓|~~A~~|≠A|¬A|!A|~A|-A|← A|→ B|B 👈|A?|A \u0336|A\u0338"
    "|left ❌|lefft ❌|<A>|-left"
    "|not A>B|¬(A>B)|A>B ❌|A ➖|tie ❌|skip ❌|response_1 ✗|A (-)|- A|≠ tie"
    "|A better than B ❌|4 - ❌ B"
    "|1 ❌|[[A]] 👎|A ⛔|A 🚫".split("|"),
)
def test_a_sign_that_may_turn_the_word_round_leaves_it_unread(text):
    assert read_word(text)[0] is None


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        *(
            (text, "a")
            for text in "A.|(A)|**A**|'A'|“A”|[[A]]|A ✓|✔ A|A ✅|👍🏽 A|A!"
            "|left - much better|Left\u200b|A>B|[[A>>B]]|4 - A is better|👈  A is better|«A»|#A"
            "|A, clearly|response-1|B ≺ A".split("|")
        ),
        ("👉  B is better", "b"),
        ("🤝  Tie", "tie"),
        ("A = B", "tie"),
        ("👎  Both are bad", "both_bad"),
        ("unsure / skip", "skip"),
    ],
)
def test_a_sign_that_changes_nothing_is_overlooked(text, choice):
    assert read_word(text)[0] == choice


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("prompt a b choice", [("p", " x", " y", "A ❌"), ("p", " x", " y", "B ❌")]),
        ("prompt a b choice", [("p", " x", " y", "A 👍"), ("p", " x", " y", "A 👎")]),
        (
            "prompt response_1 response_2 response_3 best",
            [("p", " x", " y", " z", "response_2 ❌"), ("p", " x", " y", " z", "1")],
        ),
        ("prompt response_1 response_2 response_3 best", [("p", " x", " y", " z", "¬2")]),
    ],
)
def test_a_table_of_crossed_out_choices_is_asked_about(header, rows):
    with pytest.raises(ImportRefused):
        import_preferences(table(header, *rows), "p.csv").checked()
