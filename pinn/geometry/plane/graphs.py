"""A boundary as graphs y(x): which side of it points lie on, what lies above one another."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from pinn.geometry.plane.curve import Array, Curve
from pinn.geometry.plane.pieces import Piece, bounds, distance, rounding

_CHUNK = 2**17


class Graph:
    """A curve whose x does not turn: y(x) for x in [low, high].

    Attributes:
        low: the lowest x.
        high: the highest x.
        step: what is added on the way up across the curve: 1 into the domain, −1 out of it.
        height: y(x), vectorised.
    """

    def __init__(self, curve: Curve) -> None:
        self.curve = curve
        ends = float(curve.start[0]), float(curve.end[0])
        self.low, self.high = min(ends), max(ends)
        self.step = 1 if ends[0] < ends[1] else -1
        self.height = curve.height


class Boundary:
    """A closed boundary, and the side of it on which points lie.

    Args:
        pieces: closed chains of pieces, the domain on their left.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = tuple(pieces)
        self.box = bounds(self.pieces)
        self.rounding = rounding(self.box)

    @cached_property
    def graphs(self) -> list[Graph]:
        """The pieces between the points at which x turns, without vertical lines."""
        curves = [part.curve for piece in self.pieces for part in turned(piece)]
        return [Graph(curve) for curve in curves if curve.start[0] != curve.end[0]]

    def inside(self, points: Array) -> Array:
        """Which of the points (N, 2) lie inside, each far from the boundary: a mask (N,)."""
        order = np.argsort(points[:, 0])
        result = np.empty(len(points), dtype=bool)
        result[order], _ = self._swept(points[order])
        return result

    def contains(self, points: Array) -> Array:
        """Which of the points (N, 2) lie inside or, to rounding, on the boundary: a mask (N,)."""
        result = np.zeros(len(points), dtype=bool)
        for k in range(0, len(points), _CHUNK):
            chunk = points[k : k + _CHUNK]
            order = np.argsort(chunk[:, 0])
            inside, near = self._swept(chunk[order])
            (close,) = np.nonzero(near & ~inside)
            if len(close):
                gap = distance(self.pieces, chunk[order[close]])
                inside[close] = gap <= self.rounding
            result[k + order] = inside
        return result

    def _swept(self, points: Array) -> tuple[Array, Array]:
        """For points sorted by x: which lie inside, and which perhaps on the boundary."""
        x, y = points.T
        count = np.zeros(len(points), dtype=np.int32)
        near = np.zeros(len(points), dtype=bool)
        slack = self.rounding
        # Near a vertical tangent a shift of x by rounding is one of y by its root.
        band = 1e-4 * float((self.box[1] - self.box[0]).max())
        for graph in self.graphs:
            first, last = np.searchsorted(x, [graph.low - slack, graph.high + slack])
            if first == last:
                continue
            own = slice(first, last)
            height = graph.height(np.clip(x[own], graph.low, graph.high))
            within = (x[own] >= graph.low) & (x[own] < graph.high)
            count[own] += graph.step * (within & (height < y[own]))
            near[own] |= np.abs(height - y[own]) <= band
        for piece in self.pieces:
            low, high = piece.curve.box
            if high[0] - low[0] <= 1e-4 * (high[1] - low[1]):  # a wall, or almost
                first, last = np.searchsorted(x, [low[0] - slack, high[0] + slack])
                own = slice(first, last)
                near[own] |= (y[own] >= low[1] - slack) & (y[own] <= high[1] + slack)
        return count > 0, near


def turned(piece: Piece) -> list[Piece]:
    """A piece cut where its x turns."""
    return piece.parted(piece.curve.turns(0))
