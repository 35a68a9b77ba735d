"""Pieces of a boundary: curves with a name; how far points are from them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from pinn.geometry.plane.arc import Arc
from pinn.geometry.plane.curve import Array, Curve
from pinn.geometry.plane.segment import Segment

ROUNDING = 1e-12  # of the largest coordinate: what counts as the same point
_CHUNK = 2**16


@dataclass(frozen=True, eq=False)
class Piece:
    """A curve of a boundary, the domain on its left.

    Args:
        curve: the curve.
        name: the part of the boundary it belongs to; "" where that has no name.
        edge: the number of the edge of a polygon, in the order of its points.
    """

    curve: Curve
    name: str = ""
    edge: int | None = None

    def cut(self, first: float, last: float, start: Array, end: Array) -> Self:
        """The piece for t in [first, last], with corners that are given."""
        return replace(self, curve=self.curve.cut(first, last, start, end))

    def parted(self, times: Sequence[float]) -> list[Self]:
        """The piece cut at some t."""
        ends = [0.0, *sorted(t for t in set(times) if 0 < t < 1), 1.0]
        inner = list(self.curve.at(np.array(ends[1:-1])))
        points = [self.curve.start, *inner, self.curve.end]
        if len(ends) == 2:
            return [self]
        spans = zip(ends, ends[1:], points, points[1:], strict=False)
        return [self.cut(a, b, start, end) for a, b, start, end in spans]

    def reversed(self) -> Self:
        """The piece as the boundary of the other side."""
        return replace(self, curve=self.curve.reversed())

    def moved(self, matrix: Array, shift: Array) -> Self:
        """The piece of M p + s for the points p."""
        return replace(self, curve=self.curve.moved(matrix, shift))


def bounds(pieces: Sequence[Piece]) -> Array:
    """The lowest and the highest coordinates (2, 2) of pieces."""
    boxes = np.stack([piece.curve.box for piece in pieces])
    return np.stack([boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)])


def rounding(*boxes: Array) -> float:
    """The distance below which two points count as one."""
    return ROUNDING * max(float(np.abs(box).max()) for box in boxes)


def distance(pieces: Sequence[Piece], points: Array) -> Array:
    """The distance (N,) of points (N, 2) from the nearest of pieces."""
    curves = [piece.curve for piece in pieces]
    search = _Search(curves) if len(curves) > 8 or not all(map(_is_simple, curves)) else None
    result = np.empty(len(points))
    for k in range(0, len(points), _CHUNK):
        chunk = points[k : k + _CHUNK]
        if search is None:
            gaps = np.min([curve.distance(chunk) for curve in curves], axis=0)
        else:
            gaps = search.distance(chunk)
        result[k : k + _CHUNK] = gaps
    return result


def _is_simple(curve: Curve) -> bool:
    """Whether its distance has a closed form."""
    return isinstance(curve, Segment) or (isinstance(curve, Arc) and curve.circular)


class _Search:
    """The nearest of many curves: points on them bound the distance, boxes sort most curves out."""

    def __init__(self, curves: Sequence[Curve]) -> None:
        self.curves = curves
        t = np.linspace(0.0, 1.0, 17)
        from scipy.spatial import cKDTree

        self.tree = cKDTree(np.concatenate([curve.at(t) for curve in curves]))

    def distance(self, points: Array) -> Array:
        """The distance (N,) of points (N, 2)."""
        best, _ = self.tree.query(points)
        # A curve may touch the circle of that radius; rounding must not hide it.
        best *= 1 + 1e-12
        for curve in self.curves:
            low, high = curve.box
            outside = np.maximum(np.maximum(low - points, points - high), 0.0)
            (rows,) = np.nonzero((outside * outside).sum(axis=1) <= best * best)
            if len(rows):
                best[rows] = np.minimum(best[rows], curve.distance(points[rows]))
        return best
