"""The interior of a shape that is no box: points by rejection."""

import math
from dataclasses import dataclass

from torch import Tensor

from pinn.geometry.points import Points
from pinn.geometry.sampling import between
from pinn.geometry.shape import Shape


@dataclass(frozen=True)
class Inside:
    """The points between the bounds that lie in a shape.

    Args:
        shape: a bounded one.
    """

    shape: Shape

    @property
    def measure(self) -> float:
        """Length, area or volume."""
        return self.shape.measure

    @property
    def running(self) -> int:
        """d."""
        return self.shape.dimensions

    @property
    def acceptance(self) -> float:
        """The shape's measure by that of its bounds."""
        sides = zip(self.shape.lower, self.shape.upper, strict=True)
        return min(self.measure / math.prod(high - low for low, high in sides), 1 - 1e-9)

    def place(self, unit: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Points of the bounds, less those outside; see `Part.place`."""
        at = unit.clone()
        for i, (low, high) in enumerate(zip(self.shape.lower, self.shape.upper, strict=True)):
            at[:, i] = between(low, high, unit[:, i])
        kept = self.shape.contains(at)
        return at[kept], None, kept

    def rule(self, n: int) -> Points:
        """The shape's quadrature."""
        return self.shape.rule(n)

    def distance(self, at: Tensor) -> Tensor:
        """0 inside."""
        return self.shape.distance(at).clamp(min=0)
