"""What requirements.txt brings along is pinned, with hashes, the same on every platform."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import make_locks

ROOT = Path(__file__).resolve().parent.parent.parent
PLATFORMS = sorted(make_locks.PLATFORMS)
# Packages that one kind of system alone wants.
OF_ONE = {"colorama", "torch", "watchdog"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(platform: str) -> dict[str, set[str]]:
    """Versions by name: a package may have one a Python."""
    found: dict[str, set[str]] = {}
    for entry in make_locks.entries((ROOT / f"requirements-{platform}.lock").read_text()):
        name, version = re.match(r"([\w.-]+)==([^\s;\\]+)", entry).groups()
        found.setdefault(normal(name), set()).add(version)
    return found


def wanted(file: str = "requirements.txt") -> dict[str, str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    pairs = [line.split("#")[0].strip().split("==") for line in lines]
    return {normal(pair[0]): pair[1] for pair in pairs if len(pair) == 2}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_pin_of_the_requirements_is_locked(platform: str) -> None:
    pins, found = wanted(), locked(platform)
    if platform == "linux":
        assert "torch" not in found, "its CPU build is another file, of another index"
        del pins["torch"]
    assert len(pins) > 15 and {name: found.get(name) for name in pins} == {
        name: {version} for name, version in pins.items()
    }


@pytest.mark.parametrize("file", ["requirements-dev.txt", "requirements-server.txt"])
def test_what_is_installed_on_top_takes_nothing_back(file: str) -> None:
    pins, found = wanted(file), locked("linux")
    assert pins and all(found.get(name, {pins[name]}) == {pins[name]} for name in pins)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_entry_has_hashes_and_nothing_of_cuda_is_there(platform: str) -> None:
    text = (ROOT / f"requirements-{platform}.lock").read_text()
    found = make_locks.entries(text)
    assert len(found) > 60 and all("--hash=sha256:" in entry for entry in found)
    assert not re.search(r"^(nvidia-|cuda-|triton)", text, re.MULTILINE)
    assert "make lock" in text.splitlines()[1] and "://" not in text


def test_the_same_versions_everywhere() -> None:
    all_of = [locked(platform) for platform in PLATFORMS]
    names = set().union(*all_of)
    for name in names:
        versions = [found[name] for found in all_of if name in found]
        assert all(one == versions[0] for one in versions), name
        assert len(versions) == len(all_of) or name in OF_ONE, name


def test_what_is_not_for_people_is_left_out_of_an_entry() -> None:
    text = (
        "a==1 \\\n    --hash=sha256:0\n    # via b\nb-c==2.0 ; x == 'y' \\\n    --hash=sha256:1\n"
    )
    first, second = make_locks.entries(text)
    assert make_locks.tidied(first) == "a==1 \\\n    --hash=sha256:0\n"
    assert second.startswith("b-c==2.0 ;")
