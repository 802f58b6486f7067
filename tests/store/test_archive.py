"""A folder as a zip and back; and every bad zip that somebody may give, refused in one sentence."""

from __future__ import annotations

import io
import stat
import struct
import time
import zipfile

import pytest

from rlhf_core.common.errors import BundleError
from rlhf_core.store import archive, bundle

FILES = {"run.json": b'{"a": 1}\n', "metrics.csv": b"step\n1\n", "policy.safetensors": b"\0" * 900}


def zipped(entries: dict, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of names or ZipInfos."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, data in entries.items():
            made.writestr(name, data)
    return out.getvalue()


def opened(data: bytes) -> tuple[dict, list]:
    return archive.unpack(data, "run.zip", bundle.most_bytes)


def refused(data: bytes, name: str = "run.zip") -> str:
    with pytest.raises(BundleError) as error:
        archive.unpack(data, name, bundle.most_bytes)
    sentence = str(error.value)
    assert "\n" not in sentence and sentence.endswith(".") and len(sentence) < 260, sentence
    return sentence


@pytest.mark.parametrize("folder", ["", "my-run"])
def test_what_was_packed_comes_out_again_and_the_same_files_give_the_same_bytes(folder):
    data = archive.pack(FILES, folder)
    assert opened(data) == (FILES, []) and archive.pack(FILES, folder) == data


def test_what_computers_put_beside_it_and_what_belongs_to_no_run_is_not_read():
    clutter = {"__MACOSX/run/._run.json": b"x", "run/.DS_Store": b"x"}
    strange = {f"run/{name}": data for name, data in (*FILES.items(), ("notes.txt", b"hi"))}
    assert opened(zipped(clutter | strange)) == (FILES, ["notes.txt"])


@pytest.mark.parametrize(
    "name",
    ["../run.json", "/etc/passwd", "a/../../run.json", "C:/run.json", "a\\..\\run.json"]
    + ["run/./run.json", "run//run.json", "..", "run.json\x07", "a/ run.json"],
)
def test_a_name_that_leads_elsewhere_is_refused(name):
    assert "outside its own folder" in refused(zipped({**FILES, name: b"x"}))


def test_a_name_that_only_pretends_to_end_is_refused():
    """Python cuts a name at a NUL: the name as it stands in the file counts."""
    data = zipped({"run.json_x": b"{}"}).replace(b"run.json_x", b"run.json\0x")
    assert "outside its own folder" in refused(data)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_a_link_or_a_device_is_refused(kind):
    info = zipfile.ZipInfo("policy.safetensors")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    assert "link or a device" in refused(zipped({"run.json": b"{}", info: b"/etc/passwd"}))


def test_a_bomb_is_refused_before_it_unfolds():
    began = time.process_time()
    one = zipped({"policy.safetensors": b"\0" * (50 * archive.MB)})
    assert len(one) < archive.MB and "a few bytes that unpack to 50 MB" in refused(one)
    assert "more than the 16 MB" in refused(zipped({"run.json": b" " * (17 * archive.MB)}))
    assert time.process_time() - began < 20


def test_files_that_are_each_small_enough_and_together_too_much_are_refused(monkeypatch):
    monkeypatch.setattr(archive, "MOST_UNPACKED", 900)
    assert "unpacks to more than" in refused(zipped(FILES))


def test_a_bomb_that_lies_about_its_size_gives_no_more_than_it_said():
    data = zipped({"run.json": b" " * archive.MB})
    true, false = struct.pack("<I", archive.MB), struct.pack("<I", 100)
    assert "damaged" in refused(data.replace(true, false))


def test_entries_that_lie_over_each_other_are_refused():
    """Fifield's bomb: many entries of the list lead to the same bytes."""
    data = zipped({f"{name}.jsonl": b"a" * 500 for name in ("samples", "rankings")})
    place = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)  # the second of the list
    data = data[: place + 42] + struct.pack("<I", 0) + data[place + 46 :]
    assert "damaged" in refused(data)


def test_too_many_files_are_refused_without_reading_the_list_of_them():
    many = zipped({f"{number}.txt": b"" for number in range(archive.MOST_ENTRIES + 1)})
    assert "more files than a run has" in refused(many)
    end = many.rindex(b"PK\x05\x06")
    lying = many[: end + 8] + struct.pack("<HH", 1, 1) + many[end + 12 :]
    assert "more files than a run has" in refused(lying)
    large = zipped(FILES)
    end = large.rindex(b"PK\x05\x06")
    large = large[: end + 12] + struct.pack("<I", 2**31) + large[end + 16 :]
    assert "more files than a run has" in refused(large)


def test_two_files_of_one_name_are_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made, pytest.warns(UserWarning, match="Duplicate"):
        made.writestr("run.json", b"{}")
        made.writestr("run.json", b"{}")
    assert "two files called" in refused(out.getvalue())
    assert "two files called" in refused(zipped({"run.json": b"{}", "RUN.json": b"{}"}))


def test_a_locked_zip_and_an_unusual_one_are_refused():
    data = zipped(FILES)
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(signature) + place
        data = data[:at] + struct.pack("<H", 1) + data[at + 2 :]
    assert "password" in refused(data)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert "unusual way" in refused(zipped(FILES, method))
    at = (odd := zipped(FILES)).index(b"PK\x01\x02") + 10
    assert "unusual way" in refused(odd[:at] + struct.pack("<H", 93) + odd[at + 2 :])


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x05\x06", b"\x80\x04\x95pickle", b"PK" * 99])
def test_what_is_no_zip_is_called_so(data):
    assert "is not a zip file" in refused(data)


def test_a_damaged_zip_is_called_so_wherever_it_was_hit():
    data = archive.pack(FILES)
    for place in range(0, len(data), 7):
        hit = data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]
        try:
            files, _ = opened(hit)
        except BundleError as error:
            assert "\n" not in str(error)
            continue
        for name, found in files.items():  # a hit in a name or a date: what is read is whole
            assert found == FILES.get(name), place
    for length in range(0, len(data), 11):
        refused(data[:length])


def test_a_zip_that_is_too_large_is_refused_and_a_name_is_only_text():
    assert "at most 40 MB" in refused(b"\0" * (archive.MOST_ZIP + 1))
    sentence = refused(b"x", "../../etc/\u202epiz.<b>")
    assert "/" not in sentence and "\u202e" not in sentence
