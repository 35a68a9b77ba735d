"""Differential operators on fields, in the field's notation.

Conventions:  grad(u)[…, i, j] = ∂uᵢ/∂xⱼ;  spatial operators skip time;  advect(u, f) = (u·∇)f.
A tuple of fields is taken as a vector, a tuple of tuples as a matrix by rows.
Each returns a field one or two orders lower, so that `div(nu * grad(u))` is the Leibniz rule.
"""

from numbers import Real
from typing import Any, cast

import torch
from torch import Tensor

from pinn.algebra.channels import Channel, above_laplace, laplace, order
from pinn.algebra.series import carries, derivative
from pinn.fields.constants import holds_series, is_nested
from pinn.fields.field import Field, as_field, derived, partial, vector
from pinn.geometry.coordinates import Coordinates


def grad(f: Any) -> Field:
    """∇f:  (N,) → (N, D),  (N, C) → (N, C, D) with [i, j] = ∂fᵢ/∂xⱼ, over space only."""
    f = as_field(f, "grad")
    slopes = [partial(f, j) for j in f.coordinates.space]
    return cast(Field, torch.stack(slopes, dim=-1))  # type: ignore[arg-type]


def dt(f: Any) -> Field:
    """∂f/∂t, shaped like f.

    Raises:
        ValueError: the problem has no time coordinate.
    """
    f = as_field(f, "dt")
    if f.coordinates.time is None:
        raise ValueError(f"dt of {f.name!r}: there is no time among {f.coordinates.names}")
    return partial(f, f.coordinates.time)


def div(f: Any) -> Field:
    """∇·f = Σᵢ ∂fᵢ/∂xᵢ:  (N, D) → (N,);  over the last index of a tensor, (N, C, D) → (N, C).

    In one dimension a scalar field counts as its own component.

    Raises:
        ValueError: the last axis is not as long as there are space coordinates.
    """
    f = as_field(f, "div")
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


def laplacian(f: Any) -> Field:
    """∇²f = Σᵢ ∂²f/∂xᵢ², component by component, shaped like f.

    `grad` of it is of third order; `laplacian` of it, ∇⁴f, is of fourth.
    """
    f = as_field(f, "laplacian")
    space = f.coordinates.space
    streams: dict[Channel, Tensor | None] = {}
    for n in {order(channel) for channel in f.streams} & {3, 4}:
        for c, above in above_laplace(space, len(f.coordinates), n).items():
            if carries(f.streams, above):
                streams[c] = derivative(f.streams, above)
    return derived(f, f.stream(laplace(space)), streams, 2)


def advect(u: Any, f: Any) -> Field:
    """(u·∇)f = Σⱼ uⱼ ∂f/∂xⱼ, shaped like f; u is (N, D), or (N,) in one dimension.

    A velocity that is the same everywhere is a tuple or a parameter (D,).
    """
    f = as_field(f, "advect")
    pairs = zip(velocity(u, f.coordinates), f.coordinates.space, strict=True)
    terms = [uj * partial(f, j) for uj, j in pairs]
    return sum(terms[1:], start=terms[0])


def velocity(u: Any, coordinates: Coordinates) -> list[Any]:
    """The components of a velocity, one per space coordinate.

    Raises:
        TypeError: it is no vector.
        ValueError: it has another number of components.
    """
    count = len(coordinates.space)
    constant = is_nested(u) and not holds_series(u)
    if count == 1 and not is_nested(u) and (isinstance(u, Real) or u.ndim < 2):
        return [u]
    if constant or (isinstance(u, Tensor) and u.ndim == 1):
        parts = list(u)
    else:
        u = as_field(u, "advect")
        parts = [u[:, k] for k in range(u.shape[1])] if u.ndim == 2 else []
    if len(parts) != count:
        name, shape = getattr(u, "name", "a constant"), tuple(getattr(u, "shape", (len(parts),)))
        raise ValueError(
            f"advect by {name!r}, shape {shape}: the velocity needs one component per "
            f"space coordinate ({count})"
        )
    return parts


def curl(u: Any) -> Field:
    """∇×u:  in 2-D the scalar ∂v/∂x − ∂u/∂y (N,);  in 3-D the vector (N, 3)."""
    u = as_field(u, "curl")
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
