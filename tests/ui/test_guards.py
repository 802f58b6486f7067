"""The guards before Streamlit's server: driven as an ASGI server drives them, with Streamlit's own
upload route behind them.
"""

import asyncio
import uuid
from types import SimpleNamespace

import pytest
import streamlit as st
from starlette.applications import Starlette
from streamlit import config
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.web.server.starlette.starlette_routes import create_upload_routes

from ui import guards, rates, uploads

HERE = {"Host": "127.0.0.1:8501"}
LIMIT = int(st.get_option("server.maxUploadSize")) * uploads.MB


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    known = st.get_option
    at = {"server.address": "127.0.0.1"}
    monkeypatch.setattr(st, "get_option", lambda name: at.get(name) or known(name))
    config.set_option("server.enableXsrfProtection", False)
    yield
    config.set_option("server.enableXsrfProtection", True)


async def everything(scope, receive, send):
    """An app that answers whatever comes."""
    if scope["type"] == "websocket":
        while (await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": "done"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here"})


class Answer:
    def __init__(self):
        self.status, self.body, self.taken, self.sent = 0, b"", 0, []


def ask(app, path, *, method="GET", headers=None, peer="127.0.0.1", chunks=(b"",)):
    """One HTTP request. ``Answer.taken``: chunks of the body that were asked for."""
    raw = [(k.lower().encode(), v.encode()) for k, v in (headers or HERE).items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": raw}
    scope |= {"client": (peer, 1), "scheme": "http", "root_path": "", "http_version": "1.1"}
    answer, left = Answer(), list(chunks)

    async def receive():
        answer.taken += 1
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message):
        answer.status = message.get("status", answer.status)
        answer.body += message.get("body", b"")

    asyncio.run(app(scope, receive, send))
    return answer


# Streamlit's figures


@pytest.mark.parametrize(
    ("headers", "peer", "status"),
    [
        (HERE, "127.0.0.1", 200),
        (HERE, "::1", 200),
        (HERE, "192.168.1.5", 404),
        ({"Host": "opossum.example"}, "127.0.0.1", 404),
        ({**HERE, "X-Forwarded-For": "127.0.0.1"}, "127.0.0.1", 404),
        ({**HERE, "Via": "1.1 proxy"}, "127.0.0.1", 404),
    ],
)
@pytest.mark.parametrize("path", ["/_stcore/metrics", "/below/_stcore/metrics/"])
def test_the_figures_are_for_who_sits_at_the_server(path, headers, peer, status):
    assert ask(guards.Guards(everything), path, headers=headers, peer=peer).status == status


def test_a_server_for_others_keeps_its_figures_from_everybody(monkeypatch):
    monkeypatch.setattr(st, "get_option", lambda name: "0.0.0.0")
    assert ask(guards.Guards(everything), "/_stcore/metrics").status == 404
    assert ask(guards.Guards(everything), "/_stcore/health").status == 200


# Uploads


class Server:
    """Streamlit's upload route behind the guards; every tab is open."""

    def __init__(self):
        self.held = MemoryUploadedFileManager("/_stcore/upload_file")
        runtime = SimpleNamespace(is_active_session=lambda tab: tab != "closed")
        routes = create_upload_routes(runtime, self.held, "")
        ledger = uploads.Ledger(lambda: self.held)
        self.app = guards.Guards(Starlette(routes=routes), ledger)

    def put(self, tab, size, *, told=True, peer="127.0.0.1"):
        begin = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
        rest, step = size, 64 * 1024
        chunks = [begin, *[b"x" * min(step, rest - at) for at in range(0, rest, step)]]
        chunks.append(b"\r\n--b--\r\n")
        headers = {**HERE, "Content-Type": "multipart/form-data; boundary=b"}
        if told:
            headers["Content-Length"] = str(sum(map(len, chunks)))
        path = f"/_stcore/upload_file/{tab}/{uuid.uuid4()}"
        answer = ask(self.app, path, method="PUT", headers=headers, peer=peer, chunks=chunks)
        answer.chunks = len(chunks)
        return answer

    def bytes(self):
        return sum(len(f.data) for tab in self.held.file_storage.values() for f in tab.values())


def test_four_hundred_uploads_to_a_tab_leave_a_dozen_in_memory():
    """They took 700 MB, for half an hour."""
    server = Server()
    answers = [server.put("tab", LIMIT - 300) for _ in range(400)]
    assert answers[0].status == 204 and server.bytes() <= uploads.MOST_OF_TAB
    refused = [one for one in answers if one.status != 204]
    assert {one.status for one in refused} == {429} and b"Wait" in refused[0].body
    assert not any(one.taken for one in refused), "nothing of it is read"
    assert server.put("another", 1000).status == 204


