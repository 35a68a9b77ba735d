"""Weights of a quadrature, such that polynomials are integrated as another rule has it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from pinn.geometry.solid.motion import Array

DEGREE = 4  # up to which polynomials are integrated exactly, where the points suffice
PER_MOMENT = 2  # points that each of the moments needs at least
DEPENDENT = 1e-7  # the part of a column that is not in the others, below which it says nothing

Moments = Callable[[Array], Array]  # exponents (M, 3) → integrals of these monomials


@dataclass(frozen=True)
class Scaled:
    """Monomials ((x − c) / s)^α of points, c and s those of a box about them.

    Args:
        centre: c (3,).
        size: s, above 0.
    """

    centre: Array
    size: float

    @classmethod
    def about(cls, lower: Array, upper: Array) -> "Scaled":
        """Those of a box."""
        return cls(0.5 * (lower + upper), max(0.5 * float((upper - lower).max()), 1e-300))

    def monomials(self, at: Array, exponents: np.ndarray) -> Array:
        """One column per row of the exponents (M, 3): (N, M)."""
        local = (at - self.centre) / self.size
        powers = local[None] ** np.arange(exponents.max(initial=0) + 1)[:, None, None]
        return np.stack([powers[e, :, i] for i, e in enumerate(exponents.T)], 0).prod(0).T


def exponents(degree: int) -> np.ndarray:
    """All α with |α| ≤ degree, the lowest |α| first: (M, 3)."""
    rows = [
        np.bincount(np.array(axes, dtype=int), minlength=3)
        for total in range(degree + 1)
        for axes in combinations_with_replacement(range(3), total)
    ]
    return np.stack(rows)


def surface_columns(scaled: Scaled, at: Array, normal: Array, degree: int) -> Array:
    """p, p n₁, p n₂ and p n₃ for the monomials p up to a degree, the lowest first: (N, 4M)."""
    p = scaled.monomials(at, exponents(degree))
    factors = np.concatenate([np.ones((len(at), 1)), normal], axis=1)
    return (p[:, :, None] * factors[:, None, :]).reshape(len(at), -1)


def fitted(
    columns: Callable[[int], Array], moments: Callable[[int], Array], start: Array | None = None
) -> Array:
    """The weights nearest to given ones with Σᵢ wᵢ cⱼ(xᵢ) = mⱼ; all of them positive.

    The degree is `DEGREE`, or lower where the points are too few or a weight would not be positive.

    Args:
        columns: degree → c (N, M), the first column 1.
        moments: degree → m (M,).
        start: the given weights (N,), positive; None for equal ones.
    """
    count = len(columns(0))
    start = np.full(count, float(moments(0)[0]) / count) if start is None else start
    for degree in range(DEGREE, -1, -1):
        weights = _corrected(columns(degree), moments(degree), start)
        if weights is not None and (weights > 0).all():
            return weights
    return start


def _corrected(c: Array, m: Array, start: Array) -> Array | None:
    """The weights with the least Σ (w − start)² / start; None where the points are too few.

    Columns that depend on earlier ones drop out.
    """
    root = np.sqrt(start)
    basis = np.empty((c.shape[1], len(c)))
    triangle: list[tuple[Array, float]] = []
    kept: list[int] = []
    for j, column in enumerate(root * c.T):
        rest, shares = column.copy(), np.zeros(len(kept))
        for _ in range(2):
            own = basis[: len(kept)] @ rest
            rest -= own @ basis[: len(kept)]
            shares += own
        left = float(np.linalg.norm(rest))
        if left > DEPENDENT * float(np.linalg.norm(column)):
            basis[len(kept)] = rest / left
            triangle.append((shares, left))
            kept.append(j)
        if PER_MOMENT * len(kept) > len(c):
            return None
    missing = m[kept] - start @ c[:, kept]
    solution = np.empty(len(kept))
    for j, (shares, left) in enumerate(triangle):
        solution[j] = (missing[j] - shares @ solution[:j]) / left
    return start + root * (solution @ basis[: len(kept)])
