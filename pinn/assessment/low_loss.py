"""A loss that is low while the solution is wrong: what the training points do not see."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from pinn.assessment.scores import Scores, mass_tags
from pinn.geometry import Points
from pinn.objective.losses import residual_losses
from pinn.solution.plans import RegionPlan
from pinn.solution.solution import Solution

# Measured: docs/accuracy.md.
LOW = 1e-2  # of the loss of zero networks: below it something is trained
WRONG = 1e-5  # of the loss of zero networks: above it, residuals of 0.3 %, it matters
APART = 10.0  # held-out loss by training loss
LEAK = 2.0  # the mean of ∇·u over boxes by its RMS at the training points, which bounds it


@torch.no_grad()
def loss_of_zero(
    solution: Solution,
    points: Mapping[str, Points],
    plans: Mapping[str, RegionPlan],
    weights: Mapping[str, float],
) -> float:
    """Σ_k λ_k L_k of networks that are zero: what losses of this problem are small against."""
    parameters = list(solution.networks.parameters())
    kept = [p.clone() for p in parameters]
    try:
        for p in parameters:
            p.zero_()
        losses = residual_losses(solution, points, plans)
    finally:
        for p, value in zip(parameters, kept, strict=True):
            p.copy_(value)
    return sum(weights[name] * float(loss) for name, loss in losses.items())


def stands_out(scores: Scores, terms: Mapping[str, Tensor], equations: Mapping[str, str]) -> bool:
    """Whether `alarm` may have a line: scores are far above the losses at the training points.

    Only then the loss of zero networks is of use, which is one more evaluation at all points.
    """
    apart = scores["check/held_out_ratio"] > APART
    return apart or any(leaks(scores[t], terms, r) for t, r in equations.items())


def leaks(leak: float, terms: Mapping[str, Tensor], residual: str) -> bool:
    """Whether boxes lose more mass than the divergence at the training points tells."""
    rms = float(terms[residual]) ** 0.5 if residual else math.inf
    return leak > LEAK * rms


def alarm(
    scores: Scores, terms: Mapping[str, Tensor], zero: float, equations: Mapping[str, str]
) -> str:
    """A line of warning, or none.

    Args:
        scores: of a validation.
        terms: the losses at the training points.
        zero: the loss of networks that are zero.
        equations: score of balanced mass → the residual that is the divergence, if one is.
    """
    loss, ratio = float(terms["total"]), scores["check/held_out_ratio"]
    if not loss < LOW * zero:
        return ""
    if ratio > APART and ratio * loss > WRONG * zero:
        return (
            f"the loss is {loss:.1e} at the training points and {ratio * loss:.1e} between them: "
            "give more points (data.points), draw new ones (data.resample), or take a smaller "
            "network"
        )
    for tag, residual in equations.items():
        leak, rms = scores[tag], float(terms[residual]) ** 0.5 if residual else math.inf
        if leak**2 > WRONG * zero and leaks(leak, terms, residual):
            return (
                f"∇·u is {rms:.1e} at the training points and {leak:.1e} by the flux through "
                "boxes: mass is lost between the points, give more (data.points), draw new ones "
                "(data.resample), or build conditions into the ansatz"
            )
    return ""


def mass_equations(solution: Solution) -> dict[str, str]:
    """Score of balanced mass → the residual that is the divergence, if one is."""
    return {tag: solution.velocities[parts] for tag, parts in mass_tags(solution).items()}
