"""What a visitor sees of the app from outside, in a real browser: the logo is whole, and an address
that leads straight to a page brings the page and no faults of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from browser_helpers import LOOKS

from conftest import App, settled
from ui import styles, whiteboard

# The outermost inked column of the picture on each side, as shares of its width.
INK = """async source => {
  const picture = new Image()
  picture.src = source
  await picture.decode()
  const canvas = document.createElement('canvas')
  canvas.width = 1024
  canvas.height = Math.round(1024 * picture.naturalHeight / picture.naturalWidth)
  const context = canvas.getContext('2d')
  context.drawImage(picture, 0, 0, canvas.width, canvas.height)
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data
  const columns = []
  for (let i = 3; i < pixels.length; i += 4) if (pixels[i] > 40) columns.push((i - 3) / 4 % 1024)
  return [Math.min(...new Set(columns)) / 1024, Math.max(...new Set(columns)) / 1024]
}"""
# Streamlit asks beside the page for its server before it asks at the root, to find out whether the
# app lies in a folder; its server answers 404 on purpose (streamlit/streamlit#7074, and
# _RESERVED_STATIC_PATH_SUFFIXES in its starlette_static_routes.py). No setting turns that off.
PROBES = ("/_stcore/health", "/_stcore/host-config")


@pytest.mark.parametrize("look", LOOKS)
def test_the_logo_is_whole_in_the_sidebar(chromium, app_url: str, artefacts, look: str) -> None:
    context = chromium.new_context(reduced_motion="reduce", **LOOKS[look])
    page = context.new_page()
    page.goto(f"{app_url}/prompt")
    settled(page)
    if look == "375":
        page.get_by_test_id("stExpandSidebarButton").click()
    logo = page.get_by_test_id("stSidebarLogo")
    logo.wait_for()
    page.wait_for_timeout(500)  # the sidebar glides in
    logo.screenshot(path=artefacts / f"logo-{look}.png")
    left, right = page.evaluate(INK, logo.get_attribute("src"))
    assert left > 0.01 and 0.9 < right < 0.99, "the letters end before the picture does"
    context.close()


def test_the_logo_is_whole_in_any_font(page) -> None:
    wanted = "Source Sans, Source Sans Pro, Segoe UI, Helvetica, Arial, sans-serif"
    assert wanted in whiteboard.LOGO_SVG
    for font in ("DejaVu Sans", "Liberation Sans", "serif", "monospace"):
        logo = whiteboard.LOGO_SVG.replace(wanted, font)
        left, right = page.evaluate(INK, styles.address(logo))
        assert left > 0.01 and 0.9 < right < 0.99, font


@pytest.mark.parametrize("address", ["ppo?run=somebody-elses-run", "algorithms", "no-such-page"])
def test_a_deep_link_brings_no_faults_but_the_framework_s_two_probes(
    page, app_url: str, address: str
) -> None:
    faults: list[str] = []
    spoken: list[str] = []
    page.on("response", lambda reply: faults.append(reply.url) if reply.status >= 400 else None)
    page.on("requestfailed", lambda request: faults.append(request.url))
    page.on("pageerror", lambda error: spoken.append(str(error)))
    page.on("console", lambda line: spoken.append(line.text) if line.type == "error" else None)
    page.goto(f"{app_url}/{address}")
    settled(page)
    page.get_by_role("heading").first.wait_for()
    page.wait_for_timeout(500)
    probes = {f"/{urlsplit(address).path}{probe}" for probe in PROBES}
    assert {urlsplit(fault).path for fault in faults} <= probes
    assert len(faults) <= len(PROBES)
    assert [words for words in spoken if "404" not in words] == []
    assert len(spoken) == len(faults), "each line of the console is one of the two"


def test_the_first_visitor_of_a_fresh_server_may_come_to_any_page(
    page, start_app: Callable[..., App]
) -> None:
    """Streamlit takes a folder called pages/ for an app of the older kind until st.navigation has
    been called once in the process, and would say that it finds no such page.
    """
    page.goto(f"{start_app().url}/ppo")
    settled(page)
    page.get_by_role("heading", name="PPO").wait_for()
    page.wait_for_timeout(1_000)
    assert page.get_by_role("dialog").count() == 0
