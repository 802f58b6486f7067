"""Rounds: each keeps its model, reward model and verdict; going back leaves a branch that can be
returned to, also after a restart; and whether it improves.
"""

from __future__ import annotations

import pytest
import torch
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.errors import InputError
from rlhf_core.evaluation import still_improving
from rlhf_core.judging import briefs
from rlhf_core.loop import workbench
from rlhf_core.rewards.reward_model import RewardModel, Whitener
from rlhf_core.session import asked, folder_weights, rounds, saving, weights
from rlhf_core.session.state import Session
from rlhf_core.store.bundle import read_bundle


def tensors(number: float) -> dict:
    return {"wte.weight": torch.full((3, 2), float(number))}


def reward_model(number: float) -> RewardModel:
    return RewardModel(
        Whitener(torch.zeros(2), torch.eye(2)),
        torch.full((2,), float(number)),
        torch.eye(2),
        0.0,
        1.0,
    )


def train(session: Session, number: float, steps: int = 2) -> None:
    """Stand for a round's work: reward model and policy ``number``."""
    session.learned.head = workbench.put(session, reward_model(number).tensors())
    session.learned.summary = {"fit": int(number), "heldout_accuracy": 0.8, "examples": ["long"]}
    row = {"reward_std": 1.0, "entropy": 1.0, "reward_model": int(number)}
    session.tuned.metrics = [
        row | {"step": step, "reward_mean": 0.1 * step * number, "kl_to_reference": 1.0 * step}
        for step in range(steps + 1)
    ]
    session.tuned.samples = [
        {
            "step": step,
            "prompt": "A cat is",
            "text": f" {number} {step} {i}",
            "reward": 0.0,
            "kl": 0.0,
        }
        for step in range(steps + 1)
        for i in range(16)
    ]
    session.tuned.weights = workbench.put(session, tensors(number))
    session.tuned.log = [{"step": 0, "settings": {}, "fit": int(number), "prompts": []}]
    session.tuned.evaluation = {
        "win_rate": 0.5 + 0.1 * number,
        "interval": [0.4, 0.9],
        "sentence": f"Verdict {number}.",
        "step": steps,
        "pairs": pairs(0.5 + 0.1 * number),
    }


def pairs(rate: float, prompts: int = 20, each: int = 10) -> list[dict]:
    return [
        {
            "prompt": f"Prompt {p} is",
            "before": "x",
            "after": "y",
            "reward_before": 0.0,
            "reward_after": 1.0 if i < round(rate * each) else -1.0,
        }
        for p in range(prompts)
        for i in range(each)
    ]


@pytest.fixture(params=["on disk", "in memory"])
def session(request, tmp_path) -> Session:
    return on_disk(tmp_path) if request.param == "on disk" else Session()


def on_disk(tmp_path) -> Session:
    """Saved with every change, as the app's sessions are."""
    session = Session(directory=tmp_path / "run")
    session.store = saving.Folder()
    return session


def reopened(tmp_path) -> Session:
    session = saving.load(tmp_path / "run")
    session.store = saving.Folder()
    return session


def number_of(found: dict | None, key: str) -> float | None:
    return found and found[key].flatten()[0].item()


def of(session: Session, row: dict) -> tuple[float | None, float | None]:
    """Which policy and reward model a round's row names."""
    policy, head = (weights.tensors(session, name) for name in weights.names_of(row))
    return number_of(policy, "wte.weight"), number_of(head, "weights")


def now(session: Session) -> tuple[float | None, float | None, float | None]:
    """Which policy, start of the round and reward model are at work."""
    policy = weights.tensors(session, session.tuned.weights)
    start, head = workbench.start_of(session), workbench.head_of(session)
    return (
        number_of(policy, "wte.weight"),
        number_of(start, "wte.weight"),
        head and head.weights[0].item(),
    )


def three_rounds(session: Session) -> Session:
    for number in (1, 2):
        train(session, number)
        rounds.start_next(session)
    train(session, 3, steps=1)
    return session


def test_each_round_keeps_its_model_reward_model_and_verdict(session):
    three_rounds(session)
    earlier = set(weights.names_of(session.history.rounds[0]))
    assert not earlier & set(session.held) or session.directory is None, (
        "earlier rounds are in memory only where there is no folder"
    )
    assert [of(session, row) for row in session.history.rounds] == [(1.0, 1.0), (2.0, 2.0)]
    assert [row["verdict"]["sentence"] for row in session.history.rounds] == [
        "Verdict 1.",
        "Verdict 2.",
    ]
    assert [row["reward_summary"] for row in session.history.rounds] == [
        {"fit": 1, "heldout_accuracy": 0.8},
        {"fit": 2, "heldout_accuracy": 0.8},
    ]
    low, high = session.history.rounds[0]["reward_interval"]
    assert (low + high) / 2 == pytest.approx(0.2) and (high - low) / 2 == pytest.approx(1.96 / 4)


