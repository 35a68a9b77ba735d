"""Flow between parallel plates: exact solutions with an inflow and an outflow."""

from abc import abstractmethod

from pinn.fields.field import Field
from pinn.fields.functions import vector
from pinn.fields.normals import outflow
from pinn.geometry import Rectangle
from pinn.physics.problem import Fields, positive
from pinn.physics.residuals import on
from pinn.problems.navier_stokes import NavierStokes


class Channel(NavierStokes):
    """Steady, fully developed flow between the plates y = 0 and y = 1, 0 < x < `length`.

    A subclass gives the velocity over the height, `profile`, which is imposed at the inflow and
    at the plates, and the `slope` of the pressure that drives it.

    Args:
        reynolds: the Reynolds number Re > 0, or several in turn.
        length: of the channel, in units of its height.
    """

    def __init__(self, reynolds: float | list[float], length: float) -> None:
        geometry = Rectangle(x=(0.0, positive("length", length))).named(
            inflow="left", outflow="right", walls=("bottom", "top")
        )
        super().__init__(geometry, reynolds, gauge="free")
        self.length = float(length)

    @abstractmethod
    def profile(self, y: Field) -> Field:
        """u over the height."""

    @property
    @abstractmethod
    def slope(self) -> float:
        """dp/dx."""

    @on("inflow")
    def inflow(self, u: Field, at: Field) -> Field:
        """u − (profile, 0)."""
        return u - self.velocity(at)

    @on("walls")
    def walls(self, u: Field, at: Field) -> Field:
        """u − (profile, 0): the speed of each plate."""
        return u - self.velocity(at)

    @on("outflow")
    def outflow(self, u: Field, p: Field) -> Field:
        """−p n + (1/Re) ∂u/∂n."""
        return outflow(u, p, 1 / self.reynolds)

    def velocity(self, at: Field) -> Field:
        """(profile, 0) as (N, 2)."""
        return vector(self.profile(at[:, 1]), 0 * at[:, 1])

    def exact(self, at: Field) -> Fields:
        """Velocity (N, 2) and pressure (N,), which is zero at the outflow."""
        return {"u": self.velocity(at), "p": self.slope * (at[:, 0] - self.length)}


class Poiseuille(Channel):
    """Plane Poiseuille flow, driven by a pressure between plates at rest:

        u = 6 y (1 − y),   v = 0,   p = (12/Re) (L − x),

    on (0, L) × (0, 1), with the velocity given at the inflow x = 0, u = 0 at the plates, and
    −p n + (1/Re) ∂u/∂n = 0 at the outflow x = L. The outflow fixes the pressure.

    Symbols: velocity u = (u, v) → `u`, kinematic pressure p → `p`, Re = U H / ν → `reynolds`,
    L → `length`. Non-dimensional by the mean velocity U and the height H, pressure by U².

    Data it may use: the velocity at the inflow and at the plates.

    Source: G. K. Batchelor, "An Introduction to Fluid Dynamics" (1967), section 4.2,
    doi:10.1017/CBO9780511800955. The outflow: J. G. Heywood, R. Rannacher, S. Turek, Int. J. Numer.
    Methods Fluids 22 (1996) 325–352,
    doi:10.1002/(SICI)1097-0363(19960315)22:5<325::AID-FLD307>3.0.CO;2-Y.

    Good values: Re = 20 and L = 2 with 250 tanh units of spread 1, 400 interior points, 20 at the
    inflow and the outflow each and 60 at the plates, `gauss`, weight 10 on these three, 16 steps of
    Levenberg–Marquardt on the output layer: 1e-12 in two seconds after the start.

    Args:
        reynolds: the Reynolds number Re > 0, or several in turn.
        length: of the channel, in units of its height.

    Raises:
        ValueError: Re or the length is not positive.
    """

    def __init__(self, reynolds: float | list[float] = 20.0, length: float = 2.0) -> None:
        super().__init__(reynolds, length)

    @property
    def slope(self) -> float:
        """dp/dx = −12/Re."""
        return -12 / self.reynolds

    def profile(self, y: Field) -> Field:
        """6 y (1 − y)."""
        return 6 * y * (1 - y)


class Couette(Channel):
    """Plane Couette flow, dragged along by the upper plate, with a pressure if there is one:

        u = y + G y (1 − y),   v = 0,   p = (2 G/Re) (L − x),

    on (0, L) × (0, 1), with the velocity given at the inflow x = 0, u = (0, 0) and (1, 0) at the
    plates, and −p n + (1/Re) ∂u/∂n = 0 at the outflow x = L. The outflow fixes the pressure.

    Symbols: velocity u = (u, v) → `u`, kinematic pressure p → `p`, Re = U H / ν → `reynolds`,
    L → `length`, G = −(Re/2) dp/dx → `gradient`. Non-dimensional by the speed U of the upper plate
    and the height H, pressure by U².

    Data it may use: the velocity at the inflow and at the plates.

    Source: G. K. Batchelor, "An Introduction to Fluid Dynamics" (1967), section 4.2,
    doi:10.1017/CBO9780511800955.

    Good values: those of `Poiseuille`. With G = 0 the flow is linear in the coordinates: 1e-12.

    Args:
        reynolds: the Reynolds number Re > 0, or several in turn.
        gradient: G; with 0 no pressure drives the flow, below −1 it flows back at the lower plate.
        length: of the channel, in units of its height.

    Raises:
        ValueError: Re or the length is not positive, or the gradient is not finite.
    """

    def __init__(
        self, reynolds: float | list[float] = 20.0, gradient: float = 0.0, length: float = 2.0
    ) -> None:
        super().__init__(reynolds, length)
        if not abs(gradient) < float("inf"):
            raise ValueError(f"gradient is {gradient}: it must be a finite number")
        self.gradient = float(gradient)

    @property
    def slope(self) -> float:
        """dp/dx = −2 G/Re."""
        return -2 * self.gradient / self.reynolds

    def profile(self, y: Field) -> Field:
        """y + G y (1 − y)."""
        return y + self.gradient * y * (1 - y)
