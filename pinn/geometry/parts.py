"""Parts of a domain: the interior, a face, an instant; how large each is, what is drawn on it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pinn.geometry import sampling
from pinn.geometry.points import Points


class Part(Protocol):
    """What a domain asks of its parts; a shape brings a class of its own."""

    @property
    def measure(self) -> float:
        """Length, area or volume, times the duration."""

    def sample(self, n: int, method: str, seed: int) -> Points:
        """Draws n points with their normals; see `Geometry.sample`."""


@dataclass(frozen=True)
class BoxPart:
    """The points of a box at which some axes have a fixed value.

    Args:
        lower: lower bounds, one per coordinate.
        upper: upper bounds.
        fixed: the value of each axis that does not run.
        normal: the outward unit normal, one entry per coordinate of space; None but for a face.
    """

    lower: Sequence[float]
    upper: Sequence[float]
    fixed: Mapping[int, float]
    normal: Sequence[float] | None = None

    @property
    def free(self) -> list[int]:
        """The axes that run."""
        return [axis for axis in range(len(self.lower)) if axis not in self.fixed]

    @property
    def measure(self) -> float:
        """Length, area or volume, times the duration; 1 for a point."""
        return math.prod(self.upper[axis] - self.lower[axis] for axis in self.free)

    def sample(self, n: int, method: str, seed: int) -> Points:
        """Draws n points, none of them at an end of an axis that runs; see `Geometry.sample`."""
        free, weights = self.free, None
        if method == "gauss" and free:
            unit, weights = sampling.gauss_points(sampling.gauss_order(n, len(free)), len(free))
        else:
            drawn = "sobol" if method == "gauss" else method
            unit = sampling.unit_points(n, len(free), drawn, seed)
        at = unit.new_empty(len(unit), len(self.lower))
        for column, axis in enumerate(free):
            low, high = self.lower[axis], self.upper[axis]
            # Rounding may reach the end points, which belong to the faces.
            inside = math.nextafter(low, high), math.nextafter(high, low)
            at[:, axis] = (low + (high - low) * unit[:, column]).clamp(*inside)
        for axis, value in self.fixed.items():
            at[:, axis] = value
        normal = None if self.normal is None else at.new_tensor(self.normal).repeat(len(at), 1)
        return Points(at, normal, weights=weights)
