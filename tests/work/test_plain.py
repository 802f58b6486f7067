"""Arguments of jobs, written down and read again."""

from __future__ import annotations

import json

import pytest

from rlhf_core.common.errors import InputError
from rlhf_core.common.settings import PPOSettings
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.work import plain

VALUES = [None, True, 3, 0.5, "a", [1, ["b"]], {"k": [PPOSettings(steps=3)]}]
VALUES += [PPOSettings(beta=0.25), PRESETS["meme-bot"]]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_plain_value_comes_back_as_it_was(value):
    assert plain.read(json.loads(json.dumps(plain.written(value)))) == value


def test_what_is_no_plain_value_is_refused_in_words():
    with pytest.raises(InputError, match="plain values, not a function"):
        plain.written([lambda: None])


@pytest.mark.parametrize(
    "row", [{"class": "Gone", "values": {}}, {"class": "PPOSettings", "values": {"gone": 1}}]
)
def test_what_another_version_had_is_refused_in_words(row):
    with pytest.raises(InputError, match="another version of Opossum"):
        plain.read([row])
