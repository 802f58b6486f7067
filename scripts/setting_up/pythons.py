"""Which Python, and whether this machine is one that PyTorch has a build for.

Read off the files of torch 2.13.0: CPython 3.11 to 3.14, each for Linux with glibc 2.28 or newer
(x86_64, aarch64), macOS 14 or newer on Apple's own processors, Windows on x86-64.
"""

import glob
import os
import platform
import shutil
import subprocess
import sys
import sysconfig

OLDEST, NEWEST = (3, 11), (3, 14)
PREFERRED = ((3, 13), (3, 12), (3, 11), (3, 14))
ADVICE = (
    "Install one of these (python.org, your system's package manager, or uv python install 3.12),"
    " or name one you have: make run PYTHON=/path/to/python3.12"
)


def dotted(version):
    return ".".join(map(str, version))


def supported(version):
    return OLDEST <= tuple(version[:2]) <= NEWEST


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


def candidates():
    """Where Pythons of the versions that suit may lie: on the path, pyenv's, uv's, Windows'."""
    for version in map(dotted, PREFERRED):
        yield shutil.which("python" + version)
        pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
        for path in sorted(glob.glob(os.path.join(pyenv, "versions", version + ".*"))):
            yield os.path.join(path, "bin", "python3")
        for command in (
            ["uv", "python", "find", "--no-python-downloads", version],
            ["py", "-" + version, "-c", "import sys; print(sys.executable)"],
        ):
            if shutil.which(command[0]):
                try:
                    said = subprocess.check_output(
                        command, stderr=subprocess.DEVNULL, timeout=20, cwd=os.path.expanduser("~")
                    )
                    yield said.decode(errors="replace").strip()
                except (OSError, subprocess.SubprocessError):
                    pass


def another_python(paths=None):
    """The path of a Python on this machine that suits, or None."""
    for path in filter(None, candidates() if paths is None else paths):
        version = version_of(path)
        if version and supported(version):
            return path
    return None


def unsuited_line(version, executable):
    """Why a Python of ``version`` does not do, and what would."""
    why = (
        f"Opossum needs Python {dotted(OLDEST)} or newer, up to {dotted(NEWEST)}"
        if tuple(version[:2]) < OLDEST
        else f"Opossum runs on Python {dotted(OLDEST)} to {dotted(NEWEST)}, since its PyTorch has"
        " no build for a newer one"
    )
    return f"{why}; this is Python {dotted(version)} ({executable}). {ADVICE}"


# --- is there a PyTorch for this machine ----------------------------------------------------------


def machine():
    """What decides whether there is a build: (system, processor, its version, C library)."""
    system = platform.system()
    processor = platform.machine().lower()
    if system == "Windows":  # of the Python: Windows on ARM runs one for x86-64 too
        return system, sysconfig.get_platform().replace("win-", ""), "", ""
    if system == "Darwin":
        return system, processor, platform.mac_ver()[0], "translated" if _rosetta() else ""
    name, version = platform.libc_ver()
    musl = "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "") or (
        not name and glob.glob("/lib/ld-musl-*")
    )
    return system, processor, version, "musl" if musl else name


def _rosetta():
    try:
        said = subprocess.check_output(
            ["sysctl", "-n", "sysctl.proc_translated"], stderr=subprocess.DEVNULL, timeout=5
        )
        return said.strip() == b"1"
    except (OSError, subprocess.SubprocessError):
        return False


def _numbers(version):
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def no_build_line(system, processor, version, library):
    """Why PyTorch has no build for this machine, and what to do; "" where it has one."""
    docker = "Use Docker (docker build -t opossum .), a Space, or another machine."
    if system == "Darwin" and library == "translated":
        return (
            "This Python is one for Intel Macs, and PyTorch has no build for it; this Mac has an"
            " Apple processor. Install python.org's Python, and name it: make run"
            " PYTHON=/usr/local/bin/python3.12"
        )
    if system == "Darwin" and processor == "x86_64":
        return (
            "PyTorch has no build for Macs with an Intel processor any more (2.2 was the last one)."
            f" {docker}"
        )
    # An old Python calls every newer macOS 10.16.
    if system == "Darwin" and version != "10.16" and (11,) <= _numbers(version) < (14,):
        return (
            f"PyTorch's builds need macOS 14 or newer; this is {version}. Update macOS, or use"
            " Docker, a Space, or another machine."
        )
    if system == "Windows" and processor == "arm64":
        return (
            "PyTorch has no build for Windows on ARM. Install python.org's Python for x86-64"
            ' ("Windows installer (64-bit)"); Windows on ARM runs it too.'
        )
    if system == "Windows" and processor != "amd64":
        return "This is a 32-bit Python, and PyTorch has none. Install python.org's 64-bit one."
    if system == "Linux" and library == "musl":
        return (
            "PyTorch has no build for Linux with musl (Alpine). Use one with glibc: Debian, Ubuntu,"
            f" Fedora; in a container python:3.12-slim. Or: {docker}"
        )
    if system == "Linux" and processor not in ("x86_64", "aarch64"):
        return f"PyTorch has no build for this processor ({processor}). Use another machine."
    if system == "Linux" and library == "glibc" and _numbers(version) < (2, 28):
        return (
            f"PyTorch's builds need glibc 2.28 or newer; this system has {version}, so it is from"
            f" before 2018. {docker}"
        )
    return ""


def no_build():
    """``no_build_line`` of the machine we are on."""
    if platform.python_implementation() != "CPython":
        return f"PyTorch needs CPython; this is {platform.python_implementation()}. {ADVICE}"
    return no_build_line(*machine())


def replace_us(path, script, arguments):
    """Go on as the Python at ``path``; never returns where the system can do that."""
    sys.stdout.flush()
    command = [path, script] + arguments
    if os.name != "nt":
        os.execv(path, command)
    return subprocess.call(command)
