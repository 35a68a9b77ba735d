"""A box less a ball, with a quadrature in closed form: a second implementation of a shape.

A point of a face p and a number s give x = c + s (p − c) from the ball's surface to the face, and
dV = h s^(d−1) ds dA(p) with the distance h of the face's plane from the centre c.
"""

import math

import torch

from pinn.geometry import Geometry
from pinn.geometry.block import Block
from pinn.geometry.points import Points
from pinn.geometry.sampling import gauss_order, gauss_points
from pinn.geometry.shape import Shape


class Sphere:
    """The boundary of the ball; the normal points into it."""

    acceptance = 1.0

    def __init__(self, centre, radius):
        self.centre, self.radius = torch.tensor(centre, dtype=torch.float64), radius
        self.running = len(centre) - 1

    @property
    def measure(self):
        return (2 * math.pi * self.radius, 4 * math.pi * self.radius**2)[self.running - 1]

    def place(self, unit):
        angle = 2 * math.pi * unit[:, 0]
        along = torch.stack([angle.cos(), angle.sin()], -1)
        if self.running == 2:
            height = 2 * unit[:, 1:] - 1
            along = torch.cat([along * (1 - height**2).sqrt(), height], -1)
        return self.centre + self.radius * along, -along, None

    def rule(self, n):
        unit, weights = gauss_points(gauss_order(n, self.running), self.running)
        at, normal, _ = self.place(unit)
        return Points(at, normal, weights=weights)

    def distance(self, at):
        return ((at - self.centre.to(at)).norm(dim=-1) - self.radius).abs()


class Holed(Shape):
    """Π [lower, upper] less the open ball."""

    def __init__(self, lower, upper, centre, radius):
        self.box = Block("xyz"[: len(lower)], lower, upper)
        self.lower, self.upper, self.dimensions = self.box.lower, self.box.upper, len(lower)
        self.ball = Sphere(centre, radius)

    @property
    def measure(self):
        r = self.ball.radius
        return self.box.measure - (math.pi * r**2, 4 / 3 * math.pi * r**3)[self.dimensions - 2]

    @property
    def parts(self):
        return {**self.box.parts, "hole": self.ball}

    def contains(self, at):
        return self.box.contains(at) & (self.distance_from_centre(at) >= self.ball.radius)

    def distance_from_centre(self, at):
        return (at - self.ball.centre.to(at)).norm(dim=-1)

    def distance(self, at):
        return torch.maximum(
            self.box.distance(at), self.ball.radius - self.distance_from_centre(at)
        )

    def rule(self, n):
        d, c, rules = self.dimensions, self.ball.centre, []
        count = max(n // (2 * d), 1)
        k = gauss_order(count, d)
        unit, weights = gauss_points(k, 1)
        for part in self.box.parts.values():
            face = part.rule(k ** (d - 1))
            height = float(((face.at - c) * face.normal).sum(-1)[0])
            first = (self.ball.radius / (face.at - c).norm(dim=-1))[:, None]
            s = first + (1 - first) * unit[:, 0]
            at = c + s[..., None] * (face.at - c)[:, None]
            volume = (1 - first) * weights * s ** (d - 1) * height * face.weights[:, None]
            volume = volume * part.measure / len(face) / len(unit)
            rules.append((at.reshape(-1, d), volume.reshape(-1)))
        weights = torch.cat([w for _, w in rules])
        return Points(torch.cat([at for at, _ in rules]), weights=weights / weights.mean())

    def pick(self, names, choice):
        raise ValueError("the parts of this shape are not divided")


def holed(lower, upper, centre, radius, time=None):
    """A box less a ball as a geometry."""
    names = tuple("xyz"[: len(lower)]) + (() if time is None else ("t",))
    low, high = ([*ends] if time is None else [*ends, t] for ends, t in
                 zip((lower, upper), time or (0, 0), strict=True))  # fmt: skip
    return Geometry(names, low, high, Holed(lower, upper, centre, radius))


def channel(time=None):
    """A channel with a cylinder in it."""
    return holed((0.0, 0.0), (2.2, 0.41), (0.2, 0.2), 0.05, time)


def plate():
    """A square with a hole in its middle."""
    return holed((-1.0, -1.0), (1.0, 1.0), (0.0, 0.0), 0.5)


def room():
    """A cube with a ball in it."""
    return holed((-1.0,) * 3, (1.0,) * 3, (0.0,) * 3, 0.5)
