"""Make Opossum's own Python environment (``.venv``), once, and say in plain words what is going on.

    python3 scripts/bootstrap.py          what the app needs: requirements.txt
    python3 scripts/bootstrap.py --dev    and what its tests need: requirements-dev.txt
    python3.13 scripts/bootstrap.py --dev --venv build/python3.13    another, for another Python

The Makefile calls it before every target. When the environment is newer than the requirements it
says nothing and returns at once. What was left half made is made anew. On Linux without an NVIDIA
card it takes PyTorch's CPU build, a tenth of the download, from PyTorch's own index if that answers
within a few seconds; otherwise the plain pin. Your own pip settings hold throughout.

It knows nothing about the app but whether its port can be had. Its parts are in
``scripts/setting_up``; all of it must stay readable by Python 3.6.
"""

import argparse
import os
import re
import shutil
import sys
import threading
import urllib.request

from setting_up import installing, pythons, room, running, turn
from setting_up.failed import Ended, Failed

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
RUN, DEV = "requirements.txt", "requirements-dev.txt"
LOCKS = {
    "linux": "requirements-linux.lock",
    "darwin": "requirements-macos.lock",
    "win32": "requirements-windows.lock",
}
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 4.0


def say(text=""):
    print(text, flush=True)


# --- is there anything to do ----------------------------------------------------------------------


def stamp(kind, venv=None):
    return os.path.join(venv or VENV, f".installed-{kind}")


def is_fresh(dev, root=ROOT, venv=None):
    """True when an install that covers what is asked for finished after the requirements, and
    what is locked of them, last changed.
    """

    def newer(kind, names):
        path = stamp(kind, venv)
        return os.path.exists(path) and all(
            os.path.getmtime(path) >= os.path.getmtime(os.path.join(root, name)) for name in names
        )

    run = (RUN, lock()) if os.path.exists(os.path.join(root, lock())) else (RUN,)
    return newer("dev", (*run, DEV)) or (not dev and newer("run", run))


def lock():
    """The file that pins everything on this platform, with hashes."""
    return LOCKS.get(sys.platform, RUN)


def is_ready(dev):
    return is_fresh(dev) and bool(pythons.version_of(installing.python_of(VENV)))


# --- which PyTorch --------------------------------------------------------------------------------


def torch_pin(path=None):
    """The line ``torch==...`` of requirements.txt."""
    with open(path or os.path.join(ROOT, RUN), encoding="utf-8") as lines:
        return next(
            match.group(0)
            for match in (re.match(r"torch==[\w.]+", line) for line in lines)
            if match
        )


def has_nvidia_card():
    signs = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/usr/lib/wsl/lib/nvidia-smi")
    return bool(shutil.which("nvidia-smi")) or any(map(os.path.exists, signs))


def answers_quickly(url, seconds=PROBE_SECONDS):
    """True when ``url`` answers within ``seconds``, looking its name up included."""
    answers = []

    def ask():
        try:
            with urllib.request.urlopen(url, timeout=seconds) as reply:
                answers.append(reply.status == 200)
        except Exception:
            # Refused, unknown, blocked, a certificate that is not trusted: all the same to us.
            answers.append(False)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return any(answers)


def which_torch():
    """Which build of PyTorch this machine gets (``room.NEED``), and why, in a sentence."""
    if not sys.platform.startswith("linux"):
        return room.SMALL, ""
    if has_nvidia_card():
        return room.STANDARD, "There is an NVIDIA card here, so PyTorch comes in its standard build"
    if answers_quickly(f"{CPU_INDEX}/torch/"):
        return room.CPU, "PyTorch comes in the build for processors, from PyTorch's own index"
    return room.STANDARD, (
        "PyTorch's index of small CPU builds gave no quick answer, so pip takes the standard build"
    )


# --- doing it -------------------------------------------------------------------------------------


def announce(build, why, known):
    """``known``: that pip has a place of its own, which may know a smaller build."""
    stays, comes = (room.in_words(megabytes) for megabytes in room.NEED[build])
    say(
        f"Opossum sets up its own Python environment in {shown()}. Nothing outside this folder"
        " changes, except the cache of pip or uv."
    )
    if why:
        say(f"{why}{', unless your pip knows a smaller one' if known else ''}.")
    say(
        f"This happens once: about {comes} to download, {stays} in the end. Unpacking takes one to"
        " three minutes; how long the download takes depends on your connection"
        f" ({minutes(room.NEED[build][1])} at 50 Mbit/s). Ctrl-C stops it; run it again to go on."
    )


