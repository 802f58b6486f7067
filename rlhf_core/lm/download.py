"""Fetch a model from the Hugging Face hub into its own cache, once.

The files we read, at a pinned revision, with progress, errors in words.

``python -m rlhf_core.lm.download NAME`` fetches one on the list; a page lets that process do it
(``fetch_aside``), because the worker thread has other work while bytes trickle in. Knows nothing
about what is in the files. Weights are safetensors; nothing that could run code is fetched.
"""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rlhf_core.common import places
from rlhf_core.common.errors import DownloadError
from rlhf_core.common.events import Progress, Record
from rlhf_core.lm import model_list

NEEDED = ("config.json", "tokenizer.json", "model.safetensors")
HELPFUL = ("tokenizer_config.json",)  # not every model has it
LOOK_AGAIN = 0.3  # seconds between two looks at the process that fetches


def download(
    name: str,
    revision: str,
    tell: Callable[[int, int], None] | None = None,
    fetch: Callable[..., str] | None = None,
    *,
    offline: bool = False,
) -> Path:
    """The folder in the hub's cache with ``name`` at ``revision``.

    What is there already is not fetched, nor is the hub asked.

    Args:
        tell: called with (bytes done, bytes in all) of the file that is being fetched.
        fetch: stands in for ``huggingface_hub.hf_hub_download`` in tests.
        offline: only look whether it is there.

    Raises:
        DownloadError: offline, broken off, disk full, or not on the hub.
    """
    from huggingface_hub import hf_hub_download, logging
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    logging.set_verbosity_error()  # its retries are not news
    fetch = fetch or hf_hub_download
    options: Record = {"tqdm_class": teller(tell)} if tell else {}
    if offline:
        options["local_files_only"] = True
    for file in (*HELPFUL, *NEEDED):
        try:
            path = fetch(name, file, revision=revision, **options)
        except Exception as error:
            # http, file system and the hub's own kinds; the learner needs one sentence
            if (
                file in HELPFUL
                and isinstance(error, EntryNotFoundError)
                and (offline or not isinstance(error, LocalEntryNotFoundError))
            ):
                continue
            if offline and isinstance(error, LocalEntryNotFoundError):
                raise DownloadError(
                    f"The model {name} is not on this machine (any more). Fetch it on the page"
                    " “Models”, or go on with the bundled one."
                ) from error
            raise DownloadError(
                f"{in_words(name, file, error)} The bundled model works offline."
            ) from error
    return Path(path).parent


def in_words(name: str, file: str, error: Exception) -> str:
    """One sentence on why ``file`` of ``name`` is not here, and what to do."""
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for cause in causes(error):
        if getattr(cause, "errno", None) == errno.ENOSPC:
            return (
                f"The disk is full, so the model {name} could not be kept; make room, or set"
                " HF_HOME to a folder on another disk, and try again."
            )
    if isinstance(error, LocalEntryNotFoundError):
        return (
            f"The model {name} is not on this machine and could not be downloaded (is there a"
            " connection to the hub?)."
        )
    if isinstance(error, EntryNotFoundError):
        return f"The hub has no {file} for the model {name} at the pinned revision."
    return (
        f"The download of {name} broke off at {file} ({type(error).__name__}); try again, it goes"
        " on where it stopped."
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def teller(tell: Callable[[int, int], None]) -> type:
    """A progress bar class that draws nothing and calls ``tell``."""
    from huggingface_hub.utils.tqdm import tqdm

    class Teller(tqdm):
        def __init__(self, *arguments: Any, **options: Any):
            told = {**options, "disable": True}
            super().__init__(*arguments, **told)  # type: ignore[no-untyped-call]  # tqdm's own
            self.total, self.done = options.get("total") or 0, options.get("initial") or 0

        def update(self, n: float | None = 1) -> None:
            self.done += n or 0
            tell(int(self.done), int(self.total or 0))

    return Teller


# --- in a process of its own ----------------------------------------------------------------------


def fetch_aside(name: str, command: list[str] | None = None) -> Iterator[Progress]:
    """Have another process fetch a model on the list, and yield how far it is (megabytes).

    Closed early, it ends that process; a later try goes on from there.

    Args:
        command: stands in for ``python -m rlhf_core.lm.download NAME`` in tests.

    Raises:
        DownloadError: what that process said, or that it died without a word.
    """
    command = command or [sys.executable, "-m", "rlhf_core.lm.download", name]
    done, total = 0, model_list.HUB[name].megabytes
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "said.jsonl"
        with log.open("w") as said:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.DEVNULL,
                cwd=places.ENGINE.parent,
            )
        try:
            ended = False
            while not ended:
                # Asked before the log is read, so that nothing said last is missed.
                ended = process.poll() is not None
                *lines, _ = log.read_text(encoding="utf-8").split("\n")  # _: maybe half written
                last = json.loads(lines[-1]) if lines else {}
                done = last.get("megabytes", done)
                stage, wait = f"fetching {name} (megabytes)", 0.0 if ended else LOOK_AGAIN
                yield Progress(stage, min(done, total), total, wait=wait)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(10)
        if "folder" not in last:
            died = (
                f"The download of {name} ended without a word (was its process killed?). Try again,"
                " it goes on where it stopped."
            )
            raise DownloadError(last.get("error") or died)


def main(arguments: list[str]) -> int:
    """Fetch the models named, one JSON line a megabyte.

    0: all are here; 2: one could not be had, and why is on the last line.
    """

    def say(row: Record) -> None:
        print(json.dumps(row), flush=True)

    shown = 0

    def tell(done: int, _: int) -> None:
        nonlocal shown
        if done // 1_000_000 != shown:
            shown = done // 1_000_000
            say({"megabytes": shown})

    for name in arguments:
        if name not in model_list.HUB:
            say(
                {
                    "error": (
                        f"There is no model called {name!r} on the list:"
                        f" {', '.join(model_list.HUB)}."
                    )
                }
            )
            return 2
        try:
            say({"folder": str(download(name, model_list.HUB[name].revision, tell))})
        except DownloadError as error:
            say({"error": str(error)})
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
