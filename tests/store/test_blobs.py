"""Blobs: bytes come back by their hash or not at all, from a folder or elsewhere."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import time

import fsspec
import pytest
from databases import python
from weather import as_nobody, open_path, small_disk  # noqa: F401

from rlhf_core.common.errors import StoreError
from rlhf_core.store.blobs import Blobs, place_of

DATA = b"weights \x00\xff" * 1000
NAME = hashlib.sha256(DATA).hexdigest()
HOUR_AGO = (time.time() - 3600,) * 2


@pytest.fixture(params=["folder", "file://", "memory://"])
def blobs(request, tmp_path) -> Blobs:
    """Places that fsspec's memory stands in for: object stores."""
    own = tmp_path.as_posix().lstrip("/") + "/deep/blobs"
    return Blobs(
        {"folder": f"/{own}", "file://": f"file:///{own}"}.get(request.param, f"memory://{own}")
    )


@pytest.fixture
def folder(tmp_path) -> Blobs:
    return Blobs(str(tmp_path / "blobs"))


def test_where_they_lie(tmp_path, monkeypatch):
    monkeypatch.delenv("OPOSSUM_BLOBS", raising=False)
    assert place_of(tmp_path) == str(tmp_path / "blobs")
    monkeypatch.setenv("OPOSSUM_BLOBS", "s3://bucket/blobs")
    assert place_of(tmp_path) == "s3://bucket/blobs"


def test_bytes_come_back_by_their_hash(blobs):
    assert (list(blobs), blobs.has(NAME), blobs.file(NAME)) == ([], False, None)
    assert blobs.put(DATA) == blobs.put(DATA) == NAME
    assert blobs.get(NAME) == DATA and blobs.has(NAME)
    empty = blobs.put(b"")
    assert sorted(blobs) == sorted([NAME, empty]) and blobs.get(empty) == b""
    assert blobs.delete(NAME) and not blobs.delete(NAME)
    assert list(blobs) == [empty] and not blobs.has(NAME)


def test_what_is_missing_is_said(blobs):
    blobs.put(b"another")
    with pytest.raises(StoreError, match="Kept weights are missing") as told:
        blobs.get(NAME)
    assert told.value.kind == "missing"


@pytest.mark.parametrize("wrong", ["../secret", "", NAME[:-1], NAME.upper(), f"{NAME}/..", None])
def test_a_name_that_is_none_leads_nowhere(blobs, wrong):
    blobs.put(DATA)
    assert not blobs.has(wrong) and blobs.file(wrong) is None and not blobs.delete(wrong)
    with pytest.raises(StoreError):
        blobs.get(wrong)


def test_a_young_one_is_not_deleted_by_age(blobs):
    blobs.put(DATA)
    assert not blobs.delete(NAME, older_than_s=60) and blobs.get(NAME) == DATA


# --- in a folder ----------------------------------------------------------------------------------


def test_a_file_to_map_is_its_owners(folder, tmp_path):
    before = os.umask(0)
    try:
        folder.put(DATA)
    finally:
        os.umask(before)
    place = folder.file(NAME)
    assert place == tmp_path / "blobs" / NAME and place.read_bytes() == DATA
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (place.parent, place)]
    assert modes == [0o700, 0o600]


def test_one_that_is_there_is_not_written_again_but_young_again(folder):
    folder.put(DATA)
    os.utime(folder.file(NAME), HOUR_AGO)
    before = folder.file(NAME).stat()
    folder.put(DATA)
    after = folder.file(NAME).stat()
    assert before.st_ino == after.st_ino and after.st_mtime > before.st_mtime + 3000
    assert not folder.delete(NAME, older_than_s=1800)
    os.utime(folder.file(NAME), HOUR_AGO)
    assert folder.delete(NAME, older_than_s=1800) and not folder.has(NAME)


@pytest.mark.parametrize("damage", [DATA[:-1], b"X" + DATA[1:], b""])
def test_damaged_bytes_are_never_given_and_the_next_put_heals_them(folder, damage):
    folder.put(DATA)
    folder.file(NAME).write_bytes(damage)
    with pytest.raises(StoreError, match="damaged") as told:
        folder.get(NAME)
    assert told.value.kind == "damaged"
    folder.put(DATA)
    assert folder.get(NAME) == DATA


