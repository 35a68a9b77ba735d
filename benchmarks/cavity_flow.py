"""Steady lid-driven cavity by a Legendre–Galerkin stream-function method with corner series.

ψ = ψ_corners + polynomial; the clamped polynomial part is found by Newton's method.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.linalg
import scipy.special
from corner_flow import Array, CornerFlow
from numpy.polynomial import legendre

WALL_MODES = 26  # at most: corner series are analytic on the far walls, 26 modes reach rounding
CORNER_TERMS = 3
NEWTON_TOLERANCE = 1e-11
NEWTON_STEPS = 12


def legendre_table(x: Array, modes: int, order: int) -> Array:
    """d^order/dx^order of P₀…P_{modes−1}(2x − 1): shape (len(x), modes)."""
    coefficients = legendre.legder(np.eye(modes), m=order)
    table = legendre.legvander(2 * x - 1, len(coefficients) - 1) @ coefficients
    return np.asarray(2.0**order * table, dtype=np.float64)


def clamped_modes(count: int) -> Array:
    """Shen's basis φ_k ∝ P_k − 2(2k+5)/(2k+7) P_{k+2} + (2k+3)/(2k+7) P_{k+4}, φ = φ' = 0 at ends.

    Returns:
        Legendre coefficients, shape (count + 4, count). Source: J. Shen, SIAM J. Sci. Comput. 15
        (1994) 1489-1505.
    """
    k = np.arange(count)
    modes = np.zeros((count + 4, count))
    scale = 1 / np.sqrt(2 * (2 * k + 3) ** 2 * (2 * k + 5))
    modes[k, k] = scale
    modes[k + 2, k] = -scale * 2 * (2 * k + 5) / (2 * k + 7)
    modes[k + 4, k] = scale * (2 * k + 3) / (2 * k + 7)
    return modes


def gauss_points(count: int) -> tuple[Array, Array]:
    """Gauss–Legendre points and weights on [0, 1]."""
    nodes, weights = scipy.special.roots_legendre(count)
    return (nodes + 1) / 2, weights / 2


class CavityFlow:
    """Cavity flow [0, 1]² at one Reynolds number; lid y = 1 at u = 1, velocity (ψ_y, −ψ_x).

    Weak form, for every clamped test function χ, with ζ = ∇²ψ:

        ∫ ζ (∇²χ/Re + ψ_y χ_x − ψ_x χ_y) dx dy = 0.

    Non-dimensional by U, L.

    Args:
        reynolds: Re = U L / ν.
        modes: clamped modes per direction (polynomial degree modes + 3).
        start: flow to start Newton's method from; rest otherwise.
    """

    # At the lid's corners, where the series has no value; p is unbounded there.
    at_corners: ClassVar[dict[str, float]] = {"u": 1.0, "v": 0.0, "psi": 0.0, "p": np.nan}

    def __init__(self, reynolds: float, modes: int, start: CavityFlow | None = None) -> None:
        self.reynolds = reynolds
        self.corner = CornerFlow(CORNER_TERMS)
        self.size = modes + 4
        self.points, self.weights = gauss_points(2 * self.size)
        self._area = self.weights[:, None] * self.weights
        self._tables = [legendre_table(self.points, self.size, d) for d in range(4)]
        self._clamped = [table @ clamped_modes(modes) for table in self._tables[:3]]
        self._singular = self.corner_jets(self.points, self.points)
        self._lift = self._lifting()
        self._modal = np.zeros((modes, modes))
        if start is not None:
            self._modal = self._projection(start)
        self._newton()
        self.head = self._total_head()

    @property
    def coefficients(self) -> Array:
        """Legendre coefficients of the polynomial part of ψ, shape (size, size)."""
        modes = clamped_modes(self.size - 4)
        return self._lift + modes @ self._modal @ modes.T

    def corner_jets(self, x: Array, y: Array) -> Array:
        """[[ψ, ψ_x, ψ_y], [ζ, …], [H, …]] of both corner series on the grid x ⊗ y."""
        along, into = np.meshgrid(x, 1 - y, indexing="ij")
        jets = self.corner.evaluate(along, into, self.reynolds)
        mirrored = self.corner.evaluate(1 - along, into, -self.reynolds)
        jets[:, 2] *= -1
        mirrored[:, 1:] *= -1
        return jets + mirrored

    def wall_jets(self, x: Array, y: Array) -> Array:
        """[ψ, ψ_x, ψ_y] of the polynomial part on the walls: the lid's less the corner series."""
        jets = -self.corner_jets(x, y)[0]
        jets[2] += y == 1
        return jets

    def _lifting(self) -> Array:
        """Polynomial with the wall data (Coons)."""
        ends = np.array([0.0, 1.0])
        walls = np.vstack([legendre_table(ends, self.size, d) for d in range(2)])
        hermite = np.zeros((self.size, 4))
        hermite[:4] = np.linalg.inv(walls[:, :4])
        count = min(WALL_MODES, self.size)
        stations, weights = gauss_points(count)
        degree = np.arange(count)
        transform = np.zeros((self.size, count))
        fitted = weights[:, None] * legendre_table(stations, count, 0)
        transform[:count] = (2 * degree[:, None] + 1) * fitted.T
        sides = self.wall_jets(ends, stations)
        on_x = np.vstack([sides[0], sides[1]]) @ transform.T
        levels = self.wall_jets(stations, ends)
        on_y = transform @ np.hstack([levels[0], levels[2]])
        both = hermite @ (on_x @ walls.T) @ hermite.T
        return np.asarray(hermite @ on_x + on_y @ hermite.T - both)

    def _projection(self, start: CavityFlow) -> Array:
        """Modal coefficients whose flow is closest to ``start`` in least squares."""
        there = start.jets(self.points, self.points)[0, 0]
        base = self._tables[0] @ self._lift @ self._tables[0].T + self._singular[0, 0]
        root = np.sqrt(self.weights)[:, None]
        inverse = np.linalg.pinv(root * self._clamped[0])
        return np.asarray(inverse @ (root * (there - base) * root.T) @ inverse.T)

    def jets(self, x: Array, y: Array) -> Array:
        """[[ψ, ψ_x, ψ_y], [ζ, ζ_x, ζ_y]] on the grid x ⊗ y: shape (2, 3, len(x), len(y))."""
        tx = [legendre_table(x, self.size, d) for d in range(4)]
        ty = [legendre_table(y, self.size, d) for d in range(4)]
        a = self.coefficients
        psi = [tx[0] @ a @ ty[0].T, tx[1] @ a @ ty[0].T, tx[0] @ a @ ty[1].T]
        zeta = [
            tx[2 + i] @ a @ ty[j].T + tx[i] @ a @ ty[2 + j].T for i, j in ((0, 0), (1, 0), (0, 1))
        ]
        return np.array([psi, zeta]) + self.corner_jets(x, y)[:2]

    def _residual(self, psi: Array, zeta: Array) -> Array:
        """Weak form against every test function, shape (modes, modes)."""
        f0, f1, f2 = self._clamped
        loaded = self._area * zeta
        diffusion = f2.T @ loaded @ f0 + f0.T @ loaded @ f2
        advection = f1.T @ (loaded * psi[2]) @ f0 - f0.T @ (loaded * psi[1]) @ f1
        return np.asarray(diffusion / self.reynolds + advection)

    def _jacobian(self, psi: Array, zeta: Array) -> Array:
        """Derivative of the residual with respect to the modal coefficients: (modes², modes²)."""
        f = self._clamped
        n = f[0].shape[1]
        one = np.full_like(zeta, 1 / self.reynolds)
        # (x-test, x-trial) -> terms (coefficient, y-test, y-trial)
        terms = {
            (2, 2): [(one, 0, 0)],
            (2, 0): [(one, 0, 2)],
            (0, 2): [(one, 2, 0), (-psi[1], 1, 0)],
            (0, 0): [(one, 2, 2), (-psi[1], 1, 2)],
            (1, 2): [(psi[2], 0, 0)],
            (1, 0): [(psi[2], 0, 2), (zeta, 0, 1)],
            (0, 1): [(-zeta, 1, 0)],
        }
        total = np.zeros((n * n, n * n))
        for (test, trial), parts in terms.items():
            in_y = sum(
                (self._area * c) @ (f[i][:, :, None] * f[j][:, None, :]).reshape(-1, n * n)
                for c, i, j in parts
            )
            in_x = (f[test][:, :, None] * f[trial][:, None, :]).reshape(-1, n * n)
            total += in_x.T @ np.asarray(in_y)
        return total.reshape(n, n, n, n).transpose(0, 2, 1, 3).reshape(n * n, n * n)

    def _newton(self) -> None:
        """Newton's method on the modal coefficients.

        Raises:
            RuntimeError: no convergence in ``NEWTON_STEPS`` steps.
        """
        for _ in range(NEWTON_STEPS):
            psi, zeta = self.jets(self.points, self.points)
            matrix = self._jacobian(psi, zeta[0])
            rhs = -self._residual(psi, zeta[0]).ravel()
            step = scipy.linalg.solve(matrix, rhs, overwrite_a=True, check_finite=False)
            self._modal = self._modal + step.reshape(self._modal.shape)
            if np.abs(step).max() < NEWTON_TOLERANCE * max(1.0, np.abs(self._modal).max()):
                return
        raise RuntimeError(
            f"Newton's method did not converge at Re = {self.reynolds:g}: last step "
            f"{np.abs(step).max():.1e}; start it from a flow at a closer Reynolds number"
        )

    def _total_head(self) -> Array:
        """Legendre coefficients of the polynomial part of H = p + |u|²/2.

        ∇H = (ζ_y, −ζ_x)/Re + ζ ∇ψ, solved in least squares: ∫ ∇H·∇q = ∫ (right side)·∇q.
        """
        psi, zeta = self.jets(self.points, self.points)
        along = zeta[2] / self.reynolds + zeta[0] * psi[1] - self._singular[2, 1]
        up = -zeta[1] / self.reynolds + zeta[0] * psi[2] - self._singular[2, 2]
        p0, p1 = self._tables[:2]
        rhs = p1.T @ (self._area * along) @ p0 + p0.T @ (self._area * up) @ p1
        stiffness = p1.T @ (self.weights[:, None] * p1)
        mass = p0.T @ (self.weights[:, None] * p0)
        values, vectors = scipy.linalg.eigh(stiffness, mass)
        scale = values[:, None] + values
        scale[0, 0] = np.inf  # the constant is free
        return np.asarray(vectors @ ((vectors.T @ rhs @ vectors) / scale) @ vectors.T)

    def fields(self, x: Array, y: Array) -> dict[str, Array]:
        """u, v, p, psi on the grid x ⊗ y, each (len(x), len(y)); p up to a constant.

        At the two lid corners the values are those of `at_corners`.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            psi = self.jets(x, y)[0]
            singular = self.corner_jets(x, y)[2, 0]
        u, v = psi[2], -psi[1]
        head = legendre_table(x, self.size, 0) @ self.head @ legendre_table(y, self.size, 0).T
        flow = {"u": u, "v": v, "p": head + singular - (u**2 + v**2) / 2, "psi": psi[0]}
        corners = np.ix_((x == 0) | (x == 1), y == 1)
        for name, value in self.at_corners.items():
            flow[name][corners] = value
        return flow
