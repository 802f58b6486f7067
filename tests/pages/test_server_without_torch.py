"""The real server, as a learner starts it: work is done by processes, and its own process never
loads torch, whatever is pressed, shown or downloaded.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from beside import beside

from benchmarks.load import learner
from benchmarks.load.learner import Crowd, Heard
from benchmarks.load.tab import Tab
from conftest import launch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

# Python reads this file when it starts: every process of the app notes who imports torch, and how.
HOOK = """
import os, sys, traceback

class Look:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            with open(os.path.join({folder!r}, f"{{os.getpid()}}.txt"), "a") as file:
                file.write("".join(traceback.format_stack()[-12:]))

sys.meta_path.insert(0, Look())
"""


async def download(tab: Tab, key: str) -> bytes:
    node = tab.find(key, "download_button")
    reply = await tab.http.get(tab.url + node.body.url)
    assert reply.status_code == 200, (key, reply.status_code)
    return reply.content


def ready(tab: Tab, key: str) -> bool:
    node = tab.find(key, "button")
    return node is not None and not node.body.disabled


def can_play_on(tab: Tab) -> bool:
    return ready(tab, "ppo_play") and not tab.running


async def play_a_loop(address: str) -> tuple[list[str], list[str]]:
    """What went wrong, and the pages that were seen."""
    async with Crowd(address, 1) as crowd:
        luck, tab = crowd.luck("judge"), crowd.tab()
        await learner.come_in(tab, Heard(), files=False)
        await learner.to_rank(tab, Heard())
        await learner.judge(tab, Heard(), luck)
        await learner.prepare_ppo(tab)
        await learner.play(tab, {"steps": 1})
        await tab.until(lambda: learner.step(tab) >= 1 and can_play_on(tab), 600, "a PPO step")
        # a round is closed, gone back on, and taken up again: weights change their place
        await tab.go("rounds", 300)
        await tab.until(lambda: ready(tab, "next_round"), 300, "the next round")
        for key in ("next_round", "roll_back_0", "return_0"):
            before = tab.runs
            await tab.until(lambda key=key: ready(tab, key), 300, key)
            await tab.press(key)
            await tab.until(lambda before=before: tab.runs > before and not tab.running, 300, key)
        await tab.go("import_export", 300)
        rows = (await download(tab, "export_download")).decode().splitlines()
        assert len(rows) > 5 and {"prompt", "a", "b", "choice"} <= json.loads(rows[0]).keys()
        for page in sorted(tab.pages):
            await tab.go(page, 300)
            for node in [one for one in tab.nodes.values() if one.kind == "download_button"]:
                if node.body.url:
                    assert (await tab.http.get(tab.url + node.body.url)).status_code == 200
            for key in ("paper_make_run", "paper_make_model"):  # with all weights
                if tab.find(key, "button"):
                    made = key.replace("make", "download")
                    await tab.until(lambda key=key: ready(tab, key), 300, key)
                    await tab.press(key)
                    await tab.until(lambda made=made: tab.find(made), 300, made)
        return crowd.errors(), sorted(tab.pages)


def test_a_loop_and_every_page_without_torch_in_the_server(tmp_path: Path):
    (tmp_path / "hook").mkdir()
    (tmp_path / "imports").mkdir()
    hook = HOOK.format(folder=str(tmp_path / "imports"))
    (tmp_path / "hook" / "sitecustomize.py").write_text(hook)
    as_it_ships = {"OPOSSUM_WORKERS": "", "PYTHONPATH": str(tmp_path / "hook")}
    app = launch(tmp_path / "runs", tmp_path / "app.log", as_it_ships)
    try:
        errors, pages = beside(play_a_loop(app.url))
        assert errors == [] and len(pages) > 15
        found = {int(file.stem): file.read_text() for file in (tmp_path / "imports").iterdir()}
        assert app.process.pid not in found, found[app.process.pid]
        assert found, "a worker does"
        maps = Path(f"/proc/{app.process.pid}/maps")
        assert not maps.exists() or "libtorch" not in maps.read_text()
    finally:
        app.stop()
