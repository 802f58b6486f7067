"""A participant's phone in a browser, with a desk that is played: 375 x 667, touch, offline,
locked, two tabs; and whatever a stranger may write is only ever text.
"""

from __future__ import annotations

import time

import pytest
from axe import serious
from phone_helpers import PHONE, SOON, Stage, note, open_phone, prompt, stage, tap, until

pytestmark = pytest.mark.slow  # with the others of its kind it would be minutes of `make test`

LONG = (
    " walks along the fence at night and looks for fruit, insects, eggs and whatever is left," * 9
)
# Is everything that counts inside of the window, and nothing but an answer's own text scrolled?
FITS = """
() => {
  const all = [...document.querySelectorAll('*')]
    .flatMap((one) => one.shadowRoot ? [one.shadowRoot] : [])
  const root = all.map((one) => one.querySelector('.phone')).find(Boolean)
  const inside = (box) => {
    const at = box.getBoundingClientRect()
    return at.top >= 0 && at.left >= 0 && at.right <= innerWidth && at.bottom <= innerHeight
  }
  const shown = [...root.querySelectorAll('button')].filter((one) => one.offsetParent)
  return {
    scrolls:
      root.scrollHeight > root.clientHeight + 1 || root.scrollWidth > root.clientWidth + 1,
    outside: [...shown, ...root.querySelectorAll('.answer, .prompt')]
      .filter((box) => !inside(box)).length,
    buttons: shown.map((one) => {
      const { width, height } = one.getBoundingClientRect()
      return Math.min(width, height)
    }),
    answers: [...root.querySelectorAll('.answer')].map((one) => one.clientHeight),
    over: [...root.querySelectorAll('.answer')].map((one) => one.scrollHeight - one.clientHeight),
    height: root.getBoundingClientRect().height,
  }
}
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    with stage(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def room(played) -> Stage:
    played.clear()
    return played


@pytest.fixture
def phone(chromium):
    """A phone of its own: what it keeps goes with the test."""
    context = chromium.new_context(**PHONE)
    yield context
    context.close()


def pairs(*texts: tuple[str, str, str]) -> list[dict]:
    return [
        {"id": f"pair-{n}", "for": "rank", "prompt": p, "a": a, "b": b}
        for n, (p, a, b) in enumerate(texts)
    ]


# --- how it looks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("length", ["short", "long"])
def test_everything_is_in_sight_at_375_by_667(chromium, artefacts, room, look, length):
    long = (LONG[:120], LONG, LONG[:500])
    room.play(pairs=pairs(*[long if length == "long" else ("An owl is", " wise.", " late.")] * 6))
    context = chromium.new_context(**PHONE, color_scheme=look)
    page = open_phone(context, room.url)
    seen = page.evaluate(FITS)
    page.screenshot(path=artefacts / f"phone-{look}-{length}.png")
    found = serious(page)
    context.close()
    assert not found, "\n".join(found)
    assert seen["height"] == 667 and not seen["scrolls"] and not seen["outside"], seen
    assert len(seen["buttons"]) == 5 and min(seen["buttons"]) >= 44
    assert min(seen["answers"]) > 100
    assert (max(seen["over"]) > 0) == (length == "long")


def test_a_long_answer_is_reached_by_keyboard(phone, room):
    room.play(pairs=pairs(("An owl is", LONG, " late."), ("A cat is", " a.", " b.")))
    page = open_phone(phone, room.url)
    first = page.locator(".answer").first
    assert first.get_attribute("tabindex") == "0"
    assert page.locator(".answer").last.get_attribute("tabindex") is None
    first.focus()
    page.keyboard.press("End")
    page.wait_for_timeout(300)
    assert first.evaluate("one => one.scrollTop") > 0


def test_on_its_side_too(chromium, artefacts, room):
    context = chromium.new_context(**{**PHONE, "viewport": {"width": 667, "height": 375}})
    page = open_phone(context, room.url)
    seen = page.evaluate(FITS)
    page.screenshot(path=artefacts / "phone-on-its-side.png")
    context.close()
    assert not seen["scrolls"] and not seen["outside"] and min(seen["answers"]) > 80


# --- what a tap does ------------------------------------------------------------------------------


def test_the_next_pair_is_there_with_the_tap_and_the_judgement_soon_after(phone, room):
    page = open_phone(phone, room.url)
    page.wait_for_timeout(400)
    before = prompt(page)
    # In the same turn as the click: no server can have been asked.
    after = page.locator("[data-choice=b]").evaluate(
        "one => { one.click(); return one.getRootNode().querySelector('.prompt-text').textContent }"
    )
    assert before == "An opossum number 0 is" and after == "An opossum number 1 is"
    until(lambda: len(room.stored) == 1, 5, "one judgement in the store")
    kept = room.stored[0]
    assert (kept["pair"], kept["choice"], kept["me"]) == ("rank-0", "b", "token-of-somebody")
    assert 0.3 < kept["seconds"] < 30 and abs(kept["at"] / 1000 - time.time()) < 30
    assert page.locator(".who").inner_text() == "Teal otter · 1 judged"


def test_every_answer_by_finger_and_by_key(phone, room):
    page = open_phone(phone, room.url)
    for choice in ("a", "b", "tie", "skip"):
        tap(page, choice)
    for key in ("a", "2", "t", "S", "ArrowLeft"):
        page.wait_for_timeout(400)
        page.keyboard.press(key)
    until(lambda: len(room.stored) == 9, what="nine judgements")
    by_pair = {one["pair"]: one["choice"] for one in room.stored}
    said = [by_pair[f"rank-{number}"] for number in range(9)]
    assert said == ["a", "b", "tie", "skip", "a", "b", "tie", "skip", "a"]


def test_a_double_tap_is_one_judgement(phone, room):
    page = open_phone(phone, room.url)
    page.wait_for_timeout(400)
    at = page.locator("[data-choice=a]").bounding_box()
    for _ in range(2):
        page.touchscreen.tap(at["x"] + 20, at["y"] + 20)
    page.wait_for_timeout(1500)
    assert [one["pair"] for one in room.stored] == ["rank-0"]
    assert prompt(page) == "An opossum number 1 is"


def test_it_goes_on_without_end(phone, room):
    """More pairs come while those that the phone holds are judged."""
    page = open_phone(phone, room.url)
    for number in range(14):
        assert prompt(page) == f"An opossum number {number} is"
        tap(page, "a")
    until(lambda: len(room.stored) == 14, what="fourteen judgements")


# --- the network goes, and comes back -------------------------------------------------------------


def test_what_is_tapped_offline_is_sent_once_when_the_network_is_back(phone, room):
    page = open_phone(phone, room.url)
    phone.set_offline(True)
    for _ in range(4):
        tap(page, "b")
    note(page, "Offline: 4 waiting, keep going.")
    assert prompt(page) == "An opossum number 4 is"
    tap(page, "b")  # the last of those that the phone holds
    page.get_by_text("You have judged every pair that this phone holds. 5 waiting").wait_for()
    assert room.stored == []
    phone.set_offline(False)
    until(lambda: len(room.stored) == 5, what="five judgements")
    page.locator(".ask").wait_for(timeout=SOON)
    assert prompt(page) == "An opossum number 5 is" and page.locator(".note").inner_text() == ""
    sent = room.play()["sent"]
    assert sorted(set(sent)) == sorted(sent) and {o["pair"] for o in room.stored} == {
        f"rank-{number}" for number in range(5)
    }


def test_a_reload_loses_nothing_and_asks_nothing_twice(phone, room):
    page = open_phone(phone, room.url)
    room.play(fail=503)
    tap(page, "a")
    tap(page, "tie")
    note(page, "Offline: 2 waiting")
    page.reload()
    page.locator(".ask").wait_for(timeout=SOON)
    assert prompt(page) == "An opossum number 2 is"
    room.play(fail=0)
    until(lambda: len(room.stored) == 2, 30, "two judgements")
    assert {one["pair"]: one["choice"] for one in room.stored} == {"rank-0": "a", "rank-1": "tie"}
    page.wait_for_timeout(500)
    assert prompt(page) == "An opossum number 2 is"


def test_an_answer_that_got_lost_makes_no_second_judgement(phone, room):
    """The server has it, the phone does not know: it sends it again, under the same id."""
    page = open_phone(phone, room.url)
    lost = []

    def lose(route):
        if len(lost) < 2:
            route.fetch()
            lost.append(1)
            route.abort()
        else:
            route.continue_()

    page.route("**/room-desk", lose)
    tap(page, "a")
    sent = lambda: room.play()["sent"]  # noqa: E731
    until(lambda: len(sent()) >= 3, 30, "the same judgement sent again", page)
    assert len(room.stored) == 1 and len(set(sent())) == 1


def test_a_locked_phone_wakes_up_in_the_act_that_is_on(phone, room):
    page = open_phone(phone, room.url)
    tap(page, "a")
    until(lambda: len(room.stored) == 1)
    remote = phone.new_cdp_session(page)
    remote.send("Page.setWebLifecycleState", {"state": "frozen"})
    room.play(act="vote")
    time.sleep(2)
    remote.send("Page.setWebLifecycleState", {"state": "active"})
    page.locator(".task").filter(has_text="Blind vote").wait_for(timeout=SOON)


def test_two_tabs_of_one_phone_are_one_person(phone, room):
    one = open_phone(phone, room.url)
    other = open_phone(phone, room.url)
    assert prompt(one) == prompt(other) == "An opossum number 0 is"
    tap(other, "a")
    one.get_by_text("An opossum number 1 is").wait_for(timeout=SOON)
    one.bring_to_front()
    tap(one, "b")
    until(lambda: len(room.stored) == 2, what="two judgements")
    assert sorted(row["pair"] for row in room.stored) == ["rank-0", "rank-1"]


# --- what the host does ---------------------------------------------------------------------------


def test_it_follows_the_acts_by_itself(phone, room):
    room.play(act="join")
    page = open_phone(phone, room.url, start=False)
    page.get_by_text("You are in.").wait_for(timeout=SOON)
    assert page.get_by_text("Next: a short practice.").is_visible()
    assert page.get_by_text("Short, funny, a little absurd.").is_visible(), "time for the brief"
    room.play(act="practice")
    page.locator(".go:has-text('Start')").wait_for(timeout=SOON)
    page.locator(".go").tap()
    tap(page, "b")
    said = "You chose B; by the brief, A is better. The other one is an encyclopedia."
    page.get_by_text(said).wait_for()
    assert not serious(page)
    page.locator(".next").tap()
    tap(page, "a")
    page.get_by_text("You agree with the brief: A is better.").wait_for()
    page.locator(".brief-open").tap()  # and back: what the brief says of the pair still stands
    page.get_by_text("Short, funny, a little absurd.").wait_for()
    assert not serious(page)
    page.locator(".go").tap()
    page.get_by_text("You agree with the brief: A is better.").wait_for()
    room.play(act="reward", live=[{"label": "held-out accuracy", "value": "71 %"}])
    page.locator(".next").tap()
    page.get_by_text("71 %").wait_for(timeout=SOON)
    assert page.get_by_text("held-out accuracy").is_visible()
    assert page.get_by_text("Next: the language model practises").is_visible()
    room.play(act="talk", verdict="No detectable difference: 6 of 12 prompts.")
    page.get_by_text("No detectable difference: 6 of 12 prompts.").wait_for(timeout=SOON)


def test_frozen_keeps_what_was_tapped_and_sends_it_after_the_thaw(phone, room):
    page = open_phone(phone, room.url)
    room.play(frozen=True)
    tap(page, "a")
    page.get_by_text("The host has paused the judging.").wait_for(timeout=SOON)
    assert room.stored == []
    room.play(frozen=False)
    until(lambda: len(room.stored) == 1, what="the judgement from before the pause")
    page.locator(".ask").wait_for(timeout=SOON)


def test_a_closed_room_and_a_person_left_out_hear_so(phone, room):
    page = open_phone(phone, room.url)
    room.play(left_out=True)
    note(page, "The host has left your judgements out")
    room.play(sorry="This room was open a week ago, and is closed.")
    page.get_by_text("This room was open a week ago, and is closed.").wait_for(timeout=SOON)
    room.play(sorry="")
    page.locator(".go").tap()
    page.locator(".ask").wait_for(timeout=SOON)
    room.play(sorry="There is no room of this code here.", kind="unknown")
    page.get_by_text("was deleted. Thank you for coming.").wait_for(timeout=SOON)


def test_a_pair_that_was_judged_on_another_device_is_told_and_left(phone, room):
    page = open_phone(phone, room.url)
    phone.set_offline(True)
    tap(page, "a")
    other = phone.browser.new_context(**PHONE)
    tap(open_phone(other, room.url), "b")
    until(lambda: len(room.stored) == 1, what="the other device's judgement")
    other.close()
    phone.set_offline(False)
    note(page, "You judged that pair.")
    assert [row["choice"] for row in room.stored] == ["b"]


# --- a stranger's words ---------------------------------------------------------------------------

HARM = [
    "<script>window.harmed = 1</script>",
    "<img src=x onerror='window.harmed = 1'>",
    "![x](http://e.example/x.png) [click](http://e.example) http://e.example",
    "<svg/onload=window.harmed=1><style>*{display:none}</style>",
    "</p></main><iframe src=http://e.example></iframe>",
    "&lt;b&gt; &amp; <b>bold</b> **bold** $x^2$ :cat: `code`",
    "\u202eturned round\u202c and \u2066isolated\u2069 \u061c\u200f",
    "zero\u200bwidth\u200d joiners \ufeff and \u00ad hyphens",
    "שלום עולם, hello مرحبا",
    "Z" + "\u0335\u0321\u0358" * 120 + "algo",
    "👩‍👩‍👧‍👦 🏳️‍🌈 \U0001f1e9\U0001f1ea",
    "a" * 4000,
    "javascript:window.harmed=1",
    "{{7*7}} ${window.harmed = 1} %{y}",
    "line\nbreaks\r\nand\ttabs\u2028\u2029",
    "__proto__",
    "",
    "'\";--",
]
STATE = """
() => {
  const roots = [...document.querySelectorAll('*')]
    .flatMap((one) => one.shadowRoot ? [one.shadowRoot] : [])
  const root = roots.map((one) => one.querySelector('.phone')).find(Boolean)
  const text = (what) => root.querySelector(what).textContent
  return {
    harmed: window.harmed ?? null,
    foreign: root.querySelectorAll('img, script, iframe, svg, style, a').length,
    elements: root.querySelectorAll('*').length,
    prompt: text('.prompt-text'), a: text('[data-side=a] .text'), b: text('[data-side=b] .text'),
    who: text('.who'),
    wide: root.scrollWidth > root.clientWidth,
  }
}
"""
TURNING = dict.fromkeys([0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def test_whatever_is_written_is_only_ever_text(phone, room):
    texts = [(one, HARM[n - 1], HARM[n - 2]) for n, one in enumerate(HARM)]
    asked = []
    room.play(pairs=pairs(*texts), name=HARM[1] + HARM[6] + HARM[2])
    page = open_phone(phone, room.url, title="%3Cimg%20src=x%20onerror=window.harmed=1%3E")
    page.on("request", lambda request: asked.append(request.url))
    elements = page.evaluate(STATE)["elements"]
    for number, (before, a, b) in enumerate(texts):
        page.wait_for_function(
            "(n) => [...document.querySelectorAll('*')].some((o) => o.shadowRoot?.querySelector("
            "`.ask[data-pair=pair-${n}]`))",
            arg=number,
        )
        seen = page.evaluate(STATE)
        straight = [one.translate(TURNING) for one in (before, a, b)]
        # JavaScript's trim takes these off too.
        wanted = [straight[0], *(one.strip(" \n\r\t\ufeff\u2028\u2029") for one in straight[1:])]
        assert [seen["prompt"], seen["a"], seen["b"]] == wanted
        assert seen["harmed"] is None and not seen["foreign"] and not seen["wide"]
        assert seen["elements"] == elements, "an element that is not ours"
        fits = page.evaluate(FITS)
        assert not fits["scrolls"] and not fits["outside"]
        assert seen["who"].startswith((HARM[1] + HARM[6] + HARM[2]).translate(TURNING))
        tap(page, "a")
    page.wait_for_timeout(300)
    assert not [url for url in asked if "e.example" in url or url.endswith("/x")]
