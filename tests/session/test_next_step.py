"""What is next: from the first prompt over the rounds, and after the scripted rater's turn."""

from __future__ import annotations

import pytest

from rlhf_core.judging.preferences import Ranking
from rlhf_core.session import judged
from rlhf_core.session.next_step import ENOUGH, GOAL, SOME_MORE, fresh_pairs, goal, next_step
from rlhf_core.session.state import SCRIPTED, Session


def add_set(session: Session, texts: list[str], *, asked: bool = False) -> str:
    part = session.asked
    row = {"id": f"set-{len(part.candidate_sets) + 1}", "prompt": "An opossum is", "texts": texts}
    row |= {"finished": [True] * len(texts), "asked": asked}
    part.candidate_sets = [*part.candidate_sets, row]
    return row["id"]


def judge(session: Session, count: int, annotator: str = "you") -> None:
    first = len(session.judged.rankings)
    made = [
        Ranking(
            f"made-{first + number}",
            "An opossum is",
            [f" a{first + number}", f" b{first + number}"],
            [0, 1],
            [[0], [1]],
            annotator=annotator,
            brief=session.asked.brief.slug,
        )
        for number in range(count)
    ]
    session.judged.rankings = [*session.judged.rankings, *made]


def learn(session: Session, head: str = "0" * 64) -> None:
    session.learned.head = head
    fit = session.learned.summary.get("fit", 0) + 1
    session.learned.summary = {
        "offered": judged.pair_count(session),
        "fit": fit,
        "rater": judged.rater(session),
    }


def tune(session: Session) -> None:
    fit = session.learned.summary["fit"]
    session.tuned.metrics = [{"step": step, "reward_model": fit} for step in range(3)]
    session.tuned.evaluation = None


def test_a_first_round_goes_once_round_the_loop():
    session = Session()
    assert next_step(session).box == "prompt"
    set_id = add_set(session, [" a", " b"], asked=True)
    assert (next_step(session).box, next_step(session).label) == ("rank", "Rank these answers")
    judged.add_ranking(session, set_id, groups=[[0], [1]])
    assert next_step(session).label == "Rank some answers"
    judge(session, ENOUGH - 2)
    assert next_step(session).box == "rank"
    judge(session, 1)
    assert (next_step(session).box, next_step(session).job) == ("reward_model", "fit")
    learn(session)
    judge(session, 3)
    assert (next_step(session).box, next_step(session).job) == ("ppo", "ppo"), "three more can wait"
    session.tuned.metrics = [{"step": 0}]
    assert next_step(session).box == "ppo", "step 0 only looks"
    tune(session)
    assert next_step(session).box == "before_after"
    session.tuned.evaluation = {"win_rate": 0.6}
    assert next_step(session).box == "rounds"


def test_answers_that_are_all_alike_are_nothing_to_rank():
    session = Session()
    add_set(session, [" same", " same"], asked=True)
    assert next_step(session).box == "prompt"


def test_ties_alone_do_not_lead_to_a_reward_model():
    session = Session()
    judge(session, ENOUGH)
    session.judged.rankings = [
        Ranking(**{**vars(one), "groups": [[0, 1]]}) for one in session.judged.rankings
    ]
    assert judged.pair_count(session) == ENOUGH and next_step(session).box == "rank"


def test_a_reward_model_trained_after_ppo_leads_back_to_ppo():
    session = Session()
    judge(session, ENOUGH)
    learn(session)
    tune(session)
    learn(session)
    assert next_step(session).box == "ppo"


@pytest.mark.parametrize("written", [False, True])
def test_after_the_scripted_rater_it_is_the_learners_turn(written):
    session = Session()
    judge(session, 30, SCRIPTED)
    learn(session)
    tune(session)
    assert next_step(session).box == "before_after", "first what it changed"
    session.tuned.evaluation = {"win_rate": 0.6}
    assert (next_step(session).box, next_step(session).label) == (
        "prompt",
        "Now you: write a prompt",
    )
    if written:
        add_set(session, [" a", " b"], asked=True)
        assert next_step(session).label == "Rank these answers"
    judge(session, 1)
    assert next_step(session).box == "rank"
    judge(session, ENOUGH - 1)
    assert fresh_pairs(session) == ENOUGH and next_step(session).job == "fit"
    learn(session)
    assert next_step(session).box == "ppo"


