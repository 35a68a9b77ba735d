"""What a residual as large as the present one can hide, through the linearised problem.

    e = (JᵀJ + μD)⁻¹ Jᵀ v,   v random, |v| = 2 |r| at points that training does not see

Where a condition is missing, or hardly counts, small residuals stand for large changes of the
solution: neither the residual nor its fall from round to round tells. One solve with JᵀJ does. A
random change d − (JᵀJ + μD)⁻¹ JᵀJ d is what no residual sees at all: then the solution is open.
d is a change of the unknowns of a step, see `condensation`.
"""

import math

import torch
from torch import Tensor

from pinn.base.processes import agreed_numbers
from pinn.objective.local_least_squares import LocalLeastSquares
from pinn.objective.sites import thinned
from pinn.optim import LevenbergMarquardt
from pinn.optim.block_gram import BlockGram
from pinn.optim.levenberg_marquardt import total_count
from pinn.optim.linear_model import LinearModel, Squared
from pinn.training.change import gauged, mean, without_constant

DAMPING = 1e-12  # μ, in units of the diagonal of JᵀJ
AGAIN = 5  # solves
MARGIN = 2.0  # standard deviations: where few directions are soft, what one draw gives varies
POINTS = 20_000  # at which changes are measured
OPEN = 0.03  # of a random change, from which on what is not seen makes a component open


def with_hidden(
    errors: dict[str, float],
    before: dict[str, float],
    system: LocalLeastSquares,
    optimizer: LevenbergMarquardt,
    loss: float,
) -> tuple[dict[str, float], list[str]]:
    """Estimated errors, at least as large as what the residual can hide; see `hidden`.

    The part of the error before the round that no residual sees is still there.

    Returns:
        The errors, and the components that are open.
    """
    least, unseen = hidden(system, optimizer, loss)
    stayed = {name: share * min(before.get(name, 1.0), 1.0) for name, share in unseen.items()}
    larger = {n: max(e, least.get(n, 0.0), stayed.get(n, 0.0)) for n, e in errors.items()}
    return larger, [name for name, share in unseen.items() if share > OPEN]


@torch.no_grad()
def hidden(
    system: LocalLeastSquares, optimizer: LevenbergMarquardt, loss: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Component → relative size (L2, interior) of the change that such a residual stands for.

    And component → the share of a random change that no residual sees; without components with a
    constant that depends on time or a parameter, of which no residual sees much.

    Args:
        system: at the solution.
        optimizer: of it, which knows the memory.
        loss: |r|² at points that training does not see.
    """
    here = torch.cat([p.detach().reshape(-1) for p in system.parameters()])
    model = optimizer.model
    assert model is not None  # of the last step, which kept what its linear model promised
    r = system.residuals()
    count = total_count(r)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(len(r), generator=generator, dtype=torch.float64).to(r)
    form = factored(model)
    change = form.again(MARGIN * math.sqrt(loss / count) * drawn)
    random = torch.randn(model.unknowns, generator=generator, dtype=torch.float64).to(here)
    unseen = random
    for _ in range(AGAIN):  # what damping alone has held back is seen in the end
        unseen = unseen - form.again(-model.rows.times(unseen))
    placed = thinned(system.placed["interior"], POINTS)
    before = system.unknowns("interior", placed)
    steps = {"change": change, "random": random, "unseen": unseen}
    after = {}
    for name, step in steps.items():
        optimizer.move(here + model.expanded(step))
        after[name] = system.unknowns("interior", placed)
        optimizer.move(here)
    sizes, shares = dict[str, float](), dict[str, float]()
    points = placed.points
    open_along = gauged(system.objective.solution, points.at)

    def length(value: Tensor, along: Tensor | None) -> float:
        if along is not None:
            value = without_constant(value, along, points.weights)
        return float(mean(value**2, points.weights).sqrt())

    for name, value in before.items():
        along = open_along.get(name)
        moved = {n: length(u[name] - value, along) for n, u in after.items()}
        sizes[name] = moved["change"] / max(length(value, along), 1e-300)
        if along is None or not along.shape[1]:
            shares[name] = moved["unseen"] / max(moved["random"], 1e-300)
    return same(sizes, here.device), same(shares, here.device)


def same(values: dict[str, float], device: torch.device) -> dict[str, float]:
    """Those of the first process."""
    return dict(zip(values, agreed_numbers([*values.values()], device), strict=True))


def factored(model: LinearModel) -> Squared:
    """JᵀJ + μD with its factor, which the last step may have made."""
    form = model.squared
    if not (isinstance(form, BlockGram) and form.damping == DAMPING):
        form.solve(DAMPING)
    return form
