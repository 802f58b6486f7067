"""The learner's steps through the app, as a browser does them; shared by the journey, the interrupt
tests and the page benchmark.

Each function takes a Playwright page and returns when the page shows that the step is done. By
keyboard where the name says so.
"""

from __future__ import annotations

from conftest import settled

SLOW = 120_000  # milliseconds; a busy machine is no reason to fail
JUDGEMENTS = """
    Number(
      document.querySelector('.st-key-progress_row')?.innerText.match(/(\\d+) judgement/)?.[1] ?? 0)
"""
CARD_CHANGED = (
    "before => { const card = document.querySelector('.st-key-rank_card'); return card !== null &&"
    " card.innerText !== before }"
)


def open_page(page, url: str, path: str = "", run: str | None = None) -> None:
    """Load a page of the app, in the session ``run`` or in a fresh one."""
    page.goto(f"{url}/{path}" + (f"?run={run}" if run else ""))
    settled(page, SLOW)
    page.get_by_role("heading").first.wait_for(timeout=SLOW)


def run_id(page) -> str:
    """The session that this tab shows, as its address says."""
    return page.evaluate("new URLSearchParams(location.search).get('run')")


def button(page, key: str):
    """The button with this key. The first: one with help has a hidden twin, which measures it."""
    return page.locator(f".st-key-{key} button").first


def press(page, key: str) -> None:
    """Reach a button by focus and press Enter: no mouse."""
    button(page, key).wait_for(timeout=SLOW)
    button(page, key).focus()
    page.keyboard.press("Enter")


def ask(page, prompt: str) -> None:
    """On the prompt page: type a prompt, Ctrl+Enter, and wait for the finished answers."""
    box = page.get_by_role("textbox", name="Your prompt")
    box.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type(prompt)
    page.keyboard.press("Control+Enter")
    page.locator(".op-answer:not(.op-live) .op-given").get_by_text(
        prompt, exact=True
    ).first.wait_for(timeout=SLOW)


def judgements(page) -> int:
    """On the rank page: how many judgements the bar counts; none before it is drawn."""
    return page.evaluate(JUDGEMENTS)


def judge(page, keys: str) -> None:
    """On the rank page: one verdict, a key after the other; returns when the next card is there."""
    card = page.locator(".st-key-rank_card")
    card.wait_for(timeout=SLOW)
    for key in keys:
        page.wait_for_timeout(
            300
        )  # nobody reads faster, so the desk takes no verdict on a card that is newer than that
        before = card.inner_text()
        page.keyboard.press(key)
        page.wait_for_function(CARD_CHANGED, arg=before, timeout=SLOW)
    settled(page, SLOW)


def keys_of_list(page) -> str:
    """The number keys that put the list on the rank page in the order in which it stands there; ""
    where the card shows a pair.
    """
    return "".join(str(number) for number in range(1, 9) if button(page, f"pick_{number}").count())


def train_reward_model(page) -> None:
    """On the reward model page: train, watch it in slow motion, and wait for the numbers."""
    press(page, "fit")
    wait_for_reward_model(page)


def wait_for_reward_model(page) -> None:
    """On the reward model page, where it is being trained: until its numbers are there."""
    page.locator(".st-key-fit_numbers").wait_for(timeout=SLOW)
    settled(page, SLOW)


def open_knobs(page) -> None:
    """On the PPO page: unfold the knobs that the cockpit has no room for."""
    folded = page.locator(".st-key-ppo_more details:not([open]) summary")
    if folded.count():
        folded.focus()
        page.keyboard.press("Enter")


def set_steps(page, key: str, times: int = 1) -> int:
    """On the PPO page: press an arrow key (or Home, End) on the slider of steps; returns what it
    then says.
    """
    open_knobs(page)
    slider = page.get_by_role("slider", name="Steps")
    slider.focus()
    for _ in range(times):
        page.keyboard.press(key)
    page.wait_for_timeout(400)  # the slider waits a moment before it tells the server
    settled(page, SLOW)
    return int(slider.input_value())


# On the PPO page: the newest step that its numbers show, -1 before there is one.
STEP = """(() => {
  const number = document.querySelector('.st-key-ppo_numbers [data-testid=stMetricValue]');
  const said = document.querySelector('.st-key-ppo_step')?.innerText.match(/Step (\\d+) of/);
  return !said || !number || number.innerText.trim() === '\u2013' ? -1 : Number(said[1]);
})()"""


def step_shown(page) -> int | None:
    """On the PPO page: the newest step that its numbers show."""
    step = page.evaluate(STEP)
    return step if step >= 0 else None


def wait_for_step(page, step: int) -> None:
    """On the PPO page: until its numbers show ``step`` or a later one."""
    page.wait_for_function(f"least => {STEP} >= least", arg=step, timeout=SLOW)


def let_the_scripted_rater_judge(page) -> None:
    """On the rank page: ten comparisons by the scripted rater."""
    before = judgements(page)
    page.locator(".st-key-scripted_box summary").click()
    button(page, "scripted").click()
    page.wait_for_function(f"least => {JUDGEMENTS} >= least", arg=before + 10, timeout=SLOW)
    settled(page, SLOW)
