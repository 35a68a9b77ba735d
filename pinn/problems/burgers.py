"""The viscous Burgers equation:  ∂u/∂t + u ∂u/∂x = ν ∂²u/∂x²."""

import math
from typing import ClassVar

from numpy.polynomial.hermite import hermgauss

from pinn.fields.field import Field, partial
from pinn.fields.functions import cos, dot, exp, sin, sqrt
from pinn.fields.vector_calculus import dt, laplacian
from pinn.geometry import Interval
from pinn.physics.problem import Fields, Problem, positive
from pinn.physics.residuals import on

LEAST = 1e-3  # viscosity down to which the quadrature below has 14 digits
NODES, SHARES = (tuple(each.tolist()) for each in hermgauss(160))


class Burgers(Problem):
    """A sine wave that steepens into a shock in the middle of (−1, 1), over 0 ≤ t ≤ 1:

        ∂u/∂t + u ∂u/∂x − ν ∂²u/∂x² = 0,   u = −sin πx at t = 0,   u(±1, t) = 0.

    By the transform of Cole and Hopf the solution is a quotient of two integrals,

        u = −∫ sin πy e^{Φ} dz / ∫ e^{Φ} dz,   y = x − 2√(νt) z,   Φ = −cos πy / 2πν − z²,

    taken by Gauss–Hermite quadrature with 160 points: to 14 digits for ν ≥ 0.001. At t = 0 its
    derivatives are not known.

    Symbols: velocity u → `u`, viscosity ν → `viscosity`. Non-dimensional by half the length of the
    interval and the amplitude of the wave.

    The wave breaks near t = 1/π. With the customary ν = 0.01/π the shock is 0.01 wide.

    Data it may use: u at t = 0, and u = 0 at both ends.

    Source: C. Basdevant, M. Deville, P. Haldenwang, J. M. Lacroix, J. Ouazzani, R. Peyret, P.
    Orlandi, A. T. Patera, "Spectral and finite difference solutions of the Burgers equation",
    Computers & Fluids 14 (1986) 23–41, doi:10.1016/0045-7930(86)90036-8.

    Args:
        viscosity: ν ≥ 0.001.

    Raises:
        ValueError: ν is less, or no finite number.
    """

    coordinates = ("x", "t")
    unknowns: ClassVar = {"u": 1}

    def __init__(self, viscosity: float = 0.01 / math.pi) -> None:
        super().__init__(Interval(x=(-1.0, 1.0), time=(0.0, 1.0)))
        self.viscosity = positive("viscosity", viscosity)
        if self.viscosity < LEAST:
            raise ValueError(
                f"viscosity is {viscosity}: it must be at least {LEAST}, because the exact "
                "solution is not computed below"
            )

    @on("interior")
    def balance(self, u: Field) -> Field:
        """∂u/∂t + u ∂u/∂x − ν ∂²u/∂x²."""
        return dt(u) + u * partial(u, "x") - self.viscosity * laplacian(u)

    @on("initial")
    def initial(self, u: Field, x: Field) -> Field:
        """u + sin πx."""
        return u + sin(math.pi * x)

    @on("boundary")
    def boundary(self, u: Field) -> Field:
        """u − 0."""
        return u

    def exact(self, at: Field) -> Fields:
        """u as (N,), by Cole and Hopf."""
        spread = 2 * math.sqrt(self.viscosity) * sqrt(at[:, 1])
        angle = math.pi * (at[:, 0] * ((1.0,) * len(NODES)) - spread * NODES)
        share = exp(cos(angle) / (-2 * math.pi * self.viscosity))
        return {"u": -dot(share * sin(angle), SHARES) / dot(share, SHARES)}
