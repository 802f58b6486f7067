"""How surprised a model is by a prompt: against transformers, token by token, and the verdicts that
the Prompt page builds on.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from tiny_models import END, PAD, as_words, one_thread, tiny_gpt2, tiny_tokenizer  # noqa: F401
from transformers import GPT2LMHeadModel

from rlhf_core.judging import briefs
from rlhf_core.lm import language_model, surprise
from rlhf_core.lm.families import trunk_of
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.surprise import Reading

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))
import calibrate_surprise  # noqa: E402


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return language_model.load()


def naive(model, ids: list[int]) -> list[float]:
    """-ln p of each token behind the first, a forward pass of transformers' for each."""
    with torch.no_grad():
        return [
            -model(torch.tensor([ids[:t]])).logits[0, -1].log_softmax(-1)[ids[t]].item()
            for t in range(1, len(ids))
        ]


@pytest.mark.parametrize(
    "prompt", ["How do I mend a broken chair?", "Die Katze sitzt auf dem Dach", "天空 🦝 x = 3;"]
)
def test_surprise_is_that_of_a_loop_over_transformers(lm, prompt):
    model = GPT2LMHeadModel.from_pretrained(language_model.BUNDLED, dtype=torch.float32).eval()
    ids = lm.encode_text(prompt)
    nats, found = naive(model, ids), surprise.read(lm, prompt)
    assert found.tokens == len(ids) - 1 and found.nats == pytest.approx(sum(nats), rel=1e-4)
    first = len(lm.tokenizer.convert_ids_to_tokens(ids)[0])  # byte-level: a character a byte
    assert found.bytes == len(prompt.encode()) - first
    assert found.nats_a_token == pytest.approx(sum(nats) / len(nats), rel=1e-4)
    assert found.nats_a_byte == pytest.approx(sum(nats) / found.bytes, rel=1e-4)
    assert found.perplexity == pytest.approx(math.exp(sum(nats) / len(nats)), rel=1e-2)


def test_any_model_and_its_worst_word():
    model = tiny_gpt2()
    lm = LanguageModel("tiny", trunk_of(model), tiny_tokenizer(), END, PAD)
    ids = [5, 9, 17, 30, 9, 21]
    nats, found = naive(model, ids), surprise.read(lm, as_words(ids).strip())
    assert found.nats == pytest.approx(sum(nats), rel=1e-4) and found.tokens == 5
    assert found.worst == f"t{ids[1 + nats.index(max(nats))]}" and found.whole == 1
    longer = surprise.read(lm, as_words([7] * 90).strip())
    assert longer.tokens == lm.trunk.context - 1, "as far as it can read"


def test_the_worst_word_has_all_its_pieces(lm):
    assert surprise.read(lm, "My dog is a (Xylqwz) today.").worst == "Xylqwz"


def test_of_one_token_nothing_is_measured(lm):
    found = surprise.read(lm, "Hello")
    assert (found.nats, found.tokens, found.worst, found.whole) == (0.0, 0, "", 1.0)
    assert found.nats_a_byte == found.nats_a_token == 0 and found.verdict() == "reads"


def reading(nats_a_byte: float, tokens: int = 10, whole: float = 1.0) -> Reading:
    return Reading(nats_a_byte * 20, tokens, 20, whole, "word")


def test_the_verdict_is_the_limits_and_of_a_short_prompt_its_words():
    limit, blind = surprise.LIMIT, max(surprise.LIMIT, math.log(256))
    assert reading(limit - 0.01).verdict() == "reads" and reading(0, whole=0).verdict() == "reads"
    assert reading(blind).verdict() == "not at all"
    if limit < blind:
        assert reading(limit).verdict() == "hardly"
    assert reading(99, tokens=3, whole=0.5).verdict() == "reads"
    assert reading(0, tokens=3, whole=0.4).verdict() == "hardly"


def test_it_reads_english_and_not_french_or_code(lm):
    """Wide margins: another training of the bundled model must not fail this."""
    prompts = calibrate_surprise.hard_prompts()
    long = [p for kind, p in prompts if not kind.startswith("short")]
    words = [p for kind, p in prompts if kind == "short english"]
    strange = [p for kind, p in prompts if kind == "short other"]
    english = [prompt for _, prompt in calibrate_surprise.everyday_prompts()]
    known = [p for brief in briefs.PRESETS.values() for p in brief.training_prompts]

    def share(prompts: list[str]) -> float:
        return sum(surprise.read(lm, p).verdict() == "reads" for p in prompts) / len(prompts)

    assert len(long) == 40 and share(long) < 0.2 and share(strange) < 0.3
    assert share(english) > 0.85 and share(known) > 0.95 and share(words) > 0.7


def test_the_limit_has_the_fewest_errors_and_lies_in_the_widest_gap():
    limit = calibrate_surprise.best_limit
    assert limit([1, 2, 3], [8, 9]) == pytest.approx(5.5)
    assert limit([1, 2, 3, 9], [7, 8, 10]) == pytest.approx(
        5
    )  # one of four is lost, not one of three
    assert calibrate_surprise.cross_rates([1, 1, 2, 2, 9, 2], [8, 8, 9, 9]) == (1, 0)
