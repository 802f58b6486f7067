"""The bundled model: what the app promises of it, cheaply checked. The full measurement is
scripts/evaluate_pocket_gpt2.py; its card holds the numbers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from rlhf_core.common.settings import SamplingSettings
from rlhf_core.judging import briefs
from rlhf_core.judging.register import is_full_sentence, register_of
from rlhf_core.lm import language_model
from rlhf_core.lm.sampling import collect, sample

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "assets" / "pocket-gpt2"
sys.path.insert(0, str(ROOT / "scripts"))


def test_it_is_small_and_half_precision_on_disk():
    assert sum(f.stat().st_size for f in FOLDER.iterdir()) <= 15e6
    config = json.loads((FOLDER / "config.json").read_text())
    assert config["model_type"] == "gpt2" and config["vocab_size"] <= 6144
    with safe_open(FOLDER / "model.safetensors", "pt") as weights:
        assert {weights.get_tensor(name).dtype for name in weights.keys()} == {torch.float16}  # noqa: SIM118
    lm = language_model.load()
    parameters = list(lm.trunk.parameters())
    count = sum(p.numel() for p in parameters)
    assert count <= 7e6 and {p.dtype for p in parameters} == {torch.float32}
    said = f"{count / 1e6:.1f} million parameters"
    for file in ("README.md", "pages/models.py", "CHANGELOG.md"):
        assert said in (ROOT / file).read_text(encoding="utf-8"), f"{file} does not say {said}"
    assert not any(p.requires_grad for p in parameters) and lm.pad_id != lm.end_id


def test_it_ends_its_sentences_and_knows_both_registers():
    """Loose bounds, far from the measured values: a wrong or broken model fails, another seed does
    not.
    """
    lm = language_model.load()
    done = collect(
        sample(
            lm,
            ["An opossum is", "A fox is", "A pancake is"],
            SamplingSettings(candidates=8, max_new_tokens=24, seed=1),
        )
    )
    ended = done.ended(lm.end_id).tolist()
    assert (
        sum(is_full_sentence(text, end) for text, end in zip(done.texts, ended, strict=True)) >= 17
    )
    registers = [register_of(text) for text in done.texts]
    assert registers.count("fact") >= 3 and registers.count("meme") >= 3


@pytest.fixture(scope="module")
def corpus():
    make_corpus = pytest.importorskip("make_corpus")
    if not Path("/usr/share/wordnet/data.noun").exists():
        make_corpus.wordnet_lines = lambda known: [
            ("A dog is", " a small animal.")
        ]  # the package is only needed to train
    return make_corpus, make_corpus.Corpus(seed=3)


def test_the_corpus_fills_every_slot_and_balances_its_registers(corpus):
    _, source = corpus
    lines = [source.line() for _ in range(4000)]
    assert not [line for line in lines if "{" in line[0] + line[1] or "  " in line[0] + line[1]]
    table = [
        register
        for _, _, register, kind in lines
        if kind == "table" and register in ("fact", "meme")
    ]
    make_corpus, _ = corpus
    assert table.count("meme") / len(table) == pytest.approx(make_corpus.MEME_SHARE, abs=0.04)
    assert len({prompt + completion for prompt, completion, *_ in lines}) > 3400, (
        "real variety, not a grammar of twenty templates"
    )


def test_evaluation_prompts_are_what_is_held_out(corpus):
    make_corpus, _ = corpus
    assert make_corpus.held_out_prompts() == {
        p for brief in briefs.PRESETS.values() for p in brief.evaluation_prompts
    }
    for brief in briefs.PRESETS.values():
        assert not set(brief.training_prompts) & set(brief.evaluation_prompts)


def test_plural_verbs(corpus):
    make_corpus, _ = corpus
    assert make_corpus.plural_verb("carries its young in a pouch") == "carry their young in a pouch"
    assert make_corpus.plural_verb("has a long tail") == "have a long tail"
    assert (
        make_corpus.plural_verb("catches fish") == "catch fish"
        and make_corpus.plural_verb("goes to sleep") == "go to sleep"
    )
    assert make_corpus.plural_verb("calls itself breakfast and means it") is None
