"""The Allen–Cahn equation:  ∂u/∂t = D ∂²u/∂x² + a (u − u³)."""

from importlib.resources import files
from typing import ClassVar

import numpy as np
import torch

from pinn.fields.field import Field
from pinn.fields.functions import cos
from pinn.fields.vector_calculus import dt, laplacian
from pinn.geometry import Geometry, Interval
from pinn.physics.problem import Problem
from pinn.physics.references import Reference
from pinn.physics.residuals import on, periodic

DIFFUSION, GROWTH = 1e-4, 5.0


class AllenCahn(Problem):
    """Two phases that separate on the periodic interval (−1, 1), over 0 ≤ t ≤ 1:

        ∂u/∂t − D ∂²u/∂x² − a (u − u³) = 0,   u = x² cos πx at t = 0,   D = 10⁻⁴,   a = 5.

    Symbols: the phase u → `u`, from −1 to 1. Non-dimensional by half the period and the time of the
    experiment.

    Between the phases u changes over √(2D/a) = 0.006. The initial values are even, with a kink at
    x = ±1, since their slopes there are −2 and 2.

    Data it may use: u at t = 0. `sides` makes both ends alike; an embedding `Periodic` does so too.

    Reference: M. Raissi, P. Perdikaris, G. E. Karniadakis, "Physics-informed neural networks", J.
    Comput. Phys. 378 (2019) 686–707, doi:10.1016/j.jcp.2018.10.045, for the problem. The solution
    comes from Fourier series, `benchmarks/allen_cahn_reference.py`, whose error is 1e-11.
    """

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")
    unknowns: ClassVar = {"u": 1}
    geometry: Geometry = Interval(x=(-1.0, 1.0), time=(0.0, 1.0))

    @on("interior")
    def balance(self, u: Field) -> Field:
        """∂u/∂t − D ∂²u/∂x² − a (u − u³)."""
        return dt(u) - DIFFUSION * laplacian(u) - GROWTH * (u - u**3)

    @on("initial")
    def initial(self, u: Field, x: Field) -> Field:
        """u − x² cos πx."""
        return u - x**2 * cos(np.pi * x)

    sides = periodic("left", "right")

    def reference(self) -> Reference:
        """The stored solution on 201 × 101 points of (x, t)."""
        path = files("pinn.problems") / "allen_cahn_data" / "allen_cahn.npz"
        with path.open("rb") as file, np.load(file) as data:
            t, x, u = (torch.from_numpy(data[name]).double() for name in ("t", "x", "u"))
        x, u = torch.cat((-x.flip(0)[:-1], x)), torch.cat((u.flip(1)[:, :-1], u), dim=1)
        at, judged = torch.cartesian_prod(x, t), torch.ones(u.numel(), dtype=torch.bool)
        source = "Fourier series, exact to 1e-11"
        return Reference(at, {"u": u.T.flatten()}, judged, (len(x), len(t)), source)
