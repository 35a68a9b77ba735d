"""How large an equation of higher than second order is beside its conditions.

    s = Σ |∂r/∂(∂ᵏu)| Π 4/L,   over the derivatives of order k > 2;   λ = 1/s² where s > 1

At a degree of 14 a row of ∇⁴ is 10⁸ times as large as one of a value: beside it the conditions
would be rounding, and the solution open.
"""

from collections.abc import Mapping

import torch

from pinn.algebra.channels import order
from pinn.objective.local_least_squares import LocalLeastSquares
from pinn.objective.objective import Objective
from pinn.objective.sites import Placed, handed_out
from pinn.physics.problem import Problem

PARTS = 4  # of a length of the domain, over which a solution varies
HIGH = 2  # order up to which equations count as they are
POINTS = 16


def weighed(
    objective: Objective, weights: Mapping[str, float] | None, accuracy: float | None
) -> dict[str, float]:
    """The weights that are given; where an accuracy is, those of high order beside them."""
    given = dict(weights or {})
    return given if accuracy is None else high_order_weights(objective, given) | given


@torch.no_grad()
def high_order_weights(objective: Objective, given: Mapping[str, float]) -> dict[str, float]:
    """Residual → 1/s² for those of high order that no weight is given for.

    Raises:
        ValueError: a residual sees all points of its region, which no block of patches can.
    """
    problem, plans = objective.solution.problem, objective.plans
    system = LocalLeastSquares(objective)
    for region, plan in plans.items():
        if plan.is_whole:
            raise ValueError(
                f"model.accuracy is given, and {(*plan.averaged, *plan.coupled)[0]!r} reads all "
                f"points of {region!r}, as a mean or integral: give network and phases instead"
            )
    points = {region: problem.geometry.sample(region, POINTS) for region in plans}
    like = next(objective.solution.parameters())
    system.place(
        {region: some.to(like) for region, some in points.items()},
        dict.fromkeys(objective.order, 1.0),
    )
    weights = dict[str, float]()
    for region, placed in system.placed.items():
        sizes = high_order_sizes(system, problem, region, placed)
        for name, size in sizes.items():
            if name not in given and size > 1:
                weights[name] = min(weights.get(name, 1.0), size**-2)
    return weights


def high_order_sizes(
    system: LocalLeastSquares, problem: Problem, region: str, placed: Placed
) -> dict[str, float]:
    """Residual → s."""
    slopes, _, rows = system.slopes(region, placed)
    lengths = [u - lo for lo, u in zip(problem.geometry.lower, problem.geometry.upper, strict=True)]
    total = rows.new_zeros(rows.shape[1])
    for site, slope in zip(placed.sites, slopes, strict=True):
        for number, channel in enumerate(site.plan.channels, 1):
            if order(channel) > HIGH:
                factor = 1.0
                for axis in channel[0]:
                    factor *= PARTS / lengths[axis]
                total += len(channel) * factor * slope[:, number].abs().amax((1, 2))
    values = system.values_by(region, placed.points, handed_out(system.outputs(placed)))
    names, widths = system.objective.plans[region].reads, [v[0].numel() for v in values]
    scaled = zip(names, total.split(widths), system.scales[region], strict=True)
    return {name: float(part.max() / scale) for name, part, scale in scaled}
