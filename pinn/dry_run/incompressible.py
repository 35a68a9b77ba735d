"""Which residuals state that a velocity has no divergence:  r = Σᵢ ∂uᵢ/∂xᵢ.

A residual is recognised by its value on fields whose derivatives are independent random numbers.
"""

import torch
from torch import Tensor

from pinn.algebra.channels import first
from pinn.physics.problem import Fields, Problem


def velocity_of(problem: Problem, leaves: Fields, residual: Tensor) -> tuple[str, ...]:
    """The components u₁ … u_d whose divergence is the value of a residual, up to its sign.

    Args:
        problem: whose.
        leaves: the unknowns, see `leaf_fields`.
        residual: its values on them.

    Returns:
        One component per space coordinate; none where the residual is something else.
    """
    space = problem.geometry.coordinates.space
    if residual.ndim != 1 or not residual.requires_grad or len(space) < 2:
        return ()
    parts: list[str] = []
    divergence = torch.zeros_like(residual)
    for axis in space:
        slopes = {name: field.stream(first(axis)) for name, field in leaves.items()}
        tensors = list(slopes.values())
        gradients = torch.autograd.grad(
            residual.sum(), tensors, allow_unused=True, retain_graph=True, materialize_grads=True
        )
        weights = problem.by_component(dict(zip(slopes, gradients, strict=True)))
        read = [part for part, weight in weights.items() if weight.any()]
        if len(read) != 1:
            return ()
        parts += read
        divergence = divergence + problem.by_component(slopes)[read[0]]
    same = torch.allclose(residual.abs(), divergence.abs(), rtol=1e-12)
    return tuple(parts) if same else ()
