"""What an oriented curve c(t), 0 ≤ t ≤ 1, promises, and what all curves have in common."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Self

import numpy as np
from numpy.polynomial.legendre import leggauss

from pinn.geometry.plane.roots import bracketed

Array = np.ndarray

_NODES, _WEIGHTS = leggauss(16)
_NODES, _WEIGHTS = 0.5 * (_NODES + 1), 0.5 * _WEIGHTS


class Curve(ABC):
    """A smooth curve from `start` to `end`; a domain on its boundary lies on its left.

    Attributes:
        start: the first point (2,), a corner that the next curve shares to the bit.
        end: the last point (2,).
        samples: in how many parts a search for the nearest point cuts the curve.
    """

    start: Array
    end: Array
    samples = 16

    @abstractmethod
    def at(self, t: Array) -> Array:
        """The points c(t): (N,) → (N, 2)."""

    @abstractmethod
    def velocity(self, t: Array) -> Array:
        """c'(t): (N,) → (N, 2)."""

    @abstractmethod
    def acceleration(self, t: Array) -> Array:
        """c''(t): (N,) → (N, 2)."""

    @abstractmethod
    def cut(self, first: float, last: float, start: Array, end: Array) -> Self:
        """The curve for t in [first, last], with corners that are given."""

    @abstractmethod
    def reversed(self) -> Self:
        """The curve from its end to its start."""

    @abstractmethod
    def moved(self, matrix: Array, shift: Array) -> Self:
        """The curve M c(t) + s, for a rotation times a factor M (2, 2)."""

    @abstractmethod
    def turns(self, axis: int) -> list[float]:
        """The t in (0, 1) at which a coordinate turns: its velocity is zero."""

    @abstractmethod
    def levels(self, axis: int, value: float) -> list[float]:
        """The t in [0, 1] at which a coordinate has a value; none where it has it throughout."""

    @abstractmethod
    def height(self, x: Array) -> Array:
        """y(x), for a curve whose x does not turn."""

    @abstractmethod
    def branches(self) -> tuple[list[float], list[float]]:
        """The x to the left and to the right at which y(x) bends as √x does at 0.

        They lie at the ends of the curve or beyond, where it would go on: its x does not turn.
        """

    @abstractmethod
    def sector(self) -> float:
        """½ ∫ (x dy − y dx): what the curve contributes to the area inside a closed boundary."""

    def nearest(self, points: Array) -> Array:
        """The t (N,) of the nearest point of the curve, for points (N, 2)."""
        return np.concatenate(
            [self._searched(chunk) for chunk in _chunks(points, 2**20 // (self.samples + 1))]
        )

    def distance(self, points: Array) -> Array:
        """The distance (N,) of points (N, 2) from the curve."""
        gap = self.at(self.nearest(points)) - points
        return np.hypot(gap[:, 0], gap[:, 1])

    def normal(self, t: Array) -> Array:
        """Unit normals (N, 2) to the right: out of a domain on the left."""
        velocity = self.velocity(t)
        speed = np.hypot(velocity[:, 0], velocity[:, 1])
        return np.stack([velocity[:, 1], -velocity[:, 0]], axis=1) / speed[:, None]

    @property
    def closed(self) -> bool:
        """Whether the curve ends where it starts, without a corner."""
        return False

    @property
    def length(self) -> float:
        """The arc length."""
        return float(self._lengths[-1])

    def times(self, shares: Array) -> Array:
        """The t (N,) at shares (N,) of the arc length."""
        lengths = self._lengths
        panels = len(lengths) - 1
        target = shares * lengths[-1]
        panel = np.clip(np.searchsorted(lengths, target, side="right") - 1, 0, panels - 1)
        low = panel / panels

        def gap(t: Array) -> tuple[Array, Array]:
            nodes = low[:, None] + (t - low)[:, None] * _NODES
            run = (self._speed(nodes.ravel()).reshape(nodes.shape) @ _WEIGHTS) * (t - low)
            return lengths[panel] + run - target, self._speed(t)

        return np.clip(bracketed(gap, low, low + 1 / panels), 0.0, 1.0)

    @cached_property
    def box(self) -> Array:
        """The lowest and the highest coordinates (2, 2)."""
        turns = np.array(self.turns(0) + self.turns(1))
        points = np.concatenate([[self.start], [self.end], self.at(turns)])
        return np.stack([points.min(axis=0), points.max(axis=0)])

    @cached_property
    def _lengths(self) -> Array:
        """The length up to each of the ends of equal panels, as many as the integral needs."""
        panels, before = 4, None
        while True:
            t = (np.arange(panels)[:, None] + _NODES) / panels
            each = (self._speed(t.ravel()).reshape(t.shape) @ _WEIGHTS) / panels
            lengths = np.concatenate([[0.0], np.cumsum(each)])
            settled = before is not None and abs(lengths[-1] - before) <= 1e-14 * lengths[-1]
            if settled or panels >= 1024:
                return lengths
            panels, before = 2 * panels, lengths[-1]

    def _speed(self, t: Array) -> Array:
        velocity = self.velocity(t)
        return np.hypot(velocity[:, 0], velocity[:, 1])

    def _searched(self, points: Array) -> Array:
        """The nearest t by every bracket of (c − p)·c' = 0, and both ends."""
        t = np.linspace(0.0, 1.0, self.samples + 1)
        place, velocity = self.at(t), self.velocity(t)
        slope = (place * velocity).sum(axis=1) - points @ velocity.T
        row, k = np.nonzero((slope[:, :-1] < 0) & (slope[:, 1:] >= 0))
        own = points[row]

        def falling(t: Array) -> tuple[Array, Array]:
            gap, velocity = self.at(t) - own, self.velocity(t)
            change = velocity * velocity + gap * self.acceleration(t)
            return (gap * velocity).sum(axis=1), change.sum(axis=1)

        inner = bracketed(falling, t[k], t[k + 1], last=1e-9) if len(row) else np.zeros(0)
        best = np.where(_squared(points - self.start) <= _squared(points - self.end), 0.0, 1.0)
        gap = np.minimum(_squared(points - self.start), _squared(points - self.end))
        # The nearest comes last, and so it stays.
        squared = _squared(self.at(inner) - own)
        order = np.argsort(-squared, kind="stable")
        order = order[squared[order] < gap[row[order]]]
        best[row[order]] = inner[order]
        return best


def _squared(vectors: Array) -> Array:
    return (vectors * vectors).sum(axis=1)


def _chunks(points: Array, size: int) -> list[Array]:
    return [points[k : k + size] for k in range(0, max(1, len(points)), size)]
