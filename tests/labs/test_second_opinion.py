"""What the lab keeps: the fine-tuned second opinion beside the head on the same votes, and the
machine that tries to fool a reward model.
"""

from __future__ import annotations

import pytest
import torch
from lab_data import returned
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import FineTunedSettings, RewardModelSettings
from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Pair, split_prompts
from rlhf_core.labs import hacking_board, hacking_game, reward_lab, second_opinion
from rlhf_core.labs.hacking import attack
from rlhf_core.lm.texts import pooled_of_texts
from rlhf_core.loop import reward, workbench
from rlhf_core.rewards import reward_model
from rlhf_core.session.state import Session

FACTS = (" a marsupial with a prehensile tail.", " an animal of the forest.", " a small mammal.")
MEMES = (" a great character for memes.", " a mood.", " so me.")
SHORT = FineTunedSettings(epochs=2, unfrozen_layers=1)


def records(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


@pytest.fixture
def session() -> Session:
    session = Session(briefs.PRESETS["biology-homework"])
    session.settings = {"reward_model": {"reference_samples": 64}}
    prompts = session.asked.brief.training_prompts[:5]
    session.judged.imported = [
        Pair(prompts[n % 5], FACTS[n % 3], MEMES[n // 5], "a") for n in range(15)
    ]
    return session


def test_the_second_opinion_is_kept_and_measured_beside_the_head_on_the_same_votes(session):
    *epochs, last = records(second_opinion.fine_tune(session, SHORT))
    assert [row["iteration"] for row in epochs] == [1, 2] and all(
        len(row["examples"]) == len(last["examples"]) >= 9 for row in epochs
    )
    assert (
        session.labs["reward_model"]["fine_tuned"] == last
        and session.settings["fine_tuned"]["epochs"] == 2
        and session.learned.head == ""
    )
    lab = returned(reward_lab.open_lab(session))
    held = {
        prompt
        for prompt, fold in split_prompts(
            [pair.prompt for pair in session.judged.imported], SHORT.folds, SHORT.seed
        ).items()
        if fold == 0
    }
    rest = Session(session.asked.brief)
    rest.settings = session.settings
    rest.judged.imported = [pair for pair in session.judged.imported if pair.prompt not in held]
    head, right, count = returned(reward_lab.open_lab(rest)).model, 0, 0
    for pair in session.judged.imported:
        if pair.prompt in held:
            rows = [(pair.prompt, text, True) for text in (pair.a, pair.b)]
            a, b = head.score(returned(pooled_of_texts(lab.lm, rows)))
            right, count = right + bool(a > b), count + 1
    assert count == last["heldout_pairs"] and last["head_accuracy"] == pytest.approx(right / count)
    assert (
        f"Of {count} held-out votes" in last["sentence"]
        and -1 <= last["agreement"] <= 1
        and last["seconds"] > 0
    )
    before = {row["text"]: row["before"] for row in last["examples"]}
    own = records(reward_lab.scores(session, last["examples"][0]["prompt"], list(before)[:2]))
    assert [row["score"] for row in own[0]["rows"]] == pytest.approx(
        list(before.values())[:2], abs=0.02
    ), "before is the instant head's score"


def test_two_models_on_the_same_votes_are_told_apart_by_those_that_only_one_gets_right():
    assert second_opinion.sign_test(0, 0) == 1.0 and second_opinion.sign_test(5, 5) == 1.0
    assert second_opinion.sign_test(6, 0) == second_opinion.sign_test(0, 6) == pytest.approx(2 / 64)
    said = {"agreement": 0.5, "seconds": 2.0}
    assert (
        "18 right, the instant one 12: they differ on 6 of them, more than luck"
        in second_opinion.in_words(said, [True] * 18 + [False] * 2, [True] * 12 + [False] * 8)
    )
    few = second_opinion.in_words(said, [True] * 9 + [False], [True] * 7 + [False] * 3)
    assert "too few to tell" in few
    assert "the same ones" in second_opinion.in_words(said, [True, False], [True, False])


def test_a_stopped_fine_tuning_keeps_nothing_and_the_head_is_untouched(session):
    run = second_opinion.fine_tune(session, SHORT)
    for item in run:
        if isinstance(item, dict):
            break
    run.close()
    assert "reward_model" not in session.labs and session.learned.head == ""


def test_each_score_of_the_list_carries_both_kinds_of_doubt(session):
    records(reward.fit_reward_model(session, RewardModelSettings(reference_samples=64)))
    examples = session.learned.summary["examples"]
    assert len(examples) >= 9 and all(
        row["laplace"] > 0 and row["bootstrap"] >= 0 for row in examples
    )
    first = examples[0]
    (own,) = records(reward.score_texts(session, first["prompt"], [first["text"]]))
    assert first["after"] == pytest.approx(own["reward"], abs=0.05) and first[
        "laplace"
    ] == pytest.approx(own["uncertainty"], abs=0.05)


class Shouts:
    """A scorer that can be hacked in one way: one point for each word that begins with an a."""

    def score(self, rows):
        return torch.tensor(
            [float(sum(word.startswith("a") for word in text.split())) for _, text, _ in rows]
        )


def test_the_search_finds_what_the_score_rewards_and_is_seeded():
    *progress, found = attack(
        Shouts(),
        "An opossum is",
        "a small animal that lives in a tree.",
        ["big", "an apple and an ape"],
    )
    assert all(isinstance(item, Progress) for item in progress) and [
        item.done for item in progress
    ] == list(range(1, progress[-1].total))
    scorer = Shouts()
    scores = {way: scorer.score([("", text, True)]).item() for way, text in found.items()}
    assert (
        scores["word by word"] >= 8
        and scores["keyword soup"] >= 3
        and scores["repetition"] == 12
        and found["about something else"] == "an apple and an ape"
    )
    assert sorted(found["words in disorder"].split()) == sorted(
        "a small animal that lives in a tree.".split()
    )
    assert [
        *attack(
            Shouts(),
            "An opossum is",
            "a small animal that lives in a tree.",
            ["big", "an apple and an ape"],
        )
    ][-1] == found


def test_exploits_need_nonsense_and_an_honest_text(session):
    prompt = session.asked.brief.training_prompts[0]
    with pytest.raises(InputError, match="no nonsense text on the board"):
        records(hacking_game.reject_exploits(session, prompt))
    assert session.judged.exploits == []


def test_rejecting_twice_adds_nothing_twice(session):
    prompt = session.asked.brief.training_prompts[0]
    records(hacking_game.try_text(session, prompt, "zxq vrrp blort wug zxq vrrp"))
    records(hacking_game.race(session, prompt))
    typed = hacking_board.board_of(session, prompt)["entries"][0]["text"]
    hacking_board.call_it(session, prompt, typed, True)
    records(hacking_game.reject_exploits(session, prompt))
    once = list(session.judged.exploits)
    assert len(once) == 1
    assert isinstance(workbench.head_of(session), reward_model.RewardModel)
    *_, hole = records(hacking_game.reject_exploits(session, prompt))
    best = hacking_board.board_of(session, prompt)["best"]["text"]
    assert [pair for pair in session.judged.exploits if pair.a == best] == [
        pair for pair in session.judged.exploits if pair.a == best
    ][:1] and hole["kind"] == "hole"
