"""Solutions with an infinite gradient at a point of the boundary, all of them harmonic:

u = r^s cos(s φ + a),   φ the angle from the middle of the domain, as seen from the point

LShape           s = 2/3, a value on both sides; the rules for such points were written on it
HalfInsulated    s = 1/2, where an insulated half of a floor begins; likewise
Notch            s = 4/7, a notch of 45°; first run after the rules
InsulatedLedge   s = 1/3, an L-shape with a value on one side, insulated on the other; likewise
"""

from __future__ import annotations

import math

from pinn import Polygon, Problem, Rectangle, atan, cos, dn, exp, laplacian, log, on, sqrt
from pinn.fields.field import Field
from pinn.physics.problem import Fields
from pinn.physics.references import Reference

L_SHAPE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (0.0, -1.0))
NOTCH = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0))
TINY = 1e-300  # r² at the point itself


class Singular(Problem):
    """∇²u = 0;  u = r^s cos(s φ + a).

    Attributes:
        power: s.
        middle: the direction of φ = 0, as an angle from the x axis.
        phase: a.
    """

    coordinates, unknowns = ("x", "y"), {"u": 1}
    power: float
    middle: float
    phase = 0.0

    @on("interior")
    def balance(self, u: Field) -> Field:
        """∇²u."""
        return laplacian(u)

    def solution(self, at: Field) -> Field:
        """r^s cos(s φ + a)."""
        c, s, x, y = math.cos(self.middle), math.sin(self.middle), at[:, 0], at[:, 1]
        along, across, squared = c * x + s * y, c * y - s * x, x * x + y * y + TINY
        angle = 2 * atan(across / (sqrt(squared) + along + TINY))
        return exp(0.5 * self.power * log(squared)) * cos(self.power * angle + self.phase)

    def exact(self, at: Field) -> Fields:
        """The solution itself."""
        return {"u": self.solution(at)}

    def reference(self) -> Reference | None:
        """At the midpoints of 100 × 100 boxes: on a grid the point itself would weigh too much."""
        return self.exact_reference(self.geometry.midpoints(100), (100, 100))


class LShape(Singular):
    """The corner of an L-shape."""

    geometry = Polygon(L_SHAPE)
    power, middle = 2 / 3, 0.75 * math.pi

    @on("boundary")
    def edge(self, u: Field, at: Field) -> Field:
        """u − u_b."""
        return u - self.solution(at)


class Notch(LShape):
    """The tip of a notch of 45°."""

    geometry = Polygon(NOTCH)
    power, middle = 4 / 7, 0.875 * math.pi


class HalfInsulated(Singular):
    """A floor that is cold for x < 0 and insulated for x > 0."""

    geometry = (
        Rectangle(x=(-1, 1), y=(0, 1)).part("cold", y=0, x=(-1, 0)).part("insulated", y=0, x=(0, 1))
    )
    power, middle, phase = 1 / 2, 0.5 * math.pi, 0.25 * math.pi

    @on("left", "right", "top")
    def edge(self, u: Field, at: Field) -> Field:
        """u − u_b."""
        return u - self.solution(at)

    @on("cold")
    def floor(self, u: Field) -> Field:
        """u."""
        return u

    @on("insulated")
    def flux(self, u: Field) -> Field:
        """∂u/∂n."""
        return dn(u)


class InsulatedLedge(Singular):
    """The corner of an L-shape, cold on one side and insulated on the other."""

    geometry = (
        Polygon(L_SHAPE)
        .part("insulated", y=0)
        .part("cold", x=0)
        .part("outer", without=("insulated", "cold"))
    )
    power, middle, phase = 1 / 3, 0.75 * math.pi, 0.25 * math.pi

    @on("outer")
    def edge(self, u: Field, at: Field) -> Field:
        """u − u_b."""
        return u - self.solution(at)

    @on("cold")
    def side(self, u: Field) -> Field:
        """u."""
        return u

    @on("insulated")
    def flux(self, u: Field) -> Field:
        """∂u/∂n."""
        return dn(u)
