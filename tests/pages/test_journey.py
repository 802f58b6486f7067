"""The whole app in a real browser: one learner from the prompt to before/after, a reload, two tabs,
a second learner, and a prompt that means harm.

The first half is walked once (``walked``), by keyboard where it matters; the tests then look at
what is there. Nothing depends on what the model writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from axe import serious
from browser_helpers import LOOKS, PAGES, kept
from walking import (
    JUDGEMENTS,
    SLOW,
    ask,
    button,
    judge,
    judgements,
    keys_of_list,
    let_the_scripted_rater_judge,
    open_page,
    press,
    run_id,
    set_steps,
    step_shown,
    train_reward_model,
    wait_for_reward_model,
    wait_for_step,
)

from conftest import App, settled

pytestmark = pytest.mark.slow  # minutes in a real browser; `make test-slow` runs it

STEPS = 15  # as the knobs say when nobody moves them
HARMFUL = ["<script>alert(1)</script>", "![](http://example.invalid/x.png)"]


@dataclass
class Watched:
    """A browser context and everything in it that should not happen."""

    context: object
    address: str
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.on("request", self._request)
        self.context.on("dialog", self._dialog)
        self.context.on(
            "weberror", lambda problem: self.problems.append(f"script error: {problem.error}")
        )

    def _request(self, request) -> None:
        place = urlsplit(request.url)
        if place.scheme not in ("data", "blob") and place.netloc != urlsplit(self.address).netloc:
            self.problems.append(f"request to {request.url}")

    def _dialog(self, dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@dataclass
class Walk:
    """What the walk through the app left: its tab, its session, and the numbers it saw."""

    page: object
    watched: Watched
    run: str
    ranked: int
    after_undo: int
    steps: list[int]
    verdict: str
    board: str


@pytest.fixture(scope="module")
def learner(chromium, app_url: str) -> Iterator[Watched]:
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    yield Watched(context, app_url)
    context.close()


@pytest.fixture(scope="module")
def walked(learner: Watched, app_url: str, artefacts) -> Walk:
    page = learner.context.new_page()
    try:
        return walk(page, learner, app_url)
    except BaseException:
        page.screenshot(path=artefacts / "failed-the-walk.png")
        raise


def walk(page, learner: Watched, url: str) -> Walk:
    """Prompt, rank by keyboard alone, train, PPO, and what Before / after fills itself with."""
    open_page(page, url, "prompt")
    run = run_id(page)
    ask(page, "An opossum is")
    press(page, "to_rank")

    page.locator(".st-key-rank_card").wait_for(timeout=SLOW)
    settled(page, SLOW)
    if own := keys_of_list(page):  # the answers to the learner's own prompt come first, as a list
        judge(page, own)
    before = judgements(page)
    for key in "abtabb":
        judge(page, key)
    ranked = judgements(page) - before
    page.keyboard.press("u")
    page.wait_for_function(f"most => {JUDGEMENTS} < most", arg=before + 6, timeout=SLOW)
    settled(page, SLOW)  # the card comes after the bar
    after_undo = judgements(page) - before
    judge(page, "b")
    press(page, "to_reward_model")  # each of these does what it says on the page it leads to
    wait_for_reward_model(page)
    # Keys that read nothing are votes by coin: the page asks for more of them first.
    page.get_by_role("link", name="PPO all the same").click(timeout=SLOW)
    press(page, "ppo_play")
    steps = []
    for step in range(STEPS + 1):
        wait_for_step(page, step)
        steps.append(step_shown(page))
    press(page, "to_before_after")

    page.locator(".op-tag").get_by_text("After", exact=True).first.wait_for(timeout=SLOW)
    page.locator(".st-key-verdict").wait_for(timeout=SLOW)
    settled(page, SLOW)
    return Walk(
        page,
        learner,
        run,
        ranked,
        after_undo,
        steps,
        page.locator(".st-key-verdict").inner_text(),
        board(page),
    )


def board(page) -> str:
    """The numbers of the whiteboard in the sidebar."""
    return " ".join(page.locator(".st-key-board_side").inner_text().split())


def test_the_whole_loop_by_keyboard(walked: Walk, app: App) -> None:
    assert walked.ranked == 6 and walked.after_undo == 5
    assert walked.steps[-1] == STEPS and walked.steps == sorted(walked.steps)
    assert len(walked.verdict.split()) > 5
    session = kept(app, walked.run)
    assert [row["step"] for row in session.tuned.metrics] == list(range(STEPS + 1))
    rankings = session.judged.rankings
    assert {ranking.annotator for ranking in rankings} == {"you"}
    assert all(ranking.seconds > 0 for ranking in rankings)
    assert walked.watched.problems == []


def test_a_reload_keeps_everything(walked: Walk, app_url: str) -> None:
    page = walked.page
    page.reload()
    settled(page, SLOW)
    page.locator(".st-key-verdict").wait_for(timeout=SLOW)
    assert run_id(page) == walked.run
    assert (
        page.locator(".st-key-verdict").inner_text() == walked.verdict
        and board(page) == walked.board
    )
    open_page(page, app_url, "ppo", walked.run)
    wait_for_step(page, STEPS)
    assert step_shown(page) == STEPS


@pytest.fixture(scope="module")
def looks(chromium) -> Iterator[dict]:
    """A tab as wide as a projector (its colours change while it is open) and one as wide as a
    phone.
    """
    contexts = {
        look: chromium.new_context(reduced_motion="reduce", **LOOKS[look])
        for look in ("light", "375")
    }
    yield {look: context.new_page() for look, context in contexts.items()}
    for context in contexts.values():
        context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_filled_page_draws_fits_and_is_accessible(
    walked: Walk, looks: dict, app_url: str, artefacts, name: str
) -> None:
    folder = artefacts / "screenshots"
    folder.mkdir(exist_ok=True)
    findings: list[str] = []
    for look, page in looks.items():
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.set_viewport_size(LOOKS[look]["viewport"])
        open_page(page, app_url, PAGES[name], walked.run)
        page.wait_for_timeout(500)  # widgets that the frontend loads when it first needs them
        assert page.get_by_test_id("stException").count() == 0, f"{name} shows an exception"
        for holder in (
            "document.documentElement",
            "document.querySelector('[data-testid=stMain]')",
        ):
            wide, room = page.evaluate(f"[{holder}.scrollWidth, {holder}.clientWidth]")
            assert wide <= room, (
                f"{name} is {wide} px wide where there are {room}, and scrolls sideways"
            )
        photograph(page, folder / f"filled-{name}-{look}.png")
        if look == "light":
            findings += serious(page)
            page.emulate_media(color_scheme="dark", reduced_motion="reduce")
            page.wait_for_timeout(500)
            photograph(page, folder / f"filled-{name}-dark.png")
            findings += [f"dark: {finding}" for finding in serious(page)]
    assert findings == [], "\n".join(findings)


def photograph(page, path) -> None:
    """The whole page: the app scrolls inside the window, so the window is made as high as what it
    holds.
    """
    high = page.evaluate(
        "Math.ceil(document.querySelector('[data-testid=stMainBlockContainer]').getBoundingClientRect().height)"
    )
    page.set_viewport_size(
        {
            "width": page.viewport_size["width"],
            "height": max(page.viewport_size["height"], min(high, 6_000)),
        }
    )
    page.wait_for_timeout(300)
    page.screenshot(path=path)


def test_two_tabs_and_a_second_learner(walked: Walk, chromium, app: App, app_url: str) -> None:
    first = walked.page
    before = kept(app, walked.run).tuned.metrics

    # One session, two tabs: a verdict given in one is refused in the other, in words, and counts
    # once.
    open_page(first, app_url, "rank", walked.run)
    second = walked.watched.context.new_page()
    open_page(second, app_url, "rank", walked.run)
    for tab in (first, second):
        button(tab, "pick_skip").wait_for(timeout=SLOW)
        settled(tab, SLOW)
    made = judgements(first)
    assert (
        first.locator(".st-key-rank_card").inner_text()
        == second.locator(".st-key-rank_card").inner_text()
    )
    judge(first, "a")
    judge(second, "b")
    second.get_by_text("already judged, perhaps in another tab").wait_for(timeout=SLOW)
    assert judgements(first) == judgements(second) == made + 1

    # A long run begun in one tab is seen in the other, and can't be begun twice.
    open_page(first, app_url, "ppo", walked.run)
    assert set_steps(first, "End") == 200
    press(first, "ppo_play")
    stop = ".st-key-ppo_stop button:not([disabled])"
    first.locator(stop).first.wait_for(timeout=SLOW)
    open_page(second, app_url, "ppo", walked.run)
    second.locator(stop).first.wait_for(timeout=SLOW)
    assert button(second, "ppo_play").is_disabled()

    # Someone else comes meanwhile: the short steps slip in between, the long ones wait in line and
    # say so.
    other = Watched(
        chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce"),
        app_url,
    )
    page = other.context.new_page()
    open_page(page, app_url)
    their_run = run_id(page)
    assert their_run != walked.run
    press(page, "run_once")
    page.get_by_text("Next in line.").wait_for(timeout=SLOW)
    press(page, "run_once_stop")
    button(page, "run_once").wait_for(timeout=SLOW)
    open_page(page, app_url, "rank", their_run)
    page.locator(".st-key-rank_card").wait_for(timeout=SLOW)
    let_the_scripted_rater_judge(page)
    open_page(page, app_url, "reward_model", their_run)
    train_reward_model(page)
    open_page(page, app_url, "ppo", their_run)
    button(page, "ppo_play").wait_for(timeout=SLOW)
    assert set_steps(page, "Home") == 1
    press(page, "ppo_play")
    waiting = page.locator(".st-key-ppo_step").get_by_text("next in line")
    waiting.wait_for(timeout=SLOW)
    assert re.search(r"starts in about \d+ (s|min)", waiting.inner_text())
    assert step_shown(page) is None

    # The first session's other tab ends its run; now the second session's begins, and neither has
    # touched the other.
    press(second, "ppo_stop")
    first.get_by_text("All finished steps are kept.").wait_for(timeout=SLOW)
    wait_for_step(page, 1)
    button(page, "to_before_after").wait_for(timeout=SLOW)
    theirs, ours = kept(app, their_run), kept(app, walked.run).tuned.metrics
    assert [row["step"] for row in theirs.tuned.metrics] == [0, 1]
    assert theirs.tuned.metrics[0]["kl_to_reference"] == pytest.approx(0, abs=1e-3)
    assert {one.annotator for one in theirs.judged.rankings} == {"scripted rater (rule)"}
    steps = [row["step"] for row in ours]
    assert steps == list(range(len(steps))) and len(steps) > len(before)
    assert ours[: len(before)] == before
    assert step_shown(first) == steps[-1]
    assert walked.watched.problems == [] and other.problems == []
    other.context.close()
    second.close()


def test_prompts_that_mean_harm_are_shown_as_text(walked: Walk, app_url: str) -> None:
    page = walked.page
    for prompt in HARMFUL:
        open_page(page, app_url, "prompt", walked.run)
        ask(page, prompt)
        shown_as_text(page, ".op-answer .op-given", prompt)
        press(page, "to_rank")
        page.locator(".st-key-rank_card").wait_for(timeout=SLOW)
        settled(page, SLOW)
        shown_as_text(page, ".op-card-prompt", prompt)
        open_page(page, app_url, "ppo", walked.run)
        page.locator(".st-key-ppo_prompts summary").click()
        shown_as_text(page, ".st-key-ppo_prompts", prompt)
        open_page(page, app_url, "before_after", walked.run)
        page.locator(".st-key-compare_another summary").click()
        page.get_by_role("textbox", name="Prompt for both models").fill(prompt)
        press(page, "compare")
        page.locator(".op-answer .op-given").get_by_text(prompt, exact=True).first.wait_for(
            timeout=SLOW
        )
        shown_as_text(page, ".op-answer .op-given", prompt)
    page.wait_for_timeout(500)  # what would load or pop up has had the time
    assert page.locator("img[src*='example.invalid']").count() == 0
    assert walked.watched.problems == []


def shown_as_text(page, place: str, prompt: str) -> None:
    # without the joiners that keep an address from becoming a link
    found = """([place, prompt]) => [...document.querySelectorAll(place)].some(
        box => box.innerText.replaceAll('\\u2060', '').includes(prompt))"""
    page.wait_for_function(found, arg=[place, prompt], timeout=SLOW)
    assert page.locator(place).locator("script, img").count() == 0
