"""Which line of jobs is in force, by OPOSSUM_WORKERS."""

from __future__ import annotations

import socket

import pytest

from rlhf_core.work import jobs, lines, pool, ray_hands


@pytest.mark.parametrize("said", [None, "", "0", " 0 ", "thread", "many", "-1", "1.5"])
def test_without_a_number_of_workers_a_thread_here_does_the_work(monkeypatch, said):
    monkeypatch.delenv(lines.SETTING, raising=False)
    if said is not None:
        monkeypatch.setenv(lines.SETTING, said)
    assert lines.line_in_force() is jobs.queue()


def test_with_one_the_jobs_are_in_the_database_of_the_runs(monkeypatch, tmp_path):
    monkeypatch.setenv(lines.SETTING, "2")
    found = []
    for name in ("one", "other", "one"):
        monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path / name))
        found.append(lines.line_in_force())
    assert found[0] is found[2] is not found[1]
    assert isinstance(found[0], pool.PooledLine) and found[0].pool.most == 2
    assert found[0].pool.pids == [] and found[0].view("nobody's") is None
    assert found[0].pool.pids == [], "nothing is started before there is something to do"


def test_a_server_has_processes_where_nothing_else_is_said(monkeypatch):
    monkeypatch.setattr(lines.room, "for_workers", lambda: 5)
    for said, comes in ((None, 5), (" ", 5), ("0", 0), ("thread", 0), ("3", 3), ("AUTO", 5)):
        monkeypatch.delenv(lines.SETTING, raising=False)
        if said is not None:
            monkeypatch.setenv(lines.SETTING, said)
        lines.processes_by_default()
        assert lines.workers() == comes, said
    monkeypatch.delenv(lines.SETTING)


def test_with_an_address_of_ray_the_work_is_the_clusters(monkeypatch, tmp_path):
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path))
    monkeypatch.setenv(lines.SETTING, "3")
    beside = lines.line_in_force()
    monkeypatch.setenv(ray_hands.SETTING, "10.0.0.1:6379")
    found = lines.line_in_force()
    assert found is lines.line_in_force() is not beside and found.pool.most == 3
    monkeypatch.setenv(lines.SETTING, "0")
    assert lines.line_in_force() is jobs.queue(), "no worker is a wish too"
    assert found.pool.pids == []


def test_ray_that_is_wanted_and_not_there_is_told_before_anything_is_served(monkeypatch):
    monkeypatch.setenv(ray_hands.SETTING, "auto")
    monkeypatch.setattr(ray_hands, "is_installed", lambda: False)
    with pytest.raises(SystemExit, match="pip install -r requirements-ray.txt"):
        lines.processes_by_default()


def test_a_ray_that_has_ended_is_not_connected_to(tmp_path):
    note = tmp_path / "ray_current_cluster"
    assert not ray_hands.one_answers(note)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        note.write_text(f"127.0.0.1:{server.getsockname()[1]}")
        assert ray_hands.one_answers(note)
    assert not ray_hands.one_answers(note)
