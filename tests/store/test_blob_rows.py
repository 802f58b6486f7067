"""Who refers to a blob keeps it; what nobody refers to goes, but never a young one."""

from __future__ import annotations

import os
import time

import pytest
from databases import python, url  # noqa: F401
from sqlalchemy import text

from rlhf_core.store import blob_rows, session_rows
from rlhf_core.store.blobs import Blobs
from rlhf_core.store.database import Database


@pytest.fixture
def database(url):  # noqa: F811
    database = Database(url, patience=20)
    with database.change() as db:
        for session_id in ("s", "t"):
            session_rows.create(db, session_id, {})
    yield database
    database.close()


@pytest.fixture
def blobs(tmp_path) -> Blobs:
    return Blobs(str(tmp_path / "blobs"))


def keep(database: Database, blobs: Blobs, session_id: str, name: str, data: bytes) -> str:
    sha256 = blobs.put(data)
    with database.change() as db:
        blob_rows.refer(db, session_id, name, sha256, len(data))
    return sha256


def collect(database: Database, blobs: Blobs) -> int:
    return blob_rows.collect(database, blobs, older_than_s=0)


def test_names_are_a_sessions_own_and_bytes_are_counted_once(database, blobs):
    one = keep(database, blobs, "s", "policy", b"1" * 100)
    keep(database, blobs, "s", "start", b"1" * 100)
    two = keep(database, blobs, "t", "policy", b"2" * 50)
    keep(database, blobs, "t", "start", b"1" * 100)
    with database.look() as db:
        assert blob_rows.names(db, "s") == {"policy": one, "start": one}
        assert blob_rows.names(db, "t") == {"policy": two, "start": one}
        assert blob_rows.sha_of(db, "t", "policy") == two
        assert blob_rows.sha_of(db, "t", "none") is blob_rows.sha_of(db, "u", "policy") is None
        assert (blob_rows.bytes_of(db, "s"), blob_rows.bytes_of(db, "t")) == (100, 150)
        assert (blob_rows.total_bytes(db), blob_rows.bytes_of(db, "u")) == (150, 0)


def test_a_name_may_come_to_mean_other_bytes(database, blobs):
    old = keep(database, blobs, "s", "policy", b"old")
    new = keep(database, blobs, "s", "policy", b"new")
    with database.look() as db:
        assert blob_rows.names(db, "s") == {"policy": new}
    assert collect(database, blobs) == 1 and list(blobs) == [new] and not blobs.has(old)


def test_what_is_referred_to_stays_until_the_last_lets_go(database, blobs):
    shared = keep(database, blobs, "s", "a", b"shared")
    keep(database, blobs, "t", "b", b"shared")
    own = keep(database, blobs, "s", "c", b"own")
    assert collect(database, blobs) == 0
    with database.change() as db:
        blob_rows.release(db, "s", ["c", "none"])
    assert collect(database, blobs) == 1 and list(blobs) == [shared] and not blobs.has(own)
    with database.change() as db:
        blob_rows.release(db, "s")
    assert collect(database, blobs) == 0 and blobs.get(shared) == b"shared"
    with database.change() as db:
        session_rows.delete(db, "t")
    assert collect(database, blobs) == 1 and list(blobs) == []
    with database.look() as db:
        assert blob_rows.total_bytes(db) == 0


def test_a_session_that_is_gone_refers_to_nothing(database, blobs):
    with pytest.raises(session_rows.Gone):
        keep(database, blobs, "never", "a", b"x")
    with database.look() as db:
        assert blob_rows.total_bytes(db) == 0


def test_a_blob_that_nobody_has_referred_to_yet_is_left_alone_while_it_is_young(database, blobs):
    sha256 = blobs.put(b"under way")
    assert blob_rows.collect(database, blobs) == 0 and blobs.has(sha256)
    os.utime(blobs.file(sha256), (time.time() - 7200,) * 2)
    assert blob_rows.collect(database, blobs) == 1 and not blobs.has(sha256)


def test_one_let_go_a_moment_ago_stays_while_it_is_young(database, blobs):
    sha256 = keep(database, blobs, "s", "a", b"data")
    with database.change() as db:
        blob_rows.release(db, "s")
    assert blob_rows.collect(database, blobs) == 0 and blobs.has(sha256)
    with database.look() as db:
        assert blob_rows.total_bytes(db) == 4


def test_bytes_that_are_missing_are_no_obstacle(database, blobs):
    sha256 = keep(database, blobs, "s", "a", b"data")
    blobs.delete(sha256)
    assert collect(database, blobs) == 0
    keep(database, blobs, "s", "a", b"data")
    assert blobs.get(sha256) == b"data"


COLLECT = """
    import sys
    from rlhf_core.store import blob_rows
    from rlhf_core.store.blobs import Blobs
    from rlhf_core.store.database import Database
    database, blobs, collected = Database(sys.argv[1], patience=30), Blobs(sys.argv[2]), 0
    print("here", flush=True)
    while not __import__("select").select([sys.stdin], [], [], 0)[0]:
        collected += blob_rows.collect(database, blobs, older_than_s=60)
    print(collected)
    """


def test_collecting_beside_those_who_put_takes_nothing_from_them(database, blobs, url):  # noqa: F811
    collector = python(COLLECT, url, str(blobs.file(blobs.put(b"")).parent))
    assert collector.stdout.readline() == "here\n", collector.stderr.read()
    until, rounds = time.monotonic() + 8, 0
    while time.monotonic() < until:
        rounds += 1
        data = str(rounds % 3).encode()
        sha256 = keep(database, blobs, "s", "a", data)
        assert blobs.get(sha256) == data
        with database.change() as db:  # let go long ago
            blob_rows.release(db, "s")
            db.execute(text("UPDATE blobs SET touched_ms = 0"))
        if place := blobs.file(sha256):
            os.utime(place, (1e9, 1e9))
    said, wrong = collector.communicate("\n", timeout=60)
    assert collector.returncode == 0, wrong
    assert rounds > 10 and int(said) > 3
