"""What the tests share: where they may write, how many cores they may use, a running app, and a
browser to look at it with.

Fixtures: ``artefacts`` (a folder whose content outlives the run), ``double`` (float64), ``app_url``
(one app for all browser tests), ``hub`` (a Hugging Face hub of our own), ``start_app`` (an app of a
test's own, which it may kill), ``chromium`` (Playwright's browser), ``page`` (a fresh tab,
photographed when its test fails). A test that uses ``chromium`` or ``page`` is marked ``browser``
and runs after all others. Wait for a page with ``settled(page)``.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ARTEFACTS = ROOT / "test-artefacts"
SCRATCH = Path(tempfile.mkdtemp(prefix="opossum-tests-"))

# Before anything of ours is imported: no test writes into the learner's runs, none goes to the net,
# and two threads are torch's most (its OpenMP reads this when it is first imported, which most
# tests never do).
sys.path.insert(0, str(ROOT))
os.environ["OPOSSUM_RUNS"] = str(SCRATCH / "runs")
os.environ["HF_HUB_OFFLINE"] = "1"
# Work in a thread, the servers' that tests start too: two cores have no room for workers beside
# every browser. What workers do differently has tests that ask for them.
os.environ["OPOSSUM_WORKERS"] = "thread"
os.environ["OMP_NUM_THREADS"] = "2"
import rlhf_core  # noqa: E402, F401 (and torch's threads spin no longer than a learner's)

CHROMIUM_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
IDLE = (
    "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"
)


def pytest_unconfigure() -> None:
    shutil.rmtree(SCRATCH, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: they are the slowest, and Playwright keeps an event loop in the thread
    that the others use.
    """
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    item.failed = outcome.get_result().failed or getattr(item, "failed", False)


@pytest.fixture
def hub(monkeypatch) -> Iterator:
    """A Hugging Face hub of our own on loopback (``fake_hub.Hub``), which the real client finds."""
    import fake_hub

    yield from fake_hub.found_by_the_client(monkeypatch)


@pytest.fixture(scope="session")
def artefacts() -> Path:
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS


@pytest.fixture
def double() -> Iterator[None]:
    """torch makes float64 tensors while the test runs: for comparisons to the last digits."""
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# --- a running app --------------------------------------------------------------------------------


@dataclass
class App:
    """``streamlit run`` as a process of its own, with its own runs folder."""

    url: str
    runs: Path
    log: Path
    process: subprocess.Popen

    def wait_until_healthy(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2) as reply:
                    if reply.read() == b"ok":
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(
            f"The app did not start within {seconds:.0f} s. Its"
            f" log:\n{self.log.read_text(errors='replace')[-3000:]}"
        )

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def launch(runs: Path, log: Path, environment: dict[str, str] | None = None) -> App:
    """Start ``serve.py`` on a free port of this machine and return when it is healthy."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "serve.py",
        "--server.headless=true",
        "--server.address=127.0.0.1",
        f"--server.port={port}",
    ]
    runs.mkdir(parents=True, exist_ok=True)
    with log.open("a") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "OPOSSUM_RUNS": str(runs), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    app = App(f"http://127.0.0.1:{port}", runs, log, process)
    try:
        app.wait_until_healthy()
    except BaseException:
        app.stop()
        raise
    return app


@pytest.fixture(scope="session")
def app(artefacts: Path) -> Iterator[App]:
    log = artefacts / "app.log"
    log.unlink(missing_ok=True)
    running = launch(SCRATCH / "app-runs", log)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def app_url(app: App) -> str:
    """The address of an app that all browser tests share; each opens a session of its own in it."""
    return app.url


@pytest.fixture
def start_app(tmp_path: Path) -> Iterator[Callable[..., App]]:
    """``start_app(runs=..., environment=...)``: an app of this test's own. Give two the same
    ``runs`` to see a restart.
    """
    started: list[App] = []

    def start(runs: Path | None = None, environment: dict[str, str] | None = None) -> App:
        started.append(launch(runs or tmp_path / "runs", tmp_path / "app.log", environment))
        return started[-1]

    yield start
    for running in started:
        running.stop()


# --- a browser ------------------------------------------------------------------------------------


def chromium_path() -> str | None:
    return os.environ.get("OPOSSUM_CHROMIUM") or next(
        filter(None, map(shutil.which, CHROMIUM_NAMES)), None
    )


@pytest.fixture(scope="session")
def chromium():
    """Playwright's handle on a headless Chromium of this machine."""
    path = chromium_path()
    if path is None:
        pytest.skip(
            "there is no Chromium here for the browser tests: install one, or set OPOSSUM_CHROMIUM"
            " to its path"
        )
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="the browser tests need Playwright: make test installs it"
    )
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, request: pytest.FixtureRequest, artefacts: Path):
    """A fresh tab, 1280 x 800; when its test fails, its picture goes to test-artefacts/."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    tab = context.new_page()
    yield tab
    if getattr(request.node, "failed", False):
        name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
        tab.screenshot(path=artefacts / f"failed-{name}.png", full_page=True)
    context.close()


def settled(page, timeout: float = 30_000) -> None:
    """Wait until the script behind ``page`` has run to its end."""
    page.locator(IDLE).wait_for(timeout=timeout)
