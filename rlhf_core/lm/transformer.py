"""A decoder-only language model's forward pass, on the weights of a loaded transformers model.

Why our own forward, when transformers has one: PPO needs one trunk that can (1) decode with a
preallocated key/value cache, (2) start in the middle, so that frozen bottom layers run once and not
once an epoch, (3) return hidden states for the value head and the reward features, and (4) compute
logits only where a response token is predicted. Equal to transformers' own forward:
tests/lm/test_transformer.py, tests/lm/test_families.py.

Here stands what all families share: the cache, the masks, the walk through the layers, the copy
that is trained. What one layer computes is ``families.py``. Simplification: no dropout.

Shapes: B rows, T positions, d hidden size, H heads (H_kv of them with keys and values of their
own), V vocabulary, L layers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rlhf_core.lm.matrix_products import product


class KeyValueCache:
    """Keys and values of all positions seen so far, (L, B, H, length, d/H) each, allocated once."""

    def __init__(
        self,
        layers: int,
        rows: int,
        heads: int,
        length: int,
        head_size: int,
        dtype: torch.dtype = torch.float32,
    ):
        self.keys = torch.empty(layers, rows, heads, length, head_size, dtype=dtype)
        self.values = torch.empty_like(self.keys)
        self.used = 0

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write (B, H, T, d/H) behind what layer ``layer`` holds; return all of it.

        ``used`` moves on after the last layer.
        """
        end = self.used + keys.shape[2]
        self.keys[layer, :, :, self.used : end] = keys
        self.values[layer, :, :, self.used : end] = values
        if layer == self.keys.shape[0] - 1:
            self.used = end
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def repeat(self, times: int, length: int) -> KeyValueCache:
        """A cache with every row ``times`` over and room for ``length`` positions.

        A prompt read once serves all its samples.
        """
        layers, rows, heads, _, size = self.keys.shape
        wide = KeyValueCache(layers, rows * times, heads, length, size, self.keys.dtype)
        for ours, theirs in ((self.keys, wide.keys), (self.values, wide.values)):
            theirs[:, :, :, : self.used] = ours[:, :, :, : self.used].repeat_interleave(times, 1)
        wide.used = self.used
        return wide

    def only(self, rows: Tensor) -> KeyValueCache:
        """A cache of these (A,) rows, with the same room."""
        layers, _, heads, length, size = self.keys.shape
        fewer = KeyValueCache(layers, len(rows), heads, length, size, self.keys.dtype)
        for ours, theirs in ((self.keys, fewer.keys), (self.values, fewer.values)):
            theirs[:, :, :, : self.used] = ours[:, rows, :, : self.used]
        fewer.used = self.used
        return fewer


def position_ids(mask: Tensor) -> Tensor:
    """(B, T) bool, True on real tokens -> (B, T) positions.

    They count real tokens only, so left padding changes nothing.
    """
    return (mask.long().cumsum(1) - 1).clamp(min=0)


def causal_mask(mask: Tensor) -> Tensor:
    """(B, T) bool -> (B, 1, T, T) bool: who may look at whom.

    A padded query sees itself alone, which keeps softmax finite.
    """
    width = mask.shape[1]
    lower = torch.ones(width, width, dtype=torch.bool).tril()
    itself = torch.eye(width, dtype=torch.bool)
    return (lower & mask[:, None, None, :]) | itself


