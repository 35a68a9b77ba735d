"""The points of a region, and measured ones."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from pinn.base.transfers import sent


@dataclass(frozen=True, eq=False)
class Points:
    """What a region hands to a residual.

    Args:
        at: positions (N, D), float64.
        normal: outward unit normals (N, D_space) on faces, else None.
        columns: measured data, each column (N,); only point clouds have any.
        weights: of a quadrature rule (N,), their mean 1; None where all are equal.
        importance: what the residuals of each point weigh (N,), as 1/σ² of measured ones, their
            mean 1; None where all weigh alike. Means over the region take no notice of it.
        share: for how many points each one counts in a mean; see `part`.
    """

    at: Tensor
    normal: Tensor | None = None
    columns: dict[str, Tensor] = field(default_factory=dict)
    weights: Tensor | None = None
    importance: Tensor | None = None
    share: float = 1.0

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """A function of every tensor, the points along its first axis."""
        return type(self)(
            at=function(self.at),
            normal=None if self.normal is None else function(self.normal),
            weights=None if self.weights is None else function(self.weights),
            importance=None if self.importance is None else function(self.importance),
            columns={name: function(column) for name, column in self.columns.items()},
            share=self.share,
        )

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors, in the order of `map`."""
        tensors: list[Tensor] = []
        self.map(lambda t: tensors.append(t) or t)  # type: ignore[func-returns-value]
        return tensors

    def replaced(self, tensors: Iterable[Tensor]) -> Self:
        """The points with other `tensors`."""
        remaining = iter(tensors)
        return self.map(lambda _: next(remaining))

    def select(self, index: Any) -> Self:
        """Some of the points, by a slice, a mask or the numbers of the points."""
        return self.map(lambda t: t[index])

    def to(self, like: Tensor) -> Self:
        """The points in the precision and on the device of a tensor."""
        return self.map(lambda t: sent(t, like))

    def part(self, rank: int, count: int) -> Self:
        """Every count-th of the points, from number `rank` on.

        All parts are equally long: where points are missing, there are some of weight 0. The sums
        over all parts, and their counts, are those of the whole.
        """
        size = -(-len(self) // count)
        own = torch.arange(len(self))[rank::count]
        part = self.select(torch.cat([own, own.new_zeros(size - len(own))]))
        weights = part.at.new_ones(size) if part.weights is None else part.weights
        weights[len(own) :] = 0.0
        return replace(part, weights=weights, share=len(self) / (count * size))

    def evenly(self, count: int) -> Self:
        """All points, each of which counts for one only when `count` processes have it."""
        weights = self.at.new_ones(len(self)) if self.weights is None else self.weights
        return replace(self, weights=weights / count, share=self.share / count)

    @property
    def counted(self) -> float:
        """How many points they count for in a mean."""
        return self.share * len(self)

    def split(self, size: int) -> list[Self]:
        """The points in chunks of `size`, the last one perhaps smaller."""
        return [self.select(slice(k, k + size)) for k in range(0, len(self), size)]

    def __len__(self) -> int:
        return len(self.at)
