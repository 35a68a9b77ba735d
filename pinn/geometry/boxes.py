"""Interval, rectangle and box."""

from collections.abc import Sequence

from pinn.geometry.coordinates import Coordinates
from pinn.geometry.domains import Geometry
from pinn.geometry.shape import Range


class Interval(Geometry):
    """A line segment, optionally over a time interval; coordinates x (, t)."""

    def __init__(self, x: Range = (0.0, 1.0), time: Range | None = None) -> None:
        super().__init__(*_axes({"x": x}, time))


class Rectangle(Geometry):
    """A rectangle, optionally over a time interval; coordinates x, y (, t).

    Args:
        x: its range.
        y: its range.
        time: of the time interval.
        name: of all sides together, which then are `<name>_left` and so on: for a hole.
    """

    def __init__(
        self,
        x: Range = (0.0, 1.0),
        y: Range = (0.0, 1.0),
        time: Range | None = None,
        name: str = "",
    ) -> None:
        super().__init__(*_axes({"x": x, "y": y}, time))
        self._name_faces(name)


class Box(Geometry):
    """A rectangular box, optionally over a time interval; coordinates x, y, z (, t).

    Args:
        x: its range.
        y: its range.
        z: its range.
        time: of the time interval.
        name: of all faces together, which then are `<name>_left` and so on: for a hole.
    """

    def __init__(
        self,
        x: Range = (0.0, 1.0),
        y: Range = (0.0, 1.0),
        z: Range = (0.0, 1.0),
        time: Range | None = None,
        name: str = "",
    ) -> None:
        super().__init__(*_axes({"x": x, "y": y, "z": z}, time))
        self._name_faces(name)


def _axes(
    bounds: dict[str, Range], time: Range | None
) -> tuple[Coordinates, list[float], list[float]]:
    given = bounds if time is None else {**bounds, "t": time}
    for name, pair in given.items():
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise ValueError(f"bounds of {name} must be two numbers (lower, upper), got {pair!r}")
    lower, upper = ([pair[side] for pair in given.values()] for side in (0, 1))
    return Coordinates(tuple(given)), lower, upper