class Transformer(nn.Module):
    """The trunk and the output layer of a decoder-only model.

    A family fills in ``embed``, ``places`` and ``block``.

    Attributes:
        wte: token embedding, (V, d). wpe: position embedding, or None where a family tells
            positions apart inside attention.
        h: the blocks, bottom up; inside a block the names are transformers'. ln_f: the final norm.
        lm_head: an output layer of the model's own, or None where it is the token embedding,
        transposed ("tied").
        heads, key_value_heads, head_size: of attention. context: longest sequence, in tokens.
    """

    def __init__(
        self,
        *,
        wte: nn.Embedding,
        h: nn.ModuleList,
        ln_f: nn.Module,
        heads: int,
        context: int,
        wpe: nn.Embedding | None = None,
        lm_head: nn.Module | None = None,
        key_value_heads: int = 0,
        head_size: int = 0,
    ):
        super().__init__()
        self.wte, self.wpe, self.h, self.ln_f, self.lm_head = wte, wpe, h, ln_f, lm_head
        self.heads, self.key_value_heads, self.context = heads, key_value_heads or heads, context
        self.head_size = head_size or wte.embedding_dim // heads

    @property
    def layers(self) -> int:
        return len(self.h)

    @property
    def width(self) -> int:
        """d, the hidden size."""
        return self.wte.embedding_dim

    @property
    def vocabulary(self) -> int:
        """V, tokens the output layer knows."""
        return self.wte.num_embeddings

    def new_cache(self, rows: int, length: int) -> KeyValueCache:
        return KeyValueCache(self.layers, rows, self.key_value_heads, length, self.head_size)

    def trainable_copy(self, frozen_layers: int = 0) -> Transformer:
        """A model to train: the top ``layers - frozen_layers`` blocks are copies.

        What is frozen is shared with ``self``.

        With ``frozen_layers`` = 0 everything is copied and trained; otherwise the embeddings, the
        output layer and the bottom blocks stay this model's own (trlX's "hydra",
        num_layers_unfrozen). Raises ValueError where no layer would be left to train.
        """
        if not 0 <= frozen_layers < self.layers:
            raise ValueError(
                f"frozen_layers is {frozen_layers}; this model has {self.layers} layers, so it must"
                f" lie between 0 and {self.layers - 1}."
            )
        shared = []
        if frozen_layers:
            shared = [self.wte, self.wpe, self.lm_head, *self.h[:frozen_layers]]
        # What deepcopy finds in this table it takes as it is.
        branch = copy.deepcopy(self, {id(part): part for part in shared})
        for module in branch.trained_modules(frozen_layers):
            module.requires_grad_(True)
        return branch

    def trained_modules(self, frozen_layers: int) -> list[nn.Module]:
        """What training may change, bottom up."""
        ends = [] if frozen_layers else [self.wte, self.wpe, self.lm_head]
        ends = [part for part in ends if part is not None]
        return [*ends, *self.h[frozen_layers:], self.ln_f]

    # --- what a family fills in ---

    def embed(self, ids: Tensor, positions: Tensor) -> Tensor:
        """(B, T), (B, T) -> (B, T, d)."""
        embedded: Tensor = self.wte(ids)
        return embedded

    def places(self, allowed: Tensor) -> Any:
        """What the layers need to know about who looks at whom from where.

        Made once a pass from ``allowed``; see ``run``.
        """
        return allowed

    def block(
        self, block: Any, hidden: Tensor, places: Any, layer: int, cache: KeyValueCache | None
    ) -> Tensor:
        """One layer. (B, T, d) -> (B, T, d)."""
        raise NotImplementedError

    # --- forward ---

    def run(
        self,
        hidden: Tensor,
        allowed: Tensor,
        *,
        start: int = 0,
        stop: int | None = None,
        cache: KeyValueCache | None = None,
        joint: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Blocks ``start`` ..

        ``stop`` (all that follow, and the final norm, where ``stop`` is None). (B, T, d) -> (B, T,
        d).

        ``allowed`` is (B, 1, T, S) bool: which of S positions (T new ones behind those of the
        cache) a new one may look at. ``joint``: stands before each block, and hands on what it
        gets (``algorithms.joints``).
        """
        places = self.places(allowed)
        for layer in range(start, self.layers if stop is None else stop):
            hidden = hidden if joint is None else joint(hidden)
            hidden = self.block(self.h[layer], hidden, places, layer, cache)
        if stop is None:
            hidden = self.ln_f(hidden)
        return hidden

    def attend(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Tensor,
        layer: int,
        cache: KeyValueCache | None,
        scale: float | None = None,
    ) -> Tensor:
        """Attention proper: each query's mean of the values it looks at.

        q (B, H, T, d/H), k and v (B, H_kv, T, d/H) -> (B, T, d).
        """
        if cache is not None:
            k, v = cache.append(layer, k, v)
        # Grouped: several queries share a head's keys and values. mixed: (B, H, T, d/H).
        grouped = self.key_value_heads != self.heads
        mixed = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, scale=scale, enable_gqa=grouped
        )
        return mixed.transpose(1, 2).flatten(2)

    def hidden_states(
        self, ids: Tensor, mask: Tensor, joint: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """Final hidden states of whole sequences, no cache. (B, T), (B, T) bool -> (B, T, d)."""
        return self.run(self.embed(ids, position_ids(mask)), causal_mask(mask), joint=joint)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., d) -> (..., V)."""
        if self.lm_head is None:
            return product(hidden, self.wte.weight)
        logits: Tensor = self.lm_head(hidden)
        return logits
