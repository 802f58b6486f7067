"""Blobs on S3, by the driver that a server uses, against as much of S3 as they need."""

from __future__ import annotations

import hashlib

import pytest
from s3_server import S3Server

from rlhf_core.common.errors import StoreError
from rlhf_core.store.blobs import Blobs

s3fs = pytest.importorskip(
    "s3fs", reason="S3's driver is missing: pip install -r requirements-server.txt"
)

DATA = b"weights \x00\xff" * 100_000
NAME = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server(monkeypatch):
    server = S3Server()
    settings = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.url,
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_MAX_ATTEMPTS": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()  # each test has a server of its own
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def blobs(server) -> Blobs:
    return Blobs("s3://bucket/some/folder")


def test_bytes_come_back_by_their_hash(server, blobs):
    assert list(blobs) == [] and not blobs.has(NAME)
    assert blobs.put(DATA) == NAME
    assert list(server.objects) == [f"/bucket/some/folder/{NAME}"]
    assert blobs.has(NAME) and blobs.get(NAME) == DATA and list(blobs) == [NAME]
    assert blobs.file(NAME) is None
    other = blobs.put(b"other")
    assert sorted(blobs) == sorted([NAME, other])
    assert blobs.delete(NAME) and not blobs.delete(NAME) and list(blobs) == [other]
    with pytest.raises(StoreError, match="missing") as told:
        blobs.get(NAME)
    assert told.value.kind == "missing"


def test_another_process_sees_them_at_once(server, blobs):
    other = Blobs("s3://bucket/some/folder")
    assert list(other) == [] and not other.has(NAME)
    blobs.put(DATA)
    assert list(other) == [NAME] and other.has(NAME)
    blobs.delete(NAME)
    assert list(other) == [] and not other.has(NAME)


def test_a_young_one_is_not_written_again_and_an_old_one_becomes_young(server, blobs):
    blobs.put(DATA)
    server.asked.clear()
    blobs.put(DATA)
    assert not [request for request in server.asked if request.startswith("PUT")]
    server.make_older(hours=2)
    assert blobs.put(DATA) == NAME and not blobs.delete(NAME, older_than_s=3600)
    server.make_older(hours=2)
    assert blobs.delete(NAME, older_than_s=3600) and server.objects == {}


def test_half_of_one_is_not_given_and_the_next_put_heals_it(server, blobs):
    blobs.put(DATA)
    (key,) = server.objects
    server.objects[key] = (DATA[:-1], server.objects[key][1])
    with pytest.raises(StoreError, match="damaged"):
        blobs.get(NAME)
    blobs.put(DATA)
    assert blobs.get(NAME) == DATA


def test_a_key_that_is_refused_is_said_and_serves_again_when_it_is_not(server, blobs):
    server.refuse = 403
    for act in (lambda: blobs.put(DATA), lambda: blobs.get(NAME)):
        with pytest.raises(StoreError, match="OPOSSUM_BLOBS") as told:
            act()
        assert told.value.kind == "read-only" and "bucket" not in str(told.value)
    server.refuse = None
    assert blobs.get(blobs.put(DATA)) == DATA
