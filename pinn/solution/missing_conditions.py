"""Parts of a boundary on which no residual lives, such as a wall that was forgotten."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import order
from pinn.dry_run.leaves import as_needed, mapped, position, raw_leaves
from pinn.geometry import Points
from pinn.geometry.regions import NAMELESS
from pinn.geometry.sampling import unit_points
from pinn.networks.embeddings import shortest_periods
from pinn.physics.problem import Problem
from pinn.solution.plans import RegionPlan
from pinn.solution.solution import Solution

POINTS = 128  # of each part
SHARE = 0.02  # of a part: its points may miss as much
NEAR = 1e-6  # of the longest side


def missing_conditions(solution: Solution, plans: Mapping[str, RegionPlan]) -> list[str]:
    """The parts of the boundary without a condition, in words: `'cylinder'`, `40% of 'left'`.

    None where the equations are of first order, which need no condition on an outflow; where
    measured points stand in for all conditions; and none of those that a periodic embedding or the
    ansatz takes care of.
    """
    problem, geometry = solution.problem, solution.problem.geometry
    parts, own = set(geometry.shape.parts), plans.keys()
    partners = {r.partner for r in problem.residuals if r.partner}
    posed = {r for r in (*own, *partners) if is_boundary(geometry, r)}
    measured = any(map(geometry.is_measured, own))
    if not parts or not is_second_order(problem, plans) or (measured and not posed):
        return []
    periods = {name for name, _ in shortest_periods(solution)}
    return [*lacking(problem, posed, periods)]


def is_boundary(geometry: Any, region: str) -> bool:
    """Whether a region is some of the boundary."""
    try:
        geometry.distance(geometry.sample("interior", 1).at, region)
    except ValueError:
        return False
    return True


def is_second_order(problem: Problem, plans: Mapping[str, RegionPlan]) -> bool:
    """Whether an equation of the interior reads a second derivative in space."""
    space = set(problem.geometry.coordinates.space)
    reads = plans["interior"].reads.values() if "interior" in plans else ()
    channels = {c for by_name in reads for plan in by_name.values() for c in plan.channels}
    return any(order(c) > 1 and any(set(index) <= space for index in c) for c in channels)


def lacking(problem: Problem, posed: Iterable[str], periods: set[str]) -> Iterator[str]:
    """The parts that no region with a residual covers, and nothing else takes care of."""
    geometry, names = problem.geometry, problem.geometry.coordinates.names
    if "boundary" in posed:
        return
    sides = zip(geometry.lower, geometry.upper, strict=True)
    near = NEAR * max(high - low for low, high in sides)
    for name, part in geometry.shape.parts.items():
        place, normal, _ = part.place(unit_points(POINTS, part.running, "sobol", 0))
        if name in posed or not len(place):
            continue
        at = geometry.sample("interior", len(place)).at
        at[:, list(geometry.coordinates.space)] = place
        is_open = torch.ones(len(at), dtype=torch.bool)
        for region in posed:
            is_open &= geometry.distance(at, region) > near
        share = float(is_open.double().mean())
        across = {names[i] for i in range(place.shape[1]) if along(normal, i)}
        if share < SHARE or (across and across <= periods) or is_built_in(problem, at):
            continue
        shown = "the rest of the boundary" if name == NAMELESS else repr(name)
        yield shown if share > 1 - SHARE else f"{share:.0%} of {shown}"


def along(normal: Tensor | None, axis: int) -> bool:
    """Whether normals (N, d) point along an axis somewhere."""
    return normal is not None and bool((normal[:, axis].abs() > 1e-6).any())


def is_built_in(problem: Problem, at: Tensor) -> bool:
    """Whether the ansatz fixes a component at points (N, D), whatever the networks give."""
    if getattr(problem.ansatz, "__func__", None) is Problem.ansatz:
        return False

    def fixes(highest: int) -> bool:
        points = Points(at)
        raw, where = raw_leaves(problem, points, highest), position(problem, points, highest)
        both = []
        for given in (raw, mapped(raw, lambda leaf: 1.7 * leaf + 0.3)):
            fields = problem.represent(dict(given), where)
            both.append(problem.by_component({n: f.value for n, f in fields.items()}))
        return any(torch.allclose(both[0][n], both[1][n], rtol=0, atol=1e-9) for n in both[0])

    return problem.in_double(lambda: as_needed(fixes))
