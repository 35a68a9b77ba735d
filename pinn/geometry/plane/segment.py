"""Straight curves."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from pinn.geometry.plane.curve import Array, Curve
from pinn.geometry.plane.motion import image


@dataclass(frozen=True, eq=False)
class Segment(Curve):
    """c(t) = (1 − t) start + t end."""

    start: Array
    end: Array

    def at(self, t: Array) -> Array:
        """The points c(t); both ends to the bit."""
        t = t[:, None]
        along = np.where(t < 0.5, self.start + t * self.step, self.end - (1 - t) * self.step)
        # Rounding may leave the box of a wall along an axis.
        return np.clip(along, *self.box)

    def velocity(self, t: Array) -> Array:
        """end − start, everywhere."""
        return np.broadcast_to(self.step, (len(t), 2))

    def acceleration(self, t: Array) -> Array:
        """Zero."""
        return np.zeros((len(t), 2))

    def cut(self, first: float, last: float, start: Array, end: Array) -> Self:
        """The segment between its new ends."""
        return type(self)(start, end)

    def reversed(self) -> Self:
        """The segment from end to start."""
        return type(self)(self.end, self.start)

    def moved(self, matrix: Array, shift: Array) -> Self:
        """The segment between the moved ends."""
        return type(self)(image(self.start, matrix, shift), image(self.end, matrix, shift))

    def turns(self, axis: int) -> list[float]:
        """None."""
        return []

    def levels(self, axis: int, value: float) -> list[float]:
        """One at most."""
        rise = self.step[axis]
        if rise == 0:
            return []
        t = (value - self.start[axis]) / rise
        return [float(t)] if 0 <= t <= 1 else []

    def height(self, x: Array) -> Array:
        """The straight line, from whichever end is nearer."""
        slope = self.step[1] / self.step[0]
        left = np.abs(x - self.start[0]) < np.abs(x - self.end[0])
        return np.where(
            left,
            self.start[1] + (x - self.start[0]) * slope,
            self.end[1] + (x - self.end[0]) * slope,
        )

    def branches(self) -> tuple[list[float], list[float]]:
        """None."""
        return [], []

    def sector(self) -> float:
        """½ start × end."""
        return 0.5 * float(self.start[0] * self.end[1] - self.start[1] * self.end[0])

    def nearest(self, points: Array) -> Array:
        """The foot of the perpendicular, or an end."""
        return np.clip((points - self.start) @ self.step / (self.step @ self.step), 0.0, 1.0)

    @cached_property
    def box(self) -> Array:
        """The lower and the higher of the ends (2, 2)."""
        return np.stack([np.minimum(self.start, self.end), np.maximum(self.start, self.end)])

    @property
    def length(self) -> float:
        """|end − start|."""
        return float(np.hypot(*self.step))

    def times(self, shares: Array) -> Array:
        """The shares."""
        return shares

    @property
    def step(self) -> Array:
        """end − start (2,)."""
        return self.end - self.start
