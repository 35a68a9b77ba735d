"""Some pieces of a boundary, as points are drawn on them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pinn.geometry.block import BoxPart
from pinn.geometry.plane import pieces as pieces_
from pinn.geometry.plane.cells import gauss
from pinn.geometry.plane.curve import Array, Curve
from pinn.geometry.plane.pieces import Piece
from pinn.geometry.plane.segment import Segment
from pinn.geometry.points import Points


class Wall:
    """Pieces of the boundary of a plane shape, placed on evenly in arc length.

    Args:
        pieces: at least one.
    """

    running = 1
    acceptance = 1.0

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = tuple(pieces)
        self._lengths = np.array([piece.curve.length for piece in self.pieces])

    @property
    def measure(self) -> float:
        """The length."""
        return float(self._lengths.sum())

    def straightened(self) -> tuple[list[BoxPart], "Wall | None"]:
        """The segments along an axis as faces of boxes, and what is left beside them."""
        flat = [piece for piece in self.pieces if along_an_axis(piece.curve)]
        rest = [piece for piece in self.pieces if not along_an_axis(piece.curve)]
        return [face(piece.curve) for piece in flat], Wall(rest) if rest else None

    @property
    def joints(self) -> Tensor:
        """The ends (N, 2) of its pieces, every corner among them."""
        ends = [piece.curve.at(np.array([0.0, 1.0])) for piece in self.pieces]
        return torch.from_numpy(np.concatenate(ends))

    def place(self, unit: Tensor) -> tuple[Tensor, Tensor, None]:
        """The points (N, 2) at shares (N, 1) of the length, and the outward unit normals (N, 2)."""
        share = unit.detach().cpu().to(torch.float64).reshape(-1).numpy()
        ends = np.cumsum(self._lengths)
        along = share * ends[-1]
        number = np.minimum(np.searchsorted(ends, along, side="right"), len(ends) - 1)
        at, normal = np.empty((len(share), 2)), np.empty((len(share), 2))
        for k in np.unique(number):
            (rows,) = np.nonzero(number == k)
            own = (along[rows] - (ends[k] - self._lengths[k])) / self._lengths[k]
            at[rows], normal[rows] = _placed(self.pieces[k], np.clip(own, 0.0, 1.0))
        return torch.from_numpy(at), torch.from_numpy(normal), None

    def rule(self, n: int) -> Points:
        """Gauss' rule in the arc length of each piece; equal steps round a whole ellipse.

        The points have about equal spacing: each piece has as many as its length contains, at
        least 2 on a straight and 4 on a bent piece where n allows it, at least 1. With k points
        (cut into panels of at most 8) polynomials of degree 2k − 1 on an edge are exact; on a
        curve the error falls as that of Gauss' rule on an analytic function.
        """
        least = np.array([2 if isinstance(p.curve, Segment) else 4 for p in self.pieces])
        least = least if least.sum() <= n else np.ones_like(least)
        counts = np.maximum(np.rint(n * self._lengths / self.measure).astype(int), least)
        at, normal, weights = [], [], []
        for piece, count, length in zip(self.pieces, counts.tolist(), self._lengths, strict=True):
            if piece.curve.closed:
                share, weight = (np.arange(count) + 0.5) / count, np.full(count, 1 / count)
            else:
                share, weight = gauss(count)
            points, normals = _placed(piece, share)
            at.append(points)
            normal.append(normals)
            weights.append(weight * length)
        share = np.concatenate(weights)
        share *= len(share) / share.sum()
        arrays = np.concatenate(at), np.concatenate(normal), share
        place, outward, mean_one = (torch.from_numpy(array) for array in arrays)
        return Points(place, outward, weights=mean_one)

    def distance(self, at: Tensor) -> Tensor:
        """The distance (N,) of points (N, 2)."""
        return torch.from_numpy(pieces_.distance(self.pieces, numbers(at))).to(at.device)


def numbers(at: Tensor) -> Array:
    """Points as an array of float64."""
    return at.detach().cpu().to(torch.float64).numpy()


def _placed(piece: Piece, share: Array) -> tuple[Array, Array]:
    t = piece.curve.times(share)
    return piece.curve.at(t), piece.curve.normal(t)


def along_an_axis(curve: Curve) -> bool:
    """Whether a curve is a segment on which one coordinate stays."""
    return isinstance(curve, Segment) and bool((curve.start == curve.end).any())


def face(curve: Curve) -> BoxPart:
    """A segment along an axis as the face of a box."""
    (axis,) = np.nonzero(curve.start == curve.end)[0].tolist()
    (normal,) = curve.normal(np.zeros(1)).tolist()
    lower, upper = curve.box.tolist()
    return BoxPart(lower, upper, {axis: float(curve.start[axis])}, normal)
