"""What the command line says: data on standard output, progress and words on standard error; and
how it is asked to stop.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Generator, Iterator

from rlhf_core.common.events import Progress

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class Interrupted(Exception):
    """Somebody pressed Ctrl-C, or the system asked the process to end."""


class Failed(RuntimeError):
    """The input was good, and still it did not come out; the message says why in one sentence."""


def emit(record: dict) -> None:
    """One line of data."""
    print(json.dumps(record, ensure_ascii=False), flush=True)


def say(sentence: str) -> None:
    """One line for a person."""
    BAR.clear()
    print(sentence, file=sys.stderr, flush=True)


class Bar:
    """A progress bar on standard error; where that is no terminal, a line a stage."""

    WIDTH = 24

    def __init__(self):
        self.label, self.drawn, self.shown = "", 0.0, False

    def show(self, label: str, done: float, total: float | None, detail: str = "") -> None:
        new, now = label != self.label, time.monotonic()
        self.label = label
        if not sys.stderr.isatty():
            if new:
                print(f"{label} ...", file=sys.stderr, flush=True)
            return
        if not new and now - self.drawn < 0.1:
            return
        share = min(1.0, done / total) if total else 0.0
        filled = round(share * self.WIDTH)
        line = f"{label:<22.22} [{'#' * filled}{'.' * (self.WIDTH - filled)}] {share:4.0%} {detail}"
        print(
            f"\r{line[: os.get_terminal_size(sys.stderr.fileno()).columns - 1]}\x1b[K",
            end="",
            file=sys.stderr,
            flush=True,
        )
        self.drawn, self.shown = now, True

    def clear(self) -> None:
        if self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self.shown = False


BAR = Bar()


def downloading(done: int, total: int) -> None:
    """A file is coming from the hub."""
    BAR.show("Downloading", done, total, f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB")


_asked_to_stop = False


def stop_gently(number, frame) -> None:
    """Signal handler: the run ends at its next yield; a second Ctrl-C does not wait for that."""
    global _asked_to_stop
    if _asked_to_stop:
        raise KeyboardInterrupt
    _asked_to_stop = True


def drive(label: str, work: Iterator, total: int | None = None) -> Iterator[dict]:
    """The records of ``work``, with its progress on the bar. Raises Interrupted at the next yield
    after a signal.

    ``total`` is the number of records, where that is a better measure than each stage's own.
    """
    count = 0
    BAR.show(label, 0, total)
    try:
        for item in work:
            if _asked_to_stop:
                raise Interrupted
            if isinstance(item, Progress):
                part = item.done / item.total if item.total else 0.0
                BAR.show(label, count if total else part, total or 1, item.stage)
            else:
                count += 1
                yield item
    finally:
        if isinstance(work, Generator):
            work.close()
        BAR.clear()
