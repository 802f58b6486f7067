"""The database: SQLite in the runs folder, or PostgreSQL by DATABASE_URL.

``with database.change() as db:`` writes, ``with database.look() as db:`` reads; ``db`` is an ORM
session for the functions of ``session_rows`` and ``blob_rows``. Every error of the database is a
StoreError. One that went away and came back serves at the next call. Knows nothing about what lies
in the tables.
"""

from __future__ import annotations

import math
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from rlhf_core.common.errors import StoreError
from rlhf_core.common.known import known
from rlhf_core.store import preparing
from rlhf_core.store.database_errors import store_error, told, told_by_system
from rlhf_core.store.plain_files import OWNERS, make_folder
from rlhf_core.store.turns import Turns

FILE = "opossum.db"
CONNECTIONS = 10  # of a process, at most; threads wait for one
LARGEST_LOG = 16 * 2**20  # bytes that SQLite's write-ahead log keeps after a large import
MIGRATION_PATIENCE = 60.0  # seconds for which a process waits until another has made the tables
ANEW = ("gone", "damaged", "newer", "refused", "read-only")  # after these, connections are new


def url_of(runs: Path) -> str:
    """DATABASE_URL, or else a file in the folder of runs."""
    given = os.environ.get("DATABASE_URL", "").strip()
    return given or URL.create("sqlite", database=str(Path(runs) / FILE)).render_as_string()


def _read_url(url: str) -> URL:
    """``url``, with the driver that is meant. Raises StoreError."""
    wanted = "DATABASE_URL has to look like postgresql://user:password@host/name"
    try:
        read = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError(f"{wanted}: it cannot be read as it stands.", "settings") from None
    kind = read.drivername.partition("+")[0]
    if kind in ("postgres", "postgresql"):
        return read.set(drivername="postgresql+psycopg")
    if kind == "sqlite" and read.database and read.database != ":memory:":
        return read.set(drivername="sqlite")
    raise StoreError(f"{wanted}, or like sqlite:////folder/{FILE}.", "settings")


class _Ready(NamedTuple):
    """What a transaction needs: the engine, as it writes and as it reads, and what it was made for
    (``Database._present``).
    """

    engine: Engine
    writer: Engine
    reader: Engine
    present: object


