"""The page Glossary, terms that are marked, and what stands behind a number, without a browser."""

from __future__ import annotations

import pytest
from page_helpers import open_page, said, still_queue
from stand_ins import made
from streamlit.testing.v1 import AppTest

from rlhf_core.common import glossary
from ui import depth, state, terms


@pytest.fixture(autouse=True)
def queue(monkeypatch):
    monkeypatch.setattr(state, "warm_up", lambda: "")
    return still_queue(monkeypatch)


def labels(app: AppTest) -> list[str]:
    return [box.label.replace("\\", "") for box in app.get("expander")]


def test_every_term_stands_there_with_its_sentence():
    app = open_page("glossary")
    shown = labels(app)
    assert len(shown) == len(glossary.terms())
    for one, label in zip(glossary.terms(), shown, strict=True):
        assert label == f"**{one.name}**: {one.sentence}"


def test_search_finds_and_says_when_it_does_not():
    app = open_page("glossary")
    app.text_input(key="glossary_search").set_value("drift price").run()
    assert not app.exception and labels(app)[0].startswith("**KL penalty**")
    assert len(labels(app)) < 10
    app.text_input(key="glossary_search").set_value("<b>zebra").run()
    assert not labels(app) and "No term here" in said(app)


def drawn(name: str, given: dict) -> AppTest:
    def script(name, given):
        from ui import depth

        depth.body(name, given)

    app = AppTest.from_function(script, kwargs={"name": name, "given": given}, default_timeout=60)
    app.run()
    assert not app.exception, app.exception
    return app


def test_behind_a_number_stand_sentence_formula_numbers_lines_and_paper():
    app = drawn("KL", {"kl": 1.5})
    formulas = [box.value for box in app.get("latex")] or [m.value for m in app.latex]
    assert any(r"\ln \frac{\pi(v)}" in one for one in formulas)
    assert any("1.50" in one for one in formulas)
    (code,) = app.code
    assert code.value.startswith("def exact_kl(")
    assert "rlhf_core/algorithms/ppo.py" in said(app) and "Kullback & Leibler" in said(app)


def test_without_numbers_it_stays_in_symbols():
    assert len(drawn("KL", {}).latex) == 1


@pytest.mark.parametrize("one", glossary.terms(), ids=lambda one: one.name)
def test_every_term_can_be_opened(one, monkeypatch):
    shown: list[str] = []
    for way in ("markdown", "caption", "latex", "code"):
        monkeypatch.setattr(depth.st, way, lambda body, **_: shown.append(body))
    depth.body(one.name, made("tuned"))
    assert any(one.sentence == words.replace("\\", "") for words in shown)
    assert ("Computed by" in " ".join(shown)) == bool(one.source)


def test_a_win_rate_says_whose_count_it_is(monkeypatch):
    shown: list[str] = []
    monkeypatch.setattr(depth.st, "markdown", lambda body, **_: shown.append(body))
    session = made("tuned")
    counts = {"pairs": 100, "wins": 33, "ties": 67, "losses": 0, "win_rate": 0.665}
    session.tuned.evaluation = {"judges": [{"name": "graded rule", **counts}]}
    depth.body("win rate", session)
    assert "With the numbers of this session, as counted by: **graded rule**:" in shown
    depth.body("KL", session)
    assert "With the numbers of this session:" in shown, "no judge's number"


# --- terms that are marked ------------------------------------------------------------------------


def test_a_term_is_underlined_and_its_sentence_is_there():
    words = terms.mark("A [[nat|few nats]] & **more**: <b>")
    sentence = glossary.term("nat").sentence
    assert words.count("op-term") == 1 and ">few nats<" in words
    assert words.count(sentence) == 2 and 'tabindex="0"' in words and "aria-description=" in words
    assert words.startswith("A <span") and "&amp; <b>more</b>: &lt;b&gt;" in words


def test_what_stands_in_brackets_is_escaped():
    words = terms.mark('[[KL|<img src=x onerror="a">]]')
    assert "<img" not in words and "&lt;img" in words
    with pytest.raises(LookupError):
        terms.mark("[[no such term]]")


def test_help_is_plain_markdown():
    assert terms.help("epsilon").replace("\\", "") == glossary.term("epsilon").sentence
