"""Copies of tensors, put aside: in memory, or in a temporary file where they are large.

PPO puts the model aside before every step, so that a step that is stopped leaves no trace. For the
bundled model that is some megabytes; for all of GPT-2 with Adam's two averages it is 1.5 GB, which
a laptop has better use for. The file has no name, and goes with the process whatever happens; the
next copy writes over it, because a fresh gigabyte costs seconds and one that was written before a
tenth of one.
"""

from __future__ import annotations

import tempfile
from typing import IO

import torch
from torch import Tensor

LARGE = 1_000_000_000  # bytes: from here on the file
_SPARE: list[IO[bytes]] = []  # a file that nobody needs any more


class Aside:
    """What ``tensors`` hold now."""

    def __init__(self, tensors: list[Tensor]):
        self.count = len(tensors)
        self.file: IO[bytes] | None = None
        self.copies: list[Tensor] = []
        if sum(t.numel() * t.element_size() for t in tensors) >= LARGE:
            try:
                self.file = _SPARE.pop() if _SPARE else tempfile.TemporaryFile()
                self.file.seek(0)
                for tensor in tensors:
                    self.file.write(_bytes(tensor.detach().contiguous()))
                self.file.flush()
                return
            except OSError:  # no room, or no temporary folder: then in memory after all
                self.file = None
        self.copies = [tensor.detach().clone() for tensor in tensors]

    def __del__(self) -> None:
        if self.file is not None and not _SPARE:
            _SPARE.append(self.file)

    @torch.no_grad()
    def give_back(self, tensors: list[Tensor]) -> None:
        """Into the same tensors, in the same order. Can be done again."""
        if self.file is None:
            for tensor, copy in zip(tensors, self.copies, strict=True):
                tensor.copy_(copy)
            return
        self.file.seek(0)
        for tensor in tensors:
            copy = torch.empty(tensor.shape, dtype=tensor.dtype)
            self.file.readinto(_bytes(copy))  # type: ignore[attr-defined]  # typeshed: IO has none
            tensor.copy_(copy)


def _bytes(tensor: Tensor) -> memoryview:
    """The memory of a contiguous tensor."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data
