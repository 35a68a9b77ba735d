"""Cubic curves: the spans of a spline."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.polynomial import polynomial
from numpy.polynomial.legendre import leggauss

from pinn.geometry.plane.curve import Array, Curve
from pinn.geometry.plane.motion import image
from pinn.geometry.plane.roots import bracketed, zeros_between

_NODES, _WEIGHTS = leggauss(4)


@dataclass(frozen=True, eq=False)
class Cubic(Curve):
    """c(t) = Σ bᵢ Bᵢ(t), with Bernstein's polynomials of degree 3.

    Args:
        control: the control points b₀ … b₃ (4, 2); the curve starts at b₀ and ends at b₃.
    """

    control: Array

    @property
    def start(self) -> Array:  # type: ignore[override]
        """b₀."""
        return self.control[0]

    @property
    def end(self) -> Array:  # type: ignore[override]
        """b₃."""
        return self.control[3]

    @cached_property
    def powers(self) -> Array:
        """The coefficients (4, 2) of 1, t, t², t³."""
        b0, b1, b2, b3 = self.control
        return np.stack([b0, 3 * (b1 - b0), 3 * (b0 - 2 * b1 + b2), b3 - b0 + 3 * (b1 - b2)])

    def at(self, t: Array) -> Array:
        """The points c(t); both ends to the bit."""
        t, r = t[:, None], 1 - t[:, None]
        b0, b1, b2, b3 = self.control
        return r * r * r * b0 + 3 * r * r * t * b1 + 3 * r * t * t * b2 + t * t * t * b3

    def velocity(self, t: Array) -> Array:
        """A quadratic."""
        t, r = t[:, None], 1 - t[:, None]
        d0, d1, d2 = np.diff(self.control, axis=0)
        return 3 * (r * r * d0 + 2 * r * t * d1 + t * t * d2)

    def acceleration(self, t: Array) -> Array:
        """Linear."""
        first, second = np.diff(self.control, n=2, axis=0)
        return 6 * ((1 - t)[:, None] * first + t[:, None] * second)

    def cut(self, first: float, last: float, start: Array, end: Array) -> Self:
        """By de Casteljau's construction, as blossoms at the two ends."""
        inner = [
            _blossom(self.control, first, first, last),
            _blossom(self.control, first, last, last),
        ]
        return type(self)(np.stack([start, *inner, end]))

    def reversed(self) -> Self:
        """The control points from the last."""
        return type(self)(self.control[::-1].copy())

    def moved(self, matrix: Array, shift: Array) -> Self:
        """The moved control points."""
        return type(self)(np.stack([image(point, matrix, shift) for point in self.control]))

    def turns(self, axis: int) -> list[float]:
        """Zeros of a quadratic."""
        c = self.powers[1:, axis] * [1, 2, 3]
        if np.abs(c).max() <= 1e-14 * np.abs(self.powers[1:]).max():
            return []
        return [t for t in _quadratic(*c.tolist()) if 1e-9 < t < 1 - 1e-9]

    def levels(self, axis: int, value: float) -> list[float]:
        """Zeros of a cubic."""
        c = self.powers[:, axis].copy()
        if np.abs(c[1:]).max() <= 1e-14 * np.abs(self.powers[1:]).max():
            return []
        c[0] -= value
        return zeros_between(c, 1e-12)

    def height(self, x: Array) -> Array:
        """y(t) where x(t) = x, by Newton's method in a bracket."""
        forward = math.copysign(1.0, self.end[0] - self.start[0])
        p, v = self.powers[:, 0] * forward, self.powers[1:, 0] * [1, 2, 3] * forward

        def gap(t: Array) -> tuple[Array, Array]:
            return polynomial.polyval(t, p) - x * forward, polynomial.polyval(t, v)

        return self.at(bracketed(gap, np.zeros(len(x)), np.ones(len(x))))[:, 1]

    def branches(self) -> tuple[list[float], list[float]]:
        """Where the polynomial turns next, beyond each end."""
        c = self.powers[1:, 0] * [1, 2, 3]
        real = np.array(_quadratic(*c.tolist()))
        ends: tuple[list[float], list[float]] = ([], [])
        for t in (real[real < 0.5].max(initial=-np.inf), real[real >= 0.5].min(initial=np.inf)):
            if math.isfinite(t):
                x = float(polynomial.polyval(t, self.powers[:, 0]))
                backward = bool(self.end[0] < self.start[0])
                ends[bool(t >= 0.5) != backward].append(x)
        return ends

    def sector(self) -> float:
        """By Gauss' rule, exact: the integrand has degree 5."""
        t = 0.5 * (_NODES + 1)
        (x, y), (dx, dy) = self.at(t).T, self.velocity(t).T
        return 0.25 * float(_WEIGHTS @ (x * dy - y * dx))


def _quadratic(c: float, b: float, a: float) -> list[float]:
    """The real zeros of c + b t + a t², without cancellation; those that are far may be missing."""
    square = b * b - 4 * a * c
    if square < 0:
        return []
    sum_ = -0.5 * (b + math.copysign(math.sqrt(square), b))
    return sorted({n / d for n, d in ((c, sum_), (sum_, a)) if abs(d) > 1e-12 * abs(n)})


def _blossom(control: Array, *times: float) -> Array:
    for t in times:
        control = (1 - t) * control[:-1] + t * control[1:]
    return control[0]
