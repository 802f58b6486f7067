"""The database opens the same way every time, on SQLite and PostgreSQL, whoever else does too."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from databases import python, url  # noqa: F401
from sqlalchemy import create_engine, text

from rlhf_core.common.errors import BundleError, StoreError
from rlhf_core.store import job_tables, preparing, room_tables, session_rows
from rlhf_core.store.database import Database, url_of
from rlhf_core.store.migrations import PLACE, VERSIONS
from rlhf_core.store.tables import Base


@pytest.fixture
def database(url):  # noqa: F811
    database = Database(url, patience=2)
    yield database
    database.close()


# --- which ----------------------------------------------------------------------------------------


def test_a_file_in_the_runs_folder_or_what_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    odd = tmp_path / "a b?c#d%20é"
    assert Database(url_of(odd)).file == odd / "opossum.db"
    monkeypatch.setenv("DATABASE_URL", " ")
    assert Database(url_of(odd)).file == odd / "opossum.db"
    monkeypatch.setenv("DATABASE_URL", "postgres://me:secret@db.example/opossum")
    assert Database(url_of(odd)).file is None and not odd.exists()


@pytest.mark.parametrize("name", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_has_several_names_and_one_driver(name):
    read = Database(f"{name}://me:secret@db.example/opossum").url
    assert (read.drivername, read.password) == ("postgresql+psycopg", "secret")


@pytest.mark.parametrize("wrong", ["mysql://me:secret@db/x", "secret", "sqlite://", "http://:x/y"])
def test_another_address_is_refused_in_words_without_the_password(wrong):
    with pytest.raises(StoreError, match="DATABASE_URL has to look like") as told:
        Database(wrong)
    assert "secret" not in str(told.value) and told.value.kind == "settings"


def test_it_is_an_error_that_who_saves_expects():
    assert issubclass(StoreError, BundleError)


# --- opened ---------------------------------------------------------------------------------------


def test_nothing_is_touched_before_it_is_used(tmp_path):
    Database(f"sqlite:///{tmp_path}/runs/opossum.db")
    assert not list(tmp_path.iterdir())


def test_it_prepares_itself_and_a_second_time_changes_nothing(database):
    with database.look() as db:
        assert session_rows.about(db, "s") is None
    with database.change() as db:
        assert session_rows.create(db, "s", {"seed": 1})
    database.prepare()
    other = Database(database.url.render_as_string(hide_password=False))
    other.prepare()
    with other.look() as db:
        assert session_rows.about(db, "s") == {"seed": 1}
    other.close()


def test_the_file_is_its_owners_and_written_ahead(tmp_path):
    before = os.umask(0)
    try:
        database = Database(f"sqlite:///{tmp_path}/deep/runs/opossum.db")
        with database.change() as db:
            session_rows.create(db, "s", {})
            pragmas = ("journal_mode", "synchronous", "foreign_keys")
            assert [db.scalar(text(f"PRAGMA {name}")) for name in pragmas] == ["wal", 1, 1]
            found = {path.name: path.stat().st_mode for path in database.file.parent.iterdir()}
    finally:
        os.umask(before)
    assert {"opossum.db", "opossum.db-wal", "opossum.db-shm"} == set(found)
    assert {stat.S_IMODE(mode) for mode in found.values()} == {0o600}
    assert stat.S_IMODE(database.file.parent.stat().st_mode) == 0o700


def test_a_change_that_fails_leaves_no_trace_and_a_look_never_does(database):
    with pytest.raises(ZeroDivisionError), database.change() as db:
        session_rows.create(db, "s", {})
        raise ZeroDivisionError
    with database.look() as db:
        session_rows.create(db, "t", {})
    with database.look() as db:
        assert (session_rows.about(db, "s"), session_rows.about(db, "t")) == (None, None)


def test_a_look_sees_one_moment(database):
    with database.change() as db:
        session_rows.create(db, "s", {"seed": 1})
    with database.look() as reading:
        assert session_rows.about(reading, "s") == {"seed": 1}
        with database.change() as db:
            session_rows.set_about(db, "s", {"seed": 2})
        assert session_rows.about(reading, "s") == {"seed": 1}
    with database.look() as db:
        assert session_rows.about(db, "s") == {"seed": 2}


def test_many_threads_write_and_read_at_once(database):
    def work(name: str) -> None:
        for _ in range(5):
            with database.change() as db:
                session_rows.create(db, name, {})
            with database.look() as db:
                assert session_rows.about(db, name) == {}

    with ThreadPoolExecutor(30) as pool:
        list(pool.map(work, [f"s{i}" for i in range(30)]))
    with database.look() as db:
        assert db.scalar(text("SELECT count(*) FROM sessions")) == 30


def test_a_value_that_json_cannot_hold_is_the_callers_mistake(database):
    with pytest.raises(TypeError, match="not JSON serializable"), database.change() as db:
        session_rows.create(db, "s", {"tensor": object()})


def test_a_start_that_has_nothing_to_do_imports_no_alembic(tmp_path):
    code = """
        import sys
        from rlhf_core.store import blob_rows, blobs, database, session_rows
        blobs.Blobs(sys.argv[2]).put(b"x")
        database.Database(sys.argv[1]).prepare()
        heavy = {"alembic", "torch", "streamlit", "fsspec", "psycopg", "numpy"}
        print(sorted(heavy & set(sys.modules)))
        """
    place = f"sqlite:///{tmp_path}/opossum.db"
    for expected in ("['alembic']\n", "[]\n"):
        with python(code, place, tmp_path / "blobs") as process:
            said, wrong = process.communicate(timeout=120)
        assert said == expected, wrong


# --- its tables, version by version ---------------------------------------------------------------


def test_the_migrations_make_what_the_tables_say(database):
    database.prepare()
    engine = create_engine(database.url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
        assert job_tables.JobRow.__table__ in Base.metadata.sorted_tables
        assert room_tables.RoomRow.__table__ in Base.metadata.sorted_tables
    engine.dispose()
    assert found == []


def test_the_versions_are_alembics():
    config = Config()
    config.set_main_option("script_location", str(PLACE))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(VERSIONS)
    assert scripts.get_heads() == [VERSIONS[-1]]


def test_a_newer_versions_database_is_left_alone(database, url):  # noqa: F811
    with database.change() as db:
        session_rows.create(db, "s", {})
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    other = Database(url)
    for _ in range(2):
        with pytest.raises(StoreError, match="newer version of Opossum") as told:
            other.prepare()
        assert told.value.kind == "newer"
        with pytest.raises(StoreError, match="newer version"):  # nor by who was there before
            with database.change() as db:
                session_rows.set_about(db, "s", {"from": "an older version"})
    with create_engine(database.url).begin() as connection:
        query = text("UPDATE alembic_version SET version_num = :version")
        connection.execute(query, {"version": VERSIONS[-1]})
    for one in (database, other):
        with one.change() as db:
            assert session_rows.about(db, "s") == {}
        one.close()


NEXT = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "9999", "{last}"
def upgrade():
    with op.batch_alter_table("sessions", recreate="auto") as batch:
        batch.add_column(sa.Column("place", sa.Text, nullable=False, server_default="home"))
        batch.alter_column("about", new_column_name="told")
    fails = {fails}
    assert not fails
"""


