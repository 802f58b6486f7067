"""Settings: what a slider shows is what a run may use; what cannot work is refused by name."""

import dataclasses
import math

import pytest

from rlhf_core.common.errors import SettingsError
from rlhf_core.common.knob import describe
from rlhf_core.common.settings import (
    DPOSettings,
    GRPOSettings,
    KTOSettings,
    PPOSettings,
    RewardModelSettings,
    RLOOSettings,
    SamplingSettings,
)

ALL = (
    SamplingSettings,
    RewardModelSettings,
    PPOSettings,
    RLOOSettings,
    GRPOSettings,
    DPOSettings,
    KTOSettings,
)


@pytest.mark.parametrize("cls", ALL)
def test_every_setting_is_described_and_its_whole_range_is_allowed(cls):
    rows = describe(cls)
    assert {row["name"] for row in rows} == {field.name for field in dataclasses.fields(cls)}
    for row in rows:
        assert row["help"].endswith(".") and row["low"] <= row["default"] <= row["high"]
        extra = {"minibatch_size": {"batch_size": 256}, "batch_size": {"minibatch_size": 8}}
        for end in ("low", "high"):
            assert cls(**{row["name"]: row[end]}, **extra.get(row["name"], {})).validate()


ORDER = {
    PPOSettings: (
        "steps batch_size max_new_tokens epochs minibatch_size learning_rate clip value_clip"
        " value_coefficient value_rate gamma lam beta kl_target temperature score_clip conservative"
        " missing_end_penalty frozen_layers max_grad_norm seed"
    ),
    RLOOSettings: (
        "steps batch_size group max_new_tokens epochs minibatch_size learning_rate clip beta"
        " temperature score_clip conservative missing_end_penalty frozen_layers max_grad_norm seed"
    ),
}


@pytest.mark.parametrize("cls", ORDER)
def test_the_knobs_stand_in_the_order_in_which_a_step_uses_them(cls):
    assert [row["name"] for row in describe(cls)] == ORDER[cls].split()


def test_what_ppo_and_rloo_share_means_the_same_in_both():
    ppo, rloo = ({row["name"]: row for row in describe(cls)} for cls in ORDER)
    differ = {name for name in ppo.keys() & rloo.keys() if ppo[name] != rloo[name]}
    assert differ == {"epochs", "minibatch_size", "clip"}
    assert {name for name in differ if ppo[name]["help"] != rloo[name]["help"]} == {"clip"}


def test_grpo_and_kto_differ_from_what_they_come_from_where_they_say():
    for cls, base, words in (
        (GRPOSettings, RLOOSettings, {"clip", "beta"}),
        (KTOSettings, DPOSettings, {"steps", "minibatch_size", "beta"}),
    ):
        ours, theirs = ({row["name"]: row for row in describe(one)} for one in (cls, base))
        assert {name for name in theirs if ours[name]["help"] != theirs[name]["help"]} == words
        assert all(ours[name]["default"] == row["default"] for name, row in theirs.items())
    names = [row["name"] for row in describe(KTOSettings)]
    assert names.index("good_weight") == names.index("beta") + 1 == names.index("bad_weight") - 1


def test_settings_that_share_a_base_are_given_by_name():
    with pytest.raises(TypeError):
        PPOSettings(15)


@pytest.mark.parametrize("cls", ALL)
def test_outside_the_range_is_refused_by_name(cls):
    for row in describe(cls):
        words = row["name"].replace("_", " ")
        message = f"The setting {words} is .*between {row['low']} and {row['high']}"
        for value in (row["low"] - 1, row["high"] + 1):
            with pytest.raises(SettingsError, match=message):
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
