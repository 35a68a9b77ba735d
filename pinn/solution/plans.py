"""What each residual reads: a dry run before the first step.

Each residual is called once on fields whose every derivative is a separate leaf of the autograd
graph. The derivatives that its result depends on, structurally and not by value, are what it
reads; their union over a region's residuals is the region's plan, one evaluation per step.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial, reduce
from operator import or_

import torch

from pinn.algebra.channels import Plan
from pinn.checking.autograd_graph import leaves
from pinn.dry_run.coupling import couplings
from pinn.dry_run.detached import hides
from pinn.dry_run.energy import looks_like_energy
from pinn.dry_run.leaves import as_needed, dry_run, places, raw_leaves, tensors_of
from pinn.fields.elsewhere import Place
from pinn.fields.integrals import over
from pinn.geometry import Points
from pinn.geometry.translation import translation
from pinn.physics.problem import Fields, Problem
from pinn.physics.residuals import Residual
from pinn.solution.quadrature import Quadrature, quadrature
from pinn.solution.quantities import check_quantities
from pinn.solution.representation import Plans
from pinn.solution.smoothness import check_curvature
from pinn.solution.solution import Solution


@dataclass(frozen=True)
class RegionPlan:
    """The derivatives that the residuals of a region read.

    Args:
        reads: residual name → unknown → plan, as the residual sees it.
        networks: network name → plan, what one evaluation has to produce.
        averaged: the residuals that read a `mean` or an `integral`.
        coupled: the residuals that see the other points in another way.
        hidden: the residuals of which training does not see a part, as under `.detach()`.
        energies: those that look like the density of an energy.
        elsewhere: residual → the places besides the region that it takes numbers at, in order.
        rules: the points of each of these places.
        shifts: residual → where its partners are, from the points of the region.
    """

    reads: dict[str, dict[str, Plan]]
    networks: Plans
    averaged: tuple[str, ...] = ()
    coupled: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    energies: tuple[str, ...] = ()
    elsewhere: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)
    rules: Mapping[Place, Quadrature] = field(default_factory=dict)
    shifts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether the points of the region have to be evaluated together."""
        return bool(self.averaged or self.coupled)


def plan_regions(solution: Solution) -> dict[str, RegionPlan]:
    """The plan of every region.

    Raises:
        ValueError: a residual reads no unknown at all, so that training could not change it, or a
            network whose derivatives are zero everywhere, or a quantity is no number.
    """
    problem = solution.problem
    plans = problem.in_double(lambda: {r: plan_region(solution, r) for r in problem.regions()})
    check_curvature(solution, plans_together(plans))
    check_quantities(solution)
    return plans


def plans_together(plans: Mapping[str, RegionPlan]) -> dict[str, Plan]:
    """Per network, what the residuals of all regions need."""
    every = [plan.networks for plan in plans.values()]
    return {name: reduce(or_, (networks[name] for networks in every)) for name in every[0]}


def plan_region(solution: Solution, region: str) -> RegionPlan:
    """The plan of one region."""
    problem = solution.problem
    points = problem.geometry.sample(region, 4)
    residuals = [r for r in problem.residuals if region in r.regions]
    measured = problem.geometry.is_measured(region)
    with over(None if measured else problem.geometry.measure(region), None):
        orders = [as_needed(partial(check_shape, problem, r, region)) for r in residuals]
        reads = {r.name: as_needed(partial(read, problem, r, points, False)) for r in residuals}
        hidden = [r.name for r in residuals if as_needed(partial(hides, problem, r, points))]
        inside = residuals if region == "interior" else []
        energies = [r.name for r in inside if looks_like_energy(problem, r, reads[r.name], points)]
        raw = [as_needed(partial(read, problem, r, points, True)) for r in residuals]
        others = {r.name: tuple(as_needed(partial(places, problem, r, points))) for r in residuals}
    rules = {p: rule_of(problem, name, p) for name, each in others.items() for p in each}
    coupled = {r.name: as_needed(partial(couplings, problem, r, region)) for r in residuals}
    networks = {}
    for network in solution.networks:
        plans = (read.get(name, Plan()) for name in solution.widths(network) for read in raw)
        plan = reduce(or_, plans, Plan())
        known = max(orders, default=0)
        networks[network] = plan | Plan(coordinates=known * (known > max(plan.order, 2)))
    averaged, bound = (tuple(n for n, c in coupled.items() if c[k]) for k in (0, 1))
    elsewhere = {name: each for name, each in others.items() if each}
    shifts = {
        r.name: translation(problem.geometry, region, r.partner) for r in residuals if r.partner
    }
    more = elsewhere, rules, shifts
    return RegionPlan(reads, networks, averaged, bound, tuple(hidden), tuple(energies), *more)


