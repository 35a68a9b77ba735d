"""The boundary of a union, an intersection, a difference: from the pieces of two boundaries."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
_Cuts = list[tuple[float, Array]]  # t and the corner there
_PROBES = np.array([0.5, 0.382])  # where on a part it is looked at


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
    def corners(self) -> frozenset[tuple[float, ...]]:
        """Where it starts and ends."""
        return frozenset((tuple(self.start.tolist()), tuple(self.end.tolist())))

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
        matches = _matched(*parts, self.slack)
        self.parts = (
            _sided(parts[0], Boundary(pieces[1]), matches),
            _sided(parts[1], Boundary(pieces[0]), matches),
        )

    def boundary(self, operation: str) -> list[Piece]:
        """The pieces of a `union`, an `intersection` or a `difference`; none where it is empty.

        Raises:
            ValueError: the pieces do not close.
        """
        first, second = _KEPT[operation]
        pieces = _joined([part for part in self.parts[0] if part.side in first])
        others = _joined([part for part in self.parts[1] if part.side in second])
        pieces += [piece.reversed() for piece in others] if operation == "difference" else others
        starts = Counter(tuple(piece.curve.start.tolist()) for piece in pieces)
        ends = Counter(tuple(piece.curve.end.tolist()) for piece in pieces)
        if starts != ends:
            (x, y) = next(iter((starts - ends) + (ends - starts)))
            raise ValueError(
                f"the boundary of the {operation} does not close at ({x:.6g}, {y:.6g}), where the "
                "shapes almost touch: move one of them by a little"
            )
        return pieces


def _cut(
    one: Sequence[Piece], other: Sequence[Piece], corners: _Corners
) -> tuple[list[_Part], list[_Part]]:
    """Both boundaries, cut where they cross, and at every corner of either that they pass."""
    slack = corners.slack
    cuts: tuple[list[_Cuts], list[_Cuts]] = ([[] for _ in one], [[] for _ in other])
    boxes = [np.stack([piece.curve.box for piece in pieces]) for pieces in (one, other)]
    low = np.maximum(boxes[0][:, None, 0], boxes[1][None, :, 0])
    high = np.minimum(boxes[0][:, None, 1], boxes[1][None, :, 1])
    for i, j in np.argwhere((low <= high + slack).all(axis=2)):
        a, b = one[i].curve, other[j].curve
        for t, s in crossings(a, b, slack):
            corner = corners.of(a.at(np.array([t]))[0])
            cuts[0][i].append((t, corner))
            cuts[1][j].append((s, corner))
    points = np.stack([point for cell in corners.grid.values() for point in cell])
    return (
        [part for k, piece in enumerate(one) for part in _parts(piece, cuts[0][k], points, slack)],
        [
            part
            for k, piece in enumerate(other)
            for part in _parts(piece, cuts[1][k], points, slack)
        ],
    )


def _parts(piece: Piece, cuts: _Cuts, points: Array, slack: float) -> list[_Part]:
    """A piece between its cuts, and the points on it; a cut at one of its corners is none."""
    curve = piece.curve
    low, high = curve.box
    near = points[((points >= low - slack) & (points <= high + slack)).all(axis=1)]
    times = curve.nearest(near)
    gap = np.hypot(*(curve.at(times) - near).T)
    cuts = cuts + [(float(times[k]), near[k]) for k in np.nonzero(gap <= slack)[0]]
    taken = {tuple(point) for point in (curve.start.tolist(), curve.end.tolist())}
    ends = [(0.0, curve.start)]
    for t, corner in sorted(cuts, key=lambda cut: cut[0]):
        if (key := tuple(corner.tolist())) not in taken and 0 < t < 1:
            taken.add(key)
            ends.append((t, corner))
    ends.append((1.0, curve.end))
    spans = pairwise(ends)
    return [_Part(piece, t, s, start, end) for (t, start), (s, end) in spans]


def _matched(one: list[_Part], other: list[_Part], slack: float) -> dict[_Part, str]:
    """The parts of both that run between the same corners along the same way, and how."""
    by_corners: dict[frozenset[tuple[float, ...]], list[_Part]] = {}
    for part in other:
        by_corners.setdefault(part.corners, []).append(part)
    matches = {}
    for part in one:
        for second in by_corners.get(part.corners, []):
            a, b = part.cut().curve, second.cut().curve
            if b.distance(a.at(_PROBES)).max() <= 4 * slack:
                if len(part.corners) == 2:
                    along = bool((part.start == second.start).all())
                else:
                    there = b.nearest(a.at(_PROBES[:1]))
                    along = bool((a.velocity(_PROBES[:1]) * b.velocity(there)).sum() > 0)
                matches[part] = matches[second] = SAME if along else OPPOSITE
    return matches


def _sided(parts: list[_Part], other: Boundary, matches: dict[_Part, str]) -> list[_Part]:
    """The parts with their sides, as the one of two points tells that is farther from the other."""
    points = np.stack([part.cut().curve.at(_PROBES) for part in parts])  # (N, 2, 2)
    gaps = distance(other.pieces, points.reshape(-1, 2)).reshape(-1, 2)
    inside = other.inside(points[np.arange(len(parts)), gaps.argmax(axis=1)])
    return [
        replace(part, side=matches.get(part, INSIDE if within else OUTSIDE))
        for part, within in zip(parts, inside, strict=True)
    ]


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
