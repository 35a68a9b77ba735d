"""Domains with named regions: what the residuals are sampled on."""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor

from pinn.base.messages import near_miss
from pinn.geometry import sampling
from pinn.geometry.coordinates import Coordinates, bound, span
from pinn.geometry.parts import BoxPart, Part
from pinn.geometry.points import Points, point_cloud

Bounds = tuple[float, float]

INSTANTS = ("initial", "final")
_FACES = {"x": ("left", "right"), "y": ("bottom", "top"), "z": ("back", "front")}


class Geometry:
    """An axis-aligned box  Πᵢ [lowerᵢ, upperᵢ]  in space, times an optional time interval.

    Regions: `interior`; the faces `left`, `right` (x), `bottom`, `top` (y), `back`, `front` (z),
    each over the whole time interval; `boundary`, all faces together; with time also `initial` and
    `final`, the whole spatial box at the first and the last instant; and what `named` and
    `with_points` add.

    Args:
        coordinates: the names of the axes.
        lower: lower bounds, one per coordinate, time included.
        upper: upper bounds, one per coordinate, time included.

    Raises:
        ValueError: bounds are missing, not finite, or not increasing.
    """

    def __init__(
        self, coordinates: Coordinates, lower: Sequence[float], upper: Sequence[float]
    ) -> None:
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
        self._faces: dict[str, tuple[int, int]] = {}  # name -> (axis, 0 lower or 1 upper)
        for axis in coordinates.space:
            name = coordinates.names[axis]
            for side, face in enumerate(_FACES.get(name, (f"{name}_lower", f"{name}_upper"))):
                self._faces[face] = (axis, side)
        self._unions: dict[str, tuple[str, ...]] = {}
        if self._faces:
            self._unions["boundary"] = tuple(self._faces)
        self._clouds: dict[str, Points] = {}

    @property
    def regions(self) -> tuple[str, ...]:
        """The names `sample` and `measure` know."""
        instants = () if self.coordinates.time is None else INSTANTS
        return ("interior", *self._faces, *instants, *self._unions, *self._clouds)

    def measure(self, region: str) -> float:
        """Length, area or volume of a region, times the duration; a point counts as 1.

        Raises:
            ValueError: the region is unknown.
        """
        self._check(region)
        if region in self._clouds:
            return float(len(self._clouds[region]))
        if region in self._unions:
            return math.fsum(self.measure(face) for face in self._unions[region])
        return self._part(region).measure

    def is_measured(self, region: str) -> bool:
        """Whether a region is a cloud of measured points; a sample of it has all of them."""
        return region in self._clouds

    def sample(self, region: str, n: int, method: str = "sobol", seed: int = 0) -> Points:
        """Draws n points of a region; a union shares them among its faces in proportion to measure.

        Args:
            region: one of `regions`; a point cloud returns all its points, whatever n is.
            n: number of points, at least 1.
            method: `sobol`, `lhs`, `uniform` or `gauss`, which takes kᵈ points near n.
            seed: the same seed gives the same points.

        Raises:
            ValueError: the region or the method is unknown, or n < 1.
        """
        self._check(region)
        if region in self._clouds:
            return self._clouds[region]
        if n < 1:
            raise ValueError(f"region {region!r} needs at least 1 point, got {n}")
        faces = self._unions.get(region, (region,))
        counts = sampling.apportion(n, [self.measure(face) for face in faces])
        parts = [
            self._part(face).sample(count, method, sampling.stream_seed(seed, 0, 0, face))
            for face, count in zip(faces, counts, strict=True)
            if count
        ]
        if len(faces) == 1:
            return parts[0]
        return Points(
            torch.cat([part.at for part in parts]),
            torch.cat([part.normal for part in parts if part.normal is not None]),
            weights=self._shared_weights(faces, parts),
        )

    def grid(self, per_axis: int) -> Tensor:
        """A regular grid (per_axisᴰ, D), float64, end points included, axis 0 the slowest.

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
        """The midpoints of a regular partition (per_axisᴰ, D), float64; none on the boundary."""
        axes = [
            low + (high - low) * (torch.arange(per_axis, dtype=torch.float64) + 0.5) / per_axis
            for low, high in zip(self.lower, self.upper, strict=True)
        ]
        return sampling.product(axes)

    def contains(self, at: Tensor, slack: float = 0.0) -> Tensor:
        """Which of the points (N, D) lie in the closed box and time interval: a mask (N,).

        Args:
            at: the points.
            slack: how far outside they may lie, as a part of the length of each axis.
        """
        lower, upper = at.new_tensor(self.lower), at.new_tensor(self.upper)
        distance = torch.maximum(lower - at, at - upper)
        return (distance <= slack * (upper - lower)).all(dim=-1)

    def named(self, **groups: str | Sequence[str]) -> Self:
        """A copy with more region names, each a union of faces: `named(lid="top")`.

        Raises:
            ValueError: a name is taken, or a member is no face (or union of faces) or comes twice.
        """
        result = copy.copy(self)
        result._unions = dict(self._unions)
        for name, given in groups.items():
            result._check_free(name)
            faces: list[str] = []
            for member in (given,) if isinstance(given, str) else given:
                if member not in result._faces and member not in result._unions:
                    known = (*result._faces, *result._unions)
                    raise ValueError(
                        f"region {name!r}: {member!r} is not a face, {near_miss(member, known)}"
                    )
                faces += result._unions.get(member, (member,))
            if not faces or len(set(faces)) < len(faces):
                raise ValueError(f"region {name!r} must name each of its faces once, got {given!r}")
            result._unions[name] = tuple(faces)
        return result

    def with_points(self, name: str, columns: Mapping[str, Sequence[float] | Tensor]) -> Self:
        """A copy with a measured point cloud as a region.

        Args:
            name: the name of the new region.
            columns: columns named like the coordinates are the positions, all others are data.

        Raises:
            ValueError: the name is taken, a coordinate is missing, the columns differ in length
                or hold values that are not finite, or points lie outside the box.
        """
        self._check_free(name)
        cloud = point_cloud(name, columns, self.coordinates)
        # Printed or float32 positions may miss a wall by their rounding error.
        outside = int((~self.contains(cloud.at, slack=1e-6)).sum())
        if outside:
            raise ValueError(
                f"points {name!r}: {outside} of {len(cloud)} lie outside {self!r}, "
                "check their units or enlarge the box"
            )
        result = copy.copy(self)
        result._clouds = {**self._clouds, name: cloud}
        return result

    def _part(self, name: str) -> Part:
        """The interior, a face or an instant, by its name; another shape has others."""
        fixed, normal = {}, None
        if name in self._faces:
            axis, side = self._faces[name]
            fixed[axis] = (self.lower, self.upper)[side][axis]
            normal = [0.0] * len(self.coordinates.space)
            normal[axis] = 1.0 if side else -1.0
        elif name in INSTANTS:
            fixed[len(self.lower) - 1] = self.lower[-1] if name == "initial" else self.upper[-1]
        return BoxPart(self.lower, self.upper, fixed, normal)

    def _shared_weights(self, faces: Sequence[str], parts: Sequence[Points]) -> Tensor | None:
        """The weights of a rule over several faces, each as its measure, with mean 1."""
        if all(part.weights is None for part in parts):
            return None
        total, whole = sum(len(part) for part in parts), self.measure
        size = math.fsum(whole(face) for face in faces)
        weights = []
        for face, part in zip(faces, parts, strict=True):
            one = torch.ones(len(part), dtype=torch.float64)
            weight = one if part.weights is None else part.weights
            weights.append(weight * (whole(face) / size * total / len(part)))
        return torch.cat(weights)

    def _check(self, region: str) -> None:
        if region not in self.regions:
            raise ValueError(f"unknown region {region!r}: {near_miss(region, self.regions)}")

    def _check_free(self, name: str) -> None:
        if not name.isidentifier():
            raise ValueError(f"region name {name!r} is not an identifier, such as 'inlet'")
        if name in self.regions:
            raise ValueError(f"region name {name!r} is taken: choose another than {self.regions}")

    def __repr__(self) -> str:
        names = self.coordinates.names
        sides = zip(names, self.lower, self.upper, strict=True)
        axes = [f"{name}={span(low, high)}" for name, low, high in sides]
        axes = axes if len(axes) <= 6 else [*axes[:3], "…", axes[-1]]
        return f"{type(self).__name__}({', '.join(axes)})"


class Interval(Geometry):
    """A line segment, optionally over a time interval; coordinates x (, t)."""

    def __init__(self, x: Bounds = (0.0, 1.0), time: Bounds | None = None) -> None:
        super().__init__(*_axes({"x": x}, time))


class Rectangle(Geometry):
    """A rectangle, optionally over a time interval; coordinates x, y (, t)."""

    def __init__(
        self, x: Bounds = (0.0, 1.0), y: Bounds = (0.0, 1.0), time: Bounds | None = None
    ) -> None:
        super().__init__(*_axes({"x": x, "y": y}, time))


class Box(Geometry):
    """A rectangular box, optionally over a time interval; coordinates x, y, z (, t)."""

    def __init__(
        self,
        x: Bounds = (0.0, 1.0),
        y: Bounds = (0.0, 1.0),
        z: Bounds = (0.0, 1.0),
        time: Bounds | None = None,
    ) -> None:
        super().__init__(*_axes({"x": x, "y": y, "z": z}, time))


def _axes(
    bounds: dict[str, Bounds], time: Bounds | None
) -> tuple[Coordinates, list[float], list[float]]:
    given = bounds if time is None else {**bounds, "t": time}
    for name, pair in given.items():
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise ValueError(f"bounds of {name} must be two numbers (lower, upper), got {pair!r}")
    lower, upper = ([pair[side] for pair in given.values()] for side in (0, 1))
    return Coordinates(tuple(given)), lower, upper
