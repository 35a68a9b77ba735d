"""From residuals to a number:  L_k = mean over points of w(x) |r_k(x)|²."""

from collections.abc import Mapping

import torch
from torch import Tensor

from pinn.geometry import Points
from pinn.reads import RegionPlan
from pinn.solution import Solution


def residual_values(
    solution: Solution, points: Mapping[str, Points], plans: Mapping[str, RegionPlan]
) -> dict[str, dict[str, Tensor]]:
    """r_k on each of its regions: one evaluation of the networks per region.

    Returns:
        residual → region → (N,) or (N, C).
    """
    problem = solution.problem
    found: dict[str, dict[str, Tensor]] = {residual.name: {} for residual in problem.residuals}
    for region, plan in plans.items():
        unknowns, at = solution.fields(points[region].at, plan.networks)
        for residual in problem.residuals:
            if region in residual.regions:
                value = problem.evaluate(residual, unknowns, at, points[region])
                found[residual.name][region] = value
    return found


def squared_norm(residual: Tensor) -> Tensor:
    """|r|² per point, (N,) from (N,) or (N, C)."""
    squares = residual * residual
    return squares if squares.ndim == 1 else squares.flatten(1).sum(-1)


def residual_losses(
    solution: Solution, points: Mapping[str, Points], plans: Mapping[str, RegionPlan]
) -> dict[str, Tensor]:
    """L_k of every residual, the mean taken over the points of all its regions."""
    losses = {}
    for name, by_region in residual_values(solution, points, plans).items():
        squares = []
        for region, value in by_region.items():
            importance = solution.problem.importance(region, points[region].at)
            squared = squared_norm(value)
            squares.append(squared if importance is None else importance * squared)
        losses[name] = torch.cat(squares).mean()
    return losses
