"""Local series of the flow at a corner where a moving lid meets a wall at rest.

ψ = Σₘ (sRe)ᵐ⁻¹ rᵐ fₘ(θ), with r, θ about the corner and θ measured from the lid into the fluid.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray

Array = NDArray[np.float64]

QUARTER = [0.0, np.pi / 2]
DEGREE = 26  # fₘ is made of sines, cosines and θ over a quarter turn: 26 reaches rounding


def _angular_solution(order: int, forcing: Chebyshev) -> Chebyshev:
    """Solve f'''' + (m² + (m−2)²) f'' + m²(m−2)² f = forcing with clamped ends.

    f(0) = f(π/2) = f'(π/2) = 0 and f'(0) = −1 for m = 1 (lid speed 1), 0 for m > 1.

    Args:
        order: m, the power of r.
        forcing: right-hand side as a series in θ on [0, π/2].
    """
    outer, inner = order**2, (order - 2) ** 2
    theta = np.pi / 4 * (1 - np.cos(np.pi * (np.arange(DEGREE - 3) + 0.5) / (DEGREE - 3)))
    ends = np.array(QUARTER)
    matrix = np.empty((DEGREE + 1, DEGREE + 1))
    for k in range(DEGREE + 1):
        basis = Chebyshev.basis(k, domain=QUARTER)
        applied = basis.deriv(4) + (outer + inner) * basis.deriv(2) + outer * inner * basis
        matrix[:, k] = np.concatenate([applied(theta), basis(ends), basis.deriv()(ends)])
    slopes = [-1.0 if order == 1 else 0.0, 0.0]
    rhs = np.concatenate([forcing(theta), [0.0, 0.0], slopes])
    return Chebyshev(np.linalg.solve(matrix, rhs), domain=QUARTER)


class CornerFlow:
    """First terms of ψ, ζ = ∇²ψ and H = p + |u|²/2 at a lid corner.

    ψₘ = rᵐ fₘ, ζₘ = rᵐ⁻² gₘ, gₘ = fₘ'' + m² fₘ, Hₘ = rᵐ⁻² hₘ (+ c ln r for m = 2), from
    ∇²ζ = sRe (ψ_X ζ_Y − ψ_Y ζ_X) in local coordinates, X along the lid and Y into the fluid:

        gₘ'' + (m−2)² gₘ = Σ_{a+b=m} [a fₐ g_b' − (b−2) fₐ' g_b],
        (m−2) hₘ = −gₘ' + Σ_{a+b=m} a fₐ g_b   and for m = 2   h₂' = f₁' g₁.

    s = +1 where the lid moves away from the corner, −1 where it moves into it. Term m = 1 is the
    Stokes flow of Taylor's scraper. Non-dimensional by U, L. Source: the expansion of C.
    Hancock, E. Lewis, H. K. Moffatt, J. Fluid Mech. 112 (1981) 315-327, here solved numerically
    in θ. The full series converges for Re r < 9.1; cut short it is a polynomial in r, used here
    on the whole square to take the singular part out of the unknown.

    Args:
        terms: number of terms of the series.
    """

    def __init__(self, terms: int) -> None:
        self.terms = terms
        zero = Chebyshev([0.0], domain=QUARTER)
        self.stream: list[Chebyshev] = []
        self.vorticity: list[Chebyshev] = []
        self.head: list[Chebyshev] = []
        self.log_slope = 0.0
        for m in range(1, terms + 1):
            f, g = self.stream, self.vorticity
            pairs = [(a, f[a - 1], m - a, g[m - a - 1]) for a in range(1, m)]
            forcing, work = zero, zero
            for a, f_a, b, g_b in pairs:
                forcing = forcing + a * f_a * g_b.deriv() - (b - 2) * f_a.deriv() * g_b
                work = work + a * f_a * g_b
            f.append(_angular_solution(m, forcing))
            g.append(f[-1].deriv(2) + m**2 * f[-1])
            radial = work - g[-1].deriv()
            if m == 2:
                self.log_slope = float(radial(np.pi / 4))
                self.head.append((f[0].deriv() * g[0]).integ())
            else:
                self.head.append(radial / (m - 2))

    def evaluate(self, along: Array, into: Array, reynolds: float) -> Array:
        """Return [[ψ, ψ_X, ψ_Y], [ζ, ζ_X, ζ_Y], [H, H_X, H_Y]].

        Args:
            along: X, distance from the corner along the lid; any shape, not both X = Y = 0.
            into: Y, distance from the lid; same shape.
            reynolds: sRe, negative where the lid moves into the corner.

        Returns:
            Array of shape (3, 3, *along.shape).
        """
        r, theta = np.hypot(along, into), np.arctan2(into, along)
        cosine, sine = along / r, into / r
        jets = np.zeros((3, 3, *r.shape))
        for m in range(1, self.terms + 1):
            series = (
                (reynolds ** (m - 1), m, self.stream[m - 1]),
                (reynolds ** (m - 1), m - 2, self.vorticity[m - 1]),
                (reynolds ** (m - 2), m - 2, self.head[m - 1]),
            )
            for jet, (scale, power, angular) in zip(jets, series, strict=True):
                value, slope = angular(theta), angular.deriv()(theta)
                radial = power * r ** (power - 1.0) * value
                turning = r ** (power - 1.0) * slope
                if m == 2 and angular is self.head[1]:
                    value, radial = value + self.log_slope * np.log(r), self.log_slope / r
                jet[0] += scale * r ** float(power) * value
                jet[1] += scale * (radial * cosine - turning * sine)
                jet[2] += scale * (radial * sine + turning * cosine)
        return jets
