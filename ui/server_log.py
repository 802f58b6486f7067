"""The terminal's log: a mistake once in full, and again in one line.

Whoever can open the page can send a widget a value of a kind that it does not have, as often as
they like; each would put a traceback of a hundred lines into the log. Knows nothing about pages.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

LOGGER = "streamlit.error_util"  # where Streamlit tells of what a page did not catch
ROOT = Path(__file__).resolve().parent.parent.as_posix()
MOST = 200  # places remembered; beyond them every mistake has one line


class OneLine(logging.Filter):
    """A traceback stays the first time that its place is seen, unless a value from the browser is
    to blame: what fails while Streamlit reads a widget's value.
    """

    def __init__(self):
        super().__init__()
        self.seen: set[tuple[str, str, int]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return True
        frames = traceback.extract_tb(error.__traceback__)
        last = frames[-1] if frames else None
        place = (type(error).__name__, last.filename if last else "", last.lineno if last else 0)
        if _reads_a_value(frames) or place in self.seen or len(self.seen) >= MOST:
            words = " ".join(str(error).split())[:160]
            where = f" ({place[1]}, line {place[2]})" if last else ""
            record.msg, record.args = "%s: %s%s", (place[0], words, where)
            record.exc_info = record.exc_text = None
        else:
            self.seen.add(place)
        return True


def _reads_a_value(frames: traceback.StackSummary) -> bool:
    """Whether these frames are on the way from a browser's value to a widget's, past our code."""
    files = [frame.filename.replace("\\", "/") for frame in frames]
    state = [i for i, file in enumerate(files) if "/streamlit/runtime/state/" in file]
    return bool(state) and not any(map(_is_ours, files[state[-1] :]))


def _is_ours(file: str) -> bool:
    return file.startswith(ROOT) and "/site-packages/" not in file.removeprefix(ROOT)


def keep_short() -> None:
    """Once for the whole process, however often it is called."""
    logger = logging.getLogger(LOGGER)
    if not any(type(one).__name__ == OneLine.__name__ for one in logger.filters):
        logger.addFilter(OneLine())
