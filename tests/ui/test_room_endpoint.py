"""The room's desk as a server drives it: bounded, in threads, silent in the log."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time

import pytest
import streamlit as st
from beside import beside
from starlette.applications import Starlette

from rlhf_core.rooms import desk as engine
from ui import rates
from ui.room import desk, endpoint

ASKED = {"code": "BCDFGH", "me": "t" * 24, "judged": [], "holds": []}
JSON = {"Content-Type": "application/json"}
SAID = {"stored": [], "refused": [], "pairs": [], "drop": []}


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    monkeypatch.setattr(desk, "asked_of_person", rates.Buckets(rates.Rate(10_000, 10_000)))
    monkeypatch.setattr(desk, "asked_of_address", rates.Buckets(rates.DESK_OF_ADDRESS))
    monkeypatch.setattr(engine, "take", lambda *_: SAID)


async def post(app, chunks, headers=None, path="/room-desk", method="POST", pause=0.0):
    """(status, headers, JSON or None, chunks that were taken)."""
    raw = [
        (k.lower().encode(), v.encode()) for k, v in (JSON if headers is None else headers).items()
    ]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": raw}
    scope |= {"client": ("10.0.0.1", 1), "scheme": "http", "root_path": "", "http_version": "1.1"}
    left, came, taken = list(chunks), [], 0

    async def receive():
        nonlocal taken
        await asyncio.sleep(pause)
        taken += 1
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message):
        came.append(message)

    await app(scope, receive, send)
    body = b"".join(one.get("body", b"") for one in came)
    told = {name.decode(): value.decode() for name, value in came[0]["headers"]}
    said = json.loads(body) if told.get("content-type") == "application/json" else None
    return came[0]["status"], told, said, taken


def app() -> Starlette:
    return Starlette(routes=[endpoint.route()])


def ask(asked: object = ASKED, **more):
    body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    return beside(post(app(), more.pop("chunks", [body]), **more))


def test_json_in_json_out_and_kept_by_nobody():
    status, headers, said, _ = ask()
    assert status == 200 and said["pairs"] == [] and headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", None, 400),
        (b"", None, 400),
        (b"[" * 20_000, None, 400),
        (b'{"code": NaN}', None, 400),
        (b"\xff\xfe", None, 400),
        (json.dumps(ASKED).encode(), {"Content-Type": "text/plain"}, 415),
        (json.dumps(ASKED).encode(), {}, 415),
        (b" " * (endpoint.MOST_BYTES + 1), None, 413),
    ],
)
def test_what_is_no_request_hears_one_sentence(body, headers, status):
    got, _, said, _ = ask(body, headers=headers)
    assert got == status and said["sorry"].endswith(".")


def test_too_much_is_not_even_read():
    chunks = [b"x" * 8192] * 1000
    status, _, _, taken = ask(chunks=chunks)
    assert status == 413 and taken < 10
    told = JSON | {"Content-Length": str(10**9)}
    status, _, _, taken = ask(chunks=chunks, headers=told)
    assert status == 413 and taken == 0


def test_who_sends_a_letter_a_second_is_sent_away(monkeypatch):
    monkeypatch.setattr(endpoint, "READ_WITHIN", 0.2)
    assert ask(chunks=[b"{"] * 50, pause=0.05)[0] == 408


def test_only_a_post_below_the_servers_own_path(monkeypatch):
    assert ask(method="GET")[0] == 405
    known = st.get_option
    monkeypatch.setattr(
        st, "get_option", lambda name: "/demo/" if name == "server.baseUrlPath" else known(name)
    )
    assert ask(path="/demo/room-desk")[0] == 200 and ask(path="/room-desk")[0] == 404


def test_the_engine_works_in_threads_and_the_loop_goes_on(monkeypatch):
    """Twelve phones whose judgements take 0.2 s each: the loop is never held up, and few threads do
    it.
    """
    threads, late = set(), []

    def take(*_):
        threads.add(threading.current_thread())
        time.sleep(0.2)
        return SAID

    monkeypatch.setattr(engine, "take", take)

    async def crowd():
        room, body = app(), [json.dumps(ASKED).encode()]

        async def clock():
            while True:
                due = time.perf_counter() + 0.01
                await asyncio.sleep(0.01)
                late.append(time.perf_counter() - due)

        ticking = asyncio.create_task(clock())
        said = await asyncio.gather(*(post(room, body) for _ in range(12)))
        ticking.cancel()
        return [one[0] for one in said]

    assert beside(crowd()) == [200] * 12
    assert threading.main_thread() not in threads and len(threads) <= endpoint.THREADS
    assert len(late) > 15 and sorted(late)[len(late) // 2] < 0.1


def test_more_than_can_wait_are_asked_to_come_again(monkeypatch):
    monkeypatch.setattr(endpoint, "MOST_WAITING", 3)
    monkeypatch.setattr(engine, "take", lambda *_: time.sleep(0.2) or SAID)

    async def crowd():
        room, body = app(), [json.dumps(ASKED).encode()]
        return [one[0] for one in await asyncio.gather(*(post(room, body) for _ in range(6)))]

    assert sorted(beside(crowd())) == [200] * 3 + [503] * 3


def test_a_mistake_of_ours_is_logged_without_what_was_asked(monkeypatch, caplog):
    def take(code, me, *_):
        raise ValueError(f"{code} {me}")

    monkeypatch.setattr(engine, "take", take)
    with caplog.at_level(logging.DEBUG):
        status, _, said, _ = ask()
    assert status == 500 and "ValueError" in caplog.text
    for secret in (ASKED["me"], ASKED["code"]):
        assert secret not in caplog.text and secret not in json.dumps(said)
