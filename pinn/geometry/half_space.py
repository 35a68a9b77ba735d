"""Half-planes and half-spaces: operands of booleans, which have no end of their own."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pinn.geometry.points import Points
from pinn.geometry.shape import Part, Pick, Shape

ENDLESS = "a half-space has no end: intersect it with a shape, as in Rectangle() & HalfSpace(…)"


class HalfSpaceShape(Shape):
    """{x : (x − p)·n ≤ 0},  n the outward normal.

    Args:
        point: p, on the boundary.
        normal: n, of any length.
        name: of its boundary.

    Raises:
        ValueError: they differ in length, or the normal is zero.
    """

    def __init__(self, point: Sequence[float], normal: Sequence[float], name: str = "") -> None:
        self.point, direction = (torch.tensor(list(v)).double() for v in (point, normal))
        if self.point.shape != direction.shape or len(self.point) not in (2, 3):
            raise ValueError(
                f"a half-space has the point {tuple(point)} and the normal {tuple(normal)}: give "
                "two or three numbers for each"
            )
        length = float(direction.norm())
        if not (0 < length < torch.inf and bool(self.point.isfinite().all())):
            raise ValueError(
                f"a half-space has the point {tuple(point)} and the normal {tuple(normal)}: give "
                "finite numbers, and a normal that is not zero"
            )
        self.normal, self.name = direction / length, name
        self.dimensions = len(self.point)
        self.lower = (-torch.inf,) * self.dimensions
        self.upper = (torch.inf,) * self.dimensions

    @property
    def measure(self) -> float:
        """∞."""
        return torch.inf

    @property
    def parts(self) -> Mapping[str, Part]:
        """None that points could be drawn on."""
        return {}

    def contains(self, at: Tensor) -> Tensor:
        """Which points lie on the side that the normal points away from."""
        return self.distance(at) <= 0

    def distance(self, at: Tensor) -> Tensor:
        """(x − p)·n."""
        return (at - self.point.to(at)) @ self.normal.to(at)

    def rule(self, n: int) -> Points:
        """Refused: it has no end."""
        raise ValueError(ENDLESS)

    def pick(self, names: Sequence[str], choice: Pick) -> Part:
        """Refused: it has no end."""
        raise ValueError(ENDLESS)
