"""Boxes of any dimension: the shape of an interval, a rectangle and a box."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pinn.geometry import sampling
from pinn.geometry.joined import Joined
from pinn.geometry.points import Points
from pinn.geometry.shape import Part, Pick, Shape

FACES = {"x": ("left", "right"), "y": ("bottom", "top"), "z": ("back", "front")}


@dataclass(frozen=True)
class BoxPart:
    """The points of a box at which some axes have a fixed value.

    Args:
        lower: lower bounds, one per coordinate.
        upper: upper bounds.
        fixed: the value of each axis that does not run.
        normal: the outward unit normal, one entry per coordinate; None but for a face.
    """

    lower: Sequence[float]
    upper: Sequence[float]
    fixed: Mapping[int, float]
    normal: Sequence[float] | None = None

    acceptance = 1.0

    @property
    def free(self) -> list[int]:
        """The axes that run."""
        return [axis for axis in range(len(self.lower)) if axis not in self.fixed]

    @property
    def running(self) -> int:
        """How many axes run."""
        return len(self.free)

    @property
    def measure(self) -> float:
        """Length, area or volume; 1 for a point."""
        return math.prod(self.upper[axis] - self.lower[axis] for axis in self.free)

    def place(self, unit: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Positions, none of them at an end of an axis that runs; see `Part.place`."""
        at = unit.new_empty(len(unit), len(self.lower))
        for column, axis in enumerate(self.free):
            at[:, axis] = sampling.between(self.lower[axis], self.upper[axis], unit[:, column])
        for axis, value in self.fixed.items():
            at[:, axis] = value
        normal = None if self.normal is None else at.new_tensor(self.normal).repeat(len(at), 1)
        return at, normal, None

    def rule(self, n: int) -> Points:
        """The Gauss–Legendre points of kᵈ ≈ n, exact for degree 2k − 1 along each axis."""
        d = self.running
        if not d:
            at, normal, _ = self.place(torch.empty(1, 0, dtype=torch.float64))
            return Points(at, normal, weights=torch.ones(1, dtype=torch.float64))
        unit, weights = sampling.gauss_points(sampling.gauss_order(n, d), d)
        at, normal, _ = self.place(unit)
        return Points(at, normal, weights=weights)

    def distance(self, at: Tensor) -> Tensor:
        """√Σᵢ max(lowerᵢ − xᵢ, xᵢ − upperᵢ, 0)², with the fixed axes as points."""
        ends = [
            (self.fixed.get(i, self.lower[i]), self.fixed.get(i, self.upper[i]))
            for i in range(len(self.lower))
        ]
        low, high = (at.new_tensor(side) for side in zip(*ends, strict=True))
        return torch.maximum(low - at, at - high).clamp(min=0).norm(dim=-1)


class Block(Shape):
    """An axis-aligned box  Πᵢ [lowerᵢ, upperᵢ]  in d dimensions; none is a point.

    Args:
        names: of the coordinates, which name the faces: `left`, `right` for x and so on.
        lower: lower bounds.
        upper: upper bounds.
        prefix: of the names of the faces.
    """

    def __init__(
        self,
        names: Sequence[str],
        lower: Sequence[float],
        upper: Sequence[float],
        prefix: str = "",
    ) -> None:
        self.names, self.prefix = tuple(names), prefix
        self.dimensions = len(names)
        self.lower, self.upper = tuple(lower), tuple(upper)
        self._faces: dict[str, tuple[int, int]] = {}  # name -> (axis, 0 lower or 1 upper)
        for axis, name in enumerate(names):
            for side, face in enumerate(FACES.get(name, (f"{name}_lower", f"{name}_upper"))):
                self._faces[prefix + face] = (axis, side)

    @property
    def measure(self) -> float:
        """Π (upperᵢ − lowerᵢ)."""
        return BoxPart(self.lower, self.upper, {}).measure

    @property
    def parts(self) -> Mapping[str, BoxPart]:
        """The faces."""
        return {name: self.face(axis, side) for name, (axis, side) in self._faces.items()}

    def face(self, axis: int, side: int) -> BoxPart:
        """The face at the lower (0) or upper (1) end of an axis."""
        normal = [0.0] * self.dimensions
        normal[axis] = 1.0 if side else -1.0
        return BoxPart(self.lower, self.upper, {axis: (self.lower, self.upper)[side][axis]}, normal)

    @property
    def interior(self) -> BoxPart:
        """All of the box."""
        return BoxPart(self.lower, self.upper, {})

    def contains(self, at: Tensor) -> Tensor:
        """Which points lie in the closed box."""
        lower, upper = at.new_tensor(self.lower), at.new_tensor(self.upper)
        return ((at >= lower) & (at <= upper)).all(dim=-1)

    def distance(self, at: Tensor) -> Tensor:
        """Outside |max(q, 0)|, inside max q, with q = max(lower − x, x − upper) by axis."""
        lower, upper = at.new_tensor(self.lower), at.new_tensor(self.upper)
        q = torch.maximum(lower - at, at - upper)
        return q.clamp(min=0).norm(dim=-1) + q.amax(dim=-1).clamp(max=0)

    def rule(self, n: int) -> Points:
        """Gauss–Legendre points, kᵈ near n."""
        return self.interior.rule(n)

    def pick(self, names: Sequence[str], choice: Pick) -> Part:
        """Some faces, each within the ranges of the coordinates.

        Raises:
            ValueError: nothing is left, or the choice is by edges or by a function.
        """
        if choice.segments is not None or choice.where is not None:
            raise ValueError(
                "the faces of a box are picked by coordinates, such as x=0 or y=(0, 1)"
            )
        chosen = []
        for name in names:
            axis, side = self._faces[name]
            if (part := self._within(axis, side, choice.coordinates)) is not None:
                chosen.append(part)
        if not chosen:
            raise ValueError("nothing of the boundary lies there")
        return chosen[0] if len(chosen) == 1 else Joined(tuple(chosen))

    def _within(self, axis: int, side: int, ranges: Mapping[int, tuple[float, float]]) -> Any:
        """A face within ranges; None where nothing of it is left."""
        lower, upper, face = list(self.lower), list(self.upper), self.face(axis, side)
        for i, (low, high) in ranges.items():
            slack = 1e-9 * (self.upper[i] - self.lower[i])
            if i == axis:
                if not low - slack <= face.fixed[axis] <= high + slack:
                    return None
            else:
                lower[i], upper[i] = max(lower[i], low), min(upper[i], high)
                if upper[i] - lower[i] <= slack:
                    return None
        return BoxPart(lower, upper, face.fixed, face.normal)
