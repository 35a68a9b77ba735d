"""Linear advection:  ∂u/∂t + β ∂u/∂x = 0."""

import math
from typing import ClassVar

from pinn.fields.field import Field, partial
from pinn.fields.functions import sin
from pinn.fields.vector_calculus import dt
from pinn.geometry import Interval
from pinn.physics.problem import Fields, Problem, positive
from pinn.physics.residuals import on


class Advection(Problem):
    """A wave carried around the periodic interval (0, 2π), over 0 ≤ t ≤ 1:

        ∂u/∂t + β ∂u/∂x = 0,   u = sin x at t = 0;     u = sin(x − βt).

    Symbols: the carried quantity u → `u`, its speed β → `speed`. Non-dimensional by the wavelength
    over 2π, the time of the experiment, and the amplitude of the wave.

    At the customary β = 80 the wave goes round almost 13 times, and networks trained the plain way
    fail.

    Data it may use: u at t = 0.

    Periodicity belongs to the network: `Periodic` features of x with the period 2π hold it exactly.
    No residual asks for it: without them the solution is not unique.

    Source: A. S. Krishnapriyan, A. Gholami, S. Zhe, R. M. Kirby, M. W. Mahoney, "Characterizing
    possible failure modes in physics-informed neural networks", NeurIPS 34 (2021) 26548–26560,
    doi:10.48550/arXiv.2109.01050.

    Args:
        speed: β > 0.

    Raises:
        ValueError: β is not positive.
    """

    coordinates = ("x", "t")
    unknowns: ClassVar = {"u": 1}

    def __init__(self, speed: float = 80.0) -> None:
        super().__init__(Interval(x=(0.0, 2 * math.pi), time=(0.0, 1.0)))
        self.speed = positive("speed", speed)

    @on("interior")
    def balance(self, u: Field) -> Field:
        """∂u/∂t + β ∂u/∂x."""
        return dt(u) + self.speed * partial(u, "x")

    @on("initial")
    def initial(self, u: Field, x: Field) -> Field:
        """u − sin x."""
        return u - sin(x)

    def exact(self, at: Field) -> Fields:
        """u = sin(x − βt) as (N,)."""
        return {"u": sin(at[:, 0] - self.speed * at[:, 1])}
