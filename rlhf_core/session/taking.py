"""What of a session can be taken home, how each file is called, and one made as a zip that the
session keeps until the next one of its kind. Knows nothing about what is in them. Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rlhf_core.common.events import Progress
from rlhf_core.common.source import engine_version
from rlhf_core.session import weights
from rlhf_core.session.state import Session
from rlhf_core.store import archive, bundle, plain_files

NAMES = {"run": "run", "dataset": "judgements", "model": "tuned-model", "reward": "reward-model"}
NAMES |= {"training": "training-project", "pipeline": "pipeline"}


def made(session: Session, what: str, fill: Callable[[Session, Path], None]) -> Iterator:
    """Have ``fill`` put files into a folder, and keep them with the session as a zip. One record
    {"kind": "made", "what"}. Raises InputError, BundleError.
    """
    yield Progress("gathering", 0, 3)
    key, name = made_of(session), file_name(session, what)
    try:
        with tempfile.TemporaryDirectory(prefix="opossum-") as place:
            folder = Path(place) / name
            folder.mkdir()
            fill(session, folder)
            yield Progress("packing", 1, 3)
            places = sorted(path for path in folder.rglob("*") if path.is_file())
            files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in places}
            first = {name: files[name] for name in (bundle.RUN,) if name in files}
            data = archive.pack(first | files, name)
    except OSError as error:
        raise plain_files.no_room(Path(f"{name}.zip"), error) from error
    yield Progress("putting it away", 2, 3)
    keeper = getattr(session.store, "weights", None)
    if keeper is not None:
        keeper.keep_file(session, what, key, data)
    yield {"kind": "made", "what": what}


def file_name(session: Session, what: str) -> str:
    """Of the folder in the zip, and of the zip without its ending."""
    return f"opossum-{session.asked.brief.slug[:40]}-{NAMES[what]}"


def made_of(session: Session) -> str:
    """A name for all that a file taken home is made of: where it is another one, the file is of
    before.
    """
    judged, tuned = session.judged, session.tuned
    last = judged.rankings[-1].to_dict() if judged.rankings else None
    found = [
        *(session.asked.brief.to_dict(), session.model_name, engine_version()),
        *(len(judged.rankings), last, len(judged.imported), len(judged.exploits)),
        *(len(judged.votes), judged.imports, session.learned.head, weights.now(session)),
        *(tuned.steps_done, session.history.current_round, bool(tuned.evaluation)),
        *((tuned.evaluation or {}).get("seed"), session.settings.get("card")),
    ]
    text = json.dumps(found, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def kept(session: Session) -> dict[str, tuple[str, int, bool]]:
    """What was made: {what: (sha256, bytes, whether it is of the session as it is now)}. Raises
    StoreError.
    """
    keeper = getattr(session.store, "weights", None)
    if keeper is None:
        return {}
    now = made_of(session)
    rows = keeper.kept_files(session).items()
    return {what: (sha256, size, key == now) for (what, key), (sha256, size) in rows}
