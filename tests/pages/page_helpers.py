"""What the tests of pages without a browser share: open a page, press, and read what it says.

Jobs go into a queue that only moves when a test says so (``still_queue``, ``finish``).
"""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

from rlhf_core.session import judged, registry
from rlhf_core.session.state import Session
from rlhf_core.work import jobs, running
from ui import state
from ui.labs import saved

ROOT = Path(__file__).resolve().parent.parent.parent
EVIL = "<script>alert(1)</script> ![x](http://example.org/x.png) $a$ :cat:"
WORDS = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error")
WORDS += ("success",)


def still_queue(monkeypatch, saved_results: bool = False) -> jobs.JobQueue:
    """The process's queue, replaced by one that only moves when ``finish`` is called. Labs open
    without a saved result, unless ``saved_results``.
    """
    if not saved_results:
        monkeypatch.setattr(saved, "FOLDER", ROOT / "no saved results")
    still = jobs.JobQueue(running.begin, threaded=False)
    monkeypatch.setattr(jobs, "queue", lambda: still)
    return still


def still_server(monkeypatch, tmp_path: Path) -> jobs.JobQueue:
    """``still_queue`` over sessions in a folder of the test's own, with no model woken."""
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(state, "warm_up", lambda: "")
    return still_queue(monkeypatch)


def judging(session: Session, who: str | None = None) -> Session:
    """One judgement of two answers, one of them markup, by ``who``."""
    with session.change():
        session.asked.candidate_sets = [
            {"id": "set-1", "prompt": "A cat is", "texts": [" x", EVIL], "finished": [True, True]}
        ]
    judged.add_ranking(session, "set-1", groups=[[1], [0]], annotator=who)
    return session


def finish(queue: jobs.JobQueue) -> None:
    while queue.advance():
        pass


def path_of(page: str) -> str:
    """The page called ``page``, whichever folder it lies in."""
    (found,) = ROOT.glob(f"pages/**/{page}.py")
    return found.relative_to(ROOT).as_posix()


def open_page(page: str | None = None, session: Session | None = None) -> AppTest:
    """The app at ``page`` (home where left out), in ``session`` or a fresh one."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    if session is not None:
        app.query_params["run"] = session.id
    app.run()
    if page:
        app.switch_page(path_of(page)).run()
    assert not app.exception, app.exception
    return app


def again(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception, app.exception
    return app


def opened(app: AppTest, key: str) -> AppTest:
    """With this expander open, which is drawn only then. AppTest knows no click on one, and each
    of its runs shuts it again.
    """
    app.session_state[key] = True
    return again(app)


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception, app.exception
    return app


def session_of(app: AppTest) -> Session:
    return registry.get(app.session_state["run_id"])


def keys(app: AppTest) -> set[str]:
    return {button.key for button in app.button}


def offered(app: AppTest) -> set[str]:
    """The buttons that can be pressed."""
    return {button.key for button in app.button if not button.disabled}


def words_of(app: AppTest) -> str:
    """What markdown, messages, captions and titles say, as the browser gets it: in an untrusted
    text, every special character has a backslash before it.
    """
    return " ".join(str(element.value) for kind in WORDS for element in getattr(app, kind))


def html_of(app: AppTest) -> str:
    """Our own HTML, without the style sheets."""
    return "".join(
        element.proto.body for element in app.get("html") if "<style>" not in element.proto.body
    )


def raw(app: AppTest) -> str:
    """Words and HTML, as the browser gets them."""
    return f"{words_of(app)} {html_of(app)}"


def said(app: AppTest) -> str:
    """Words and HTML, as people read them."""
    return unescaped(raw(app))


def unescaped(words: str) -> str:
    return words.replace("\\", "")


def alts(app: AppTest) -> list[str]:
    """What the charts tell people who cannot see them."""
    return [element.proto.alt for element in app.get("plotly_chart")]
