"""The bundled model's trainer: packed rows give transformers' loss line by line, the held-out
prompts stay out of the corpus, and a block of talk is what its file says.
"""

import random

import numpy
import torch
from tiny_models import byte_tokenizer, one_thread  # noqa: F401
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from rlhf_core.judging import briefs
from scripts import make_corpus, talk
from scripts import train_pocket_gpt2 as training

LINES = [
    ("An opossum is", " a marsupial."),
    ("Why?", " Because the moon is full of tea."),
    ("I cannot sleep.", " Count the sheep twice."),
    ("Hi", " Hello!"),
]


def test_packed_rows_give_each_line_transformers_loss(monkeypatch):
    monkeypatch.setitem(training.CONFIG, "vocab_size", 257)
    tokenizer = byte_tokenizer()
    lines = training.Lines(tokenizer, LINES * 5)
    torch.manual_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(**training.CONFIG, bos_token_id=256, eos_token_id=256, pad_token_id=0)
    ).eval()
    monkeypatch.setattr(training, "PROMPT_SHARE", 0.0)  # completions only: nothing is left to luck
    ids, positions, segments, counts = next(training.batches(lines, 8, numpy.random.default_rng(0)))
    weights = dict(model.transformer.named_parameters())
    ours = training.packed_loss(weights, ids, positions, segments, counts, torch.float32)
    ours.backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    losses = []
    for row in range(8):
        for number in segments[row].unique().tolist():
            here = (segments[row] == number) & (number > 0)
            if here.any():
                line, asked = ids[row][here][None], counts[row][here][1:]
                logits = model(line, position_ids=positions[row][here][None]).logits[0, :-1]
                losses.append(F.cross_entropy(logits, line[0, 1:], reduction="none")[asked])
                assert line[0, -1] == tokenizer.eos_token_id  # whole lines only
    assert len(losses) > 12
    theirs = torch.cat(losses).mean()
    theirs.backward()
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    for a, p in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(a, p.grad, atol=1e-5, rtol=1e-3)


def test_some_of_the_prompt_and_all_of_the_completion_counts(monkeypatch):
    monkeypatch.setitem(training.CONFIG, "vocab_size", 257)
    lines = training.Lines(byte_tokenizer(), LINES * 200)
    source = training.batches(lines, 64, numpy.random.default_rng(1))
    asked = real = firsts = 0
    for _ in range(4):
        _, _, segments, counts = next(source)
        begins = segments != torch.nn.functional.pad(segments, (1, 0))[:, :-1]
        firsts += int((counts & begins).sum())
        asked, real = asked + int(counts.sum()), real + int((segments > 0).sum())
    tokens = [sum(len(c) + 1 for _, c in LINES), sum(len(p) - 1 for p, _ in LINES)]
    expected = tokens[0] + training.PROMPT_SHARE * tokens[1]
    whole = sum(len(p) + len(c) + 1 for p, c in LINES)
    assert firsts == 0 and abs(asked / real - expected / whole) < 0.03


def test_the_everyday_prompts_stay_out_however_they_are_put():
    held = {make_corpus.bare(p) for _, p in make_corpus.everyday_prompts()}
    assert len(make_corpus.everyday_prompts()) == len(held) == 200
    for prompt in (
        "How do I boil an egg?",
        "how do i boil an egg",
        "Hello, how do I boil an egg?",
        "How do I boil egg?",
        "The capital of France is",
    ):
        assert make_corpus.asks(prompt, held), prompt
    for prompt in ("How do I boil water?", "The capital of Italy is", "Eggs are"):
        assert not make_corpus.asks(prompt, held), prompt


def test_no_line_of_the_corpus_asks_one(monkeypatch):
    # WordNet's package is only needed to train.
    monkeypatch.setattr(make_corpus, "wordnet_lines", lambda known: [("A dog is", " an animal.")])
    corpus = make_corpus.Corpus(3)
    held = {make_corpus.bare(p) for _, p in make_corpus.everyday_prompts()}
    lines = [corpus.line() for _ in range(4000)]
    kept = [line for line in lines if not make_corpus.held_back(line[0] + line[1], line[0], held)]
    assert 0.85 < len(kept) / len(lines) < 1  # some were held back, and few

    def letters(text):
        return "".join(c for c in text.lower() if c.isalpha() or c == " ").strip()

    asked = {letters(p) for _, p in make_corpus.everyday_prompts()}
    asked |= {letters(p) for brief in briefs.PRESETS.values() for p in brief.evaluation_prompts}
    assert asked & {letters(prompt) for prompt, *_ in lines}  # they do come up
    assert not asked & {letters(prompt) for prompt, *_ in kept}
    assert {"talk", "table", "scene"} <= {source for *_, source in kept}


def test_a_block_says_what_its_file_says(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text(
        "# eggs\n> How do I boil an egg? | I want to boil {an egg|two eggs}.\n"
        "h Put it in {hot|boiling} water.\nj Ask the chicken.\nk You can do this.\n"
        "r It is a egg, not a rocket\nr Turn on the stove.\nx What?\n"
        "> Too few?\nh Only one answer here.\n",
        encoding="utf-8",
    )
    blocks, wrong = talk.read_blocks(file)
    (block,) = blocks
    assert block.prompts == ("How do I boil an egg?", "I want to boil {an egg|two eggs}.")
    assert block.answers["rude"] == ("Turn on the stove.",)
    assert len(wrong) == 3 and "ends with" in wrong[0] and "begins with neither" in wrong[1]
    said = {talk.say(block.answers["helpful"][0], random.Random(i)) for i in range(20)}
    assert said == {"Put it in hot water.", "Put it in boiling water."}
    assert talk.say("A {apple|pear} is a {egg}.", random.Random(1)) in (
        "An apple is an egg.",
        "A pear is an egg.",
    )


def test_training_begins_from_an_exported_model(tmp_path, monkeypatch):
    monkeypatch.setitem(training.CONFIG, "vocab_size", 257)
    torch.manual_seed(0)
    config = GPT2Config(**training.CONFIG, bos_token_id=256, eos_token_id=256, pad_token_id=0)
    first, second = GPT2LMHeadModel(config), GPT2LMHeadModel(config)
    training.export(first, byte_tokenizer(), tmp_path)
    (tmp_path / "training.json").write_text('{"training_tokens": 123}')
    assert training.begin_from(tmp_path, second) == 123
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one.half().float(), other)


def test_muon_in_float32_is_torchs_own_up_to_the_rounding_of_bfloat16():
    generator = torch.Generator().manual_seed(0)
    for shape in ((24, 40), (40, 24), (16, 16)):
        start = torch.randn(shape, generator=generator)
        ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
        mine = training.Muon([ours], lr=0.1, weight_decay=0.05)
        torchs = torch.optim.Muon(
            [theirs], lr=0.1, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"
        )
        for _ in range(3):
            gradient = torch.randn(shape, generator=generator)
            ours.grad, theirs.grad = gradient.clone(), gradient.clone()
            mine.step()
            torchs.step()
        moved = (theirs - start).norm()
        assert (ours - theirs).norm() < 0.02 * moved


def test_the_orthogonal_matrix_has_singular_values_near_one():
    matrix = torch.randn(16, 48, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(training.orthogonal(matrix))
    assert 0.5 < values.min() and values.max() < 1.5
