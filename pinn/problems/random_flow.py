"""A forced flow with a smooth random solution that has no symmetry."""

import math

import torch

from pinn.base.messages import whole
from pinn.fields.field import Field, coordinate_field
from pinn.fields.functions import cos, dot, sin, vector
from pinn.geometry import Rectangle
from pinn.physics.problem import Fields
from pinn.physics.residuals import on
from pinn.problems.navier_stokes import NavierStokes

MODES = 24
STEEPEST = 6.0  # the largest component of a wave vector: about one wave along a side


class RandomFlow(NavierStokes):
    """Steady forced flow in the unit square, whose solution is a sum of 24 random waves:

        (u·∇)u + ∇p − (1/Re) ∇²u = f,   ∇·u = 0,   u given on the boundary;
        ψ = Σ aⱼ sin(kⱼ·x + φⱼ),   u = (∂ψ/∂y, −∂ψ/∂x),   p = Σ bⱼ sin(lⱼ·x + χⱼ).

    The components of kⱼ and lⱼ are uniform in (−6, 6), the phases in (0, 2π). The amplitudes are
    normal, with the deviations 1/(6√24) of aⱼ and 1/√24 of bⱼ, so that u and p are of order one.
    The force f is the residual of this solution.

    Symbols: velocity u = (u, v) → `u`, kinematic pressure p → `p`, Re = U L / ν → `reynolds`.
    Non-dimensional by the side L of the square and a speed U, pressure by U².

    Data it may use: the force everywhere, and the velocity on the boundary. The pressure has none.

    Source: manufactured; see P. J. Roache, "Code verification by the method of manufactured
    solutions", J. Fluids Eng. 124 (2002) 4–10, doi:10.1115/1.1436090.

    Args:
        reynolds: the Reynolds number Re > 0, or several in turn; 50 is a viscosity of 0.02.
        draw: which of the random solutions, 0, 1, 2, …

    Raises:
        ValueError: Re is not positive, or the draw is no such number.
    """

    def __init__(self, reynolds: float | list[float] = 50.0, draw: int = 0) -> None:
        super().__init__(Rectangle(), reynolds)
        dice = torch.Generator().manual_seed(whole("draw", draw, least=0))
        sizes = torch.randn((2, MODES), generator=dice, dtype=torch.float64) / MODES**0.5
        waves = torch.rand((2, 3, MODES), generator=dice, dtype=torch.float64)
        waves[:, :2] = STEEPEST * (2 * waves[:, :2] - 1)
        waves[:, 2] *= 2 * math.pi
        sizes[0] /= STEEPEST
        self.sizes = [tuple(each) for each in sizes.tolist()]
        self.waves = [[tuple(each) for each in wave] for wave in waves.tolist()]

    @on("interior")
    def momentum(  # type: ignore[override]  # it reads the position, too
        self, u: Field, p: Field, at: Field
    ) -> Field:
        """(u·∇)u + ∇p − (1/Re) ∇²u − f."""
        return super().momentum(u, p) - self.force(at)

    @on("boundary")
    def boundary(self, u: Field, at: Field) -> Field:
        """u − u_b, the velocity given on the boundary."""
        return u - self.flow(at)["u"]

    def force(self, at: Field) -> Field:
        """f = (u·∇)u + ∇p − (1/Re) ∇²u of the exact solution as (N, 2)."""
        flow = self.flow(coordinate_field(at.value, at.coordinates, 2))
        return super().momentum(flow["u"], flow["p"])

    def flow(self, at: Field) -> Fields:
        """The sums over the waves: velocity (N, 2) and pressure (N,)."""
        (a, b), ((kx, ky, _), _) = self.sizes, self.waves
        along, across = (at[:, 0] * x + at[:, 1] * y + phase for x, y, phase in self.waves)
        stream = cos(along) * a
        return {"u": vector(dot(stream, ky), -dot(stream, kx)), "p": dot(sin(across), b)}

    def exact(self, at: Field) -> Fields:
        """Velocity (N, 2) and pressure (N,), the latter up to a constant."""
        return self.flow(at)