def test_going_back_brings_model_and_reward_model_and_keeps_what_came_after(session):
    three_rounds(session)
    assert rounds.roll_back(session, 1, "a strict taste") == "a strict taste"
    assert (
        session.history.current_round == 2
        and len(session.history.rounds) == 1
        and session.tuned.metrics == []
    )
    assert now(session) == (None, 1, 1) and session.learned.summary["fit"] == 1
    (branch,) = session.history.branches
    assert (branch["left_at"], branch["round"], len(branch["rounds"])) == (1, 3, 2)

    train(session, 5)
    assert rounds.return_to(session, "a strict taste") == "Round 2, 2 steps"
    assert session.history.current_round == 3 and session.tuned.steps_done == 1
    assert now(session) == (3, 2, 3) and session.tuned.evaluation["sentence"] == "Verdict 3."
    assert [of(session, row) for row in session.history.rounds] == [(1.0, 1.0), (2.0, 2.0)]
    assert [branch["name"] for branch in session.history.branches] == ["Round 2, 2 steps"]

    rounds.return_to(session, "Round 2, 2 steps")
    assert now(session) == (5, 1, 5) and session.history.current_round == 2


def test_back_to_the_original_keeps_the_reward_model_and_a_branch(session):
    three_rounds(session)
    rounds.roll_back(session, 0)
    assert now(session) == (None, None, 3) and session.history.current_round == 1
    rounds.return_to(session, session.history.branches[0]["name"])
    assert now(session)[0] == 3
    assert len(session.history.rounds) == 2 and session.history.branches == [], (
        "there was nothing to keep of the original"
    )


def test_everything_is_there_after_a_restart(tmp_path):
    session = three_rounds(on_disk(tmp_path))
    rounds.roll_back(session, 1, "left")
    session.history.predictions = [
        {"kl": 1.0, "reward": 0.5, "winner": "tuned", "round": 2, "from": 0, "to": 5}
    ]
    saving.save(session)
    again = reopened(tmp_path)
    assert again.history.predictions == session.history.predictions
    assert [branch["name"] for branch in again.history.branches] == ["left"] and all(
        rounds.kept(again, number) for number in (0, 1)
    )
    rounds.return_to(again, "left")
    assert again.history.current_round == 3 and now(again) == (3, 2, 3)
    third = reopened(tmp_path)
    assert read_bundle(third.directory)["tensors"]["policy"]["wte.weight"][0, 0] == 3
    rounds.roll_back(third, 1)
    assert now(third)[1] == 1, "weights of a round before the last survive a restart"
    assert read_bundle(third.directory)["tensors"]["round_start"]["wte.weight"][0, 0] == 1


def test_a_bundle_of_an_older_version_still_goes_back_to_its_last_round(tmp_path):
    session = on_disk(tmp_path)
    train(session, 1)
    rounds.start_next(session)
    session.history.rounds = [
        {
            name: value
            for name, value in session.history.rounds[0].items()
            if name in ("round", "comparisons", "steps", "reward", "kl", "win_rate")
        }
    ]
    rounds.tidy(session)
    saving.save(session)
    again = saving.load(tmp_path / "run")
    assert rounds.kept(again, 1)
    rounds.roll_back(again, 1)
    assert again.history.current_round == 2 and len(again.history.rounds) == 1
    assert still_improving.still_improving(again.history.rounds * 2)["answer"] == "unknown"


def test_weights_that_are_gone_are_refused_in_words_and_nothing_is_lost(tmp_path):
    session = three_rounds(on_disk(tmp_path))
    place = folder_weights.place_of(session, session.history.rounds[0]["weights"])
    assert place.parent == tmp_path / "run" / "rounds"
    place.write_bytes(b"damaged")
    with pytest.raises(InputError, match="weights of round 1 are no longer kept"):
        rounds.roll_back(session, 1)
    rounds.roll_back(session, 2, "left")
    for path in (tmp_path / "run" / "rounds").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="weights of that branch are no longer kept"):
        rounds.return_to(session, "left")
    with pytest.raises(InputError, match="no longer kept"):
        rounds.return_to(session, "never there")
    assert len(session.history.branches) == 1 and session.history.current_round == 3


