"""Heat conduction in a plate with holes."""

from importlib.resources import files
from typing import ClassVar

import numpy as np
import torch

from pinn.fields.field import Field
from pinn.fields.integrals import integral
from pinn.fields.normals import dn
from pinn.fields.vector_calculus import laplacian
from pinn.geometry import Disc, Geometry, Rectangle
from pinn.physics.problem import Problem
from pinn.physics.quantities import quantity
from pinn.physics.references import Reference
from pinn.physics.residuals import on

LENGTH = 2.0  # of the plate, whose height is 1
BIOT = 2.0  # of the right side and of the cooled hole
FLUX = 1.0  # into the plate, through each unit of length of the heated hole
COOLED = ((0.6, 0.55), 0.2)  # centre and radius
HEATED = ((1.4, 0.4), 0.15)


class PlateWithHoles(Problem):
    """Steady heat conduction in the plate [0, 2] × [0, 1] with two round holes:

        ∇²T = 0,
        T = 1 on the left,   ∂T/∂n = 0 above and below,   ∂T/∂n + Bi T = 0 on the right,
        ∂T/∂n + Bi T = 0 on the cooled hole,   ∂T/∂n = q on the heated hole,

    with n out of the plate, so into the holes: a Dirichlet, a Neumann and a Robin condition.

    Symbols: temperature T → `T`, Biot number Bi = h H / k = 2, heat flux q = 1. Non-dimensional by
    the height H of the plate and the difference ΔT between its left side and the air; heat fluxes
    by k ΔT / H.

    Data it may use: the conditions above.

    Reference: harmonic functions fitted to the boundary, by `benchmarks/plate_reference.py`, which
    shows that the conditions are met to 1e-10; the method is that of A. Gopal, L. N. Trefethen,
    "Solving Laplace problems with corner singularities via rational functions", SIAM J. Numer.
    Anal. 57 (2019) 2074–2094, doi:10.1137/19M125947X.

    Good values: 600 tanh units of spread 0.5 on `Polar` features, 1,600 interior and 340 boundary
    Gauss points, weight 1000 on `hot` and 100 on the other conditions, 10 steps of
    Levenberg–Marquardt on the output layer: 7e-7, 5e-6 with another seed. Of the spreads 0.5, 1 and
    2 the first has the least held-out residual. Features of the plate alone end at 1.5e-2.
    """

    coordinates: ClassVar[tuple[str, ...]] = ("x", "y")
    unknowns: ClassVar = {"T": 1}
    geometry: Geometry = (
        Rectangle(x=(0.0, LENGTH)) - Disc(*COOLED, name="cooled") - Disc(*HEATED, name="heated")
    )

    @on("interior")
    def conduction(self, T: Field) -> Field:
        """∇²T."""
        return laplacian(T)

    @on("left")
    def hot(self, T: Field) -> Field:
        """T − 1."""
        return T - 1.0

    @on("bottom", "top")
    def insulated(self, T: Field) -> Field:
        """∂T/∂n."""
        return dn(T)

    @on("right", "cooled")
    def convection(self, T: Field) -> Field:
        """∂T/∂n + Bi T."""
        return dn(T) + BIOT * T

    @on("heated")
    def heating(self, T: Field) -> Field:
        """∂T/∂n − q."""
        return dn(T) - FLUX

    @quantity
    def heat_balance(self, T: Field) -> Field:
        """∮ ∂T/∂n ds, which is 0 in the steady state."""
        return integral(dn(T), on="boundary")

    def reference(self) -> Reference:
        """The temperature on 101 × 51 points, less those in the holes."""
        path = files("pinn.problems") / "plate_data" / "plate.npz"
        with path.open("rb") as file, np.load(file) as data:
            x, y, T = (torch.from_numpy(data[name]).double() for name in ("x", "y", "T"))
        at, values = torch.cartesian_prod(x, y), T.flatten()
        source = "harmonic functions that meet the conditions to 1e-10"
        return Reference(at, {"T": values}, values.isfinite(), (len(x), len(y)), source)
