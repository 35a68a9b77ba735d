"""Motions that keep a shape similar to itself: x → s R x + t."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Vector = Sequence[float]


@dataclass(frozen=True)
class Motion:
    """x → s R x + t.

    Args:
        scale: s, above 0.
        rotation: R (3, 3).
        shift: t (3,).
    """

    scale: float
    rotation: Array
    shift: Array

    def points(self, at: Array) -> Array:
        """s R x + t of points (N, 3), or of one (3,)."""
        return self.scale * at @ self.rotation.T + self.shift

    def directions(self, of: Array) -> Array:
        """R v of directions (N, 3), or of one (3,)."""
        return of @ self.rotation.T


def motion(shift: Vector, angle: float, factor: float, about: Vector, axis: Vector) -> Motion:
    """x → c + s R (x − c) + d, R by an angle in radians about an axis (Rodrigues).

    Raises:
        ValueError: a number is not finite, s ≤ 0, or the axis is zero.
    """
    u = unit_vector("the axis of a rotation", axis)
    (angle,) = numbers("the angle of a rotation", (angle,), 1)
    s = positive("the factor of a scaling", factor)
    centre = vector("the centre of a motion", about)
    across = np.cross(np.eye(3), u)
    R = np.eye(3) + math.sin(angle) * across + (1 - math.cos(angle)) * across @ across
    return Motion(s, R, centre - s * R @ centre + vector("the shift of a motion", shift))


def numbers(what: str, given: Vector, count: int) -> Array:
    """Finite numbers (count,).

    Raises:
        ValueError: there are more or fewer of them, or one of them is not finite.
    """
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (count,):
        words = "one number" if count == 1 else f"{count} numbers"
        raise ValueError(f"{what} is {given!r}: give {words}")
    if not np.isfinite(values).all():
        raise ValueError(f"{what} is {values.tolist()}: each number must be finite")
    return values


def vector(what: str, given: Vector) -> Array:
    """Three finite numbers (3,)."""
    return numbers(what, given, 3)


def unit_vector(what: str, given: Vector) -> Array:
    """A direction (3,) of length 1.

    Raises:
        ValueError: it is zero.
    """
    values = vector(what, given)
    length = float(np.linalg.norm(values))
    if not length > 0:
        raise ValueError(f"{what} is {values.tolist()}: give a direction, such as (0, 0, 1)")
    return values / length


def positive(what: str, given: float) -> float:
    """A finite number above 0.

    Raises:
        ValueError: it is not above 0.
    """
    (value,) = numbers(what, (given,), 1)
    if not value > 0:
        raise ValueError(f"{what} is {value:g}: give a number above 0")
    return float(value)


def frame(axis: Array) -> Array:
    """Three orthonormal rows (3, 3), right-handed, the last of them the axis."""
    helper = np.eye(3)[int(np.argmin(np.abs(axis)))]
    first = np.cross(helper, axis)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(axis, first), axis])
