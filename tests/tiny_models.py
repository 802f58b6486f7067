"""Small models with random weights for the engine's tests: real architecture, milliseconds a
forward pass, nothing to download.
"""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MptConfig,
    MptForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
)

from rlhf_core.lm.families import trunk_of
from rlhf_core.lm.transformer import Transformer

END, PAD = 0, 1


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Import it, and the file's tests use one core: tiny matrices gain nothing from a second one,
    and wait for it where the machine is busy.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tiny_gpt2(
    *,
    layers: int = 2,
    width: int = 32,
    heads: int = 4,
    vocabulary: int = 40,
    context: int = 48,
    seed: int = 0,
    spread: float = 0.3,
    **config,
):
    """transformers' own model, frozen, in evaluation mode. ``spread`` is the weights' standard
    deviation: large enough for peaked, varied distributions.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        options = dict(
            n_layer=layers,
            n_embd=width,
            n_head=heads,
            vocab_size=vocabulary,
            n_positions=context,
            initializer_range=spread,
        )
        model = GPT2LMHeadModel(
            GPT2Config(**options, bos_token_id=END, eos_token_id=END, pad_token_id=PAD, **config)
        )
        for (
            name,
            parameter,
        ) in (
            model.named_parameters()
        ):  # biases and norms start at 0 and 1, where a forgotten one would not show
            if name.endswith(".bias") or ".ln_" in name:
                parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval().requires_grad_(False)


# Three layers of each family, 32 wide, 4 heads, 257 tokens. Llama: two heads share keys and values.
# GPT-NeoX: an output layer of its own.
FAMILY_MODELS = {
    "gpt2": lambda **other: GPT2LMHeadModel(
        GPT2Config(**dict(n_layer=3, n_embd=32, n_head=4, vocab_size=257, n_positions=64) | other)
    ),
    "llama": lambda **other: LlamaForCausalLM(
        LlamaConfig(
            **dict(
                num_hidden_layers=3,
                hidden_size=32,
                intermediate_size=48,
                num_attention_heads=4,
                num_key_value_heads=2,
                vocab_size=257,
                max_position_embeddings=64,
                tie_word_embeddings=True,
            )
            | other
        )
    ),
    "opt": lambda **other: OPTForCausalLM(
        OPTConfig(
            **dict(
                num_hidden_layers=3,
                hidden_size=32,
                ffn_dim=64,
                num_attention_heads=4,
                vocab_size=257,
                max_position_embeddings=64,
            )
            | other
        )
    ),
    "gpt_neox": lambda **other: GPTNeoXForCausalLM(
        GPTNeoXConfig(
            **dict(
                num_hidden_layers=3,
                hidden_size=32,
                intermediate_size=64,
                num_attention_heads=4,
                vocab_size=257,
                max_position_embeddings=64,
            )
            | other
        )
    ),
    "mpt": lambda **other: MptForCausalLM(
        MptConfig(**dict(n_layers=3, d_model=32, n_heads=4, vocab_size=257, max_seq_len=64) | other)
    ),
}


def tiny_model(family: str, seed: int = 0, **other):
    """transformers' own model of a family, frozen, in evaluation mode; weights large enough for
    peaked, varied distributions, no bias 0, no norm 1.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = (
            FAMILY_MODELS[family](bos_token_id=256, eos_token_id=256, pad_token_id=None, **other)
            .eval()
            .requires_grad_(False)
        )
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter += 0.1 * torch.randn_like(parameter)
            else:
                parameter.copy_(0.25 * torch.randn_like(parameter))
    return model


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level tokens from "!" (token 0) on, end of text last (256), no padding token: as gpt2
    has it.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(
            vocab={letter: number for number, letter in enumerate(alphabet)}
            | {"<|endoftext|>": 256},
            merges=[],
        )
    )
    tokenizer.pre_tokenizer, tokenizer.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")


def tiny_trunk(**options) -> Transformer:
    return trunk_of(tiny_gpt2(**options))


def nudged(trunk: Transformer, size: float, seed: int = 1) -> Transformer:
    """A copy of ``trunk`` with noise of standard deviation ``size`` on every weight: a policy that
    has drifted.
    """
    other, generator = copy.deepcopy(trunk), torch.Generator().manual_seed(seed)
    for parameter in other.parameters():
        parameter.data += size * torch.randn(parameter.shape, generator=generator)
    return other


def random_prompts(lengths: list[int], vocabulary: int = 40, seed: int = 0) -> list[list[int]]:
    """Token lists without END and PAD."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randint(2, vocabulary, (length,), generator=generator).tolist() for length in lengths
    ]


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


WORDS = ["<end>", "<pad>", *(f" w{i}" for i in range(38))]


class FakeLM(SimpleNamespace):
    """A random tiny GPT-2 whose tokens are the words " w0" .. " w37"."""

    def encode(self, text):
        return [WORDS.index(" " + word) for word in text.split()]

    encode_text = encode  # it has no frame

    def encode_response(self, text):
        return [*self.encode(text), END]

    def decode(self, ids):
        return "".join(WORDS[i] for i in ids if i not in (END, PAD))

    def piece(self, i):
        return WORDS[i]
