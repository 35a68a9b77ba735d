"""Advection and diffusion with a thin layer:  −ε ∇²u + β·∇u = f."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from pinn.fields.field import Field, partial
from pinn.fields.functions import exp
from pinn.fields.vector_calculus import laplacian
from pinn.geometry import Geometry, Interval, Rectangle
from pinn.physics.problem import Fields, Problem, positive
from pinn.physics.references import Reference
from pinn.physics.residuals import on

PER_PART = 50  # intervals of the grid of comparison in the layer, and outside of it
LAYERS = 20.0  # thicknesses of the layer that one part of this grid covers


class AdvectionDiffusion(Problem):
    """A flow that carries u into a wall, where a layer of thickness ε forms, on (0, 1):

        −ε u″ + u′ = 1,   u = 0 at x = 0 and 1;     u = x − (e^{(x−1)/ε} − e^{−1/ε})/(1 − e^{−1/ε}).

    Symbols: the carried quantity u → `u`, ε = 1/Pe → `diffusion`. Non-dimensional by the length of
    the interval, the speed of the flow, and the source.

    Half of the points that errors are measured at lie within 20 ε of the wall: a grid of equal
    steps would not see the layer.

    Data it may use: the source, and u = 0 at both ends.

    Source: H.-G. Roos, M. Stynes, L. Tobiska, "Robust Numerical Methods for Singularly Perturbed
    Differential Equations", 2nd ed., Springer 2008, doi:10.1007/978-3-540-34467-4.

    Args:
        diffusion: ε > 0.

    Raises:
        ValueError: ε is not positive.
    """

    coordinates: ClassVar[tuple[str, ...]] = ("x",)
    unknowns: ClassVar = {"u": 1}
    geometry: Geometry = Interval(x=(0.0, 1.0))

    def __init__(self, diffusion: float = 1e-3) -> None:
        super().__init__()
        self.diffusion = positive("diffusion", diffusion)

    @on("interior")
    def balance(self, u: Field, at: Field) -> Field:
        """−ε u″ + u′ − 1."""
        return -self.diffusion * laplacian(u) + partial(u, "x") - 1.0

    @on("boundary")
    def boundary(self, u: Field) -> Field:
        """u − 0."""
        return u

    def profile(self, x: Field) -> Field:
        """g(x) = x − (e^{(x−1)/ε} − e^{−1/ε})/(1 − e^{−1/ε}), which solves −ε g″ + g′ = 1."""
        tail = math.exp(-1 / self.diffusion)
        return x - (exp((x - 1) / self.diffusion) - tail) / (1 - tail)

    def exact(self, at: Field) -> Fields:
        """u = g(x) as (N,)."""
        return {"u": self.profile(at[:, 0])}

    def reference(self) -> Reference | None:
        """The exact solution on a grid, half of whose intervals are in the layer of each axis."""
        axis = layered_axis(LAYERS * self.diffusion)
        dimensions = len(self.coordinates)
        at = torch.cartesian_prod(*[axis] * dimensions).reshape(-1, dimensions)
        return self.exact_reference(at, (len(axis),) * dimensions)


class AdvectionDiffusion2D(AdvectionDiffusion):
    """A diagonal flow that carries u into a corner of the unit square, with a layer at two walls:

        −ε ∇²u + ∂u/∂x + ∂u/∂y = g(x) + g(y),   u = 0 on the boundary;     u = g(x) g(y),

    with the profile g of the problem on the interval, −ε g″ + g′ = 1, g(0) = g(1) = 0.

    Symbols: the carried quantity u → `u`, ε = 1/Pe → `diffusion`. Non-dimensional by the side of
    the square, a component of the speed of the flow, and the largest source over 2.

    Data it may use: the source, and u = 0 on the boundary.

    Source: manufactured; for such problems see H.-G. Roos, M. Stynes, L. Tobiska, "Robust Numerical
    Methods for Singularly Perturbed Differential Equations", 2nd ed., Springer 2008,
    doi:10.1007/978-3-540-34467-4.

    Args:
        diffusion: ε > 0.

    Raises:
        ValueError: ε is not positive.
    """

    coordinates = ("x", "y")
    geometry = Rectangle()

    @on("interior")
    def balance(self, u: Field, at: Field) -> Field:
        """−ε ∇²u + ∂u/∂x + ∂u/∂y − g(x) − g(y)."""
        source = self.profile(at[:, 0]) + self.profile(at[:, 1])
        return -self.diffusion * laplacian(u) + partial(u, "x") + partial(u, "y") - source

    def exact(self, at: Field) -> Fields:
        """u = g(x) g(y) as (N,)."""
        return {"u": self.profile(at[:, 0]) * self.profile(at[:, 1])}


def layered_axis(width: float) -> Tensor:
    """101 points of [0, 1]: equal steps up to 1 − w, and others from there, w ≤ 1/2 the width."""
    kink = 1 - min(width, 0.5)
    outside = torch.linspace(0, kink, PER_PART + 1, dtype=torch.float64)
    return torch.cat((outside, torch.linspace(kink, 1, PER_PART + 1, dtype=torch.float64)[1:]))