class Database:
    """One database, for all threads of a process.

    Args:
        url: as ``url_of`` gives it.
        patience: seconds to wait for others who write, and for a server to answer.
    """

    def __init__(self, url: str, *, patience: float = 5.0):
        self.url = _read_url(url)
        self.patience = patience
        lite = self.url.drivername == "sqlite"
        self.file = Path(known(self.url.database)) if lite else None
        self._preparing = threading.RLock()
        self._connections = Turns(CONNECTIONS)
        self._writers = Turns(1 if self.file else CONNECTIONS)  # SQLite lets those who wait poll
        self._ready: _Ready | None = None
        self._known = False  # it was there once, so where it is missing it is not made anew

    def prepare(self) -> None:
        """Make the folder and the tables, or bring them to this version. Threads and processes may
        do so at once; it is quick where nothing is to do.
        """
        self._usable()

    @contextmanager
    def change(self) -> Iterator[Session]:
        """A transaction that writes, or, where an error comes out of it, leaves no trace. On SQLite
        the only one at a time. Refused where a newer version has changed the tables meanwhile.
        """
        writer = self._usable().writer
        with self._in_words(), self._turn(writes=True), Session(writer) as db, db.begin():
            if not preparing.is_newest(db.connection()):  # somebody put an old one in its place
                self.close()
                raise store_error("busy")
            yield db

    @contextmanager
    def look(self) -> Iterator[Session]:
        """A transaction that reads, all of it as things stood at one moment."""
        reader = self._usable().reader
        with self._in_words(), self._turn(writes=False), Session(reader) as db:
            yield db

    def close(self) -> None:
        """Let go of every connection; a later call opens new ones."""
        with self._preparing:
            ready, self._ready = self._ready, None
            if ready is not None:
                ready.engine.dispose()

    # --- how it is opened -------------------------------------------------------------------------

    def _present(self) -> object:
        """The identity and rights of the file, which an open connection does not see change; None
        where it is missing. True for a server.
        """
        if not self.file:
            return True
        try:
            info = os.stat(self.file)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise told_by_system(error) from None
        return info.st_dev, info.st_ino, info.st_mode, info.st_uid

    def _usable(self) -> _Ready:
        ready = self._ready
        if ready is not None and ready.present == self._present():
            return ready
        patience = self.patience if self._known else MIGRATION_PATIENCE
        if not self._preparing.acquire(timeout=patience):
            raise store_error("busy")  # another thread has been trying to reach it
        try:
            with self._in_words():
                present = self._present()
                if self._ready is None or self._ready.present != present:
                    self.close()
                    self._ready = self._open(present)
                    self._known = True
                return self._ready
        finally:
            self._preparing.release()

    def _open(self, present: object) -> _Ready:
        if present is None:
            if self._known:
                raise store_error("gone")
            self._make_file()
        engine = self._new_engine(self.patience)
        try:
            if self.file:
                self._use_wal(engine)
            with engine.connect() as connection:
                ready = preparing.is_ready(connection)
            if not ready:
                self._bring_up_to_date()
        except BaseException:
            engine.dispose()
            raise
        reader = engine  # a read of SQLite's sees one moment as it is
        if not self.file:
            reader = engine.execution_options(isolation_level="REPEATABLE READ")
        writer = engine.execution_options(writes=True)
        return _Ready(engine, writer, reader, self._present())

    def _bring_up_to_date(self) -> None:
        patience = max(self.patience, MIGRATION_PATIENCE)
        engine = self._new_engine(patience, foreign_keys=False)
        try:
            preparing.bring_up_to_date(engine.execution_options(writes=True))
        finally:
            engine.dispose()

    def _make_file(self) -> None:
        """An empty file for the owner only; SQLite gives those beside it the same rights."""
        try:
            file = known(self.file)
            make_folder(file.absolute().parent)
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, OWNERS))
        except OSError as error:
            raise told_by_system(error) from None

    def _new_engine(self, patience: float, *, foreign_keys: bool = True) -> Engine:
        if self.file:
            return self._sqlite_engine(patience, foreign_keys)
        wait_ms = int(patience * 1000)
        arguments = {
            "connect_timeout": max(2, math.ceil(patience)),
            "tcp_user_timeout": max(2000, wait_ms) * 2,  # a host that vanished
            "keepalives_idle": 10,
        }
        try:
            engine = create_engine(
                self.url,
                connect_args={k: v for k, v in arguments.items() if k not in self.url.query},
                pool_pre_ping=True,
                hide_parameters=True,
                **self._pool(patience),
            )
        except ModuleNotFoundError:
            raise StoreError(
                "PostgreSQL needs its driver: pip install -r requirements-server.txt.", "settings"
            ) from None

        @event.listens_for(engine, "connect")
        def set_up(connection, _) -> None:
            connection.autocommit = True
            connection.execute(f"SET lock_timeout = {wait_ms}")
            connection.autocommit = False

        return engine

    def _pool(self, patience: float) -> dict:
        """Connections stay open: to open one costs more than what a page asks."""
        return {"pool_size": CONNECTIONS, "max_overflow": 0, "pool_timeout": patience}

    def _sqlite_engine(self, patience: float, foreign_keys: bool) -> Engine:
        # A file that is missing is not made.
        place = f"{known(self.file).absolute().as_uri()}?mode=rw"

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(
                place, uri=True, timeout=patience, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {LARGEST_LOG}")
            connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
            return connection

        engine = create_engine(
            self.url, creator=connect, hide_parameters=True, **self._pool(patience)
        )

        @event.listens_for(engine, "begin")
        def begin(connection) -> None:  # Python's sqlite3 would begin late, and not for a read
            writes = connection.get_execution_options().get("writes")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine

    def _use_wal(self, engine: Engine) -> None:
        """Readers and a writer at once, for good. The change wants the file for itself and does not
        wait for it as other commands do.
        """
        until = time.monotonic() + self.patience
        while True:
            connection = engine.raw_connection()
            try:
                mode = connection.cursor().execute("PRAGMA journal_mode").fetchone()[0]
                if mode != "wal":
                    connection.cursor().execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                name = error.sqlite_errorname
                if name.startswith("SQLITE_READONLY"):
                    return  # it can be read as it is
                if not name.startswith("SQLITE_BUSY") or time.monotonic() > until:
                    raise
                time.sleep(0.02)
            finally:
                connection.close()

    # --- in words, and in turn --------------------------------------------------------------------

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """What goes wrong inside as a StoreError. After what the next call should not trust, all
        connections are let go.
        """
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            sentence = told(error)
            if getattr(sentence, "kind", "") in ANEW:
                self.close()
            raise sentence from None
        except StoreError as error:
            if error.kind == "newer":
                self.close()
            raise

    @contextmanager
    def _turn(self, writes: bool) -> Iterator[None]:
        """Of those who write, then of all who need a connection."""
        with ExitStack() as turns:
            for line in (self._writers, self._connections)[not writes :]:
                if not turns.enter_context(line.turn(self.patience)):
                    raise store_error("busy")
            yield
