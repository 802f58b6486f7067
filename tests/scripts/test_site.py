"""The documentation's site: it is built without a warning, every page of it is in the menu, and a
page that is open fetches nothing from elsewhere.
"""

from __future__ import annotations

import functools
import http.server
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from scripts import site_pages

FETCHED = r"script|img|iframe|link rel=\"?(?:stylesheet|preconnect|icon|preload)"
ELSEWHERE = re.compile(rf"<(?:{FETCHED})[^>]*?(?:src|href)=\"?(?:https?:)?//")


def named(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in named(part)]


def test_the_menu_names_every_page_once() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    written = {f.relative_to(ROOT / "docs").as_posix() for f in (ROOT / "docs").rglob("*.md")}
    made = {*site_pages.KIN.values(), "command-line.md"}
    made |= {f"reference/{package}.md" for package in site_pages.packages()}
    pages = named(config["nav"])
    assert len(pages) == len(set(pages)) and set(pages) == written | made
    assert len(site_pages.packages()) > 10 and config["theme"]["font"] is False


@pytest.mark.parametrize(
    ("text", "where", "becomes"),
    [
        ("[a](docs/store.md)", "README.md", "[a](store.md)"),
        ("[a](../README.md#settings)", "docs/deploy.md", "[a](readme.md#settings)"),
        ("[a](README.md#settings)", "CONTRIBUTING.md", "[a](readme.md#settings)"),
        (
            "[a](LICENSE) and [b](https://example.org)",
            "README.md",
            "a and [b](https://example.org)",
        ),
        ("![a](assets/picture.png)", "README.md", ""),
        ("[a](setup.md#as-a-package)", "docs/index.md", "[a](setup.md#as-a-package)"),
    ],
)
def test_a_link_leads_where_the_site_has_it(text: str, where: str, becomes: str) -> None:
    assert site_pages.linked(text, where) == becomes


def test_what_would_be_fetched_is_seen() -> None:
    assert ELSEWHERE.search('<script src="https://example.org/a.js"></script>')
    assert ELSEWHERE.search('<link rel="stylesheet" href="//example.org/a.css">')
    assert not ELSEWHERE.search('<a href="https://example.org">a</a><img src="a.png">')


def test_the_command_line_is_told_by_itself() -> None:
    page = site_pages.command_line()
    for command in ("app", "run", "replay", "export-html", "import"):
        assert f"\n## {command}\n" in page and f"usage: opossum {command} " in page


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", place]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "WARNING" not in said, said[-3000:]
    return place


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_site_is_whole_and_fetches_nothing(site: Path, page) -> None:
    pages = {p.relative_to(site).as_posix(): p.read_text("utf-8") for p in site.rglob("*.html")}
    assert len(pages) > 30
    assert not [name for name, text in pages.items() if ELSEWHERE.search(text)]
    assert "token_rewards" in pages["reference/algorithms.html"]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    serve = functools.partial(quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{server.server_port}/"
        page.goto(f"{home}index.html")
        page.get_by_role("heading", name="Opossum", level=1).wait_for()
        page.get_by_role("link", name="Tutorial: the loop in ten minutes").click()
        page.get_by_role("heading", name="The loop in ten minutes", level=1).wait_for()
        page.get_by_role("textbox", name="Search").fill("reward hacking")
        page.locator(".md-search-result__item").first.wait_for()
        server.shutdown()
    assert asked and not [url for url in asked if not url.startswith((home, "data:", "blob:"))]
