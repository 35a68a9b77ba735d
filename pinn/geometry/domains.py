"""Domains: a shape in space, over time and parameters, with named regions."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pinn.base.messages import near_miss
from pinn.geometry import combination, sampling
from pinn.geometry.block import Block
from pinn.geometry.coordinates import Coordinates, bound, increasing, span
from pinn.geometry.half_space import ENDLESS, HalfSpaceShape
from pinn.geometry.inside import Inside
from pinn.geometry.joined import together
from pinn.geometry.names import check_kept
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
            endless = isinstance(shape, HalfSpaceShape)
            if not endless:
                increasing(name, low, high)
        if shape is None:
            names = [coordinates.names[i] for i in coordinates.space]
            shape = Block(names, self.lower[: len(names)], self.upper[: len(names)])
        if not shape.measure > 0:
            raise ValueError("the shape has no interior: nothing is left of it")
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

    def grid(self, per_axis: int | Sequence[int]) -> Tensor:
        """A regular grid of the bounds (N, D), end points included, axis 0 the slowest.

        Raises:
            ValueError: fewer than 2 points per axis, which cannot include both end points.
        """
        counts = [per_axis] * len(self.lower) if isinstance(per_axis, int) else per_axis
        if min(counts) < 2:
            raise ValueError(f"a grid needs at least 2 points per axis, got {per_axis}")
        ends = zip(self.lower, self.upper, counts, strict=True)
        return sampling.product([torch.linspace(*each, dtype=torch.float64) for each in ends])

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

    def _name_faces(self, name: str) -> None:
        """Give the faces of a box names of their own, and one to all of them."""
        if name:
            self._check_free(name)
            names = [self.coordinates.names[i] for i in self.coordinates.space]
            self.shape = Block(names, self.shape.lower, self.shape.upper, f"{name}_")
            self._start()
            self._unions[name] = tuple(self._parts)

    def translated(self, by: Sequence[float]) -> "Geometry":
        """x + by, every point of it moved by a vector."""
        return self._moved("translated", by=by)

    def rotated(
        self,
        angle: float,
        about: Sequence[float] | None = None,
        axis: Sequence[float] = (0.0, 0.0, 1.0),
    ) -> "Geometry":
        """Turned by an angle in radians, counter-clockwise.

        Args:
            angle: in radians.
            about: the point that stays; by default the middle of the bounds.
            axis: in space, seen against which the turn is counter-clockwise.
        """
        turn = {"axis": axis} if self.shape.dimensions == 3 else {}
        return self._moved("rotated", angle=angle, about=about, **turn)

    def scaled(self, by: float, about: Sequence[float] | None = None) -> "Geometry":
        """Larger by a factor; the point `about` stays, by default the middle of the bounds."""
        return self._moved("scaled", by=by, about=about)

    def _moved(self, method: str, **arguments: Any) -> "Geometry":
        """A geometry of the moved shape; the names of its parts stay."""
        if self._picked or self._clouds:
            names = ", ".join((*self._picked, *self._clouds))
            raise ValueError(f"{self!r} has {names}: move it before it gets parts and points")
        shape = combination.moved(self.shape, method, **arguments)
        result = self._with_shape(shape, self)
        result._unions = dict(self._unions)
        result._spec = self._after(method, arguments)
        return result

    def _with_shape(self, shape: Shape, other: "Geometry") -> "Geometry":
        """A geometry of a shape, with the times and parameters of this one or another."""
        d = shape.dimensions
        if self.coordinates.names[:d] != other.coordinates.names[:d]:
            raise ValueError(
                f"{self!r} and {other!r} have other coordinates of space: give both the same names"
            )
        given = [g for g in (self, other) if len(g.coordinates) > d] or [self]
        if len({(g.coordinates, g.lower[d:], g.upper[d:]) for g in given}) > 1:
            raise ValueError(
                f"{self!r} and {other!r} differ in time or parameters: give them to one of both"
            )
        lower, upper = (*shape.lower, *given[0].lower[d:]), (*shape.upper, *given[0].upper[d:])
        return Geometry(given[0].coordinates, lower, upper, shape)

    def _combined(self, other: Any, kind: str) -> Any:
        """The union, intersection or difference with another geometry."""
        if not isinstance(other, Geometry):
            return NotImplemented
        result = self._with_shape(combination.combined(kind, self.shape, other.shape), other)
        result._inherit(self)
        result._inherit(other, self if kind == "difference" else None)
        check_kept(result, self, other, kind == "difference")
        result._spec = self._with(kind, other)
        return result

    def __or__(self, other: "Geometry") -> "Geometry":
        """All points of both."""
        return self._combined(other, "union")

    def __and__(self, other: "Geometry") -> "Geometry":
        """The points that both have."""
        return self._combined(other, "intersection")

    def __sub__(self, other: "Geometry") -> "Geometry":
        """This one with a hole."""
        return self._combined(other, "difference")

    def regions_of(self, name: str) -> list[Region]:
        """The parts that a region consists of; one for what is no union.

        Raises:
            ValueError: the region is unknown.
        """
        self._check(name)
        return [self._region(part) for part in self._unions.get(name, (name,))]

    def _region(self, name: str) -> Region:
        """The interior, a part or an instant, by its name."""
        if isinstance(self.shape, HalfSpaceShape):
            raise ValueError(ENDLESS)
        ranges = list(zip(self.lower, self.upper, strict=True))[len(self.coordinates.space) :]
        if name in INSTANTS:
            ranges[-1] = (ranges[-1][name == "final"],) * 2
        return Region(self._parts.get(name, self._interior), ranges, name)

    @property
    def _interior(self) -> Part:
        return self.shape.interior if isinstance(self.shape, Block) else Inside(self.shape)

    def __repr__(self) -> str:
        names = self.coordinates.names
        sides = zip(names, self.lower, self.upper, strict=True)
        axes = [f"{name}={span(low, high)}" for name, low, high in sides]
        axes = axes if len(axes) <= 6 else [*axes[:3], "…", axes[-1]]
        return f"{self._title}({', '.join(axes)})"
