"""The faster kernels against torch's own products, and what is put aside against a clone. Both may
not change a number that matters.
"""

import copy
import gc

import pytest
import torch
from tiny_models import (
    END,
    FAMILY_MODELS,
    PAD,
    byte_tokenizer,
    random_numbers,
    random_prompts,
    tiny_model,
)  # noqa: F401
from torch import nn

from rlhf_core.algorithms import tensors_aside
from rlhf_core.algorithms.tensors_aside import Aside
from rlhf_core.lm import language_model, matrix_products, sampling
from rlhf_core.lm.sampling import collect, decode

with_kernel = pytest.mark.skipif(
    not matrix_products.onednn(),
    reason="this torch was built without oneDNN: there is one kernel only",
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- products -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 24), (3, 5, 24), (24,)])
def test_a_product_and_its_gradients_are_torchs(shape):
    x, weight = normal(*shape).requires_grad_(True), normal(11, 24, seed=1).requires_grad_(True)
    towards = normal(*shape[:-1], 11, seed=2)
    ours, theirs = matrix_products.product(x, weight), nn.functional.linear(x, weight)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    for mine, other in zip(
        torch.autograd.grad((ours * towards).sum(), (x, weight)),
        torch.autograd.grad((theirs * towards).sum(), (x, weight)),
    ):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-5)


def test_a_frozen_weight_gets_no_gradient_and_costs_none():
    x, weight = normal(4, 24).requires_grad_(True), normal(11, 24, seed=1)
    matrix_products.product(x, weight).sum().backward()
    torch.testing.assert_close(x.grad, weight.sum(0).expand(4, 24))
    assert weight.grad is None


def test_without_the_kernel_torchs_product_is_used(monkeypatch):
    monkeypatch.setattr(matrix_products, "onednn", lambda: False)
    x, weight = normal(4, 24), normal(11, 24, seed=1)
    assert torch.equal(matrix_products.product(x, weight), nn.functional.linear(x, weight))
    trunk = language_model.assemble("tiny", tiny_model("gpt2"), byte_tokenizer(), where="It").trunk
    monkeypatch.setattr(matrix_products, "WORTH_PACKING", 0)
    assert matrix_products.packed(trunk, 4) is trunk


@with_kernel
@pytest.mark.parametrize("family", FAMILY_MODELS)
def test_writing_with_packed_weights_writes_the_same(family, monkeypatch):
    trunk = language_model.assemble("tiny", tiny_model(family), byte_tokenizer(), where="It").trunk
    before, calls = language_model.fingerprint(trunk), []

    def written():
        return collect(
            decode(
                trunk,
                random_prompts([3, 9, 1]),
                uniforms=random_numbers(6, 10),
                end_id=END,
                pad_id=PAD,
                samples=2,
                keep_distributions=True,
                keep_hidden=True,
            )
        )

    monkeypatch.setattr(sampling, "packed", lambda trunk, rows: trunk)
    plain = written()
    monkeypatch.setattr(
        sampling, "packed", lambda *args: calls.append(matrix_products.packed(*args)) or calls[-1]
    )
    other = written()
    assert torch.equal(plain.tokens, other.tokens)
    torch.testing.assert_close(plain.full_logprobs, other.full_logprobs, atol=1e-4, rtol=0)
    torch.testing.assert_close(plain.hidden, other.hidden, atol=1e-4, rtol=1e-4)
    (writer,) = calls
    assert (
        matrix_products.packed(trunk, 6) is writer
        and matrix_products.packed(trunk, 7) is not writer
    )  # made once for so many rows
    branch = trunk.trainable_copy()
    assert matrix_products.packed(branch, 6) is branch  # small and in training: not worth it
    assert (
        not [name for name, layer in writer.named_modules() if isinstance(layer, nn.Linear)]
        and sum(isinstance(m, matrix_products.Packed) for m in writer.modules()) > 6
    )
    assert language_model.fingerprint(trunk) == before and not any(
        isinstance(m, matrix_products.Packed) for m in trunk.modules()
    )


