"""The points that a number over a region is taken at, as many as one asks for."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pinn.base.messages import check_name
from pinn.fields.elsewhere import Place, Rule
from pinn.geometry import Points
from pinn.geometry.sampling import FEW
from pinn.physics.problem import Problem

# Points at first, by how many coordinates run; in more, quasi-random ones.
FIRST = {0: 1, 1: 256, 2: 2304, 3: 8000, 4: 20736}
MANY = 2**14
COPIES = 7  # of a single point, which would be taken for a constant


@dataclass(frozen=True, eq=False)
class Quadrature:
    """Points of a region, and how a number is taken over them.

    Args:
        points: in float64, with normals and columns: NaN where the region has none.
        rule: measure and weights.
    """

    points: Points
    rule: Rule

    def to(self, like: Tensor) -> "Quadrature":
        """The same in the precision and on the device of a tensor."""
        points = self.points.to(like)
        return Quadrature(points, Rule(self.rule.measure, points.weights))


def quadrature(problem: Problem, place: Place, level: int = 0) -> Quadrature:
    """A quadrature over a region, or the single point of a place.

    Gauss points wherever the region has a rule; in more than four coordinates 16,384 Sobol points.

    Args:
        problem: whose.
        place: where.
        level: every further one doubles the number of points.

    Raises:
        ValueError: there is no such region, instant or point.
    """
    geometry = problem.geometry
    if place.point:
        return at_point(problem, place)
    if place == Place():  # where a method begins that has not named a region yet
        return Quadrature(filled(problem, geometry.sample("interior", COPIES)), Rule())
    check_name(place.region, geometry.regions, f"the integral or mean {place}")
    running = len(geometry.coordinates) - (place.region != "interior")
    first, method = FIRST.get(running, MANY), "gauss" if running <= FEW else "sobol"
    points = geometry.sample(place.region, first << level, method)
    measure = None if geometry.is_measured(place.region) else geometry.measure(place.region)
    if place.instant is not None:
        points, duration = at_instant(problem, place, points)
        measure = None if measure is None else measure / duration
    return Quadrature(filled(problem, points), Rule(measure, points.weights))


def at_point(problem: Problem, place: Place) -> Quadrature:
    """A single point."""
    names, at = problem.coordinates, torch.tensor([place.point], dtype=torch.float64)
    if at.shape[1] != len(names):
        raise ValueError(f"value {place}: give {len(names)} coordinates, ({', '.join(names)})")
    if not bool(problem.geometry.contains(at, slack=1e-6)):
        raise ValueError(f"value {place}: the point lies outside of {problem.geometry!r}")
    return Quadrature(filled(problem, Points(at.repeat(COPIES, 1))), Rule())


def at_instant(problem: Problem, place: Place, points: Points) -> tuple[Points, float]:
    """Points of a region at one instant, and the duration of all of it."""
    geometry, time, instant = problem.geometry, problem.geometry.coordinates.time, place.instant
    if time is None or instant is None:
        raise ValueError(f"the integral or mean {place}: the problem has no time")
    low, high = geometry.lower[time], geometry.upper[time]
    if not low <= instant <= high:
        raise ValueError(f"the integral or mean {place}: the time runs from {low:g} to {high:g}")
    if place.region in ("initial", "final"):
        raise ValueError(f"the integral or mean {place}, which is an instant: leave out t=")
    at = points.at.clone()
    at[:, time] = instant
    return Points(at, points.normal, points.columns, points.weights), high - low


def filled(problem: Problem, points: Points) -> Points:
    """The points with NaN for what they lack of a normal and of measured data."""
    n, space = len(points), len(problem.geometry.coordinates.space)
    nothing = points.at.new_full((n, space), torch.nan)
    columns = dict.fromkeys(problem.columns, nothing[:, 0]) | points.columns
    return Points(points.at, nothing if points.normal is None else points.normal, columns,
                  points.weights)  # fmt: skip
