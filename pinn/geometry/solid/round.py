"""Ball and circular cylinder."""

import math
from functools import cached_property

import numpy as np

from pinn.geometry.solid.motion import Array, Motion, frame
from pinn.geometry.solid.patches import (
    Disc,
    Sphere,
    Tube,
    angles,
    directions,
    gauss,
    heights_and_angles,
    per_axis,
    polar,
    radial,
)
from pinn.geometry.solid.primitive import Primitive, Tessellation
from pinn.geometry.solid.quadrics import PLANE, SPHERE, TUBE, Quadrics

HALVINGS = 3  # of the edges of an icosahedron: 1280 triangles
AROUND = 64  # edges of a circle


class Ball(Primitive):
    """|x − c| ≤ R."""

    def __init__(self, centre: Array, radius: float, name: str) -> None:
        self.centre, self.radius, self.name = centre, radius, name
        self.lower, self.upper = centre - radius, centre + radius
        self.pieces = [(name, Sphere(centre, radius))]
        self.quadrics = Quadrics.of((SPHERE, centre, np.zeros(3), radius))

    @property
    def volume(self) -> float:
        """4/3 π R³."""
        return 4 / 3 * math.pi * self.radius**3

    def distance(self, at: Array) -> Array:
        """|x − c| − R."""
        return np.linalg.norm(at - self.centre, axis=-1) - self.radius

    def contains(self, at: Array, slack: float = 0.0) -> np.ndarray:
        """|x − c|² ≤ (R + slack)²."""
        away = at - self.centre
        return np.einsum("ij,ij->i", away, away) <= (self.radius + slack) ** 2

    def moved(self, motion: Motion) -> "Ball":
        """The moved ball."""
        return Ball(motion.points(self.centre), motion.scale * self.radius, self.name)

    def interior(self, n: int) -> tuple[Array, Array]:
        """m Gauss–Jacobi radii × m heights × 2m angles: degree 2m − 1; 2m³ ≈ n."""
        m = per_axis(n / 2, 3)
        radius, own = radial(m, 2)
        height, angle, weight = heights_and_angles(2 * m * m)
        local = (radius[:, None, None] * directions(height, angle)).reshape(-1, 3)
        return self.centre + self.radius * local, np.outer(own, weight).ravel()

    def tessellation(self, lower: Array, upper: Array) -> Tessellation:
        """An icosahedron whose edges were halved."""
        vertices, faces = icosphere(HALVINGS)
        zero = np.zeros(len(faces), dtype=int)
        return Tessellation(self.centre + self.radius * vertices, faces, zero, zero)


class Cylinder(Primitive):
    """A circular cylinder: the side, the base and the top."""

    def __init__(self, base: Array, axis: Array, radius: float, height: float, name: str) -> None:
        self.base, self.axis, self.radius, self.height = base, axis, radius, height
        self.name, self.frame = name, frame(axis)
        self.summit = base + height * axis
        reach = radius * np.sqrt(np.maximum(1 - axis**2, 0))
        self.lower = np.minimum(base, self.summit) - reach
        self.upper = np.maximum(base, self.summit) + reach
        downwards = self.frame * np.array([[1], [-1], [-1]])
        self.pieces = [
            (name or "side", Tube(base, self.frame, radius, height)),
            (name or "base", Disc(base, downwards, radius)),
            (name or "top", Disc(self.summit, self.frame, radius)),
        ]
        self.quadrics = Quadrics.of(
            (TUBE, base, axis, radius), (PLANE, base, -axis, 0.0), (PLANE, self.summit, axis, 0.0)
        )

    @property
    def lasting(self) -> bool:
        """Only if it was given a name: `side`, `base` and `top` are for a cylinder alone."""
        return bool(self.name)

    @property
    def volume(self) -> float:
        """π R² h."""
        return math.pi * self.radius**2 * self.height

    def distance(self, at: Array) -> Array:
        """From the distances across, ρ − R, and along, |z − h/2| − h/2."""
        across, along = polar(at, self.base, self.frame)
        a = across - self.radius
        b = np.maximum(-along, along - self.height)
        return np.minimum(np.maximum(a, b), 0) + np.hypot(np.maximum(a, 0), np.maximum(b, 0))

    def moved(self, motion: Motion) -> "Cylinder":
        """The moved cylinder."""
        s = motion.scale
        base, axis = motion.points(self.base), motion.directions(self.axis)
        return Cylinder(base, axis, s * self.radius, s * self.height, self.name)

    def interior(self, n: int) -> tuple[Array, Array]:
        """m Gauss–Jacobi radii × 2m angles × m heights: degree 2m − 1; 2m³ ≈ n."""
        m = per_axis(n / 2, 3)
        (radius, own), angle, (height, weight) = radial(m, 1), angles(2 * m), gauss(m)
        r, a, z = (g.ravel() for g in np.meshgrid(radius, angle, height, indexing="ij"))
        local = np.stack([self.radius * r * np.cos(a), self.radius * r * np.sin(a)], axis=-1)
        at = self.base + local @ self.frame[:2] + (self.height * z)[:, None] * self.axis
        return at, np.outer(np.repeat(own, 2 * m), weight).ravel()

    @cached_property
    def _ring(self) -> Array:
        angle = 2 * math.pi * np.arange(AROUND) / AROUND
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1) @ self.frame[:2]

    def tessellation(self, lower: Array, upper: Array) -> Tessellation:
        """A prism with regular polygons as base and top."""
        vertices = np.concatenate(
            [self.base + self._ring, self.summit + self._ring, [self.base, self.summit]]
        )
        i = np.arange(AROUND)
        j = (i + 1) % AROUND
        faces = np.concatenate(
            [
                np.stack([i, j, j + AROUND], axis=1),
                np.stack([i, j + AROUND, i + AROUND], axis=1),
                np.stack([j, i, np.full(AROUND, 2 * AROUND)], axis=1),
                np.stack([i + AROUND, j + AROUND, np.full(AROUND, 2 * AROUND + 1)], axis=1),
            ]
        )
        piece = np.repeat([0, 0, 1, 2], AROUND)
        return Tessellation(vertices, faces, piece, piece)


def icosphere(halvings: int) -> tuple[Array, np.ndarray]:
    """An icosahedron whose edges are halved, all vertices on the unit sphere."""
    g = (1 + math.sqrt(5)) / 2
    corners = [(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0)]
    vertices = np.array([np.roll(corner, k) for k in range(3) for corner in corners])
    distance = np.linalg.norm(vertices[:, None] - vertices[None], axis=-1)
    near = (distance < 2.1) & (distance > 0)
    rows = [(i, j, k) for i in range(12) for j in range(i) for k in range(j)]
    faces = np.array([(i, j, k) for i, j, k in rows if near[i, j] and near[j, k] and near[i, k]])
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    inwards = (np.cross(b - a, c - a) * a).sum(1) < 0
    faces[inwards] = faces[inwards][:, ::-1]
    vertices = vertices / np.linalg.norm(vertices, axis=1)[:, None]
    for _ in range(halvings):
        edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        edges, number = np.unique(edges, axis=0, return_inverse=True)
        ab, bc, ca = (number.reshape(-1, 3) + len(vertices)).T
        middle = vertices[edges].sum(1)
        middle /= np.linalg.norm(middle, axis=1)[:, None]
        vertices = np.concatenate([vertices, middle])
        a, b, c = faces.T
        quarters = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        faces = np.concatenate([np.stack(quarter, axis=1) for quarter in quarters])
    return vertices, faces
