"""Two servers behind one address: any of them serves any session, and a run that was started on one
is watched and stopped on the other.

The proxy is nginx (Debian's ``nginx-light``), with and without sticky sessions; skipped where there
is none. What speaks is the crowd of ``benchmarks.load``, in Streamlit's own protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from beside import beside
from browser_helpers import kept
from proxied import ALONE, STICKY, nginx, skip_without_nginx

from benchmarks.load import learner
from benchmarks.load.learner import Crowd, Heard
from benchmarks.load.tab import Tab
from conftest import App, launch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def two(tmp_path) -> Iterator[list[App]]:
    """Two servers of one folder of runs, each with a worker process of its own."""
    skip_without_nginx()
    environment = {"OPOSSUM_WORKERS": "1", "OPOSSUM_TRUST_PROXY": "1"}
    started = []
    try:
        for number in range(2):
            log = tmp_path / f"app{number}.log"
            started.append(launch(tmp_path / "runs", log, environment))
        yield started
    finally:
        for app in started:
            app.stop()


@pytest.fixture(params=[ALONE, STICKY], ids=["round robin", "sticky"])
def address(request, two, tmp_path) -> Iterator[str]:
    with nginx(tmp_path / "nginx", request.param, [app.url for app in two]) as found:
        yield found


def tabs_on(folder: Path) -> list[str]:
    """Which server each connection of a page went to."""
    lines = (folder / "access.log").read_text().splitlines()
    return [line.split()[-2] for line in lines if "/_stcore/stream" in line]


def can_play(tab: Tab) -> bool:
    found = tab.find("ppo_play", "button")
    return found is not None and not found.body.disabled


async def scenario(address: str) -> tuple[str, list[str], int, int]:
    """The session, what went wrong, judgements that the pages counted, and the last step shown."""
    async with Crowd(address, 1) as crowd:
        luck, heard, first = crowd.luck("judge"), Heard(), crowd.tab()
        await learner.come_in(first, heard, files=False)
        await learner.to_rank(first, heard)
        for _ in range(3):
            await learner.judge(first, heard, luck)
            await asyncio.sleep(learner.DOOR)
        run = learner.run_id(first)

        def judged(tab: Tab, count: int) -> bool:
            return learner.said(tab, learner.JUDGED) >= count

        # The same session through other connections: with round robin, on both servers.
        for _ in range(2):
            other = crowd.tab("rank", f"run={run}")
            await other.open()
            await other.until(lambda tab=other: judged(tab, 3), 60)
            await other.close()
        last = crowd.tab("rank", f"run={run}")
        await last.open()
        await last.until(lambda: learner.pair(last) != "", 120)
        await asyncio.sleep(learner.DOOR)
        await learner.judge(last, heard, luck)
        await first.go("rank")
        await first.until(lambda: judged(first, 4), 60)

        # A run that is started on one is watched, and stopped, on the other.
        await last.press("scripted")
        await last.until(lambda: judged(last, 10), 300)
        await last.go("reward_model")
        await last.until(lambda: last.find("fit", "button") is not None, 60)
        await last.press("fit")
        await last.until(lambda: any(True for _ in last.under("fit_numbers")), 300)
        await last.go("ppo")
        await learner.play(last)
        await last.until(lambda: learner.step(last) >= 1, 300)
        watching = crowd.tab("ppo", f"run={run}")
        await watching.open()
        await watching.until(lambda: learner.step(watching) >= 2, 300)
        await watching.press("ppo_stop")
        await watching.until(lambda: can_play(watching), 120)
        await last.until(lambda: can_play(last), 120)
        return run, crowd.errors(), heard.accepted, learner.step(last)


def test_any_server_serves_any_session(two: list[App], address: str, tmp_path: Path) -> None:
    run, errors, accepted, shown = beside(scenario(address))
    assert errors == [] and accepted == 4
    session = kept(two[0], run)
    mine = [one for one in session.judged.rankings if one.annotator == "you"]
    assert len(mine) == 4 and len({one.id for one in mine}) == 4
    steps = [row["step"] for row in session.tuned.metrics]
    assert steps == list(range(len(steps))) and steps[-1] >= max(2, shown)
    served = set(tabs_on(tmp_path / "nginx"))
    assert len(served) == (1 if "ip_hash" in (tmp_path / "nginx/nginx.conf").read_text() else 2)
