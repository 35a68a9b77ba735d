"""From residuals to a number:  L_k = mean over points of w(x) |r_k(x)|²."""

from collections.abc import Mapping

import torch
from torch import Tensor

from pinn.explanation import calling
from pinn.geometry import Points
from pinn.integrals import over
from pinn.messages import near_miss
from pinn.problem import Fields, Problem
from pinn.reads import RegionPlan
from pinn.returned import point_weights
from pinn.solution import Solution


def region_residuals(
    solution: Solution, region: str, points: Points, plan: RegionPlan
) -> dict[str, Tensor]:
    """r_k of every residual of a region, (N,) or (N, C): one evaluation of the networks."""
    problem = solution.problem
    unknowns, at = solution.fields(points.at, plan.networks)
    measured = problem.geometry.is_measured(region)
    with over(None if measured else problem.geometry.measure(region), points.weights):
        return {
            residual.name: trainable(problem.evaluate(residual, unknowns, at, points), unknowns)
            for residual in problem.residuals
            if region in residual.regions
        }


def trainable(residual: Tensor, unknowns: Fields) -> Tensor:
    """The residual, with a gradient of zero where it has none, as ∇² of a linear network."""
    if residual.requires_grad or not torch.is_grad_enabled():
        return residual
    value = next(iter(unknowns.values())).value
    nothing = 0 * value.flatten(1).sum(-1) if value.ndim > 1 else 0 * value
    return residual + nothing.reshape(-1, *[1] * (residual.ndim - 1))


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


def weigh(solution: Solution, region: str, points: Points, residual: Tensor) -> Tensor:
    """√w r, with the problem's importance and the points' quadrature weights in w."""
    problem = solution.problem
    with calling(f"{type(problem).__name__}.importance"):
        found = problem.importance(region, points.at)
    importance = point_weights(problem, region, found, points.at)
    for weight in (importance, points.weights):
        if weight is not None:
            residual = residual * weight.sqrt().reshape(-1, *[1] * (residual.ndim - 1))
    return residual


def squared_norm(residual: Tensor) -> Tensor:
    """|r|² per point, (N,) from (N,) or (N, C)."""
    squares = residual * residual
    return squares if squares.ndim == 1 else squares.flatten(1).sum(-1)


def region_sums(
    solution: Solution, region: str, points: Points, plan: RegionPlan
) -> dict[str, Tensor]:
    """Σ w(x) |r_k(x)|² over points of a region, per residual; sums over parts of it add up."""
    return {
        name: squared_norm(weigh(solution, region, points, value)).sum()
        for name, value in region_residuals(solution, region, points, plan).items()
    }


def counts(points: Mapping[str, Points], plans: Mapping[str, RegionPlan]) -> dict[str, int]:
    """How many points each residual is averaged over, those of all its regions together."""
    found: dict[str, int] = {}
    for region, plan in plans.items():
        for name in plan.reads:
            found[name] = found.get(name, 0) + len(points[region])
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


def checked_weights(problem: Problem, weights: Mapping[str, float]) -> dict[str, float]:
    """λ_k for every residual."""
    names = [residual.name for residual in problem.residuals]
    for name, weight in weights.items():
        if name not in names:
            raise ValueError(f"a weight is given for residual {name!r}: {near_miss(name, names)}")
        if getattr(weight, "requires_grad", False):
            raise ValueError(
                f"weight of {name!r} is a trained parameter, and training would make it zero: give "
                "a number, or let balance choose it"
            )
        if not 0 <= weight < torch.inf:
            raise ValueError(f"weight of {name!r} is {weight}: expected a finite number ≥ 0")
    if all(weights.get(name, 1.0) == 0 for name in names):
        raise ValueError("model.weights are all 0: there is nothing to minimise")
    return {name: float(weights.get(name, 1.0)) for name in names}
