"""One step of the exponential Runge–Kutta scheme of fourth order, ETDRK4.

Source: A.-K. Kassam, L. N. Trefethen, 2005, doi:10.1137/S1064827502410633.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

CONTOUR = 64  # points of the circles that the coefficients are means over


class Factors(NamedTuple):
    """What the linear part makes of half a step and of a whole one, and the weights, by mode."""

    half: np.ndarray
    whole: np.ndarray
    q: np.ndarray
    first: np.ndarray
    middle: np.ndarray
    last: np.ndarray


def factors(linear: np.ndarray, step: float) -> Factors:
    """e^{hL/2}, e^{hL} and the weights of the four stages, for the symbol L of each mode."""
    circle = np.exp(1j * np.pi * (np.arange(CONTOUR) + 0.5) / CONTOUR)
    z = step * linear[:, None] + circle
    full = np.exp(z)

    def mean(values: np.ndarray) -> np.ndarray:
        return step * values.mean(axis=1).real

    return Factors(
        np.exp(step * linear / 2),
        np.exp(step * linear),
        mean((np.exp(z / 2) - 1) / z),
        mean((-4 - z + full * (4 - 3 * z + z**2)) / z**3),
        mean((2 + z + full * (z - 2)) / z**3),
        mean((-4 - 3 * z - z**2 + full * (4 - z)) / z**3),
    )


def advanced(
    v: np.ndarray, nonlinear: Callable[[np.ndarray], np.ndarray], by: Factors
) -> np.ndarray:
    """The modes one step later."""
    at_start = nonlinear(v)
    a = by.half * v + by.q * at_start
    at_a = nonlinear(a)
    b = by.half * v + by.q * at_a
    at_b = nonlinear(b)
    c = by.half * a + by.q * (2 * at_b - at_start)
    inner = 2 * by.middle * (at_a + at_b)
    return by.whole * v + by.first * at_start + inner + by.last * nonlinear(c)
