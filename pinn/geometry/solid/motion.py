"""Motions that keep a shape similar to itself: x → s R x + t."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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


def translation(by: Sequence[float]) -> Motion:
    """x → x + t."""
    return Motion(1.0, np.eye(3), vector("the translation", by))


def rotation(axis: Sequence[float], angle: float, about: Sequence[float]) -> Motion:
    """x → R (x − c) + c, R by an angle in radians about an axis, counter-clockwise (Rodrigues).

    Raises:
        ValueError: the axis is zero, or a number is not finite.
    """
    u = unit_vector("the axis of the rotation", axis)
    (angle,) = numbers("the angle of the rotation", (angle,), 1)
    centre = vector("the centre of the rotation", about)
    across = np.cross(np.eye(3), u)
    R = np.eye(3) - math.sin(angle) * across + (1 - math.cos(angle)) * across @ across
    return Motion(1.0, R, centre - R @ centre)


def scaling(factor: float, about: Sequence[float]) -> Motion:
    """x → s (x − c) + c.

    Raises:
        ValueError: the factor is not above 0.
    """
    (factor,) = numbers("the factor of the scaling", (factor,), 1)
    if not factor > 0:
        raise ValueError(f"the factor of the scaling is {factor:g}: give a number above 0")
    centre = vector("the centre of the scaling", about)
    return Motion(factor, np.eye(3), (1 - factor) * centre)


def numbers(what: str, given: Sequence[float], count: int) -> Array:
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


def vector(what: str, given: Sequence[float]) -> Array:
    """Three finite numbers (3,)."""
    return numbers(what, given, 3)


def unit_vector(what: str, given: Sequence[float]) -> Array:
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
