"""Differential operators on fields, in the field's notation.

Conventions:  grad(u)[…, i, j] = ∂uᵢ/∂xⱼ;  spatial operators skip time;  advect(u, f) = (u·∇)f.
Each returns a field one or two orders lower, so that `div(nu * grad(u))` is the Leibniz rule.
"""

from typing import cast

import torch

from pinn.algebra.channels import differentiated, first, laplace
from pinn.algebra.series import carries, derivative
from pinn.fields import Field, derived, partial, vector


def grad(f: Field) -> Field:
    """∇f:  (N,) → (N, D),  (N, C) → (N, C, D) with [i, j] = ∂fᵢ/∂xⱼ, over space only."""
    slopes = [partial(f, j) for j in f.coordinates.space]
    return cast(Field, torch.stack(slopes, dim=-1))  # type: ignore[arg-type]


def dt(f: Field) -> Field:
    """∂f/∂t, shaped like f.

    Raises:
        ValueError: the problem has no time coordinate.
    """
    if f.coordinates.time is None:
        raise ValueError(f"dt of {f.name!r}: there is no time among {f.coordinates.names}")
    return partial(f, f.coordinates.time)


def div(f: Field) -> Field:
    """∇·f = Σᵢ ∂fᵢ/∂xᵢ:  (N, D) → (N,);  over the last index of a tensor, (N, C, D) → (N, C).

    In one dimension a scalar field counts as its own component.

    Raises:
        ValueError: the last axis is not as long as there are space coordinates.
    """
    space = f.coordinates.space
    if len(space) == 1 and f.ndim == 1:
        return partial(f, space[0])
    if f.ndim < 2 or f.shape[-1] != len(space):
        raise ValueError(
            f"div of {f.name!r}, shape {tuple(f.shape)}: the last axis must have one component "
            f"per space coordinate ({len(space)})"
        )
    terms = [partial(f[..., k], i) for k, i in enumerate(space)]
    return sum(terms[1:], start=terms[0])


def laplacian(f: Field) -> Field:
    """∇²f = Σᵢ ∂²f/∂xᵢ², component by component, shaped like f; `grad` of it is of third order."""
    channel = laplace(f.coordinates.space)
    higher = {first(i): differentiated(channel, i) for i in range(len(f.coordinates))}
    streams = {c: derivative(f.streams, h) for c, h in higher.items() if carries(f.streams, h)}
    return derived(f, f.stream(channel), streams, 2)


def advect(u: Field, f: Field) -> Field:
    """(u·∇)f = Σⱼ uⱼ ∂f/∂xⱼ, shaped like f; u is (N, D), or (N,) in one dimension."""
    space = f.coordinates.space
    if u.ndim == 1 and len(space) == 1:
        return u * partial(f, space[0])
    if u.ndim != 2 or u.shape[-1] != len(space):
        raise ValueError(
            f"advect by {u.name!r}, shape {tuple(u.shape)}: the velocity needs one component per "
            f"space coordinate ({len(space)})"
        )
    terms = [u[..., k] * partial(f, j) for k, j in enumerate(space)]
    return sum(terms[1:], start=terms[0])


def curl(u: Field) -> Field:
    """∇×u:  in 2-D the scalar ∂v/∂x − ∂u/∂y (N,);  in 3-D the vector (N, 3)."""
    space = u.coordinates.space
    if u.ndim != 2 or u.shape[-1] != len(space) or len(space) not in (2, 3):
        raise ValueError(
            f"curl of {u.name!r}, shape {tuple(u.shape)}: it needs a vector in 2 or 3 dimensions"
        )

    def rotation(i: int, j: int) -> Field:
        return partial(u[..., j], space[i]) - partial(u[..., i], space[j])

    if len(space) == 2:
        return rotation(0, 1)
    return cast(Field, vector(rotation(1, 2), rotation(2, 0), rotation(0, 1)))