def rule_of(problem: Problem, residual: str, place: Place) -> Quadrature:
    """The points of a place that a residual takes a number at.

    Raises:
        ValueError: there is no such place.
    """
    fixed = {name for name, _ in place.fixed}
    for name in problem.ranges:
        if name not in fixed and not place.point:
            raise ValueError(
                f"residual {residual!r}: the integral or mean {place} would be over all values of "
                f"{name!r}, and not at that of the point: write it in a problem with one value"
            )
    try:
        return quadrature(problem, place)
    except ValueError as error:
        raise ValueError(f"residual {residual!r}: {error}") from error


def unread_parameters(solution: Solution) -> tuple[str, ...]:
    """The problem's trained parameters that reach no residual, as `float(self.k)` does not."""
    problem = solution.problem

    def unread() -> tuple[str, ...]:
        left = {name: p for name, p in problem.named_parameters() if p.requires_grad}
        for residual, region in ((r, region) for r in problem.residuals for region in r.regions):
            if left:
                points = problem.geometry.sample(region, 4)
                values = as_needed(partial(raw_run, problem, residual, points))[1]
                slopes = torch.autograd.grad(values.sum(), [*left.values()], allow_unused=True)
                left = {n: left[n] for n, slope in zip(left, slopes, strict=True) if slope is None}
        return tuple(left)

    # A validation runs without gradients.
    with torch.inference_mode(False), torch.enable_grad():
        return problem.in_double(unread)


def raw_run(
    problem: Problem, residual: Residual, points: Points, highest: int
) -> tuple[Fields, torch.Tensor]:
    """A dry run through the ansatz."""
    return dry_run(problem, residual, points, highest, raw_leaves(problem, points, highest))


def read(
    problem: Problem, residual: Residual, points: Points, through_ansatz: bool, highest: int
) -> dict[str, Plan]:
    """What one residual reads of each unknown, or of each raw network output."""
    run = raw_run if through_ansatz else dry_run
    fields, result = run(problem, residual, points, highest)
    if not result.requires_grad:
        raise ValueError(f"residual {residual.name!r} reads no unknown: training cannot reduce it")
    keys = [(name, c) for name, field in fields.items() for c in (None, *field.streams)]
    tensors = tensors_of(fields)
    check_held(residual, result, [*tensors, *problem.parameters()])
    gradients = torch.autograd.grad(result.sum(), tensors, allow_unused=True)
    reads: dict[str, Plan] = {}
    for (name, channel), gradient in zip(keys, gradients, strict=True):
        if gradient is not None:
            if channel is None and not through_ansatz and not residual.partner:
                check_gauge(problem, residual, name)
            reads[name] = reads.get(name, Plan()) | Plan(() if channel is None else (channel,))
    return reads


def check_held(residual: Residual, result: torch.Tensor, known: list[torch.Tensor]) -> None:
    """Refuse a trained tensor that no optimiser sees, as in a list or outside of the problem.

    Raises:
        ValueError: the residual reads one.
    """
    held = {id(tensor) for tensor in known}
    for leaf in leaves(result):
        if isinstance(leaf, torch.nn.Parameter) and id(leaf) not in held:
            raise ValueError(
                f"residual {residual.name!r} reads a parameter of shape {tuple(leaf.shape)} that "
                "the problem does not hold, so it would never be trained: write self.k = "
                "nn.Parameter(…) for one, nn.ParameterList([…]) or nn.ParameterDict({…}) for "
                "several, and k.requires_grad_(False) for a constant"
            )


def check_gauge(problem: Problem, residual: Residual, unknown: str) -> None:
    """Refuse a gauge that would shift a value which the equations fix.

    Raises:
        ValueError: the residual reads the value of a gauged unknown.
    """
    gauge = problem.gauges.get(unknown, "free")
    if gauge != "free":
        raise ValueError(
            f"residual {residual.name!r} reads the value of {unknown!r}, which the gauge "
            f"{gauge!r} would shift: set the gauge of {unknown!r} to 'free'"
        )


def check_shape(problem: Problem, residual: Residual, region: str, highest: int) -> int:
    """Refuse a residual whose shape at a point depends on how many points there are.

    Returns:
        The order of differentiation that it was tried with.

    Raises:
        ValueError: it does, as (N, N) from (N, 1) beside (N,) would.
    """
    samples = (problem.geometry.sample(region, n) for n in (4, 5))
    of_4, of_5 = (dry_run(problem, residual, points, highest)[1].shape for points in samples)
    if of_4[1:] != of_5[1:]:
        raise ValueError(
            f"residual {residual.name!r} returns {tuple(of_4)} and {tuple(of_5)} for 4 and 5 "
            "points: return one value, or one vector, per point"
        )
    return highest
