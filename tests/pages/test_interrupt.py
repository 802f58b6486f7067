"""What survives when PPO is cut off: by Stop, and by a server that is killed. On real runs of the
bundled model.

The command line killed mid-run (SIGINT, SIGTERM, SIGKILL) is in test_cli; here its bundle is only
the app's own.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from browser_helpers import kept
from walking import SLOW, button, open_page, press, set_steps, step_shown, wait_for_step

from conftest import App, settled
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.loop import reward, scripted_rater, tuning, workbench
from rlhf_core.session import saving
from rlhf_core.session.state import Session
from rlhf_core.store.bundle import read_bundle
from rlhf_core.work import running
from rlhf_core.work.jobs import JobQueue

pytestmark = pytest.mark.slow  # minutes in a real browser; `make test-slow` runs it

RUN = "interrupted-run1"  # in the form of an id of ours


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A session's bundle with ten comparisons and a reward model, ready for PPO."""
    session = Session(seed=1, id=RUN, directory=tmp_path_factory.mktemp("trained") / RUN)
    for work in (
        scripted_rater.judge_for_me(session, 10),
        reward.fit_reward_model(session, RewardModelSettings(reference_samples=128)),
    ):
        for _ in work:
            pass
    return saving.save(session, status="done")


def copied(trained: Path, runs: Path) -> Path:
    """The same session in another runs folder."""
    return Path(shutil.copytree(trained, runs / RUN))


@pytest.mark.parametrize("stage", ["writing", "updating"])
def test_a_stop_acts_within_a_token_or_a_minibatch(
    trained: Path, tmp_path: Path, stage: str
) -> None:
    session, seen = saving.load(copied(trained, tmp_path)), []
    session.store = saving.Folder()
    queue = JobQueue(lambda make: running.kept(session, make()))

    def watched():
        for item in tuning.ppo(session, PPOSettings(steps=50)):
            seen.append(item)
            yield item

    job = queue.submit(watched, label="PPO", owner="me", long=True)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            last = seen[-1] if seen else None
            if (
                len(session.tuned.metrics) >= 2
                and isinstance(last, Progress)
                and stage in last.stage
            ):
                break
            time.sleep(0.002)
        before = len(seen)
        queue.stop(job)
        while queue.view(job)["status"] == "running" and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        queue.close(60)
    assert queue.view(job)["status"] == "stopped" and len(seen) <= before + 1
    steps = [item["step"] for item in seen if isinstance(item, dict)]
    assert sum(isinstance(item, Progress) for item in seen) > 20 * len(steps), (
        "the stop is looked for at every token and every minibatch"
    )
    assert [row["step"] for row in session.tuned.metrics] == steps == list(range(len(steps)))
    bundle = read_bundle(session.directory)  # the weights are those of the last finished step
    assert bundle["metrics"] == session.tuned.metrics and {
        row["step"] for row in bundle["samples"]
    } == set(steps)
    tuned = workbench.tuned_of(session)
    assert tuned and all(
        (bundle["tensors"]["policy"][name] == tensor).all() for name, tensor in tuned.items()
    )


def test_stop_on_the_page_keeps_every_finished_step(trained: Path, page, app: App) -> None:
    copied(trained, app.runs)
    open_page(page, app.url, "ppo", RUN)
    press(page, "ppo_play")
    wait_for_step(page, 2)
    shown = step_shown(page)
    press(page, "ppo_stop")
    page.get_by_text("All finished steps are kept.").wait_for(timeout=SLOW)
    settled(page, SLOW)
    steps = [row["step"] for row in kept(app, RUN).tuned.metrics]
    assert (
        steps == list(range(len(steps)))
        and steps[-1] >= shown
        and step_shown(page) == steps[-1] < 15
    )
    button(page, "ppo_play").wait_for(timeout=SLOW)
    assert button(page, "ppo_play").is_enabled() and button(page, "to_before_after").count() == 1


def test_a_run_of_a_killed_server_goes_on_by_itself_when_there_is_another(
    trained: Path, page, start_app: Callable[..., App], tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    copied(trained, runs)
    first = start_app(runs=runs)
    open_page(page, first.url, "ppo", RUN)
    press(page, "ppo_play")
    wait_for_step(page, 2)
    shown = step_shown(page)
    first.kill()
    second = start_app(runs=runs)
    open_page(page, second.url, "ppo", RUN)
    wait_for_step(page, shown + 2)  # nothing was pressed
    press(page, "ppo_stop")
    page.get_by_text("All finished steps are kept.").wait_for(timeout=SLOW)
    steps = [row["step"] for row in kept(second, RUN).tuned.metrics]
    assert steps == list(range(len(steps))) and steps[-1] >= shown + 2


def test_a_killed_server_leaves_a_session_that_opens_says_so_and_goes_on(
    trained: Path, page, start_app: Callable[..., App], tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    copied(trained, runs)
    alone = {"OPOSSUM_WORKERS": "thread"}  # worker processes go on by themselves
    first = start_app(runs=runs, environment=alone)
    open_page(page, first.url, "ppo", RUN)
    press(page, "ppo_play")
    for step in range(4):
        wait_for_step(page, step)
    shown = step_shown(page)
    first.kill()

    killed = kept(first, RUN)
    assert killed.tuned.steps_done >= shown
    assert "stopped while something of yours was under way" in killed.note
    assert "PPO steps" in killed.note

    second = start_app(runs=runs, environment=alone)
    open_page(page, second.url, "ppo", RUN)
    page.get_by_text("stopped while something of yours").wait_for(timeout=SLOW)
    wait_for_step(page, 0)
    done = step_shown(page)
    assert done == killed.tuned.steps_done, (
        "a model this small is saved whole at every step, so nothing that was finished is lost"
    )
    assert set_steps(page, "Home") == 1
    press(page, "ppo_play")
    wait_for_step(page, done + 1)
    button(page, "to_before_after").wait_for(timeout=SLOW)
    after = kept(second, RUN).tuned.metrics
    assert after[: done + 1] == killed.tuned.metrics[: done + 1]
    assert [row["step"] for row in after] == list(range(done + 2))
