"""How quick the pages are, in a real Chromium: idle, and while another session trains PPO.

    python -m benchmarks page [--repeats 9] [--starts 3]

Times are taken inside the browser, from the key or click to the frame that holds what was waited
for. The other session's tab is closed while it trains, as it would be on somebody else's computer;
the browser that measures shares the cores with the app.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import func, select

from benchmarks.machine import forget_threading
from rlhf_core.store.database import Database, url_of
from rlhf_core.store.tables import RecordRow

START, WORD, PAIR = (
    "app start to a usable page",
    "Generate to the first streamed word",
    "ranking key press to the next pair",
)
RECORD, STOP, FREE, TOKENS, TOKEN = (
    "a PPO step kept to its number shown",
    "Stop in PPO to a page that says so",
    "Stop in PPO to a page that can play on",
    "token view opened to its table shown",
    "a token clicked to its rivals shown",
)
TARGETS = {  # seconds
    (START, "idle"): 5.0,
    (WORD, "idle"): 0.5,
    (WORD, "busy"): 1.5,
    (PAIR, "idle"): 0.5,
    (PAIR, "busy"): 0.5,
    (RECORD, "training"): 1.0,
    (STOP, "training"): 0.5,
    (FREE, "training"): 2.0,
    (TOKENS, "idle"): 0.5,
    (TOKEN, "idle"): 0.5,
}
PROMPTS = (
    "A lion is",
    "A violin is",
    "A baker is",
    "Bread is",
    "A desert is",
    "An owl is",
    "A bridge is",
    "A teacher is",
    "Rain is",
    "A hammer is",
    "A potato is",
    "The moon is",
)

# Puts window.measured to the seconds between the next event of a kind and the first change of the
# page after which `done` holds.
STOPWATCH = """([event, done]) => {
  window.measured = null;
  const holds = new Function('return ' + done);
  document.addEventListener(event, () => {
    const began = performance.now();
    const look = () => {
      if (window.measured !== null || !holds()) return;
      window.measured = (performance.now() - began) / 1000;
      watcher.disconnect();
    };
    const watcher = new MutationObserver(look);
    watcher.observe(document.body, {subtree: true, childList: true, characterData: true});
  }, {capture: true, once: true});
}"""


def timed(page, event: str, done: str, act) -> float:
    """Seconds from ``event``, which ``act`` causes, until the JavaScript in ``done`` holds."""
    page.evaluate(STOPWATCH, [event, done])
    act()
    page.wait_for_function("window.measured !== null", timeout=120_000)
    return page.evaluate("window.measured")


def first_words(page, prompts) -> list[float]:
    """On the prompt page: one time a prompt, from the click on Generate to the first word under
    that very prompt.
    """
    from walking import button

    from conftest import settled

    found = []
    for prompt in prompts:
        box = page.get_by_role("textbox", name="Your prompt")
        box.fill(prompt)
        box.blur()
        settled(page)
        page.wait_for_timeout(300)
        done = (
            "[...document.querySelectorAll('.op-answer')].some(a => "
            f"a.querySelector('.op-given').innerText === '{prompt}'"
            " && a.querySelector('.op-written').innerText.trim())"
        )
        found.append(timed(page, "click", done, button(page, "generate").click))
        page.locator(".st-key-to_rank").wait_for(timeout=120_000)
        settled(page, 120_000)
    return found


def next_pairs(page, repeats: int) -> list[float]:
    """On the rank page: from a key to another pair on the card, where one was written ahead."""
    from conftest import settled

    found = []
    page.locator(".st-key-pair_answers").wait_for(timeout=120_000)
    for number in range(repeats):
        settled(page, 120_000)
        page.wait_for_timeout(800)  # people read first; the worker writes ahead meanwhile
        page.evaluate("window.before = document.querySelector('.st-key-pair_answers').innerText")
        done = (
            "(document.querySelector('.st-key-pair_answers')?.innerText ?? window.before) !=="
            " window.before"
        )
        found.append(
            timed(
                page, "keydown", done, lambda number=number: page.keyboard.press("ab"[number % 2])
            )
        )
    return found


def start_times(browser, repeats: int, folder: Path) -> list[float]:
    """From the start of the process to a home page that can be used: its script has ended, its
    buttons work.
    """
    from walking import button

    from conftest import launch, settled

    found = []
    for number in range(repeats):
        page = browser.new_page()
        began = time.perf_counter()
        app = launch(folder / f"start-{number}", folder / "app.log")
        try:
            page.goto(app.url)
            settled(page, 120_000)
            button(page, "run_once").wait_for()
            found.append(time.perf_counter() - began)
            assert button(page, "run_once").is_enabled()
        finally:
            page.close()
            app.stop()
    return found


def train_elsewhere(browser, url: str) -> None:
    """Another session begins a PPO run of 200 steps; returns when it is at work, its tab closed."""
    training(browser, url).close()


def training(browser, url: str):
    """A tab in which a fresh session has begun a PPO run of 200 steps, and has made the first."""
    from walking import (
        button,
        let_the_scripted_rater_judge,
        open_page,
        press,
        run_id,
        set_steps,
        train_reward_model,
        wait_for_step,
    )

    page = browser.new_page()
    open_page(page, url, "rank")
    page.locator(".st-key-rank_card").wait_for(timeout=120_000)
    let_the_scripted_rater_judge(page)
    open_page(page, url, "reward_model", run_id(page))
    train_reward_model(page)
    open_page(page, url, "ppo", run_id(page))
    button(page, "ppo_play").wait_for(timeout=120_000)
    set_steps(page, "End")
    press(page, "ppo_play")
    wait_for_step(page, 1)
    return page


# Notes in window.shown when the page first showed each step: [step, milliseconds since 1970].
STEPS_SHOWN = """() => {
  window.shown = [];
  const look = () => {
    const step = STEP;
    if (step >= 0 && (window.shown.at(-1)?.[0] ?? -1) < step) window.shown.push([step, Date.now()]);
  };
  look();
  const all = {subtree: true, childList: true, characterData: true};
  new MutationObserver(look).observe(document.body, all);
}"""


def steps_kept(database: Database, run: str) -> int:
    """How many rows of metrics are kept of a session: one more than its steps."""
    mine = (RecordRow.session_id == run, RecordRow.part == "tuned", RecordRow.field == "metrics")
    with database.look() as db:
        return db.scalar(select(func.count()).select_from(RecordRow).where(*mine))


def record_delays(page, database: Database, run: str, steps: int) -> list[float]:
    """On the PPO page, while it trains: from a step's row in the database to its number on the
    page.
    """
    written: dict[int, float] = {}
    from walking import STEP

    page.evaluate(STEPS_SHOWN.replace("STEP", STEP))
    known = steps_kept(database, run)
    deadline = time.monotonic() + 300
    while len(written) < steps and time.monotonic() < deadline:
        now = steps_kept(database, run)
        for step in range(known, now):  # row 0 is step 0
            written[step] = time.time()
        known = max(known, now)
        time.sleep(0.01)
    page.wait_for_timeout(2_000)
    shown = {step: at / 1000 for step, at in page.evaluate("window.shown")}
    return [max(0.0, shown[step] - at) for step, at in written.items() if step in shown]


def stops(page, repeats: int) -> Iterator[tuple[float, float]]:
    """On the PPO page, while it trains: from the click on Stop to a page that says so, and to one
    where Play on can be pressed; then it plays on.
    """
    from walking import button, press, step_shown, wait_for_step

    done = (
        "!document.querySelector('.st-key-ppo_stop')"
        " || /stopping|stopped/.test(document.querySelector('[data-testid=stMain]').innerText)"
    )
    free = (
        "(b => b && !b.disabled && b.innerText.includes('Play on'))"
        "(document.querySelector('.st-key-ppo_play button'))"
    )
    for _ in range(repeats):
        page.wait_for_timeout(1_500)
        page.evaluate(STOPWATCH.replace("window.measured", "window.freed"), ["click", free])
        said = timed(page, "click", done, button(page, "ppo_stop").click)
        page.wait_for_function("window.freed !== null", timeout=120_000)
        yield said, page.evaluate("window.freed")
        page.wait_for_timeout(500)
        before = step_shown(page)
        press(page, "ppo_play")
        wait_for_step(page, before + 1)


def studio_times(
    browser, url: str, folder: Path, repeats: int
) -> Iterator[tuple[str, str, list[float]]]:
    """What the PPO studio promises."""
    from walking import button, run_id

    from conftest import settled

    page = training(browser, url)
    database = Database(url_of(folder))
    yield RECORD, "training", record_delays(page, database, run_id(page), repeats)
    said, free = zip(*stops(page, max(3, repeats // 2)))
    yield STOP, "training", list(said)
    yield FREE, "training", list(free)
    button(page, "ppo_stop").click()
    page.wait_for_timeout(4_000)
    settled(page, 120_000)
    box, opened, clicked = page.locator(".st-key-ppo_tokens"), [], []
    table = (
        "(t => t && t.offsetHeight > 0 && t.closest('details')?.open !== false)"
        "(document.querySelector('.st-key-ppo_tokens [data-testid=stDataFrame]'))"
    )
    for number in range(repeats):
        opened.append(timed(page, "click", table, box.locator("summary").click))
        settled(page, 120_000)
        tokens = box.locator("[data-testid=stButtonGroup] button")
        page.evaluate(
            "window.before = "
            "document.querySelector('.st-key-ppo_tokens .op-rivals').parentElement.innerText"
        )
        done = (
            "document.querySelector('.st-key-ppo_tokens .op-rivals').parentElement.innerText"
            " !== window.before"
        )
        clicked.append(timed(page, "click", done, tokens.nth(1 + number % 2).click))
        box.locator("summary").click()
        settled(page, 120_000)
    yield TOKENS, "idle", opened
    yield TOKEN, "idle", clicked
    page.close()


def measure(
    browser, repeats: int, starts: int, folder: Path
) -> Iterator[tuple[str, str, list[float]]]:
    """Yields (what, idle or busy, seconds of each measurement), as they come."""
    from walking import ask, open_page

    from conftest import launch, settled

    yield START, "idle", start_times(browser, starts, folder)
    app = launch(folder / "runs", folder / "app.log")
    try:
        yield from studio_times(browser, app.url, folder / "runs", repeats)
        prompts, ranks = browser.new_page(), browser.new_page()
        open_page(prompts, app.url, "prompt")
        # The first one waits for torch to be imported; what follows is warm.
        ask(prompts, "An opossum is")
        open_page(ranks, app.url, "rank")
        ranks.locator(".st-key-rank_card").wait_for(timeout=120_000)
        settled(ranks)
        for state in ("idle", "busy"):
            if state == "busy":
                train_elsewhere(browser, app.url)
            yield WORD, state, first_words(prompts, (PROMPTS * repeats)[:repeats])
            yield PAIR, state, next_pairs(ranks, repeats)
    finally:
        app.stop()


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks page", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--repeats", type=int, default=9, help="measurements of each time on the pages"
    )
    parser.add_argument("--starts", type=int, default=3, help="starts of the app")
    args = parser.parse_args(argv)
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    try:
        from playwright.sync_api import sync_playwright

        from conftest import CHROMIUM_FLAGS, chromium_path
    except ImportError as error:
        print(
            f"This part drives a browser and needs what the tests need ({error.name} is missing):"
            " pip install -r requirements-dev.txt",
            file=sys.stderr,
        )
        return 2
    forget_threading()  # conftest limits the tests' threads; a learner's app has no such limit
    if chromium_path() is None:
        print(
            "There is no Chromium here: install one, or set OPOSSUM_CHROMIUM to its path.",
            file=sys.stderr,
        )
        return 2
    print(
        f"{'seconds':<38} {'state':<5} {'median':>7} {'worst':>7} {'of':>4} {'target':>7}",
        flush=True,
    )
    missed = 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)
        for name, state, times in measure(browser, args.repeats, args.starts, Path(folder)):
            middle, target = statistics.median(times), TARGETS[name, state]
            missed += middle > target
            line = (
                f"{name:<38} {state:<5} {middle:>7.2f} {max(times):>7.2f} {len(times):>4}"
                f" {f'<= {target:g}':>7}"
            )
            print(line + ("   MISSED" if middle > target else ""), flush=True)
        browser.close()
    print(f"{missed} targets missed" if missed else "every target reached, by the median")
    return 0
