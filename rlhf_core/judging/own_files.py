"""Files that a person names, opened without waiting: a device, a pipe or a folder is refused.

``/dev/zero`` never ends and a pipe may never begin, so what a file is, is asked before it is read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rlhf_core.common.errors import PreferenceError


def opened(path: str | Path, what: str = "") -> BinaryIO:
    """An ordinary file, open for reading. Raises PreferenceError.

    ``what``: begins the sentence, as "The preferences file "; it ends in a space.
    """
    try:
        # Without O_NONBLOCK, opening a pipe waits for whoever writes into it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                kind = "a folder" if stat.S_ISDIR(mode) else "no ordinary file"
                raise PreferenceError(f"{what}{path} cannot be read: it is {kind}.")
            return os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise
    except (OSError, ValueError) as error:
        if isinstance(error, PreferenceError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise PreferenceError(f"{what}{path} cannot be read: {reason}.") from error


_BINARY = getattr(os, "O_BINARY", 0)


def lines_of(path: str | Path, most: int, longest: int) -> Iterator[bytes]:
    """The lines of an ordinary file, one after the other. Raises PreferenceError.

    ``most``, ``longest``: bytes of the file, and of one line.
    """
    what = "The preferences file "
    with opened(path, what) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise PreferenceError(f"{what}{path} is larger than {most // 2**20} MB.")
        while line := file.readline(longest + 1):
            if len(line) > longest:
                raise PreferenceError(
                    f"{what}{path} has a line that is larger than {longest // 2**20} MB."
                )
            yield line
