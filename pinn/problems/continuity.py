"""The continuity equation:  ∂ρ/∂t + ∇·(ρu) = 0."""

import math
from typing import ClassVar, Literal, get_args

from torch import Tensor

from pinn.base.messages import one_of
from pinn.fields.field import Field
from pinn.fields.functions import cos, exp, sin, vector
from pinn.fields.vector_calculus import div, dt
from pinn.geometry import Rectangle
from pinn.physics.problem import Fields, Problem
from pinn.physics.residuals import on

Flow = Literal["rotating", "compressing"]

CENTRE, RADIUS = (0.4, 0.0), 0.25  # of the cloud at t = 0
TURN = math.pi  # angular velocity Ω: half a turn
STRAIN = 0.5  # rate a: lengths shrink by e^{−a} = 0.61, the density grows by e^{2a} = 2.7


class Continuity(Problem):
    """Mass carried by a given velocity, on (−1, 1)² over 0 ≤ t ≤ 1:

        ∂ρ/∂t + ∇·(ρu) = 0,   ρ = ρ₀ at t = 0,   ρ = ρ_in where the fluid flows in (u·n < 0).

        rotating     u = Ω (−y, x),  ∇·u = 0:     ρ = ρ₀(x cos Ωt + y sin Ωt, y cos Ωt − x sin Ωt)
        compressing  u = −a (x, y),  ∇·u = −2a:   ρ = ρ₀(x e^{at}, y e^{at}) e^{2at}

    with a cloud ρ₀ = exp(−|x − c|²/2s²), c = (0.4, 0), s = 0.25; Ω = π, a = ½.

    Symbols: density ρ → `rho`, velocity u → `velocity`. Non-dimensional by half the side L of the
    square, the time T of the experiment, and the largest initial density; u by L/T.

    The equation is hyperbolic: data belong on the inflow only. The residual `inflow` is the error
    of the mass flux through the boundary, (u·n)(ρ − ρ_in) where u·n < 0 and zero elsewhere, so
    that the outflow stays free. When rotating, half of each face is inflow; when compressing, all
    of it is. ρ_in is the tail of the cloud outside the square, as the flow brings it in.

    Data it may use: the velocity everywhere, ρ₀ at t = 0, ρ_in on the inflow.

    Source: R. J. LeVeque, "High-resolution conservative algorithms for advection in incompressible
    flow", SIAM J. Numer. Anal. 33 (1996) 627–665, doi:10.1137/0733033, for solid-body rotation;
    both solutions follow from the characteristics dX/dt = u.

    Good values: `accuracy` of 1e-6. Or a 4×32 tanh network, 1,500 interior, 400 initial and 200
    boundary points, weight 10 on `initial` and `inflow`, 300 steps of Adam, then L-BFGS in float64:
    0.7 % in the density.

    Args:
        flow: `rotating` or `compressing`.

    Raises:
        ValueError: the flow is unknown.
    """

    coordinates = ("x", "y", "t")
    unknowns: ClassVar = {"rho": 1}

    def __init__(self, flow: Flow = "rotating") -> None:
        super().__init__(Rectangle(x=(-1.0, 1.0), y=(-1.0, 1.0), time=(0.0, 1.0)))
        one_of("flow", flow, get_args(Flow))
        self.flow = flow

    @on("interior")
    def continuity(self, rho: Field, at: Field) -> Field:
        """∂ρ/∂t + ∇·(ρu)."""
        return dt(rho) + div(rho * self.velocity(at))

    @on("initial")
    def initial(self, rho: Field, x: Field, y: Field) -> Field:
        """ρ − ρ₀."""
        return rho - cloud(x, y)

    @on("boundary")
    def inflow(self, rho: Field, at: Field, normal: Field) -> Tensor:
        """(u·n)(ρ − ρ_in) where u·n < 0."""
        flux = (self.velocity(at) * normal).sum(dim=-1)
        return flux.value.clamp(max=0) * (rho - self.carried(at)).value

    def velocity(self, at: Field) -> Field:
        """The given velocity (N, 2)."""
        x, y = at[:, 0], at[:, 1]
        if self.flow == "rotating":
            return vector(-TURN * y, TURN * x)
        return vector(-STRAIN * x, -STRAIN * y)

    def carried(self, at: Field) -> Field:
        """ρ (N,) of the fluid that has come along a characteristic from t = 0."""
        x, y, t = at[:, 0], at[:, 1], at[:, 2]
        if self.flow == "rotating":
            c, s = cos(TURN * t), sin(TURN * t)
            return cloud(x * c + y * s, y * c - x * s)
        stretch = exp(STRAIN * t)
        return cloud(x * stretch, y * stretch) * stretch**2

    def exact(self, at: Field) -> Fields:
        """ρ as (N,)."""
        return {"rho": self.carried(at)}


def cloud(x: Field, y: Field) -> Field:
    """ρ₀ = exp(−|x − c|²/2s²)."""
    squares = (x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2
    return exp(squares / (-2 * RADIUS**2))
