"""The points that a number over a region is taken at, as many as one asks for."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from pinn.base.messages import check_name
from pinn.fields.elsewhere import Place, Rule
from pinn.geometry import Geometry, Points
from pinn.geometry.regions import INSTANTS
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
    if place.point:
        return at_point(problem, place)
    geometry, name = problem.geometry, place.region
    if not name:  # where a method begins that has not named a region yet
        return Quadrature(filled(problem, geometry.sample("interior", COPIES)), Rule())
    check_name(name, geometry.regions, f"the integral or mean {place}")
    held = held_at(geometry, place)
    measured, boundary = held.is_measured(name), held.sample(name, 1).normal is not None
    space = len(geometry.coordinates.space)
    bounds = zip(held.lower[space:], held.upper[space:], strict=True)
    running = space - boundary + sum(low < high for low, high in bounds) - (name in INSTANTS)
    first, method = FIRST.get(running, MANY), "gauss" if running <= FEW else "sobol"
    points = held.sample(name, first << level, method)
    measure = None if measured else held.measure(name)
    return Quadrature(filled(problem, points), Rule(measure, points.weights))


def held_at(geometry: Geometry, place: Place) -> Geometry:
    """A geometry at fixed values of time and parameters.

    Raises:
        ValueError: one of them is no such coordinate, or out of range.
    """
    coordinates, where = geometry.coordinates, f"the integral or mean {place}"
    lower, upper = list(geometry.lower), list(geometry.upper)
    others = coordinates.names[len(coordinates.space) :]
    for name, value in place.fixed:
        if name not in others:
            known = f"only {', '.join(others)} can be" if others else "there is no time"
            raise ValueError(f"{where}: {name!r} cannot be fixed, {known}")
        if name == "t" and (place.region in INSTANTS or geometry.is_measured(place.region)):
            raise ValueError(f"{where}: the region has its own instants, leave out t=")
        column = coordinates.names.index(name)
        if not lower[column] <= value <= upper[column]:
            raise ValueError(f"{where}: {name} runs from {lower[column]:g} to {upper[column]:g}")
        lower[column] = upper[column] = float(value)
    held = copy.copy(geometry)
    held.lower, held.upper = tuple(lower), tuple(upper)
    return held


def at_point(problem: Problem, place: Place) -> Quadrature:
    """A single point; coordinates that are fixed may be left out.

    Raises:
        ValueError: it has another number of coordinates, or lies outside.
    """
    fixed, names, point = dict(place.fixed), problem.coordinates, place.point
    if len(point) < len(names):
        rest = iter(point)
        left = [name for name in names if name not in fixed]
        if len(left) == len(point):
            point = tuple(fixed[name] if name in fixed else next(rest) for name in names)
    if len(point) != len(names):
        raise ValueError(f"value {place}: give {len(names)} coordinates, ({', '.join(names)})")
    at = torch.tensor([point], dtype=torch.float64)
    if not bool(problem.geometry.contains(at, slack=1e-6)):
        raise ValueError(f"value {place}: the point lies outside of {problem.geometry!r}")
    return Quadrature(filled(problem, Points(at.repeat(COPIES, 1))), Rule())


def filled(problem: Problem, points: Points) -> Points:
    """The points with NaN for what they lack of a normal and of measured data."""
    n, space = len(points), len(problem.geometry.coordinates.space)
    nothing = points.at.new_full((n, space), torch.nan)
    columns = dict.fromkeys(problem.columns, nothing[:, 0]) | points.columns
    return Points(points.at, nothing if points.normal is None else points.normal, columns,
                  points.weights)  # fmt: skip
