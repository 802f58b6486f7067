"""What stands before Streamlit's server (``serve.py``): one stranger must not spoil it for all.

An ASGI middleware. It closes Streamlit's figures about the server to everybody but who sits at it,
counts tabs and uploads by address, and slows a tab down that asks faster than a person can
(``rates``, ``uploads``, ``addresses``). What it refuses it says in a sentence.

Streamlit itself refuses a file above ``server.maxUploadSize`` while it arrives, and a request to a
tab that is not there.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui import addresses, rates, uploads

MOST_TABS, MOST_TABS_OF_ADDRESS = 2_000, 400  # open at a time
TIDY_EVERY = 5.0  # seconds
TOLD_FOR = 15.0  # seconds that a page tells of having been slowed down
METRICS, STREAM, UPLOAD = "/_stcore/metrics", "/_stcore/stream", "/_stcore/upload_file/"
OWN = ("/_stcore/", "/static/", "/media/", "/component/")  # below which no page lies

TOO_MANY_TABS = (
    "Too many pages were opened from your address in a minute, or are open at a time. Wait a"
    " minute, then load this page again."
)
TOO_MANY_UPLOADS = "Too many files were uploaded in a minute. Wait a minute."

_jobs, _jobs_of_address = rates.Buckets(rates.JOBS), rates.Buckets(rates.JOBS_OF_ADDRESS)
_slowed: OrderedDict[str, float] = OrderedDict()  # a connection's key -> when


# --- what pages ask -------------------------------------------------------------------------------


def too_many_jobs(owner: str) -> str:
    """Why session ``owner`` may not start another job just now, in words; "" where it may."""
    wait = _jobs.take(owner)
    if not wait:
        address = addresses.address_of(st.context.headers, st.context.ip_address or "127.0.0.1")
        wait = _jobs_of_address.take(address)
    if not wait:
        return ""
    return (
        "More was started in the last minute than this server does for one visitor. Wait"
        f" {max(1, round(wait))} s and try again."
    )


def slowed_down() -> str:
    """What to tell a tab that asked faster than it is answered; "" where there is nothing."""
    when = _slowed.get(st.context.headers.get("Sec-Websocket-Key") or "", 0.0)
    if time.monotonic() - when > TOLD_FOR:
        return ""
    return "This page asks for more than its share of the server, so it is answered more slowly."


# --- the middleware -------------------------------------------------------------------------------


class Guards:
    """``app`` behind the guards. State is per process, bounded, and in memory."""

    def __init__(self, app: ASGIApp, ledger: uploads.Ledger | None = None):
        self.app, self.ledger = app, ledger or uploads.Ledger()
        self._tabs = rates.Buckets(rates.TABS)
        self._uploads = rates.Buckets(rates.UPLOADS)
        self._uploads_of_address = rates.Buckets(rates.UPLOADS_OF_ADDRESS)
        self._open: dict[str, int] = {}  # tabs by address
        self._tidied = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        self._tidy()
        headers, path = Headers(scope=scope), scope["path"]
        peer = (scope.get("client") or (None,))[0]
        address = addresses.address_of(headers, peer)
        if scope["type"] == "websocket":
            await self._stream(scope, receive, send, address, headers)
        elif path.rstrip("/").endswith(METRICS) and not self._at_home(headers, peer):
            await Response(status_code=404)(scope, receive, send)
        elif UPLOAD in path and scope["method"] == "PUT":
            await self._upload(scope, receive, send, address, headers)
        elif _asks_for_a_page(scope, headers) and self._full(address):
            sorry = PlainTextResponse(TOO_MANY_TABS, 429, {"Retry-After": "60"})
            await sorry(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    @staticmethod
    def _at_home(headers: Headers, peer: str | None) -> bool:
        served_at = st.get_option("server.address") or ""
        return peer in addresses.LOOPBACK and addresses.at_home(served_at, headers)

    def _tidy(self) -> None:
        if time.monotonic() - self._tidied > TIDY_EVERY:
            self._tidied = time.monotonic()
            self.ledger.tidy()

    # Tabs

    def _full(self, address: str) -> bool:
        of_address, tabs = self._open.get(address, 0), sum(self._open.values())
        crowded = of_address >= MOST_TABS_OF_ADDRESS or tabs >= MOST_TABS
        return crowded or self._tabs.wait(address) > 0

    async def _stream(
        self, scope: Scope, receive: Receive, send: Send, address: str, headers: Headers
    ) -> None:
        """A tab's connection, for as long as it lasts."""
        if self._full(address):
            await send({"type": "websocket.close", "code": 1013, "reason": TOO_MANY_TABS[:120]})
            return
        self._tabs.take(address)
        reruns, key = rates.Buckets(rates.RERUNS), headers.get("Sec-Websocket-Key", "")

        async def slowly() -> Message:
            """What comes faster than the rate waits in the connection, and then at the sender."""
            message = await receive()
            while message["type"] == "websocket.receive" and (wait := reruns.take()):
                _slowed[key] = time.monotonic()
                while len(_slowed) > MOST_TABS:
                    _slowed.popitem(last=False)
                await asyncio.sleep(wait)
            return message

        self._open[address] = self._open.get(address, 0) + 1
        try:
            await self.app(scope, slowly, send)
        finally:
            _slowed.pop(key, None)
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]

    # Uploads

    async def _upload(
        self, scope: Scope, receive: Receive, send: Send, address: str, headers: Headers
    ) -> None:
        tab, _, file = scope["path"].partition(UPLOAD)[2].partition("/")
        if self._uploads.take(tab) or self._uploads_of_address.take(address):
            await PlainTextResponse(TOO_MANY_UPLOADS, 429)(scope, receive, send)
            return
        most = int(st.get_option("server.maxUploadSize")) * uploads.MB
        told = headers.get("Content-Length", "")
        size = min(int(told), most) if told.isdecimal() else most
        upload = self.ledger.begin(tab, file, address, size)
        if isinstance(upload, str):
            await PlainTextResponse(upload, 429)(scope, receive, send)
            return
        arrived, status = 0, 500

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            return message

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, counted, noted)
        finally:
            self.ledger.end(upload, arrived, kept=status < 300)


def _asks_for_a_page(scope: Scope, headers: Headers) -> bool:
    return (
        scope["method"] == "GET"
        and "text/html" in headers.get("Accept", "")
        and not any(part in scope["path"] for part in OWN)
    )
