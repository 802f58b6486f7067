"""One set-up of a folder at a time: the others wait, and say for whom.

The lock is the operating system's, on a file beside the environment, so it is free again however
its holder ended.
"""

import contextlib
import os
import time

from setting_up.failed import Failed

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

BUSY = "Another set-up of this folder is at work (process {}). Waiting; Ctrl-C stops waiting."


def _try(file):
    """Whether the lock on ``file`` is ours now."""
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            os.lseek(file, 100, os.SEEK_SET)  # behind what is written: Windows locks bytes
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        return True
    except OSError:
        return False


@contextlib.contextmanager
def taken(path, say, pause=0.5):
    """Hold the lock at ``path``; wait for it where somebody else has it."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise Failed(
            "Nothing can be written to {}: {}. Opossum keeps its environment there; move it to a"
            " folder of yours.".format(os.path.dirname(path), error.strerror)
        )
    try:
        said = False
        while not _try(file):
            if not said:
                os.lseek(file, 0, os.SEEK_SET)
                say(BUSY.format(os.read(file, 20).decode("ascii", "replace").strip() or "unknown"))
                said = True
            time.sleep(pause)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, "{:<20}".format(os.getpid()).encode("ascii"))
        yield
    finally:
        os.close(file)
