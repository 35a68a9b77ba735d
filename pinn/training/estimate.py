"""The error of a solution, of any networks, estimated through its residuals:

    error ≈ |δ|,   δ = Φ c,   min_c |r(u + δ)|²   at points that training does not see

A residual alone does not see every direction of the error. The correction δ that makes it vanish
does: it is the solution of the linearised problem. It is sought in spaces of local polynomials,
each finer than the one before; where the last two agree, it has converged.
"""

import copy
import math
import time
from collections.abc import Mapping

import torch
from torch import Tensor

from pinn.base.context import setting
from pinn.base.processes import agreed_numbers
from pinn.geometry import Points
from pinn.geometry.pieces import pieces
from pinn.networks.embeddings import shortest_periods
from pinn.networks.layout import Layout
from pinn.networks.local_features import Polynomials, number
from pinn.networks.patches import Patches
from pinn.networks.transfer import refine
from pinn.objective.correction import Correction
from pinn.objective.objective import Objective
from pinn.optim import LevenbergMarquardt
from pinn.optim.budget import allowance
from pinn.solution.plans import RegionPlan
from pinn.solution.representation import OUTPUTS
from pinn.solution.solution import Solution
from pinn.training.by_patch import by_patch
from pinn.training.correction_patches import halved
from pinn.training.density import Density
from pinn.training.effort import Effort, effort
from pinn.training.error_estimate import ErrorEstimate
from pinn.training.first_patches import first_cuts
from pinn.training.options import FIXED

FIRST = {1: 12, 2: 8, 3: 6, 4: 4}  # degree at first, by dimensions
HIGHEST = {1: 32, 2: 20, 3: 14, 4: 8}
RAISE = 4  # degrees at a time
SMOOTH = 0.25  # the fall of the residual from which on a higher degree is worth more than patches
STEPS = 3  # of Gauss and Newton in each space, at most
FLAT = 0.9  # the fall of the loss from which on there is no further step
AGREES = 0.3  # the difference of two corrections, relative, at which the last has converged
FELL = 0.5  # the fall of the residual at which a correction counts as the error
ZERO = 0.5  # of its correction: a component that is smaller when corrected is zero
TINY = 1e-3  # of its vector: a component that is smaller is measured by the vector
MOST = 20.0  # times the correction, where the residual hardly fell
HELD_OUT = 15485863  # seed of the points


def estimate_error(
    solution: Solution,
    plans: Mapping[str, RegionPlan],
    weights: Mapping[str, float],
    seconds: float = 5.0,
) -> ErrorEstimate | None:
    """The estimated error of a solution; None where there is none, see `can_be_estimated`.

    Args:
        solution: kept as it is.
        plans: what its residuals read.
        weights: λ_k by residual name.
        seconds: after which no finer correction is begun.
    """
    if not can_be_estimated(solution, plans):
        return None
    like = next(solution.networks.parameters())
    before = like.dtype
    solution.to(torch.float64)
    try:
        return Estimator(solution, plans, weights).within(seconds)
    finally:
        solution.to(before)


def can_be_estimated(solution: Solution, plans: Mapping[str, RegionPlan]) -> bool:
    """Whether the residuals fix the solution, and points are independent.

    Measured data leave a misfit, and trained coefficients have intervals of their own. What a
    network has built in, such as a period, a correction does not know.
    """
    problem = solution.problem
    return (
        "interior" in plans
        and len(problem.geometry.lower) in FIRST
        and not any(plan.is_whole or plan.hidden for plan in plans.values())
        and not any(problem.geometry.is_measured(region) for region in plans)
        and not any(p.requires_grad for p in problem.parameters())
        and not shortest_periods(solution)
    )


