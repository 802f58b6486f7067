"""A room from the code to the verdict whose server is killed in every act (kill -9) and started
again: nothing lost, nothing doubled, what was at work ends by itself. Once with one server on
SQLite; once with two on PostgreSQL behind nginx, of which now one is killed, now the other.
"""

from __future__ import annotations

import pytest
from beside import beside
from databases import postgres
from proxied import ALONE, nginx, skip_without_nginx

from benchmarks import room_kill, room_phones
from benchmarks.load import server
from benchmarks.load.learner import Crowd
from benchmarks.load.server import Server
from benchmarks.room_host import Host
from rlhf_core.rooms.records import ACTS
from rlhf_core.session import registry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

PEOPLE = 8


class Replicas:
    """Two servers behind one address; a kill ends one of them, by turns."""

    def __init__(self, servers: list[Server], url: str):
        self.servers, self.url = servers, url
        self.turn = 0

    def kill(self) -> None:
        self.servers[self.turn % 2].kill()

    def start(self) -> None:
        self.servers[self.turn % 2].start()
        self.turn += 1


async def played(place: room_kill.Place) -> room_kill.Tally:
    async with room_phones.client() as http, Crowd(place.url, 3) as crowd:
        phones = room_phones.gather(crowd, http, "", PEOPLE)
        play = room_kill.Play(place, Host(crowd), phones, crowd.luck("kill"))
        tally = await play.whole()
        errors = [one for one in crowd.errors() if not one.startswith("disconnected")]
        tally.wrong += errors
        return tally


def check(tally: room_kill.Tally) -> None:
    assert tally.wrong == []
    assert set(tally.acts) == set(ACTS)
    assert tally.made == tally.stored > PEOPLE * room_kill.JUDGED
    assert tally.steps == room_kill.STEPS and tally.verdict


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Where sessions are, for the servers and for this process; workers as they ship."""
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("OPOSSUM_WORKERS", "1")
    yield tmp_path / "runs"
    registry.keeper().database.close()


def test_one_server_killed_in_each_act(runs):
    with server.running(runs) as place:
        check(beside(played(place)))


def test_two_servers_on_postgresql_one_killed_in_each_act(runs, tmp_path, monkeypatch):
    skip_without_nginx()
    monkeypatch.setenv("DATABASE_URL", postgres().new_database())
    monkeypatch.setenv("OPOSSUM_TRUST_PROXY", "1")
    with server.running(runs) as one, server.running(runs) as other:
        with nginx(tmp_path / "nginx", ALONE, [one.url, other.url]) as address:
            check(beside(played(Replicas([one, other], address))))
        said = (tmp_path / "nginx" / "access.log").read_text().splitlines()
        served = {line.split()[-2] for line in said if "/room-desk" in line}
    # Where a kill falls between two tries, nginx names its group of servers, or both of them.
    assert {place.url.removeprefix("http://") for place in (one, other)} <= served
