"""Two texts with the words that changed marked: what is marked, for whom, and that nothing in them
is more than text.
"""

from __future__ import annotations

import re

from ui import word_diff

EVIL = "<script>alert(1)</script>"


def bare(html: str) -> str:
    return re.sub(r'<span class="op-heard">[^<]*</span>|</?(?:del|mark)>', "", html)


def test_a_changed_end_is_marked_and_said():
    before, after = word_diff.spoken(" a small animal.", " a small great meme.")
    assert before == (
        ' a small<del><span class="op-heard">[gone: </span> animal.'
        '<span class="op-heard">]</span></del>'
    )
    assert "<mark>" in after and after.startswith(" a small<mark>") and "[new: " in after


def test_one_word_in_common_amid_others_does_not_tear_the_text_to_shreds():
    before, after = word_diff.spoken(" the king of all cats here", " my cousin of a dog there")
    assert before.count("<del>") == 1 and after.count("<mark>") == 1
    before, after = word_diff.spoken(" the king of all cats", " the queen of all dogs")
    assert before.count("<del>") == 2, "two words in common are kept"


def test_nothing_is_lost_and_everything_is_escaped():
    one, other = f" a {EVIL} cat", f" a dog {EVIL}"
    before, after = word_diff.spoken(one, other)
    assert "<script>" not in before + after
    assert bare(before) == one.replace("<", "&lt;").replace(">", "&gt;")
    assert bare(after) == other.replace("<", "&lt;").replace(">", "&gt;")
    shown = word_diff.pair_html(EVIL, one, other, tags=(EVIL, "After"))
    assert "<script>" not in shown


def test_equal_and_empty_texts_carry_no_mark():
    assert word_diff.spoken(" same.", " same.") == (" same.", " same.")
    assert word_diff.spoken("", "") == ("", "")
