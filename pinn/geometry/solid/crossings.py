"""Which points a closed surface of triangles encloses: by counting crossings of a ray."""

from itertools import pairwise

import numpy as np

from pinn.geometry.solid.motion import Array

CHUNK = 2**20  # pairs of a point and a triangle at a time


class Crossings:
    """Rays along z from points; an odd number of crossings means inside.

    A grid over x and y says which triangles a ray may cross. An edge is always computed in the same
    order of its ends, so the two triangles beside it agree on which of them the ray crosses.

    Args:
        vertices: (V, 3).
        faces: numbers of vertices (F, 3), a closed surface.
    """

    def __init__(self, vertices: Array, faces: np.ndarray) -> None:
        self.vertices, self.faces = vertices, faces
        self.lower, self.upper = vertices.min(0), vertices.max(0)
        self.count = int(np.clip(np.sqrt(len(faces) / 2), 1, 512))
        corners = self._cells(vertices[:, :2])[faces]  # (F, 3, 2)
        low, high = corners.min(1), corners.max(1)
        spans = high - low + 1
        sizes = spans.prod(1)
        face = np.repeat(np.arange(len(faces)), sizes)
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        column = low[face, 0] + within // spans[face, 1]
        row = low[face, 1] + within % spans[face, 1]
        cell = column * self.count + row
        order = np.argsort(cell, kind="stable")
        self.listed = face[order]
        self.starts = np.searchsorted(cell[order], np.arange(self.count**2 + 1))

    def _cells(self, at: Array) -> np.ndarray:
        """The cell (N, 2) of the grid that each point is in."""
        size = np.maximum(self.upper[:2] - self.lower[:2], 1e-300) / self.count
        return ((at - self.lower[:2]) / size).astype(np.int64).clip(0, self.count - 1)

    def inside(self, at: Array) -> np.ndarray:
        """Which of the points (N, 3) are enclosed: a mask (N,)."""
        odd = np.zeros(len(at), dtype=bool)
        rows = np.flatnonzero(((at >= self.lower) & (at <= self.upper)).all(1))
        cells = self._cells(at[rows, :2]) @ [self.count, 1]
        sizes = self.starts[cells + 1] - self.starts[cells]
        ends = np.cumsum(sizes)
        for start, end in _portions(ends):
            part = rows[start:end]
            size = sizes[start:end]
            point = np.repeat(part, size)
            within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
            face = self.listed[np.repeat(self.starts[cells[start:end]], size) + within]
            crossed = point[self._crosses(at[point], face)]
            odd ^= np.bincount(crossed, minlength=len(at)) % 2 == 1
        return odd

    def _crosses(self, at: Array, face: np.ndarray) -> np.ndarray:
        """Whether the ray from each point crosses the triangle beside it."""
        numbers = self.faces[face]
        below = np.zeros(len(at), dtype=bool)
        for i, j in ((0, 1), (1, 2), (2, 0)):
            a = self.vertices[np.minimum(numbers[:, i], numbers[:, j])]
            b = self.vertices[np.maximum(numbers[:, i], numbers[:, j])]
            straddles = (a[:, 1] > at[:, 1]) != (b[:, 1] > at[:, 1])
            rise = np.where(straddles, b[:, 1] - a[:, 1], 1)
            x = a[:, 0] + (at[:, 1] - a[:, 1]) / rise * (b[:, 0] - a[:, 0])
            below ^= straddles & (at[:, 0] < x)
        hit = np.flatnonzero(below)
        a, b, c = (self.vertices[numbers[hit, k]] for k in range(3))
        normal = np.cross(b - a, c - a)
        slope = np.where(normal[:, 2] == 0, np.inf, normal[:, 2])
        z = a[:, 2] - ((at[hit, :2] - a[:, :2]) * normal[:, :2]).sum(1) / slope
        low, high = (f(f(a[:, 2], b[:, 2]), c[:, 2]) for f in (np.minimum, np.maximum))
        below[hit] = at[hit, 2] < z.clip(low, high)
        return below


def _portions(ends: np.ndarray) -> list[tuple[int, int]]:
    """Slices of points, each with about CHUNK pairs."""
    cuts = [0]
    while cuts[-1] < len(ends):
        before = ends[cuts[-1] - 1] if cuts[-1] else 0
        cuts.append(max(int(np.searchsorted(ends, before + CHUNK, side="right")), cuts[-1] + 1))
    return list(pairwise(cuts))
