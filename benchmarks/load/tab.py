"""One browser tab, as far as a Streamlit server can tell: the websocket, the page as it was sent,
presses, and the polls of fragments that refresh themselves.

Speaks the protocol of the pinned Streamlit as its frontend does: messages are kept by hash and told
to the server, elements of a former run go when a run has finished, a fragment is polled at its
interval until the next full run. Draws nothing, and leaves out what costs the server nothing: the
values of widgets that nobody has touched (the server has their defaults), and components' scripts.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urlsplit

import httpx2
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from benchmarks.load.drawn import Drawn, Node, TabError, state_of

XSRF = "_streamlit_xsrf"
FINISHED = (  # a run that came to its end, of the whole page or of fragments
    ForwardMsg.FINISHED_SUCCESSFULLY,
    ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY,
)
PATIENCE = 120.0  # seconds that anything may take, unless told otherwise
NAMED_FILES = re.compile(r'(?:src|href)="\./(static/[^"]+)"')  # what index.html makes a browser get


@contextmanager
def told(what: str) -> Iterator[None]:
    """What can go wrong on the way to a server, as a TabError that says what was wanted."""
    try:
        yield
    except (OSError, httpx2.HTTPError, WebSocketException) as error:
        raise TabError(f"{what}: {type(error).__name__} {error}"[:200].strip()) from None


def client() -> httpx2.AsyncClient:
    """What tabs share to load files. It keeps no cookies: each tab is another person's browser. Nor
    connections: one that the server lets go of just then fails, where a browser asks again.
    """
    none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    kept = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx2.AsyncClient(timeout=PATIENCE, limits=kept, cookies=none)


@dataclass(eq=False)
class Tab(Drawn):
    """A tab on ``url``: ``page`` is the path ("" is home), ``query`` what stands after the "?".

    Attributes:
        errors: exceptions shown by the page, broken connections: one sentence each.
        got: bytes that came through the websocket.
    """

    url: str
    http: httpx2.AsyncClient
    page: str = ""
    query: str = ""
    errors: list[str] = field(default_factory=list)
    got: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        self.session, self.xsrf = "", ""
        self.page_hash, self.main_hash = "", ""
        self.pages: dict[str, str] = {}  # the path of a page -> its hash
        self.values: dict[str, WidgetState] = {}  # what was touched
        self.runs = 0  # that have finished
        self.running, self._run = False, ""  # a run is under way; which one was last
        self._cache: dict[str, tuple[ForwardMsg, int]] = {}  # by hash; the run that used it last
        self._age = 2  # runs that a message is kept unused
        self._timers: dict[str, tuple[float, asyncio.Task]] = {}
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future]] = []
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task | None = None
        self._leaving = False

    # --- coming and going -------------------------------------------------------------------------

    async def get_files(self) -> int:
        """What a browser that was never here loads before it connects; bytes, as they travelled."""
        with told("The page's files did not come"):
            index = await self.http.get(f"{self.url}/")
            sizes = await asyncio.gather(
                *(self._size(f"{self.url}/{name}") for name in NAMED_FILES.findall(index.text))
            )
        return sum(sizes)

    async def _size(self, address: str) -> int:
        async with self.http.stream("GET", address) as reply:
            return sum([len(part) async for part in reply.aiter_raw()])

    async def open(self, seconds: float = PATIENCE) -> Tab:
        """Connect, and wait until the page's script has finished."""
        await self.connect()
        await self.until(lambda: self.runs > 0 and not self.running, seconds, "the first page")
        return self

    async def connect(self) -> None:
        """As after a lost connection too: the former session is named, the page asked for again."""
        with told("No connection"):
            asked = (
                self.http.get(f"{self.url}/_stcore/{name}") for name in ("health", "host-config")
            )
            reply, _ = await asyncio.gather(*asked)
            self.xsrf = reply.cookies.get(XSRF) or self.xsrf
            names = ["streamlit", self.xsrf or "PLACEHOLDER_AUTH_TOKEN"]
            self._socket = await connect(
                f"{self.url.replace('http', 'ws', 1)}/_stcore/stream",
                subprotocols=[*names, self.session] if self.session else names,
                additional_headers={"Cookie": f"{XSRF}={self.xsrf}"} if self.xsrf else None,
                origin=self.url,
                max_size=None,
                open_timeout=PATIENCE,
                ping_interval=None,  # a browser sends none
            )
        self._leaving, self.runs = False, 0
        self._reader = asyncio.create_task(self._read(self._socket))
        await self._rerun()

    async def close(self) -> None:
        self._leaving = True
        self._stop_timers()
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)

    @property
    def connected(self) -> bool:
        return self._reader is not None and not self._reader.done()

    # --- doing ------------------------------------------------------------------------------------

    async def press(self, key: str) -> None:
        """Click the button with this key (or label). TabError where there is none to click."""
        node = self.find(key, "button")
        if node is None or node.body.disabled:
            why = "it is disabled" if node else "there is none"
            raise TabError(f"The button {key!r} cannot be pressed: {why}.")
        await self.press_node(node)

    async def press_node(self, node: Node) -> None:
        await self.send(node, WidgetState(id=node.body.id, trigger_value=True), once=True)

    async def send(self, node: Node, value: WidgetState, once: bool = False) -> None:
        """Tell the server a widget's value; ``once``: it is a press, which does not last."""
        if not once:
            self.values[value.id] = value
        await self._rerun(node.fragment, press=value if once else None)

    async def set(self, key: str, value: object) -> None:
        """Set the widget with this key; the page runs anew."""
        node = self.find(key)
        if node is None:
            raise TabError(f"There is no widget {key!r} to be set.")
        await self.send(node, state_of(node, value))

    async def go(self, page: str, seconds: float = PATIENCE) -> None:
        """Change to the page with this path, as by the menu."""
        if page not in self.pages:
            raise TabError(f"The menu has no page {page!r}.")
        self._stop_timers()
        before, self.query = self.runs, ""
        self.values = {
            name: value
            for name, value in self.values.items()
            if any(n.body.id == name and n.page == self.main_hash for n in self.widgets())
        }
        await self._rerun(page=self.pages[page])
        arrived = lambda: (  # noqa: E731
            self.runs > before and self.page_hash == self.pages[page] and not self.running
        )
        await self.until(arrived, seconds, f"the page {page!r}")

    async def upload(self, name: str, content: bytes) -> int:
        """Put a file at this session's own address, as a file field does; the server's answer."""
        with told("An upload came to nothing"):
            reply = await self.http.put(
                f"{self.url}/_stcore/upload_file/{self.session}/{name}",
                files={"file": (name, content)},
                headers={"X-Xsrftoken": self.xsrf, "Cookie": f"{XSRF}={self.xsrf}"},
            )
        return reply.status_code

    async def until(
        self, holds: Callable[[], bool], seconds: float = PATIENCE, what: str = "the page"
    ) -> None:
        """Wait until ``holds()`` after a run of the script. TabError after ``seconds``, or where
        the connection breaks.
        """
        if holds():
            return
        if not self.connected:
            raise TabError(f"Waited for {what}: the server has closed the connection.")
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((holds, future))
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            raise TabError(f"Waited {seconds:.0f} s for {what}.") from None
        finally:
            self._waiting = [one for one in self._waiting if one[1] is not future]

    # --- the protocol -----------------------------------------------------------------------------

    async def _rerun(
        self,
        fragment: str = "",
        *,
        by_itself: bool = False,
        page: str | None = None,
        press: WidgetState | None = None,
    ) -> None:
        back = BackMsg()
        state = back.rerun_script
        state.query_string = self.query
        state.page_script_hash = self.page_hash if page is None else page
        if not state.page_script_hash:
            state.page_name = self.page
        state.fragment_id, state.is_auto_rerun = fragment, by_itself
        state.cached_message_hashes.extend(self._cache)
        state.widget_states.widgets.extend(self.values.values())
        if press is not None:
            state.widget_states.widgets.append(press)
        state.context_info.url = f"{self.url}/{self.page}"
        state.context_info.timezone, state.context_info.locale = "UTC", "en-GB"
        with told("The server has closed the connection"):
            await self._socket.send(back.SerializeToString())

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for raw in socket:
                self.got += len(raw)
                self._take(ForwardMsg.FromString(raw), time.perf_counter())
        except (WebSocketException, OSError):
            pass
        finally:
            self._stop_timers()
            if not self._leaving:
                self.errors.append(f"disconnected: {urlsplit(self.url).netloc} closed a session")
            for _, future in self._waiting:
                if not future.done():
                    future.set_exception(TabError("The connection broke while the page was due."))

    def _take(self, message: ForwardMsg, now: float) -> None:
        about, kind = message.metadata, message.WhichOneof("type")
        if kind == "ref_hash":
            message = self._cache[message.ref_hash][0]
            kind = message.WhichOneof("type")
            self._cache[message.hash] = (message, self.runs)
        elif about.cacheable:
            self._cache[message.hash] = (message, self.runs)
        if kind == "delta":
            self._draw(message.delta, about, now)
        elif kind == "new_session":
            self._begin(message.new_session, about)
        elif kind == "script_finished":
            self._finish(message.script_finished, about)
        elif kind == "auto_rerun":
            self._poll(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._stop_timer(fragment)
        elif kind == "navigation":
            self.page_hash = message.navigation.page_script_hash
            self.pages = {p.url_pathname: p.page_script_hash for p in message.navigation.app_pages}
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "page_not_found":
            self.errors.append(f"page not found: {message.page_not_found.page_name}")

    def _begin(self, new, about) -> None:
        self.running, self._run = True, about.run.script_run_id
        if new.HasField("initialize"):
            self.session = new.initialize.session_id
            self._age = new.config.max_cached_message_age
        if not about.run.fragment_ids:
            self._stop_timers()
            self.main_hash, self.page_hash = new.main_script_hash, new.page_script_hash

    def _draw(self, delta, about, now: float) -> None:
        which, path = delta.WhichOneof("type"), tuple(about.delta_path)
        if which not in ("new_element", "add_block"):
            return
        whole = getattr(delta, which)
        kind = whole.WhichOneof("type") or ""
        body = getattr(whole, kind) if kind else whole
        run, page = self._run, about.active_script_hash
        self.put(path, Node(kind, body, whole, delta.fragment_id, run, page, now))
        if kind == "exception" and not body.is_warning:
            here = next((name for name, h in self.pages.items() if h == self.page_hash), "")
            self.errors.append(f"exception on page {here!r}: {body.type} {body.message}"[:150])
        if getattr(body, "set_value", False):  # the page has set it: what was typed is past
            self.values.pop(body.id, None)

    def _finish(self, how: int, about) -> None:
        self.running = False
        fragments = set(about.run.fragment_ids)
        if how == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.errors.append("the page's script does not compile")
        if how in FINISHED:
            self.clear(about.run.script_run_id, fragments)
            alive = {getattr(node.body, "id", "") for node in self.nodes.values()}
            self.values = {name: value for name, value in self.values.items() if name in alive}
            self._cache = {
                name: (message, last)
                for name, (message, last) in self._cache.items()
                if (fragments and message.delta.fragment_id not in fragments)
                or self.runs - last <= self._age
            }
            self.runs += 1
        self._wake()

    def _wake(self) -> None:
        for holds, future in list(self._waiting):
            if not future.done() and holds():
                future.set_result(None)

    def _poll(self, fragment: str, interval: float) -> None:
        if fragment in self._timers and self._timers[fragment][0] == interval:
            return
        self._stop_timer(fragment)

        async def polls() -> None:
            with suppress(TabError):  # the reader tells of a broken connection
                while self.connected:
                    await asyncio.sleep(interval)
                    await self._rerun(fragment, by_itself=True)

        self._timers[fragment] = (interval, asyncio.create_task(polls()))

    def _stop_timer(self, fragment: str) -> None:
        if fragment in self._timers:
            self._timers.pop(fragment)[1].cancel()

    def _stop_timers(self) -> None:
        for fragment in list(self._timers):
            self._stop_timer(fragment)
