"""Two servers behind one address: any of them serves any session, and a run that was started on one
is watched and stopped on the other.

The proxy is nginx (Debian's ``nginx-light``), with and without sticky sessions; skipped where there
is none. What speaks is the crowd of ``benchmarks.load``, in Streamlit's own protocol.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from beside import beside
from browser_helpers import kept

from benchmarks.load import learner
from benchmarks.load.learner import Crowd, Heard
from benchmarks.load.tab import Tab
from conftest import App, free_port, launch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

AS_IT_IS = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
ALONE = "server {0}; server {1};"
STICKY = "ip_hash; server {0}; server {1};"
CONFIG = """
daemon off; {user} pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  log_format with_server '$request $upstream_addr $status';
  access_log {folder}/access.log with_server;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream replicas {{ {servers} }}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://replicas; proxy_http_version 1.1; proxy_read_timeout 1d;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


@pytest.fixture
def two(tmp_path) -> Iterator[list[App]]:
    """Two servers of one folder of runs, each with a worker process of its own."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed (Debian's package nginx-light)")
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
    port, folder = free_port(), tmp_path / "nginx"
    folder.mkdir()
    folder.chmod(0o777)
    servers = request.param.format(*(app.url.removeprefix("http://") for app in two))
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, servers=servers, port=port, user=AS_IT_IS))
    proxy = subprocess.Popen(["nginx", "-c", str(config)], stderr=subprocess.PIPE)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        proxy.terminate()
        proxy.wait(10)


def wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("nginx did not start")


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
