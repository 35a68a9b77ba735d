"""How many points a patch has, as its polynomials and the held-out residual ask for."""

import math
from dataclasses import dataclass

from pinn.geometry.pieces import FLAT
from pinn.networks.local_features import number

FIRST, MOST = 1.3, 3.0  # points along an axis per degree of a polynomial
PER_FEATURE = 2  # points of a piece in more than two dimensions, at first
MORE = 1.4  # times as many, along an axis
ROUGH, EVEN = 4.0, 2.0  # times the training loss: more points are needed, or fewer are enough
Degrees = tuple[int, ...]  # of polynomials, along each axis


@dataclass
class Density:
    """The density of points.

    Args:
        now: points along an axis per degree.
        least: what it does not fall below: fewer have turned out to be too few.
        fell: whether it has fallen since it grew.
    """

    now: float = FIRST
    least: float = FIRST
    fell: bool = False

    def along(self, degrees: Degrees) -> int:
        """The degree that the points of a piece are made for."""
        return math.ceil(self.now * max(degrees))

    def drawn(self, degrees: Degrees) -> int:
        """How many points a piece has where they are no product."""
        return math.ceil(self.now / FIRST * PER_FEATURE * number(degrees))

    def count(self, degrees: Degrees) -> int:
        """How many points a whole patch has."""
        if len(degrees) <= FLAT:
            return (self.along(degrees) + 1) ** len(degrees)
        return self.drawn(degrees)

    def follow(self, loss: float, held_out: float) -> bool:
        """More points where the held-out loss is far above that of training; whether there are."""
        ratio, before = held_out / max(loss, 1e-300), self.now
        if ratio > ROUGH:
            self.now = min(MORE * self.now, MOST)
            self.least, self.fell = (self.now if self.fell else self.least), False
        elif ratio < EVEN:
            self.now = max(self.now / MORE, self.least)
            self.fell = self.fell or self.now < before
        return self.now > before
