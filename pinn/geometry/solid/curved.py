"""The boundary of a solid in curved triangles, for integrals over it."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from pinn.geometry.solid.booleans import Mesh
from pinn.geometry.solid.motion import Array
from pinn.geometry.solid.quadrics import PLANE
from pinn.geometry.solid.triangles import collapsed

CHUNK = 2**13  # triangles at a time
SIDES = np.array([[0, 1], [1, 2], [2, 0]])


class Curved:
    """Each triangle with six nodes: the corners, and the middles of its sides (quadratic elements).

    Corners and middles are moved onto the primitives that meet there. Neighbours share their nodes,
    so the surface is closed and ∮ n ds = 0 to round-off. An arc of the angle θ is met to θ⁴/1000 of
    its radius; flat pieces with straight edges are exact.

    Args:
        mesh: the triangles.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh

    @cached_property
    def _edges(self) -> tuple[np.ndarray, np.ndarray]:
        """The edges (E, 2), and those of each face (F, 3)."""
        low, high = np.sort(self.mesh.faces[:, SIDES].reshape(-1, 2), axis=1).T
        count = len(self.mesh.vertices)
        keys, number = np.unique(low * count + high, return_inverse=True)
        return np.stack([keys // count, keys % count], axis=1), number.reshape(-1, 3)

    @cached_property
    def vertices(self) -> Array:
        """The corners (V, 3), on all primitives that meet there."""
        mesh = self.mesh
        if (mesh.quadrics.kind[mesh.surface] == PLANE).all():
            return mesh.vertices
        pairs = _pairs(mesh.faces, mesh.surface)
        return mesh.quadrics.project(mesh.vertices, *pairs.T)

    @cached_property
    def middles(self) -> Array:
        """The nodes on the edges (E, 3)."""
        edges, number = self._edges
        middle = self.vertices[edges].mean(1)
        round_ = self.mesh.quadrics.kind[self.mesh.surface] != PLANE
        own = np.unique(number[round_])
        if not len(own):
            return middle
        pairs = _pairs(number, self.mesh.surface)
        pairs = pairs[np.isin(pairs[:, 0], own)]
        place = np.searchsorted(own, pairs[:, 0])
        middle[own] = self.mesh.quadrics.project(middle[own], place, pairs[:, 1])
        return middle

    @cached_property
    def straight(self) -> np.ndarray:
        """Which faces (F,) are flat and have straight sides: those away from round pieces."""
        _, number = self._edges
        round_ = self.mesh.quadrics.kind[self.mesh.surface] != PLANE
        touched = np.zeros(len(self._edges[0]), dtype=bool)
        touched[number[round_]] = True
        return ~round_ & ~touched[number].any(1)

    def nodes(self, faces: np.ndarray) -> Array:
        """The six nodes of faces, given by their numbers: (N, 6, 3)."""
        _, number = self._edges
        return np.concatenate(
            [self.vertices[self.mesh.faces[faces]], self.middles[number[faces]]], axis=1
        )

    def elements(self, faces: np.ndarray, m: int) -> Iterator[tuple[Array, Array, Array]]:
        """Points (N, 3), the vectors n ds (N, 3) and the areas ds (N,), in portions.

        An area may be negative where a thin triangle was turned over; the sums are right.

        Args:
            faces: their numbers.
            m: m² points per triangle; flat ones are exact for polynomials of degree 2m − 1.
        """
        shares, weight = collapsed(m)
        values, along = _quadratic(shares)
        mesh = self.mesh
        for start in range(0, len(faces), CHUNK):
            own = faces[start : start + CHUNK]
            nodes = self.nodes(own)
            at = np.einsum("qk,fkx->fqx", values, nodes).reshape(-1, 3)
            u, v = (np.einsum("qk,fkx->fqx", d, nodes).reshape(-1, 3) for d in along)
            vector = 0.5 * np.tile(weight, len(own))[:, None] * np.cross(u, v)
            _, gradient = mesh.quadrics.levels(at, np.repeat(mesh.surface[own], len(weight)))
            sign = np.repeat(mesh.sign[own], len(weight))
            yield at, vector, sign * (vector * gradient).sum(1)


def _pairs(of: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Each corner or edge of the faces (F, 3) with each surface it lies on, once: (M, 2)."""
    count = int(surface.max()) + 1
    keys = np.unique(of.ravel() * count + np.repeat(surface, 3))
    return np.stack([keys // count, keys % count], axis=1)


def _quadratic(shares: Array) -> tuple[Array, tuple[Array, Array]]:
    """The six shape functions (Q, 6) at barycentric coordinates (Q, 3), and both derivatives."""
    a, b, c = shares.T
    values = [a * (2 * a - 1), b * (2 * b - 1), c * (2 * c - 1), 4 * a * b, 4 * b * c, 4 * c * a]
    zero = np.zeros_like(a)
    da = [4 * a - 1, zero, zero, 4 * b, zero, 4 * c]
    db = [zero, 4 * b - 1, zero, 4 * a, 4 * c, zero]
    dc = [zero, zero, 4 * c - 1, zero, 4 * b, 4 * a]
    u, v = (np.stack(d, axis=1) - np.stack(da, axis=1) for d in (db, dc))
    return np.stack(values, axis=1), (u, v)
