"""In a browser, as in a Hugging Face Space: the hub's page shows the app in a frame of another
site, with third-party cookies off. A reload of that page finds the session again.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from walking import SLOW

from conftest import CHROMIUM_FLAGS, IDLE, chromium_path
from rlhf_core.session import registry

pytestmark = pytest.mark.slow  # with the others of its kind it would be minutes of `make test`

# A page of the net may not show one of this machine, where the test's app is.
ASK_THIS_MACHINE = "--disable-features=LocalNetworkAccessChecks"
SPACE = "https://huggingface.co/spaces/somebody/opossum"
# What the hub's page does: passes its own query to the frame when it loads, and takes the frame's
# message {queryString, hash} into its address.
AROUND = """<!doctype html><title>A Space</title><iframe id="app" style="width:1200px;height:700px">
</iframe><script>
document.cookie = "mine=1"
const app = "APP"
window.told = []
addEventListener("message", (event) => {
  if (event.origin !== app || event.data?.queryString === undefined) return
  told.push(event.data)
  const here = new URL(location.href)
  here.search = event.data.queryString
  here.hash = event.data.hash
  history.replaceState(null, "", here)
})
document.getElementById("app").src = app + "/" + location.search
</script>"""


@pytest.fixture
def strict(chromium):
    """A browser that keeps no cookie of a site other than the one in the address line."""
    browser = chromium.browser_type.launch(
        executable_path=chromium_path(),
        args=[*CHROMIUM_FLAGS, "--test-third-party-cookie-phaseout", ASK_THIS_MACHINE],
    )
    yield browser
    browser.close()


@pytest.fixture
def space(strict, start_app):
    """(the hub's page with the app in its frame, the app)."""
    app = start_app(environment={"SPACE_ID": "somebody/opossum"})
    context = strict.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    html = AROUND.replace("APP", app.url)
    page.route(
        "https://huggingface.co/**",
        lambda route: route.fulfill(body=html, content_type="text/html"),
    )
    yield page, app
    context.close()


def arrived(page):
    """The app in the frame, once its script has run."""
    frame = page.frame_locator("#app")
    frame.locator(IDLE).wait_for(timeout=SLOW)
    page.wait_for_function("told.length > 0", timeout=SLOW)
    return frame


def run_of(page) -> str:
    return parse_qs(urlsplit(page.url).query).get("run", [""])[0]


def test_a_reload_of_the_page_around_comes_back_to_the_session(space, chromium) -> None:
    page, app = space
    page.goto(SPACE)
    frame = arrived(page)
    run = run_of(page)
    assert registry.is_id(run) and urlsplit(page.url).netloc == "huggingface.co"
    assert frame.locator(".st-key-direct button").count()

    page.reload()
    frame = arrived(page)
    assert run_of(page) == run, "the same session"
    assert page.evaluate("told.at(-1).queryString").startswith("?")

    frame.locator(".st-key-direct button").first.click()
    link = frame.get_by_test_id("stPopoverBody").locator("code")
    link.wait_for(timeout=SLOW)
    direct = link.inner_text().replace("\n", "")
    assert direct == f"{app.url}/?run={run}"
    outside = chromium.new_context()
    try:
        alone = outside.new_page()
        alone.goto(direct)
        alone.locator(IDLE).wait_for(timeout=SLOW)
        assert run_of(alone) == run
    finally:
        outside.close()


def test_another_page_learns_nothing_and_a_strange_link_says_what_is_the_matter(space) -> None:
    """A page that is not the hub's puts the app into a frame, with a link from elsewhere."""
    page, app = space
    page.route(
        "https://elsewhere.example/**",
        lambda route: route.fulfill(body=AROUND.replace("APP", app.url), content_type="text/html"),
    )
    page.goto("https://elsewhere.example/?run=AAAAAAAAAAAAAAAA")
    frame = page.frame_locator("#app")
    frame.locator(IDLE).wait_for(timeout=SLOW)
    frame.get_by_text("never was on this server").wait_for(timeout=SLOW)
    frame.get_by_text("This Space also forgets sessions").wait_for(timeout=SLOW)
    frame.locator(".st-key-space_address").wait_for(state="attached", timeout=SLOW)
    page.wait_for_timeout(500)
    assert page.evaluate("told") == [] and run_of(page) == "AAAAAAAAAAAAAAAA"


def test_outside_a_space_nothing_of_it_is_there(page, app_url) -> None:
    page.goto(app_url)
    page.locator(IDLE).wait_for(timeout=SLOW)
    assert page.locator(".st-key-direct, .st-key-space_address").count() == 0
