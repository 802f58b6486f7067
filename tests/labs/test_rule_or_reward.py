"""Rule or reward model?: the rule, what is said of answers, and the lab at a small size."""

import functools
import math
from dataclasses import replace

import pytest
import torch

from rlhf_core.common.errors import SettingsError
from rlhf_core.common.events import Progress
from rlhf_core.common.lab_settings import RuleOrRewardSettings
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.evaluation.checkable_rule import animals, check, grade, named
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.labs import measuring, rule_or_reward
from rlhf_core.labs.measuring import Answer
from rlhf_core.labs.rule_or_reward import Yardstick, favourite_word, mean_change, repeats
from rlhf_core.lm import language_model
from rlhf_core.lm.sampling import Responses
from rlhf_core.session import saving
from rlhf_core.session.state import Session

BRIEF = PRESETS["biology-homework"].edited(
    training_prompts=PRESETS["biology-homework"].training_prompts[:4],
    evaluation_prompts=("A badger is", "A fox is", "A dog is"),
)
SMALL = RuleOrRewardSettings(steps=4, comparisons=24)


# --- the rule -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ended", "parts"),
    [
        (" a small fox with a tail.", True, (True, True, True)),
        (" a small fox with a tail.", False, (False, True, True)),
        (" a small fox with a tail", True, (False, True, True)),
        (" one two three four five six seven eight.", True, (True, True, False)),
        (" one two three four five six seven eight nine.", True, (True, False, False)),
        (" Wolves and GEESE!", True, (False, True, True)),
        (" a foxglove.", True, (True, True, False)),
        (" a cat that runs on dog software.", True, (True, True, True)),
        ("", True, (False, False, False)),
    ],
)
def test_each_part_is_checked_from_the_letters_alone(text, ended, parts):
    assert tuple(check(text, ended).values()) == parts
    assert grade(text, ended) == pytest.approx(sum(parts) / 3)
    assert grade(text, ended, all_or_nothing=True) == float(all(parts))


def test_animals_are_known_as_one_and_as_many():
    assert named(" mice chase the mouse, and two foxes watch the geese.") == [
        "mouse",
        "fox",
        "goose",
    ]
    several = "rats donkeys butterflies ostriches walruses rhinos flamingoes foxes"
    assert len(named(several)) == 8
    known = animals()
    assert len(set(known.values())) > 120 and all(word == word.lower() for word in known)


@pytest.mark.parametrize(
    "text",
    [
        " the rates of growth.",
        " it abates, bates and antes up.",
        " he wolfs it down.",
        " two foxs.",
        " butterflys.",
        " a dog-eared page.",
        " a cat5 cable.",
    ],
)
def test_what_only_looks_like_an_animal_names_none(text):
    assert named(text) == []


@pytest.mark.parametrize("text", [" the dog's tail.", " a 'dog' is.", " the dogs' den.", " dog--"])
def test_an_apostrophe_or_a_dash_hides_no_animal(text):
    assert named(text) == ["dog"]


# --- what is said of answers ----------------------------------------------------------------------


def answer(prompt: int, text: str, proxy: float = 0.0) -> Answer:
    return Answer(prompt, text, True, proxy, 0.0, {}, 1.0, 0.0)


def test_an_answer_repeats_where_it_stands_under_another_prompt_too():
    texts = [(0, " a Cat."), (0, " a cat."), (1, " a dog."), (2, "a dog. "), (2, " a bee.")]
    assert repeats([answer(prompt, text) for prompt, text in texts]) == [0, 0, 1, 1, 0]


def test_a_change_is_paired_by_prompt_and_knows_when_nothing_changed():
    before = {prompt: float(prompt) for prompt in range(30)}
    up = {prompt: value + 0.5 + 0.01 * (prompt % 3) for prompt, value in before.items()}
    middle, low, high = mean_change(before, up, 0)
    assert 0.5 < low < middle == pytest.approx(0.51) and middle < high < 0.52
    luck = {prompt: value + (-1) ** prompt for prompt, value in before.items()}
    middle, low, high = mean_change(before, luck, 0)
    assert low < 0 < high


@pytest.mark.parametrize("count", [1, 2, 4])
def test_of_few_prompts_nothing_is_certain(count):
    """Drawn again, one prompt is that prompt: the interval would have no width."""
    before, after = dict.fromkeys(range(count), 0.0), dict.fromkeys(range(count), 1.0)
    assert mean_change(before, after, 0) == [1.0, None, None]
    few = [one for one in pool() if one.prompt < count]
    measure = Yardstick(few, 0)
    measure.point(few)
    end = measure.point([answer(prompt, " quiet fox.", 9.0) for prompt in range(count)])
    assert all(change[1:] == [None, None] for change in end["changes"].values())
    assert Yardstick([one for one in pool(bonus=3.0) if one.prompt < 9], 0).word is None


