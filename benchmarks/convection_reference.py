"""Reference fields of natural convection in a square, for ``pinn/problems/convection_data``.

Usage: ``python benchmarks/convection_reference.py`` solves Ra = 10³, 10⁴, 10⁵ and 10⁶ at two
resolutions, prints the Nusselt numbers and the differences, and writes the files (minutes);
``--check`` solves Ra = 10³ and 10⁴ at a lower resolution and compares with the stored files
(seconds), exit status 1 where they differ.

Chebyshev collocation of the stream function ψ and the temperature T, with Newton's method:

    u·∇ω = √(Pr/Ra) ∇²ω + ∂T/∂x,   ω = −∇²ψ,   u·∇T = (Ra Pr)^(−1/2) ∇²T,

with ψ = ∂ψ/∂n = 0 on all walls, T = 1 and 0 at x = 0 and 1, ∂T/∂y = 0 at y = 0 and 1.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.polynomial import chebyshev

Array = np.ndarray
REFERENCE = Path(__file__).resolve().parents[1] / "pinn" / "problems" / "convection_data"
PRANDTL = 0.71
RESOLUTIONS = {1e3: (20, 28), 1e4: (24, 32), 1e5: (32, 40), 1e6: (44, 54)}
GRID = np.linspace(-1.0, 1.0, 101)


def differentiation(n: int) -> tuple[Array, Array]:
    """The Chebyshev points cos(πi/n), and d/dx of the polynomial through values there."""
    x = np.cos(np.pi * np.arange(n + 1) / n)
    c = np.where(np.arange(n + 1) % n == 0, 2.0, 1.0) * (-1.0) ** np.arange(n + 1)
    gap = x[:, None] - x[None, :] + np.eye(n + 1)
    D = c[:, None] / c[None, :] / gap
    np.fill_diagonal(D, 0.0)
    return x, D - np.diag(D.sum(1))


class Convection:
    """The steady flow at one Rayleigh number, on interior Chebyshev points of (−1, 1)².

    Args:
        rayleigh: Ra.
        n: degree of T in each direction; that of ψ is two more.
        start: a flow to begin Newton's method with.
    """

    def __init__(self, rayleigh: float, n: int, start: Convection | None = None) -> None:
        self.rayleigh, self.n = rayleigh, n
        x, D = differentiation(n)
        powers = [np.linalg.matrix_power(D, k) for k in range(5)]
        self.x, inner = x, slice(1, -1)
        # ψ = (1 − x²) q with q = 0 at the ends has ψ = ψ′ = 0 there; the side is 2: d/dx doubles.
        e, s = x[:, None], np.diag(1 / (1 - x[inner] ** 2))
        clamped = [
            (1 - e**2) * powers[k]
            - (2 * k * e * powers[k - 1] if k > 0 else 0)
            - (k * (k - 1) * powers[k - 2] if k > 1 else 0)
            for k in range(5)
        ]
        self.clamped = [2**k * (d[:, inner] @ s) for k, d in enumerate(clamped)]
        # T: the values at y = ±1 follow from ∂T/∂y = 0.
        ends = [0, -1]
        closing = -np.linalg.solve(D[np.ix_(ends, ends)], D[ends][:, inner])
        self.closed = np.vstack([closing[:1], np.eye(n - 1), closing[1:]])
        self.along = [2**k * powers[k] for k in range(3)]
        self.psi, self.T = np.zeros((n - 1, n - 1)), np.tile(-x[inner, None] / 2 + 0.5, (1, n - 1))
        if start is not None:
            fields = start.fields(x, x)
            self.psi, self.T = fields["psi"][inner, inner], fields["T"][inner, inner]
        self.solve()

    def operators(self) -> dict[str, Array]:
        """Derivatives of ψ and T at the interior points, each a matrix on flattened values."""
        c = [d[1:-1] for d in self.clamped]
        a = [d[1:-1, 1:-1] for d in self.along]
        b = [d[1:-1] @ self.closed for d in self.along]
        kron, one = np.kron, np.eye(self.n - 1)
        return {
            "px": kron(c[1], one),
            "py": kron(one, c[1]),
            "wx": kron(c[3], one) + kron(c[1], c[2]),
            "wy": kron(c[2], c[1]) + kron(one, c[3]),
            "ww": kron(c[4], one) + 2 * kron(c[2], c[2]) + kron(one, c[4]),
            "tx": kron(a[1], one),
            "ty": kron(one, b[1]),
            "tt": kron(a[2], one) + kron(one, b[2]),
        }

    def solve(self) -> None:
        """Newton's method, until the step is as large as its rounding."""
        m = (self.n - 1) ** 2
        o = self.operators()
        nu, kappa = (PRANDTL / self.rayleigh) ** 0.5, (self.rayleigh * PRANDTL) ** -0.5
        # T = 1 at x = 0 lies outside the matrices: its part of ∂T/∂x and ∂²T/∂x².
        hot = [np.repeat(d[1:-1, -1], self.n - 1) for d in self.along]
        psi, T = self.psi.ravel(), self.T.ravel()
        size = np.inf
        for _ in range(40):
            px, py, wx, wy = (o[k] @ psi for k in ("px", "py", "wx", "wy"))
            tx, ty = o["tx"] @ T + hot[1], o["ty"] @ T
            r = np.concatenate(
                [
                    nu * (o["ww"] @ psi) - py * wx + px * wy - tx,
                    py * tx - px * ty - kappa * (o["tt"] @ T + hot[2]),
                ]
            )
            J = np.empty((2 * m, 2 * m))
            J[:m, :m] = nu * o["ww"] - py[:, None] * o["wx"] + px[:, None] * o["wy"]
            J[:m, :m] += wy[:, None] * o["px"] - wx[:, None] * o["py"]
            J[:m, m:] = -o["tx"]
            J[m:, :m] = tx[:, None] * o["py"] - ty[:, None] * o["px"]
            J[m:, m:] = py[:, None] * o["tx"] - px[:, None] * o["ty"] - kappa * o["tt"]
            step = np.linalg.solve(J, -r)
            psi, T = psi + step[:m], T + step[m:]
            before, size = size, float(np.abs(step).max())
            if size < 1e-13 or (size < 1e-9 and size > before / 2):
                break
        else:
            raise RuntimeError(f"Newton's method does not converge at Ra = {self.rayleigh:g}")
        self.psi, self.T = psi.reshape(self.n - 1, -1), T.reshape(self.n - 1, -1)

    def coefficients(self) -> dict[str, Array]:
        """Chebyshev coefficients [i, j] of ψ and T in T_i(2x − 1) T_j(2y − 1)."""
        n, x = self.n, self.x
        bubble = 1 / (1 - x[1:-1] ** 2)
        q = np.zeros((n + 1, n + 1))
        q[1:-1, 1:-1] = self.psi * bubble[:, None] * bubble
        T = np.zeros((n + 1, n + 1))
        T[-1] = 1.0
        T[1:-1] = self.T @ self.closed.T
        inverse = np.linalg.inv(chebyshev.chebvander(x, n))
        q, T = (inverse @ f @ inverse.T for f in (q, T))
        factor = [0.5, 0.0, -0.5]  # 1 − x²
        q = np.stack([chebyshev.chebmul(factor, np.append(c, [0.0])[: n + 1]) for c in q.T], 1)
        q = np.stack([chebyshev.chebmul(factor, c) for c in q], 0)
        return {"psi": q, "T": T}

    def fields(self, x: Array, y: Array) -> dict[str, Array]:
        """ψ and T on a grid of points in (−1, 1), and Nu = −∂T/∂x at x = 0."""
        found = self.coefficients()
        hot = -2 * chebyshev.chebval(-1.0, chebyshev.chebder(found["T"]))
        values = {k: chebyshev.chebgrid2d(x, y, c) for k, c in found.items()}
        return values | {"local": chebyshev.chebval(y, hot)}

    def nusselt(self) -> float:
        """∫ Nu dy over the hot wall."""
        y, w = np.polynomial.legendre.leggauss(100)
        return float(w @ self.fields(np.zeros(1), y)["local"] / 2)


