"""The rows [J r] of a sparse problem, in groups that see the same blocks of θ."""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from pinn.optim.condensation import Condensed
from pinn.optim.structure import Seen, Structure, slices
from pinn.optim.system import GroupedSystem, System


class GroupedRows:
    """J and r of this process, at the θ at which they are asked for first.

    Args:
        system: the residuals; θ has to stay while rows are not kept.
        like: a tensor of the parameters' precision and device.
        structure: who sees whom.
        keeps: whether the rows are held, else they are evaluated each time.
    """

    def __init__(
        self, system: System | Condensed, like: Tensor, structure: Structure, keeps: bool
    ) -> None:
        self.system, self.like = cast(GroupedSystem, system), like
        self.structure, self.keeps = structure, keeps
        self.slices = list(slices(structure.sizes))
        self.kept: list[tuple[Seen, Tensor]] = []

    def __iter__(self) -> Iterator[tuple[Seen, Tensor]]:
        """Blocks seen, and [J r] (m, their lengths + 1); all of them in the order of r."""
        if self.kept:
            yield from self.kept
            return
        for seen, J, r in self.system.grouped():
            some = torch.cat([J, r[:, None]], 1)
            if self.keeps:
                self.kept.append((seen, some))
            yield seen, some

    def seen(self, vector: Tensor, blocks: Seen) -> Tensor:
        """The part (n, …) of a vector (P, …) that belongs to some blocks."""
        return torch.cat([vector[:0], *(vector[self.slices[block]] for block in blocks)])

    def times(self, vector: Tensor) -> Tensor:
        """J v (M,)."""
        parts = [some[:, :-1] @ self.seen(vector, blocks) for blocks, some in self]
        return torch.cat([self.like.new_zeros(0), *parts])

    def transposed_times(self, vector: Tensor) -> Tensor:
        """Jᵀ v (P,)."""
        product, start = self.like.new_zeros(sum(self.structure.sizes)), 0
        for blocks, some in self:
            part = some[:, :-1].T @ vector[start : start + len(some)]
            for block, own in self.parts(blocks, part):
                product[self.slices[block]] += own
            start += len(some)
        return product

    def transposed_after(self, r: Tensor, steps: Tensor) -> Tensor:
        """Jᵀ(R + J Δ) (P, k), of R (M, k) and Δ (P, k), in one pass over the rows."""
        product, start = torch.zeros_like(steps), 0
        for blocks, some in self:
            J, own = some[:, :-1], r[start : start + len(some)]
            part = J.T @ (own + J @ self.seen(steps, blocks))
            for block, values in self.parts(blocks, part):
                product[self.slices[block]] += values
            start += len(some)
        return product

    def parts(self, blocks: Seen, values: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Values (n, …) of some blocks, block by block; rows may also see none."""
        return zip(blocks, values.split([*self.lengths(blocks), 0]), strict=False)

    def lengths(self, blocks: Seen) -> list[int]:
        """Of some blocks."""
        return [self.structure.sizes[block] for block in blocks]
