"""Small GPT-2s with random weights for the engine's tests: real architecture, milliseconds a forward pass, nothing to download."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from rlhf_core.transformer import Transformer

END, PAD = 0, 1


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Import it, and the file's tests use one core: tiny matrices gain nothing from a second one, and wait for it where the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tiny_gpt2(*, layers: int = 2, width: int = 32, heads: int = 4, vocabulary: int = 40, context: int = 48, seed: int = 0, spread: float = 0.3, **config):
    """transformers' own model, frozen, in evaluation mode. ``spread`` is the weights' standard deviation: large enough for peaked, varied distributions."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        options = dict(n_layer=layers, n_embd=width, n_head=heads, vocab_size=vocabulary, n_positions=context, initializer_range=spread)
        model = GPT2LMHeadModel(GPT2Config(**options, bos_token_id=END, eos_token_id=END, pad_token_id=PAD, **config))
        for name, parameter in model.named_parameters():  # biases and norms start at 0 and 1, where a forgotten one would not show
            if name.endswith(".bias") or ".ln_" in name:
                parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval().requires_grad_(False)


def tiny_trunk(**options) -> Transformer:
    return Transformer.from_pretrained(tiny_gpt2(**options))


def nudged(trunk: Transformer, size: float, seed: int = 1) -> Transformer:
    """A copy of ``trunk`` with noise of standard deviation ``size`` on every weight: a policy that has drifted."""
    other, generator = copy.deepcopy(trunk), torch.Generator().manual_seed(seed)
    for parameter in other.parameters():
        parameter.data += size * torch.randn(parameter.shape, generator=generator)
    return other


def random_prompts(lengths: list[int], vocabulary: int = 40, seed: int = 0) -> list[list[int]]:
    """Token lists without END and PAD."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(2, vocabulary, (length,), generator=generator).tolist() for length in lengths]


def random_numbers(rows: int, tokens: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(rows, tokens, generator=torch.Generator().manual_seed(seed))


def tiny_tokenizer(vocabulary: int = 40):
    """For code that insists on one: token i is the word "ti"; <end> and <pad> are END and PAD."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<end>": END, "<pad>": PAD} | {f"t{i}": i for i in range(2, vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>")


def as_words(tokens: list[int]) -> str:
    """What ``tiny_tokenizer`` reads as these tokens."""
    return "".join(f" t{i}" for i in tokens)
