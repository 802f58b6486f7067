"""Every job of the catalogue, written down and run in a fresh process: the records of a run in
place, number by number.
"""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.lab_settings import (
    AlgorithmsSettings,
    ContextFlipSettings,
    GoodhartSettings,
    NoiseSettings,
    RuleOrRewardSettings,
)
from rlhf_core.common.settings import (
    FineTunedSettings,
    PPOSettings,
    RewardModelSettings,
    SamplingSettings,
)
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.labs import hacking_game, instructions_matter, instructions_models
from rlhf_core.loop import reward, scripted_rater, tuning, writing
from rlhf_core.session import asked, judged, saving
from rlhf_core.session.state import YOU, Session
from rlhf_core.work import catalogue, running, written

TIMES = (
    "seconds",
    "processor_seconds",
    "milliseconds",
    "parts",
    "best_of_n_seconds",
)  # clocks, and a name by lot
STEPS = PPOSettings(steps=2, batch_size=8, minibatch_size=8, epochs=2, max_new_tokens=8)
HEAD = RewardModelSettings(features=8, reference_samples=128)
PROMPT, TEXT = "An opossum is", " a marsupial with a bare tail."
PAIR = {"prompt": PROMPT, "before": TEXT, "after": " a mood."}


def drain(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


def made(directory=None) -> Session:
    """A session that has been through the loop: judgements by two people, a reward model, and a
    policy in training, with its checkpoints where there is a directory.
    """
    session = Session(PRESETS["biology-homework"], seed=5, directory=directory)
    session.restartable = directory is not None
    asked.add_prompt(session, PROMPT)
    drain(writing.generate_pool(session, 24))
    for row in list(asked.unranked(session)):
        groups = scripted_rater.scripted_groups(session, row)
        for name in (YOU, "Kim"):
            known = any(r.id == row["id"] for r in session.judged.rankings)
            if not known:
                who = name if len(session.judged.rankings) % 2 else "Kim"
                judged.add_ranking(session, row["id"], groups=groups, annotator=who, seconds=2.0)
    drain(writing.generate_pool(session, 4))
    drain(reward.fit_reward_model(session, HEAD))
    drain(tuning.ppo(session, replace(STEPS, steps=6)))
    return session


JOBS = {
    "generate": (PROMPT, SamplingSettings(candidates=2, max_new_tokens=6, seed=3)),
    "pool": (3, 2),
    "asking": (),
    "scripted": (3, 2),
    "fit": (HEAD,),
    "ppo": (STEPS,),
    "back": (3,),
    "retry": (2, replace(STEPS, beta=0.5)),
    "evaluate": (20,),
    "compare": (PROMPT, 1, 2),
    "token_changes": (PAIR,),
    "step_time": (replace(STEPS, steps=1),),
    "model": ("bundled",),
    "whose": (),
    "narrow_group": (),
    "lab_report": (),
    "lab_scores": (PROMPT, [TEXT, " a mood."]),
    "lab_explain": (PROMPT, TEXT),
    "lab_votes": (),
    "lab_flip": (1, "flip"),
    "hack_try": (PROMPT, TEXT),
    "hack_race": (PROMPT,),
    "hack_again": (PROMPT,),
    "hack_teach": (PROMPT,),
    "instructions_pairs": (7,),
    "instructions_models": (),
    "take_home": ("model",),
    "take_data": (),
    "take_training": (),
    "take_pipeline": (),
    "open_zip": None,  # from the database, which a job that is written down does not have
    "open_folder": None,
    "wake": None,  # about no session: nothing to write down
    "room_answers": None,  # needs its room in the database (tests/rooms/test_rehearsal.py)
    "room_groups": None,  # needs six people: below
    "room_vote": None,  # "evaluate", and then as "room_answers" (tests/rooms/test_votes.py)
}
SLOW = {
    "run_once": (8, 2),
    "hack_search": (PROMPT,),
    "goodhart": (GoodhartSettings(steps=4, comparisons=6, features=8),),
    "noise": (NoiseSettings(steps=2, comparisons=12),),
    "algorithms": (AlgorithmsSettings(steps=4, comparisons=6),),
    "rule_or_reward": (RuleOrRewardSettings(steps=4, comparisons=30), True),
    "context_flip": (ContextFlipSettings(steps=2, comparisons=12, prompts=4),),
    "flip_own": (PROMPT, "a marsupial."),
    "fine_tune": (FineTunedSettings(epochs=1),),
}


def test_no_job_is_left_out():
    assert {*JOBS, *SLOW} == set(catalogue.JOBS)


def plain(value):
    """A record without what a clock said."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if key not in TIMES}
    return [plain(one) for one in value] if isinstance(value, list) else value


def compare(session: Session, jobs: dict, folder) -> None:
    """Each job in a fresh process and here, both from the same state."""
    folders = {name: written.write(folder / name, session, name, *jobs[name]) for name in jobs}
    command = [sys.executable, "-m", "rlhf_core.work.written", *map(str, folders.values())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, place in folders.items():
        lines = (place / written.RECORDS).read_text(encoding="utf-8").splitlines()
        there = [plain(json.loads(line)) for line in lines]
        here_place = written.write(folder / f"{name}-here", session, name, *jobs[name])
        here = [plain(json.loads(json.dumps(item))) for item in written.records(here_place)]
        assert there == here and (there or name == "hack_again"), name
        after = [json.loads((one / written.AFTER).read_text()) for one in (place, here_place)]
        for state in after:
            del state["tuned"]["run"]  # a run's name is drawn by lot, as ids are
        assert plain(after[0]) == plain(after[1]), name


@pytest.mark.slow
def test_every_short_job_gives_the_same_records_in_a_fresh_process(tmp_path):
    session = made(tmp_path / "run")
    drain(hacking_game.race(session, PROMPT))
    drain(hacking_game.try_text(session, PROMPT, "tail tail tail tail the of of"))
    drain(instructions_models.write_pairs(session, 7))
    for which in range(2):
        for _ in range(instructions_matter.PAIRS):
            now = instructions_matter.now(instructions_matter.lab_of(session))
            card = now["which"], now["pair"]
            choice = "ab"[(which + now["pair"]) % 2]
            instructions_matter.answer(session, choice, 1.0, card)
    compare(session, {name: args for name, args in JOBS.items() if args is not None}, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_every_long_job_gives_the_same_records_in_a_fresh_process(tmp_path):
    session = made()
    drain(running.begin(running.Order("context_flip", session, SLOW["context_flip"])))
    compare(session, SLOW, tmp_path)


@pytest.mark.slow
def test_a_rooms_groups_are_the_same_in_a_fresh_process(tmp_path):
    session = made()
    with session.change():
        session.judged.rankings = [
            replace(
                row,
                id=f"{row.id}-{n}",
                annotator=f"Person {n}",
                groups=row.groups if n < 4 else row.groups[::-1],
            )
            for row in session.judged.rankings
            for n in range(6)
        ]
    compare(session, {"room_groups": ()}, tmp_path)


def test_a_run_goes_on_in_another_process_as_if_it_had_never_left(tmp_path):
    """The optimiser and the random numbers travel: two steps there are the two steps here."""
    session = made(tmp_path / "run")
    there, *_ = written.read(written.write(tmp_path / "job", session, "ppo", STEPS))
    mine = [plain(row) for row in drain(tuning.ppo(session, STEPS))]
    theirs = [plain(row) for row in drain(tuning.ppo(there, STEPS))]
    assert len(mine) == 2 and mine == theirs
    assert session.tuned.weights == there.tuned.weights, "the name is the hash of what it names"


def test_knobs_that_were_moved_travel_with_the_state(tmp_path):
    session = made()
    session.choose("ppo", {"beta": 0.5, "temperature": 0.9})
    there, *_ = written.read(written.write(tmp_path / "job", session, "ppo"))
    rows = [plain(row) for row in drain(tuning.ppo(there))]
    assert rows[-1]["beta"] == 0.5 and there.settings["ppo"]["temperature"] == 0.9
    assert "ppo_next" not in there.settings


def test_a_session_comes_back_from_its_values_as_it_was():
    session = made()
    values = json.loads(json.dumps(saving.to_dict(session)))
    assert saving.to_dict(saving.from_dict(values)) == saving.to_dict(session)


def test_what_is_no_plain_value_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="plain values, not a function"):
        written.write(tmp_path / "job", Session(), "fit", lambda: None)


def test_settings_and_briefs_among_the_arguments_come_back_as_what_they_were(tmp_path):
    chosen = [PRESETS["biology-homework"], PRESETS["meme-bot"]]
    how = ContextFlipSettings(steps=2)
    written.write(tmp_path / "job", Session(), "context_flip", how, chosen, own_votes=(True, False))
    _, name, args, more = written.read(tmp_path / "job")
    assert (name, args, more) == ("context_flip", [how, chosen], {"own_votes": [True, False]})
