"""Make Opossum's own Python environment (``.venv``), once, and say in plain words what is going on.

    python3 scripts/bootstrap.py          what the app needs: requirements.txt
    python3 scripts/bootstrap.py --dev    and what its tests need: requirements-dev.txt

The Makefile calls it before every target. When the environment is newer than the requirements it
says nothing and returns at once. On Linux without an NVIDIA card it takes PyTorch's CPU build, a
tenth of the download, from PyTorch's own index if that answers within a few seconds; otherwise the
plain pin. Your own pip settings hold throughout.

It knows nothing about the app. It must stay readable by Python 3.6, so that an old Python gets a
clear line, not a syntax error.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
RUN, DEV = "requirements.txt", "requirements-dev.txt"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 4.0
ADVICE = (
    "Install a newer one (python.org, or your system's package manager), or name one you have: make"
    " run PYTHON=/path/to/python3.11"
)


def say(text=""):
    print(text, flush=True)


def venv_python(venv=VENV):
    return (
        os.path.join(venv, "Scripts", "python.exe")
        if os.name == "nt"
        else os.path.join(venv, "bin", "python")
    )


# --- which Python ---------------------------------------------------------------------------------


def version_of(command):
    """``(major, minor)`` of a Python that runs, or None."""
    try:
        words = subprocess.check_output(
            [command, "-c", "import sys; print(*sys.version_info[:2])"],
            stderr=subprocess.DEVNULL,
            timeout=20,
        ).split()
        return int(words[0]), int(words[1])
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return None


def newer_python(names=("python3.13", "python3.12", "python3.11", "python3.14")):
    """The path of a Python on this machine that is new enough, or None."""
    for path in filter(None, map(shutil.which, names)):
        version = version_of(path)
        if version and version >= OLDEST:
            return path
    return None


def too_old_line(version, executable):
    found = ".".join(map(str, version))
    return (
        f"Opossum needs Python {OLDEST[0]}.{OLDEST[1]} or newer; this is Python {found}"
        f" ({executable}). {ADVICE}"
    )


# --- is there anything to do ----------------------------------------------------------------------


def stamp(kind, venv=VENV):
    return os.path.join(venv, f".installed-{kind}")


def is_fresh(dev, root=ROOT, venv=VENV):
    """True when an install that covers what is asked for finished after the requirements last
    changed.
    """

    def newer(kind, names):
        path = stamp(kind, venv)
        return os.path.exists(path) and all(
            os.path.getmtime(path) >= os.path.getmtime(os.path.join(root, name)) for name in names
        )

    return newer("dev", (RUN, DEV)) or (not dev and newer("run", (RUN,)))


# --- which PyTorch --------------------------------------------------------------------------------


def torch_pin(path=None):
    """The line ``torch==...`` of requirements.txt."""
    with open(path or os.path.join(ROOT, RUN), encoding="utf-8") as lines:
        return next(
            match.group(0)
            for match in (re.match(r"torch==[\w.]+", line) for line in lines)
            if match
        )


def has_torch(pin, venv=VENV):
    name = pin.replace("==", "-")
    folders = (("lib", "python*", "site-packages"), ("Lib", "site-packages"))
    return any(
        glob.glob(os.path.join(venv, *folder, found))
        for folder in folders
        for found in (f"{name}.dist-info", f"{name}+*.dist-info")
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


# --- doing it -------------------------------------------------------------------------------------


class Failed(Exception):
    """Its message is what a person should read."""


def doing(log):
    """What pip is at, from the last telling line of its log, or an empty string."""
    with open(log, encoding="utf-8", errors="replace") as lines:
        telling = [
            line.strip()
            for line in lines
            if re.match(r"\s*(Collecting|Downloading|Building|Installing)\b", line)
        ]
    if not telling:
        return ""
    if telling[-1].startswith("Installing"):
        names = len(telling[-1].split(","))
        return f"unpacking {names} packages"
    return telling[-1].split(" (from")[0][:70].lower()


def pip(what, *arguments):
    """Run pip quietly, with a sign of life; its whole output goes to ``.venv/install.log``."""
    log = os.path.join(VENV, "install.log")
    command = [venv_python(), "-m", "pip", "install", "--disable-pip-version-check"] + list(
        arguments
    )
    screen = sys.stdout.isatty()
    started = time.time()
    next_sign = started + (1 if screen else 15)
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        try:
            while process.poll() is None:
                time.sleep(0.2)
                if time.time() >= next_sign:
                    at = doing(log)
                    line = f"     {time.time() - started:.0f} s" + (f": {at}" if at else "")
                    sys.stdout.write(f"\r{line:<100}" if screen else line + "\n")
                    sys.stdout.flush()
                    next_sign = time.time() + (1 if screen else 15)
        except BaseException:
            process.kill()
            process.wait()
            raise
    if screen:
        sys.stdout.write("\r" + " " * 100 + "\r")
    if process.returncode:
        with open(log, encoding="utf-8", errors="replace") as lines:
            last = [
                line.rstrip() for line in lines if line.strip() and not line.startswith("WARNING")
            ][-8:]
        raise Failed(
            "\n".join(
                [f"pip could not install {what}. Its last words:"]
                + ["    " + line for line in last]
                + [f"The whole story is in {log}."]
            )
        )
    say(f"     done in {time.time() - started:.0f} s")


def make_venv():
    if version_of(venv_python()) == sys.version_info[:2]:
        return
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", VENV],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if made.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        words = made.stdout.decode(errors="replace").strip()
        if "ensurepip" in words:
            name = "python{}.{}-venv".format(*sys.version_info)
            raise Failed(
                "This Python cannot make environments yet. On Debian and Ubuntu: sudo apt install"
                f" {name}"
            )
        raise Failed(
            f"Could not make the environment in {VENV}:"
            f" {words.splitlines()[-1] if words else 'no reason given'}"
        )


def install_torch(pin):
    """Bring PyTorch first where its CPU build is the better choice; elsewhere the requirements
    bring it.
    """
    if has_torch(pin) or not sys.platform.startswith("linux"):
        return
    if has_nvidia_card():
        say(
            "     There is an NVIDIA card here, so PyTorch comes in its standard build, up to 3 GB."
        )
    elif answers_quickly(f"{CPU_INDEX}/torch/"):
        say("  -  PyTorch, the build for processors, from PyTorch's own index: about 200 MB")
        try:
            pip("PyTorch's CPU build", pin, "--extra-index-url", CPU_INDEX)
        except Failed as failure:
            say(f"     {failure}\n     Going on with PyTorch's standard build.")
    else:
        say(
            "     PyTorch's index of small CPU builds gave no quick answer, so pip takes the"
            " standard build:"
        )
        say("     up to 3 GB, unless your pip knows a smaller one.")


def bootstrap(dev):
    say(
        "Opossum sets up its own Python environment in .venv. Nothing outside this folder changes,"
        " except pip's cache."
    )
    say(
        "This happens once and takes one to five minutes, longer on a slow connection. Ctrl-C stops"
        " it; run it again to go on."
    )
    say(f"  -  the environment, with Python {'.'.join(map(str, sys.version_info[:3]))}")
    make_venv()
    install_torch(torch_pin())
    say(
        "  -  what the app needs"
        + (", and what its tests need" if dev else "")
        + ": Streamlit, Transformers, Plotly and their company"
    )
    pip("the requirements", "-r", DEV if dev else RUN)
    with open(stamp("dev" if dev else "run"), "w", encoding="utf-8") as out:
        out.write("Newer than the requirements files: the environment is complete.\n")
    say("The environment is ready.")
    say()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--dev", action="store_true", help="with what the tests and the formatter need"
    )
    dev = parser.parse_args(arguments).dev
    if is_fresh(dev) and version_of(venv_python()):
        return 0
    if sys.version_info < OLDEST:
        other = newer_python()
        if other is None:
            say(too_old_line(sys.version_info[:3], sys.executable))
            return 2
        return subprocess.call([other, os.path.abspath(__file__)] + (["--dev"] if dev else []))
    try:
        bootstrap(dev)
    except Failed as failure:
        say(str(failure))
        return 1
    except KeyboardInterrupt:
        say("\nStopped. Run the same command again to go on.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
