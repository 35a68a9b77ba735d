"""Steady plane flow by a Galerkin stream-function method with B-splines, on a graded mesh.

ψ = given + Σ aᵢⱼ Bᵢ(x) Bⱼ(y) of degree 5. It shares no line with `cavity_flow`, so that the two
can judge each other. Its matrix is banded, so that thin boundary layers are cheap.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.interpolate import BSpline

Array = NDArray[np.float64]

DEGREE = 5
GAUSS = DEGREE + 2  # points per element and direction
NEWTON_TOLERANCE = 1e-11
NEWTON_STEPS = 15


class Splines:
    """B-splines of degree 5 between breaks, four times continuously differentiable.

    Args:
        breaks: ends of the elements, increasing.
        kinks: breaks where only the first derivative is continuous.
    """

    def __init__(self, breaks: Array, kinks: tuple[float, ...] = ()) -> None:
        inner = [np.repeat(b, DEGREE - 1 if b in kinks else 1) for b in breaks[1:-1]]
        ends = np.repeat(breaks[[0, -1]], DEGREE + 1).reshape(2, -1)
        self.knots = np.concatenate([ends[0], *inner, ends[1]])
        self.count = len(self.knots) - DEGREE - 1
        nodes, weights = np.polynomial.legendre.leggauss(GAUSS)
        sizes = np.diff(breaks)
        self.points = breaks[:-1, None] + sizes[:, None] * (nodes + 1) / 2  # (elements, GAUSS)
        self.weights = sizes[:, None] * weights / 2
        middles = (breaks[:-1] + breaks[1:]) / 2
        first = np.searchsorted(self.knots, middles, side="right") - 1 - DEGREE
        self.seen = first[:, None] + np.arange(DEGREE + 1)  # (elements, DEGREE + 1)
        rows = np.arange(len(middles))[:, None, None]
        self.local = [
            self.table(self.points.ravel(), order).reshape(*self.points.shape, -1)[
                rows, np.arange(GAUSS)[:, None], self.seen[:, None, :]
            ]
            for order in range(3)
        ]  # (elements, GAUSS, DEGREE + 1)

    def table(self, x: Array, order: int) -> Array:
        """The derivatives of all splines at the points x: (len(x), count)."""
        return np.asarray(BSpline(self.knots, np.eye(self.count), DEGREE)(x, nu=order))

    def fitted(self, values: Array) -> Array:
        """Coefficients of the least-squares fit to values at all points: (count,)."""
        root = np.sqrt(self.weights.ravel())
        table = self.table(self.points.ravel(), 0)
        return np.asarray(np.linalg.lstsq(root[:, None] * table, root * values, rcond=None)[0])


ORDERS = ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2))  # of x and y: the derivatives in the weak form


class SplineFlow:
    """Flow with velocity (ψ_y, −ψ_x). Weak form, for every test function χ = Bᵢ Bⱼ that is free:

        ∫ ν (ψ_xx χ_xx + 2 ψ_xy χ_xy + ψ_yy χ_yy)
          + (ψ_y ψ_xy − ψ_x ψ_yy) χ_y + (ψ_y ψ_xx − ψ_x ψ_xy) χ_x dx dy = 0,

    which is ∫ ν ∇u:∇v + (u·∇u)·v = 0 with v = (χ_y, −χ_x). Where χ is free at a wall, it means
    −p n + ν ∂u/∂n = 0 there.

    Args:
        along: splines in x.
        up: splines in y.
        values: aᵢⱼ (along.count, up.count): those that are not free, and where Newton's method
            starts with the others.
        free: which aᵢⱼ are unknown.
        given: ψ_x, ψ_y, ψ_xx, ψ_xy, ψ_yy at the points, of a biharmonic function that is added:
            (5, x, y). Its part in the viscous term is zero where all χ are clamped, and left out.
    """

    def __init__(
        self, along: Splines, up: Splines, values: Array, free: NDArray[np.bool_], given: Array
    ) -> None:
        self.along, self.up = along, up
        self.values, self.free = values.copy(), free
        elements = len(along.seen), len(up.seen)
        shape = (5, elements[0], GAUSS, elements[1], GAUSS)
        self.given = self.split(given.reshape(shape))
        weights = along.weights[:, :, None, None] * up.weights
        self.weights = self.split(weights[None])[0]
        self.index = (along.seen[:, None, :, None] * up.count + up.seen[None, :, None, :]).reshape(
            elements[0] * elements[1], -1
        )
        self.tables = [
            np.einsum("eqi,fpj->efqpij", along.local[i], up.local[j]).reshape(
                len(self.index), GAUSS**2, -1
            )
            for i, j in ORDERS
        ]  # each (elements, points, splines)

    @staticmethod
    def split(on_points: Array) -> Array:
        """(…, ex, qx, ey, qy) as (…, elements, points)."""
        moved = np.moveaxis(on_points, 2, 3)
        return np.ascontiguousarray(moved).reshape(len(moved), -1, GAUSS**2)

    def jets(self) -> Array:
        """ψ_x, ψ_y, ψ_xx, ψ_xy, ψ_yy of the splines at the points: (5, elements, points)."""
        local = self.values.ravel()[self.index][:, :, None]
        return np.array([(table @ local)[:, :, 0] for table in self.tables])

    def equations(self, viscosity: float) -> tuple[Array, Array]:
        """Residual of each element's test functions, (elements, n), and its Jacobian (…, n, n)."""
        plain = self.jets()
        x, y, xx, xy, yy = plain + self.given
        dx, dy, dxx, dxy, dyy = self.tables
        w = self.weights
        loads = [w * (y * xx - x * xy), w * (y * xy - x * yy)]
        loads += [viscosity * w * c * part for c, part in zip((1, 2, 1), plain[2:], strict=True)]
        residual = sum(
            (load[:, None, :] @ table)[:, 0] for load, table in zip(loads, self.tables, strict=True)
        )

        def times(factor: Array, table: Array) -> Array:
            return (w * factor)[:, :, None] * table

        jacobian = dx.transpose(0, 2, 1) @ (
            times(y, dxx) + times(xx, dy) - times(x, dxy) - times(xy, dx)
        )
        jacobian += dy.transpose(0, 2, 1) @ (
            times(y, dxy) + times(xy, dy) - times(x, dyy) - times(yy, dx)
        )
        one = np.full_like(w, viscosity)
        for c, table in zip((1, 2, 1), (dxx, dxy, dyy), strict=True):
            jacobian += table.transpose(0, 2, 1) @ times(c * one, table)
        return np.asarray(residual), jacobian

    def solve(self, viscosity: float) -> int:
        """Newton's method from the flow that is there; returns its steps.

        Raises:
            RuntimeError: no convergence in ``NEWTON_STEPS`` steps.
        """
        position = np.full(self.free.size, -1)
        position[self.free.ravel()] = np.arange(self.free.sum())
        at = position[self.index]
        for count in range(1, NEWTON_STEPS + 1):
            residual, jacobian = self.equations(viscosity)
            step = banded_solution(at, residual, jacobian)
            self.values[self.free] -= step
            if np.abs(step).max() < NEWTON_TOLERANCE * max(1.0, np.abs(self.values).max()):
                return count
        raise RuntimeError(
            f"Newton's method did not converge at ν = {viscosity:g}: last step "
            f"{np.abs(step).max():.1e}; start it from a flow at a closer Reynolds number"
        )

    def derivative(self, x: Array, y: Array, orders: tuple[int, int]) -> Array:
        """A derivative of the splines' part of ψ on the grid x ⊗ y."""
        return self.along.table(x, orders[0]) @ self.values @ self.up.table(y, orders[1]).T


def banded_solution(at: NDArray[np.int64], residual: Array, jacobian: Array) -> Array:
    """The Newton step from elements: position of each one's unknowns, −1 where there is none."""
    size = int(at.max()) + 1
    known = at >= 0
    rows = np.broadcast_to(at[:, :, None], jacobian.shape)
    columns = np.broadcast_to(at[:, None, :], jacobian.shape)
    kept = known[:, :, None] & known[:, None, :]
    rows, columns, entries = rows[kept], columns[kept], jacobian[kept]
    band = int(np.abs(rows - columns).max())
    flat = (band + rows - columns) * size + columns
    matrix = np.bincount(flat, entries, (2 * band + 1) * size).reshape(-1, size)
    load = np.bincount(at[known], residual[known], size)
    return np.asarray(scipy.linalg.solve_banded((band, band), matrix, load, check_finite=False))
