"""How many workers a machine has room for."""

from __future__ import annotations

import os

import pytest

from rlhf_core.work import room

GB = 1e9


@pytest.mark.parametrize(
    ("cores", "memory", "workers"),
    [(2, 16 * GB, 2), (2, 2 * GB, 1), (1, 64 * GB, 1), (8, 4 * GB, 3), (64, 512 * GB, 64)],
)
def test_one_a_core_as_far_as_memory_goes(cores, memory, workers):
    assert room.how_many(cores, memory) == workers


def test_there_is_always_one_and_two_are_enough_where_memory_is_unknown():
    assert room.how_many(1, 0.2 * GB) == room.how_many(1, None) == 1
    assert room.how_many(16, None) == 2


def test_a_containers_bounds_count(tmp_path):
    assert room.memory(tmp_path) > 1e8 and 1 <= room.cores(tmp_path) <= os.cpu_count()
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text("123456789\n")
    assert (room.cores(tmp_path), room.memory(tmp_path)) == (1, 123456789)
    for file in ("cpu.max", "memory.max"):
        (tmp_path / file).write_text("max 100000" if file == "cpu.max" else "max")
    assert room.memory(tmp_path) > 123456789 and room.cores(tmp_path) >= 1
