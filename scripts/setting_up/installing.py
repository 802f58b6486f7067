"""Packages into the environment, by uv where it is there and suits, else by pip.

uv does not read pip's settings, so where pip has an index, a certificate or a folder of packages of
its own, pip does it.
"""

import glob
import os
import re
import shutil
import subprocess
import sys

from setting_up import room, running, words
from setting_up.failed import Failed

SETTINGS = (
    "index-url|extra-index-url|find-links|no-index|constraint|trusted-host|cert|client-cert|proxy"
)


def python_of(venv):
    return (
        os.path.join(venv, "Scripts", "python.exe")
        if os.name == "nt"
        else os.path.join(venv, "bin", "python")
    )


def has_pip(venv):
    """Whether the environment was made to its end: its Python runs, and pip in it."""
    try:
        asked = [python_of(venv), "-m", "pip", "--version"]
        return (
            subprocess.call(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
            == 0
        )
    except (OSError, subprocess.SubprocessError):
        return False


def make_venv(venv):
    """A fresh environment with pip in it, by this Python."""
    log = venv + ".log"
    try:
        status, _seconds = running.run(
            [sys.executable, "-m", "venv", "--clear", venv], log, os.path.dirname(venv)
        )
        with open(log, encoding="utf-8", errors="replace") as lines:
            said = lines.read().strip()
    finally:
        if os.path.exists(log):
            os.remove(log)
    if status == 0 and has_pip(venv):
        return
    left = room.free_at(venv)  # venv keeps ensurepip's own words to itself
    shutil.rmtree(venv, ignore_errors=True)
    if re.search(words.NO_ENSUREPIP, said):
        raise Failed(
            "This Python cannot make environments yet. On Debian and Ubuntu: sudo apt install"
            " python{}.{}-venv".format(*sys.version_info)
        )
    raise Failed(
        words.meaning("No space left on device" if left < room.PIP else said)
        or f"Could not make the environment in {venv}:"
        f" {said.splitlines()[-1] if said else 'no reason given'}"
    )


def has_package(pin, venv):
    name = pin.replace("==", "-")
    folders = (("lib", "python*", "site-packages"), ("Lib", "site-packages"))
    return any(
        glob.glob(os.path.join(venv, *folder, found))
        for folder in folders
        for found in (f"{name}.dist-info", f"{name}+*.dist-info")
    )


def pip_has_settings(venv):
    """Whether pip was told where packages come from, by a file or by its variables."""
    try:
        said = subprocess.check_output(
            [python_of(venv), "-m", "pip", "config", "list"], stderr=subprocess.DEVNULL, timeout=60
        ).decode(errors="replace")
    except (OSError, subprocess.SubprocessError):
        return True
    return bool(re.search(rf"^\S+\.({SETTINGS})=", said, re.MULTILINE))


class Installer:
    """``install(what, *arguments)``: pip's arguments, which uv takes too."""

    def __init__(self, venv, root, build, say):
        self.venv, self.root, self.build, self.say = venv, root, build, say
        self.log = os.path.join(venv, "install.log")
        self.uv = None if pip_has_settings(venv) else shutil.which("uv")

    def install(self, what, *arguments, uv_more=(), pip_more=()):
        if self.uv:
            command = [self.uv, "pip", "install", "--python", python_of(self.venv)]
            try:
                self._run(f"uv could not install {what}.", command + [*arguments, *uv_more])
                return
            except Failed as failure:
                self.say(f"     {failure}\n     Now pip tries.")
                self.uv = None
        command = [python_of(self.venv), "-m", "pip", "install", "--disable-pip-version-check"]
        self._run(f"pip could not install {what}.", command + [*arguments, *pip_more])

    def _run(self, title, command):
        status, seconds = running.run(command, self.log, self.root)
        if status == 0:
            self.say(f"     done in {seconds:.0f} s")
            return
        with open(self.log, encoding="utf-8", errors="replace") as lines:
            said = lines.read()
        need = room.in_words(sum(room.NEED[self.build]))
        meaning = words.meaning(said, f"about {need} in all")
        told = [f"{title} {meaning}".strip(), "Its last words:", *words.last(said)]
        raise Failed("\n".join([*told, f"The whole story is in {self.log}."]))
