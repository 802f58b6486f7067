"""A push to the hub by a process of its own, so that it can be stopped at any moment, even while a
hub does not answer; told as ``common.events`` tells everything.

The token goes to that process by a pipe: no argument, no environment, no file, no database has it.
Knows nothing about pages.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rlhf_core.common import places
from rlhf_core.common.errors import HubError
from rlhf_core.common.events import Progress
from rlhf_core.exchange import hub_push
from rlhf_core.exchange.hub_push import NOTHING, Target
from rlhf_core.store import plain_files

LOOK_AGAIN = 0.2  # seconds between two looks at the process
LATEST = 1800.0  # seconds after which a push is ended
ROOT = places.ENGINE.parent
COMMAND = [sys.executable, "-P", "-m", "rlhf_core.exchange.hub_push"]
OTHERS_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH")  # of who runs the server


class Secret:
    """A token until it is taken, which is once."""

    def __init__(self, token: str):
        self._token = token

    def take(self) -> str:
        token, self._token = self._token, ""
        return token

    def __repr__(self) -> str:
        return "Secret(…)"


def offline() -> bool:
    """Whether this machine is set to stay away from the hub."""
    return os.environ.get("HF_HUB_OFFLINE", "").strip().upper() in ("1", "ON", "YES", "TRUE")


def push_zip(
    zipped: Callable[[], bytes], target: Target, secret: Secret
) -> Iterator[Progress | dict]:
    """The files in a zip that ``session.taking`` made. Closed early, the process ends.

    Yields:
        ``Progress``; {"kind": "standing", "sentence"}, each time what lies on the hub is another
        thing; last ``hub_push.push``'s own.
    Raises:
        InputError, HubError, BundleError, StoreError.
    """
    token = secret.take()
    hub_push.check(target, token)
    yield Progress("unpacking", 0, 1)
    with tempfile.TemporaryDirectory(prefix="opossum-") as place:
        folder = Path(place) / "files"
        try:
            _unpack(zipped(), folder)
        except OSError as error:
            raise plain_files.no_room(folder, error) from error
        yield from _pushed(folder, target, token, Path(place) / "said.jsonl")


def _unpack(data: bytes, folder: Path) -> None:
    """Our own zip, whose files lie in one folder."""
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        for entry in found.infolist():
            name = entry.filename.partition("/")[2]
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(found.read(entry))


def _pushed(folder: Path, target: Target, token: str, log: Path) -> Iterator[Progress | dict]:
    environment = {key: v for key, v in os.environ.items() if key not in OTHERS_TOKENS}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.getenv("PYTHONPATH"))))
    environment |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    last: dict = {}
    standing, until = NOTHING, time.monotonic() + LATEST
    with log.open("w", encoding="utf-8") as said:
        process = subprocess.Popen(
            [*COMMAND, str(folder)],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=folder.parent,
        )
    try:
        order = json.dumps({"token": token, **target._asdict()})
        token = ""
        try:
            if process.stdin:
                process.stdin.write(f"{order}\n".encode())
                process.stdin.close()
        except OSError:  # it is over already
            pass
        order, ended = "", False
        while not ended and time.monotonic() < until:
            ended = process.poll() is not None  # before the log is read, so that nothing is missed
            *lines, _ = log.read_text(encoding="utf-8").split("\n")
            last = json.loads(lines[-1]) if lines else last
            if last.get("standing", standing) != standing:
                standing = last["standing"]
                yield {"kind": "standing", "sentence": standing}
            stage, done, total = (last.get(name, 0) for name in ("stage", "done", "total"))
            wait = 0.0 if ended else LOOK_AGAIN
            yield Progress(stage or "calling the hub", done, total or 1, wait=wait)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
    if "pushed" in last:
        yield last["pushed"]
        return
    died = "It took more than half an hour, so it was ended." if not ended else "It broke off."
    raise HubError(last.get("error") or f"{died} {standing}")