@with_kernel
def test_a_pack_is_never_older_than_its_weights(monkeypatch):
    monkeypatch.setattr(matrix_products, "WORTH_PACKING", 0)
    base = language_model.assemble("tiny", tiny_model("gpt2"), byte_tokenizer(), where="It").trunk
    branch, x = base.trainable_copy(2), normal(4, 1, 32)
    matrix_products.packed(base, 4)

    def through(trunk, layer):
        return matrix_products.packed(trunk, 4).h[layer].mlp.c_fc(x)

    for layer in range(3):
        torch.testing.assert_close(
            through(branch, layer), branch.h[layer].mlp.c_fc(x), atol=1e-5, rtol=1e-5
        )
    with torch.no_grad():  # as the optimiser does, in place
        branch.h[2].mlp.c_fc.weight.add_(1.0)
        torch.testing.assert_close(
            through(branch, 2), branch.h[2].mlp.c_fc(x), atol=1e-4, rtol=1e-5
        )
        base.h[0].mlp.c_fc.weight.add_(
            1.0
        )  # nobody does this to a frozen model, but if somebody did
        torch.testing.assert_close(
            through(branch, 0), branch.h[0].mlp.c_fc(x), atol=1e-4, rtol=1e-5
        )
        torch.testing.assert_close(through(base, 0), base.h[0].mlp.c_fc(x), atol=1e-4, rtol=1e-5)
    frozen = base.h[1].mlp.c_fc
    assert matrix_products.pack(frozen.weight, frozen.weight.T, 4) is matrix_products.pack(
        frozen.weight, frozen.weight.T, 4
    )  # made once
    gc.collect()
    before = len(matrix_products._WRITERS)
    del base, branch, frozen
    gc.collect()
    assert len(matrix_products._WRITERS) == before - 1  # and gone with its model


# --- put aside ------------------------------------------------------------------------------------


def things():
    return [
        normal(5, 7),
        normal(3, seed=1),
        torch.tensor(4.0),
        normal(6, 4, seed=2).T,
        torch.tensor([1, 2**40]),
    ]


@pytest.mark.parametrize("large", [0, 10**9], ids=["in a file", "in memory"])
def test_what_was_put_aside_comes_back_bit_by_bit_and_more_than_once(monkeypatch, large):
    monkeypatch.setattr(tensors_aside, "LARGE", large)
    tensors = things()
    expected, kept = copy.deepcopy(tensors), Aside(tensors)
    assert (kept.file is not None) == (large == 0) and kept.count == 5
    for _ in range(2):
        for tensor in tensors:
            tensor.fill_(9)
        kept.give_back(tensors)
        assert all(torch.equal(tensor, other) for tensor, other in zip(tensors, expected))


def test_a_full_disk_means_in_memory(monkeypatch):
    class Full:
        def seek(self, place):
            pass

        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensors_aside, "LARGE", 0)
    monkeypatch.setattr(tensors_aside, "_SPARE", [])
    monkeypatch.setattr(tensors_aside.tempfile, "TemporaryFile", Full)
    tensors = things()
    kept = Aside(tensors)
    assert kept.file is None
    tensors[0].zero_()
    kept.give_back(tensors)
    assert torch.equal(tensors[0], normal(5, 7))


def test_the_next_copy_writes_over_the_file_of_the_last(monkeypatch):
    monkeypatch.setattr(tensors_aside, "LARGE", 0)
    monkeypatch.setattr(tensors_aside, "_SPARE", [])
    first = Aside(things())
    file = first.file
    other = Aside(
        [torch.full_like(tensor, 7.0) for tensor in things()]
    )  # the first is still needed: another file
    assert other.file is not file
    del first
    again = [tensor + 1.0 for tensor in things()]
    third = Aside(again)
    assert third.file is file
    back = [torch.zeros_like(tensor) for tensor in again]
    third.give_back(back)
    assert all(torch.equal(a, b) for a, b in zip(again, back, strict=True))
