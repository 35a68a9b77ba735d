"""Operators on plain functions: one evaluation, then any of them.

u = differentiate(f, x)
grad(u), div(u), curl(u), laplacian(u), advect(u, u)        without another evaluation
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from pinn.algebra.channels import (
    HIGHEST,
    Plan,
    above_laplace,
    bilaplace,
    every_channel,
    first,
    laplace,
)
from pinn.base.messages import one_of
from pinn.cache.tracing import in_transform, is_transformed, keeps_graph
from pinn.choosing.choice import NAMES, settled
from pinn.choosing.sample_step import Trial
from pinn.derivatives.evaluate import check_points, evaluate
from pinn.derivatives.outputs import Function
from pinn.fields.field import Field
from pinn.geometry.coordinates import Coordinates

USUAL = ("x", "y", "z")


def differentiate(
    f: Function,
    x: Tensor,
    order: int = 1,
    names: Sequence[str] | None = None,
    strategy: str = "auto",
    mixed: bool = True,
) -> Field:
    """f at the points x as a field with all its derivatives, from one evaluation.

    Args:
        f: maps points (N, D) to a scalar, (N,) or (N, 1), or to a vector: (N, C), or a tuple or
            dict of components.
        x: the points (N, D).
        order: the highest derivatives to carry: 1 for grad, div, curl and advect, 2 for laplacian
            and for operators of operators, 3 and 4 for operators of these.
        names: of the coordinates; a last one called `t` is time. By default x, y, z, or x1 … xD.
        strategy: as for `Divergence`.
        mixed: whether to carry all second derivatives, d(d + 1)/2 of them; False carries their sum
            ∇² alone, which is all that `laplacian` reads, of third order ∂ᵢ∇² and of fourth ∇⁴,
            with the lower ones that these need.

    Returns:
        A scalar field (N,) or a vector field (N, C).

    Raises:
        ValueError: x is not (N, D), f couples points, or the order is not offered.
        TypeError: x is integer or complex, or its dtype is not that of f's parameters.
    """
    if x.ndim != 2:
        raise ValueError(f"x has shape {tuple(x.shape)}: expected points (N, D); use .reshape")
    check_points(f, x)
    coordinates = Coordinates(tuple(names or usual_names(x.shape[-1])))
    if len(coordinates) != x.shape[-1]:
        raise ValueError(f"{len(coordinates)} names are given for {x.shape[-1]} coordinates")
    one_of("strategy", strategy, NAMES)
    plan = plan_of(order, coordinates, mixed)
    if is_transformed(x):
        chosen = in_transform(strategy)
    else:
        trial = Trial(columns(f), plan, keeps_graph())
        chosen = settled(f, trial, x, strategy, plan).decision.strategy
    jet = evaluate(columns(f), x, plan, chosen)
    part = jet[..., 0] if jet.shape[-1] == 1 else jet
    return Field(part.value, part.streams, coordinates, getattr(f, "__name__", "f"))


def plan_of(highest: int, coordinates: Coordinates, mixed: bool = True) -> Plan:
    """All derivatives up to an order; without mixed ones, beyond the first only those of ∇²."""
    if type(highest) is not int or highest not in range(1, HIGHEST + 1):
        raise ValueError(
            f"order is {highest!r}: expected a whole number from 1 to {HIGHEST}; for a higher "
            "derivative differentiate one, such as w = lambda x: laplacian(differentiate(f, x, "
            "order=2)).value"
        )
    count, space = len(coordinates), coordinates.space
    if mixed or not space:
        return Plan(every_channel(count, space, highest))
    channels = [first(i) for i in range(count)]
    channels += [laplace(space)] if highest > 1 else []
    channels += above_laplace(space, count, 3).values() if highest > 2 else ()
    channels += [bilaplace(space)] if highest > 3 else []
    return Plan(tuple(channels))


def columns(f: Function) -> Function:
    """f with a scalar result (N,) as one component."""

    def components(x: Any) -> Any:
        y = f(x)
        return (y,) if getattr(y, "ndim", None) == x.ndim - 1 else y

    return components


def usual_names(dimension: int) -> tuple[str, ...]:
    """x, y, z; beyond three dimensions x1, x2, …."""
    if dimension <= len(USUAL):
        return USUAL[:dimension]
    return tuple(f"x{i}" for i in range(1, dimension + 1))
