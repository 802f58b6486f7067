"""Fetch a model from the Hugging Face hub into its own cache, once: the files we read, at a pinned revision, with progress, errors in words.

Knows nothing about what is in the files. Weights are safetensors; nothing that could run code is fetched.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

NEEDED = ("config.json", "tokenizer.json", "model.safetensors")
HELPFUL = ("tokenizer_config.json",)  # not every model has it


class DownloadError(ValueError):
    """A model that could not be fetched; the message says why and what to do."""


def download(name: str, revision: str, tell: Callable[[int, int], None] | None = None, fetch=None) -> Path:
    """The folder in the hub's cache with ``name`` at ``revision``; what is there already is not fetched, nor is the hub asked.

    Args:
        tell: called with (bytes done, bytes in all) of the file that is being fetched.
        fetch: stands in for ``huggingface_hub.hf_hub_download`` in tests.

    Raises:
        DownloadError: offline, broken off, disk full, or not on the hub.
    """
    from huggingface_hub import hf_hub_download, logging
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    logging.set_verbosity_error()  # its retries are not news
    fetch = fetch or hf_hub_download
    options = {"tqdm_class": teller(tell)} if tell else {}
    for file in (*HELPFUL, *NEEDED):
        try:
            path = fetch(name, file, revision=revision, **options)
        except Exception as error:  # http, file system and the hub's own kinds; the learner needs one sentence
            if file in HELPFUL and isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
                continue
            raise DownloadError(f"{in_words(name, file, error)} The bundled model works offline.") from error
    return Path(path).parent


def in_words(name: str, file: str, error: Exception) -> str:
    """One sentence on why ``file`` of ``name`` is not here, and what to do."""
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for cause in causes(error):
        if getattr(cause, "errno", None) == errno.ENOSPC:
            return f"The disk is full, so the model {name} could not be kept; make room, or set HF_HOME to a folder on another disk, and try again."
    if isinstance(error, LocalEntryNotFoundError):
        return f"The model {name} is not on this machine and could not be downloaded (is there a connection to the hub?)."
    if isinstance(error, EntryNotFoundError):
        return f"The hub has no {file} for the model {name} at the pinned revision."
    return f"The download of {name} broke off at {file} ({type(error).__name__}); try again, it goes on where it stopped."


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def teller(tell: Callable[[int, int], None]) -> type:
    """A progress bar class that draws nothing and calls ``tell``."""
    from huggingface_hub.utils import tqdm

    class Teller(tqdm):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **{**options, "disable": True})
            self.total, self.done = options.get("total") or 0, options.get("initial") or 0

        def update(self, n: float | None = 1) -> None:
            self.done += n or 0
            tell(int(self.done), int(self.total or 0))

    return Teller
