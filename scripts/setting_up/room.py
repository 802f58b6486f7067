"""Is there room for it? Asked before anything is downloaded.

Measured with Python 3.11 on Linux: the environment and the packages on their way to it.
"""

import os
import shutil
import tempfile

from setting_up.failed import Failed

MB = 1_000_000
CPU, STANDARD, SMALL = "cpu", "standard", "small"
# What PyTorch's build makes of it, in MB: what lies in .venv afterwards, what is downloaded.
NEED = {CPU: (1_700, 370), STANDARD: (6_000, 3_200), SMALL: (1_400, 300)}
TESTS = 250  # more, for what the tests need
PIP = 25  # MB that pip itself takes


def in_words(megabytes):
    return (
        "{:.1f} GB".format(megabytes / 1000) if megabytes >= 1000 else "{:.0f} MB".format(megabytes)
    )


def size_of(folder):
    """MB in ``folder``, links not followed; 0 where there is none."""
    total = 0
    for where, _folders, files in os.walk(folder):
        for file in files:
            try:
                total += os.lstat(os.path.join(where, file)).st_size
            except OSError:
                pass
    return total / MB


def free_at(path):
    """MB free for us where ``path`` lies or would lie."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free / MB


def check(venv, build, dev, temporary=None):
    """Raise ``Failed`` where the disk has too little room left for the rest of the environment."""
    temporary = temporary or tempfile.gettempdir()
    stays, comes = NEED[build]
    stays = max(50, stays + (TESTS if dev else 0) - size_of(venv))
    comes = min(comes, stays)
    here = os.path.dirname(venv)
    if os.stat(here).st_dev == os.stat(temporary).st_dev:
        wanted = [(here, stays + comes)]
    else:
        wanted = [(here, stays), (temporary, comes)]
    for path, need in wanted:
        free = free_at(path)
        if free < need:
            advice = (
                "Make room, then run the same command again."
                if path == here
                else "Make room there, or name another place in TMPDIR."
            )
            raise Failed(
                "The disk is too full: the set-up needs {} in {}, and {} are free. {}".format(
                    in_words(need), path, in_words(free), advice
                )
            )
