"""From residuals to a number:  L_k = mean over points of w(x) |r_k(x)|²."""

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from pinn.base.messages import check_name
from pinn.base.transfers import sent, sent_once
from pinn.fields.elsewhere import Place, Rule, touring
from pinn.fields.integrals import Known, over
from pinn.geometry import Points
from pinn.objective.other_regions import numbers_elsewhere
from pinn.physics.explanation import calling
from pinn.physics.problem import Fields, Problem
from pinn.physics.return_values import point_weights
from pinn.solution.plans import RegionPlan
from pinn.solution.quadrature import Quadrature
from pinn.solution.solution import Solution


def region_residuals(
    solution: Solution,
    region: str,
    points: Points,
    plan: RegionPlan,
    rules: Mapping[Place, Quadrature] | None = None,
) -> dict[str, Tensor]:
    """r_k of every residual of a region, (N,) or (N, C): one evaluation of the networks.

    Args:
        solution: the problem with its networks.
        region: where the points lie.
        points: of it.
        plan: of it.
        rules: those of the plan, in the precision of the points.
    """
    problem = solution.problem
    rules = {p: rule.to(points.at) for p, rule in plan.rules.items()} if rules is None else rules
    numbers = numbers_elsewhere(solution, plan, rules)
    unknowns, at = solution.fields(points.at, plan.networks)
    partners = {
        name: solution.fields(moved(points.at, shift), plan.networks)[0]
        for name, shift in plan.shifts.items()
    }
    measured = problem.geometry.is_measured(region)
    values: dict[str, Tensor] = {}
    with over(None if measured else problem.geometry.measure(region), points.weights):
        for residual in problem.residuals:
            if region in residual.regions:
                with touring(Known(numbers.get(residual.name, ()))):
                    other = partners.get(residual.name)
                    value = problem.evaluate(residual, unknowns, at, points, other)
                values[residual.name] = trainable(value, unknowns)
    return values


def moved(at: Tensor, shift: Sequence[float]) -> Tensor:
    """Points (N, D) moved by a constant."""
    return torch.stack([x + d for x, d in zip(at.unbind(-1), shift, strict=True)], -1)


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
    by_name: dict[str, dict[str, Tensor]] = {r.name: {} for r in solution.problem.residuals}
    for region, plan in plans.items():
        for name, value in region_residuals(solution, region, points[region], plan).items():
            by_name[name][region] = value
    return by_name


def weigh(solution: Solution, region: str, points: Points, residual: Tensor) -> Tensor:
    """√w r; in w are the problem's importance, the points' own, and their quadrature weights."""
    problem = solution.problem
    with calling(f"{type(problem).__name__}.importance"):
        given = problem.importance(region, points.at)
    importance = point_weights(problem, region, given, points.at)
    for weight in (importance, points.importance, points.weights):
        if weight is not None:
            residual = residual * weight.sqrt().reshape(-1, *[1] * (residual.ndim - 1))
    return residual


def squared_norm(residual: Tensor) -> Tensor:
    """|r|² per point, (N,) from (N,) or (N, C)."""
    squares = residual * residual
    return squares if squares.ndim == 1 else squares.flatten(1).sum(-1)


class RegionResiduals(nn.Module):
    """√w r_k of all residuals of one region, in order."""

    def __init__(self, solution: Solution, region: str, plan: RegionPlan) -> None:
        super().__init__()
        self.solution, self.region, self.plan = solution, region, plan
        for place, rule in enumerate(plan.rules.values()):
            for number, tensor in enumerate(rule.points.tensors):
                self.register_buffer(f"rule_{place}_{number}", tensor, persistent=False)

    def in_place(self, like: Tensor) -> Self:
        """This module, the points of other regions in a precision and on a device."""
        for place, rule in enumerate(self.plan.rules.values()):
            for number, tensor in enumerate(rule.points.tensors):
                name = f"rule_{place}_{number}"
                buffer = getattr(self, name)
                if (buffer.dtype, buffer.device) != (like.dtype, like.device):
                    setattr(self, name, sent(tensor, like))  # a buffer may have lost digits
        return self

    def rules(self, like: Tensor) -> dict[Place, Quadrature]:
        """The points of other regions, as buffers: a recorded graph reads them as arguments."""
        rules = {}
        for number, (place, rule) in enumerate(self.plan.rules.items()):
            count = len(rule.points.tensors)
            held = [getattr(self, f"rule_{number}_{k}") for k in range(count)]
            points = rule.points.replaced(held)
            rules[place] = Quadrature(points, Rule(rule.rule.measure, points.weights)).to(like)
        return rules

    def forward(self, points: Points) -> list[Tensor]:
        """(N,) or (N, C) of each residual."""
        rules = self.rules(points.at)
        values = region_residuals(self.solution, self.region, points, self.plan, rules).values()
        return [weigh(self.solution, self.region, points, value) for value in values]


def squares(values: Sequence[Tensor]) -> Tensor:
    """Σ w |r_k|² (K,) over the points."""
    return torch.stack([squared_norm(value).sum() for value in values])


def side_by_side(values: Sequence[Tensor], scales: Tensor) -> Tensor:
    """(N, K) with the components of all residuals, each times its scale."""
    parts = [scale * value for scale, value in zip(scales, values, strict=True)]
    return torch.cat([p.flatten(1) if p.ndim > 1 else p.unsqueeze(1) for p in parts], 1)


def counts(points: Mapping[str, Points], plans: Mapping[str, RegionPlan]) -> dict[str, float]:
    """How many points each residual is averaged over, those of all its regions together."""
    numbers: dict[str, float] = {}
    for region, plan in plans.items():
        for name in plan.reads:
            numbers[name] = numbers.get(name, 0.0) + points[region].counted
    return numbers


def scales_of(
    plans: Mapping[str, RegionPlan],
    points: Mapping[str, Points],
    weights: Mapping[str, float],
    share: float = 1.0,
    power: float = 1.0,
) -> dict[str, Tensor]:
    """(share λ_k / N_k)^power of the residuals of every region, in order."""
    numbers = counts(points, plans)
    return {
        region: sent_once(
            tuple((share * weights[n] / numbers[n]) ** power for n in plan.reads),
            points[region].at.dtype,
            points[region].at.device,
        )
        for region, plan in plans.items()
    }


def residual_losses(
    solution: Solution, points: Mapping[str, Points], plans: Mapping[str, RegionPlan]
) -> dict[str, Tensor]:
    """L_k of every residual, the mean taken over the points of all its regions."""
    numbers = counts(points, plans)
    losses: dict[str, Tensor] = {}
    for region, plan in plans.items():
        sums = squares(RegionResiduals(solution, region, plan)(points[region]))
        for name, total in zip(plan.reads, sums, strict=True):
            mean = total / numbers[name]
            losses[name] = losses[name] + mean if name in losses else mean
    return {residual.name: losses[residual.name] for residual in solution.problem.residuals}


def checked_weights(problem: Problem, weights: Mapping[str, float]) -> dict[str, float]:
    """λ_k for every residual."""
    names = [residual.name for residual in problem.residuals]
    for name, weight in weights.items():
        check_name(name, names, f"a weight is given for residual {name!r}")
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
