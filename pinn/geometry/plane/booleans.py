"""Union, intersection, difference, and motion of shapes in the plane."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pinn.geometry.plane.arrangement import Arrangement
from pinn.geometry.plane.motion import turn
from pinn.geometry.plane.region import PlaneShape


def union(one: PlaneShape, other: PlaneShape) -> PlaneShape:
    """A | B; where the two have a boundary in common, it keeps its name in A."""
    return PlaneShape(Arrangement(one.pieces, other.pieces).boundary("union"))


def intersection(one: PlaneShape, other: PlaneShape) -> PlaneShape:
    """A & B; where the two have a boundary in common, it keeps its name in A.

    Raises:
        ValueError: A and B have no area in common.
    """
    pieces = Arrangement(one.pieces, other.pieces).boundary("intersection")
    if not pieces:
        raise ValueError(
            f"nothing is left: the shapes have no area in common, one has {one!r}, "
            f"the other {other!r}"
        )
    return PlaneShape(pieces)


def difference(one: PlaneShape, other: PlaneShape) -> PlaneShape:
    """A − B, closed; pieces of A and of B that have one name are one part.

    Raises:
        ValueError: B does not meet A, or covers it.
    """
    arrangement = Arrangement(one.pieces, other.pieces)
    if not arrangement.boundary("intersection"):
        raise ValueError(
            f"the hole does not meet the domain: the hole has {other!r}, the domain {one!r}"
        )
    pieces = arrangement.boundary("difference")
    if not pieces:
        raise ValueError(f"nothing is left: the hole with {other!r} covers the domain with {one!r}")
    return PlaneShape(pieces)


def nameless(shape: PlaneShape, names: Sequence[str]) -> PlaneShape:
    """The shape without some names of its parts."""
    pieces = (replace(p, name="") if p.name in names else p for p in shape.pieces)
    return PlaneShape(list(pieces))


def moved(
    shape: PlaneShape,
    shift: Sequence[float] = (0.0, 0.0),
    angle: float = 0.0,
    factor: float = 1.0,
    about: Sequence[float] = (0.0, 0.0),
) -> PlaneShape:
    """The points  c + s R (x − c) + d  for x of a shape.

    Args:
        shape: what is moved; names and numbers of edges stay.
        shift: d.
        angle: of the rotation R, counter-clockwise, in radians.
        factor: s > 0.
        about: the centre c of rotation and scaling.

    Raises:
        ValueError: a number is not finite, or s ≤ 0.
    """
    for what, values in (("shift", shift), ("centre", about)):
        if len(values) != 2 or not all(math.isfinite(value) for value in values):
            raise ValueError(f"a {what} must be two finite numbers (x, y), got {tuple(values)}")
    if not math.isfinite(angle):
        raise ValueError(f"an angle must be finite (in radians), got {angle}")
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"a factor must be finite and above 0, got {factor}")
    matrix, centre = factor * turn(angle), np.array(about, dtype=float)
    turned = np.array([float(row @ centre) for row in matrix])
    offset = (centre - turned) + np.array(shift, dtype=float)
    return PlaneShape([piece.moved(matrix, offset) for piece in shape.pieces])
