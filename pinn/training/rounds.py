"""Rounds: solve, estimate the error, refine where the residual is large; until the error is small.

The patches start few and coarse. A round is a solution by least squares on fixed patches. Its
residuals at other points say where to refine; the fall of its coefficients says whether patches
are halved or polynomials raised, whichever promises more for its cost. What a round changes tells
the error that it began with, and the fall of the residual how much of that is left:

    error ≈ |u_end − u_start| q/(1 − q),   q = |r_end| / |r_before|
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from pinn.base.processes import agreed_numbers
from pinn.geometry import Geometry, Points
from pinn.geometry.pieces import pieces
from pinn.networks.layout import Layout, even, grid_cuts
from pinn.networks.local_features import Polynomials
from pinn.networks.patches import Patches
from pinn.networks.transfer import refine
from pinn.objective.local_least_squares import LocalLeastSquares
from pinn.optim import LevenbergMarquardt
from pinn.solution.solution import Solution
from pinn.training.decay import Decay, decay
from pinn.training.outcome import Outcome, Plan

START = {1: 12, 2: 8, 3: 8, 4: 8}  # degree at first, by dimensions; beyond, 4
MOST = {1: 40, 2: 28, 3: 16, 4: 12}
RAISE = 6  # degrees at a time, at most
SHARES = (0.5, 0.8, 0.95, 0.99)  # of the squared residual that the patches to be halved have
LONG = 6  # patches along the longest axis at first, at most
DENSE = 1.3  # points along an axis per degree of a polynomial, at first
CROWDED = 3.0
ROUGH = 4.0  # times the loss of the training points, from which on points are added
PER_FEATURE = 3  # points of a piece in more than two dimensions
LEFT = 0.1  # of its loss that a solved round may still hope for
FREE = 1e-8  # damping below which a step is one of Gauss and Newton
SLOW = 0.95  # the fall of the residual in a round at which the error is that of no convergence
EACH = 1.0  # cost of a round in itself, as a logarithm, beside that of its size
SAFE = 0.5  # of the tolerance that the next round aims at
HELD_OUT = 104729  # seed of the points at which a round is not solved


class Rounds:
    """Makes a solution finer until its estimated error is small enough.

    Args:
        solution: its networks are patches with polynomials, all on the same patches.
        tolerance: the largest relative L2 error of an unknown.
    """

    def __init__(self, solution: Solution, tolerance: float) -> None:
        self.solution, self.tolerance = solution, tolerance
        self.networks: dict[str, Patches] = dict(solution.networks.items())  # type: ignore[arg-type]
        self.outcomes: list[Outcome] = []
        self.density = DENSE
        self.former: dict[str, Patches] = {}  # the networks of the round before
        self.next: Plan | None = None

    @property
    def network(self) -> Patches:
        """One of the networks: all are alike."""
        return next(iter(self.networks.values()))

    @property
    def degree(self) -> int:
        """Of the polynomials now."""
        assert isinstance(self.network.features, Polynomials)
        return self.network.features.degree

    # Points ---------------------------------------------------------------------------------

    def points(self, region: str, held_out: bool = False) -> Points:
        """Those of a region for this round."""
        layout, more = self.network.layout, int(held_out)
        return pieces(
            self.solution.problem.geometry,
            region,
            [(lower, upper) for lower, upper in layout.sides],
            math.ceil(self.density * self.degree) + more,
            math.ceil(self.density / DENSE * PER_FEATURE * self.network.features.count) + more,
            HELD_OUT if held_out else len(self.outcomes),
        )

    # A round --------------------------------------------------------------------------------

    def is_solved(self, optimizer: LevenbergMarquardt, before: float) -> bool:
        """Whether another step would take next to nothing off the loss."""
        after, gain = optimizer.loss, optimizer.past["gain"]
        fell = before - after
        if optimizer.stalled or fell < LEFT**2 * after:
            return True
        is_newton = optimizer.damping < FREE  # the step went to the minimum of the linear model
        return is_newton and fell * abs(1 / gain - 1) < LEFT * after

    def end(self, system: LocalLeastSquares, weights: Mapping[str, float], loss: float) -> Outcome:
        """What a solved round has come to, and what follows."""
        held = LocalLeastSquares(system.objective)
        regions = system.objective.plans
        held.place({r: self.at_home(r, system) for r in regions}, weights)
        squares = held.squares()
        (held_loss,) = agreed_numbers(
            [float(sum(s.sum() for s in squares.values()))], self.like.device
        )
        outcome = Outcome(
            len(self.outcomes) + 1,
            len(self.network.layout),
            self.degree,
            sum(net.output.weight.numel() for net in self.networks.values()),
            len(held.placed["interior"].points) if "interior" in held.placed else 0,
            loss,
            held_loss,
        )
        if self.outcomes:
            outcome.errors = self.estimates(held, held_loss)
        self.outcomes.append(outcome)
        self.next = self.decide(outcome, self.by_patch(held, squares))
        return outcome

    def at_home(self, region: str, system: LocalLeastSquares) -> Points:
        """The held-out points of a region, where the system has its own."""
        return self.points(region, held_out=True).to(self.like)

    @property
    def like(self) -> Tensor:
        """A tensor of the solution's precision and device."""
        return self.network.output.weight

    def estimates(self, held: LocalLeastSquares, held_loss: float) -> dict[str, float]:
        """Unknown → estimated relative L2 error now."""
        placed = held.placed["interior"]
        now, at = held.unknowns("interior", placed), placed.points.at
        before = self.before(at)
        fall = math.sqrt(held_loss / max(self.outcomes[-1].held_out, 1e-300))
        left = min(fall, SLOW) / (1 - min(fall, SLOW))  # of a geometric series, behind this round
        weights = placed.points.weights
        errors = {}
        for name, value in now.items():
            change, size = value - before[name], value
            if self.solution.constant_of(*self.solution.problem.component_places[name]) is not None:
                change, size = (v - mean(v, weights) for v in (change, size))
            ratio = mean(change**2, weights) / mean(size**2, weights).clamp(min=1e-300)
            errors[name] = float(ratio.sqrt()) * left
        return dict(zip(errors, agreed_numbers([*errors.values()], self.like.device), strict=True))

    @torch.no_grad()
    def before(self, at: Tensor) -> dict[str, Tensor]:
        """The unknowns by component at points (N, D), as the round before had them."""
        network = self.networks
        for name, old in self.former.items():
            self.solution.networks[name] = old
        try:
            values = [self.solution.values(part) for part in at.split(2**13)]
        finally:
            for name, net in network.items():
                self.solution.networks[name] = net
        joined = {n: torch.cat([v[n] for v in values]) for n in values[0]}
        return self.solution.problem.by_component(joined)

    def by_patch(self, held: LocalLeastSquares, squares: Mapping[str, Tensor]) -> Tensor:
        """The squared residual (n,) of every patch."""
        layout = self.network.layout
        total = self.like.new_zeros(len(layout))
        boxes = layout.boxes()
        lower, upper = boxes.lower.to(total), boxes.upper.to(total)
        for region, values in squares.items():
            at = held.placed[region].points.at
            for some, part in zip(at.split(4096), values.split(4096), strict=True):
                inside = (some[:, None] >= lower) & (some[:, None] <= upper)
                total.index_add_(0, inside.all(-1).to(torch.uint8).argmax(1), part)
        return torch.tensor(agreed_numbers(total.tolist(), total.device), dtype=total.dtype)

    # What follows ---------------------------------------------------------------------------

    @property
    def error(self) -> float:
        """The largest estimated error of an unknown; infinite while there is none."""
        last = self.outcomes[-1].errors if self.outcomes else {}
        return max(last.values()) if last else math.inf

    @property
    def is_done(self) -> bool:
        """Whether the estimated error is small enough."""
        return self.error <= self.tolerance

    def decide(self, outcome: Outcome, squares: Tensor) -> Plan | None:
        """What the next round does; None where the tolerance is reached."""
        if self.is_done:
            outcome.decision = "done"
            return None
        if outcome.held_out > ROUGH * outcome.loss and self.density < CROWDED:
            self.density = min(1.4 * self.density, CROWDED)
        falls = decay(self.network)
        raised = self.raised(falls, squares)
        options = [raised, *(self.halved(falls, squares, share) for share in SHARES)]
        _, plan, outcome.decision = max(options, key=lambda option: option[0])
        return plan

    def raised(self, falls: Decay, squares: Tensor) -> tuple[float, Plan, str]:
        """Higher degrees: how much they promise for their cost."""
        d = len(self.network.layout.lower)
        most = MOST.get(d, 8)
        shares = squares / squares.sum()
        rate = sum(float(s) * falls.rate(k) for k, s in enumerate(shares))
        wanted = (
            math.log(self.error / (SAFE * self.tolerance)) / max(rate, 1e-3)
            if self.outcomes and math.isfinite(self.error)
            else 4
        )
        more = min(max(2, math.ceil(wanted)), RAISE, most - self.degree)
        if more <= 0:
            return -1.0, Plan([], self.degree, self.density), ""
        new = self.degree + more
        cost = EACH + 3 * math.log(math.comb(new + d, d) / math.comb(self.degree + d, d))
        return rate * more / cost, Plan([], new, self.density), f"degree {new}"

    def halved(self, falls: Decay, squares: Tensor, share: float) -> tuple[float, Plan, str]:
        """Halves of the patches that have a share of the residual, and what they promise."""
        order = squares.argsort(descending=True, stable=True)
        part = squares[order].cumsum(0) / squares.sum()
        marked = order[: int((part < share).sum()) + 1].tolist()
        layout = self.network.layout
        finer = Layout(layout.lower, layout.upper, layout.cuts)
        falling = 0.0
        for patch in marked:
            falling += float(squares[patch]) * self.degree * min(falls.rate(patch), math.log(2))
            pieces_ = [patch]
            for axis in falls.axes(patch):
                pieces_ += [finer.halve(piece, axis) for piece in list(pieces_)]
        reached = float(squares[marked].sum())
        gain = min(
            -0.5 * math.log1p(-min(reached / float(squares.sum()), 1 - 1e-9)), falling / reached
        )
        d = len(layout.lower)
        cost = EACH + (2 - 1 / d) * math.log(len(finer) / len(layout))  # of sparse elimination
        cuts = finer.cuts[len(layout.cuts) :]
        return gain / cost, Plan(cuts, self.degree, self.density), f"{len(marked)} patches halved"

    def enter(self) -> None:
        """Make the networks those of the next round."""
        plan, self.next = self.next, None
        assert plan is not None
        self.density = plan.density
        self.former = {name: copy.deepcopy(network) for name, network in self.networks.items()}
        for network in self.networks.values():
            old = network.layout
            layout = Layout(old.lower, old.upper, [*old.cuts, *plan.cuts])
            refine(network, layout, Polynomials(plan.degree))

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "outcomes": [asdict(outcome) for outcome in self.outcomes],
            "density": self.density,
            "next": None if self.next is None else asdict(self.next),
        }


def first_patches(geometry: Geometry) -> Patches:
    """The patches of the first round: few, and as wide as long."""
    d = len(geometry.lower)
    space = geometry.coordinates.space
    lengths = {i: geometry.upper[i] - geometry.lower[i] for i in space}
    least = max(min(lengths.values()), max(lengths.values()) / LONG)
    axes = {
        i: even(geometry.lower[i], geometry.upper[i], max(round(length / least), 1))
        for i, length in lengths.items()
    }
    cuts = grid_cuts(axes, d)
    return Patches(None, Polynomials(START.get(d, 4)), [list(cut) for cut in cuts])


def mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """The weighted mean."""
    return values.mean() if weights is None else (values * weights).mean()
