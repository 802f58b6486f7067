"""Read answers without reading padding: several of them share a row.

A minibatch of answers of unlike lengths is mostly padding where the longest decides its width. Here
its sequences are laid behind each other in a few rows of even length; a token may look at its own
sequence only, so that each is read as if it were alone. The same numbers to rounding:
tests/lm/test_packing.py.

Knows nothing about losses and rewards. Shapes: b sequences of S positions (prompt left-padded, then
the answer), R packed rows of W positions, N real answer tokens, d hidden size.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rlhf_core.common.known import known
from rlhf_core.lm.sampling import Responses
from rlhf_core.lm.transformer import Transformer, position_ids

ROW = 64  # positions of a row, about: shorter rows leave more gaps, longer ones look at more


def spread_out(values: Tensor, mask: Tensor) -> Tensor:
    """Values of the real tokens, laid back where ``mask`` is True; 0 elsewhere.

    (N, ...), (B, T) -> (B, T, ...).
    """
    out = torch.zeros(*mask.shape, *values.shape[1:], dtype=values.dtype)
    out[mask] = values
    return out


def places_of(lengths: list[int]) -> tuple[list[tuple[int, int]], int, int]:
    """Where each sequence lies: ((row, first column) of each, rows, width).

    As many rows as the tokens fill, and the smallest width at which "longest first, into the first
    row with room" finds a place for all.
    """
    total = sum(lengths)
    rows = max(1, round(total / max(ROW, *lengths)))
    longest_first = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    width = max(math.ceil(total / rows), *lengths)
    while True:
        used, places = [0] * rows, {}
        for i in longest_first:
            row = next((r for r in range(rows) if used[r] + lengths[i] <= width), None)
            if row is None:
                break
            places[i], used[row] = (row, used[row]), used[row] + lengths[i]
        if len(places) == len(lengths):
            return [places[i] for i in range(len(lengths))], rows, width
        width += 1


def answer_states(
    trunk: Transformer,
    responses: Responses,
    part: Tensor,
    shared: Tensor | None,
    frozen: int,
    joint: Callable[[Tensor], Tensor] = lambda hidden: hidden,
) -> Tensor:
    """The states that predict the answers' tokens, real ones only, with gradients. -> (N, d).

    In the order of ``responses.mask[part]``: answer by answer, token by token.

    Args:
        part: (b,) rows of ``responses``.
        shared: (B, S, d) what the ``frozen`` bottom layers gave, or None: begin at the embedding.
        joint: as in ``Transformer.run``; one more stands behind the last block.
    """
    prompt, answer = responses.prompt_mask[part], responses.mask[part]
    # What follows the last token is not asked, so it need not be read.
    read = torch.cat([prompt, answer], 1)[:, :-1] & torch.cat(
        [torch.ones_like(prompt), answer[:, 1:]], 1
    )
    before = read.nonzero()  # (tokens, 2): sequence by sequence, as they lie in the batch
    lengths = read.sum(1).tolist()
    places, rows, width = places_of(lengths)
    begins = torch.tensor([row * width + column for row, column in places])
    # 1. Where each token lies in the packed rows: where its sequence begins, and so many behind.
    along = position_ids(read)[read]
    slots = begins[before[:, 0]] + along  # (tokens,)

    # 2. Fill them.
    segments = torch.full((rows * width,), -1).index_copy(0, slots, before[:, 0]).view(rows, width)
    same = segments[:, :, None] == segments[:, None, :]
    itself = torch.eye(width, dtype=torch.bool)
    real = segments[:, None, :] >= 0
    allowed = (same & real & torch.ones_like(itself).tril() | itself)[:, None]  # (R, 1, W, W)
    if frozen:
        x = known(shared)[part][:, :-1][read]  # (tokens, d)
        x = x.new_zeros(rows * width, x.shape[-1]).index_copy(0, slots, x).view(rows, width, -1)
    else:
        ids = torch.cat([responses.prompt_ids[part], responses.tokens[part]], 1)[:, :-1][read]
        packed = [torch.zeros(rows * width, dtype=torch.long) for _ in range(2)]
        ids, positions = (
            empty.index_copy(0, slots, full).view(rows, width)
            for empty, full in zip(packed, (ids, along), strict=True)
        )
        x = trunk.embed(ids, positions)

    # 3. Read, and pick what predicts an answer's token: from the prompt's last to the last but one.
    hidden = trunk.run(x, allowed, start=frozen, joint=joint).flatten(0, 1)  # (R * W, d)
    predicts = before[:, 1] >= prompt.shape[1] - 1
    return joint(hidden.index_select(0, slots[predicts]))
