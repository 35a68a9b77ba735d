"""The outline of a shape in a section: what is inside, and where the boundary is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from pinn.geometry import Geometry
from pinn.geometry.sampling import product
from pinn.physics.references import inside_of

Array = np.ndarray[Any, np.dtype[np.float64]]
FINE = 400  # points along the longer side, at which the boundary is looked for
MARGIN = 0.02  # of the longer side, around the bounds
TOGETHER = 2**15  # points whose distance is computed at a time
BEYOND = 3  # points of the grid beyond the boundary that get the colour of those inside


@dataclass(frozen=True)
class Outline:
    """A shape in a section.

    Args:
        inside: which points of the section's grid belong to it, (n₁, n₀).
        axes: finer ones, with a margin.
        distance: the signed distance from the boundary on these, negative inside.
    """

    inside: Array
    axes: tuple[Array, Array]
    distance: Array

    @staticmethod
    def of(geometry: Geometry, axes: Sequence[Array], cut: Sequence[float]) -> "Outline | None":
        """That of a section over the first two coordinates; none of a box.

        Args:
            geometry: the domain.
            axes: the positions of the section's grid along both.
            cut: where the other coordinates stand.
        """
        if geometry.is_box or len(axes) != 2:
            return None
        return outline(geometry, tuple(map(tuple, axes)), tuple(cut))

    def filled(self, values: Array) -> Array:
        """Values (n₁, n₀), each point just outside with the mean of its neighbours.

        Colours between grid points then reach the boundary; what lies beyond it is covered.
        """
        values = np.where(self.inside, values, np.nan)
        outside = np.logical_not(self.inside)
        for _ in range(BEYOND):
            padded = np.pad(values, 1, constant_values=np.nan)
            n, m = values.shape
            around = [padded[i : i + n, j : j + m] for i in range(3) for j in range(3)]
            known = np.isfinite(around)
            count = known.sum(0)
            total = np.where(known, around, 0.0).sum(0)
            missing = outside & ~np.isfinite(values) & (count > 0)
            values = np.where(missing, total / np.maximum(count, 1), values)
        return values


@lru_cache(maxsize=16)  # the same for every component, and every picture of a run
def outline(
    geometry: Geometry, axes: tuple[tuple[float, ...], ...], cut: tuple[float, ...]
) -> Outline:
    """The outline in a section with these axes."""
    sides = [axis[-1] - axis[0] for axis in axes]
    flat = len(geometry.coordinates.space) < 2  # the second axis is time, or a parameter
    longest = sides[0] if flat else max(sides)
    fine = []
    for k, (axis, side) in enumerate(zip(axes, sides, strict=True)):
        margin = 0.0 if flat and k else MARGIN * longest
        count = 2 if flat and k else max(int(FINE * side / longest), 32)
        fine.append(np.linspace(axis[0] - margin, axis[-1] + margin, count))
    at = points(axes, cut)
    inside = inside_of(geometry, at).numpy().reshape([len(axis) for axis in axes]).T
    parts = [geometry.distance(some) for some in points(fine, cut).split(TOGETHER)]
    distance = torch.cat(parts).double().numpy().reshape(len(fine[0]), len(fine[1])).T
    return Outline(inside, (fine[0], fine[1]), distance)


def points(axes: Sequence[Sequence[float] | Array], cut: Sequence[float]) -> torch.Tensor:
    """The points (N, D) of a section, its first axis the slowest."""
    lines = [torch.as_tensor(np.asarray(axis), dtype=torch.float64) for axis in axes]
    lines += [torch.tensor([position], dtype=torch.float64) for position in cut]
    return product(lines)