def test_branches_are_bounded_and_their_files_go_with_them(session):
    three_rounds(session)
    for number in range(rounds.MOST_BRANCHES + 2):
        train(session, 10 + number)
        rounds.roll_back(session, 2, "the same name")
    names = [branch["name"] for branch in session.history.branches]
    assert (
        names == [f"the same name ({n})" for n in (3, 4, 5, 6)][-rounds.MOST_BRANCHES :]
        or len(set(names)) == rounds.MOST_BRANCHES
    )
    kept = (
        set(session.held)
        if session.directory is None
        else {path.stem for path in (session.directory / "rounds").iterdir()}
    )
    of_policies = 2 + rounds.MOST_BRANCHES  # two rounds, and each branch's unfinished one
    assert len(kept) == 2 * of_policies, "each with its reward model"
    rounds.forget_branch(session, names[0])
    assert len(session.history.branches) == rounds.MOST_BRANCHES - 1


def test_too_many_bytes_cost_the_oldest_branch_then_the_oldest_rounds_weights(
    tmp_path, monkeypatch
):
    session = three_rounds(on_disk(tmp_path))
    rounds.roll_back(session, 2, "left")
    size = next((tmp_path / "run" / "rounds").iterdir()).stat().st_size
    monkeypatch.setattr(rounds, "MOST_BYTES", size + size // 2)
    rounds.tidy(session)
    assert session.history.branches == [] and [rounds.kept(session, n) for n in (0, 1, 2)] == [
        True,
        False,
        True,
    ]


def test_names_from_a_file_reach_nothing_outside(tmp_path):
    session = three_rounds(on_disk(tmp_path))
    inside = folder_weights.place_of(session, session.history.rounds[0]["weights"])
    (tmp_path / "run" / "outside.safetensors").write_bytes(inside.read_bytes())
    for name in ("../outside", "outside", "", None, 5, ["x"], "../outside.policy"):
        assert not weights.is_kept(session, name) and weights.tensors(session, name) is None
        assert folder_weights.place_of(session, name) is None
    rounds.roll_back(session, 1, "left")
    assert (
        rounds.readable(
            [
                *session.history.branches,
                {"name": "half"},
                None,
                session.history.branches[0] | {"metrics": None},
            ]
        )
        == session.history.branches
    )


def test_a_full_disk_keeps_the_weights_in_memory(tmp_path, monkeypatch):
    session = on_disk(tmp_path)
    train(session, 1)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    rounds.start_next(session)
    (row,) = session.history.rounds
    assert set(weights.names_of(row)) == set(session.held) and of(session, row) == (1.0, 1.0)


def test_a_name_is_text_and_never_too_long(session):
    three_rounds(session)
    assert rounds.roll_back(session, 2, "  <script>\n" + "x" * 500) == "<script> " + "x" * (
        rounds.MAX_NAME - 9
    )


def test_another_brief_begins_anew_and_the_former_comes_back_whole(session):
    three_rounds(session)
    rounds.roll_back(session, 1)
    former, before = session.asked.brief, session.history
    asked.set_brief(session, briefs.PRESETS["meme-bot"])
    assert session.history.rounds == session.history.branches == []
    assert session.history.current_round == 1 and not session.learned.head
    rounds.tidy(session)
    asked.set_brief(session, former)
    assert session.history == before and session.shelf == {}
    (branch,) = session.history.branches
    rounds.return_to(session, branch["name"])
    assert session.history.current_round == 3


# --- does it still improve? -----------------------------------------------------------------------


def measured(number: int, rate: float, **more) -> dict:
    found = {"win_rate": rate, "pairs": pairs(rate)}
    return {
        "round": number,
        "win_rate": rate,
        "pairs": 200,
        "by_prompt": rounds.by_prompt(found),
    } | more


@pytest.mark.parametrize(
    ("first", "second", "answer", "words"),
    [
        (0.6, 0.8, "better", "still improves"),
        (0.8, 0.6, "worse", "got worse"),
        (0.7, 0.7, "no change", "no detectable change"),
    ],
)
def test_two_rounds_are_compared_with_an_interval(first, second, answer, words):
    found = still_improving.still_improving([measured(1, first), measured(2, second)])
    assert (
        found["answer"] == answer
        and words in found["sentence"]
        and "round 1 to round 2" in found["sentence"]
        and "95% interval" in found["sentence"]
    )


@pytest.mark.parametrize("prompts", [1, 4])
def test_of_few_prompts_there_is_no_telling(prompts):
    few = [measured(number, rate) for number, rate in ((1, 0.2), (2, 0.9))]
    for row in few:
        row["by_prompt"] = dict(list(row["by_prompt"].items())[:prompts])
    found = still_improving.still_improving(few)
    assert (
        found["answer"] == "unknown"
        and f"Too few prompts were measured in both of these rounds ({prompts})"
        in found["sentence"]
    )


def test_a_change_is_tested_over_prompts_by_student():
    """Five gaps by hand: mean 0.1, standard deviation sqrt(0.025), t(4) = 2.776: 0.1 +- 0.196."""
    gaps = [-0.1, 0.0, 0.1, 0.2, 0.3]
    one, other = measured(1, 0.5), measured(2, 0.6)
    one["by_prompt"] = {f"p{i}": 0.5 for i in range(5)}
    other["by_prompt"] = {f"p{i}": 0.5 + gap for i, gap in enumerate(gaps)}
    found = still_improving.still_improving([one, other])
    assert found["answer"] == "no change"
    said = found["sentence"]
    assert "+10 points of win rate by their own reward models (95% interval" in said
    assert "\N{MINUS SIGN}10 to +30)" in said


def test_few_prompts_and_noise_are_no_improvement():
    one, other = measured(1, 0.6), measured(2, 0.62)
    other["by_prompt"] = {
        prompt: rate + (0.3 if i % 2 else -0.26)
        for i, (prompt, rate) in enumerate(one["by_prompt"].items())
    }
    assert still_improving.still_improving([one, other])["answer"] == "no change"
    old = [
        {"round": 1, "win_rate": 0.6, "pairs": 60},
        {"round": 2, "win_rate": 0.65, "pairs": 60},
    ]  # nothing kept by prompt
    assert still_improving.still_improving(old)["answer"] == "no change"
    far = [{"round": 1, "win_rate": 0.2, "pairs": 200}, {"round": 2, "win_rate": 0.9, "pairs": 200}]
    assert still_improving.still_improving(far)["answer"] == "better"


def test_what_was_not_measured_cannot_be_told():
    assert (
        still_improving.still_improving([])["answer"]
        == still_improving.still_improving([measured(1, 0.7)])["answer"]
        == "unknown"
    )
    skipped = [measured(1, 0.6), {"round": 2, "win_rate": None}, measured(3, 0.8)]
    assert "round 1 to round 3" in still_improving.still_improving(skipped)["sentence"]


def test_rates_by_prompt_count_ties_half():
    row = {
        "prompt": "A cat is",
        "before": "x",
        "after": "y",
        "reward_before": 0.0,
        "reward_after": 1.0,
    }
    evaluation = {
        "pairs": [
            row,
            row | {"reward_after": -1.0},
            row | {"reward_after": 0.0},
            row | {"after": "x"},
        ]
    }
    assert rounds.by_prompt(evaluation) == {"A cat is": 0.5} and rounds.by_prompt({}) == {}


def test_an_independent_judge_compares_rounds_where_it_saw_both(tmp_path):
    """By each round's own reward model it improves, by the graded rule it got worse."""
    rows = []
    for number, own, rule in ((1, 0.6, 0.8), (2, 0.8, 0.6)):
        graded = {"name": "graded rule", "win_rate": rule, "interval": [0.4, 0.9], "pairs": 200}
        graded["by_prompt"] = rounds.by_prompt({"pairs": pairs(rule)})
        rows.append(measured(number, own, judges=[graded]))
    found = still_improving.still_improving(rows)
    assert (found["answer"], found["judge"]) == ("worse", "graded rule")
    assert "by the graded rule" in found["sentence"]
    older = still_improving.still_improving([measured(1, 0.6), rows[1]])
    assert (older["answer"], older["judge"]) == ("better", "reward model")


def test_a_round_keeps_what_the_independent_judges_counted():
    session = Session(briefs.PRESETS["meme-bot"])
    train(session, 1)
    evaluation = session.tuned.evaluation
    count = {"win_rate": 0.7, "interval": [0.6, 0.8], "pairs": 200}
    evaluation["judges"] = [
        count | {"name": name} for name in ("reward model", "word rule", "graded rule")
    ]
    kept = rounds.told(rounds.summary(session))["judges"]
    assert [row["name"] for row in kept] == ["graded rule", "word rule"]
    assert set(kept[0]["by_prompt"]) == {pair["prompt"] for pair in evaluation["pairs"]}
    assert rounds.told({"round": 1})["judges"] == []
