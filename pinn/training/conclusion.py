"""What a run says at its end of its error, and what to try where it has not solved its problem."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pinn.assessment.low_loss import WRONG, loss_of_zero
from pinn.assessment.scores import Scores
from pinn.geometry import Points
from pinn.physics.problem import Problem
from pinn.solution.plans import RegionPlan
from pinn.solution.solution import Solution
from pinn.training.error_estimate import ErrorEstimate
from pinn.training.estimate import estimate_error

NEAR = 0.5  # of the loss of zero networks: above it, nothing is solved
APART = 10.0  # held-out loss, all of it, by training loss
WELL = 0.01  # an estimated error that holds against large residuals at a few points
SHOWN = 0.1  # an estimated error from which on a problem counts as not solved
SHARE, LEAST = 0.2, 3.0  # of a run's time, or seconds, that an estimate may take


@dataclass
class Conclusion:
    """What is known at the end of a run.

    Args:
        estimate: of the error; None where there is none.
        failure: the line of a run that has not solved its problem; else nothing.
    """

    estimate: ErrorEstimate | None = None
    failure: str = ""

    @property
    def lines(self) -> list[str]:
        """For people."""
        told = [] if self.estimate is None else [self.estimate.line]
        return told + [self.failure] * bool(self.failure)

    @property
    def scores(self) -> Scores:
        """`estimate/<component or quantity>`."""
        known = self.estimate
        every = {} if known is None else known.errors | known.quantities
        return {f"estimate/{name}": value for name, value in every.items()}


def concluded(
    solution: Solution,
    plans: Mapping[str, RegionPlan],
    weights: Mapping[str, float],
    points: Mapping[str, Points],
    loss: float,
    scores: Scores,
    seconds: float,
) -> Conclusion:
    """What a run has come to.

    Args:
        solution: kept as it is.
        plans: what its residuals read.
        weights: λ_k by residual name.
        points: which training does not see.
        loss: at the end, at the training points.
        scores: of the residuals at the other points.
        seconds: that training took.
    """
    if not math.isfinite(loss):
        return Conclusion()
    zero = loss_of_zero(solution, points, plans, weights)
    if failure := near_zero(loss, zero, solution.problem):
        return Conclusion(None, failure)
    estimate = estimate_error(solution, plans, weights, max(SHARE * seconds, LEAST))
    if estimate is not None and (failure := too_large(estimate, solution.problem)):
        return Conclusion(estimate, failure)
    if estimate is not None and estimate.is_settled and estimate.largest < WELL:
        return Conclusion(estimate)
    return Conclusion(estimate, far_above(loss, scores, weights, zero))


def near_zero(loss: float, zero: float, problem: Problem) -> str:
    """The line of a run whose loss is near that of zero networks; else nothing."""
    if not loss >= NEAR * zero > 0:
        return ""
    return (
        f"not solved: the loss is {loss:.1e}, that of networks that are zero {zero:.1e}: take more "
        f"steps, a wider network, or accuracy in its place{easier(problem)}"
    )


def far_above(loss: float, scores: Scores, weights: Mapping[str, float], zero: float) -> str:
    """The line of a run whose residual is far larger between its points; else nothing."""
    held = sum(weights[n] * scores.get(f"residual/{n}_rms", 0.0) ** 2 for n in weights)
    if not (held > APART * loss and held > WRONG * zero):
        return ""
    return (
        f"not solved: the loss is {loss:.1e} at the training points and {held:.1e} at all others, "
        "the largest residuals among them: give more points (data.points), or points where the "
        "residual is large (data.adapt, data.resample)"
    )


def too_large(estimate: ErrorEstimate, problem: Problem) -> str:
    """The line of a run whose estimated error is large; else nothing."""
    name = max(estimate.errors, key=estimate.errors.__getitem__)
    error = estimate.errors[name]
    if not error > SHOWN and not math.isnan(error):
        return ""
    return (
        f"not solved: the estimated error of {name} is {error:.0%}: take more features and points, "
        f"more steps, or accuracy in the place of the network{easier(problem)}"
    )


def easier(problem: Problem) -> str:
    """What a problem may be solved for first."""
    name = problem.continuation
    if name is None:
        return ""
    if len(problem.stages) > 1:
        return f"; or go to this {name} in smaller steps"
    return f"; or start from the solution at an easier value of {name} (init_from)"
