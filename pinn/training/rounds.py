"""Rounds: solve, estimate the error, refine where the residual is large; until the error is small.

The patches start few and coarse. A round is a solution by least squares on fixed patches. Its
residuals at other points say where to refine; the fall of its coefficients says whether patches
are halved or polynomials raised, whichever promises more for its cost. What a refinement changes
tells the error, see `former`.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from pinn.base.processes import agreed_numbers
from pinn.geometry import Points
from pinn.geometry.pieces import pieces
from pinn.networks.local_features import Polynomials
from pinn.networks.patches import Patches
from pinn.objective.local_least_squares import LocalLeastSquares
from pinn.optim import LevenbergMarquardt
from pinn.optim.budget import allowance
from pinn.solution.plans import RegionPlan
from pinn.solution.solution import Solution
from pinn.training.amplification import held_back, with_hidden
from pinn.training.best import Best
from pinn.training.by_patch import by_patch
from pinn.training.change import changes, gauged, with_networks
from pinn.training.continuation import PROMISED, Continuation
from pinn.training.decay import decay
from pinn.training.density import Degrees, Density
from pinn.training.emphasis import MOST, Emphasis
from pinn.training.first_patches import first_degree
from pinn.training.former import Former
from pinn.training.next_patches import lay
from pinn.training.noise import Noise, weighed
from pinn.training.options import SAFE, Facts, chosen, left_by
from pinn.training.outcome import FULL, Outcome, Plan
from pinn.training.singular_points import importance, singular_points
from pinn.training.trust import UNPROVEN, Trust

LEFT = 0.1  # of its loss that a solved round may still hope for
SHORT = 5  # short steps after which no other is tried
ROUNDING = 1e-26  # of the largest loss: there is nothing below
FREE = 1e-11  # damping below which a step is one of Gauss and Newton, along soft directions too
FAR = 0.01  # of the tolerance: a round that is expected to be below needs no other step
HELD = 0.1  # of the tolerance: what damping holds back beyond it is worth another step
FINE = 1e-20  # of the largest loss: below, the digits of an orthogonal factor count
HELD_OUT = 104729  # seed of the points at which a round is not solved


class Rounds:
    """Makes a solution finer until its estimated error is small enough.

    Args:
        solution: its networks are patches with polynomials, all on the same patches.
        tolerance: the largest relative L2 error of an unknown.
        memory: GiB that a round may take; by default half of what is available.
        plans: what the residuals of each region read.
    """

    def __init__(
        self,
        solution: Solution,
        tolerance: float,
        memory: float | None = None,
        plans: Mapping[str, RegionPlan] | None = None,
    ) -> None:
        self.solution, self.tolerance, self.memory = solution, tolerance, memory
        self.networks: dict[str, Patches] = dict(solution.networks.items())  # type: ignore[arg-type]
        self.outcomes: list[Outcome] = []
        self.density, self.emphasis, self.trust = Density(), Emphasis(), Trust()
        self.former = Former()
        self.errors: dict[str, float] = {}  # estimated, of the last round that could
        self.changed: dict[str, float] = {}  # what the last round changed, in relative L2
        self.next: Plan | None = None
        self.width, self.short, self.largest = 1, 0, 0.0  # rows of a point; short steps; loss
        self.continuation, self.best = Continuation(solution.problem), Best()
        self.noise, self.open = Noise(), list[str]()  # the components that nothing decides on
        self.eased = False  # whether this round has had its step with less damping
        self.singular = singular_points(solution.problem.geometry, plans or {})
        self.left = 1.0  # the part of its unknowns that the equations leave to a patch

    @property
    def network(self) -> Patches:
        """One of the networks: all are alike."""
        return next(iter(self.networks.values()))

    @property
    def degrees(self) -> Degrees:
        """Of the polynomials now, along each axis."""
        assert isinstance(self.network.features, Polynomials)
        return self.network.features.degrees

    def points(self, region: str, held_out: bool = False) -> Points:
        """Those of a region for this round."""
        layout, more, geometry = self.network.layout, int(held_out), self.solution.problem.geometry
        points = pieces(
            geometry,
            region,
            layout.with_strips(),
            self.density.along(self.degrees) + more,
            self.density.drawn(self.degrees) + more,
            HELD_OUT if held_out else len(self.outcomes),
        )
        if geometry.is_measured(region):
            return weighed(points)
        count = 1.0 if points.normal is None else self.emphasis.now
        return replace(points, importance=count * importance(region, points, self.singular))

    def is_solved(self, optimizer: LevenbergMarquardt, before: float) -> bool:
        """Whether another step would take next to nothing off the loss."""
        self.continuation.note(optimizer)
        after, gain = optimizer.loss, optimizer.past["gain"]
        fell = before - after
        self.largest = max(self.largest, before)
        if after > FINE * self.largest:  # a smaller damping asks for QR, and gains nothing yet
            optimizer.past["damping"] = max(optimizer.past["damping"], optimizer.least_damping)
        if optimizer.stalled or after <= ROUNDING * self.largest:
            return True
        if fell < LEFT**2 * after:  # a step that fell short of its model says little
            self.short = 0 if gain > PROMISED else self.short + 1
            return self.short == 0 or self.short >= SHORT
        self.short = 0
        if optimizer.damping >= FREE:  # the step did not go to the minimum of the linear model
            return False
        off = abs(1 / gain - 1)  # by how much the linear model was wrong
        is_far = self.expected(after) < FAR * self.tolerance and not self.is_lenient
        return fell * off < LEFT * after or (off < LEFT and is_far)

    def expected(self, loss: float) -> float:
        """The error of a round of which nothing but the loss is known yet."""
        if not self.former.networks or not self.outcomes[-1].errors:
            return math.inf
        return self.error * math.sqrt(loss / max(self.outcomes[-1].loss, 1e-300))

    def ease(self, system: LocalLeastSquares, optimizer: LevenbergMarquardt) -> bool:
        """Go on with a round that may be the last where damping holds back, once: less of it.

        Damping holds back what hardly changes the residual, as the strength of a vortex. It also
        holds coefficients together where points are few, so other rounds keep more of it.
        """
        model, least = optimizer.model, optimizer.least_damping
        if self.eased or self.is_lenient or optimizer.stalled or not model:
            return False
        if model.damping > least and self.expected(optimizer.loss) <= self.tolerance:
            self.eased = held_back(system, optimizer) > HELD * self.tolerance
        if self.eased:
            optimizer.past["damping"] = least
        return self.eased

    def end(self, system: LocalLeastSquares, optimizer: LevenbergMarquardt) -> Outcome:
        """What a solved round has come to, and what follows."""
        held = LocalLeastSquares(system.objective, keeps=False)
        regions = system.objective.plans
        points = {r: self.points(r, held_out=True).to(self.like) for r in regions}
        held.place(points, system.weights)
        squares = held.squares()
        self.width = held.placed["interior"].width if "interior" in held.placed else 1
        held_loss = self.emphasis.note(held.placed, squares)
        self.best.note(self.emphasis.largest, self.networks)
        self.noise.note(self.solution.problem.geometry, squares, held_loss)
        outcome = Outcome(
            len(self.outcomes) + 1,
            len(self.network.layout),
            self.degrees,
            sum(net.output.weight.numel() for net in self.networks.values()),
            len(held.placed["interior"].points) if "interior" in held.placed else 0,
            optimizer.loss,
            held_loss,
        )
        if self.former.networks:
            errors = self.estimates(held)
            if max(errors.values()) <= self.tolerance and not self.is_lenient:
                errors, self.open = with_hidden(errors, self.changed, system, optimizer, held_loss)
            self.errors = outcome.errors = errors
        else:  # the first round, or that of another coefficient
            jump = max(self.emphasis.fall(MOST), 1.0)
            self.errors = {name: min(jump * e, 1.0) for name, e in self.errors.items()}
            del self.emphasis.parts[:-1]
        self.outcomes.append(outcome)
        self.left = left_by(system, optimizer, self.degrees)
        self.next = self.decide(outcome, *by_patch(self.network.layout, held.placed, squares))
        return outcome

    @property
    def like(self) -> Tensor:
        """A tensor of the solution's precision and device."""
        return self.network.output.weight

    def estimates(self, held: LocalLeastSquares) -> dict[str, float]:
        """Unknown → estimated relative L2 error now."""
        placed = held.placed["interior"]
        now, at = held.unknowns("interior", placed), placed.points.at
        before = with_networks(self.solution, self.former.networks, at)
        self.changed = changes(now, before, gauged(self.solution, at), placed.points.weights)
        errors = self.former.errors(self.changed, self.emphasis)
        return dict(zip(errors, agreed_numbers([*errors.values()], self.like.device), strict=True))

    @property
    def error(self) -> float:
        """The largest estimated error of an unknown; infinite while there is none."""
        last = self.outcomes[-1].errors if self.outcomes else {}
        return max(last.values()) if last else math.inf

    @property
    def is_exact(self) -> bool:
        """Whether nothing but rounding is left of the residual."""
        return bool(self.outcomes) and self.outcomes[-1].held_out <= ROUNDING * self.largest

    @property
    def is_done(self) -> bool:
        """Whether the estimated error is small enough."""
        small = self.is_exact or self.error <= self.tolerance
        return small and not (self.open or self.continuation.is_underway)

    def decide(self, outcome: Outcome, squares: Tensor, faces: Tensor) -> Plan | None:
        """What the next round does; None where the tolerance is reached."""
        if self.error <= self.tolerance and self.is_lenient:
            self.emphasis.now, outcome.decision = MOST, "conditions count in full again"
            return Plan([], self.degrees, self.density.now)
        if self.is_done:
            outcome.decision = "done"
            return None
        if why := self.noise.obstacle(self.open):
            outcome.decision = why
            return None
        if move := self.continuation.after(self.error, self.emphasis.fall(MOST)):
            outcome.decision = self.continuation.told(move)
            first = first_degree(self.solution.problem.geometry)
            degrees = (first,) * len(self.degrees) if move.fresh else self.degrees
            return Plan([], degrees, self.density.now, move.value, move.fresh)
        if self.former.networks or self.is_fresh:
            self.trust.judge(self.emphasis.fall())
        if self.density.follow(outcome.loss, outcome.held_out) and self.emphasis.fall() > 1:
            outcome.decision = "more points"
            return Plan([], self.degrees, self.density.now)
        self.emphasis.follow(may_shrink=self.is_fresh)
        return self.finer(outcome, squares, faces)

    def finer(self, outcome: Outcome, squares: Tensor, faces: Tensor) -> Plan | None:
        """Patches halved or degrees raised, whichever promises more; None without memory."""
        facts = Facts(
            self.network,
            sum(net.output.weight.shape[1] for net in self.networks.values()),
            decay(self.network),
            squares,
            faces,
            self.wanted,
            self.trust,
            self.tolerance,
            lambda degrees: self.width * self.density.count(degrees),
            allowance(self.like.device, self.memory),
            self.left,
            [point.at for point in self.singular],
        )
        if (best := chosen(facts)) is None:
            outcome.decision = FULL
            self.best.restore(self.networks)
            return None
        self.trust.promise(best.gain, max(best.degrees) > max(self.degrees))
        outcome.decision = best.words
        return Plan(best.cuts, best.degrees, self.density.now)

    @property
    def is_lenient(self) -> bool:
        """Whether conditions count so little that the solution may not fulfil them."""
        return self.emphasis.now < MOST

    @property
    def is_fresh(self) -> bool:
        """Whether the present value of the coefficient was begun from zero."""
        return not self.continuation.now > self.continuation.start

    @property
    def wanted(self) -> float:
        """The logarithm of what the error has to fall by."""
        far = self.outcomes and math.isfinite(self.error)
        return math.log(self.error / (SAFE * self.tolerance)) if far else math.inf

    def enter(self) -> None:
        """Make the networks those of the next round."""
        plan, self.next = self.next, None
        assert plan is not None
        self.eased, self.short = False, 0
        self.density.now = plan.density
        if plan.cuts or plan.degree != self.degrees or not self.former.networks:
            self.former = Former.of(self.networks, self.emphasis, self.errors)
        if plan.value is not None:
            self.former, self.trust, self.best = (
                Former(),
                Trust(UNPROVEN),
                Best(),
            )  # of another problem
            if plan.fresh:
                self.emphasis, self.trust, self.errors = Emphasis(), Trust(), {}
            self.continuation.enter(plan.value)
        for network in self.networks.values():
            lay(network, plan, self.solution.problem.geometry, self.continuation.until)