def test_what_a_killed_writer_left_is_no_blob_and_goes_when_it_is_old(folder, tmp_path):
    folder.put(DATA)
    kept = tmp_path / "blobs" / "read-me.txt"
    left, fresh = (tmp_path / "blobs" / f".{NAME}.{i}.tmp" for i in range(2))
    for path in (kept, left, fresh):
        path.write_bytes(DATA[:100])
    for path in (kept, left):
        os.utime(path, HOUR_AGO)
    assert list(folder) == [NAME]
    folder.tidy(1800)
    assert {path.name for path in kept.parent.iterdir()} == {NAME, kept.name, fresh.name}


def test_a_writer_that_is_killed_leaves_whole_blobs_only(folder, tmp_path):
    code = """
        import sys
        from rlhf_core.store.blobs import Blobs
        blobs = Blobs(sys.argv[1])
        for n in range(10**6):
            blobs.put(n.to_bytes(4, "big") * 1_000_000)
            print("put", flush=True)
        """
    for _ in range(3):
        with python(code, tmp_path / "blobs") as process:
            assert process.stdout.readline() == "put\n"
            time.sleep(0.05)
            process.kill()
    assert len(list(folder)) > 0
    for name in folder:
        assert len(folder.get(name)) == 4_000_000


def test_a_full_disk_is_said_and_leaves_nothing(small_disk):  # noqa: F811
    folder = Blobs(str(small_disk / "blobs"))
    small = folder.put(b"small")
    with pytest.raises(StoreError, match="disk of the kept weights is full") as told:
        folder.put(bytes(20_000_000))
    assert told.value.kind == "full" and str(small_disk) not in str(told.value)
    assert [path.name for path in (small_disk / "blobs").iterdir()] == [small]
    assert folder.get(folder.put(b"small again")) == b"small again"


def test_a_folder_that_may_not_be_written_to_is_said(open_path):  # noqa: F811
    folder = Blobs(str(open_path / "blobs"))
    folder.put(DATA)
    with as_nobody(open_path / "blobs"):
        assert folder.get(NAME) == DATA
        with pytest.raises(StoreError, match="OPOSSUM_BLOBS") as told:
            folder.put(b"more")
        assert told.value.kind == "read-only" and str(open_path) not in str(told.value)
    assert folder.has(folder.put(b"more"))


def test_a_file_where_the_folder_should_be_is_said(tmp_path):
    (tmp_path / "blobs").write_text("a file")
    folder = Blobs(str(tmp_path / "blobs"))
    assert not folder.has(NAME) and list(folder) == []
    with pytest.raises(StoreError) as told:
        folder.put(DATA)
    assert str(tmp_path) not in str(told.value)


# --- elsewhere ------------------------------------------------------------------------------------


def test_half_a_blob_elsewhere_is_not_given_and_the_next_put_heals_it():
    blobs = Blobs("memory://half")
    blobs.put(DATA)
    fsspec.filesystem("memory").pipe_file(f"/half/{NAME}", DATA[:-1])
    with pytest.raises(StoreError, match="damaged"):
        blobs.get(NAME)
    blobs.put(DATA)
    assert blobs.get(NAME) == DATA


def test_an_old_one_elsewhere_is_written_again_so_that_it_is_young():
    blobs, files = Blobs("memory://old"), fsspec.filesystem("memory")
    blobs.put(DATA)
    first = files.modified(f"/old/{NAME}")
    blobs.put(DATA)
    assert files.modified(f"/old/{NAME}") == first
    files.store[f"/old/{NAME}"].modified = first.replace(year=2020)
    assert not blobs.delete(NAME, older_than_s=10**10)
    blobs.put(DATA)
    assert files.modified(f"/old/{NAME}") >= first
    files.store[f"/old/{NAME}"].modified = first.replace(year=2020)
    assert blobs.delete(NAME, older_than_s=3600)


@pytest.mark.parametrize("place", ["nowhere://bucket/x", "gs://bucket/x"])
def test_a_place_that_needs_something_says_what(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)  # not installed
    with pytest.raises(StoreError, match="OPOSSUM_BLOBS") as told:
        Blobs(place).put(DATA)
    assert told.value.kind == "settings"


def test_a_place_out_of_reach_says_so():
    class OutOfReach(fsspec.AbstractFileSystem):
        def invalidate_cache(self, path=None):
            raise ConnectionError("secret host")

    fsspec.register_implementation("out-of-reach", OutOfReach, clobber=True)
    blobs = Blobs("out-of-reach://bucket")
    for ask in (list, lambda blobs: blobs.put(DATA), lambda blobs: blobs.has(NAME)):
        with pytest.raises(StoreError, match="out of reach") as told:
            ask(blobs)
        assert told.value.kind == "gone" and "secret" not in str(told.value)
