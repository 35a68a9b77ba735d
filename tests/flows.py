"""Problems on shapes with an exact solution, for what follows a shape."""

import torch
from holed import channel, plate, room

from pinn.fields.functions import vector
from pinn.fields.vector_calculus import grad, laplacian
from pinn.physics.problem import Problem
from pinn.physics.residuals import on


class Around(Problem):
    """Potential flow past a cylinder; singular in its middle, which lies in the hole."""

    coordinates = ("x", "y")
    unknowns = {"velocity": ("u", "v"), "p": 1}
    at_centre, radius = (0.2, 0.2), 0.05

    def __init__(self):
        super().__init__(channel())

    @on("interior")
    def continuity(self, velocity):
        return grad(velocity[:, 0])[:, 0] + grad(velocity[:, 1])[:, 1]

    @on("interior")
    def momentum(self, p):
        return grad(p)

    @on("boundary")
    def walls(self, velocity):
        return velocity

    def exact(self, at):
        x, y = at[:, 0] - self.at_centre[0], at[:, 1] - self.at_centre[1]
        square = x * x + y * y
        assert (square.value >= self.radius**2 - 1e-12).all(), "asked inside of the hole"
        r2 = self.radius**2
        u = 1 - r2 * (x * x - y * y) / square**2
        v = -2 * r2 * x * y / square**2
        return {"velocity": vector(u, v), "p": 0.5 - 0.5 * (u * u + v * v)}


class Plate(Problem):
    """log r in a plate with a hole, singular in its middle."""

    coordinates = ("x", "y")
    unknowns = {"u": 1}

    def __init__(self, geometry=None):
        super().__init__(geometry or plate())

    @on("interior")
    def balance(self, u):
        return laplacian(u)

    @on("boundary")
    def walls(self, u, at):
        return u - self.exact(at)["u"]

    def exact(self, at):
        square = (at * at).sum(-1)
        assert (square.value > 0.24).all(), "asked inside of the hole"
        return {"u": 0.5 * torch.log(square)}


class Room(Plate):
    """The same in a cube with a ball in it."""

    coordinates = ("x", "y", "z")

    def __init__(self):
        super().__init__(room())
