"""What run.json says of a run, against its other files: a number that nothing was made with must
not pass because nothing was made with it.
"""

from __future__ import annotations

import copy

import pytest
import torch

from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import Pair
from rlhf_core.loop import claims, workbench
from rlhf_core.loop.same_numbers import Numbers
from rlhf_core.session import saving
from rlhf_core.session.state import Session
from rlhf_core.store import bundle

SETTINGS = {
    "run": {"comparisons": 2, "steps": 2, "threads": 2},
    "ppo": {"steps": 2, "beta": 0.25, "seed": 0},
}


@pytest.fixture
def made(tmp_path) -> tuple[Session, dict]:
    """A run of the command line, and its bundle as it was read."""
    session = Session(PRESETS["meme-bot"], directory=tmp_path / "run", id="a-run")
    session.judged.imported = [
        Pair("A cat is", " x", f" {n}", "a", annotator="Kim") for n in range(2)
    ]
    session.settings = copy.deepcopy(SETTINGS)
    session.learned.head = workbench.put(session, {"w": torch.ones(2)})
    session.tuned.weights = workbench.put(session, {"v": torch.ones(2)})
    session.tuned.metrics = [{"step": n, "reward_mean": 0.1} for n in range(3)]
    session.tuned.log = [{"step": 0, "settings": {"beta": 0.25, "seed": 0}, "fit": 1}]
    saving.save(session, status="done")
    return saving.load(tmp_path / "run"), bundle.read_bundle(tmp_path / "run")


def differing(saved: Session, stored: dict) -> list[str]:
    return [row["name"] for row in claims.check(Numbers(), saved, stored)]


def test_a_run_is_what_it_says_it_is(made):
    assert differing(*made) == []


@pytest.mark.parametrize(
    ("stage", "name", "value", "told"),
    [
        ("run", "steps", 10**9, "settings.run.steps, as in metrics.csv"),
        ("run", "comparisons", 10**9, "settings.run.comparisons, as judged"),
        ("run", "threads", 10**9, "settings.run.threads"),
        ("ppo", "steps", 10**9, "settings.ppo.steps"),
        ("ppo", "beta", 99.0, "settings.ppo, as in tuned.log.beta"),
    ],
)
def test_a_number_that_nothing_was_made_with_is_found(made, stage, name, value, told):
    saved, stored = made
    saved.settings[stage][name] = value
    assert differing(saved, stored) == [told]


def test_who_judged_and_the_pairs_must_fit_what_was_judged(made):
    saved, stored = made
    stored["run"]["judge"] = "a hundred experts"
    stored["preferences"][1]["choice"] = "b"
    assert differing(saved, stored) == ["judge", "row 2.choice"]


def test_weights_that_are_missing_and_steps_that_are_made_up_are_found(made):
    saved, stored = made
    stored["tensors"]["policy"] = None
    assert differing(saved, stored) == ["files.policy.safetensors is there"]
    saved.tuned.metrics = [{"step": 0}, {"step": 7}]
    assert "steps one by one row 2" in differing(saved, stored)
