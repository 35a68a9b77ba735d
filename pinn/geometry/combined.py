"""Geometries made of others, as plain data: what `|`, `&` and `-` give."""

from collections.abc import Sequence
from functools import reduce
from operator import and_, or_, sub

from pinn.geometry.domains import Geometry


class Union(Geometry):
    """All points of some geometries:  a | b | …

    Args:
        of: the geometries.
    """

    def __new__(cls, of: Sequence[Geometry]) -> Geometry:  # type: ignore[misc]
        """The geometry, which is of no class of its own."""
        return reduce(or_, several("Union", of))

    def __init__(self, of: Sequence[Geometry]) -> None:
        raise TypeError("Union makes a Geometry")  # for its signature alone


class Intersection(Geometry):
    """The points that some geometries share:  a & b & …

    Args:
        of: the geometries.
    """

    def __new__(cls, of: Sequence[Geometry]) -> Geometry:  # type: ignore[misc]
        """The geometry, which is of no class of its own."""
        return reduce(and_, several("Intersection", of))

    def __init__(self, of: Sequence[Geometry]) -> None:
        raise TypeError("Intersection makes a Geometry")  # for its signature alone


class Difference(Geometry):
    """A geometry without some holes:  a - b - …

    Args:
        of: the geometry.
        holes: what is taken away.
    """

    def __new__(cls, of: Geometry, holes: Sequence[Geometry]) -> Geometry:  # type: ignore[misc]
        """The geometry, which is of no class of its own."""
        return reduce(sub, holes, of)

    def __init__(self, of: Geometry, holes: Sequence[Geometry]) -> None:
        raise TypeError("Difference makes a Geometry")  # for its signature alone


def several(name: str, given: Sequence[Geometry]) -> Sequence[Geometry]:
    """The geometries, if there are any."""
    if not given:
        raise ValueError(f"{name} is of no geometry: give at least one")
    return given
