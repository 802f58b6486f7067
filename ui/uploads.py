"""What was uploaded and not yet read: how much of it there may be, and for how long.

Streamlit keeps an upload in memory for as long as its tab is remembered, however many there are.
Here a tab and an address may have so much waiting, and all together so much; a page that has read a
file lets it go, and what nobody reads leaves after ``LIFE`` seconds. Knows nothing about requests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileManager

MB = 2**20
MOST_OF_TAB, MOST_OF_ADDRESS, MOST = 42 * MB, 96 * MB, 192 * MB  # 12 files of 2 MB, or a run
MOST_FILES = 24  # of a tab
LIFE = 120.0
GONE = "An upload waited too long and is no longer there: give it once more."


def manager() -> UploadedFileManager | None:
    """Where this server keeps uploads."""
    return runtime.get_instance().uploaded_file_mgr if runtime.exists() else None


def still_there(files: Iterable) -> list:
    """Those whose contents are at hand. A busy browser may tell of an upload once more when its
    page has read it and let it go, and one that nobody read in time is gone too: Streamlit then
    gives something that has no name and no contents.
    """
    return [file for file in files if isinstance(file, UploadedFile)]


def let_go(files: Iterable) -> None:
    """Forget uploads that this run of the page has read."""
    context = get_script_run_ctx()
    for file in files if context else ():
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


@dataclass
class Upload:
    """``size``: bytes, an upper bound until it has ``arrived``."""

    tab: str
    file: str
    address: str
    size: int
    at: float
    arrived: bool = False


class Ledger:
    """Who has how much waiting. Every method may be called from any thread."""

    def __init__(
        self,
        manager: Callable[[], UploadedFileManager | None] = manager,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._manager, self._clock, self._lock = manager, clock, threading.Lock()
        self._uploads: list[Upload] = []  # the oldest first

    def begin(self, tab: str, file: str, address: str, size: int) -> Upload | str:
        """Note an upload of at most ``size`` bytes that begins, or say in words why not.

        Where all together hold too much, the oldest give way.
        """
        with self._lock:
            self._tidy()
            of_tab = [one for one in self._uploads if one.tab == tab]
            of_address = [one for one in self._uploads if one.address == address]
            if len(of_tab) >= MOST_FILES or _bytes(of_tab) + size > MOST_OF_TAB:
                return "This tab has uploaded more than it has read. Wait two minutes."
            if _bytes(of_address) + size > MOST_OF_ADDRESS:
                return "Too much was uploaded from this address. Wait two minutes."
            while self._uploads and _bytes(self._uploads) + size > MOST:
                oldest = next((one for one in self._uploads if one.arrived), None)
                if oldest is None:
                    return "Too much is being uploaded at the moment. Wait a minute."
                self._drop(oldest)
            upload = Upload(tab, file, address, size, self._clock())
            self._uploads.append(upload)
            return upload

    def end(self, upload: Upload, size: int, kept: bool) -> None:
        """The upload is over: with ``size`` bytes it is ``kept``, or it was refused."""
        with self._lock:
            upload.size, upload.arrived = size, True
            if not kept:
                self._uploads = [one for one in self._uploads if one is not upload]

    def tidy(self) -> None:
        """Let go of what nobody has read in time."""
        with self._lock:
            self._tidy()

    def _tidy(self) -> None:
        """Also forget what a page, or the end of its tab, has let go."""
        held, now = self._manager(), self._clock()
        for one in [one for one in self._uploads if one.arrived]:
            if now - one.at >= LIFE or held is None or not held.get_files(one.tab, [one.file]):
                self._drop(one)

    def _drop(self, upload: Upload) -> None:
        if held := self._manager():
            held.remove_file(upload.tab, upload.file)
        self._uploads = [one for one in self._uploads if one is not upload]


def _bytes(uploads: list[Upload]) -> int:
    return sum(one.size for one in uploads)
