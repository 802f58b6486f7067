"""The load benchmark's tab speaks with a real Streamlit server as a browser does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from beside import beside

from benchmarks.load import server
from benchmarks.load.drawn import TabError, state_of
from benchmarks.load.tab import Tab, client

APP = """
import streamlit as st

def one_more():
    st.session_state["count"] += 1

def home():
    st.session_state.setdefault("count", 0)
    st.button("One more", key="more", on_click=one_more)
    st.text(f"count {st.session_state['count']}")
    st.slider("How far", 0, 10, 3, key="far")
    st.text(f"far {st.session_state['far']}")
    st.button("Not now", key="barred", disabled=True)
    st.html("<style></style>" + "<i></i>" * 5000)  # large enough to be kept by hash
    if st.session_state["far"] > 5:
        with st.container(key="box"):
            st.text("beyond five")
    if st.button("Break"):
        raise ValueError("on purpose")

    @st.fragment(run_every=0.2)
    def clock():
        st.session_state["ticks"] = st.session_state.get("ticks", 0) + 1
        st.text(f"ticks {st.session_state['ticks']}")
        st.button("In here", key="inner")
    clock()

def other():
    st.text("the other page")

st.navigation([
    st.Page(home, default=True), st.Page(other, url_path="other"),
]).run()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.Server]:
    folder = tmp_path_factory.mktemp("load")
    script = folder / "app.py"
    script.write_text(APP, encoding="utf-8")
    with server.running(folder / "runs", script) as running:
        yield running


def with_tab(url: str, work: Callable[[Tab], Awaitable[None]]) -> Tab:
    """Open a tab, do ``work`` in it, close it; for what it heard."""

    async def visit() -> Tab:
        async with client() as http:
            tab = Tab(url, http)
            try:
                await asyncio.wait_for(tab.open(), 60)
                await asyncio.wait_for(work(tab), 60)
            finally:
                await tab.close()
            return tab

    return beside(visit())


def says(tab: Tab, words: str) -> bool:
    return words in tab.texts("text")


def ticks(tab: Tab) -> int:
    return next(int(text.split()[1]) for text in tab.texts("text") if text.startswith("ticks"))


def test_a_press_runs_the_page_anew_once(place):
    async def work(tab):
        assert says(tab, "count 0")
        for count in (1, 2):
            await tab.press("more")
            await tab.until(lambda count=count: says(tab, f"count {count}"), 30)
        await asyncio.sleep(1.0)  # polls meanwhile do not press again
        assert says(tab, "count 2")

    tab = with_tab(place.url, work)
    assert tab.errors == [] and tab.got > 10_000


def test_a_value_stays_set_and_what_a_run_leaves_out_goes(place):
    async def work(tab):
        assert not list(tab.under("box"))
        await tab.set("far", 7)
        await tab.until(lambda: says(tab, "far 7"), 30)
        assert [node.body.body for node in tab.under("box", "text")] == ["beyond five"]
        await tab.press("more")
        await tab.until(lambda: says(tab, "count 1"), 30)
        assert says(tab, "far 7")
        await tab.set("far", 2)
        await tab.until(lambda: says(tab, "far 2") and not tab.running, 30)
        assert not list(tab.under("box"))

    assert with_tab(place.url, work).errors == []


def test_a_fragment_polls_until_the_page_is_left(place):
    async def work(tab):
        first = ticks(tab)
        await tab.until(lambda: ticks(tab) >= first + 3, 30)
        runs = tab.runs
        await tab.go("other")
        assert says(tab, "the other page") and tab.find("more") is None and tab.runs > runs
        after = tab.runs
        await asyncio.sleep(1.0)
        assert tab.runs == after

    assert with_tab(place.url, work).errors == []


def test_a_button_in_a_fragment_runs_only_that(place):
    async def work(tab):
        count = tab.find("more")
        await tab.press("inner")
        before = ticks(tab)
        await tab.until(lambda: ticks(tab) > before + 1, 30)
        assert tab.find("more") is count  # not drawn again

    assert with_tab(place.url, work).errors == []


def test_what_the_server_sends_by_hash_is_on_the_page(place):
    async def work(tab):
        before, got = tab.texts("html"), tab.got
        await tab.press("more")
        await tab.until(lambda: says(tab, "count 1") and not tab.running, 30)
        assert tab.texts("html") == before and len(before[0]) > 20_000
        assert tab.got - got < 20_000  # it did not travel twice

    assert with_tab(place.url, work).errors == []


def test_an_error_on_the_page_is_one(place):
    async def work(tab):
        await tab.press("Break")
        await tab.until(lambda: bool(tab.errors), 30)

    (error,) = with_tab(place.url, work).errors
    assert error.startswith("exception on page '': ValueError")


def test_what_cannot_be_pressed_or_set_is_told(place):
    async def work(tab):
        for wrong, why in (("barred", "disabled"), ("nothing", "there is none")):
            with pytest.raises(TabError, match=why):
                await tab.press(wrong)
        with pytest.raises(TabError, match="no widget 'nothing'"):
            await tab.set("nothing", 1)
        with pytest.raises(TabError, match="no page 'nowhere'"):
            await tab.go("nowhere")
        with pytest.raises(TabError, match="for a button"):
            state_of(tab.find("more"), 1)
        with pytest.raises(TabError, match="Waited 0 s for a wonder"):
            await tab.until(lambda: False, 0.1, "a wonder")

    assert with_tab(place.url, work).errors == []


def test_a_browsers_files_and_an_upload_come_through(place):
    async def work(tab):
        assert await tab.get_files() > 100_000
        assert await tab.upload("a-file", b"x" * 1000) == 204
        tab.xsrf = ""
        assert await tab.upload("a-file", b"x" * 1000) == 403  # as of another site

    assert with_tab(place.url, work).errors == []


def test_a_server_that_dies_is_an_error_and_one_that_returns_is_found_again(tmp_path: Path):
    script = tmp_path / "app.py"
    script.write_text(APP, encoding="utf-8")
    with server.running(tmp_path / "runs", script) as place:

        async def work(tab):
            await tab.press("more")
            await tab.until(lambda: says(tab, "count 1"), 30)
            place.kill()
            with pytest.raises(TabError):
                await tab.until(lambda: False, 20)
            assert not tab.connected
            await asyncio.to_thread(place.start)
            await tab.close()
            await tab.open(60)
            assert says(tab, "count 0")

        (error,) = with_tab(place.url, work).errors
        assert error.startswith("disconnected")
