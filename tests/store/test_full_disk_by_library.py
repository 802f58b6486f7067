"""A full disk, as libraries tell of it that have no OSError for it, is the same sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors import SafetensorError

from rlhf_core.common.errors import BundleError
from rlhf_core.store import plain_files

FULL = [
    Exception("No space left on device (os error 28)"),  # tokenizers 0.23.3
    SafetensorError("I/O error: No space left on device (os error 28)"),
    shutil.Error([("/here/a.py", "/there/a.py", "[Errno 28] No space left on device")]),
    OSError(28, "No space left on device"),
]


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_a_full_disk_is_one_sentence_whoever_tells_it(tmp_path, error):
    place = tmp_path / "model"
    with pytest.raises(BundleError) as caught, plain_files.whole_folder(place) as folder:
        with plain_files.told_as_oserror():
            (folder / "config.json").write_text("{}")
            raise error
    assert str(caught.value) == (
        f"The disk is full: {place} did not fit, and nothing of it is left."
    )
    assert list(tmp_path.iterdir()) == []


def test_what_the_system_did_not_say_stays_as_it_is():
    error = RuntimeError("a wrong shape")
    with pytest.raises(RuntimeError) as caught, plain_files.told_as_oserror():
        raise error
    assert caught.value is error
    told = str(plain_files.no_room(Path("there"), ValueError("embedded null byte")))
    assert told == "there cannot be written: embedded null byte. Nothing of it is left."
