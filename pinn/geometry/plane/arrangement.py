"""The boundary of a union, an intersection, a difference: from the pieces of two boundaries."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pinn.geometry.plane.crossings import crossings
from pinn.geometry.plane.curve import Array
from pinn.geometry.plane.graphs import Boundary
from pinn.geometry.plane.pieces import Piece, bounds, distance, rounding

INSIDE, OUTSIDE, SAME, OPPOSITE = "inside", "outside", "same", "opposite"
_KEPT = {  # which of the first boundary, and which of the second
    "union": ((OUTSIDE, SAME), (OUTSIDE,)),
    "intersection": ((INSIDE, SAME), (INSIDE,)),
    "difference": ((OUTSIDE, OPPOSITE), (INSIDE,)),
}


class _Corners:
    """Points of which those closer than a slack are one: the first that was met."""

    def __init__(self, slack: float) -> None:
        self.slack = slack
        self.grid: dict[tuple[int, int], list[Array]] = {}

    def of(self, point: Array) -> Array:
        """The corner at a point, to the bit the same for all points so close."""
        i, j = (int(number) for number in np.floor(point / (2 * self.slack)))
        for key in [(i + k, j + m) for k in (-1, 0, 1) for m in (-1, 0, 1)]:
            for corner in self.grid.get(key, []):
                if np.hypot(*(corner - point)) <= self.slack:
                    return corner
        self.grid.setdefault((i, j), []).append(point)
        return point

    def joining(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Pieces that end at corners; those that have shrunk to one are left out."""
        result = []
        for piece in pieces:
            curve = piece.curve
            start, end = self.of(curve.start), self.of(curve.end)
            if start is curve.start and end is curve.end:
                result.append(piece)
            elif curve.closed or (start != end).any():
                result.append(piece.cut(0.0, 1.0, start, end))
        return result


@dataclass(frozen=True, eq=False)
class _Part:
    """A piece between two of its t, and where it lies with regard to the other boundary."""

    piece: Piece
    first: float
    last: float
    start: Array
    end: Array
    side: str = ""

    @property
    def corners(self) -> set[tuple[float, ...]]:
        """Where it starts and ends."""
        return {tuple(self.start.tolist()), tuple(self.end.tolist())}

    def cut(self) -> Piece:
        """The piece itself, where all of it is meant."""
        if (self.first, self.last) == (0.0, 1.0):
            return self.piece
        return self.piece.cut(self.first, self.last, self.start, self.end)


class Arrangement:
    """Two boundaries, cut where they cross, touch and part; every part with its side.

    Args:
        one: the pieces of the first shape.
        other: the pieces of the second shape.
    """

    def __init__(self, one: Sequence[Piece], other: Sequence[Piece]) -> None:
        self.slack = rounding(bounds(one), bounds(other))
        corners = _Corners(self.slack)
        pieces = corners.joining(one), corners.joining(other)
        parts = _cut(*pieces, corners)
        # What the boundaries have in common begins and ends at corners of both.
        ends = ({key for part in own for key in part.corners} for own in parts)
        shared = set.intersection(*ends)
        self.parts = (
            _sided(parts[0], Boundary(pieces[1]), shared, self.slack),
            _sided(parts[1], Boundary(pieces[0]), shared, self.slack),
        )

    def boundary(self, operation: str) -> list[Piece]:
        """The pieces of a `union`, an `intersection` or a `difference`; none where it is empty.

        Raises:
            ArithmeticError: the pieces do not close.
        """
        first, second = _KEPT[operation]
        pieces = _joined([part for part in self.parts[0] if part.side in first])
        others = _joined([part for part in self.parts[1] if part.side in second])
        pieces += [piece.reversed() for piece in others] if operation == "difference" else others
        starts = Counter(tuple(piece.curve.start.tolist()) for piece in pieces)
        ends = Counter(tuple(piece.curve.end.tolist()) for piece in pieces)
        if starts != ends:
            (x, y) = next(iter((starts - ends) + (ends - starts)))
            raise ArithmeticError(
                f"the boundary of the {operation} does not close at ({x:.6g}, {y:.6g}), where the "
                "shapes almost touch: move one of them by a little"
            )
        return pieces


