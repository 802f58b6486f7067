"""The exported file in a real browser, from disk and offline: steps, keys, play, theme, pictures,
a phone, paper, and that nothing injected runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from run_files import PLAIN, opened, spoilt

from ui.export.html import html_of_session

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "pages"))
from axe import serious  # noqa: E402

pytestmark = pytest.mark.slow  # with the others of its kind it would be minutes of `make test`

CARD = (PLAIN / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def open_file(chromium, tmp_path):
    """``open_file(html, **context)``: a tab with the file, offline; what the console said and what
    was asked for is checked when the test is over.
    """
    contexts, said, asked = [], [], []

    def show(source: str, **how):
        place = tmp_path / f"run-{len(contexts)}.html"
        place.write_text(source, encoding="utf-8")
        how.setdefault("viewport", {"width": 1280, "height": 900})
        contexts.append(chromium.new_context(offline=True, **how))
        tab = contexts[-1].new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(place.as_uri())
        return tab

    show.said, show.asked = said, asked
    yield show
    for context in contexts:
        context.close()
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked), asked


def answers(tab) -> list[str]:
    return tab.locator("#answers .answer p").all_inner_texts()


def test_the_steps_are_scrubbed_and_the_charts_follow(open_file):
    session = opened()
    tab = open_file(html_of_session(session, CARD))
    assert tab.locator("#now").inner_text().startswith("Step 2: reward +0.77")
    texts = {
        step: [row["text"].strip() for row in session.tuned.samples if row["step"] == step]
        for step in (0, 1, 2)
    }
    place = tab.locator("#reward .now").get_attribute("x1")
    slider = tab.locator("#step")
    slider.focus()
    tab.keyboard.press("ArrowLeft")
    assert tab.locator("#now").inner_text().startswith("Step 1: reward +0.27")
    assert float(tab.locator("#reward .now").get_attribute("x1")) < float(place)
    shown = answers(tab)
    assert len(shown) == 12 and set(shown[1::2]) <= {
        *texts[1],
        "(no answer to this prompt was kept)",
    }
    tab.locator("#back").click()
    shown = answers(tab)
    assert shown[::2] == shown[1::2], "step 0 is the original"
    tab.keyboard.press("End")
    assert tab.locator("#now").inner_text().startswith("Step 2")
    tab.locator("#which").select_option(label="A frog is")
    frogs = [row["text"].strip() for row in session.tuned.samples if row["prompt"] == "A frog is"]
    assert set(answers(tab)) <= {*frogs, "(no answer to this prompt was kept)"}
    assert not open_file.said


def test_play_runs_to_the_end_and_stops(open_file):
    tab = open_file(html_of_session(opened(), CARD))
    tab.locator("#play").click()
    assert tab.locator("#play").inner_text() == "Pause"
    assert tab.locator("#now").inner_text().startswith("Step 0")
    tab.locator("#now", has_text="Step 2").wait_for(timeout=20_000)
    assert tab.locator("#play").inner_text() == "Play" and not open_file.said


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_theme_is_the_systems_until_it_is_switched(open_file, system):
    tab = open_file(html_of_session(opened(), CARD), color_scheme=system)

    def is_dark() -> bool:
        colour = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, colour[4:-1].split(","))) < 200

    assert is_dark() == (system == "dark")
    assert serious(tab) == []
    tab.locator("#theme").click()
    assert is_dark() == (system == "light")
    assert serious(tab) == []


def test_a_phone_needs_no_sideways_scrolling(open_file):
    for session in (opened(), spoilt()):
        tab = open_file(html_of_session(session, CARD), viewport={"width": 375, "height": 812})
        assert tab.evaluate("document.documentElement.scrollWidth") == 375
    assert not open_file.said


def test_without_a_script_it_can_be_read(open_file):
    tab = open_file(html_of_session(opened(), CARD), java_script_enabled=False)
    assert tab.locator("#player").is_hidden() and len(answers(tab)) == 12
    assert tab.locator("#reward svg").is_visible() and tab.locator("#theme").is_hidden()


def test_on_paper_everything_is_open(open_file):
    tab = open_file(html_of_session(opened(), CARD))
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("details:not([open])").count() == 0
    tab.emulate_media(media="print")
    assert tab.locator("#player").is_hidden() and tab.locator("nav").is_hidden()
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.locator("details[open]").count() == 0
    assert tab.pdf()[:4] == b"%PDF"


@pytest.mark.parametrize(("kind", "begins"), [("SVG", b"<svg"), ("PNG", b"\x89PNG\r\n\x1a\n")])
def test_a_chart_is_saved_as_a_picture(open_file, tmp_path, kind, begins):
    tab = open_file(html_of_session(opened(), CARD), accept_downloads=True)
    with tab.expect_download() as waiting:
        tab.get_by_role("button", name=f"KL to reference as {kind}").click()
    assert waiting.value.suggested_filename == f"kl-to-reference.{kind.lower()}"
    waiting.value.save_as(tmp_path / "picture")
    data = (tmp_path / "picture").read_bytes()
    assert data.startswith(begins) and len(data) > 2_000
    if kind == "SVG":
        assert b"KL to reference (nats a response)" in data and b'class="now"' not in data
    else:
        width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
        assert width == 3 * 440 and height > 600
    assert not open_file.said


def test_hostile_texts_run_nothing(open_file):
    tab = open_file(html_of_session(spoilt(), CARD))
    for place in range(3):
        tab.locator("#step").fill(str(place))
    tab.locator("#which").select_option("all")
    tab.wait_for_timeout(200)
    assert tab.evaluate("window.hit") is None and not open_file.said
    assert tab.locator("#answers img, #answers script, #answers a").count() == 0


def test_even_markup_that_got_through_would_not_run(open_file):
    """Were our escaping wrong: the policy in the head stops scripts, handlers, styles, fetches."""
    smuggled = (
        "<script>window.hit=1</script><img src=x onerror=window.hit=2>"
        "<svg onload=window.hit=3></svg><iframe srcdoc='<script>parent.hit=4</script>'></iframe>"
        "<img src=http://127.0.0.1:9/x.png><style>body{color:rgb(1,2,3)}</style>"
        "<a id=bad href='javascript:window.hit=5'>x</a><base href='http://127.0.0.1:9/'>"
        "<form id=sent action='http://127.0.0.1:9/'></form>"
    )
    source = html_of_session(opened(), CARD).replace("<main>", f"<main>{smuggled}")
    tab = open_file(source)
    tab.locator("#bad").click()
    tab.evaluate("document.getElementById('sent').submit()")
    tab.wait_for_timeout(300)
    assert tab.evaluate("window.hit") is None
    assert tab.evaluate("getComputedStyle(document.body).color") != "rgb(1, 2, 3)"
    assert tab.evaluate("document.baseURI").startswith("file:")
    assert tab.locator("#now").inner_text().startswith("Step 2"), "ours works all the same"
    assert any("Content Security Policy" in line for line in open_file.said)
    open_file.asked[:] = [url for url in open_file.asked if "127.0.0.1:9" not in url]
