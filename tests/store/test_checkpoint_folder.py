"""The folder of checkpoints, asked by a page: files made by hand, no torch."""

import json
import subprocess
import sys

import numpy as np
from safetensors.numpy import save_file

from rlhf_core.store import checkpoint_folder


def put(folder, step, /, **changed):
    facts = {"step": step, "segment": 0, "beta": 0.25, "model": "m"} | changed
    place = checkpoint_folder.place(folder, step)
    save_file({"parameter.0": np.zeros(4, np.float32)}, place, {"about": json.dumps(facts)})


def test_which_steps_there_are_and_which_is_nearest(tmp_path):
    for step in (10, 5, 15):
        put(tmp_path, step)
    (tmp_path / "step-x.safetensors").touch()
    (tmp_path / "reward-1.safetensors").touch()
    assert checkpoint_folder.steps_in(tmp_path) == [5, 10, 15]
    found = [checkpoint_folder.nearest(tmp_path, step) for step in (4, 5, 14, 99)]
    assert found == [None, 5, 10, 15]
    checkpoint_folder.drop_after(tmp_path, 5)
    assert checkpoint_folder.steps_in(tmp_path) == [5]


def test_the_facts_of_a_checkpoint_and_none_where_it_is_damaged(tmp_path):
    put(tmp_path, 5, segment=3)
    assert checkpoint_folder.about(tmp_path, 5)["segment"] == 3
    put(tmp_path, 10, step=5)
    put(tmp_path, 15, segment="three")
    checkpoint_folder.place(tmp_path, 20).write_bytes(b"no checkpoint")
    whole = checkpoint_folder.place(tmp_path, 5).read_bytes()
    checkpoint_folder.place(tmp_path, 25).write_bytes(whole[:-3])
    for step in (10, 15, 20, 25, 30):
        assert checkpoint_folder.about(tmp_path, step) is None, step


def test_the_one_whose_neighbours_are_closest_goes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_folder, "MOST", 3)
    for step in (5, 20, 25, 40):
        put(tmp_path, step)
    checkpoint_folder.thin(tmp_path)
    # Between their neighbours (0, 20), (5, 25) and (20, 40) lie 20 steps each: the first goes.
    assert checkpoint_folder.steps_in(tmp_path) == [20, 25, 40]


def test_other_runs_folders_go(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    checkpoint_folder.clear_others(tmp_path, {"two"})
    checkpoint_folder.clear_others(tmp_path / "missing", {"two"})
    assert [path.name for path in tmp_path.iterdir()] == ["two"]


def test_asking_loads_no_torch(tmp_path):
    put(tmp_path, 5)
    asks = f"""
import sys
from pathlib import Path
from rlhf_core.store import checkpoint_folder
assert checkpoint_folder.about(Path({str(tmp_path)!r}), 5)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", asks], check=True)