def shown():
    """The environment's place, as one names it from the folder."""
    return os.path.relpath(VENV, ROOT)


def minutes(megabytes, megabits=50):
    whole = max(1, round(megabytes * 8 / megabits / 60))
    return f"{whole} minute{'s' if whole > 1 else ''}"


def install_torch(tool, pin, build, dev):
    """On Linux, where it is not among what is locked: its build for processors is another file."""
    say("  -  PyTorch")
    if build == room.CPU:
        try:
            tool.install(
                "PyTorch's CPU build",
                pin,
                uv_more=("--torch-backend", "cpu"),
                pip_more=("--extra-index-url", CPU_INDEX),
            )
            return
        except Failed as failure:
            say(f"     {failure}\n     Going on with PyTorch's standard build.")
            room.check(VENV, room.STANDARD, dev)
    tool.install("PyTorch", pin)


def bootstrap(dev):
    python = installing.python_of(VENV)
    whole = pythons.version_of(python) == sys.version_info[:2] and installing.has_pip(VENV)
    pin = torch_pin()
    there = whole and installing.has_package(pin, VENV)
    if not there and pythons.no_build():
        raise Failed(pythons.no_build())
    if there:
        build = room.SMALL
        say(f"Opossum's environment in {shown()} is brought up to date.")
    else:
        build, why = which_torch()
        known = build == room.STANDARD and not has_nvidia_card()
        announce(build, why, known)
        # Where pip has a place of its own we cannot know what it finds there.
        room.check(VENV, room.CPU if known else build, dev)
    if not whole:
        say(f"  -  the environment, with Python {pythons.dotted(sys.version_info[:3])}")
        installing.make_venv(VENV)
    tool = installing.Installer(VENV, ROOT, build, say)
    if not there and lock() == LOCKS["linux"]:
        install_torch(tool, pin, build, dev)
    say("  -  what the app needs: Streamlit, Transformers, Plotly and their company")
    if lock() == RUN:
        tool.install("the requirements", "-r", RUN)
    else:
        tool.install("the requirements", "--no-deps", "--require-hashes", "-r", lock())
    if dev:
        say("  -  what its tests need")
        tool.install("what the tests need", "-r", DEV)
    with open(stamp("dev" if dev else "run"), "w", encoding="utf-8") as out:
        out.write("Newer than the requirements files: the environment is complete.\n")
    say("The environment is ready.")
    say()


def refused(host, port):
    """Why the app could not listen there, which it would only say after the minutes of setting up;
    "" where it can, and where nobody asks.
    """
    if host is None:
        return ""
    sys.path.insert(0, ROOT)
    from rlhf_core.command_line import ports  # here: a Python that is too old cannot read it

    return ports.refusal(host, port)


def main(arguments=None):
    global VENV
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--dev", action="store_true", help="with what the tests and the formatter need"
    )
    parser.add_argument(
        "--venv", default=VENV, metavar="FOLDER", help="where it lies (default: .venv)"
    )
    parser.add_argument("--host", metavar="ADDRESS", help="where the app is to listen afterwards")
    parser.add_argument("--port", type=int, metavar="N", help="and at which port")
    asked = parser.parse_args(arguments)
    dev, VENV = asked.dev, os.path.abspath(asked.venv)
    if is_ready(dev):
        return 0
    if not pythons.supported(sys.version_info):
        other = pythons.another_python()
        if other is None:
            say(pythons.unsuited_line(sys.version_info[:2], sys.executable))
            return 2
        again = (["--dev"] if dev else []) + ["--venv", VENV]
        again += ["--host", asked.host] if asked.host is not None else []
        again += ["--port", str(asked.port)] if asked.port is not None else []
        return pythons.replace_us(other, os.path.abspath(__file__), again)
    why = refused(asked.host, asked.port)
    if why:
        say(why)
        return 2
    running.end_with_us()
    os.makedirs(os.path.dirname(VENV), exist_ok=True)
    try:
        with turn.taken(os.path.realpath(VENV) + ".lock", say):
            if not is_ready(dev):  # while we waited, somebody else may have done it
                bootstrap(dev)
    except Failed as failure:
        say(str(failure))
        return 1
    except KeyboardInterrupt:
        say("\nStopped. Run the same command again to go on.")
        return 130
    except Ended as ended:
        say("\nStopped from outside. Run the same command again to go on.")
        return 128 + ended.number
    return 0


if __name__ == "__main__":
    sys.exit(main())
