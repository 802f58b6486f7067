"""The sessions, by their unguessable id: in memory while in use, in the database across reloads,
restarts and servers.

Knows nothing about what a session does. Simplification: whoever knows the id has the session; there
are no accounts. Idle sessions are removed after a day. Memory keeps at most ``MOST`` of them, and
``MOST_BYTES`` of what they hold: the longest idle leave first, and come back from the database.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

from rlhf_core.common.errors import BundleError, StoreError
from rlhf_core.common.known import known
from rlhf_core.judging import briefs
from rlhf_core.lm import model_list
from rlhf_core.session import folder_sessions
from rlhf_core.session.in_database import InDatabase
from rlhf_core.session.state import Session
from rlhf_core.store import blob_rows, blobs, database, machine, marker, session_rows
from rlhf_core.store.settings import gigabytes

KEPT_SECONDS, MOST = 24 * 3600, 150
SEEN_EVERY = 60  # seconds between two notes that somebody is there
FRESH = 0.2  # seconds for which nobody asks again whether another server changed a session
MEMORY, DISK = ("OPOSSUM_MEMORY_GB", 1.5), ("OPOSSUM_DISK_GB", 20.0)  # setting, what it is without
_LOCK = threading.Lock()
_SESSIONS: dict[str, tuple[Session, float]] = {}
_SEEN: dict[str, float] = {}
_KEEPERS: dict[tuple, InDatabase] = {}
_SWEPT = 0.0


def folder() -> Path:
    """Where sessions live: OPOSSUM_RUNS, or ./runs."""
    return Path(os.environ.get("OPOSSUM_RUNS", "runs"))


def keeper() -> InDatabase:
    """Who keeps the sessions of this folder: DATABASE_URL and OPOSSUM_BLOBS where they are set,
    else a file and a folder in it.
    """
    places = database.url_of(folder()), blobs.place_of(folder()), gigabytes(*DISK)
    with _LOCK:
        if places not in _KEEPERS:
            url, place, most = places
            _KEEPERS[places] = InDatabase(database.Database(url), blobs.Blobs(place), most)
        return _KEEPERS[places]


def is_id(run_id: str | None) -> bool:
    """Could this be one of our ids? Nothing else may become a part of a path."""
    return re.fullmatch(r"[A-Za-z0-9_-]{16}", run_id or "") is not None


def create(brief: briefs.Brief | None = None) -> Session:
    """A fresh session, which every server of this database finds."""
    session = Session(brief, model_name=model_list.default())
    session.status = "done"  # nothing is under way before something begins
    session.directory, session.restartable = folder() / session.id, True
    session.store = keeper()
    session.keep()
    now = time.time()
    with _LOCK:
        _SESSIONS[session.id] = (session, now)
    _seen(session, now)
    _sweep()
    return session


def get(run_id: str) -> Session | None:
    """The session with this id, as it is now; None where there is none (any more), or the id is not
    one of ours. Raises StoreError where the database cannot be reached.
    """
    if not is_id(run_id):
        return None
    now = time.time()
    with _LOCK:
        session, looked = _SESSIONS.get(run_id, (None, 0.0))
        if session is not None:
            _SESSIONS[run_id] = (session, looked if abs(now - looked) < FRESH else now)
    if session is not None:
        if abs(now - looked) >= FRESH:
            session.refresh()
        if session.deleted:
            _forget(run_id)
            return None
    else:
        session = keeper().load(run_id) or folder_sessions.taken_in(keeper(), folder() / run_id)
        if session is None:
            return None
        session.directory = folder() / run_id
        with _LOCK:  # another tab may have been quicker
            session, _ = _SESSIONS.setdefault(run_id, (session, now))
    _seen(session, now)
    return session


def in_memory() -> list[Session]:
    """The sessions that this process has at hand."""
    with _LOCK:
        return [session for session, _ in _SESSIONS.values()]


def note_cut_short(session: Session) -> None:
    """This process ends while it works for ``session``: whoever opens it again is told so.

    One more than it counts itself: a job that still comes to its end takes its own off.
    """
    with session.change():
        session.under_way, session.process = session.under_way + 1, machine.this_process()


def look_again(run_id: str) -> None:
    """Take over what another process wrote of a session that is in memory here, or what it left
    undone when it died.
    """
    with _LOCK:
        session, _ = _SESSIONS.get(run_id, (None, 0.0))
    if session is not None:
        session.refresh()
        if session.under_way and isinstance(session.store, InDatabase):
            with suppress(StoreError):
                session.store.put_right(session)


def delete(run_id: str) -> bool:
    """Forget a session and all that is kept of it; a folder that the app did not make stays.
    Whether nothing of it is left. Raises StoreError.
    """
    if not is_id(run_id):
        return True
    session = _forget(run_id) or keeper().load(run_id)
    if session is not None:
        session.directory = folder() / run_id
        known(session.store).delete(session)
    elif marker.is_ours(folder() / run_id):  # only an older version's bundle is left
        shutil.rmtree(folder() / run_id, ignore_errors=True)
    return not (folder() / run_id).exists()


def _forget(run_id: str) -> Session | None:
    with _LOCK:
        _SEEN.pop(run_id, None)
        return _SESSIONS.pop(run_id, (None, 0.0))[0]


def _seen(session: Session, now: float) -> None:
    """Note that somebody is there, for all servers, so that the session does not expire."""
    with _LOCK:
        if abs(now - _SEEN.get(session.id, 0.0)) < SEEN_EVERY:
            return
        _SEEN[session.id] = now
    if not isinstance(session.store, InDatabase):
        return
    with suppress(StoreError), session.store.database.change() as db:
        session_rows.seen(db, session.id, int(now * 1000))


# --- what has to go -------------------------------------------------------------------------------


def _sweep() -> None:
    """At most once a minute: drop idle sessions from memory, and expired ones altogether."""
    global _SWEPT
    now = time.time()
    with _LOCK:
        if abs(now - _SWEPT) < 60:
            return
        _SWEPT = now
        _leave_memory(now)
        here = {run_id for run_id, (session, _) in _SESSIONS.items() if session.under_way}
    with suppress(StoreError):
        _expire(keeper(), int((now - KEPT_SECONDS) * 1000), here)
    _sweep_folders(now)


def _leave_memory(now: float) -> None:
    idle = [
        run_id
        for run_id, (session, _) in _SESSIONS.items()
        if not session.under_way and session.is_kept
    ]
    idle.sort(key=lambda run_id: _SESSIONS[run_id][1])
    sizes = {run_id: session.size() for run_id, (session, _) in _SESSIONS.items()}
    most, held = gigabytes(*MEMORY), sum(sizes.values())
    for left, run_id in zip(range(len(idle), 0, -1), idle, strict=True):
        too_old = now - _SESSIONS[run_id][1] > KEPT_SECONDS
        if left > MOST or too_old or held > most:
            held -= sizes[run_id]
            del _SESSIONS[run_id]
            _SEEN.pop(run_id, None)


def _expire(store: InDatabase, before_ms: int, under_way: set[str]) -> None:
    """Sessions that nobody has visited for a day, on any server."""
    with store.database.look() as db:
        gone = [run_id for run_id in session_rows.idle(db, before_ms) if run_id not in under_way]
    for run_id in gone:
        _forget(run_id)
        with store.database.change() as db:
            session_rows.delete(db, run_id)
        if is_id(run_id) and marker.is_ours(folder() / run_id):
            shutil.rmtree(folder() / run_id, ignore_errors=True)
    blob_rows.collect(store.database, store.weights.blobs)


def _sweep_folders(now: float) -> None:
    """Bundles of an older version that nobody has come back to.

    Only folders that carry the app's marker: what a person put there looks the same without.
    """
    if not folder().is_dir():
        return
    for directory in folder().iterdir():
        manifest = directory / "run.json"
        with suppress(OSError, BundleError):
            if (
                is_id(directory.name)
                and directory.name not in _SESSIONS
                and marker.is_ours(directory)
                and manifest.is_file()
                and now - manifest.stat().st_mtime > KEPT_SECONDS
                and keeper().load(directory.name) is None
            ):
                shutil.rmtree(directory, ignore_errors=True)
