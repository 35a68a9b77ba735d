"""Several pieces of a boundary as one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pinn.geometry.points import Points
from pinn.geometry.sampling import apportion
from pinn.geometry.shape import Part


@dataclass(frozen=True)
class Joined:
    """The union of pieces that overlap in nothing of positive measure.

    Args:
        pieces: of one dimension.
    """

    pieces: Sequence[Part]

    @property
    def measure(self) -> float:
        """Σ of the pieces'."""
        return math.fsum(piece.measure for piece in self.pieces)

    @property
    def running(self) -> int:
        """How many numbers place a point."""
        return self.pieces[0].running

    @property
    def acceptance(self) -> float:
        """The share of the numbers that place a point."""
        return math.fsum(p.measure * p.acceptance for p in self.pieces) / self.measure

    def place(self, unit: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The first number says on which piece, and where on it; see `Part.place`."""
        ends = torch.tensor([0.0, *(piece.measure for piece in self.pieces)], dtype=torch.float64)
        ends = ends.cumsum(0) / self.measure
        which = torch.searchsorted(ends[1:-1].contiguous(), unit[:, 0].contiguous(), right=True)
        placed, normals = unit.new_empty(0), unit.new_empty(0)
        kept = torch.ones(len(unit), dtype=torch.bool)
        for k, piece in enumerate(self.pieces):
            own = which == k
            numbers = unit[own].clone()
            numbers[:, 0] = (numbers[:, 0] - ends[k]) / (ends[k + 1] - ends[k])
            at, normal, mask = piece.place(numbers)
            if not len(placed):
                placed, normals = (unit.new_zeros(len(unit), at.shape[1]) for _ in range(2))
            places = own.nonzero()[:, 0]
            if mask is not None:
                kept[places[~mask]] = False
                places = places[mask]
            placed[places] = at
            if normal is not None:
                normals[places] = normal
        return placed[kept], normals[kept], None if bool(kept.all()) else kept

    def rule(self, n: int) -> Points:
        """The rules of the pieces, each with its share of the points; weights of mean 1."""
        counts = apportion(n, [piece.measure for piece in self.pieces])
        rules = [p.rule(max(k, 1)) for p, k in zip(self.pieces, counts, strict=True)]
        return together(rules, [piece.measure for piece in self.pieces])

    def distance(self, at: Tensor) -> Tensor:
        """That of the nearest piece."""
        return torch.stack([piece.distance(at) for piece in self.pieces]).amin(0)


def together(rules: Sequence[Points], measures: Sequence[float]) -> Points:
    """Points of several pieces, weighted so that each counts as its measure; mean 1."""
    total, size = sum(map(len, rules)), math.fsum(measures)
    weights = []
    for points, measure in zip(rules, measures, strict=True):
        one = torch.ones(len(points), dtype=torch.float64)
        weight = one if points.weights is None else points.weights
        weights.append(weight * (measure / size * total / len(points)))
    normals = [points.normal for points in rules if points.normal is not None]
    return Points(
        torch.cat([points.at for points in rules]),
        torch.cat(normals) if normals else None,
        weights=torch.cat(weights),
    )
