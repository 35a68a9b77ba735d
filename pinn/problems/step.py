"""Flow over a backward-facing step, and where it meets the floor again."""

from importlib.resources import files
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from pinn.fields.field import Field, partial
from pinn.fields.functions import vector
from pinn.fields.integrals import value
from pinn.fields.normals import outflow
from pinn.fields.vector_calculus import advect, grad, laplacian
from pinn.geometry import Geometry, Rectangle
from pinn.physics.problem import Fields, positive
from pinn.physics.quantities import quantity
from pinn.physics.references import Reference
from pinn.physics.residuals import on
from pinn.problems.navier_stokes import NavierStokes

NEAR = 0.1  # radius about the edge within which the residual counts less
EDGE = 0.2  # how far the walls are counted to the edge
KNOWN = {100.0: 2.922, 800.0: 11.834}  # those that two copies of the paper's table agree on
WITHOUT_INLET = {800.0: 12.20}
STORED = (800.0, 0.0, 60.0)  # Re, L_i and L of the solution in `step_data`


def known_reattachment(problem: "BackwardStep") -> float | None:
    """The reattachment in the literature, which depends on the inlet channel."""
    return (KNOWN if problem.inlet else WITHOUT_INLET).get(problem.reynolds)


class BackwardStep(NavierStokes):
    """Steady flow over a backward-facing step, in a channel that becomes twice as high:

        (u·∇)u + ∇p − (2/Re) ∇²u = 0,   u = (∂ψ/∂y, −∂ψ/∂x).

    The inlet channel is (−L_i, 0) × (1, 2), the channel behind the step (0, L) × (0, 2). At the
    inlet x = −L_i the flow is developed, u = (6 (y − 1)(2 − y), 0); u = 0 at the walls; the outlet
    x = L is left alone, −p n + (2/Re) ∂u/∂n = 0, which fixes the pressure.

    Symbols: velocity u = (u, v) → `u`, kinematic pressure p → `p`, Re = U 2h / ν → `reynolds`,
    L_i → `inlet`, L → `length`. Non-dimensional by the mean velocity U at the inlet and the height
    h of the step, pressure by U². The networks give the stream function ψ → `psi` and p, so that
    ∇·u = 0 holds everywhere.

    With L_i = 0 the developed flow enters at the step itself, and x = 0 is a wall below it: the
    set-up of Gartling, who takes L = 60.

    At the edge (0, 1) of the step the vorticity is infinite: residuals count less within 0.1 of it
    (`importance`), and the walls within 0.2 of it are a region of their own, `edge`, with points of
    their own.

    Data it may use: the velocity at the inlet and at the walls.

    Reference:
        E. Erturk, "Numerical solutions of 2-D steady incompressible flow over a backward-facing
        step, Part I: High Reynolds number solutions", Computers & Fluids 37 (2008) 633–655,
        doi:10.1016/j.compfluid.2007.09.003, with an inlet channel of 20 h. The inflow is developed,
        so that a shorter one gives the same flow. Without an inlet channel: D. K. Gartling, "A test
        problem for outflow boundary conditions: flow over a backward-facing step", Int. J. Numer.
        Methods Fluids 11 (1990) 953–967, doi:10.1002/fld.1650110704. Its velocity at Re = 800 is
        stored, computed by `benchmarks/step_reference.py`.

    Good values: Re = 100 with 1,000 tanh units of spread 1, `Polar` about the edge with a core of
    0.05, 4,000 interior points refined to `edge` within 0.4, 400 on `walls` and 100 on `edge`,
    weight 100 on `inflow` and `no_slip`, 9 steps of Levenberg–Marquardt on the output layer:
    reattachment at 2.96.

    Args:
        reynolds: the Reynolds number Re > 0, or several in turn.
        inlet: L_i ≥ 0, in units of h.
        length: L, in units of h.

    Raises:
        ValueError: Re or L is not positive, or L_i is negative.
    """

    outputs: ClassVar = {"psi": 1, "p": 1}
    continuity = None  # type: ignore[assignment]  # built in

    def __init__(
        self, reynolds: float | list[float] = 100.0, inlet: float = 3.0, length: float = 15.0
    ) -> None:
        self.inlet = positive("inlet", inlet) if inlet else 0.0
        self.length = positive("length", length)
        geometry: Geometry = Rectangle((0.0, length), (0.0, 2.0))
        if inlet:
            geometry = Rectangle((-inlet, 0.0), (1.0, 2.0)) | geometry
        geometry = geometry.part("inlet", x=-self.inlet, y=(1.0, 2.0)).part("outlet", x=length)
        geometry = geometry.part("edge", x=(-EDGE, 0.0), y=(1 - EDGE, 1.0))
        geometry = geometry.part("walls", without=("inlet", "outlet", "edge"))
        super().__init__(geometry, reynolds, gauge="free")

    @property
    def viscosity(self) -> float:
        """ν/(U h) = 2/Re."""
        return 2 / self.reynolds

    @on("interior")
    def momentum(self, u: Field, p: Field) -> Field:
        """(u·∇)u + ∇p − (2/Re) ∇²u."""
        return advect(u, u) + grad(p) - self.viscosity * laplacian(u)

    def ansatz(self, raw: Fields, at: Field) -> Fields:
        """The velocity of the stream function, and the pressure."""
        psi = raw["psi"]
        return {"u": vector(partial(psi, "y"), -partial(psi, "x")), "p": raw["p"]}

    @on("inlet")
    def inflow(self, u: Field, at: Field) -> Field:
        """u − (6 (y − 1)(2 − y), 0)."""
        y = at[:, 1]
        return u - vector(6 * (y - 1) * (2 - y), 0 * y)

    @on("walls", "edge")
    def no_slip(self, u: Field) -> Field:
        """u."""
        return u

    @on("outlet")
    def outflow(self, u: Field, p: Field) -> Field:
        """−p n + (2/Re) ∂u/∂n."""
        return outflow(u, p, self.viscosity)

    def importance(self, region: str, at: Tensor) -> Tensor | None:
        """r²/(r² + 0.1²) with the distance r to the edge of the step."""
        if region != "interior":
            return None
        squared = at[:, 0] ** 2 + (at[:, 1] - 1) ** 2
        return squared / (squared + NEAR**2)

    def reference(self) -> Reference | None:
        """The stored solution of Gartling's set-up at Re = 800: u and v on 241 × 41 points."""
        if (self.reynolds, self.inlet, self.length) != STORED:
            return None
        path = files("pinn.problems") / "step_data" / "step_re800.npz"
        with path.open("rb") as file, np.load(file) as data:
            x, y, u, v = (torch.from_numpy(data[name]).double() for name in ("x", "y", "u", "v"))
        at, judged = torch.cartesian_prod(x, y), torch.ones(u.numel(), dtype=torch.bool)
        values = {"u": u.flatten(), "v": v.flatten()}
        source = "spline solution of the flow over a step at Re = 800"
        return Reference(at, values, judged, (len(x), len(y)), source)

    @quantity(reference=known_reattachment, source="Erturk 2008; Gartling 1990 without an inlet")
    def reattachment(self, u: Field) -> Any:
        """The x where ∂u/∂y changes its sign on the floor y = 0; NaN where it does not."""

        def shear(x: float) -> float:
            return float(value(partial(u[:, 0], "y"), at=(x, 0.0)))

        first, last = 0.5, 0.9 * self.length
        if not shear(first) < 0 < shear(last):
            return float("nan")
        from scipy.optimize import brentq

        return brentq(shear, first, last, xtol=1e-6)
