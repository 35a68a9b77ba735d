"""Taylor–Green vortices: an exact solution of the unsteady Navier–Stokes equations in the plane."""

import math
from typing import Literal, get_args

from pinn.base.messages import one_of
from pinn.fields.field import Field
from pinn.fields.functions import cos, exp, sin, vector
from pinn.geometry import Rectangle
from pinn.physics.problem import Fields
from pinn.physics.residuals import periodic
from pinn.problems.navier_stokes import UnsteadyNavierStokes

PERIOD = 2 * math.pi
Sides = Literal["network", "residual"]


class TaylorGreen2D(UnsteadyNavierStokes):
    """Vortices that decay on the periodic square (0, 2π)², over 0 ≤ t ≤ 2:

        ∂u/∂t + (u·∇)u + ∇p − (1/Re) ∇²u = 0,   ∇·u = 0,   u = u₀ at t = 0,
        u₀ = U + w(x),   w(x) = (−cos x sin y, sin x cos y);
        u = U + w(ξ) F,   p = −(cos 2ξ + cos 2η) F²/4 + c(t),   F = e^{−2t/Re},
        ξ = (ξ, η) = x − U t.

    Symbols: velocity u = (u, v) → `u`, kinematic pressure p → `p`, mean velocity U →
    `mean_velocity`, which carries the vortices along, Re = V L / ν → `reynolds`.
    Non-dimensional by the largest initial velocity V of the vortices and L, the wavelength over 2π;
    time by L/V, pressure by V².

    The initial velocity is built in, so that it needs no residual and no weight:

        u = u₀ + t û.

    Data it may use: the initial velocity. The pressure has none: it is fixed up to a function of
    time, and judged up to that.

    Periodicity belongs to the network: `Periodic` features of x and y with the period 2π hold it
    exactly, in all derivatives. Without them the solution is not unique, unless `sides="residual"`
    asks for it by the residuals `left_right` and `bottom_top`.

    Source: G. I. Taylor, A. E. Green, "Mechanism of the production of small eddies from large
    ones", Proc. R. Soc. Lond. A 158 (1937) 499–521, doi:10.1098/rspa.1937.0036.

    Args:
        reynolds: the Reynolds number Re > 0, or several in turn.
        mean_velocity: U.
        sides: who makes opposite sides alike: the `network`, or a `residual` for each pair.

    Raises:
        ValueError: Re is not positive, or U is no vector of two finite numbers.
    """

    left_right = periodic("left", "right")
    bottom_top = periodic("bottom", "top")

    def __init__(
        self,
        reynolds: float | list[float] = 100.0,
        mean_velocity: tuple[float, float] = (0.0, 0.0),
        sides: Sides = "network",
    ) -> None:
        super().__init__(Rectangle(x=(0.0, PERIOD), y=(0.0, PERIOD), time=(0.0, 2.0)), reynolds)
        if len(mean_velocity) != 2 or not all(map(math.isfinite, mean_velocity)):
            raise ValueError(f"mean_velocity is {mean_velocity}: give two numbers, (1.0, 0.5)")
        self.mean_velocity = (float(mean_velocity[0]), float(mean_velocity[1]))
        one_of("sides", sides, get_args(Sides))
        if sides == "network":
            self.residuals = tuple(r for r in self.residuals if not r.partner)

    def ansatz(self, raw: Fields, at: Field) -> Fields:
        """u = u₀ + t û."""
        u, v = self.mean_velocity
        x, y, t = at[:, 0], at[:, 1], at[:, 2]
        return {"u": vector(u - cos(x) * sin(y), v + sin(x) * cos(y)) + t * raw["u"], "p": raw["p"]}

    def exact(self, at: Field) -> Fields:
        """Velocity (N, 2) and pressure (N,), the latter up to a function of time."""
        u, v = self.mean_velocity
        x, y = at[:, 0] - u * at[:, 2], at[:, 1] - v * at[:, 2]
        decay = exp((-2 / self.reynolds) * at[:, 2])
        p = (cos(2 * x) + cos(2 * y)) * decay**2 / -4
        return {"u": vector(u - decay * cos(x) * sin(y), v + decay * sin(x) * cos(y)), "p": p}
