"""The glossary: every term can be found, is short, and what it points at is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from rlhf_core.common import glossary, knob, settings
from rlhf_core.common.source import ENGINE, excerpt
from rlhf_core.judging import register
from rlhf_core.session import numbers
from rlhf_core.session.state import Session

ROOT = Path(__file__).resolve().parent.parent.parent
TERMS = glossary.terms()
NAMES = [one.name for one in TERMS]
EVERY_NUMBER = {  # that a session can have
    *numbers.OF_A_STEP.values(),
    *(row["name"] for row in knob.describe(settings.PPOSettings)),
    *("gradient_steps", "reward_start", "climbed", "objective", "drift_price", "capped"),
    *("unended", "end_price", "earned", "rm_loss", "rm_floor", "train_accuracy"),
    *("heldout_accuracy", "heldout_pairs", "heldout_hits", "unit", "features", "p", "fits"),
    *("support", "votes", "wins", "ties", "losses", "win_rate", "compared"),
    *("win_low", "win_high", "luck_low", "luck_high"),
}


def test_every_name_means_one_term():
    names = [name.casefold() for one in TERMS for name in (one.name, *one.also)]
    assert len(names) == len(set(names)) and len(TERMS) > 90


@pytest.mark.parametrize("one", TERMS, ids=NAMES)
def test_a_term_is_one_plain_sentence(one):
    assert 3 <= len(one.sentence.split()) <= 25, len(one.sentence.split())
    assert one.sentence.endswith(".") and not re.search(r"[*_`<>$\\]", one.sentence)


@pytest.mark.parametrize("one", [t for t in TERMS if t.source], ids=lambda one: one.name)
def test_its_source_is_there_and_parses(one):
    found = excerpt(one.source)
    lines = (ENGINE.parent / found.path).read_text(encoding="utf-8").splitlines()
    shown = found.text.splitlines()
    assert [line.strip() for line in lines[found.first - 1 : found.last]] == [
        line.strip() for line in shown
    ]
    assert ast.parse(found.text).body and len(shown) < 120


@pytest.mark.parametrize("one", [t for t in TERMS if t.paper], ids=lambda one: one.name)
def test_its_paper_has_a_place_in_it(one):
    assert one.paper.title and one.paper.section
    assert one.paper.url == "" or re.fullmatch(r"https?://\S+", one.paper.url)
    arxiv = re.search(r"arXiv (\d{4}\.\d{5})", one.paper.title)
    assert not arxiv or one.paper.url == f"https://arxiv.org/abs/{arxiv[1]}"


@pytest.mark.parametrize("one", [t for t in TERMS if t.worked], ids=lambda one: one.name)
def test_its_numbers_fill_every_place(one):
    for worked in one.worked:
        assert set(glossary.NUMBER.findall(worked)) <= EVERY_NUMBER
        assert worked.count("{") == worked.count("}")
    filled = glossary.with_numbers(one, dict.fromkeys(EVERY_NUMBER, 1.25))
    assert filled and not glossary.NUMBER.search(filled)
    assert glossary.with_numbers(one, dict.fromkeys(EVERY_NUMBER, float("nan"))) == ""


@pytest.mark.parametrize("one", [t for t in TERMS if t.formula], ids=lambda one: one.name)
def test_its_formula_is_whole_and_its_letters_are_told(one):
    assert one.formula.count("{") == one.formula.count("}")
    assert one.formula.count(r"\left") - one.formula.count(r"\leftarrow") == one.formula.count(
        r"\right"
    )
    assert not glossary.NUMBER.search(one.formula)


@pytest.mark.parametrize("name", ["PPOSettings", "SamplingSettings"])
def test_every_control_has_a_term(name):
    for row in knob.describe(getattr(settings, name)):
        one = glossary.of_knob(name, row["name"])
        assert one.sentence == row["help"] and one.source


@pytest.mark.parametrize("metric", list(numbers.OF_A_STEP.values())[1:])
def test_every_metric_of_a_step_is_in_some_formula(metric):
    assert any(metric in glossary.NUMBER.findall(w) for one in TERMS for w in one.worked)


def test_a_term_is_found_by_any_of_its_names():
    assert glossary.term("nats") is glossary.term("Nat") is glossary.term("nat")
    with pytest.raises(LookupError, match="no 'unheard of'"):
        glossary.term("unheard of")
    with pytest.raises(LookupError):
        glossary.of_knob("PPOSettings", "nothing")


def test_a_paper_is_cited_for_what_is_computed():
    assert "Bishop" in glossary.term("doubt").paper.title, "a Laplace approximation, no ensemble"
    kl = glossary.term("KL")
    assert "Kullback" in kl.paper.title and "Rao-Blackwellised" in kl.where
    assert "exact at each token, averaged over sampled answers" in kl.sentence
    assert glossary.term("gradient clipping").knob == "PPOSettings.max_grad_norm"


def test_the_register_names_every_one_that_a_rule_tells():
    said = glossary.term("register").sentence
    assert all(name in said for name in register.REGISTERS)


def test_search_puts_names_first_and_wants_every_word():
    assert glossary.find("kl penalty")[0].name == "KL penalty"
    assert [one.name for one in glossary.find("COHEN")] == ["Cohen's kappa"]
    assert glossary.find("zebra") == [] and len(glossary.find("  ")) == len(TERMS)


@pytest.mark.parametrize(
    "value, shown",
    [
        (3.0, "3"),
        (-2.0, "(-2)"),
        (0.25, "0.25"),
        (-0.5, "(-0.50)"),
        (0.0123, "0.012"),
        (3e-5, r"3 \times 10^{-5}"),
        (0.0, "0"),
    ],
)
def test_numbers_in_formulas(value, shown):
    assert glossary.tex(value) == shown


def test_nothing_but_numbers_comes_into_a_formula():
    one = glossary.term("entropy")
    for bad in ("1", True, None, float("inf"), [1]):
        assert glossary.with_numbers(one, {"entropy": bad}) == ""
    assert "1.50" in glossary.with_numbers(one, {"entropy": 1.5})


# --- the engine's lines ---------------------------------------------------------------------------


def test_a_stage_ends_where_the_next_begins():
    third, fourth = excerpt("algorithms.ppo:update#3"), excerpt("algorithms.ppo:update#4")
    assert third.text.startswith("# 3. KL penalty") and "token_rewards(" in third.text
    assert "# 4." not in third.text and third.last < fourth.first


def test_a_field_a_method_and_a_constant():
    assert excerpt("common.settings:PPOSettings.clip").text.startswith("clip: float = setting(")
    assert excerpt("algorithms.ppo:Policy.values").text.startswith("def values(")
    assert excerpt("evaluation.conclusion:SURE").text.startswith("SURE = 0.05")
    assert excerpt("judging.preferences:Pair").text.startswith("@dataclass")


@pytest.mark.parametrize(
    "where", ["no.module:x", "algorithms.ppo:nothing", "algorithms.ppo:update#9", "algorithms.ppo:"]
)
def test_what_is_not_there_is_said(where):
    with pytest.raises(LookupError):
        excerpt(where)


# --- where terms are met --------------------------------------------------------------------------

ASKS = {("terms", "help"), ("depth", "body"), ("depth", "shelf")}


def marked_in(file: Path) -> list[str]:
    """The terms that a page or a module of ours underlines, or opens."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += re.findall(r"\[\[([^\[\]|]+)(?:\|[^\[\]]*)?\]\]", node.value)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "BEHIND":
            every = [one.value for one in ast.walk(node.value) if isinstance(one, ast.Constant)]
            found += [name for name in every if not name.endswith(".")]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            if (getattr(node.func.value, "id", ""), node.func.attr) in ASKS:
                first = node.args[0]
                names = first.elts if isinstance(first, ast.List | ast.Tuple) else [first]
                found += [one.value for one in names if isinstance(one, ast.Constant)]
    return found


