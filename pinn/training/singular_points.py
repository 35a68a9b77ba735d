"""Points of the boundary where derivatives of a solution are infinite, and what counts less there.

In a corner that points inwards, and where one kind of condition ends and another begins, a solution
behaves as r^s with s < 1. The square of its equation has no integral there: least squares of the
equation do not lead to the solution. Those of r times the equation do, for every s > 0; of an
equation of order m those of r^(m/2) times it, m/2 rounded down:

    |r ∇²u|² = r² |∇²u|²,   of a flux  r |∂u/∂n|²,   r the distance by its reach, at most 1

Source:
    C. L. Cox, G. J. Fix, "On the accuracy of least squares methods in the presence of corner
    singularities", Computers & Mathematics with Applications 10 (1984) 463–475.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from pinn.algebra.channels import order
from pinn.geometry import Geometry, Points
from pinn.geometry.corners import Corner, Place, corners, ends
from pinn.geometry.shape import Part
from pinn.solution.plans import RegionPlan

SLACK = math.radians(20)  # beyond an angle: a circle of many edges has no corners
NEAR = 1e-7  # of the longest side: more than what `without` leaves between two parts


class SingularPoint(NamedTuple):
    """A point at which derivatives are infinite.

    Args:
        at: where.
        reach: the distance from which on all counts in full.
        fluxes: regions of the boundary with a condition on a flux; all of their conditions count r.
        power: of r that the equations count.
    """

    at: Place
    reach: float
    fluxes: frozenset[str] = frozenset()
    power: int = 1

    def distance(self, at: Tensor) -> Tensor:
        """r (N,) of points (N, D), by the reach; 1 beyond."""
        away = at[:, :2] - at.new_tensor(self.at)
        return (away.norm(dim=1) / self.reach).clamp(max=1.0)


class Side(NamedTuple):
    """A part of the boundary with a condition.

    Args:
        name: of its region.
        is_flux: whether the condition is one on a flux.
        length: of the part.
        ends: of its curves.
    """

    name: str
    is_flux: bool
    length: float
    ends: Sequence[Place]


def singular_points(geometry: Geometry, plans: Mapping[str, RegionPlan]) -> list[SingularPoint]:
    """Corners that point inwards, and changes of the kind of condition; none but in the plane.

    A condition is one on a flux where its order is at least half of that of the equations, as that
    of ∂u/∂n beside ∇²u.

    Args:
        geometry: of the problem.
        plans: what the residuals of each region read; without them, corners alone.
    """
    shape = geometry.shape
    if shape.dimensions != 2:
        return []
    near = NEAR * max(b - a for a, b in zip(shape.lower, shape.upper, strict=True))
    orders = {name: highest(plan) for name, plan in plans.items()}
    sides = [
        Side(name, 2 * orders[name] >= orders.get("interior", math.inf), part.measure, ends(part))
        for name in plans
        for part in faces(geometry, name)
    ]
    found = corners(shape)
    for end in (end for side in sides for end in side.ends):
        if all(apart(end, corner.at, near) for corner in found):  # within a side
            found.append(Corner(end, math.pi, math.inf))
    points, power = list[SingularPoint](), max(orders.get("interior", 2) // 2, 1)
    for corner in found:
        point = judged(corner, sides, near)
        if point is not None and all(apart(point.at, other.at, near) for other in points):
            points.append(point._replace(power=power))
    return points


def judged(corner: Corner, sides: Sequence[Side], near: float) -> SingularPoint | None:
    """The singular point at a corner; None where derivatives are finite there."""
    here = [s for s in sides if not all(apart(corner.at, end, near) for end in s.ends)]
    changes = len({side.is_flux for side in here}) > 1
    if corner.angle <= (math.pi / 2 if changes else math.pi) + SLACK:
        return None
    reach = min(side.length for side in here) if math.isinf(corner.length) else corner.length
    return SingularPoint(corner.at, reach, frozenset(s.name for s in here if s.is_flux))


def faces(geometry: Geometry, name: str) -> list[Part]:
    """The parts of the boundary that a region consists of; none of another region."""
    if geometry.is_measured(name):
        return []
    running = geometry.shape.dimensions - 1
    return [r.part for r in geometry.regions_of(name) if r.part.running == running]


def highest(plan: RegionPlan) -> int:
    """The order of the highest derivative of a network that the residuals of a region read."""
    channels = [c for each in plan.networks.values() for c in each.channels]
    return max(map(order, channels), default=0)


def apart(a: Place, b: Place, near: float) -> bool:
    """Whether two points are not one."""
    return math.dist(a, b) > near


def importance(region: str, points: Points, singular: Sequence[SingularPoint]) -> Tensor:
    """What |residual|² counts (N,): r² by each point for equations, r for fluxes beside it."""
    count = points.at.new_ones(len(points))
    for point in singular:
        if region == "interior":
            count = count * point.distance(points.at) ** (2 * point.power)
        elif region in point.fluxes:
            count = count * point.distance(points.at)
    return count
