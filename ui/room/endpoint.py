"""The desk that phones of a room send to: ``POST <base>/room-desk``, JSON in, JSON out.

Mounted by ``serve.py``, behind the guards. A request is small, read in bounded time, and worked on
in a thread, of which there are few, so that a hall full of phones never keeps a page waiting. What
is in it is ``desk``'s business. Nothing of a request is logged.
"""

from __future__ import annotations

import asyncio
import json
import logging
from functools import partial

import anyio
import streamlit as st
from anyio import to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ui import addresses
from ui.room import desk

NAME = "room-desk"
MOST_BYTES = 32 * 1024  # 50 judgements of 250 letters, and 50 names of pairs
READ_WITHIN = 10.0  # seconds
THREADS, MOST_WAITING = 6, 400  # at work; at work and waiting
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
LOGGER = logging.getLogger(__name__)


class Desk:
    """The endpoint. Its state is per process, and small."""

    def __init__(self) -> None:
        self._waiting = 0
        self._threads: anyio.CapacityLimiter | None = None  # wants a running loop

    async def __call__(self, request: Request) -> Response:
        if self._waiting >= MOST_WAITING:
            return _reply(desk.sorry(503, desk.BUSY))
        self._waiting += 1
        try:
            return _reply(await self._answer(request))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody hears it
        finally:
            self._waiting -= 1

    async def _answer(self, request: Request) -> desk.Answer:
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return desk.sorry(415, "The desk takes JSON.")
        try:
            body = await asyncio.wait_for(_body(request), READ_WITHIN)
        except TimeoutError:
            return desk.sorry(408, "The request came too slowly.")
        if body is None:
            return desk.sorry(413, f"A request has at most {MOST_BYTES:,} bytes.")
        peer = request.client.host if request.client else None
        address = addresses.address_of(request.headers, peer)
        self._threads = self._threads or anyio.CapacityLimiter(THREADS)
        try:
            return await to_thread.run_sync(partial(work, body, address), limiter=self._threads)
        except Exception as error:  # a mistake of ours: in the log without anything of the request
            LOGGER.error("The room's desk failed: %s", type(error).__name__)
            return desk.sorry(500, desk.BUSY)


def work(body: bytes, address: str) -> desk.Answer:
    """In a thread: read the JSON, ask the desk."""
    try:
        asked = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return desk.sorry(400, "That is no JSON.")
    return desk.answer(asked, address)


def _no_number(name: str) -> float:
    raise ValueError(name)  # NaN and its kin are no JSON


async def _body(request: Request) -> bytes | None:
    """All of it; None where it is too much."""
    told = request.headers.get("Content-Length", "")
    if told.isdecimal() and int(told) > MOST_BYTES:
        return None
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def _reply(answer: desk.Answer) -> JSONResponse:
    wait = answer.said.get("wait")
    headers = HEADERS | ({"Retry-After": str(wait)} if wait else {})
    return JSONResponse(answer.said, answer.status, headers)


def route() -> Route:
    """Where the desk stands: below the path that the server was given, as its pages do."""
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    desk_of_all = Desk()

    async def ask(request: Request) -> Response:  # a class would be taken for an ASGI app
        return await desk_of_all(request)

    return Route(f"/{base}/{NAME}" if base else f"/{NAME}", ask, methods=["POST"])