def test_tabs_that_are_not_there_use_up_nobodys_room():
    server = Server()
    assert {server.put("closed", LIMIT - 300).status for _ in range(30)} == {400}
    assert all(server.put(f"tab {n}", 1000).status == 204 for n in range(30))


@pytest.mark.parametrize("told", [True, False])
def test_too_large_a_file_is_refused_before_it_is_read_whole(told):
    """Streamlit's own: this fails where another version leaves it to us."""
    server = Server()
    answer = server.put("tab", 5 * LIMIT, told=told)
    assert answer.status == 413 and server.bytes() == 0
    assert answer.taken < answer.chunks / 3


def test_uploads_a_minute_by_address(monkeypatch):
    monkeypatch.setattr(rates, "UPLOADS_OF_ADDRESS", rates.Rate(at_once=5, a_minute=5))
    server = Server()
    assert [server.put(f"tab {n}", 10).status for n in range(7)] == [204] * 5 + [429] * 2
    assert server.put("tab", 10, peer="192.168.1.6").status == 204


# Tabs


async def tab(app, messages, peer="127.0.0.1", key="k"):
    """A tab that sends so many messages and goes; how many were answered, and how it closed."""
    raw = [(b"host", b"127.0.0.1"), (b"sec-websocket-key", key.encode())]
    scope = {"type": "websocket", "path": "/_stcore/stream", "headers": raw, "client": (peer, 1)}
    left, answer = messages, Answer()

    async def receive():
        nonlocal left
        left -= 1
        return {"type": "websocket.receive" if left >= 0 else "websocket.disconnect"}

    async def send(message):
        answer.sent.append(message)

    await app(scope, receive, send)
    return answer


def test_tabs_a_minute_by_address_and_the_page_says_so(monkeypatch):
    monkeypatch.setattr(rates, "TABS", rates.Rate(at_once=3, a_minute=3))
    app = guards.Guards(everything)
    page = {**HERE, "Accept": "text/html"}
    for _ in range(3):
        assert ask(app, "/rank", headers=page).status == 200, "a page alone is not counted"
        assert [one["type"] for one in asyncio.run(tab(app, 1)).sent] == ["websocket.send"]
    (closed,) = asyncio.run(tab(app, 1)).sent
    assert (closed["type"], closed["code"]) == ("websocket.close", 1013)
    refused = ask(app, "/rank", headers=page)
    assert refused.status == 429 and b"Wait a minute" in refused.body
    assert ask(app, "/static/js/index.js", headers=page).status == 200
    assert ask(app, "/rank", headers=page, peer="192.168.1.6").status == 200
    assert len(asyncio.run(tab(app, 1, peer="192.168.1.6")).sent) == 1


def test_only_so_many_tabs_are_open_at_a_time(monkeypatch):
    monkeypatch.setattr(guards, "MOST_TABS_OF_ADDRESS", 2)
    opened = []

    async def stays(scope, receive, send):
        opened.append(scope["client"])
        await asyncio.sleep(0.05)

    app = guards.Guards(stays)

    async def several():
        await asyncio.gather(*(tab(app, 1) for _ in range(5)), tab(app, 1, peer="192.168.1.6"))
        await tab(app, 1)  # those are closed now

    asyncio.run(several())
    assert len(opened) == 4


def test_a_tab_that_asks_too_fast_is_answered_slowly_and_told(monkeypatch):
    monkeypatch.setattr(rates, "RERUNS", rates.Rate(at_once=5, a_minute=6_000))
    asked = []

    async def waits(seconds):
        asked.append(seconds)
        await real(min(seconds, 0.01))

    real = asyncio.sleep
    monkeypatch.setattr(guards.asyncio, "sleep", waits)
    told = []

    async def noting(scope, receive, send):
        while (await receive())["type"] == "websocket.receive":
            told.append(guards.slowed_down())

    headers = {"Sec-Websocket-Key": "mine"}
    monkeypatch.setattr(st, "context", SimpleNamespace(headers=headers))
    asyncio.run(tab(guards.Guards(noting), 5, key="mine"))
    assert told == [""] * 5 and not asked
    asyncio.run(tab(guards.Guards(noting), 40, key="mine"))
    assert len(told) == 45, "every message is answered"
    assert asked and "more slowly" in told[-1]
    assert guards.slowed_down() == "", "nothing is remembered of a tab that is gone"


# Jobs


def test_a_session_that_starts_more_and_more_is_told_to_wait(monkeypatch):
    context = SimpleNamespace(headers=HERE, ip_address=None)
    monkeypatch.setattr(st, "context", context)
    owner = uuid.uuid4().hex
    said = [guards.too_many_jobs(owner) for _ in range(rates.JOBS.at_once + 5)]
    assert not any(said[: rates.JOBS.at_once]) and "try again" in said[-1]
    assert guards.too_many_jobs(uuid.uuid4().hex) == ""
