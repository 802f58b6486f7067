"""A database that is locked, read-only, full, gone, replaced or damaged says so in one sentence,
loses nothing, and serves again when the weather is better, without a restart.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from databases import postgres, python, url  # noqa: F401
from sqlalchemy import text
from weather import as_nobody, open_path, small_disk  # noqa: F401

from rlhf_core.common.errors import StoreError
from rlhf_core.store import session_rows
from rlhf_core.store.database import Database
from rlhf_core.store.session_rows import Records


def opened(url: str, **options) -> Database:  # noqa: F811
    """A database that holds the session "s"."""
    database = Database(url, **{"patience": 2, **options})
    with database.change() as db:
        session_rows.create(db, "s", {"seed": 0})
    return database


@pytest.fixture
def database(url):  # noqa: F811
    database = opened(url)
    yield database
    database.close()


@pytest.fixture
def file_database(tmp_path):
    database = opened(f"sqlite:///{tmp_path}/runs/opossum.db")
    yield database
    database.close()


@pytest.fixture
def server_database():
    database = opened(postgres().new_database())
    yield database
    database.close()


def name_of(database: Database) -> str:
    return database.url.database


def seed(database: Database, value: int | None = None) -> int:
    """The seed of "s", written first where one is given."""
    if value is not None:
        with database.change() as db:
            assert session_rows.lock(db, "s")
            session_rows.set_about(db, "s", {"seed": value})
    with database.look() as db:
        return session_rows.about(db, "s")["seed"]


def says(kind: str, act, *arguments) -> str:
    """The one sentence that ``act`` ends in."""
    with pytest.raises(StoreError) as told:
        act(*arguments)
    sentence = str(told.value)
    assert told.value.kind == kind, sentence
    assert told.value.__context__ is None or told.value.__suppress_context__
    assert re.fullmatch(r"[A-Z][^\n/]+\.", sentence)
    assert not re.search("SELECT|INSERT|UPDATE|BEGIN|sqlite|psycopg|Error", sentence)
    return sentence


# --- locked ---------------------------------------------------------------------------------------

HOLD = """
    import sys
    from rlhf_core.store import session_rows
    from rlhf_core.store.database import Database
    with Database(sys.argv[1]).change() as db:
        session_rows.lock(db, "s")
        session_rows.set_about(db, "s", {"seed": 9})
        print("here", flush=True)
        sys.stdin.readline()
    """


def test_locked_by_another_process(database, url):  # noqa: F811
    hurried = Database(url, patience=0.3)
    hurried.prepare()
    with python(HOLD, url) as holder:
        assert holder.stdout.readline() == "here\n", holder.stderr.read()
        began = time.monotonic()
        assert "try again" in says("busy", seed, hurried, 5)
        assert 0.3 <= time.monotonic() - began < 20
        assert seed(hurried) == seed(database) == 0  # reading waits for nobody
        holder.communicate("\n", timeout=30)
    assert seed(hurried) == 9 and seed(hurried, 5) == seed(database) == 5
    hurried.close()


def test_who_is_killed_while_writing_leaves_no_trace_and_no_lock(database, url):  # noqa: F811
    with python(HOLD, url) as holder:
        assert holder.stdout.readline() == "here\n", holder.stderr.read()
        holder.kill()
    assert seed(database) == 0 and seed(database, 5) == 5


def test_a_second_change_in_the_same_thread_is_told_and_not_hung(tmp_path):
    database = opened(f"sqlite:///{tmp_path}/opossum.db", patience=0.2)
    with database.change():
        says("busy", seed, database, 5)
    assert seed(database, 5) == 5
    database.close()


# --- read-only ------------------------------------------------------------------------------------


def test_a_file_that_may_only_be_read(open_path):  # noqa: F811
    runs = open_path / "runs"
    database = opened(f"sqlite:///{runs}/opossum.db")
    with as_nobody(runs):
        other = Database(str(database.url))
        assert seed(other) == 0
        said = says("read-only", seed, other, 5)
        assert "right to write" in said and "another place (OPOSSUM_RUNS" in said
        assert seed(other) == 0
    assert seed(other, 5) == 5 and seed(database, 6) == 6
    for one in (database, other):
        one.close()


def test_a_folder_that_may_only_be_read_and_holds_no_database(open_path):  # noqa: F811
    (open_path / "runs").mkdir()
    database = Database(f"sqlite:///{open_path}/runs/opossum.db")
    with as_nobody(open_path / "runs"):
        says("read-only", database.prepare)
    opened(str(database.url)).close()
    assert seed(database, 5) == 5
    database.close()


def test_a_server_that_may_only_be_read(server_database):
    name = name_of(server_database)
    postgres().sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    server_database.close()
    assert seed(server_database) == 0
    says("read-only", seed, server_database, 5)
    postgres().sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert seed(server_database, 5) == 5


def test_somebody_who_may_only_read(server_database):
    server, name = postgres(), name_of(server_database)
    server.sql("CREATE ROLE reader LOGIN")
    server.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", name)
    reader = Database(server_database.url.set(username="reader").render_as_string(False))
    assert seed(reader) == 0
    says("read-only", seed, reader, 5)
    server.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO reader", name)
    assert seed(reader, 5) == 5
    reader.close()
    server.sql("DROP OWNED BY reader", name)
    server.sql("DROP ROLE reader")


# --- full -----------------------------------------------------------------------------------------


def grow(database: Database, megabytes: int = 32) -> None:
    """Records, a megabyte a write, until they are in or something is said."""
    for _ in range(megabytes):
        with database.change() as db:
            version = session_rows.versions(db, "s").get("p", 0)
            added = [{"text": os.urandom(500).hex()} for _ in range(1000)]
            changes = {"r": Records(1000 * version, added)}
            session_rows.write(db, "s", "p", expected=version, body={"n": 1}, records=changes)


def whole(database: Database) -> bool:
    """Whether every write is there whole or not at all."""
    with database.look() as db:
        part = session_rows.read(db, "s")["p"]
    return part.version > 0 and len(part.lists["r"]) == 1000 * part.version


def test_a_disk_that_is_full(small_disk):  # noqa: F811
    filler = small_disk / "filler"
    filler.write_bytes(bytes(9_000_000))
    database = opened(f"sqlite:///{small_disk}/runs/opossum.db")
    for _ in range(2):
        assert "disk is full" in says("full", grow, database)
        assert seed(database) == 0 and whole(database)
    filler.unlink()
    assert seed(database, 5) == 5
    with database.change() as db:
        session_rows.delete(db, "s")
        session_rows.create(db, "s", {"seed": 1})
    grow(database, 1)  # what was deleted left room
    assert whole(database)
    database.close()


def test_a_disk_that_is_full_before_there_is_a_database(small_disk):  # noqa: F811
    with pytest.raises(OSError):
        (small_disk / "filler").write_bytes(bytes(20_000_000))
    database = Database(f"sqlite:///{small_disk}/runs/opossum.db")
    says("full", database.prepare)
    (small_disk / "filler").unlink()
    opened(str(database.url)).close()
    assert seed(database) == 0
    database.close()


def test_a_servers_disk_that_is_full(small_disk):  # noqa: F811
    server = postgres()
    place = small_disk / "space"
    place.mkdir()
    shutil.chown(place, server.user)
    server.sql(f"CREATE TABLESPACE small LOCATION '{place}'")
    database = opened(server.new_database())
    for table in ("records", "parts"):
        server.sql(f"ALTER TABLE {table} SET TABLESPACE small", name_of(database))
    assert "disk is full" in says("full", grow, database)
    assert seed(database, 1) == 1 and whole(database)
    server.sql("ALTER TABLE records SET TABLESPACE pg_default", name_of(database))
    grow(database, 1)
    assert whole(database) and seed(database, 5) == 5
    database.close()
    server.sql(f"DROP DATABASE {name_of(database)}")
    server.sql("DROP TABLESPACE small")


# --- gone, and back -------------------------------------------------------------------------------


def test_a_file_that_goes_and_comes_back_is_not_made_anew_meanwhile(file_database):
    place, away = file_database.file, file_database.file.parent.with_name("away")
    assert seed(file_database, 3) == 3
    place.parent.rename(away)
    for _ in range(2):
        assert "out of reach" in says("gone", seed, file_database)
        says("gone", seed, file_database, 5)
        says("gone", file_database.prepare)
    assert not place.parent.exists()
    away.rename(place.parent)
    assert seed(file_database) == 3 and seed(file_database, 5) == 5


def test_a_file_that_another_takes_the_place_of(file_database, tmp_path):
    backup = tmp_path / "backup.db"
    with file_database.look() as db:
        db.connection().connection.cursor().execute("COMMIT")
        db.connection().connection.cursor().execute("VACUUM INTO ?", (str(backup),))
    assert seed(file_database, 3) == 3
    file_database.close()  # as a person would who puts a backup in its place: no -wal is left
    backup.replace(file_database.file)
    assert seed(file_database) == 0 and seed(file_database, 5) == 5
    empty = tmp_path / "empty.db"
    empty.touch()
    other = Database(str(file_database.url))
    assert seed(other) == 5
    for database in (file_database, other):
        database.close()
    empty.replace(file_database.file)
    with file_database.look() as db:  # its tables were made
        assert session_rows.about(db, "s") is None
    other.close()


def test_a_file_replaced_under_open_connections(file_database, tmp_path):
    other = opened(f"sqlite:///{tmp_path}/other.db")
    assert seed(other, 7) == 7
    other.close()
    for suffix in ("-wal", "-shm"):
        file_database.file.with_name(f"opossum.db{suffix}").unlink(missing_ok=True)
    (tmp_path / "other.db").replace(file_database.file)
    assert seed(file_database) == 7 and seed(file_database, 8) == 8
    copy = Database(str(file_database.url))
    assert seed(copy) == 8  # it was written to the file that is there
    copy.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_server_that_stops_and_starts(server_database, how):
    assert seed(server_database, 3) == 3
    with pytest.raises(StoreError) as told, server_database.change() as db:
        session_rows.set_about(db, "s", {"seed": 4})
        postgres().stop(how)
        session_rows.set_about(db, "s", {"seed": 5})
    assert told.value.kind == "gone"
    for _ in range(2):
        assert "out of reach" in says("gone", seed, server_database)
        says("gone", seed, server_database, 5)
        says("gone", Database(server_database.url.render_as_string(False)).prepare)
    postgres().start()
    assert seed(server_database) == 3 and seed(server_database, 6) == 6


def test_a_server_that_does_not_answer(server_database):
    place = server_database.url.render_as_string(False)
    database, other = Database(place, patience=1), opened(place, patience=1)
    other.close()
    postgres().process.send_signal(signal.SIGSTOP)
    try:
        says("gone", database.prepare)
        began = time.monotonic()
        with ThreadPoolExecutor(20) as pool:  # one waits for the server, the others for that one
            asked = [pool.submit(seed, other) for _ in range(20)]
        kinds = {one.exception().kind for one in asked}
        assert kinds == {"gone", "busy"} and time.monotonic() - began < 20
    finally:
        postgres().process.send_signal(signal.SIGCONT)
    assert seed(database, 3) == seed(other) == 3
    for one in (database, other):
        one.close()


def test_connections_that_the_server_closed(server_database):
    assert seed(server_database, 3) == 3
    postgres().sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{name_of(server_database)}'"
    )
    assert seed(server_database) == 3 and seed(server_database, 4) == 4


def test_a_database_that_the_server_does_not_have():
    place = postgres().new_database().replace("/test_", "/none_")
    says("gone", Database(place).prepare)


# --- damaged --------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["its head", "its pages", "all"])
def test_a_file_that_is_damaged(file_database, part):
    with file_database.change() as db:
        rows = {"r": Records(0, [{"text": "x" * 500}] * 200)}
        session_rows.write(db, "s", "p", expected=0, body={}, records=rows)
    file_database.close()
    place = file_database.file
    good = place.read_bytes()
    garbage = bytes((i * 37 + 11) % 251 for i in range(len(good)))
    bad = {
        "its head": garbage[:100] + good[100:],
        "its pages": good[:4096] + garbage[4096:],
        "all": b"not a database" * 100,
    }
    place.write_bytes(bad[part])
    for _ in range(2):
        assert "backup" in says("damaged", seed, file_database)
        says("damaged", seed, file_database, 5)
        says("damaged", seed, Database(str(file_database.url)))
    file_database.close()
    place.write_bytes(good)
    assert seed(file_database) == 0 and seed(file_database, 5) == 5


def test_a_servers_table_that_is_damaged(server_database):
    server, name = postgres(), name_of(server_database)
    file = server.data / server.sql("SELECT pg_relation_filepath('sessions')", name)
    server.sql("CHECKPOINT")
    server_database.close()
    server.stop()
    good = file.read_bytes()
    file.write_bytes(b"\xa5" * len(good))
    server.start()
    says("damaged", seed, server_database)
    says("damaged", seed, server_database, 5)
    server.stop()
    file.write_bytes(good)
    server.start()
    assert seed(server_database) == 0 and seed(server_database, 5) == 5


def test_tables_that_are_not_there(database):
    with database.change() as db:
        db.execute(text("DROP TABLE blob_refs"))
        db.execute(text("ALTER TABLE judgements RENAME TO elsewhere"))
    with pytest.raises(StoreError, match="report this mistake") as told:
        with database.look() as db:
            session_rows.read(db, "s")
    assert told.value.kind == "refused" and "elsewhere" not in str(told.value)
    with database.change() as db:
        db.execute(text("ALTER TABLE elsewhere RENAME TO judgements"))
    with database.look() as db:
        assert session_rows.read(db, "s") == {}