def climbed(seed: int, often: float) -> list[float | None]:
    """What is said of a climb that games nothing: a score of 2 for the animal and luck, an animal
    ``often`` in the original's answers and in each of the policy's.
    """
    luck = torch.Generator().manual_seed(seed)

    def write(each: int, often: float) -> list[Answer]:
        found = []
        for prompt in range(20):
            for _ in range(each):
                fox = torch.rand(1, generator=luck).item() < often
                score = 2 * fox + torch.randn(1, generator=luck).item()
                found.append(answer(prompt, " quiet fox." if fox else " quiet rock.", score))
        return found

    measure = Yardstick(write(8, often), seed)
    measure.point(write(4, often))
    return measure.point(write(4, 1.0))["changes"]["beside"]


@pytest.mark.slow
def test_the_fit_is_in_the_interval_so_that_a_rare_part_alone_is_no_gaming():
    alarms = sum(low is not None and low > 0 for _, low, _ in (climbed(n, 0.06) for n in range(40)))
    assert alarms <= 4, "2.5% is meant"


def test_what_the_original_never_showed_cannot_be_told():
    assert climbed(0, 0.0) == [None, None, None]


def pool(bonus: float = 0.0, seed: int = 0) -> list[Answer]:
    """Answers of every kind to 40 prompts; the score is twice the animal, once the length, noise,
    and a bonus for the word "my".
    """
    luck, found = torch.Generator().manual_seed(seed), []
    for prompt in range(40):
        for number in range(16):
            noise = torch.randn(1, generator=luck).item()
            words = " my" if torch.rand(1, generator=luck).item() < 0.3 else ""
            animal = " fox" if number % 2 else " rock"
            long = " that is very long and goes on and on and on" if number % 3 == 0 else ""
            text = f"{words} quiet{animal}{long}."
            score = 2 * ("fox" in text) - 1 * bool(long) + bonus * bool(words) + 0.3 * noise
            found.append(answer(prompt, text, score))
    return found


def test_what_the_rule_explains_and_what_is_beside_it():
    plain = Yardstick(pool(), 0)
    assert plain.explained > 0.9 and plain.word is None
    gains = dict(zip(("stop", "short", "animal"), plain.weights))
    assert gains["animal"] == pytest.approx(2, abs=0.1) and gains["short"] == pytest.approx(
        1, abs=0.1
    )
    # The text of a fox, short, earns no more than the rule explains; a bonus is beside it.
    beside = plain.beside([answer(0, " quiet fox.", 5.0)])
    assert beside == [pytest.approx(5.0 - plain.weights.sum(), abs=1e-9)]


def test_a_word_that_is_rewarded_beside_the_rule_is_found_and_tested_on_other_prompts():
    found = Yardstick(pool(bonus=1.0), 0).word
    assert found["word"] == "my"
    middle, low, high = found["more"]
    assert 0.8 < low < middle < high < 1.2
    # Noise alone has no favourite: of many words one always leads, and the test undoes it.
    luck = torch.Generator().manual_seed(1)
    answers = [
        answer(
            prompt, " ".join(f"w{'abcdefghij'[i]}" for i in torch.randperm(10, generator=luck)[:5])
        )
        for prompt in range(40)
        for _ in range(8)
    ]
    tests = [
        favourite_word(answers, torch.randn(len(answers), generator=luck).tolist(), seed)
        for seed in range(20)
    ]
    assert sum(one is not None for one in tests) <= 3


def test_a_point_says_where_a_policy_stands():
    measure = Yardstick(pool(), 0)
    start = measure.point(pool(seed=1))
    assert start["changes"]["satisfied"] == [0, 0, 0] and start["learned"] == 0
    same = [answer(prompt, " quiet fox.", 3.0) for prompt in range(40) for _ in range(4)]
    end = measure.point(same)
    assert end["satisfied"] == 1 and end["repeats"] == 1 and end["interval"][0] > 0.9
    assert end["commonest"] == ["quiet fox.", 1.0] and end["animal"] == ["fox", 1.0]
    assert end["parts"] == {"stop": 1, "short": 1, "animal": 1} and end["kl"] == 1
    low = end["changes"]["beside"][1]
    assert low > 0, "it scores more than its parts explain"
    assert [row[1] for row in end["texts"]] == [" quiet fox."] * 6
    assert [row[0] for row in end["texts"]] == list(range(6))


