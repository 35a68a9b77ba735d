"""How good a solution is: errors against a reference, residuals and divergence off the points."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pinn.assessment.inner_boxes import boxes_inside
from pinn.assessment.mass_balance import LINE, mass_balance
from pinn.assessment.norms import magnitude, relative_l2
from pinn.fields.functions import vector
from pinn.fields.vector_calculus import div
from pinn.geometry import Points
from pinn.objective.losses import residual_values, squared_norm, weigh
from pinn.physics.problem import Problem
from pinn.physics.quantities import reference_of
from pinn.physics.references import Reference, spread_over
from pinn.solution.named_derivatives import component_field
from pinn.solution.plans import RegionPlan
from pinn.solution.solution import Solution

Scores = dict[str, float]


def assess(
    solution: Solution,
    reference: Reference | None,
    held_out: Mapping[str, Points],
    plans: Mapping[str, RegionPlan],
    weights: Mapping[str, float] | None = None,
    terms: Mapping[str, Tensor] | None = None,
) -> Scores:
    """Every score, under the tag it has in TensorBoard.

    `error/<component>` is the relative L2 error over the judged points of the reference, and
    `error/<component>_everywhere` over all of them where the two differ; a gauged unknown is
    compared up to its constant, with time up to one at every instant, with a parameter up to one at
    each of its values. `residual/<name>_rms`, `_max`
    and `divergence/rms`, `max` are taken over points that training does not draw, the residuals
    with the problem's importance √w, so that the mean square is what the loss measures at the
    training points. Every process scores the same points, so nothing is exchanged between them.

    `check/held_out_ratio` is the loss over those points by that over the training points, where
    `terms` has it. The largest twentieth of |r|² is left out of the former: next to a singular
    corner a few points make up all of it. `check/mass_balance` is that of `mass_balance`,
    comparable with the root of the loss of continuity. `quantity/<name>` is a quantity of the
    problem, and `quantity/<name>_error` its relative error where a reference is known.
    """
    scores = {} if reference is None else errors(solution, reference)
    loss = 0.0
    with torch.no_grad():
        for name, by_region in residual_values(solution, held_out, plans).items():
            weighted = [weigh(solution, r, held_out[r], value) for r, value in by_region.items()]
            scores |= size(f"residual/{name}_", weighted)
            loss += (weights or {}).get(name, 1.0) * bulk(weighted)
    if terms:
        scores["check/held_out_ratio"] = loss / max(float(terms["total"]), 1e-300)
    for tag, velocity in mass_tags(solution).items():
        scores[tag] = mass_balance(solution, velocity)
    return scores | divergences(solution, held_out) | quantities(solution)


def tags(solution: Solution, reference: Reference | None) -> list[str]:
    """What `assess` finds once there are losses, by name."""
    names = []
    if reference is not None:
        names = [f"error/{n}{tag}" for n in reference.values for tag in masks(reference, n)]
    pairs = [f"residual/{residual.name}_" for residual in solution.problem.residuals]
    names += [p + kind for p in (*pairs, *divergence_tags(solution)) for kind in ("rms", "max")]
    for quantity in solution.problem.quantities:
        known = reference_of(solution.problem, quantity) is not None
        names += [f"quantity/{quantity.name}{end}" for end in ("", "_error")[: 1 + known]]
    return [*names, "check/held_out_ratio", *mass_tags(solution)]


def quantities(solution: Solution) -> Scores:
    """The quantities of the problem, and their errors."""
    scores: Scores = {}
    for name, known in solution.quantities().items():
        scores[f"quantity/{name}"] = known.value
        if known.error is not None:
            scores[f"quantity/{name}_error"] = known.error
    return scores


def bulk(residuals: list[Tensor]) -> float:
    """The mean of |r|² over several sets of points, the largest twentieth left out."""
    squares = torch.cat([squared_norm(r.double()) for r in residuals]).sort().values
    return float(squares[: math.ceil(0.95 * len(squares))].mean())


def errors(solution: Solution, reference: Reference) -> Scores:
    """Relative L2 error per component."""
    inside = reference.inside
    predicted = component_values(solution, reference.at if inside is None else reference.at[inside])
    if inside is not None:
        predicted = {n: spread_over(inside, v.cpu()) for n, v in predicted.items()}
    scores: Scores = {}
    for component, truth in reference.values.items():
        constant = solution.constant_of(*solution.problem.component_places[component])
        for tag, mask in masks(reference, component).items():
            shown, known = predicted[component].cpu(), truth
            if constant is not None and constant.along:
                instants = reference.at[:, list(constant.along)]
                shown, known = (instant_by_instant(v, mask, instants) for v in (shown, known))
            gauged = constant is not None
            scores[f"error/{component}{tag}"] = relative_l2(shown[mask], known[mask], gauged)
    return scores


def masks(reference: Reference, component: str) -> dict[str, Tensor]:
    """The end of an error's tag → the points (N,) that it is taken over."""
    judged = reference.judged
    if bool(judged[reference.known].all()):
        return {"": judged}
    # A reference may have no value at a singular point, which it then does not judge.
    return {"": judged, "_everywhere": reference.values[component].isfinite()}


