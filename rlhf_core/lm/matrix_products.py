"""Matrix products on the fastest exact kernel that is here.

That is oneDNN's where torch was built with it, torch's default elsewhere. float32 all the way.

Two places of a PPO step are far from what the processor can do with torch's default (MKL's sgemm;
figures: one core of an EPYC with AVX-512): the output layer, whose 50,257 rows it multiplies at 60
GFLOP/s where oneDNN reaches 95, and writing, where a handful of rows meet every weight of the model
and half of the time goes into rearranging weights for the kernel, anew at every token. ``packed``
does that once for all tokens.

Knows nothing about language models beyond where their linear layers are. The same numbers to
rounding (1e-6): tests/lm/test_matrix_products.py.
"""

from __future__ import annotations

import copy
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary
from transformers.pytorch_utils import Conv1D

WORTH_PACKING = (
    32_000_000  # bytes of weights; what is smaller stays in the processor's cache and gains nothing
)


@lru_cache(maxsize=1)
def onednn() -> bool:
    """Is the kernel here, and does it give what torch gives?

    (It is not part of torch's public interface: no trust without a trial.)
    """
    try:
        x, weight = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3)
        packs = torch.ops.mkldnn._reorder_linear_weight(weight, 2)
        return all(
            torch.allclose(_onednn(x, w, torch.ones(4)), F.linear(x, weight, torch.ones(4)))
            for w in (weight, packs)
        )
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        return False


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x weight^T + bias: (..., d_in), (d_out, d_in) or a pack of it, (d_out,) -> (..., d_out)."""
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return out


class _Product(torch.autograd.Function):
    """x weight^T with oneDNN forwards, torch backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _onednn(x, weight, None)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight = ctx.needs_input_grad
        rows, gradients = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
        return gradient @ weight if of_x else None, gradients.T @ rows if of_weight else None


def product(x: Tensor, weight: Tensor) -> Tensor:
    """x weight^T, with gradients. (..., d), (V, d) -> (..., V)."""
    if not onednn() or x.dtype != torch.float32:
        return F.linear(x, weight)
    if not torch.is_grad_enabled():
        return _onednn(x, weight, None)
    out: Tensor = _Product.apply(x, weight)  # type: ignore[no-untyped-call]  # torch's own
    return out


# Packs of weights that are not in training, kept with them: (version of the weights, rows, pack).
_KEPT: MutableMapping[Tensor, tuple[int, int, Tensor]] = WeakTensorKeyDictionary()


def pack(parameter: Tensor, weight: Tensor, rows: int) -> Tensor:
    """``weight`` (d_out, d_in) rearranged for products with ``rows`` rows at a time.

    It is ``parameter`` or its transpose.
    """
    if not parameter.requires_grad and parameter in _KEPT:
        version, for_rows, kept = _KEPT[parameter]
        if (version, for_rows) == (parameter._version, rows):
            return kept
    made: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), rows)
    if not parameter.requires_grad:
        _KEPT[parameter] = (parameter._version, rows, made)
    return made


class Packed(nn.Module):
    """A linear layer whose weights lie as the kernel reads them.

    For writing only: it has no gradients and no parameters.
    """

    def __init__(self, parameter: Tensor, weight: Tensor, bias: Tensor | None, rows: int):
        super().__init__()
        self.packed, self.bias = (
            pack(parameter, weight, rows),
            (bias if bias is None else bias.detach()),
        )

    def forward(self, x: Tensor) -> Tensor:
        return _onednn(x, self.packed, self.bias)


# The same for whole models of which nothing is in training: (versions of all weights, rows, the
# packed model).
_WRITERS: WeakKeyDictionary[nn.Module, tuple[list[tuple[int, int]], int, Any]] = WeakKeyDictionary()
Trunk = TypeVar("Trunk", bound=nn.Module)  # with a token embedding "wte", and a "lm_head" or None


def packed(trunk: Trunk, rows: int) -> Trunk:
    """``trunk`` for writing ``rows`` tokens at a time.

    The same model with its linear layers packed.

    A model in training is packed anew each time, so a pack is never older than its weights; where
    that costs more than it gains (small models), and on machines without the kernel, one gets
    ``trunk`` itself.
    """
    if not onednn():
        return trunk
    parameters = list(trunk.parameters())
    if any(p.requires_grad for p in parameters):
        return (
            trunk
            if sum(p.numel() for p in parameters) * 4 < WORTH_PACKING
            else _pack_all(trunk, rows)
        )
    versions = [(id(p), p._version) for p in parameters]
    if trunk not in _WRITERS or _WRITERS[trunk][:2] != (versions, rows):
        _WRITERS[trunk] = (versions, rows, _pack_all(trunk, rows))
    writer: Trunk = _WRITERS[trunk][2]
    return writer


def _pack_all(trunk: Trunk, rows: int) -> Trunk:
    shared = {id(p): p for p in (*trunk.parameters(), *trunk.buffers())}
    writer = copy.deepcopy(trunk, shared)  # modules copied, weights shared
    for name, layer in list(writer.named_modules()):
        parent, _, own = name.rpartition(".")
        if isinstance(layer, nn.Linear):
            setattr(
                writer.get_submodule(parent),
                own,
                Packed(layer.weight, layer.weight, layer.bias, rows),
            )
        elif isinstance(layer, Conv1D):
            setattr(
                writer.get_submodule(parent),
                own,
                Packed(layer.weight, layer.weight.T, layer.bias, rows),
            )
    if writer.lm_head is None:  # the output layer is the token embedding
        embedding = writer.get_parameter("wte.weight")
        writer.lm_head = Packed(embedding, embedding, None, rows)
    return writer
