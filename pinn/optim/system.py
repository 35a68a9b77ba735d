"""What least squares needs from a problem:  r(θ) and J = ∂r/∂θ, for  min ½|r(θ)|².

The rows [J r] are kept where they fit, else evaluated again. Where θ has several blocks, of which a
residual sees a few, the rows come in groups, see `grouped_rows`.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor


class System(Protocol):
    """The residuals of this process at the current values of the P parameters.

    P counts the parameters of the optimiser, flattened and concatenated in its order. With
    several processes each has rows of its own, and the loss is that of all of them.
    """

    def residuals(self) -> Tensor:
        """r (M,), in float64 and without a graph."""

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """J (m, P) and r (m,) of some rows at a time; together the M rows, in their order in r.

        What is handed out may be overwritten once the next block is asked for.
        """


class GroupedSystem(System, Protocol):
    """Residuals of which each sees a few blocks of θ, such as the coefficients of some patches.

    θ is cut into contiguous blocks. Rows of J that see the same blocks are a group.
    """

    def sizes(self) -> tuple[int, ...]:
        """The lengths of the blocks of θ, in order; of one block:  (P,),  J is dense."""

    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The numbers of the blocks that each group of this process sees, increasing."""

    def row_counts(self) -> tuple[int, ...]:
        """How many rows each group of this process has."""

    def grouped(self) -> Iterator[tuple[tuple[int, ...], Tensor, Tensor]]:
        """Some rows at a time, in their order in r: blocks seen, J (m, their lengths), r (m,).

        What is handed out may be overwritten once the next is asked for.
        """


class JacobianRows:
    """J (M, P) and r (M,) of this process, at the θ at which they are asked for first.

    Args:
        system: the residuals; θ has to stay while there are rows that do not fit.
        like: a tensor of the parameters' precision and device.
        size: P.
        count: M.
        most: how many rows are held at a time; all of them are kept.
    """

    def __init__(self, system: System, like: Tensor, size: int, count: int, most: int) -> None:
        self.system, self.like, self.size = system, like, size
        self.most, self.keeps = max(min(most, count), 1), most >= count
        self.kept: list[Tensor] = []

    def __iter__(self) -> Iterator[Tensor]:
        """[J r] (m, P + 1), some rows at a time; without room the next overwrites the last."""
        if self.kept:
            yield from self.kept
            return
        for some in self.evaluated():
            if self.keeps:
                self.kept.append(some)
            yield some

    def evaluated(self) -> Iterator[Tensor]:
        """So many rows at a time, in one buffer."""
        # By columns, as LAPACK wants it.
        buffer, filled = self.like.new_empty(self.size + 1, self.most).T, 0
        for J, r in self.system.blocks():
            start = 0
            while start < len(r):
                part = slice(start, start + self.most - filled)
                into = slice(filled, filled + len(r[part]))
                buffer[into, :-1], buffer[into, -1] = J[part], r[part]
                start, filled = part.stop, into.stop
                if filled == self.most:
                    yield buffer
                    filled = 0
        if filled:
            yield buffer[:filled]

    def times(self, vector: Tensor) -> Tensor:
        """J v (M,)."""
        parts = [some[:, :-1] @ vector for some in self]
        return torch.cat([self.like.new_zeros(0), *parts])

    def transposed_times(self, vector: Tensor) -> Tensor:
        """Jᵀ v (P,)."""
        product, start = self.like.new_zeros(self.size), 0
        for some in self:
            product.addmv_(some[:, :-1].T, vector[start : start + len(some)])
            start += len(some)
        return product

    def transposed_after(self, r: Tensor, steps: Tensor) -> Tensor:
        """Jᵀ(R + J Δ) (P, k), of R (M, k) and Δ (P, k), in one pass over the rows."""
        product, start = torch.zeros_like(steps), 0
        for some in self:
            J, own = some[:, :-1], r[start : start + len(some)]
            product.addmm_(J.T, own + J @ steps)
            start += len(some)
        return product

    def whole(self) -> Tensor:
        """[J r] (M, P + 1), where all rows are kept."""
        assert self.keeps
        return torch.cat([self.like.new_zeros(0, self.size + 1), *self])
