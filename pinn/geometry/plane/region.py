"""A shape in the plane: its boundary in named pieces, and all that follows from them."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from pinn.base.messages import near_miss
from pinn.geometry.plane import cells
from pinn.geometry.plane.choice import chosen
from pinn.geometry.plane.graphs import Boundary
from pinn.geometry.plane.pieces import Piece, distance
from pinn.geometry.plane.wall import Wall, numbers
from pinn.geometry.points import Points
from pinn.geometry.shape import Pick, Shape


class PlaneShape(Shape):
    """A closed set in the plane, to the left of closed chains of curves.

    Args:
        pieces: the curves with their names; the end of each is the start of another, to the bit.
    """

    dimensions = 2

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = tuple(pieces)
        self._boundary = Boundary(self.pieces)
        low, high = self._boundary.box.tolist()
        self.lower, self.upper = tuple(low), tuple(high)

    @cached_property
    def measure(self) -> float:
        """The area ½ ∮ (x dy − y dx), in closed form."""
        # About a point of its own: far from the origin the terms would be large, and cancel.
        shift = -0.5 * (self._boundary.box[0] + self._boundary.box[1])
        unit = torch.eye(2, dtype=torch.float64).numpy()
        return sum(piece.curve.moved(unit, shift).sector() for piece in self.pieces)

    @cached_property
    def parts(self) -> Mapping[str, Wall]:
        """Name → the part of the boundary; under "" what has no name."""
        names = dict.fromkeys(piece.name for piece in self.pieces)
        return {name: Wall([p for p in self.pieces if p.name == name]) for name in names}

    def contains(self, at: Tensor) -> Tensor:
        """Which of the points (N, 2) lie inside or, to rounding, on the boundary: a mask (N,)."""
        return torch.from_numpy(self._boundary.contains(numbers(at))).to(at.device)

    def distance(self, at: Tensor) -> Tensor:
        """The exact signed distance (N,) from the boundary: negative inside."""
        points = numbers(at)
        gap = distance(self.pieces, points)
        gap[self._boundary.contains(points)] *= -1
        return torch.from_numpy(gap).to(at.device)

    def rule(self, n: int) -> Points:
        """A quadrature of the inside with about n points; see `cells.rule` for its order.

        All points lie inside, all weights are positive, their mean is 1.
        """
        at, weights = cells.rule(self._cells, n)
        weights = weights * (len(weights) / weights.sum())
        return Points(torch.from_numpy(at), weights=torch.from_numpy(weights))

    def pick(self, names: Sequence[str], choice: Pick) -> Wall:
        """Some of the boundary: of the parts `names`, what `choice` says.

        Raises:
            ValueError: a name is unknown, or nothing is left.
        """
        known = {piece.name for piece in self.pieces}
        for name in names:
            if name not in known:
                raise ValueError(f"no part {name!r} of the boundary: {near_miss(name, known)}")
        pieces = [piece for piece in self.pieces if piece.name in names]
        return Wall(chosen(pieces, choice, 1e3 * self._boundary.rounding))

    @cached_property
    def _cells(self) -> list[cells.Cell]:
        return cells.cells(self._boundary)

    def __repr__(self) -> str:
        sides = zip("xy", self.lower, self.upper, strict=True)
        return ", ".join(f"{axis} from {low:g} to {high:g}" for axis, low, high in sides)
