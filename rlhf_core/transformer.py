"""GPT-2's forward pass, on the weights of a loaded ``GPT2LMHeadModel``.

Why our own forward, when transformers has one: PPO needs one trunk that can (1) decode with a preallocated key/value cache, (2) start in the
middle, so that frozen bottom layers run once and not once an epoch, (3) return hidden states for the value head and the reward features,
and (4) compute logits only where a response token is predicted. Equal to transformers' own forward: tests/test_transformer.py.

Source: Radford et al. 2019; the parameter names and layouts are those of transformers' ``GPT2LMHeadModel``.
Simplification: GPT-2 only (its family covers the bundled model, distilgpt2 and gpt2), no dropout.

Shapes: B rows, T positions, d hidden size, H heads, V vocabulary, L layers.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class KeyValueCache:
    """Keys and values of all positions seen so far, (L, B, H, length, d/H) each, allocated once."""

    def __init__(self, layers: int, rows: int, heads: int, length: int, head_size: int, dtype: torch.dtype = torch.float32):
        self.keys = torch.empty(layers, rows, heads, length, head_size, dtype=dtype)
        self.values = torch.empty_like(self.keys)
        self.used = 0

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write (B, H, T, d/H) behind what layer ``layer`` holds; return all of it. ``used`` moves on after the last layer."""
        end = self.used + keys.shape[2]
        self.keys[layer, :, :, self.used : end] = keys
        self.values[layer, :, :, self.used : end] = values
        if layer == self.keys.shape[0] - 1:
            self.used = end
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def repeat(self, times: int, length: int) -> KeyValueCache:
        """A cache with every row ``times`` over and room for ``length`` positions: a prompt read once serves all its samples."""
        layers, rows, heads, _, size = self.keys.shape
        wide = KeyValueCache(layers, rows * times, heads, length, size, self.keys.dtype)
        wide.keys[:, :, :, : self.used] = self.keys[:, :, :, : self.used].repeat_interleave(times, dim=1)
        wide.values[:, :, :, : self.used] = self.values[:, :, :, : self.used].repeat_interleave(times, dim=1)
        wide.used = self.used
        return wide


def position_ids(mask: Tensor) -> Tensor:
    """(B, T) bool, True on real tokens -> (B, T) positions that count real tokens only, so left padding changes nothing."""
    return (mask.long().cumsum(1) - 1).clamp(min=0)


def causal_mask(mask: Tensor) -> Tensor:
    """(B, T) bool -> (B, 1, T, T) bool: who may look at whom. A padded query sees itself alone, which keeps softmax finite."""
    width = mask.shape[1]
    lower = torch.ones(width, width, dtype=torch.bool).tril()
    itself = torch.eye(width, dtype=torch.bool)
    return (lower & mask[:, None, None, :]) | itself


class Transformer(nn.Module):
    """The trunk and the tied output layer of a GPT-2. Attribute and parameter names are GPT2Model's."""

    def __init__(self, wte: nn.Embedding, wpe: nn.Embedding, h: nn.ModuleList, ln_f: nn.LayerNorm, heads: int):
        super().__init__()
        self.wte, self.wpe, self.h, self.ln_f = wte, wpe, h, ln_f
        self.heads = heads

    @classmethod
    def from_pretrained(cls, model) -> Transformer:
        """The parts of a ``GPT2LMHeadModel``, shared, not copied."""
        body = model.transformer
        return cls(body.wte, body.wpe, body.h, body.ln_f, model.config.n_head)

    @property
    def layers(self) -> int:
        return len(self.h)

    @property
    def width(self) -> int:
        """d, the hidden size."""
        return self.wte.embedding_dim

    @property
    def context(self) -> int:
        """Longest sequence, in tokens."""
        return self.wpe.num_embeddings

    def trainable_copy(self, frozen_layers: int = 0) -> Transformer:
        """A model to train: the top ``layers - frozen_layers`` blocks are copies, what is frozen is shared with ``self``.

        With ``frozen_layers`` = 0 everything is copied and trained; otherwise the embeddings and the bottom blocks stay this model's own
        (trlX's "hydra", num_layers_unfrozen). Raises ValueError where no layer would be left to train.
        """
        if not 0 <= frozen_layers < self.layers:
            raise ValueError(f"frozen_layers is {frozen_layers}; this model has {self.layers} layers, so it must lie between 0 and {self.layers - 1}.")
        blocks = nn.ModuleList([block if i < frozen_layers else copy.deepcopy(block) for i, block in enumerate(self.h)])
        wte, wpe = (self.wte, self.wpe) if frozen_layers else (copy.deepcopy(self.wte), copy.deepcopy(self.wpe))
        branch = Transformer(wte, wpe, blocks, copy.deepcopy(self.ln_f), self.heads)
        for module in branch.trained_modules(frozen_layers):
            module.requires_grad_(True)
        return branch

    def trained_modules(self, frozen_layers: int) -> list[nn.Module]:
        """What training may change, bottom up."""
        lower = [] if frozen_layers else [self.wte, self.wpe]
        return [*lower, *self.h[frozen_layers:], self.ln_f]

    # --- forward ---

    def embed(self, ids: Tensor, positions: Tensor) -> Tensor:
        """(B, T), (B, T) -> (B, T, d)."""
        return self.wte(ids) + self.wpe(positions)

    def run(self, hidden: Tensor, allowed: Tensor, *, start: int = 0, stop: int | None = None, cache: KeyValueCache | None = None) -> Tensor:
        """Blocks ``start`` .. ``stop`` (all that follow, and the final norm, where ``stop`` is None). (B, T, d) -> (B, T, d)."""
        for layer in range(start, self.layers if stop is None else stop):
            block = self.h[layer]
            hidden = hidden + self._attention(block.attn, block.ln_1(hidden), allowed, layer, cache)
            hidden = hidden + block.mlp.c_proj(block.mlp.act(block.mlp.c_fc(block.ln_2(hidden))))
        return self.ln_f(hidden) if stop is None else hidden

    def _attention(self, attn, x: Tensor, allowed: Tensor, layer: int, cache: KeyValueCache | None) -> Tensor:
        rows, width, d = x.shape
        qkv = attn.c_attn(x).view(rows, width, 3, self.heads, d // self.heads)  # (B, T, 3, H, d/H)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B, H, T, d/H) each
        if cache is not None:
            k, v = cache.append(layer, k, v)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)  # (B, H, T, d/H)
        return attn.c_proj(mixed.transpose(1, 2).reshape(rows, width, d))

    def hidden_states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Final hidden states of whole sequences, no cache. (B, T), (B, T) bool -> (B, T, d)."""
        return self.run(self.embed(ids, position_ids(mask)), causal_mask(mask))

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., d) -> (..., V): the output layer is the input embedding, transposed."""
        return F.linear(hidden, self.wte.weight)
