"""Settings: what a slider may show is what a run may use, and what cannot work is refused by name."""

import dataclasses
import math

import pytest

from rlhf_core.common.errors import SettingsError
from rlhf_core.common.settings import (
    DPOSettings,
    PPOSettings,
    RewardModelSettings,
    RLOOSettings,
    SamplingSettings,
    describe,
)

ALL = (SamplingSettings, RewardModelSettings, PPOSettings, RLOOSettings, DPOSettings)


@pytest.mark.parametrize("cls", ALL)
def test_every_setting_is_described_and_its_whole_range_is_allowed(cls):
    rows = describe(cls)
    assert [row["name"] for row in rows] == [field.name for field in dataclasses.fields(cls)]
    for row in rows:
        assert row["help"].endswith(".") and row["low"] <= row["default"] <= row["high"]
        extra = (
            {"batch_size": 256}
            if row["name"] == "minibatch_size"
            else {"minibatch_size": 8}
            if row["name"] == "batch_size"
            else {}
        )
        for end in ("low", "high"):
            assert cls(**{row["name"]: row[end]}, **extra).validate()


@pytest.mark.parametrize("cls", ALL)
def test_outside_the_range_is_refused_by_name(cls):
    for row in describe(cls):
        for value in (row["low"] - 1, row["high"] + 1):
            with pytest.raises(
                SettingsError,
                match=(
                    rf"The setting {row['name'].replace('_', ' ')} is .*between {row['low']} and"
                    rf" {row['high']}"
                ),
            ):
                cls(**{row["name"]: value}).validate()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "0.5", None, True, [1]])
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(
        SettingsError, match="The setting temperature is .* must be a finite number"
    ):
        SamplingSettings(temperature=value).validate()


@pytest.mark.parametrize("value", [2.5, 4.0])
def test_counts_must_be_whole_numbers(value):
    with pytest.raises(SettingsError, match="The setting candidates is .* must be a whole number"):
        SamplingSettings(candidates=value).validate()


def test_a_number_too_large_for_any_machine_is_refused_like_any_other():
    with pytest.raises(SettingsError, match="must lie between 0 and"):
        SamplingSettings(seed=10**400).validate()


@pytest.mark.parametrize("cls", [PPOSettings, RLOOSettings])
def test_a_minibatch_larger_than_its_batch_is_refused(cls):
    with pytest.raises(
        SettingsError, match=r"The minibatch size \(32\) is larger than the batch size \(16\)"
    ):
        cls(batch_size=16, minibatch_size=32).validate()
    assert cls(batch_size=16, minibatch_size=16).validate()


def test_settings_do_not_change_once_made():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PPOSettings().steps = 3
