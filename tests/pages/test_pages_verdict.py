"""The Verdict tab and the closer look at one pair, without a browser: judges, luck,
language, tokens; full, old and hostile.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from page_helpers import EVIL, again, alts, finish, html_of, open_page, press, said
from stand_ins import MEME, engine, evaluation, made, stand_in

from rlhf_core.common.events import Progress
from rlhf_core.evaluation import verdict
from rlhf_core.session import judged
from rlhf_core.session.state import Session
from ui import token_changes as drawing
from ui.charts import compare as charts_compare

RECORD = {
    "kind": "token_changes",
    "prompt": "A fox is",
    "before": MEME,
    "after": EVIL,
    "ended_before": True,
    "ended_after": True,
    "tokens": {
        "before": [
            {
                "token": " a",
                "original": 0.5,
                "tuned": 0.25,
                "kl": 0.1,
                "rivals": [[" the", 0.1, 0.4]],
            }
        ],
        "after": [{"token": EVIL, "original": 0.001, "tuned": 0.9, "kl": 2.0, "rivals": []}],
    },
    "most": [
        {
            "side": "after",
            "so_far": EVIL,
            "token": "</table><script>",
            "original": 0.001,
            "tuned": 0.9,
            "written": True,
        }
    ],
}


@pytest.fixture
def queue(monkeypatch):
    return engine(monkeypatch)


LONG = " a small wild mammal that lives in the forest."  # a fact to both rules


def measured(scripted: bool = True, p: float = 0.002) -> dict:
    """A verdict as ``steps.evaluate`` makes it: 40 pairs, most of them won."""
    found = evaluation(changed=True)
    gains = [1.0] * 30 + [-1.0] * 6 + [0.0] * 4
    pairs = [
        {
            "prompt": f"Animal {i} is",
            "before": MEME,
            "after": LONG if gain else MEME,
            "reward_before": 0.0,
            "reward_after": gain,
            "ended_before": True,
            "ended_after": True,
        }
        for i, gain in enumerate(gains)
    ]
    fluency = {"before": [-0.5] * 40, "after": [-0.75] * 40}
    return {
        **found,
        "pairs": pairs,
        **verdict.verdict(
            pairs, wanted="fact", scripted=scripted, fluency=fluency, chance=chance(p)
        ),
    }


def chance(p: float) -> dict:
    """A permutation control with this p-value."""
    found = {"p": p, "accuracy": 0.9, "luck": [0.3, 0.7], "decided": 24, "witnesses": 24}
    return {**found, "fits": 400, "one_prompt": False, "support": 0.9}


def test_the_verdict_names_its_judges_and_shows_luck_and_language(queue):
    session = made("tuned")
    session.tuned.evaluation = measured()
    words = said(app := open_page("before_after", session))
    assert "“fact” answers rose from 0% to 90%; the graded rule (" in words
    (told,) = [one for one in app.markdown if ":material/gavel:" in one.value]
    assert "small program that marks four things" in told.help  # what it is, where it is met
    assert "calls the tuned model better. Coin tosses instead of votes would rarely" in words
    assert "reward model it was trained on (not independent): better; the tuned model wins 80%" in (
        words
    )
    assert "The rater's own rule (not independent)" in words
    assert "The graded rule (independent): better" in words
    assert "These votes share a taste. On prompts that it had not seen" in words
    assert "teacher's own yardstick, and no second opinion" in words
    assert "No independent opinion" not in words
    shown = next(alt for alt in alts(app) if alt.startswith("Win rate of the tuned model."))
    assert (
        "reward model: 80% of 40" in shown
        and "shuffled labels" in shown
        and "wins 30, ties 4, losses 6" in shown
    )
    assert (
        "| Counted as “fact” by a rule |" in words
        and "| Fluency (log-probability a token, frozen model) | −0.50 | **−0.75** |" in words
        and "Luck alone" in words
    )
    assert "on 40 pairs of answers to 40 prompts, none trained on." in words


def test_a_model_that_noise_moved_is_not_called_better_anywhere(queue):
    session = made("tuned")
    session.tuned.evaluation = measured(p=0.43)
    session.learned.summary = {**session.learned.summary, "chance": chance(0.43)}
    words = said(open_page("before_after", session))
    assert "but the votes could be coin tosses" in words and "model better" not in words
    home = open_page("loop", session)
    assert "the votes could be coin tosses" in said(home)
    assert "changed; the votes could be chance" in html_of(home)
    assert "the votes could be chance" in html_of(home)
    assert "These votes cannot be told from coin tosses" in said(open_page("ppo", session))
    assert "These votes cannot be told from coin tosses" in said(open_page("reward_model", session))


def test_votes_join_the_verdict_as_a_judge_of_their_own(queue):
    session = made("tuned")
    session.tuned.evaluation = measured(scripted=False)
    prompts = list(dict.fromkeys(pair["prompt"] for pair in session.tuned.evaluation["pairs"]))
    for prompt in prompts[1:]:
        judged.add_vote(session, prompt, "before")
    waiting = said(open_page("before_after", session))
    assert "(independent): worse" not in waiting, "no count while a vote is still blind"
    judged.add_vote(session, prompts[0], "before")
    words = said(app := open_page("before_after", session))
    assert (
        "The judges disagree: better by" in words
        and "worse by your blind votes (0%)" in words
        and "Your blind votes (independent): worse" in words
    )
    assert "No training has seen it" in words and "teacher's own yardstick" not in words
    assert any(f"you, blind: 0% of {len(prompts)}" in alt for alt in alts(app))


def test_measuring_again_draws_fresh_answers(queue, monkeypatch):
    seeds = []

    def fake(session: Session, count: int = 200, seed: int = 1) -> Iterator:
        seeds.append(seed)
        session.tuned.evaluation = {**measured(), "seed": seed}
        yield {"kind": "evaluation"}

    stand_in(monkeypatch, evaluate=fake)
    session = made("tuned")
    app = open_page("before_after", session)  # which measures by itself
    finish(queue)
    press(again(app), "evaluate_again")
    finish(queue)
    assert seeds == [1, 2]


def test_a_verdict_of_an_earlier_version_still_opens(queue):
    session = made("tuned")
    session.tuned.evaluation = evaluation(changed=True)  # no judges, no language, no luck
    words = said(open_page("before_after", session))
    assert (
        "prefers the tuned model in 83% of 3 pairs" in words
        and "Measure again for the full verdict" in words
    )
    assert "| Ends in a full sentence | 95% | 96% |" in words and "Luck alone" not in words


def test_one_pair_closely_shows_words_tokens_and_the_largest_changes(queue, monkeypatch):
    asked = []

    def fake(session: Session, pair: dict) -> Iterator:
        asked.append(pair)
        yield Progress("reading with both models", 0, 2)
        yield {**RECORD, "before": pair["before"], "after": pair["after"]}

    stand_in(monkeypatch, token_changes=fake)
    session = made("tuned")
    session.tuned.evaluation = evaluation(changed=True)
    app = open_page("before_after", session)
    app.selectbox(key="changes_pair").set_value(2).run()
    app = press(app, "token_changes")
    finish(queue)
    words = said(again(app))
    assert asked[0]["prompt"] == EVIL and "The largest changes of all" in words
    assert (
        "50% → 25%" in words
        and "KL here: 0.10 nats" in words
        and "<del> great character" in words.replace(" a<del>", "<del>")
        or "<del>" in words
    )
    assert "<script>" not in words and "&lt;script&gt;" in words


def test_the_differing_words_are_marked_and_everything_is_escaped():
    left, right = drawing.difference(" a small <b>brown</b> animal.", " a small grey animal.")
    assert (
        left == " a small<del> &lt;b&gt;brown&lt;/b&gt;</del> animal."
        and right == " a small<ins> grey</ins> animal."
    )
    assert drawing.difference(" same.", " same.") == (" same.", " same.") and drawing.difference(
        "", " new."
    ) == ("", "<ins> new.</ins>")


def test_the_chart_of_judges_has_a_band_a_judge_and_survives_none():
    rows = [
        verdict.judged(name, [1.0] * 20 + [0.0] * 10, [f"p{i}" for i in range(30)])
        for name in (verdict.REWARD_MODEL, verdict.RULE)
    ]
    chart = charts_compare.judges(rows)
    bands = [shape for shape in chart.figure.layout.shapes if shape.type == "rect"]
    assert [(band.x0, band.x1) for band in bands] == [
        tuple(100 * edge for edge in row["luck"]) for row in rows
    ]
    assert chart.figure.layout.xaxis.title.text and chart.figure.layout.yaxis.title.text
    assert "word rule: 67% of 30" in chart.alt and "empty" in charts_compare.judges([]).alt