# --- the lab --------------------------------------------------------------------------------------


def test_the_rule_is_the_reward_of_what_was_written():
    lm = language_model.load()
    texts = [" a fox.", " a long walk."]
    rows = [lm.encode(text) + [lm.end_id] for text in texts]
    width = max(map(len, rows))
    tokens = torch.tensor([row + [lm.pad_id] * (width - len(row)) for row in rows])
    mask = torch.tensor([[i < len(row) for i in range(width)] for row in rows])
    ids = torch.tensor([lm.encode("A fox is")] * 2)
    responses = Responses(ids, torch.ones_like(ids, dtype=torch.bool), tokens, mask, tokens.float())
    for whole, expected in ((False, [1.0, 2 / 3]), (True, [1.0, 0.0])):
        rewards = rule_or_reward.rule_rewards(lm, whole)(responses)
        assert rewards.tolist() == pytest.approx(expected)


@pytest.fixture
def small(monkeypatch):
    """Small batches: the same code, seconds instead of minutes."""
    few, whole = {"batch_size": 16, "minibatch_size": 16}, rule_or_reward.climb_settings
    monkeypatch.setattr(
        rule_or_reward,
        "climb_settings",
        lambda settings: replace(whole(settings), max_new_tokens=8, **few),
    )
    head = functools.partial(RewardModelSettings, reference_samples=64)
    monkeypatch.setattr(rule_or_reward, "RewardModelSettings", head)
    monkeypatch.setattr(rule_or_reward, "ORIGINALS", 4)
    monkeypatch.setattr(measuring, "SAMPLES", 2)


def drain(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


def test_two_climbs_from_one_start_and_the_session_is_left_alone(small, tmp_path):
    session = Session(BRIEF, directory=tmp_path / "s")
    session.store = saving.Folder()
    records = drain(rule_or_reward.run(session, SMALL))
    assert len(records) == SMALL.records == 1 + 2 * 2
    found = session.labs["rule_or_reward"]
    assert found["status"] == "done" and list(found["points"]) == ["rule", "learned"]
    first, second = (rows[0] for rows in found["points"].values())
    timeless = {"seconds": 0, "kl": 0}
    assert first | timeless == second | timeless, "the same start, the same random numbers"
    for rows in found["points"].values():
        assert [row["step"] for row in rows] == [0, 4] and rows[1]["kl"] > 1e-4 > abs(rows[0]["kl"])
        for row in rows:
            low, high = row["interval"]
            assert low <= row["satisfied"] <= high and len(row["texts"]) == 3
            # Of three prompts a change is told, and not how sure it is.
            assert all(change[1:] == [None, None] for change in row["changes"].values())
            assert all(math.isfinite(row["changes"][name][0]) for name in ("learned", "repeats"))
    assert found["points"]["rule"][1]["kl"] != found["points"]["learned"][1]["kl"]
    assert 0 <= found["explained"] <= 1 and found["pairs"] > 0 and not found["all_or_nothing"]
    assert session.judged.rankings == [] and session.learned.head == session.tuned.weights == ""
    assert saving.load(session.directory).labs == session.labs


def test_a_stop_keeps_what_was_measured_and_the_same_seed_tells_the_same_story(small):
    told = []
    for _ in range(2):
        session = Session(BRIEF)
        work = rule_or_reward.run(session, SMALL)
        for item in work:
            if isinstance(item, dict) and item["kind"] == "point":
                break
        work.close()
        found = session.labs["rule_or_reward"]
        assert found["status"] == "stopped" and len(found["points"]["rule"]) == 1
        told.append(found)
    assert told[0] == told[1]


def test_all_or_nothing_is_about_what_the_rule_pays(small):
    session = Session(BRIEF)
    work = rule_or_reward.run(session, SMALL, all_or_nothing=True)
    next(item for item in work if isinstance(item, dict))
    work.close()
    row = {"texts": [" a dog.", " a long walk", " one fox."], "finished": [True] * 3}
    assert rule_or_reward.rule_groups(session, row) == [[0, 2], [1]]


def test_an_impossible_setting_is_refused_before_anything_is_lost():
    session = Session(BRIEF)
    session.labs = {"rule_or_reward": {"kept": 1}}
    with pytest.raises(SettingsError, match="comparisons is 0"):
        drain(rule_or_reward.run(session, RuleOrRewardSettings(comparisons=0)))
    assert session.labs == {"rule_or_reward": {"kept": 1}}
