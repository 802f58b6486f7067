"""A question of a fragment waits while the run before it has last drawings in the line."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests

from ui import stale_polls


class Tab:
    """A browser session, as far as the remedy looks at it."""

    def __init__(self, runner):
        self._scriptrunner = runner
        pages = {"here": {"url_pathname": "ppo"}, "the room": {"url_pathname": "room"}}
        self._pages_manager = SimpleNamespace(
            current_page_script_hash="here", get_pages=lambda: pages
        )
        self.id = "a tab"
        self.asked: list[str] = []

    def ask(self, what: str, fragment: str = "card", page: str = "here") -> None:
        said = SimpleNamespace(
            fragment_id=fragment, page_script_hash=page, is_auto_rerun=what == "poll", what=what
        )
        AppSession.request_rerun(self, said)

    def last_words(self) -> None:
        """The runner that ended is all there."""
        AppSession._handle_scriptrunner_event_on_event_loop(self)


def runner(ended: bool) -> SimpleNamespace:
    requests = ScriptRequests()
    if ended:
        requests.on_scriptrunner_ready()  # nothing more to do: Streamlit's own way to its end
    return SimpleNamespace(_requests=requests)


@pytest.fixture(autouse=True)
def streamlit_alone(monkeypatch) -> None:
    """Streamlit's own methods are stand-ins, and ours around them."""

    def ends(tab) -> None:
        tab._scriptrunner = None

    monkeypatch.setattr(AppSession, "request_rerun", lambda tab, said: tab.asked.append(said.what))
    monkeypatch.setattr(AppSession, "_handle_scriptrunner_event_on_event_loop", ends)
    monkeypatch.setattr(ScriptRunner, "_run_script", lambda *args: None)
    stale_polls.hold_back()


def test_a_question_waits_for_the_last_words_of_the_run_before() -> None:
    tab = Tab(runner(ended=True))

    tab.ask("press")

    assert tab.asked == []
    tab.last_words()
    assert tab.asked == ["press"]


def test_what_came_later_is_asked_later() -> None:
    tab = Tab(runner(ended=True))

    tab.ask("poll")
    tab.ask("press")
    tab.ask("the whole page", fragment="")
    tab.last_words()

    assert tab.asked == ["poll", "press", "the whole page"]


@pytest.mark.parametrize("at_work", [runner(ended=False), None])
def test_nothing_waits_where_nothing_ends(at_work) -> None:
    tab = Tab(at_work)

    tab.ask("press")

    assert tab.asked == ["press"]


def test_the_whole_page_never_waits_for_a_run_that_it_replaces() -> None:
    tab = Tab(runner(ended=True))

    tab.ask("the whole page", fragment="")

    assert tab.asked == ["the whole page"]


def test_what_waited_is_dropped_where_the_page_was_left_meanwhile() -> None:
    tab = Tab(runner(ended=True))

    tab.ask("poll")
    tab._pages_manager.current_page_script_hash = "another page"
    tab.last_words()

    assert tab.asked == []


def test_where_looks_take_too_much_some_are_not_answered_but_presses_are(monkeypatch) -> None:
    tab = Tab(None)
    monkeypatch.setattr(stale_polls.pace, "may_look", lambda part: False)

    tab.ask("poll")
    tab.ask("press")

    assert tab.asked == ["press"]


def test_the_rooms_counters_are_always_answered(monkeypatch) -> None:
    tab = Tab(None)
    monkeypatch.setattr(stale_polls.pace, "may_look", lambda part: False)
    tab._pages_manager.current_page_script_hash = "the room"

    tab.ask("poll", page="the room")

    assert tab.asked == ["poll"]


def test_what_a_look_takes_is_known(monkeypatch) -> None:
    found = []
    monkeypatch.setattr(stale_polls.pace, "looked", lambda part, seconds: found.append(part))
    runner = SimpleNamespace(
        _session_id="a tab", _pages_manager=SimpleNamespace(current_page_script_hash="here")
    )
    for auto in (True, False):
        asked = SimpleNamespace(
            fragment_id_queue=["card"], page_script_hash="here", is_auto_rerun=auto
        )
        ScriptRunner._run_script(runner, asked)

    assert found == [("a tab", "card")], "of a look, not of a press"
