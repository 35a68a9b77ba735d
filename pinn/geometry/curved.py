"""Disc, ellipse and polygon; half-plane and half-space."""

from collections.abc import Sequence
from pathlib import Path

from pinn.geometry import plane
from pinn.geometry.chain import points_in
from pinn.geometry.coordinates import Coordinates
from pinn.geometry.domains import Geometry
from pinn.geometry.half_space import HalfSpaceShape
from pinn.geometry.shape import Range, Shape

AXES = ("x", "y", "z")
Vector = Sequence[float]


class Shaped(Geometry):
    """A geometry of one shape, optionally over a time interval; coordinates x, y (, z) (, t)."""

    def _of(self, shape: Shape, time: Range | None) -> None:
        """Begin with a shape."""
        names, lower, upper = AXES[: shape.dimensions], [*shape.lower], [*shape.upper]
        if time is not None:
            if not isinstance(time, Sequence) or isinstance(time, str) or len(time) != 2:
                raise ValueError(f"bounds of t must be two numbers (lower, upper), got {time!r}")
            names, lower, upper = (*names, "t"), [*lower, time[0]], [*upper, time[1]]
        Geometry.__init__(self, Coordinates(names), lower, upper, shape)


class Disc(Shaped):
    """|x − c| ≤ r  in the plane.

    Args:
        centre: c.
        radius: r > 0.
        name: of the circle, as a part of the boundary; without, it belongs to `boundary` alone.
        time: of the time interval.

    Raises:
        ValueError: a number is not finite, or r ≤ 0.
    """

    def __init__(
        self,
        centre: Vector = (0.0, 0.0),
        radius: float = 1.0,
        name: str = "",
        time: Range | None = None,
    ) -> None:
        self._of(plane.disc(centre, radius, name), time)


class Ellipse(Shaped):
    """(ξ/a)² + (η/b)² ≤ 1  in the plane, ξ and η along the axes of the ellipse.

    Args:
        centre: where ξ = η = 0.
        semi_axes: a, b > 0.
        angle: from the x axis to the axis of a, counter-clockwise, in radians.
        name: of the ellipse, as a part of the boundary; without, it belongs to `boundary` alone.
        time: of the time interval.

    Raises:
        ValueError: a number is not finite, or a semi-axis is not above 0.
    """

    def __init__(
        self,
        centre: Vector = (0.0, 0.0),
        semi_axes: Vector = (1.0, 0.5),
        angle: float = 0.0,
        name: str = "",
        time: Range | None = None,
    ) -> None:
        self._of(plane.ellipse(centre, semi_axes, angle, name), time)


class Polygon(Shaped):
    """The inside of a closed chain of points in the plane; edge i runs from point i to the next.

    Args:
        points: in order, clockwise or counter-clockwise; the last may repeat the first. An array
            (N, 2) will do, or the path of a file: a table with the columns x and y, or two numbers
            per line, as lists of aerofoils have them.
        smooth: bend the edges, by a cubic spline through the points.
        corners: numbers of the points at which smooth edges have a kink; without, those at which
            the chain turns by more than 60°, such as a sharp trailing edge.
        name: of the edges, as a part of the boundary; without, they belong to `boundary` alone.
        time: of the time interval.

    Raises:
        ValueError: fewer than 3 points, a point twice in a row, a number that is not finite, no
            area, edges that cross, an unknown corner, or a file that has no points.
    """

    def __init__(
        self,
        points: Sequence[Vector] | str | Path,
        smooth: bool = False,
        corners: Sequence[int] | None = None,
        name: str = "",
        time: Range | None = None,
    ) -> None:
        chain = points_in(points) if isinstance(points, str | Path) else points
        self._of(plane.polygon(chain, name, smooth, corners), time)
        # A checkpoint has to hold the points themselves: the file may be gone by then.
        self._spec["init_args"]["points"] = [[float(x) for x in point] for point in chain]


class HalfSpace(Geometry):
    """(x − p)·n ≤ 0:  a half-plane or half-space, to be combined with a bounded shape.

    Args:
        point: p, on its boundary.
        normal: n, outward, of any length.
        name: of its boundary.

    Raises:
        ValueError: a number is not finite, or the normal is zero.
    """

    def __init__(self, point: Vector, normal: Vector, name: str = "") -> None:
        shape = HalfSpaceShape(point, normal, name)
        names = Coordinates(AXES[: shape.dimensions])
        super().__init__(names, shape.lower, shape.upper, shape)