def test_too_few_votes_to_tell_lead_back_to_the_desk():
    session = Session()
    judge(session, 3)
    learn(session)
    few = {"p": 0.6, "decided": 3, "witnesses": 3, "fits": 400, "support": 0.05}
    session.learned.summary |= {"chance": few}
    tune(session)
    assert next_step(session).box == "before_after", "first what it changed"
    session.tuned.evaluation = {"win_rate": 0.5}
    assert next_step(session).label == "Judge more: too few to tell"
    judge(session, ENOUGH - 3)
    assert next_step(session).job == "fit"


def test_a_list_of_four_is_three_choices_of_its_own():
    session = Session()
    set_id = add_set(session, [" a", " b", " c", " d"], asked=True)
    judged.add_ranking(session, set_id, groups=[[0], [1], [2], [3]])
    judge(session, ENOUGH - 4)
    assert judged.pair_count(session) > ENOUGH and next_step(session).box == "rank"
    judge(session, 1)
    assert next_step(session).box == "reward_model"


def test_a_new_round_begins_with_what_the_tuned_model_writes():
    session = Session()
    judge(session, ENOUGH)
    learn(session, "a" * 64)
    session.history.rounds = [{"round": 1, "head": "a" * 64}]
    session.history.current_round = 2
    assert next_step(session).label == "Rank what the tuned model writes"
    judge(session, ENOUGH)
    assert next_step(session).box == "reward_model"
    learn(session, "b" * 64)
    assert next_step(session).box == "ppo"


def test_a_list_is_one_judgement_and_six_pairs():
    session = Session()
    set_id = add_set(session, [" a", " b", " c", " d"])
    judged.add_ranking(session, set_id, groups=[[0], [1], [2], [3]])
    other = add_set(session, [" e", " f"])
    judged.add_ranking(session, other, verdict="skip")
    third = add_set(session, [" g", " h"])
    judged.add_ranking(session, third, verdict="both_bad")
    assert (judged.judgement_count(session), judged.pair_count(session)) == (2, 6)


def test_votes_that_could_be_coins_are_joined_by_more_before_ppo():
    """Twelve votes of a nervous beginner often tell nothing; PPO on them ends in a sad verdict."""
    session = Session()
    judge(session, ENOUGH)
    learn(session)
    chance = {"p": 0.32, "decided": ENOUGH, "witnesses": ENOUGH, "fits": 400, "support": 0.3}
    session.learned.summary["chance"] = chance
    assert next_step(session).label == "Judge some more: these could be chance"
    judge(session, SOME_MORE)
    assert next_step(session).job == "fit"
    learn(session)
    session.learned.summary["chance"] = {**chance, "p": 0.01}
    assert next_step(session).job == "ppo", "now they tell more than coins would"
    session.learned.summary["chance"] = chance
    judge(session, GOAL)
    learn(session)
    session.learned.summary["chance"] = chance
    assert next_step(session).job == "ppo", "a whole round that tells nothing: see what comes of it"


def test_the_goal_is_clear_choices_until_there_is_a_reward_model():
    session = Session()
    judge(session, 3)
    assert goal(session) == (3, ENOUGH, "clear choices")
    judge(session, ENOUGH)
    assert goal(session) == (ENOUGH, ENOUGH, "clear choices"), (
        "enough: it does not jump to a new goal"
    )
    learn(session)
    assert goal(session) == (ENOUGH + 3, GOAL, "pairs")


def test_judgements_made_after_the_verdict_are_learned_before_the_next_round():
    session = Session()
    judge(session, ENOUGH)
    learn(session)
    tune(session)
    session.tuned.evaluation = {"judges": []}
    assert next_step(session).box == "rounds"
    judge(session, SOME_MORE)
    assert next_step(session).job == "fit"
