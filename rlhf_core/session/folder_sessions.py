"""Folders of before there was a database: a session's bundle, taken into the database once.

The folder stays as it is: until the session goes, where the app made it; for good, where a person
put it there. Imports no torch: weights go from file to blob as they are.
"""

from __future__ import annotations

from pathlib import Path

from rlhf_core.common.errors import BundleError
from rlhf_core.session import folder_weights, saving, weights
from rlhf_core.session.in_database import InDatabase
from rlhf_core.session.state import Session
from rlhf_core.store import bundle, marker
from rlhf_core.store.plain_files import bytes_of
from rlhf_core.store.public_id import public_id

MOST_WEIGHTS = 4_000_000_000  # bytes of a file


def taken_in(store: InDatabase, directory: Path) -> Session | None:
    """The session that ``directory`` holds, in the database from now on; None where there is no
    bundle that can be read. Raises StoreError.
    """
    if not (directory / bundle.RUN).is_file():
        return None
    try:
        session = saving.load(directory)
        files = files_of(session, directory)
    except (BundleError, ValueError):
        return None
    # So the app's folders were told before there was a marker: a bundle bears the public id.
    if public_id(session.id) == public_id(directory.name):
        marker.mark(directory)
    session.id, session.status, session.restartable = directory.name, "done", True
    session.store, session.on_disk = store, {}
    store.take_in(session, files)
    return session


def files_of(session: Session, directory: Path) -> dict[str, bytes]:
    """The bytes of the weights that the session names, by name."""
    roles = {name: role for role, name in session.on_disk.items() if role in bundle.WEIGHTS}
    found = {}
    for name in weights.in_use(session):
        if name in roles:
            file = bundle.WEIGHTS[roles[name]]
            found[name] = bytes_of(directory / file, MOST_WEIGHTS)
        elif (place := folder_weights.place_of(session, name)) and place.is_file():
            found[name] = bytes_of(place, MOST_WEIGHTS)
    return found
