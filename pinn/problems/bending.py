"""The biharmonic equation:  ∇⁴w = q."""

import math
from typing import ClassVar

from pinn.fields.field import Field
from pinn.fields.functions import cos, sin
from pinn.fields.normals import dn
from pinn.fields.vector_calculus import laplacian
from pinn.geometry import Geometry, Rectangle
from pinn.physics.problem import Fields, Problem
from pinn.physics.residuals import on


class ClampedPlate(Problem):
    """Deflection of a thin square plate that is clamped at its edges:

        ∇⁴w = q,   w = 0,   ∂w/∂n = 0 on the boundary;     w = sin² πx sin² πy,
        q = 4π⁴ (4 cos 2πx cos 2πy − cos 2πx − cos 2πy).

    Symbols: deflection w → `w`, load q → `load`. Non-dimensional by the side L of the plate and the
    deflection W in its middle; the load by D W/L⁴ with the bending stiffness D.

    Data it may use: the load, and that the edges are clamped.

    Source: manufactured; for the equation see A. W. Leissa, "The free vibration of rectangular
    plates", J. Sound Vib. 31 (1973) 257–293, doi:10.1016/S0022-460X(73)80371-2.
    """

    coordinates: ClassVar[tuple[str, ...]] = ("x", "y")
    unknowns: ClassVar = {"w": 1}
    geometry: Geometry = Rectangle()

    @on("interior")
    def balance(self, w: Field, at: Field) -> Field:
        """∇⁴w − q."""
        return laplacian(laplacian(w)) - self.load(at)

    @on("boundary")
    def edge(self, w: Field) -> Field:
        """w − 0."""
        return w

    @on("boundary")
    def clamp(self, w: Field) -> Field:
        """∂w/∂n − 0."""
        return dn(w)

    def load(self, at: Field) -> Field:
        """q = 4π⁴ (4 cos 2πx cos 2πy − cos 2πx − cos 2πy) as (N,)."""
        x, y = (cos(2 * math.pi * at[:, axis]) for axis in range(2))
        return 4 * math.pi**4 * (4 * x * y - x - y)

    def exact(self, at: Field) -> Fields:
        """w = sin² πx sin² πy as (N,)."""
        return {"w": (sin(math.pi * at[:, 0]) * sin(math.pi * at[:, 1])) ** 2}
