"""Smooth pieces of a boundary in closed form: sphere, side of a cylinder, disc, rectangle."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from pinn.geometry.solid.motion import Array
from pinn.geometry.solid.motion import frame as axes_about

MARGIN = 1.05  # by how much a cap or strip is larger than the nodes that it has to hold

Rule = tuple[Array, Array, Array]  # points (N, 3), unit normals (N, 3), weights (N,) of sum area


class Patch(Protocol):
    """A piece of a surface; its normals point out of the primitive that it bounds."""

    @property
    def area(self) -> float:
        """The area."""

    def place(self, unit: Array) -> tuple[Array, Array]:
        """The points that numbers (N, 2) in (0, 1) stand for, evenly in area, and the normals."""

    def rule(self, n: int) -> Rule:
        """A quadrature with about n points."""

    def distance(self, at: Array) -> Array:
        """The distance (N,) of points (N, 3) from the patch."""


@dataclass(frozen=True, eq=False)
class Sphere:
    """|x − c| = R, or a cap of it.

    Args:
        centre: c.
        radius: R.
        frame: orthonormal rows, the last of them the axis of the cap.
        lowest: the cosine of the angle from the axis to the rim; −1 for the whole sphere.
    """

    centre: Array
    radius: float
    frame: Array = field(default_factory=lambda: np.eye(3))
    lowest: float = -1.0

    @property
    def area(self) -> float:
        """2 π R² (1 − lowest)."""
        return 2 * math.pi * self.radius**2 * (1 - self.lowest)

    def about(self, nodes: Array) -> "Sphere":
        """A cap that points (N, 3) of the sphere lie on."""
        local = (nodes - self.centre) / self.radius
        middle = local.mean(0)
        length = float(np.linalg.norm(middle))
        if length < 0.05:
            return self
        gap = 1.0 - float((local @ middle).min()) / length
        axes = axes_about(middle / length)
        return Sphere(self.centre, self.radius, axes, max(1.0 - MARGIN * gap, -1.0))

    def place(self, unit: Array) -> tuple[Array, Array]:
        """Evenly in height and angle, which is evenly in area (Archimedes)."""
        height = 1 - (1 - self.lowest) * unit[:, 0]
        normal = directions(height, 2 * math.pi * unit[:, 1]) @ self.frame
        return self.centre + self.radius * normal, normal

    def rule(self, n: int) -> Rule:
        """m Gauss heights × 2m angles: exact for polynomials of degree 2m − 1; 2m² ≈ n."""
        height, angle, weight = heights_and_angles(n)
        normal = directions(height, angle)
        return self.centre + self.radius * normal, normal, weight * self.area

    def distance(self, at: Array) -> Array:
        """| |x − c| − R |."""
        return np.abs(np.linalg.norm(at - self.centre, axis=-1) - self.radius)


@dataclass(frozen=True, eq=False)
class Tube:
    """The side of a cylinder, or a strip of it.

    Args:
        base: the centre of the base.
        frame: orthonormal rows, the last of them the axis.
        radius: R.
        height: h.
        half: how far the strip reaches to both sides of the first row; π for all around.
    """

    base: Array
    frame: Array
    radius: float
    height: float
    half: float = math.pi

    @property
    def area(self) -> float:
        """2 half R h."""
        return 2 * self.half * self.radius * self.height

    def about(self, nodes: Array) -> "Tube":
        """A strip that points (N, 3) of the side lie on."""
        local = (nodes - self.base) @ self.frame.T
        low, high = local[:, 2].min(), local[:, 2].max()
        spare = (MARGIN - 1) * (high - low)
        low, high = max(low - spare, 0.0), min(high + spare, self.height)
        middle = local[:, :2].mean(0) @ self.frame[:2]
        axis, half = self.frame[2], math.pi
        axes = self.frame
        if np.linalg.norm(middle) > 0.05 * self.radius:
            first = middle / np.linalg.norm(middle)
            axes = np.stack([first, np.cross(axis, first), axis])
            turned = (nodes - self.base) @ axes.T
            half = min(MARGIN * float(np.abs(np.arctan2(turned[:, 1], turned[:, 0])).max()), half)
        return Tube(self.base + low * axis, axes, self.radius, high - low, half)

    def _at(self, share: Array, angle: Array) -> tuple[Array, Array]:
        local = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=-1)
        normal = local @ self.frame
        along = (self.height * share)[:, None] * self.frame[2]
        return self.base + along + self.radius * normal, normal

    def place(self, unit: Array) -> tuple[Array, Array]:
        """Evenly in height and angle."""
        return self._at(unit[:, 0], self.half * (2 * unit[:, 1] - 1))

    def rule(self, n: int) -> Rule:
        """m Gauss heights × 2m angles: exact for polynomials of degree 2m − 1; 2m² ≈ n."""
        height, angle, weight = heights_and_angles(n)
        return *self._at(0.5 * (1 + height), angle), weight * self.area

    def distance(self, at: Array) -> Array:
        """hypot of the distances across and along."""
        across, along = polar(at, self.base, self.frame)
        outside = np.maximum(np.maximum(-along, along - self.height), 0)
        return np.hypot(across - self.radius, outside)


@dataclass(frozen=True, eq=False)
class Disc:
    """A flat disc; its normal is the last row of the frame."""

    centre: Array
    frame: Array
    radius: float

    @property
    def area(self) -> float:
        """π R²."""
        return math.pi * self.radius**2

    def _at(self, radius: Array, angle: Array) -> tuple[Array, Array]:
        local = np.stack([np.cos(angle), np.sin(angle)], axis=-1) @ self.frame[:2]
        at = self.centre + radius[:, None] * local
        return at, np.broadcast_to(self.frame[2], at.shape).copy()

    def place(self, unit: Array) -> tuple[Array, Array]:
        """r = R √u, evenly in angle."""
        return self._at(self.radius * np.sqrt(unit[:, 0]), 2 * math.pi * unit[:, 1])

    def rule(self, n: int) -> Rule:
        """m Gauss–Jacobi radii × 2m angles: exact for polynomials of degree 2m − 1; 2m² ≈ n."""
        m = per_axis(n / 2, 2)
        radius, own = radial(m, 1)
        angle = angles(2 * m)
        at = self._at(self.radius * np.repeat(radius, 2 * m), np.tile(angle, m))
        return *at, np.repeat(own, 2 * m) * self.area / (2 * m)

    def distance(self, at: Array) -> Array:
        """hypot of the distances across and along."""
        across, along = polar(at, self.centre, self.frame)
        return np.hypot(np.maximum(across - self.radius, 0), along)


@dataclass(frozen=True, eq=False)
class Rectangle:
    """corner + u a + v b with 0 ≤ u, v ≤ 1.

    Args:
        corner: (3,).
        sides: a and b (2, 3), orthogonal.
        normal: (3,).
    """

    corner: Array
    sides: Array
    normal: Array

    @cached_property
    def lengths(self) -> Array:
        """|a| and |b|."""
        return np.linalg.norm(self.sides, axis=1)

    @property
    def area(self) -> float:
        """|a| |b|."""
        return float(self.lengths.prod())

    def place(self, unit: Array) -> tuple[Array, Array]:
        """Evenly along both sides."""
        at = self.corner + unit @ self.sides
        return at, np.broadcast_to(self.normal, at.shape).copy()

    def rule(self, n: int) -> Rule:
        """m × m Gauss points: exact for polynomials of degree 2m − 1; m² ≈ n."""
        at, weight = gauss(per_axis(n, 2))
        unit = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2)
        return *self.place(unit), np.outer(weight, weight).ravel() * self.area

    def distance(self, at: Array) -> Array:
        """To the nearest point of the rectangle."""
        units = self.sides / self.lengths[:, None]
        local = (at - self.corner) @ units.T
        outside = np.maximum(np.maximum(-local, local - self.lengths), 0)
        return np.sqrt((outside**2).sum(-1) + ((at - self.corner) @ self.normal) ** 2)


def directions(height: Array, angle: Array) -> Array:
    """The unit vectors (N, 3) of a height cos θ and an angle φ."""
    across = np.sqrt(np.maximum(1 - height**2, 0))
    return np.stack([across * np.cos(angle), across * np.sin(angle), height], axis=-1)


def polar(at: Array, origin: Array, frame: Array) -> tuple[Array, Array]:
    """The distance from an axis, and the coordinate along it, each (N,)."""
    local = (at - origin) @ frame.T
    return np.hypot(local[:, 0], local[:, 1]), local[:, 2]


def per_axis(n: float, dimensions: int) -> int:
    """How many points per axis come nearest to n in all."""
    return max(1, round(n ** (1 / dimensions)))


def gauss(m: int) -> tuple[Array, Array]:
    """Gauss–Legendre on (0, 1): points and weights of sum 1."""
    at, weight = np.polynomial.legendre.leggauss(m)
    return 0.5 * (1 + at), 0.5 * weight


def radial(m: int, power: int) -> tuple[Array, Array]:
    """Gauss–Jacobi for ∫₀¹ f(r) r^power dr: points, and weights of sum 1."""
    from scipy.special import roots_jacobi

    at, weight = roots_jacobi(m, 0, power)
    return 0.5 * (1 + at), weight / weight.sum()


def angles(count: int) -> Array:
    """Equal steps of a whole turn (count,), none of them at 0."""
    return 2 * math.pi * (np.arange(count) + 0.5) / count


def heights_and_angles(n: int) -> Rule:
    """m Gauss heights in (−1, 1) × 2m angles, and weights of sum 1; 2m² ≈ n."""
    m = per_axis(n / 2, 2)
    height, weight = gauss(m)
    angle = np.tile(angles(2 * m), m)
    return np.repeat(2 * height - 1, 2 * m), angle, np.repeat(weight, 2 * m) / (2 * m)
