"""What a database says when it cannot go on, as one sentence by kind.

No sentence holds SQL, a path, an address or what somebody wrote.
"""

from __future__ import annotations

import errno

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from rlhf_core.common.errors import StoreError

SENTENCES = {
    "busy": "The database is busy with somebody else's work: try again in a moment.",
    "read-only": (
        "The database may only be read: whoever runs Opossum has to give it the right to write, or"
        " another place (OPOSSUM_RUNS: a folder, DATABASE_URL: a server)."
    ),
    "full": "The database's disk is full: whoever runs Opossum has to make room on it.",
    "gone": "The database is out of reach: try again when it is back.",
    "damaged": (
        "The database is damaged: whoever runs Opossum has to put a backup in its place, or to move"
        " it away and start anew."
    ),
    "newer": (
        "The database was written by a newer version of Opossum: run that version, or name another"
        " database."
    ),
}

# The first letters of an error's name in SQLite, and of its code in PostgreSQL (appendix A of its
# manual); the first that fits counts.
KINDS = {
    "SQLITE_BUSY": "busy",
    "SQLITE_LOCKED": "busy",
    "SQLITE_PROTOCOL": "busy",
    "SQLITE_READONLY_DBMOVED": "gone",
    "SQLITE_READONLY": "read-only",
    "SQLITE_PERM": "read-only",
    "SQLITE_AUTH": "read-only",
    "SQLITE_FULL": "full",
    "SQLITE_IOERR_SHMSIZE": "full",
    "SQLITE_IOERR_CORRUPTFS": "damaged",
    "SQLITE_IOERR": "gone",
    "SQLITE_CANTOPEN": "gone",
    "SQLITE_CORRUPT": "damaged",
    "SQLITE_NOTADB": "damaged",
    "55P03": "busy",  # a lock was not to be had
    "40": "busy",  # deadlock, or two that cannot both have been
    "57014": "busy",  # took too long
    "53300": "busy",  # too many connections
    "25006": "read-only",
    "42501": "read-only",  # no right to
    "53": "full",
    "57P": "gone",  # shut down, or starting
    "58": "damaged",  # a file of its own is missing or unreadable
    "XX": "damaged",
    "08": "gone",
    "28": "gone",  # refuses this user
    "3D": "gone",  # no database of this name
}

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)
NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)


def store_error(kind: str) -> StoreError:
    return StoreError(SENTENCES[kind], kind)


def told(error: Exception) -> Exception:
    """The error to raise instead of SQLAlchemy's or a driver's. A value that JSON cannot hold is
    our own mistake, and stays.
    """
    if isinstance(error, PoolTimeout):
        return store_error("busy")
    cause = getattr(error, "orig", None) or error
    if isinstance(error, SQLAlchemyError) and not isinstance(error, DBAPIError):
        return cause
    name = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""
    for start, kind in KINDS.items():
        if name.startswith(start):
            return store_error(kind)
    kinds_of_error = {one.__name__ for one in type(cause).__mro__}
    if not name and kinds_of_error & {"OperationalError", "InterfaceError"}:
        return store_error("gone")  # a connection that was refused or broke has no code
    what = f"{type(cause).__name__} {name}".strip()
    return StoreError(
        f"The database refused what Opossum asked of it ({what}): please report this mistake."
    )


def told_by_system(error: OSError) -> StoreError:
    """For what the operating system says of a database's folder or file."""
    if error.errno in FULL:
        return store_error("full")
    return store_error("read-only" if error.errno in NO_RIGHT else "gone")
