"""Arcs of ellipses, of circles too, and whole ellipses."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from pinn.geometry.plane.curve import Array, Curve
from pinn.geometry.plane.motion import image
from pinn.geometry.plane.roots import bracketed

_TURN = 2 * math.pi


@dataclass(frozen=True, eq=False)
class Arc(Curve):
    """c(t) = C + U cos θ + V sin θ,  θ = first + t sweep,  with U ⟂ V.

    Args:
        centre: C (2,).
        axes: U and V, the semi-axes as rows (2, 2), V counter-clockwise from U.
        first: the angle θ at the start.
        sweep: how far θ runs; negative for a clockwise arc; ±2π for the whole ellipse.
        start: the first point.
        end: the last point.
    """

    centre: Array
    axes: Array
    first: float
    sweep: float
    start: Array
    end: Array
    samples = 64

    def at(self, t: Array) -> Array:
        """The points c(t); both ends to the bit."""
        angle = self.first + t * self.sweep
        points = self.centre + np.stack([np.cos(angle), np.sin(angle)], axis=1) @ self.axes
        points[t == 0] = self.start
        points[t == 1] = self.end
        return points

    def velocity(self, t: Array) -> Array:
        """(−U sin θ + V cos θ) times the sweep."""
        angle = self.first + t * self.sweep
        return self.sweep * np.stack([-np.sin(angle), np.cos(angle)], axis=1) @ self.axes

    def acceleration(self, t: Array) -> Array:
        """−(U cos θ + V sin θ) times the squared sweep."""
        angle = self.first + t * self.sweep
        return -(self.sweep**2) * np.stack([np.cos(angle), np.sin(angle)], axis=1) @ self.axes

    def cut(self, first: float, last: float, start: Array, end: Array) -> Self:
        """The arc between two of its angles."""
        angle, sweep = self.first + first * self.sweep, (last - first) * self.sweep
        return type(self)(self.centre, self.axes, angle, sweep, start, end)

    def reversed(self) -> Self:
        """The arc from its last angle to the first."""
        last = self.first + self.sweep
        return type(self)(self.centre, self.axes, last, -self.sweep, self.end, self.start)

    def moved(self, matrix: Array, shift: Array) -> Self:
        """The same angles on moved axes."""
        points = (image(p, matrix, shift) for p in (self.centre, self.start, self.end))
        centre, start, end = points
        return type(self)(centre, self.axes @ matrix.T, self.first, self.sweep, start, end)

    def turns(self, axis: int) -> list[float]:
        """Where θ is that of the lowest or the highest coordinate."""
        u, v = self.axes[:, axis]
        lowest = math.atan2(v, u)
        times = self._times_of([lowest, lowest + math.pi])
        return [t for t in times if 1e-9 < t < 1 - 1e-9]

    def levels(self, axis: int, value: float) -> list[float]:
        """Two at most: cos(θ − φ) = (value − C) / half the width."""
        u, v = self.axes[:, axis]
        share = (value - self.centre[axis]) / math.hypot(u, v)
        if abs(share) > 1 + 1e-14:
            return []
        phase, angle = math.atan2(v, u), math.acos(min(1.0, max(-1.0, share)))
        return self._times_of([phase + angle, phase - angle])

    def height(self, x: Array) -> Array:
        """y = C_y + k w ± l √(1 − w²),  w = (x − C_x) / half the width."""
        (u, r), (v, s) = self.axes
        width = math.hypot(u, v)
        middle = self.first + 0.5 * self.sweep
        side = math.copysign(1.0, math.sin(middle - math.atan2(v, u)))
        w = np.clip((x - self.centre[0]) / width, -1.0, 1.0)
        along, across = (r * u + s * v) / width, side * (s * u - r * v) / width
        y = self.centre[1] + along * w + across * np.sqrt((1 - w) * (1 + w))
        # A corner that was moved by rounding is where it is.
        return np.clip(y, *self.box[:, 1])

    def branches(self) -> tuple[list[float], list[float]]:
        """The ends of the whole ellipse."""
        width = math.hypot(*self.axes[:, 0])
        return [float(self.centre[0] - width)], [float(self.centre[0] + width)]

    def sector(self) -> float:
        """½ |U||V| sweep + ½ C × (end − start)."""
        (u, r), (v, s) = self.axes
        chord = self.end - self.start
        area = (u * s - r * v) * self.sweep
        return 0.5 * float(area + self.centre[0] * chord[1] - self.centre[1] * chord[0])

    def nearest(self, points: Array) -> Array:
        """By the angle on a circle; by the nearest of the whole ellipse, if it lies on the arc."""
        a, b = self._semi
        local = (points - self.centre) @ (self.axes / [[a], [b]]).T
        if self.circular:
            t = self._time(np.arctan2(local[:, 1], local[:, 0]))
            inside = t <= 1
            return np.where(inside, t, self._nearer_end(points))
        t = self._time(_whole_ellipse(local, a, b))
        other = t > 1
        if other.any():
            t[other] = super().nearest(points[other])
        return t

    @property
    def closed(self) -> bool:
        """Whether this is the whole ellipse."""
        return abs(self.sweep) == _TURN

    @property
    def length(self) -> float:
        """Radius times sweep on a circle, else an integral."""
        return self._semi[0] * abs(self.sweep) if self.circular else super().length

    def times(self, shares: Array) -> Array:
        """The shares, on a circle."""
        return shares if self.circular else super().times(shares)

    @property
    def _semi(self) -> tuple[float, float]:
        return math.hypot(*self.axes[0]), math.hypot(*self.axes[1])

    @property
    def circular(self) -> bool:
        """Whether this is part of a circle."""
        a, b = self._semi
        return abs(a - b) <= 1e-14 * a

    def _time(self, angle: Array) -> Array:
        """The t of angles; beyond 1 where the arc has none."""
        run = np.mod((angle - self.first) * math.copysign(1.0, self.sweep), _TURN)
        # A start that rounding puts one turn on.
        run = np.where(_TURN - run < 1e-15, 0.0, run)
        t = run / abs(self.sweep)
        return np.where((t > 1) & (t < 1 + 1e-15), 1.0, t)

    def _times_of(self, angles: list[float]) -> list[float]:
        return sorted({t for t in self._time(np.array(angles)).tolist() if t <= 1})

    def _nearer_end(self, points: Array) -> Array:
        start, end = points - self.start, points - self.end
        return np.where((start * start).sum(axis=1) <= (end * end).sum(axis=1), 0.0, 1.0)


def _whole_ellipse(local: Array, a: float, b: float) -> Array:
    """The angle of the nearest point of an ellipse, in its own axes; it is in the same quarter."""
    x, y = np.abs(local[:, 0]), np.abs(local[:, 1])

    def slope(angle: Array) -> tuple[Array, Array]:
        c, s = np.cos(angle), np.sin(angle)
        value = (b * b - a * a) * s * c + a * x * s - b * y * c
        return value, (b * b - a * a) * (c * c - s * s) + a * x * c + b * y * s

    angle = bracketed(slope, np.zeros(len(x)), np.full(len(x), 0.5 * math.pi), last=1e-9)
    angle = np.where(local[:, 0] < 0, math.pi - angle, angle)
    return np.where(local[:, 1] < 0, -angle, angle)