def _cut(
    one: Sequence[Piece], other: Sequence[Piece], corners: _Corners
) -> tuple[list[_Part], list[_Part]]:
    """Both boundaries, cut at the corners of the other and where they cross."""
    slack = corners.slack
    cuts: tuple[list[list[tuple[float, Array]]], ...] = ([[] for _ in one], [[] for _ in other])
    for own, pieces, others in ((cuts[0], one, other), (cuts[1], other, one)):
        points = np.unique([piece.curve.start for piece in others], axis=0)
        for cut, piece in zip(own, pieces, strict=True):
            low, high = piece.curve.box
            near = points[((points >= low - slack) & (points <= high + slack)).all(axis=1)]
            if len(near):
                t = piece.curve.nearest(near)
                gap = np.hypot(*(piece.curve.at(t) - near).T)
                cut += [(float(t[k]), near[k]) for k in np.nonzero(gap <= slack)[0]]
    boxes = [np.stack([piece.curve.box for piece in pieces]) for pieces in (one, other)]
    lowest = np.maximum(boxes[0][:, None, 0], boxes[1][None, :, 0])
    highest = np.minimum(boxes[0][:, None, 1], boxes[1][None, :, 1])
    for i, j in np.argwhere((lowest <= highest + slack).all(axis=2)):
        a, b = one[i].curve, other[j].curve
        for first, second in crossings(a, b, slack):
            corner = corners.of(a.at(np.array([first]))[0])
            cuts[0][i].append((first, corner))
            cuts[1][j].append((second, corner))
    return (
        [p for piece, cut in zip(one, cuts[0], strict=True) for p in _parts(piece, cut)],
        [p for piece, cut in zip(other, cuts[1], strict=True) for p in _parts(piece, cut)],
    )


def _parts(piece: Piece, cuts: list[tuple[float, Array]]) -> list[_Part]:
    """A piece between its cuts; a cut at a corner that is there already is none."""
    curve = piece.curve
    taken = {tuple(point) for point in (curve.start.tolist(), curve.end.tolist())}
    ends = [(0.0, curve.start)]
    for t, corner in sorted(cuts, key=lambda cut: cut[0]):
        if (key := tuple(corner.tolist())) not in taken and 0 < t < 1:
            taken.add(key)
            ends.append((t, corner))
    ends.append((1.0, curve.end))
    spans = pairwise(ends)
    return [_Part(piece, t, s, start, end) for (t, start), (s, end) in spans]


def _sided(
    parts: list[_Part], other: Boundary, shared: set[tuple[float, ...]], slack: float
) -> list[_Part]:
    """The parts with their sides, which a point in the middle and another one tell."""
    curves = [part.cut().curve for part in parts]
    points = np.stack([curve.at(np.array([0.5, 0.382])) for curve in curves])  # (N, 2, 2)
    gaps = distance(other.pieces, points.reshape(-1, 2)).reshape(-1, 2)
    best = gaps.argmax(axis=1)
    inside = other.inside(points[np.arange(len(parts)), best])
    sides = [INSIDE if within else OUTSIDE for within in inside]
    for k in np.nonzero(gaps.max(axis=1) <= 4 * slack)[0]:
        if not parts[k].corners <= shared:
            continue
        tangent = curves[k].velocity(np.array([0.5]))[0]
        along = float(tangent @ _tangent(other.pieces, points[k, 0]))
        sides[k] = SAME if along > 0 else OPPOSITE
    return [
        _Part(part.piece, part.first, part.last, part.start, part.end, side)
        for part, side in zip(parts, sides, strict=True)
    ]


def _tangent(pieces: Sequence[Piece], point: Array) -> Array:
    """The velocity of the nearest curve at the point that is nearest."""
    curves = [piece.curve for piece in pieces]
    curve = min(curves, key=lambda curve: float(curve.distance(point[None])[0]))
    return curve.velocity(curve.nearest(point[None]))[0]


def _joined(parts: list[_Part]) -> list[Piece]:
    """The pieces that parts make up, neighbours put together again."""
    joined: list[_Part] = []
    for part in parts:
        before = joined[-1] if joined else None
        if before and before.piece is part.piece and before.last == part.first:
            joined[-1] = _Part(part.piece, before.first, part.last, before.start, part.end)
        else:
            joined.append(part)
    return [part.cut() for part in joined]