def difference(a: Convection, b: Convection) -> dict[str, float]:
    """‖a − b‖₂ / ‖b‖₂ of ψ and T on the grid."""
    one, two = a.fields(GRID, GRID), b.fields(GRID, GRID)
    return {
        k: float(np.linalg.norm(one[k] - two[k]) / np.linalg.norm(two[k])) for k in ("psi", "T")
    }


def name_of(rayleigh: float) -> Path:
    return REFERENCE / f"square_ra1e{round(np.log10(rayleigh))}.npz"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    flow, begun = None, time.perf_counter()
    for rayleigh, (coarse, fine) in RESOLUTIONS.items():
        flow = Convection(rayleigh, coarse, flow)
        if check and rayleigh < 1e5:
            with np.load(name_of(rayleigh)) as stored:
                there = chebyshev.chebgrid2d(GRID, GRID, stored["T"])
            gap = float(np.abs(flow.fields(GRID, GRID)["T"] - there).max())
            print(f"Ra = {rayleigh:g}: T differs from the stored one by {gap:.1e}")
            if gap > 1e-4:
                return 1
        if not check:
            finer = Convection(rayleigh, fine, flow)
            gaps = ", ".join(f"{k} {v:.1e}" for k, v in difference(flow, finer).items())
            print(
                f"Ra = {rayleigh:g}: Nu {flow.nusselt():.7f} at {coarse}, {finer.nusselt():.7f} at "
                f"{fine}; relative difference of {gaps}; {time.perf_counter() - begun:.0f} s",
                flush=True,
            )
            np.savez(name_of(rayleigh), rayleigh=rayleigh, prandtl=PRANDTL, **finer.coefficients())
            flow = finer
        elif rayleigh > 1e3:
            break
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