def largest_error(scores: Scores, problem: Problem) -> float:
    """The largest `error/<component>` of the unknowns that the equations fix altogether.

    Of gauged ones, such as the pressure, only where there are no others.
    """
    names = [n for n in problem.unknowns if n not in problem.gauges] or list(problem.unknowns)
    parts = [part for name in names for part in problem.components(name)]
    known = [scores[f"error/{part}"] for part in parts if f"error/{part}" in scores]
    return float(torch.tensor(known).max()) if known else torch.inf  # NaN, if any is


def instant_by_instant(values: Tensor, mask: Tensor, instants: Tensor) -> Tensor:
    """f − f̄(Re, t), what is left of values (N,) up to a function of parameters and time.

    Args:
        values: f at points.
        mask: the points (N,) that f̄ is the mean over.
        instants: the parameters and the time of each point (N, K).

    Raises:
        ValueError: there is one point per instant, and so nothing left.
    """
    each, which = instants.unique(dim=0, return_inverse=True)
    if 2 * len(each) > len(instants):
        raise ValueError(
            f"the reference has {len(instants)} points at {len(each)} instants, values of time and "
            "parameters, and is known up to a function of these: give several points at each"
        )
    counted = torch.where(mask, values.double(), 0)
    total = torch.zeros(len(each), dtype=torch.float64).index_add_(0, which, counted)
    number = torch.zeros(len(each), dtype=torch.float64).index_add_(0, which, mask.double())
    return values.double() - (total / number.clamp(min=1))[which]


def level(
    reference: Reference, predicted: Mapping[str, Tensor], component: str, along: Sequence[int]
) -> tuple[Reference, dict[str, Tensor]]:
    """Both without what nobody knows of a gauged component, a function of some coordinates."""
    judged, instants = reference.judged, reference.at[:, list(along)]
    known, left = (
        {**values, component: instant_by_instant(values[component], judged, instants)}
        for values in (reference.values, predicted)
    )
    return replace(reference, values=known), left


def component_values(solution: Solution, at: Tensor) -> dict[str, Tensor]:
    """The unknowns at points, split into components (N,), gauges applied."""
    return solution.problem.by_component(solution(at))


def divergences(solution: Solution, held_out: Mapping[str, Points]) -> Scores:
    """RMS and maximum of ∇·u in the interior, for each vector as long as space is wide."""
    scores: Scores = {}
    if not (named := divergence_tags(solution)):
        return scores
    with torch.no_grad():
        fields, _ = solution.fields(held_out["interior"].at, solution.up_to(1))
    places = solution.problem.component_places
    for tag, parts in named.items():
        velocity = vector(*(component_field(fields, *places[part]) for part in parts))
        scores |= size(tag, [div(velocity).value])
    return scores


def vectors(solution: Solution) -> dict[tuple[str, ...], str]:
    """The components of each vector as long as space is wide, and of each velocity → its name."""
    known = {solution.problem.components(name): name for name in solution.problem.vectors}
    return {parts: "".join(parts) for parts in solution.velocities} | known


def divergence_tags(solution: Solution) -> dict[str, tuple[str, ...]]:
    """What the scores of the divergence begin with → the components of the vector."""
    if "interior" not in solution.problem.regions():
        return {}
    named = vectors(solution)
    return {"divergence/" if len(named) == 1 else f"divergence/{n}_": p for p, n in named.items()}


def mass_tags(solution: Solution) -> dict[str, tuple[str, ...]]:
    """The scores of balanced mass → the components of the velocity.

    There are none in more than four coordinates of space and time, where a partition has too many
    boxes, and none where no box fits into the shape.
    """
    geometry, coordinates = solution.problem.geometry, solution.problem.geometry.coordinates
    axes = len(coordinates) - len(coordinates.parameters)
    if axes not in LINE or not (geometry.is_box or len(boxes_inside(geometry, LINE[axes][0])[0])):
        return {}
    named, velocities = vectors(solution), solution.velocities
    tag = "check/mass_balance"
    return {tag if len(velocities) == 1 else f"{tag}_{named[p]}": p for p in velocities}


def size(tag: str, values: list[Tensor]) -> Scores:
    """RMS and maximum of |r| over several sets of points."""
    sizes = torch.cat([magnitude(value) for value in values])
    return {f"{tag}rms": float(sizes.square().mean().sqrt()), f"{tag}max": float(sizes.max())}
