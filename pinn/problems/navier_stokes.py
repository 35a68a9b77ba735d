"""Incompressible flow:  ∂u/∂t + (u·∇)u + ∇p − (1/Re) ∇²u = 0,  ∇·u = 0."""

from typing import ClassVar, get_args

from pinn.base.messages import one_of
from pinn.fields.field import Field
from pinn.fields.vector_calculus import advect, div, dt, grad, laplacian
from pinn.geometry import Geometry
from pinn.physics.problem import Gauge, Problem, in_turn, positive
from pinn.physics.residuals import on


class NavierStokes(Problem):
    """Steady incompressible Navier–Stokes in the plane:

        (u·∇)u + ∇p − (1/Re) ∇²u = 0,   ∇·u = 0,     Re = U L / ν.

    Symbols: velocity u = (u, v) → `u`, kinematic pressure p → `p`, Re → `reynolds`;
    non-dimensional by U and L, pressure by U².

    Args:
        geometry: the domain.
        reynolds: the Reynolds number Re > 0; of a list each in turn, all phases of a run for the
            first, and again, from the weights that these left, for the next. None beside a range.
        gauge: how the constant of the pressure is chosen: `zero_mean`, `pin` or `free`.
        ranges: `{"reynolds": (20, 80)}` for the flow at all of these numbers at once.

    Raises:
        ValueError: Re is not positive, missing, or given twice; or the gauge is unknown.
    """

    coordinates: ClassVar[tuple[str, ...]] = ("x", "y")
    unknowns: ClassVar = {"u": ("u", "v"), "p": 1}
    divergence_free: ClassVar = ("u",)
    continuation: ClassVar[str | None] = "reynolds"

    reynolds: float

    def __init__(
        self,
        geometry: Geometry,
        reynolds: float | list[float] | None,
        gauge: Gauge = "zero_mean",
        ranges: dict[str, tuple[float, float]] | None = None,
    ) -> None:
        super().__init__(geometry, ranges)
        if "reynolds" not in self.ranges:
            self.stages = in_turn("reynolds", reynolds)
            self.enter(0)
        elif reynolds is not None:
            bounds = self.ranges["reynolds"]
            raise ValueError(
                f"reynolds is {reynolds} and has the range {bounds}: write reynolds=None (null) "
                "beside the range"
            )
        else:
            positive("the lower bound of reynolds", self.ranges["reynolds"][0])
        one_of("gauge", gauge, get_args(Gauge))
        self.gauges = {"p": gauge}

    @on("interior")
    def momentum(self, u: Field, p: Field) -> Field:
        """(u·∇)u + ∇p − (1/Re) ∇²u."""
        return advect(u, u) + grad(p) - laplacian(u) / self.reynolds

    @on("interior")
    def continuity(self, u: Field) -> Field:
        """∇·u."""
        return div(u)


class UnsteadyNavierStokes(NavierStokes):
    """Incompressible Navier–Stokes in time, in the plane or in space:

        ∂u/∂t + (u·∇)u + ∇p − (1/Re) ∇²u = 0,   ∇·u = 0.

    It is written in the plane; a subclass in space names its `coordinates` and `unknowns`. The
    pressure is fixed up to a function of time.

    Args:
        geometry: the domain, with time.
        reynolds: the Reynolds number Re > 0, or several in turn.

    Raises:
        ValueError: Re is not positive.
    """

    coordinates: ClassVar[tuple[str, ...]] = ("x", "y", "t")

    def __init__(self, geometry: Geometry, reynolds: float | list[float]) -> None:
        super().__init__(geometry, reynolds, gauge="free")

    @on("interior")
    def momentum(self, u: Field, p: Field) -> Field:
        """∂u/∂t + (u·∇)u + ∇p − (1/Re) ∇²u."""
        return dt(u) + super().momentum(u, p)
