"""Domains: a shape in space, over time and parameters, with named regions."""

import copy
import math
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from pinn.base.messages import near_miss
from pinn.geometry import sampling
from pinn.geometry.block import Block
from pinn.geometry.columns import Names
from pinn.geometry.coordinates import Coordinates, bound, span
from pinn.geometry.inside import Inside
from pinn.geometry.joined import together
from pinn.geometry.measurements import Measurements, caller
from pinn.geometry.points import Points
from pinn.geometry.region import Region
from pinn.geometry.regions import INSTANTS, NAMELESS, Regions
from pinn.geometry.shape import Part, Shape


class Geometry(Regions):
    """A shape in space, times an optional interval of time and ranges of parameters.

    Regions: `interior`; the named parts of the boundary, each over all times; `boundary`, all of
    it; with time also `initial` and `final`, the whole shape at the first and the last instant; and
    what `named`, `part` and `with_points` add. A box has the faces `left`, `right` (x), `bottom`,
    `top` (y), `back` and `front` (z).

    Args:
        coordinates: the names of the axes; time `t` last.
        lower: lower bounds, one per coordinate, time included.
        upper: upper bounds, one per coordinate, time included.
        shape: what is inside of these bounds; by default all of the box.

    Raises:
        ValueError: bounds are missing, not finite, or not increasing.
    """

    def __init__(
        self,
        coordinates: Coordinates | Sequence[str],
        lower: Sequence[float],
        upper: Sequence[float],
        shape: Shape | None = None,
    ) -> None:
        if not isinstance(coordinates, Coordinates):
            coordinates = Coordinates(tuple(coordinates))
        if not len(coordinates) == len(lower) == len(upper):
            raise ValueError(
                f"{len(coordinates)} coordinates {coordinates.names} need as many bounds, "
                f"got {len(lower)} lower and {len(upper)} upper"
            )
        self.coordinates = coordinates
        self.lower = tuple(map(bound, coordinates.names, lower))
        self.upper = tuple(map(bound, coordinates.names, upper))
        for name, low, high in zip(coordinates.names, self.lower, self.upper, strict=True):
            # The midpoint must be a number of its own, or the open box would be empty.
            if not (math.isfinite(high - low) and low < 0.5 * (low + high) < high):
                raise ValueError(f"bounds of {name} must be finite and increase, got {low}, {high}")
        if shape is None:
            names = [coordinates.names[i] for i in coordinates.space]
            shape = Block(names, self.lower[: len(names)], self.upper[: len(names)])
        self.shape = shape
        self._start()

    @property
    def is_box(self) -> bool:
        """Whether every point between the bounds belongs to the domain."""
        return isinstance(self.shape, Block)

    def measure(self, region: str) -> float:
        """Length, area or volume of a region, times the duration; a point counts as 1.

        Raises:
            ValueError: the region is unknown.
        """
        self._check(region)
        if region in self._clouds:
            return float(len(self._clouds[region].points(self)))
        if region in self._unions:
            return math.fsum(self._region(part).measure for part in self._unions[region])
        return self._region(region).measure

    def sample(self, region: str, n: int, method: str = "sobol", seed: int = 0) -> Points:
        """Draws n points of a region; a union shares them among its parts in proportion to measure.

        Args:
            region: one of `regions`; a point cloud returns all its points, whatever n is.
            n: number of points, at least 1.
            method: `sobol`, `lhs`, `uniform` or `gauss`, which takes about n points of a
                quadrature, in a box kᵈ near n.
            seed: the same seed gives the same points.

        Raises:
            ValueError: the region or the method is unknown, or n < 1.
        """
        self._check(region)
        if region in self._clouds:
            return self._clouds[region].points(self)
        if n < 1:
            raise ValueError(f"region {region!r} needs at least 1 point, got {n}")
        names = self._unions.get(region, (region,))
        regions = [self._region(name) for name in names]
        counts = sampling.apportion(n, [each.measure for each in regions])
        if method == "gauss":  # a rule without points on a part would not be one
            counts = [max(count, 1) for count in counts]
        parts = [
            each.sample(count, method, sampling.stream_seed(seed, 0, 0, name))
            for name, each, count in zip(names, regions, counts, strict=True)
            if count
        ]
        if len(names) == 1:
            return parts[0]
        if all(part.weights is None for part in parts):
            normals = [part.normal for part in parts if part.normal is not None]
            return Points(torch.cat([part.at for part in parts]), torch.cat(normals))
        return together(parts, [each.measure for each in regions])

    def grid(self, per_axis: int) -> Tensor:
        """A regular grid of the bounds (per_axisᴰ, D), end points included, axis 0 the slowest.

        Raises:
            ValueError: per_axis < 2, which cannot include both end points.
        """
        if per_axis < 2:
            raise ValueError(f"a grid needs at least 2 points per axis, got {per_axis}")
        axes = [
            torch.linspace(low, high, per_axis, dtype=torch.float64)
            for low, high in zip(self.lower, self.upper, strict=True)
        ]
        return sampling.product(axes)

    def midpoints(self, per_axis: int) -> Tensor:
        """The midpoints of a regular partition of the bounds (per_axisᴰ, D)."""
        axes = [
            low + (high - low) * (torch.arange(per_axis, dtype=torch.float64) + 0.5) / per_axis
            for low, high in zip(self.lower, self.upper, strict=True)
        ]
        return sampling.product(axes)

    def contains(self, at: Tensor, slack: float = 0.0) -> Tensor:
        """Which of the points (N, D) lie in the closed domain and time interval: a mask (N,).

        Args:
            at: the points.
            slack: how far outside they may lie, as a part of the length of each axis.
        """
        lower, upper = at.new_tensor(self.lower), at.new_tensor(self.upper)
        distance = torch.maximum(lower - at, at - upper)
        inside = (distance <= slack * (upper - lower)).all(dim=-1)
        if self.is_box:
            return inside
        space = self.in_space(at)
        if slack:
            length = slack * float((upper - lower)[list(self.coordinates.space)].max())
            return inside & (self.shape.distance(space) <= length)
        return inside & self.shape.contains(space)

    def distance(self, at: Tensor, part: str | None = None) -> Tensor:
        """The signed distance (N,) of points (N, D) in space, negative inside; or that from a part.

        Exact for single shapes and in the plane. For booleans in space the sign is exact, and the
        true distance is at least as large.

        Raises:
            ValueError: the region is no part of the boundary.
        """
        space = self.in_space(at)
        if part is None:
            return self.shape.distance(space)
        if part not in self._parts and part not in self._unions:
            known = [name for name in (*self._parts, *self._unions) if name != NAMELESS]
            raise ValueError(f"{part!r} is no part of the boundary: {near_miss(part, known)}")
        names = self._unions.get(part, (part,))
        return torch.stack([self._parts[name].distance(space) for name in names]).amin(0)

    def in_space(self, at: Tensor) -> Tensor:
        """The columns of space of points (N, D)."""
        return at[:, : len(self.coordinates.space)]

    def with_points(
        self,
        name: str,
        data: Any,
        columns: Names | None = None,
        weights: str | float | None = None,
        deviations: str | float | None = None,
        missing: str = "refuse",
    ) -> Self:
        """A copy with measured points as a region; for the arguments see `Measurements`.

            Rectangle().with_points("sensors", "sensors.csv", columns={"u": "u_measured"})

        Raises:
            ValueError: the name is taken, the table cannot be used, or points lie outside.
        """
        self._check_free(name)
        table = Measurements(name, data, columns, weights, deviations, missing, beside=caller())
        table = table if table.is_file else table.settled(self)
        result = self._copy("with_points", table.call(self.coordinates))
        result._clouds[name] = table
        return result

    def read(self) -> Self:
        """A copy whose measured points are read, from their files or a checkpoint."""
        if all(table.known is not None for table in self._clouds.values()):
            return self
        result = copy.copy(self)
        result._clouds = {name: table.settled(self) for name, table in self._clouds.items()}
        return result

    def _region(self, name: str) -> Region:
        """The interior, a part or an instant, by its name."""
        ranges = list(zip(self.lower, self.upper, strict=True))[len(self.coordinates.space) :]
        if name in INSTANTS:
            ranges[-1] = (ranges[-1][name == "final"],) * 2
        return Region(self._parts.get(name, self._interior), ranges)

    @property
    def _interior(self) -> Part:
        return self.shape.interior if isinstance(self.shape, Block) else Inside(self.shape)

    def __repr__(self) -> str:
        names = self.coordinates.names
        sides = zip(names, self.lower, self.upper, strict=True)
        axes = [f"{name}={span(low, high)}" for name, low, high in sides]
        axes = axes if len(axes) <= 6 else [*axes[:3], "…", axes[-1]]
        return f"{type(self).__name__}({', '.join(axes)})"
