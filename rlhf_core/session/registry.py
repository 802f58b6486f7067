"""The process's sessions, by their unguessable id: in memory while in use, on disk across reloads
and restarts.

Knows nothing about what a session does. Simplification: whoever knows the id has the session; there
are no accounts. Idle sessions are removed after a day, and at most ``MOST`` of them stay in memory
(the
longest idle leave first; their bundles stay on disk until they expire).
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from pathlib import Path

from rlhf_core.common.errors import BundleError
from rlhf_core.judging import briefs
from rlhf_core.lm import model_list
from rlhf_core.session import saving
from rlhf_core.session.state import Session
from rlhf_core.store import marker
from rlhf_core.store.public_id import public_id

KEPT_SECONDS, MOST = 24 * 3600, 150
_LOCK = threading.Lock()
_SESSIONS: dict[str, tuple[Session, float]] = {}
_SWEPT = 0.0


def folder() -> Path:
    """Where sessions live: OPOSSUM_RUNS, or ./runs."""
    return Path(os.environ.get("OPOSSUM_RUNS", "runs"))


def is_id(run_id: str | None) -> bool:
    """Could this be one of our ids? Nothing else may become a part of a path."""
    return re.fullmatch(r"[A-Za-z0-9_-]{16}", run_id or "") is not None


def create(brief: briefs.Brief | None = None) -> Session:
    """A fresh session; nothing is written before there is something to keep."""
    session = Session(brief, model_name=model_list.default())
    session.status = "done"  # nothing is under way before something begins
    session.directory, session.restartable = folder() / session.id, True
    session.store = saving.Folder(ours=True)
    with _LOCK:
        _SESSIONS[session.id] = (session, time.time())
    _sweep()
    return session


def get(run_id: str) -> Session | None:
    """The session with this id, from memory or else from disk; None where there is none (any more),
    or the id is not one of ours.
    """
    if not is_id(run_id):
        return None
    with _LOCK:
        if run_id in _SESSIONS:
            session = _SESSIONS[run_id][0]
            _SESSIONS[run_id] = (session, time.time())
            return session
        directory = folder() / run_id
        if not (directory / "run.json").is_file():
            return None
        try:
            session = saving.load(directory)
        except (BundleError, ValueError):
            return None
        session.status, session.restartable = "done", True
        # Before there was a marker, the app's folders could be told by bearing their session's id.
        named = public_id(session.id) == public_id(run_id)
        session.store = saving.Folder(ours=named or marker.is_ours(directory))
        session.id = run_id  # its bundle carries another
        _SESSIONS[run_id] = (session, time.time())
        return session


def delete(run_id: str) -> bool:
    """Forget a session and all it has on disk; a folder that the app did not make stays. Whether
    nothing of it is left.
    """
    with _LOCK:
        session, _ = _SESSIONS.pop(run_id, (None, 0.0))
    if session is not None and session.store is not None:
        session.store.delete(session)
    elif is_id(run_id) and marker.is_ours(folder() / run_id):  # only its bundle is left
        shutil.rmtree(folder() / run_id, ignore_errors=True)
    place = session.directory if session is not None else None
    return place is None or not place.exists()


def _sweep() -> None:
    """At most once a minute: drop idle sessions from memory, and their expired bundles from disk.

    Only folders that carry the app's marker. Sessions of a version without one stay until they are
    visited (they are marked then) or removed by hand: what a person put there looks the same.
    """
    global _SWEPT
    now = time.time()
    with _LOCK:
        if now - _SWEPT < 60:
            return
        _SWEPT = now
        idle = [run_id for run_id, (session, _) in _SESSIONS.items() if not session.under_way]
        idle.sort(key=lambda run_id: _SESSIONS[run_id][1])
        for left, run_id in zip(range(len(idle), 0, -1), idle, strict=True):
            if left > MOST or now - _SESSIONS[run_id][1] > KEPT_SECONDS:
                del _SESSIONS[run_id]
        kept = set(_SESSIONS)
    if folder().is_dir():
        for directory in folder().iterdir():
            manifest = directory / "run.json"
            if (
                is_id(directory.name)
                and directory.name not in kept
                and marker.is_ours(directory)
                and manifest.is_file()
                and now - manifest.stat().st_mtime > KEPT_SECONDS
            ):
                shutil.rmtree(directory, ignore_errors=True)
