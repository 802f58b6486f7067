"""A session of 45 minutes by its plan, at ten times the speed: it ends with a verdict, a zip that
opens as a session, and a report that opens in a browser.
"""

from __future__ import annotations

import pytest
from beside import beside

from benchmarks import room_phones, room_rehearsal
from benchmarks.load import server
from benchmarks.load.learner import Crowd
from benchmarks.room_host import Host
from rlhf_core.rooms.records import ACTS
from rlhf_core.session import registry
from ui.export.words import plain

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

PEOPLE = 12


async def rehearsed(url: str) -> room_rehearsal.Rehearsed:
    async with room_phones.client() as http, Crowd(url, 1) as crowd:
        phones = room_phones.gather(crowd, http, "", PEOPLE)
        found = await room_rehearsal.Rehearsal(Host(crowd), phones).whole()
        found.wrong += crowd.errors()
        return found


def test_it_ends_with_a_verdict_a_bundle_and_a_report_that_opens(page, tmp_path, monkeypatch):
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("OPOSSUM_WORKERS", "1")
    try:
        with server.running(tmp_path / "runs") as place:
            found = beside(rehearsed(place.url))
        assert room_rehearsal.opens(found) == []
    finally:
        registry.keeper().database.close()
    assert tuple(found.took) == ACTS
    assert all(took >= planned for planned, took in found.took.values())
    assert found.people == PEOPLE and found.made == found.stored > 20 * PEOPLE
    assert found.left_out >= 1 and found.steps >= 1

    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    *_, report = room_rehearsal.put_down(found, tmp_path / "home")
    page.goto(report.as_uri())
    assert plain(found.verdict) in " ".join(page.locator("body").inner_text().split())
    assert errors == []
