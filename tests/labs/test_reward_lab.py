"""The lab's tools over a real session on the bundled model: what they say must be what the
session's own reward model says.
"""

import pytest
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.errors import InputError, RewardModelError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.judging import briefs
from rlhf_core.labs import reward_lab
from rlhf_core.labs.hacking_board import best_of_n_board, exploits_to_pairs
from rlhf_core.loop import reward, scripted_rater, writing
from rlhf_core.session import judged
from rlhf_core.session.state import Session

PROMPT = "An opossum is"


def records(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


@pytest.fixture(scope="module")
def session():
    session = Session(briefs.PRESETS["biology-homework"])
    records(scripted_rater.judge_for_me(session, 10, 2))
    records(writing.generate_pool(session, 4, 2))
    records(reward.fit_reward_model(session, RewardModelSettings(reference_samples=64)))
    return session


def test_scores_are_the_sessions_own_with_their_uncertainty(session):
    texts = [" a small animal that lives in the forest.", " a mood."]
    (record,) = records(reward_lab.scores(session, PROMPT, texts))
    own = records(reward.score_texts(session, PROMPT, texts))
    for row, expected in zip(record["rows"], own):
        assert row["score"] == pytest.approx(expected["reward"], abs=1e-3) and row[
            "laplace"
        ] == pytest.approx(expected["uncertainty"], abs=1e-3)
        assert row["lowest"] <= row["highest"] and row["conservative"] < row["score"]


def test_the_report_the_words_and_the_votes(session):
    diagnosis, surface, curve = records(reward_lab.report(session))
    assert (
        (diagnosis["kind"], surface["kind"], curve["kind"]) == ("diagnosis", "surface", "curve")
        and len(surface["features"]) == 4
        and curve["sentence"]
    )
    score, words, by_votes, nearest = records(reward_lab.explain(session, PROMPT, " a mood."))
    assert sum(row["share"] for row in words["words"]) == pytest.approx(words["score"], abs=1e-3)
    assert score["score"] == pytest.approx(words["score"], abs=1e-3) and score["laplace"] > 0
    assert by_votes["agreement"] < 0.05 and nearest["rows"]
    (listed,) = records(reward_lab.votes(session))
    rows = listed["rows"]
    assert sorted(row["index"] for row in rows) == list(
        range(len(judged.learnable(session)))
    ) and all(row["a"] == judged.learnable(session)[row["index"]].a for row in rows)
    assert [row["largest"] for row in rows] == sorted(
        (row["largest"] for row in rows), reverse=True
    )


def test_a_flip_changes_nothing_in_the_session(session):
    before = [pair.choice for pair in judged.pairs(session)]
    (record,) = records(reward_lab.flip(session, 0))
    assert (
        len(record["before"]) == len(record["after"]) == len(record["texts"])
        and record["sentence"]
        and record["milliseconds"] < 1000
    )
    texts = [" a mood.", " a small animal."]
    (record,) = records(reward_lab.flip(session, 0, "withhold", PROMPT, texts))
    own = [row["reward"] for row in records(reward.score_texts(session, PROMPT, texts))]
    support = session.learned.summary["chance"]["support"]
    assert support < 0.9 and record["before"] == pytest.approx(own, abs=1e-3), "one scale"
    assert (
        record["texts"] == [" a mood.", " a small animal."]
        and [pair.choice for pair in judged.pairs(session)] == before
    )


def test_the_board(session):
    entries = records(
        reward_lab.typed(
            session, PROMPT, ["zxq vrrp blort wug", "a small animal that lives in the forest."]
        )
    )
    (best,) = records(reward_lab.models_best(session, PROMPT, 8))
    board = best_of_n_board(entries, best)
    assert {row["by"] for row in board["rows"]} == {"you", "best of 8"}
    bad = next(row for row in board["rows"] if row["text"].strip().startswith("zxq"))
    good = next(row for row in board["rows"] if row["text"].strip().startswith("a small"))
    assert bad["nonsense"] and not good["nonsense"] and not best.get("nonsense")
    assert [pair.b for pair in exploits_to_pairs(board)] == [bad["text"]]


def test_what_is_missing_is_said():
    empty = Session(briefs.PRESETS["biology-homework"])
    with pytest.raises(RewardModelError, match="no pair was judged yet"):
        records(reward_lab.report(empty))


def test_an_empty_text_is_refused(session):
    with pytest.raises(InputError, match="A text to score is empty"):
        records(reward_lab.scores(session, PROMPT, [" "]))
