"""The app with worker processes: a click's work is done in another process, the page shows it, and
the server's own process never loads torch.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from page_helpers import ROOT

pytestmark = pytest.mark.timeout(1000)  # on a busy machine; else half a minute

# In a process of its own, which stands for the server: through the loop, once.
CLICKS = """
import sys, time
from pathlib import Path
from streamlit.testing.v1 import AppTest
from rlhf_core.session import registry
from rlhf_core.work import lines

def until(what):
    end = time.monotonic() + 600
    while not what():
        assert time.monotonic() < end, (app.session_state["run_id"], view)
        time.sleep(0.1)

def press(page, key):
    global app, session
    app.switch_page(page).run()
    app.button(key=key).click().run()
    assert not app.exception, app.exception
    session = registry.get(app.session_state["run_id"])

def done(slot):
    global view
    view = lines.line_in_force().view(session.jobs[slot])
    return view is not None and view["status"] not in ("queued", "running")

view = None
app = AppTest.from_file("app.py", default_timeout=60).run()
app.switch_page("pages/prompt.py").run()
app.text_area(key="prompt_text").set_value("An opossum is")
app.button(key="generate").click().run()
session = registry.get(app.session_state["run_id"])
until(lambda: done("generate"))
assert view["status"] == "done", view
(row,) = session.asked.candidate_sets  # the very object that the page has
assert row["tokens"], "the page draws them"
app.run()
assert not app.exception, app.exception

press("pages/rank.py", "scripted")
until(lambda: done("scripted"))
press("pages/reward_model.py", "fit")
until(lambda: done("fit"))
assert view["status"] == "done" and session.learned.head, view
press("pages/ppo.py", "ppo_one_step")
until(lambda: view and view["status"] == "paused" or done("ppo"))
assert session.tuned.steps_done == 1 and 1 in session.tuned.traces, session.tuned.metrics
app.run()
assert not app.exception, app.exception
press("pages/ppo.py", "ppo_stop")
until(lambda: done("ppo"))
assert view["status"] == "stopped", view
assert "torch" not in sys.modules
maps = Path("/proc/self/maps")
assert not maps.exists() or "libtorch" not in maps.read_text()
print("through", *lines.line_in_force().pool.pids)
"""


@pytest.mark.slow  # the whole loop by clicks
def test_the_loop_by_clicks_without_torch_in_the_server(tmp_path: Path):
    result = subprocess.run(
        [sys.executable, "-c", CLICKS],
        cwd=ROOT,
        env={**os.environ, "OPOSSUM_RUNS": str(tmp_path), "OPOSSUM_WORKERS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert result.stdout.startswith("through"), result.stderr[-3000:]
    assert len(result.stdout.split()) == 2, "one worker"
