"""A card as HTML: our own marks, and nothing of anybody else's."""

from __future__ import annotations

import pytest
from run_files import HOSTILE, Reader

from rlhf_core.store.card import card
from ui.export.card_text import html_of_card


def tags(markdown: str) -> list[str]:
    return [tag for tag, _ in Reader(html_of_card(markdown)).found]


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# One\n\n## Two", "<h3>One</h3><h4>Two</h4>"),
        ("a\nb\n\nc", "<p>a b</p><p>c</p>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("    x\n     y", "<pre>x\n y</pre>"),
        ("```sh\n# x\n```", "<pre># x</pre>"),
        ("**b** and `c<d>`", "<p><strong>b</strong> and <code>c&lt;d&gt;</code></p>"),
        (r"\*\*no\*\* \<b\> \`", "<p>**no** &lt;b&gt; `</p>"),
        ("a <b>c</b>", "<p>a &lt;b&gt;c&lt;/b&gt;</p>"),
    ],
)
def test_marks(markdown, html):
    assert html_of_card(markdown) == html


def test_a_table():
    assert tags("| a | b |\n| --- | --: |\n| 1 \\| 2 | 3 |").count("td") == 2


def test_the_yaml_comes_last_and_folded():
    made = html_of_card("---\nlicense: other\n---\n# T")
    assert made.index("<h3>T</h3>") < made.index("<details>") < made.index("license: other")


@pytest.mark.parametrize("bad", HOSTILE)
def test_hostile_text_is_text(bad):
    allowed = {"p", "h3", "ul", "li", "pre", "code", "strong", "div", "table"}
    allowed |= {"thead", "tbody", "tr", "th", "td", "details", "summary"}
    made = f"{bad}\n# {bad}\n- {bad}\n\n    {bad}\n```\n{bad}\n```\n| {bad} |\n|---|\n| {bad} |"
    found = Reader(html_of_card(made)).found
    assert {tag for tag, _ in found} <= allowed
    assert all(set(row) <= {"class", "tabindex"} for _, row in found)


def test_a_card_of_ours_reads_as_it_was_written():
    run = {"brief": {"title": "Cats_& <b>dogs</b> *!*", "prefer": "a_b"}, "status": "done"}
    words = Reader(html_of_card(card(run, {}, []))).words
    assert "RLHF run: Cats_& <b>dogs</b> *!*" in words and "Prefer: a_b" in words
    assert "\\" not in words
