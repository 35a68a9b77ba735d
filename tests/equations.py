"""Small problems, and solutions of them that nobody has trained."""

import torch
from torch import nn

from pinn.fields.field import partial
from pinn.fields.vector_calculus import div, dt, grad, laplacian
from pinn.geometry import Interval, Rectangle
from pinn.networks import MLP
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.solution import Solution


class Stokes(Problem):
    """Creeping flow, ∇p − ∇²u = 0, ∇·u = 0."""

    coordinates = ("x", "y")
    unknowns = {"u": ("u", "v"), "p": 1}
    geometry = Rectangle().named(lid="top")

    @on("interior")
    def momentum(self, u, p):
        return grad(p) - laplacian(u)

    @on("interior")
    def continuity(self, u):
        return div(u)

    @on("left", "right")
    def sides(self, u):
        return u


class Inverse(Problem):
    """∇²u = k with u = (x² + y²)/2 known inside: finds k = 2."""

    coordinates = ("x", "y")
    unknowns = {"u": 1}
    geometry = Rectangle()

    def __init__(self):
        super().__init__()
        self.k = nn.Parameter(torch.tensor(0.0))

    @on("interior")
    def balance(self, u):
        return laplacian(u) - self.k

    @on("interior")
    def data(self, u, x, y):
        return u - (x**2 + y**2) / 2


class Unsteady(Problem):
    """∂u/∂t = −∂p/∂x, p up to a function of time."""

    coordinates = ("x", "t")
    unknowns = {"u": 1, "p": 1}
    geometry = Interval(x=(0, 2), time=(0, 3))

    @on("interior")
    def momentum(self, u, p):
        return dt(u) + partial(p, "x")

    @on("initial", "boundary")
    def known(self, u):
        return u


def solution_of(problem, network=None):
    """A problem with a random network, in float64."""
    torch.manual_seed(0)
    return Solution(problem, MLP(6, 2) if network is None else network).double()