@pytest.fixture
def next_version(tmp_path, monkeypatch):
    """``next_version(fails)``: from here on, this is a version that changes a table."""

    def begin(fails: bool) -> None:
        shutil.copytree(PLACE, tmp_path / "migrations", dirs_exist_ok=True)
        place = tmp_path / "migrations" / "versions" / "v9999_next.py"
        place.write_text(NEXT.format(fails=fails, last=VERSIONS[-1]), encoding="utf-8")
        monkeypatch.setattr(preparing, "PLACE", tmp_path / "migrations")
        monkeypatch.setattr(preparing, "VERSIONS", (*VERSIONS, "9999"))

    return begin


def test_a_new_version_keeps_all_there_is_and_happens_whole_or_not_at_all(
    database,
    url,  # noqa: F811
    next_version,
):
    with database.change() as db:
        session_rows.create(db, "s", {"seed": 1})
        rows = {"r": session_rows.Records(0, [{"n": 1}])}
        session_rows.write(db, "s", "p", expected=0, body={}, records=rows)
    newer = Database(url)
    next_version(fails=True)
    with pytest.raises(AssertionError):
        newer.prepare()
    with database.look() as db:
        assert session_rows.about(db, "s") == {"seed": 1}
        assert session_rows.read(db, "s")["p"].lists == {"r": [{"n": 1}]}
    next_version(fails=False)
    with newer.look() as db:
        query = text("SELECT told, place, seen_ms > 0 FROM sessions")
        assert db.execute(query).all() == [('{"seed":1}', "home", True)]
        assert session_rows.read(db, "s")["p"].lists == {"r": [{"n": 1}]}
        assert db.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
    if newer.file:
        with newer.look() as db:
            assert db.execute(text("PRAGMA foreign_key_check")).all() == []
    newer.close()


def test_threads_of_one_process_prepare_at_once(database, url):  # noqa: F811
    databases = [database, *(Database(url) for _ in range(5))]
    together = threading.Barrier(12)

    def prepare(one: Database) -> None:
        together.wait(30)
        one.prepare()

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(prepare, databases * 2))
    for one in databases:
        with one.look() as db:
            assert session_rows.about(db, "s") is None
        one.close()


PREPARE = """
    import sys
    from rlhf_core.store import preparing, session_rows
    from rlhf_core.store.database import Database
    database = Database(sys.argv[1])
    print("here", flush=True)
    sys.stdin.readline()
    database.prepare()
    with database.change() as db:
        assert session_rows.create(db, sys.argv[2], {})
    """


@pytest.mark.parametrize("again", range(2))
def test_processes_prepare_at_once(url, again):  # noqa: F811
    processes = [python(PREPARE, url, f"s{i}") for i in range(4)]
    for process in processes:
        assert process.stdout.readline() == "here\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        _, wrong = process.communicate(timeout=120)
        assert process.returncode == 0, wrong
    database = Database(url)
    with database.look() as db:
        assert db.scalar(text("SELECT count(*) FROM sessions")) == 4
        assert list(db.scalars(text("SELECT version_num FROM alembic_version"))) == [VERSIONS[-1]]
    database.close()
