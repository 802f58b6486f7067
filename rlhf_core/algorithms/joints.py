"""A gradient in parts: between two of them, others may have the processor.

A joint cuts the way back from the loss: behind it the same numbers go on as a leaf, and what
arrives there is handed on later. The same operations on the same numbers in the same order, so the
same gradient to the last bit (``tests/algorithms/test_joints.py``). Knows nothing about models.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor


class Joints:
    """The joints of one forward pass."""

    def __init__(self) -> None:
        self._cuts: list[tuple[Tensor, Tensor]] = []  # (what came, the leaf that goes on)

    def __call__(self, hidden: Tensor) -> Tensor:
        """``hidden``, cut off from how it was made; as it is where that has no gradient."""
        if not hidden.requires_grad:
            return hidden
        leaf = hidden.detach().requires_grad_()
        self._cuts.append((hidden, leaf))
        return leaf

    def backward(self, loss: Tensor) -> Iterator[None]:
        """``loss.backward()``; a yield at each joint."""
        loss.backward()
        while self._cuts:
            yield
            hidden, leaf = self._cuts.pop()
            if leaf.grad is not None:
                hidden.backward(leaf.grad)