class Estimator:
    """Finds corrections, each finer than the one before."""

    def __init__(
        self, solution: Solution, plans: Mapping[str, RegionPlan], weights: Mapping[str, float]
    ) -> None:
        self.solution, self.plans, self.weights = solution, plans, dict(weights)
        self.geometry = solution.problem.geometry
        self.objective = Objective(solution, plans)
        self.dimensions = len(self.geometry.lower)
        self.degree = FIRST[self.dimensions]
        cuts = first_cuts(self.geometry)
        self.layout = Layout(self.geometry.lower, self.geometry.upper, cuts)
        self.like = next(solution.networks.parameters())
        self.networks = {name: self.patches(name) for name in solution.networks}
        self.system: Correction
        self.falls: list[float] = []

    def patches(self, name: str) -> Patches:
        """Patches beside a network, all zero."""
        network = Patches(None, Polynomials(self.degree))
        network.build(self.geometry, sum(self.solution.widths(name).values()))
        network.lay(self.layout, network.output.weight.shape[1])
        return network.to(self.like)

    def within(self, seconds: float) -> ErrorEstimate:
        """The best estimate that the time is enough for."""
        began = time.perf_counter()
        estimate, spent = self.estimate(None), time.perf_counter() - began
        while not estimate.is_settled and (space := self.finer()) is not None:
            more = self.cost(*space) / self.cost(self.layout, self.degree) * spent
            used = time.perf_counter() - began
            left, fits = agreed_numbers(
                [seconds - used - more, self.room(*space)], self.like.device
            )
            if left < 0 or fits < 0:
                break
            former = copy.deepcopy(self.networks)
            self.layout, self.degree = space
            start = time.perf_counter()
            for network in self.networks.values():
                refine(network, self.layout, Polynomials(self.degree))
            estimate = self.estimate(former)
            spent = time.perf_counter() - start
        estimate.quantities = self.quantities()
        estimate.seconds = time.perf_counter() - began
        return estimate

    def estimate(self, former: Mapping[str, Patches] | None) -> ErrorEstimate:
        """Solve in the present space, and hold the correction against the one before."""
        self.system = Correction(self.objective, self.networks)
        self.system.place({region: self.points(region) for region in self.plans}, self.weights)
        before = self.without_correction()
        after = self.solve()
        fall = math.sqrt(after / max(before, 1e-300)) if before > 0 else 0.0
        self.falls.append(fall)
        last, changes = self.sizes({}), dict[str, float]()
        if former is not None:
            changes = self.sizes(former)
        agrees = all(changes.get(n, math.inf) <= AGREES * last[n] for n in last)
        is_settled = (agrees and fall < FELL) or before == 0
        factor = 1.0 if is_settled else min(1 / max(1 - fall, 1e-9), MOST)
        errors = {name: size * factor for name, size in last.items()}
        unknowns = sum(net.output.weight.numel() for net in self.networks.values())
        return ErrorEstimate(errors, {}, fall, is_settled, 0.0, unknowns)

    def points(self, region: str) -> Points:
        """Those of a region."""
        density = Density()
        degrees = (self.degree,) * self.dimensions
        along, drawn = density.along(degrees) + 1, density.drawn(degrees)
        boxes = self.layout.with_strips()
        return pieces(self.geometry, region, boxes, along, drawn, HELD_OUT).to(self.like)

    @torch.no_grad()
    def without_correction(self) -> float:
        """|r|² of the solution itself."""
        kept = [p.clone() for p in self.system.parameters()]
        for p in self.system.parameters():
            p.zero_()
        r = self.system.residuals()
        for p, value in zip(self.system.parameters(), kept, strict=True):
            p.copy_(value)
        return float(agreed_numbers([float(r @ r)], r.device)[0])

    def solve(self) -> float:
        """Take a few steps of Gauss and Newton, and return |r|²."""
        optimizer = LevenbergMarquardt(self.system.parameters(), damping=1e-12)
        optimizer.system = self.system
        for _ in range(STEPS):
            before = optimizer.step()
            if optimizer.stalled or optimizer.loss > FLAT * before:
                break
        return optimizer.loss

    @torch.no_grad()
    def sizes(self, former: Mapping[str, Patches]) -> dict[str, float]:
        """Component → |δ|, or |δ − δ'| of other patches, by |u + δ|, over the interior.

        A component that the correction takes away is zero, and measured by the largest one; one
        that is tiny within its vector, by the vector.
        """
        placed = self.system.placed["interior"]
        now, plain = self.system.unknowns("interior", placed), self.values(placed.points.at, {})
        other = self.values(placed.points.at, former) if former else plain
        whole = {name: self.length(name, value, placed.points) for name, value in now.items()}
        largest, problem = max(whole.values()), self.solution.problem
        sizes = {}
        for name, value in now.items():
            is_zero = ZERO * self.length(name, value - plain[name], placed.points) > whole[name]
            change = self.length(name, value - other[name], placed.points)
            vector = problem.components(problem.component_places[name][0])
            size = max(whole[part] for part in vector)
            size = size if whole[name] < TINY * size else whole[name]
            sizes[name] = change / max(largest if is_zero else size, 1e-300)
        return dict(zip(sizes, agreed_numbers([*sizes.values()], self.like.device), strict=True))

    def length(self, name: str, value: Tensor, points: Points) -> float:
        """The L2 norm of a component; of a gauged one without its mean."""
        weights = points.weights
        if self.solution.constant_of(*self.solution.problem.component_places[name]) is not None:
            value = value - mean(value, weights)
        return math.sqrt(max(float(mean(value**2, weights)), 0.0))

    def values(self, at: Tensor, patches: Mapping[str, Patches]) -> dict[str, Tensor]:
        """The unknowns (N,) by component, corrected by other patches or not at all."""
        give = Correction(self.objective, patches).corrected() if patches else None
        with setting(OUTPUTS, give):
            parts = [self.solution.values(some) for some in at.split(4096)]
        joined = {n: torch.cat([v[n] for v in parts]) for n in parts[0]}
        return self.solution.problem.by_component(joined)

    def finer(self) -> tuple[Layout, int] | None:
        """The next space: a higher degree while that pays, else patches halved."""
        falls, higher = self.falls, self.degree + RAISE
        pays = len(falls) < 2 or falls[-1] < SMOOTH * falls[-2]
        if pays and higher <= HIGHEST[self.dimensions]:
            return self.layout, higher
        squares, _ = by_patch(self.layout, self.system.placed, self.system.squares())
        layout = halved(self.layout, squares)
        return None if layout is None else (layout, self.degree)

    def quantities(self) -> dict[str, float]:
        """Quantity → how much the correction changes it, relative."""
        if not self.solution.problem.quantities:
            return {}
        plain = self.solution.quantities()
        with setting(OUTPUTS, self.system.corrected()):
            better = self.solution.quantities()
        return {
            name: abs(better[name].value - value.value) / max(abs(better[name].value), 1e-300)
            for name, value in plain.items()
            if math.isfinite(value.value) and math.isfinite(better[name].value)
        }

    def cost(self, layout: Layout, degree: int) -> float:
        """Operations of a step in a space, and those that it takes as long as anyway."""
        return FIXED + self.effort(layout, degree).operations

    def room(self, layout: Layout, degree: int) -> float:
        """Bytes that would be left."""
        return allowance(self.like.device, None) - self.effort(layout, degree).memory

    def effort(self, layout: Layout, degree: int) -> Effort:
        """What a step in a space takes."""
        outputs = sum(net.output.weight.shape[1] for net in self.networks.values())
        degrees = (degree,) * self.dimensions
        rows = Density().count(degrees) * self.system.placed["interior"].width
        return effort(layout, outputs * number(degrees), rows)


def mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """The weighted mean."""
    return values.mean() if weights is None else (values * weights).mean()
