"""From residuals to a number:  L_k = mean over points of w(x) |r_k(x)|²."""

from collections.abc import Mapping

from torch import Tensor

from pinn.geometry import Points
from pinn.reads import RegionPlan
from pinn.solution import Solution


def region_residuals(
    solution: Solution, region: str, points: Points, plan: RegionPlan
) -> dict[str, Tensor]:
    """r_k of every residual of a region, (N,) or (N, C): one evaluation of the networks."""
    problem = solution.problem
    unknowns, at = solution.fields(points.at, plan.networks)
    return {
        residual.name: problem.evaluate(residual, unknowns, at, points)
        for residual in problem.residuals
        if region in residual.regions
    }


def residual_values(
    solution: Solution, points: Mapping[str, Points], plans: Mapping[str, RegionPlan]
) -> dict[str, dict[str, Tensor]]:
    """r_k on each of its regions: one evaluation of the networks per region.

    Returns:
        residual → region → (N,) or (N, C).
    """
    found: dict[str, dict[str, Tensor]] = {r.name: {} for r in solution.problem.residuals}
    for region, plan in plans.items():
        for name, value in region_residuals(solution, region, points[region], plan).items():
            found[name][region] = value
    return found


def squared_norm(residual: Tensor) -> Tensor:
    """|r|² per point, (N,) from (N,) or (N, C)."""
    squares = residual * residual
    return squares if squares.ndim == 1 else squares.flatten(1).sum(-1)


def region_sums(
    solution: Solution, region: str, points: Points, plan: RegionPlan
) -> dict[str, Tensor]:
    """Σ w(x) |r_k(x)|² over points of a region, per residual; sums over parts of it add up."""
    importance = solution.problem.importance(region, points.at)
    sums = {}
    for name, value in region_residuals(solution, region, points, plan).items():
        squared = squared_norm(value)
        sums[name] = (squared if importance is None else importance * squared).sum()
    return sums


def counts(points: Mapping[str, Points], plans: Mapping[str, RegionPlan]) -> dict[str, int]:
    """How many points each residual is averaged over, those of all its regions together."""
    found: dict[str, int] = {}
    for region, plan in plans.items():
        for name in plan.reads:
            found[name] = found.get(name, 0) + len(points[region].at)
    return found


def residual_losses(
    solution: Solution, points: Mapping[str, Points], plans: Mapping[str, RegionPlan]
) -> dict[str, Tensor]:
    """L_k of every residual, the mean taken over the points of all its regions."""
    numbers = counts(points, plans)
    losses: dict[str, Tensor] = {}
    for region, plan in plans.items():
        for name, total in region_sums(solution, region, points[region], plan).items():
            mean = total / numbers[name]
            losses[name] = losses[name] + mean if name in losses else mean
    return {residual.name: losses[residual.name] for residual in solution.problem.residuals}
