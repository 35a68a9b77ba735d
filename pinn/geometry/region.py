"""A region: a part of a shape, over all times and parameters or at one instant."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pinn.geometry import sampling
from pinn.geometry.points import Points
from pinn.geometry.shape import Part, Range

MOST = 2**22  # candidates before a part counts as empty


class Density(Protocol):
    """How densely points are to lie."""

    @property
    def acceptance(self) -> float:
        """The mean of `accepts` over the region."""

    def accepts(self, at: Tensor) -> Tensor:
        """The share (N,) of the points at positions (N, D) that are kept."""


@dataclass(frozen=True)
class Region:
    """part × Πᵢ rangeᵢ, the ranges those of parameters and time.

    Args:
        part: of the shape.
        ranges: of the coordinates behind those of space; one value where low = high.
        name: for messages.
    """

    part: Part
    ranges: Sequence[Range] = ()
    name: str = ""

    @property
    def free(self) -> list[int]:
        """The ranges that run."""
        return [i for i, (low, high) in enumerate(self.ranges) if low < high]

    @property
    def measure(self) -> float:
        """Length, area or volume, times the lengths of the ranges."""
        return self.part.measure * math.prod(
            self.ranges[i][1] - self.ranges[i][0] for i in self.free
        )

    def sample(self, n: int, method: str, seed: int, density: Density | None = None) -> Points:
        """Draws n points with their normals, evenly or by a density; see `Geometry.sample`.

        Raises:
            ValueError: too few of the points drawn are accepted.
        """
        if method == "gauss" and self.part.running + len(self.free):
            return self.rule(n)
        drawn = "sobol" if method == "gauss" else method
        share = self.part.acceptance * (1.0 if density is None else density.acceptance)
        if share >= 1:
            return self.placed(n, drawn, seed)
        most, tries = max(MOST, 64 * n), math.ceil(1.1 * n / max(share, 1e-9)) + 16
        while True:
            tries = min(tries, most)
            points = self.placed(tries, drawn, seed, density)
            if len(points) >= n:
                return points.select(slice(n))
            if tries == most:
                raise ValueError(
                    f"region {self.name!r}: only {len(points)} of {tries} points drawn lie in it, "
                    f"{n} are needed: it is empty or too thin"
                )
            tries *= 2

    def placed(self, n: int, method: str, seed: int, density: Density | None = None) -> Points:
        """The points that n draws stand for; fewer where some are rejected.

        One more number of each draw decides about a point by the density.
        """
        running, free = self.part.running, self.free
        size = running + len(free) + (density is not None)
        unit = sampling.unit_points(n, size, method, seed)
        at, normal, kept = self.part.place(unit[:, :running])
        rest = unit[:, running:] if kept is None else unit[kept, running:]
        points = Points(torch.cat([at, self.extended(rest)], 1), normal)
        if density is None:
            return points
        return points.select(rest[:, -1] < density.accepts(points.at))

    def rule(self, n: int) -> Points:
        """A quadrature of the part times Gauss points along the ranges that run."""
        running, free = self.part.running, self.free
        if not free:
            rule = self.part.rule(n)
            return Points(self.beside(rule.at), rule.normal, weights=rule.weights)
        k = sampling.gauss_order(n, running + len(free))
        inner = self.part.rule(k**running)
        unit, weights = sampling.gauss_points(k, len(free))
        at = inner.at.repeat_interleave(len(unit), 0)
        beside = self.extended(unit).repeat(len(inner), 1)
        normal = None if inner.normal is None else inner.normal.repeat_interleave(len(unit), 0)
        own = inner.weights if inner.weights is not None else inner.at.new_ones(len(inner))
        together = (own[:, None] * weights).reshape(-1)
        return Points(torch.cat([at, beside], 1), normal, weights=together)

    def beside(self, at: Tensor) -> Tensor:
        """Positions in space with the coordinates that stand still."""
        return torch.cat([at, self.extended(at.new_empty(len(at), 0))], 1)

    def extended(self, unit: Tensor) -> Tensor:
        """The columns behind those of space, from one number per range that runs."""
        columns = unit.new_empty(len(unit), len(self.ranges))
        free = self.free
        for i, (low, high) in enumerate(self.ranges):
            if i in free:
                columns[:, i] = sampling.between(low, high, unit[:, free.index(i)])
            else:
                columns[:, i] = low
        return columns
