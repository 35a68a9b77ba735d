"""Zeros of functions of one variable: many at once in brackets, and those of a polynomial."""

from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev, polynomial

Array = np.ndarray
Function = Callable[[Array], tuple[Array, Array]]


def bracketed(function: Function, low: Array, high: Array, last: float = 2e-16) -> Array:
    """A zero in each bracket where f goes from negative to positive: Newton's steps and halving.

    Args:
        function: t (N,) → f and f' (N,).
        low: f ≤ 0 there (N,).
        high: f ≥ 0 there (N,).
        last: the step after which to stop; an error that small is squared by it.
    """
    low, high = np.array(low, dtype=float), np.array(high, dtype=float)
    at = 0.5 * (low + high)
    for _ in range(80):  # halving alone needs 53
        value, slope = function(at)
        below = value < 0
        low, high = np.where(below, at, low), np.where(below, high, at)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = value / slope
        small = (slope > 0) & (np.abs(step) <= last * (1 + np.abs(at)))
        new = at - step
        good = (slope > 0) & (new > low) & (new < high)
        # A step of rounding may lead out of the bracket, and is the last.
        middle = np.where(small, np.clip(new, low, high), 0.5 * (low + high))
        at = np.where(value == 0, at, np.where(good, new, middle))
        if (small | (value == 0)).all():
            break
    return at


def zeros_between(coefficients: Array, slack: float = 1e-6) -> list[float]:
    """The real zeros t in [0, 1] of a polynomial Σ cᵢ tⁱ, double ones too; none where it vanishes.

    Args:
        coefficients: from the constant on.
        slack: how far a zero may lie from the real interval; the caller checks what it stands for.
    """
    # On [−1, 1] a Chebyshev coefficient of the size of rounding says nothing; a power's might.
    half = np.array([0.5, 0.5])
    shifted = np.zeros(1)
    for coefficient in coefficients[::-1]:
        shifted = polynomial.polyadd(polynomial.polymul(shifted, half), [coefficient])
    series = chebyshev.poly2cheb(shifted)
    largest = np.abs(series).max()
    if largest == 0:
        return []
    series = chebyshev.chebtrim(series / largest, 1e-15)
    if len(series) < 2:
        return []
    zeros = 0.5 * (chebyshev.chebroots(series) + 1)
    near = np.abs(zeros.imag) < slack
    real = zeros.real[near & (zeros.real > -slack) & (zeros.real < 1 + slack)]
    return sorted(np.clip(real, 0.0, 1.0).tolist())
