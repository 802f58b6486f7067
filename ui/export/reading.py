"""A bundle for reading only, also one that lost files: what is left, and sentences on the rest.

``session.saving`` opens a whole bundle. Where a listed file is gone or was changed, the others are
laid into a folder of their own, with a run.json that lists them alone, and are opened from there.
Nothing of the bundle itself is changed. Imports no torch: weights are not read.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from rlhf_core.common.errors import BundleError
from rlhf_core.session import saving
from rlhf_core.session.state import Session
from rlhf_core.store import bundle
from rlhf_core.store.formats import from_json, to_json
from rlhf_core.store.plain_files import bytes_of

GONE = {  # file -> what a reader misses
    "rankings.jsonl": "the judgements as they were made",
    "preferences.jsonl": "the judged pairs",
    "metrics.csv": "the numbers of its steps",
    "samples.jsonl": "the answers of its steps",
    "evaluation.json": "the verdict",
    bundle.CARD: "the card",
}


def read(directory: str | Path) -> tuple[Session, str, list[str]]:
    """(the session, its card's text, sentences on what could not be read). Raises BundleError,
    BriefError, PreferenceError.
    """
    directory = Path(directory)
    try:
        return saving.load(directory), _card(directory), []
    except BundleError as whole:
        left, missing = _what_is_left(directory, whole)
        if not missing:
            raise
    with tempfile.TemporaryDirectory(prefix="opossum-report-") as folder:
        place = Path(folder)
        for name, content in left.items():
            (place / name).write_bytes(content)
        return saving.read(place), _card(place), missing


def _what_is_left(directory: Path, whole: BundleError) -> tuple[dict[str, bytes], list[str]]:
    """The text files that are as run.json says, with a run.json of their own, and a sentence for
    each that is not.
    """
    try:
        run = from_json(bytes_of(directory / bundle.RUN, bundle.MAX_TEXT_BYTES), bundle.RUN)
        files = run["files"].items()
    except (BundleError, KeyError, AttributeError):
        raise whole from None
    left, missing = {}, []
    for name, entry in files:
        if name not in GONE:
            continue
        content, why = None, "is missing"
        try:
            content = bytes_of(directory / name, bundle.MAX_TEXT_BYTES)
            why = "was changed after the run was saved"
        except BundleError:
            pass
        sha = entry.get("sha256") if isinstance(entry, dict) else None
        if content is not None and hashlib.sha256(content).hexdigest() == sha:
            left[name] = content
        else:
            missing.append(f"{name} {why}, so {GONE[name]} cannot be shown.")
    kept = {name: entry for name, entry in files if name in left or name not in GONE}
    left[bundle.RUN] = to_json({**run, "files": kept})
    return left, missing


def _card(directory: Path) -> str:
    try:
        return bytes_of(directory / bundle.CARD, bundle.MAX_TEXT_BYTES).decode("utf-8", "replace")
    except BundleError:
        return ""
