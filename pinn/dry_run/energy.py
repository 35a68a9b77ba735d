"""Residuals that look like the density of an energy:  r = 0 at every point is not  min ∫ r.

Such a density is convex in the first derivatives of an unknown and reads no second ones, as
½ |∇u|² − f u does. Training makes r vanish at every point, which u = 0 may do.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from pinn.algebra.channels import Plan, first
from pinn.dry_run.leaves import dry_run
from pinn.geometry import Points
from pinn.physics.problem import Problem
from pinn.physics.residuals import Residual


def looks_like_energy(
    problem: Problem, residual: Residual, reads: Mapping[str, Plan], points: Points
) -> bool:
    """Whether ∂²r/∂(∂ᵢu)² > 0 in every direction for an unknown, with no higher derivative read.

    Args:
        problem: evaluated in float64.
        residual: one of its residuals.
        reads: unknown → the derivatives that it reads.
        points: a few points of its region.
    """
    space = tuple(first(i) for i in problem.geometry.coordinates.space)
    read = {channel for plan in reads.values() for channel in plan.channels}
    if not read or not read <= set(space):
        return False
    leaves, value = dry_run(problem, residual, points, 2)
    if value.ndim != 1:
        return False
    slopes = [[leaves[name].stream(c) for c in space] for name in reads if problem.is_scalar(name)]
    return any(all(is_convex(value, slope) for slope in each) for each in slopes)


def is_convex(value: Tensor, slope: Tensor) -> bool:
    """Whether ∂²r/∂s² > 0 at every point."""
    (bent,) = torch.autograd.grad(value.sum(), slope, create_graph=True, allow_unused=True)
    if bent is None or not bent.requires_grad:
        return False
    try:
        (second,) = torch.autograd.grad(bent.sum(), slope, retain_graph=True, allow_unused=True)
    except RuntimeError:  # torch lacks the second derivative of a function in it
        return False
    return second is not None and bool((second > 0).all())
