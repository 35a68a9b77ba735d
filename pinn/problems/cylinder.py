"""Flow past a cylinder in a channel: the benchmark of drag and lift."""

from collections.abc import Callable
from typing import Any, ClassVar

from pinn.fields.field import Field, partial
from pinn.fields.functions import dot, vector
from pinn.fields.integrals import integral, value
from pinn.fields.normals import outflow, traction
from pinn.geometry import Disc, Rectangle
from pinn.physics.problem import Fields
from pinn.physics.quantities import quantity
from pinn.physics.residuals import on
from pinn.problems.navier_stokes import NavierStokes

LENGTH, HEIGHT = 22.0, 4.1  # of the channel, in diameters of the cylinder
SOURCE = "G. Nabh 1998, as the FeatFlow pages give it"


def at_20(value: float) -> Callable[[NavierStokes], float | None]:
    """A reference that is known at Re = 20 alone."""
    return lambda problem: value if problem.reynolds == 20 else None


class CylinderFlow(NavierStokes):
    """Steady flow past a cylinder in a channel, the benchmark DFG 2D-1 at Re = 20:

        (u·∇)u + ∇p − (1/Re) ∇²u = 0,   u = (∂ψ/∂y, −∂ψ/∂x),

    on (0, 22) × (0, 4.1) without the disc of radius ½ about (2, 2). The inflow x = 0 is a parabola,
    u = (6 y (4.1 − y)/4.1², 0); u = 0 at the walls and at the cylinder; the outflow x = 22 is left
    alone, −p n + (1/Re) ∂u/∂n = 0, which fixes the pressure. The cylinder is a little below the
    middle, so that there is a small lift.

    Symbols: velocity u = (u, v) → `u`, kinematic pressure p → `p`, Re = U D / ν → `reynolds`;
    non-dimensional by the mean velocity U and the diameter D, pressure by U². The networks give the
    stream function ψ → `psi` and p, so that ∇·u = 0 holds everywhere.

    Data it may use: the velocity at the inflow, the walls and the cylinder.

    The force F on the cylinder is taken twice. `drag` and `lift` are 2 F by the traction at its
    surface, `drag_by_momentum` is 2 F_x by the momentum that the rest of the boundary lets through.
    Both are equal for an exact solution, so their difference is an estimate of the error.

    Reference:
        M. Schäfer, S. Turek, "Benchmark computations of laminar flow around a cylinder", Notes
        Numer. Fluid Mech. 52 (1996) 547–566, doi:10.1007/978-3-322-89849-4_39: 2 F_x from 5.57 to
        5.59, 2 F_y from 0.0104 to 0.0110, the difference of p, in units of ρ U², from 2.930 to
        2.940. The digits: G. Nabh, "On high order methods for the stationary incompressible
        Navier–Stokes equations", thesis, Heidelberg 1998.

    Good values: `accuracy` of 2e-5. Or 1,000 tanh units of spread 1, `Polar`, 4,000 interior points
    refined to the cylinder within 1, weight 100 on `inflow` and `no_slip`, 12 steps of
    Levenberg–Marquardt on the output layer: a drag within 1e-4, a lift within 4 %.

    Args:
        reynolds: the Reynolds number Re > 0, or several in turn.
    """

    outputs: ClassVar = {"psi": 1, "p": 1}
    continuity = None  # type: ignore[assignment]  # built in

    def __init__(self, reynolds: float | list[float] = 20.0) -> None:
        geometry = Rectangle((0.0, LENGTH), (0.0, HEIGHT)) - Disc((2.0, 2.0), 0.5, name="cylinder")
        names = {"inlet": "left", "outlet": "right", "walls": ("bottom", "top")}
        geometry = geometry.named(**names, channel=("left", "right", "bottom", "top"))
        super().__init__(geometry, reynolds, gauge="free")

    def ansatz(self, raw: Fields, at: Field) -> Fields:
        """The velocity of the stream function, and the pressure."""
        psi = raw["psi"]
        return {"u": vector(partial(psi, "y"), -partial(psi, "x")), "p": raw["p"]}

    @on("inlet")
    def inflow(self, u: Field, at: Field) -> Field:
        """u − (6 y (H − y)/H², 0)."""
        y = at[:, 1]
        return u - vector(6 * y * (HEIGHT - y) / HEIGHT**2, 0 * y)

    @on("walls", "cylinder")
    def no_slip(self, u: Field) -> Field:
        """u."""
        return u

    @on("outlet")
    def outflow(self, u: Field, p: Field) -> Field:
        """−p n + (1/Re) ∂u/∂n."""
        return outflow(u, p, 1 / self.reynolds)

    @quantity(reference=at_20(5.57953523384), source=SOURCE)
    def drag(self, u: Field, p: Field) -> Any:
        """2 F_x:  F = −∮ σ n ds over the cylinder."""
        return -2 * integral(traction(u, p, 1 / self.reynolds)[:, 0], on="cylinder")

    @quantity(reference=at_20(0.010618948146), source=SOURCE)
    def lift(self, u: Field, p: Field) -> Any:
        """2 F_y."""
        return -2 * integral(traction(u, p, 1 / self.reynolds)[:, 1], on="cylinder")

    @quantity(reference=at_20(5.57953523384), source=SOURCE)
    def drag_by_momentum(self, u: Field, p: Field, normal: Field) -> Any:
        """2 F_x:  F = ∮ (σ n − (u·n) u) ds over all else of the boundary."""
        balance = traction(u, p, 1 / self.reynolds)[:, 0] - dot(u, normal) * u[:, 0]
        return 2 * integral(balance, on="channel")

    @quantity(reference=at_20(0.11752016697 / 0.2**2), source=SOURCE)
    def pressure_difference(self, p: Field) -> Any:
        """p in front of the cylinder less p behind it."""
        return value(p, at=(1.5, 2.0)) - value(p, at=(2.5, 2.0))
