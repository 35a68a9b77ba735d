"""Box, in any position, and half-space."""

import math
from collections.abc import Sequence

import numpy as np

from pinn.geometry.solid.motion import Array, Motion, frame
from pinn.geometry.solid.patches import Rectangle, gauss, per_axis
from pinn.geometry.solid.primitive import Primitive, Tessellation
from pinn.geometry.solid.quadrics import PLANE, Quadrics

SIDES = ("left", "right", "bottom", "top", "back", "front")
CORNERS = np.array([(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)], dtype=float)
# The corners of each side, seen from outside counter-clockwise.
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
SQUARES = np.array([quad[k] for quad in QUADS for k in (0, 1, 2, 0, 2, 3)]).reshape(-1, 3)


class Block(Primitive):
    """c + Σᵢ tᵢ aᵢ uᵢ with |tᵢ| ≤ 1: a box that may be turned.

    Args:
        centre: c (3,).
        units: u, orthonormal rows (3, 3), right-handed.
        half: the half lengths a (3,).
        names: of the sides, two per axis, the lower first.
    """

    def __init__(
        self, centre: Array, units: Array, half: Array, names: Sequence[str] = SIDES
    ) -> None:
        self.centre, self.units, self.half, self.names = centre, units, half, tuple(names)
        reach = (half[:, None] * np.abs(units)).sum(0)
        self.lower, self.upper = centre - reach, centre + reach
        rows, self.pieces = [], []
        for side, name in enumerate(self.names):
            axis, sign = side // 2, 1 if side % 2 else -1
            normal = sign * units[axis]
            middle = centre + half[axis] * normal
            sides = 2 * np.delete(half[:, None] * units, axis, axis=0)
            corner = middle - 0.5 * sides.sum(0)
            self.pieces.append((name, Rectangle(corner, sides, normal)))
            rows.append((PLANE, middle, normal, 0.0))
        self.quadrics = Quadrics.of(*rows)

    @property
    def volume(self) -> float:
        """8 a₁ a₂ a₃."""
        return float(8 * self.half.prod())

    def distance(self, at: Array) -> Array:
        """From qᵢ = |local coordinate i| − aᵢ:  |max(q, 0)| + min(max q, 0)."""
        q = np.abs((at - self.centre) @ self.units.T) - self.half
        return np.linalg.norm(np.maximum(q, 0), axis=-1) + np.minimum(q.max(-1), 0)

    def moved(self, motion: Motion) -> "Block":
        """The moved box."""
        centre, units = motion.points(self.centre), motion.directions(self.units)
        return Block(centre, units, motion.scale * self.half, self.names)

    def interior(self, n: int) -> tuple[Array, Array]:
        """m³ Gauss points: degree 2m − 1; m³ ≈ n."""
        at, weight = gauss(per_axis(n, 3))
        unit = np.stack(np.meshgrid(at, at, at, indexing="ij"), axis=-1).reshape(-1, 3)
        weights = np.multiply.outer(np.outer(weight, weight), weight).ravel()
        return self.centre + (2 * unit - 1) * self.half @ self.units, weights

    def tessellation(self, lower: Array, upper: Array) -> Tessellation:
        """Two triangles per side."""
        vertices = self.centre + CORNERS * self.half @ self.units
        side = np.repeat(np.arange(6), 2)
        return Tessellation(vertices, SQUARES, side, side)


class HalfSpace(Primitive):
    """(x − p) · n ≤ 0.

    Args:
        point: p (3,), on the plane.
        normal: n (3,), out of it, of length 1.
        name: of the plane.
    """

    def __init__(self, point: Array, normal: Array, name: str) -> None:
        self.point, self.normal, self.name = point, normal, name
        self.lower, self.upper = np.full(3, -np.inf), np.full(3, np.inf)
        self.pieces: Sequence = [(name, None)]
        self.quadrics = Quadrics.of((PLANE, point, normal, 0.0))

    @property
    def volume(self) -> float:
        """Infinite."""
        return math.inf

    def distance(self, at: Array) -> Array:
        """(x − p) · n."""
        return (at - self.point) @ self.normal

    def moved(self, motion: Motion) -> "HalfSpace":
        """The moved half-space."""
        return HalfSpace(motion.points(self.point), motion.directions(self.normal), self.name)

    def tessellation(self, lower: Array, upper: Array) -> Tessellation:
        """A cube whose top is the plane, and which reaches far beyond the bounds elsewhere."""
        middle = 0.5 * (lower + upper)
        reach = 2 * float(np.linalg.norm(upper - lower)) + abs(float(self.distance(middle)))
        top = middle - self.distance(middle) * self.normal
        units = frame(self.normal)
        cube = Block(top - reach * self.normal, units, np.full(3, reach))
        found = cube.tessellation(lower, upper)
        zero = np.zeros(len(found.faces), dtype=int)
        return Tessellation(found.vertices, found.faces, zero, zero)
