"""The points of a region, and measured ones."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from pinn.base.messages import near_miss
from pinn.base.transfers import sent
from pinn.geometry.coordinates import Coordinates


@dataclass(frozen=True, eq=False)
class Points:
    """What a region hands to a residual.

    Args:
        at: positions (N, D), float64.
        normal: outward unit normals (N, D_space) on faces, else None.
        columns: measured data, each column (N,); only point clouds have any.
        weights: of a quadrature rule (N,), their mean 1; None where all are equal.
        share: for how many points each one counts in a mean; see `part`.
    """

    at: Tensor
    normal: Tensor | None = None
    columns: dict[str, Tensor] = field(default_factory=dict)
    weights: Tensor | None = None
    share: float = 1.0

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """A function of every tensor, the points along its first axis."""
        return type(self)(
            at=function(self.at),
            normal=None if self.normal is None else function(self.normal),
            weights=None if self.weights is None else function(self.weights),
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


def point_cloud(
    name: str, columns: Mapping[str, Sequence[float] | Tensor], coordinates: Coordinates
) -> Points:
    """Measured points: columns named like the coordinates are positions, all others are data.

    Raises:
        ValueError: a column is not numeric, a coordinate has no column, or the columns differ in
            length, are empty, or hold a value that is not finite.
    """
    tensors = {key: _column(name, key, values) for key, values in columns.items()}
    for coordinate in coordinates.names:
        if coordinate not in tensors:
            hint = near_miss(coordinate, tensors)
            raise ValueError(f"points {name!r}: no column for coordinate {coordinate!r}, {hint}")
    lengths = {key: len(tensor) for key, tensor in tensors.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"points {name!r}: columns differ in length, {lengths}")
    at = torch.stack([tensors.pop(coordinate) for coordinate in coordinates.names], dim=-1)
    return Points(at, None, tensors)


def _column(name: str, key: str, values: Sequence[float] | Tensor) -> Tensor:
    if isinstance(values, Tensor):
        column = values.detach().to("cpu", torch.float64, copy=True)
    else:
        try:
            column = torch.tensor(values, dtype=torch.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"points {name!r}: column {key!r} is not numeric: {error}") from error
    if column.ndim != 1 or not len(column):
        shape = tuple(column.shape)
        raise ValueError(f"points {name!r}: column {key!r} must be (N,) and not empty, got {shape}")
    if not column.isfinite().all():
        row = int((~column.isfinite()).nonzero()[0])
        raise ValueError(
            f"points {name!r}: column {key!r} holds {column[row].item()} in row {row}, "
            "remove that row"
        )
    return column
