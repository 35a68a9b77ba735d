"""Taylor–Green vortices: an exact solution of the unsteady Navier–Stokes equations in the plane."""

import math

from pinn.fields.field import Field
from pinn.fields.functions import cos, exp, sin, vector
from pinn.geometry import Rectangle
from pinn.physics.problem import Fields
from pinn.problems.navier_stokes import UnsteadyNavierStokes

PERIOD = 2 * math.pi


class TaylorGreen2D(UnsteadyNavierStokes):
    """Vortices that decay on the periodic square (0, 2π)², over 0 ≤ t ≤ 2:

        ∂u/∂t + (u·∇)u + ∇p − (1/Re) ∇²u = 0,   ∇·u = 0,   u = u₀ at t = 0,
        u₀ = (−cos x sin y, sin x cos y);
        u = u₀ F,   p = −(cos 2x + cos 2y) F²/4 + c(t),   F = e^{−2t/Re}.

    Symbols: velocity u = (u, v) → `u`, kinematic pressure p → `p`, Re = U L / ν → `reynolds`.
    Non-dimensional by the largest initial velocity U and L, the wavelength over 2π; time by L/U,
    pressure by U².

    The initial velocity is built in, so that it needs no residual and no weight:

        u = u₀ + t û.

    Data it may use: the initial velocity. The pressure has none: it is fixed up to a function of
    time, and judged up to that.

    Periodicity belongs to the network: `Periodic` features of x and y with the period 2π hold it
    exactly, in all derivatives. No residual asks for it: without them the solution is not unique.

    Source: G. I. Taylor, A. E. Green, "Mechanism of the production of small eddies from large
    ones", Proc. R. Soc. Lond. A 158 (1937) 499–521, doi:10.1098/rspa.1937.0036.

    Args:
        reynolds: the Reynolds number Re > 0, or several in turn.
    """

    def __init__(self, reynolds: float | list[float] = 100.0) -> None:
        super().__init__(Rectangle(x=(0.0, PERIOD), y=(0.0, PERIOD), time=(0.0, 2.0)), reynolds)

    def ansatz(self, raw: Fields, at: Field) -> Fields:
        """u = u₀ + t û."""
        return {"u": self.vortices(at) + at[:, 2] * raw["u"], "p": raw["p"]}

    def vortices(self, at: Field) -> Field:
        """The initial velocity u₀ = (−cos x sin y, sin x cos y) as (N, 2)."""
        x, y = at[:, 0], at[:, 1]
        return vector(-cos(x) * sin(y), sin(x) * cos(y))

    def exact(self, at: Field) -> Fields:
        """Velocity (N, 2) and pressure (N,), the latter up to a function of time."""
        decay = exp((-2 / self.reynolds) * at[:, 2])
        p = (cos(2 * at[:, 0]) + cos(2 * at[:, 1])) * decay**2 / -4
        return {"u": decay * self.vortices(at), "p": p}
