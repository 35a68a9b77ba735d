"""Kovasznay flow: an exact solution of the steady Navier–Stokes equations."""

import math
from typing import Any

from pinn.fields.field import Field
from pinn.fields.functions import cos, exp, sin, sqrt, vector
from pinn.geometry import Rectangle
from pinn.physics.problem import Fields, Gauge
from pinn.physics.residuals import on
from pinn.problems.navier_stokes import NavierStokes


class Kovasznay(NavierStokes):
    """Laminar flow behind a two-dimensional grid, on (−½, 1) × (−½, 3/2):

        u = 1 − e^{λx} cos 2πy,   v = (λ/2π) e^{λx} sin 2πy,   p = (1 − e^{2λx})/2 + const,
        λ = Re/2 − √(Re²/4 + 4π²).

    Symbols: velocity u = (u, v) → `u`, kinematic pressure p → `p`, Re = U L / ν → `reynolds`, the
    decay rate λ → `decay`. Non-dimensional by the mean velocity U and the spacing L of the grid,
    pressure by U².

    Data it may use: the velocity on the boundary. The pressure has none.

    Source: L. I. G. Kovasznay, "Laminar flow behind a two-dimensional grid", Proc. Camb. Phil. Soc.
    44 (1948) 58–62, doi:10.1017/S0305004100023999.

    Good values: Re = 40 with 500 tanh units of spread 2, 1,024 interior and 160 boundary points,
    `gauss`, weight 10 on `boundary`, 16 steps of Levenberg–Marquardt on the output layer: 1e-9.

    Args:
        reynolds: the Reynolds number Re > 0, or several in turn; 40 is the customary one. None
            beside a range.
        gauge: how the constant of the pressure is chosen: `zero_mean`, `pin` or `free`.
        ranges: `{"reynolds": (20, 80)}` for the flow at all of these numbers at once.
    """

    def __init__(
        self,
        reynolds: float | list[float] | None = 40.0,
        gauge: Gauge = "zero_mean",
        ranges: dict[str, tuple[float, float]] | None = None,
    ) -> None:
        super().__init__(Rectangle(x=(-0.5, 1.0), y=(-0.5, 1.5)), reynolds, gauge, ranges)

    @property
    def decay(self) -> Any:
        """λ = Re/2 − √(Re²/4 + 4π²), without the cancellation at large Re."""
        half: Any = self.reynolds / 2
        number = isinstance(half, float)
        root = math.hypot(half, 2 * math.pi) if number else sqrt(half * half + 4 * math.pi**2)
        return -4 * math.pi**2 / (half + root)

    @on("boundary")
    def boundary(self, u: Field, at: Field) -> Field:
        """u − u_b, the velocity given on the boundary."""
        return u - self.velocity(at)

    def velocity(self, at: Field) -> Field:
        """(1 − e^{λx} cos 2πy, (λ/2π) e^{λx} sin 2πy) as (N, 2)."""
        wake, phase = exp(self.decay * at[:, 0]), 2 * math.pi * at[:, 1]
        u = 1 - wake * cos(phase)
        v = (self.decay / (2 * math.pi)) * wake * sin(phase)
        return vector(u, v)

    def exact(self, at: Field) -> Fields:
        """Velocity (N, 2) and pressure (N,), the latter up to a constant."""
        return {"u": self.velocity(at), "p": (1 - exp(2 * self.decay * at[:, 0])) / 2}
