"""Where a loss stops being a number: the residual, the region, the point and the expression."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from pinn.geometry import Points
from pinn.objective.losses import region_residuals, squared_norm, weigh
from pinn.physics.nonfinite_origin import Origin, backward_origin, origin
from pinn.solution.plans import RegionPlan
from pinn.solution.solution import Solution

TOGETHER = 2048  # points evaluated at a time
COPIES = 7  # of the point that is looked at: one alone could be taken for a constant
Plans = Mapping[str, RegionPlan]


class NonFiniteError(RuntimeError):
    """The loss, or its gradient, became NaN or infinite."""


@contextmanager
def explained(
    solution: Solution, plans: Plans, drawn: Callable[[], Mapping[str, Points]]
) -> Iterator[None]:
    """Run a step; least squares that are no numbers are said to be so by their cause.

    Args:
        solution: the problem with its networks.
        plans: what each region's residuals read.
        drawn: gives the points, which the step itself may draw.

    Raises:
        NonFiniteError: residuals or Jacobian are not finite; nothing has moved.
    """
    try:
        yield
    except FloatingPointError as error:
        raise NonFiniteError(diagnose(solution, plans, drawn()) or str(error)) from error


def diagnose(
    solution: Solution, plans: Plans, points: Mapping[str, Points], differentiated: bool = True
) -> str | None:
    """The first residual that is not finite at the weights as they are, in one line.

    Args:
        solution: the problem with its networks.
        plans: what each region's residuals read.
        points: where to look.
        differentiated: look at the gradient too.

    Returns:
        None where all is finite.
    """
    for name, parameter in solution.named_parameters():
        if not bool(parameter.isfinite().all()):
            return f"the weights {name} are not finite: lower the learning rate"
    for look in (faulty_value, faulty_gradient) if differentiated else (faulty_value,):
        for region, plan in plans.items():
            given = points[region]
            if given.weights is not None:  # a mean over points of weight 0 alone is 0/0
                given = given.select(given.weights > 0)
            for part in given.split(TOGETHER):
                if len(part) and (fault := look(solution, region, plan, part)):
                    return fault
    return None


def faulty_value(solution: Solution, region: str, plan: RegionPlan, points: Points) -> str | None:
    """The first residual of a region with a value that is not finite."""
    with torch.no_grad():
        residuals = region_residuals(solution, region, points, plan)
        weights = weigh(solution, region, points, torch.ones_like(points.at[:, 0]))
    if (k := first(weights)) is not None:
        given = solution.problem.importance(region, points.at[k : k + 1])
        return (
            f"{type(solution.problem).__name__}.importance is {shown(given)} at "
            f"{position(solution, points, k)} on {region!r}: it must be finite and not negative"
        )
    for name, values in residuals.items():
        squares = squared_norm(values)
        if (k := first(squares)) is None:
            continue
        where = f"at {position(solution, points, k)} on {region!r}"
        row = values[k]
        if bool(row.isfinite().all()):
            digits = str(values.dtype).removeprefix("torch.")
            return (
                f"residual {name!r} is {shown(row)} {where}, the square of which {digits} cannot "
                "hold: lower the learning rate, or scale the equation"
            )
        single = copies(points, k)
        with torch.enable_grad():
            cause = origin(partial(region_residuals, solution, region, single, plan))
        return f"residual {name!r} is {shown(row)} {where}{because(cause)}"
    return None


def faulty_gradient(
    solution: Solution, region: str, plan: RegionPlan, points: Points
) -> str | None:
    """The first residual of a region whose gradient to the weights is not finite at a point."""
    parameters = [p for p in solution.parameters() if p.requires_grad]

    def loss(points: Points, name: str) -> Tensor:
        return squared_norm(region_residuals(solution, region, points, plan)[name]).sum()

    def spoilt(points: Points, name: str) -> bool:
        with torch.enable_grad():
            value = loss(points, name)
            if not value.requires_grad:
                return False
            slopes = torch.autograd.grad(value, parameters, allow_unused=True)
        return any(s is not None and not bool(s.isfinite().all()) for s in slopes)

    for name in plan.reads:
        if not spoilt(points, name):
            continue
        low, high = 0, len(points)
        while high - low > 1:  # the half that has it, until one point is left
            middle = (low + high) // 2
            half = points.select(slice(low, middle))
            low, high = (low, middle) if spoilt(half, name) else (middle, high)
        where = f"at {position(solution, points, low)} on {region!r}"
        single = copies(points, low)
        cause = backward_origin(partial(loss, single, name), parameters)
        return f"the gradient of residual {name!r} is not finite {where}{because(cause)}"
    return None


def faulty_prediction(solution: Solution, at: Tensor) -> str | None:
    """The first unknown that is not finite at points (N, D), such as by its ansatz."""
    like = next(solution.parameters())
    at = at.to(like)
    for name, values in solution(at).items():
        if (k := first(values)) is not None:
            single = torch.cat([at[k : k + 1]] * COPIES)
            cause = origin(partial(solution.fields, single))
            where = position(solution, Points(at), k)
            return f"{name} is {shown(values[k])} at {where}{because(cause)}"
    return None


def copies(points: Points, k: int) -> Points:
    """One of the points, several times."""
    return points.select([k] * COPIES)


def first(values: Tensor) -> int | None:
    """The index of the first value that is not finite."""
    bad = ~values.detach().isfinite()
    return int(bad.nonzero()[0]) if bool(bad.any()) else None


def position(solution: Solution, points: Points, k: int) -> str:
    """The coordinates of a point, by name."""
    names = solution.problem.geometry.coordinates.names
    return ", ".join(f"{n} = {x:.6g}" for n, x in zip(names, points.at[k].tolist(), strict=True))


def shown(values: object) -> str:
    """A value or vector."""
    if not isinstance(values, Tensor):
        return str(values)
    numbers = [f"{float(v):.4g}" for v in values.detach().reshape(-1)]
    return numbers[0] if len(numbers) == 1 else f"({', '.join(numbers)})"


def because(cause: Origin | None) -> str:
    """A cause behind a statement."""
    return "" if cause is None else f": {cause}"
