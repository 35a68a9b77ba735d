"""A named part of the boundary of a solid."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pinn.geometry.points import Points
from pinn.geometry.sampling import apportion
from pinn.geometry.solid.motion import Array
from pinn.geometry.solid.pieces import Piece

FEW = 32  # points that a flat piece needs for polynomials of degree 4


class SurfacePart:
    """Pieces that overlap in nothing of positive area.

    Args:
        pieces: at least one.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self.running = 2
        self._ends = np.concatenate([[0.0], np.cumsum([piece.drawn for piece in pieces])])

    @property
    def measure(self) -> float:
        """The area."""
        return math.fsum(piece.area for piece in self.pieces)

    @property
    def acceptance(self) -> float:
        """The share of the numbers that place a point."""
        return min(self.measure / float(self._ends[-1]), 1.0)

    def place(self, unit: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """The first number says on which piece, and where on it; see `Part.place`."""
        numbers = array(unit)
        reached = numbers[:, 0] * self._ends[-1]
        which = np.searchsorted(self._ends[1:-1], reached, side="right")
        at, normal = np.empty((len(unit), 3)), np.empty((len(unit), 3))
        kept = np.zeros(len(unit), dtype=bool)
        for k, piece in enumerate(self.pieces):
            own = np.flatnonzero(which == k)
            if not len(own):
                continue
            share = ((reached[own] - self._ends[k]) / piece.drawn).clip(0, 1)
            placed, normals, mask = piece.place(np.stack([share, numbers[own, 1]], axis=1))
            at[own[mask]], normal[own[mask]], kept[own[mask]] = placed, normals, True
        which_placed = None if kept.all() else torch.from_numpy(kept)
        return tensor(at[kept]), tensor(normal[kept]), which_placed

    def rule(self, n: int) -> Points:
        """The rules of the pieces, each with its share of the points or a few more."""
        counts = apportion(n, [piece.area for piece in self.pieces])
        least = max(1, min(FEW, n // len(self.pieces)))
        rules = [p.rule(max(k, least)) for p, k in zip(self.pieces, counts, strict=True)]
        at, normal, weight = (np.concatenate(each) for each in zip(*rules, strict=True))
        weight *= len(weight) / math.fsum(weight)
        return Points(tensor(at), tensor(normal), weights=tensor(weight))

    def distance(self, at: Tensor) -> Tensor:
        """That of the nearest piece."""
        places = array(at)
        return tensor(np.min([piece.distance(places) for piece in self.pieces], axis=0))


def array(values: Tensor) -> Array:
    """A tensor as float64 on the CPU."""
    return values.detach().to("cpu", torch.float64).numpy()


def tensor(values: Array) -> Tensor:
    """An array as a tensor of its own."""
    return torch.from_numpy(np.ascontiguousarray(values))
