"""What follows from the judgements is reckoned once, and anew as soon as anything it follows from
is another.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from rlhf_core.judging import briefs, preferences
from rlhf_core.judging.preferences import Pair
from rlhf_core.session import asked, judged
from rlhf_core.session.reckoned import reckoned
from rlhf_core.session.state import Session


@pytest.fixture
def session() -> Session:
    session = Session(briefs.PRESETS["biology-homework"])
    judge(session, " a fish.", " a fad.")
    return session


def judge(session: Session, *texts: str) -> None:
    row = asked.add_set(session, "A yak is", list(texts), [True] * len(texts), 0)
    judged.add_ranking(session, row["id"], groups=[[0], [1]])


def figures(session: Session) -> tuple:
    return (
        [(pair.a, pair.b, pair.choice) for pair in judged.pairs(session)],
        judged.pair_count(session),
        judged.witness_count(session),
        judged.nothing_to_learn(session),
    )


def from_nothing(session: Session) -> tuple:
    session.reckoned = {}
    return figures(session)


def test_the_same_objects_are_asked_once():
    session, made = Session(), []
    of = ([], "brief")
    for _ in range(3):
        assert reckoned(session, "n", of, lambda: made.append(1) or len(made)) == 1
    assert reckoned(session, "n", ([], "brief"), lambda: made.append(1) or len(made)) == 2
    assert reckoned(session, "other", of, lambda: "its own") == "its own"


def test_a_page_that_is_drawn_again_reckons_nothing(session, monkeypatch):
    before, calls = figures(session), []
    real = preferences.pairs_from_rankings
    monkeypatch.setattr(judged, "pairs_from_rankings", lambda r: calls.append(1) or real(r))
    assert figures(session) == before and not calls
    judge(session, " a bird.", " a bore.")
    assert figures(session) != before and len(calls) == 1


def change_version(session: Session) -> None:
    asked.set_brief(session, asked.draft_brief(session, {"prefer": "Something else."}))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: judge(s, " a bird.", " a bore."),
        lambda s: judged.undo_ranking(s),
        lambda s: judged.change_ranking(s, "set-1", groups=[[1], [0]]),
        lambda s: setattr(s.judged, "imported", [Pair("p", "a", "b", "a")]),
        lambda s: setattr(
            s.judged, "exploits", [Pair("p", "a", "b", "a", brief=s.asked.brief.slug)]
        ),
        lambda s: asked.set_brief(s, briefs.PRESETS["meme-bot"]),
        lambda s: (change_version(s), asked.let_older_count(s, False)),
        lambda s: setattr(
            s.asked, "brief", replace(s.asked.brief, evaluation_prompts=("A yak is",))
        ),
    ],
    ids=["judged", "undone", "changed", "imported", "exploit", "brief", "older", "evaluation"],
)
def test_whatever_they_follow_from_makes_them_anew(session, change):
    before = figures(session)
    change(session)
    after = figures(session)
    assert after == from_nothing(session) != before


def test_who_gets_the_pairs_may_do_with_them_what_they_like(session):
    before = figures(session)
    judged.pairs(session).clear()
    judged.learnable(session).clear()
    assert figures(session) == before
