"""Texts of strangers: nothing of them has power where it is shown, and nothing turns round."""

import re

import pytest

from rlhf_core.common.untrusted import TURNING, markdown, seen, straight
from rlhf_core.judging import briefs
from rlhf_core.judging.typed import clean_name

PUNCTUATION = r"\`*_[]<>$:#~!|{}()-+.&"


@pytest.mark.parametrize(
    "text",
    [
        "![x](http://e.example/x.png)",
        "[l](http://e.example)",
        "<img src=x>",
        "$a$",
        ":cat: :red[r] :material/home:",
        "**b** _i_ ~~s~~ `c` # h",
        "http://e.example www.e.example a@e.example",
        "&lt;b&gt;",
        ":material/delete: x :+1: :-1: :streamlit: a:cat::dog: 12:30:45",
        "-> a <- b <-> c -- d >= e <= f ~= -> ->",
    ],
)
def test_markdown_has_no_power_and_reads_the_same(text):
    out = markdown(text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>$:#~!|{}()\-+.&]", out)
    assert not re.search(r"://|www\\\.|@e", out)
    shown = re.sub(r"\\(.)", r"\1", out)  # what Streamlit draws signs in, once markdown was read
    assert not re.search(r":[\w+-]+:|:material/\w+:", shown)
    assert not re.search(r"(^|\s)(<->|->|<-|--|>=|<=|~=)(\s|$)", shown)
    assert re.sub(r"\\(.)", r"\1", out).replace("\u2060", "") == text


def test_what_turns_the_direction_goes_and_what_scripts_need_stays():
    assert straight("a\u202eb\u2066c\u200f") == "abc" and len(TURNING) == 12
    family = "👨\u200d👩\u200d👧"
    assert seen(f"{family} قال \u200bx\ufeff") == f"{family} قال x"


def test_names_and_titles_cannot_pass_for_others():
    assert clean_name("A\u202eda\u200b") == "Ada" and clean_name("\u202e\u200b") == "unknown"
    brief = briefs.from_dict({"title": "Meme\u202e bot\u200b", "prefer": "x", "slug": "m"})
    assert brief.title == "Meme bot"
    prompts = "\n".join(f"A cat {number} is" for number in range(8))
    typed = {"title": "M\u202ee", "prefer": "x", "training_prompts": prompts}
    assert briefs.own(typed, set()).title == "Me"
    with pytest.raises(briefs.BriefError, match="needs a title"):
        briefs.from_dict({"title": "\u202e", "prefer": "x"})
