"""Beltrami flow: an exact solution of the unsteady Navier–Stokes equations in space."""

from typing import ClassVar

from pinn.fields.field import Field
from pinn.fields.functions import cos, exp, sin, vector
from pinn.geometry import Box
from pinn.physics.problem import Fields, positive
from pinn.physics.residuals import on
from pinn.problems.navier_stokes import UnsteadyNavierStokes


class Beltrami3D(UnsteadyNavierStokes):
    """Flow along its own vorticity, decaying in the cube (−1, 1)³ over 0 ≤ t ≤ 1:

        ∂u/∂t + (u·∇)u + ∇p − (1/Re) ∇²u = 0,   ∇·u = 0;     F = e^{−d²t/Re},
        u = −a (e^{ax} sin(ay + dz) + e^{az} cos(ax + dy)) F,
        v = −a (e^{ay} sin(az + dx) + e^{ax} cos(ay + dz)) F,
        w = −a (e^{az} sin(ax + dy) + e^{ay} cos(az + dx)) F,
        p = −|u|²/2 + c(t).

    All terms of the equations take part, and no symmetry reduces them to two dimensions. The
    source writes the pressure out; it is Bernoulli's, since ω = ∇×u is parallel to u.

    Symbols: velocity u = (u, v, w) → `u`, kinematic pressure p → `p`, Re = U L / ν → `reynolds`,
    wavenumbers a → `a`, d → `d`. Non-dimensional by half the side L of the cube and a speed U;
    time by L/U, pressure by U².

    Data it may use: the velocity on the boundary, and at t = 0. The pressure has none: it is fixed
    up to a function of time, and judged up to that.

    Source: C. R. Ethier, D. A. Steinman, "Exact fully 3D Navier–Stokes solutions for benchmarking",
    Int. J. Numer. Methods Fluids 19 (1994) 369–375, doi:10.1002/fld.1650190502.

    Args:
        reynolds: the Reynolds number Re > 0, or several in turn.
        a: growth rate and wavenumber a > 0; 1 in the literature on networks, π/4 in the source.
        d: wavenumber d > 0; 1 in the literature on networks, π/2 in the source.

    Raises:
        ValueError: Re, a or d is not positive.
    """

    coordinates = ("x", "y", "z", "t")
    unknowns: ClassVar = {"u": ("u", "v", "w"), "p": 1}

    def __init__(self, reynolds: float | list[float] = 1.0, a: float = 1.0, d: float = 1.0) -> None:
        side = (-1.0, 1.0)
        super().__init__(Box(x=side, y=side, z=side, time=(0.0, 1.0)), reynolds)
        self.a, self.d = positive("a", a), positive("d", d)

    @on("boundary")
    def boundary(self, u: Field, at: Field) -> Field:
        """u − u_b, the velocity given on the boundary."""
        return u - self.velocity(at)

    @on("initial")
    def initial(self, u: Field, at: Field) -> Field:
        """u − u₀, the velocity given at t = 0."""
        return u - self.velocity(at)

    def velocity(self, at: Field) -> Field:
        """(u, v, w) as (N, 3); each component is the one before with x → y → z → x."""
        decay = -self.a * exp((-(self.d**2) / self.reynolds) * at[:, 3])
        x, y, z = at[:, 0], at[:, 1], at[:, 2]
        turns = [self.a * p + self.d * q for p, q in ((x, y), (y, z), (z, x))]
        grown = [exp(self.a * p) for p in (x, y, z)]
        # Each phase and its neighbour share two exponentials: sin and cos are taken once.
        sines, cosines = [sin(turn) for turn in turns], [cos(turn) for turn in turns]
        parts = (grown[i] * sines[i - 2] + grown[i - 1] * cosines[i] for i in range(3))
        return decay * vector(*parts)

    def exact(self, at: Field) -> Fields:
        """Velocity (N, 3) and pressure (N,), the latter up to a function of time."""
        u = self.velocity(at)
        return {"u": u, "p": (u * u).sum(dim=-1) / -2}