@pytest.mark.parametrize("folder", ["pages", "ui"])
def test_every_term_that_is_marked_is_in_the_glossary(folder):
    for file in (ROOT / folder).rglob("*.py"):
        for name in marked_in(file):
            assert glossary.term(name), file


# --- a session's numbers --------------------------------------------------------------------------


def trained() -> Session:
    session = Session()
    session.settings = {"ppo": {"beta": 0.5, "score_clip": 1.0, "missing_end_penalty": 1.0}}
    step = {"reward_mean": 0.2, "kl_to_reference": 0.4, "kl_k1": 0.3, "beta": 0.5, "entropy": 2.0}
    session.tuned.metrics = [
        {"step": 0, "learning_rate": 0.0, "policy_loss": 0.0, "value_loss": 0.0} | step,
        {"step": 1, "learning_rate": 1e-4, "policy_loss": -0.1, "value_loss": 0.2} | step,
    ]
    session.tuned.samples = [
        {"step": 0, "reward": 9.0, "ended": True},
        {"step": 1, "reward": 3.0, "ended": True},
        {"step": 1, "reward": -0.5, "ended": False},
    ]
    return session


def test_the_objective_counts_each_answer_as_training_does():
    found = numbers.of(trained())
    assert found["capped"] == pytest.approx((1.0 - 0.5) / 2)  # 3 counts as 1
    assert found["end_price"] == pytest.approx(0.5) and found["drift_price"] == pytest.approx(0.15)
    assert found["earned"] == pytest.approx(0.25 - 0.5 - 0.15)
    assert found["objective"] == pytest.approx(0.1 - 0.1 * 0.2)
    shown = glossary.with_numbers(glossary.term("objective"), found)
    assert r"\overline{\min(r, 1)}" in shown and "= -0.40" in shown


def test_without_a_limit_the_plain_mean_is_shown():
    session = trained()
    session.settings["ppo"]["score_clip"] = 0.0
    shown = glossary.with_numbers(glossary.term("objective"), numbers.of(session))
    assert "min" not in shown and r"\bar R = 0.20" in shown
    session.settings["ppo"]["conservative"] = 1.0  # its doubt is known as a mean only
    assert "earned" not in numbers.of(session)


def test_before_an_update_there_is_no_loss():
    session = trained()
    session.tuned.metrics = session.tuned.metrics[:1]
    assert not {"policy_loss", "objective", "clip_fraction"} & set(numbers.of(session))
    assert numbers.of(Session())["beta"] == settings.PPOSettings().beta


def test_broken_records_give_no_numbers():
    session = trained()
    session.tuned.metrics[1] |= {"kl_k1": "x", "policy_loss": None, "reward_mean": float("nan")}
    session.tuned.samples[1]["reward"] = "many"
    found = numbers.of(session)
    assert not {"earned", "k1", "climbed", "reward"} & set(found) and found["kl"] == 0.4
