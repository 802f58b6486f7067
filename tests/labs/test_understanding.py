"""Questions have one right answer and a reason; what the learner's own run says is what it did."""

from __future__ import annotations

import pytest

from rlhf_core.common.errors import InputError
from rlhf_core.judging import briefs
from rlhf_core.labs import understanding
from rlhf_core.session import saving
from rlhf_core.session.state import Session


def fresh() -> Session:
    return Session(briefs.PRESETS["biology-homework"])


def steps(session: Session, *rows: tuple[float, float]) -> None:
    """Steps of (beta, KL)."""
    session.tuned.metrics = [
        {"step": n, "beta": beta, "kl_to_reference": kl, "reward_mean": 0.5 * n}
        for n, (beta, kl) in enumerate(rows)
    ]


def own(session: Session, name: str) -> str:
    return understanding.from_own_run(session, understanding.of(name))


def test_every_question_has_one_right_answer_and_a_reason():
    assert 5 <= len({one.name for one in understanding.QUESTIONS}) <= 8
    for one in understanding.QUESTIONS:
        assert one.asked.endswith("?") and one.why
        assert len(set(one.options)) == len(one.options) >= 3 and 0 <= one.right < len(one.options)
    assert len({one.right for one in understanding.QUESTIONS}) > 1, "not always the same place"


def test_a_fresh_session_has_no_numbers_of_its_own():
    session = fresh()
    assert not any(understanding.from_own_run(session, one) for one in understanding.QUESTIONS)
    assert understanding.answered(session) == {}


def test_wrong_may_be_tried_again_and_right_stays_right(tmp_path):
    session = fresh()
    session.directory, session.store = tmp_path / "run", saving.Folder()
    right = understanding.of("kl_beta").right
    assert not understanding.answer(session, "kl_beta", (right + 1) % 3)
    assert understanding.answered(session)["kl_beta"]["right"] is False
    assert understanding.answer(session, "kl_beta", right)
    understanding.answer(session, "kl_beta", (right + 1) % 3)
    kept = understanding.answered(saving.load(session.directory))["kl_beta"]
    assert kept == {"chosen": (right + 1) % 3, "right": True, "tries": 3}


@pytest.mark.parametrize("name, chosen", [("kl_beta", 3), ("kl_beta", -1), ("no such", 0)])
def test_an_answer_that_is_none_is_refused(name, chosen):
    session = fresh()
    with pytest.raises(InputError):
        understanding.answer(session, name, chosen)
    assert session.labs == {}


def test_kl_and_beta_are_told_as_they_were():
    session = fresh()
    steps(session, (0.1, 0.0), (0.1, 2.0), (0.5, 1.2))
    assert "KL fell after you raised β from 0.1 to 0.5: 2.0 nats at step 1, 1.2 at step 2" in own(
        session, "kl_beta"
    )
    steps(session, (0.1, 0.0), (0.1, 2.0), (0.5, 2.4))
    assert "did not fall" in own(session, "kl_beta"), "told honestly where it went otherwise"
    steps(session, (0.1, 0.0), (0.1, 2.0))
    assert "β 0.1 throughout" in own(session, "kl_beta")


def test_the_interval_is_read_as_it_is():
    session = fresh()
    for low, high, says in ((0.6, 0.9, "above"), (0.1, 0.4, "below"), (0.4, 0.7, "holds 50%")):
        session.tuned.evaluation = {"win_rate": (low + high) / 2, "interval": [low, high]}
        assert says in own(session, "interval")


def test_a_record_that_is_not_whole_says_nothing():
    session = fresh()
    session.tuned.metrics = [{"step": 0}, {"step": 1}]
    session.learned.summary = {"heldout_accuracy": 0.8}
    session.labs = {"context_flip": {"sentences": [1]}, understanding.KEY: [1]}
    assert not any(understanding.from_own_run(session, one) for one in understanding.QUESTIONS)
    assert understanding.answered(session) == {}
