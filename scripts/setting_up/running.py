"""Run a program with a sign of life; whoever ends us ends it too.

It gets a process group of its own, so that what it has started (a compiler, say) ends with it.
"""

import os
import re
import signal
import subprocess
import sys
import time

from setting_up.failed import Ended

PATIENCE = 5.0  # seconds that a program may take to end by itself
TELLING = r"\s*(Collecting|Downloading|Building|Installing|Resolved|Prepared)\b"


def on_signal(number, _frame):
    raise Ended(number)


def end_with_us():
    """From now on SIGTERM, and the closing of the terminal, are told as ``Ended``."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), on_signal)


def doing(log):
    """What pip is at, from the last telling line of its log, or an empty string."""
    with open(log, encoding="utf-8", errors="replace") as lines:
        telling = [line.strip() for line in lines if re.match(TELLING, line)]
    if not telling:
        return ""
    if telling[-1].startswith("Installing"):
        return "unpacking {} packages".format(len(telling[-1].split(",")))
    return telling[-1].split(" (from")[0][:70].lower()


def _signal(process, number):
    if os.name == "nt":
        process.terminate()
    else:
        os.killpg(process.pid, number)


def end(process):
    """``process`` and what it started: asked to end, and then made to."""
    try:
        _signal(process, signal.SIGTERM)
        process.wait(PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        process.kill()
    if os.name != "nt":
        try:
            _signal(process, signal.SIGKILL)
        except OSError:
            pass  # nobody is left
    process.wait()


def run(command, log, folder):
    """Its exit status and how long it took; all that it says goes to the file ``log``."""
    screen = sys.stdout.isatty()
    started = time.time()
    next_sign = started + (1 if screen else 15)
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=os.name != "nt",
        )
        try:
            while process.poll() is None:
                time.sleep(0.2)
                if time.time() >= next_sign:
                    at = doing(log)
                    line = "     {:.0f} s".format(time.time() - started) + (at and ": " + at)
                    sys.stdout.write("\r{:<100}".format(line) if screen else line + "\n")
                    sys.stdout.flush()
                    next_sign = time.time() + (1 if screen else 15)
        except BaseException:
            end(process)
            raise
    if screen:
        sys.stdout.write("\r" + " " * 100 + "\r")
    return process.returncode, time.time() - started
