"""What a residual as large as the present one can hide, through the linearised problem.

    e = (JᵀJ + μD)⁻¹ Jᵀ v,   v random, |v| = 2 |r| at points that training does not see

Where a condition is missing, or hardly counts, small residuals stand for large changes of the
solution: neither the residual nor its fall from round to round tells. One solve with JᵀJ does. A
random change d − (JᵀJ + μD)⁻¹ JᵀJ d is what no residual sees at all: then the solution is open.
d is a change of the unknowns of a step, see `condensation`. And −(JᵀJ + μD)⁻¹ Jᵀr is what other
steps would still change, as along directions so soft that damping has held them back.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pinn.base.processes import agreed_numbers
from pinn.objective.local_least_squares import LocalLeastSquares
from pinn.objective.sites import thinned
from pinn.optim import LevenbergMarquardt
from pinn.optim.levenberg_marquardt import total_count
from pinn.optim.linear_model import LinearModel, Squared
from pinn.training.change import changes, gauged

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
    if max(unseen.values(), default=0.0) > OPEN:  # which damping alone may do
        least, unseen = hidden(system, optimizer, loss, optimizer.least_damping)
    stayed = {name: share * min(before.get(name, 1.0), 1.0) for name, share in unseen.items()}
    larger = {n: max(e, least.get(n, 0.0), stayed.get(n, 0.0)) for n, e in errors.items()}
    return larger, [name for name, share in unseen.items() if share > OPEN]


@torch.no_grad()
def hidden(
    system: LocalLeastSquares,
    optimizer: LevenbergMarquardt,
    loss: float,
    damping: float = DAMPING,
) -> tuple[dict[str, float], dict[str, float]]:
    """Component → relative size (L2, interior) of the change that such a residual stands for.

    It is at least what other steps would still change. And component → the share of a random change
    that no residual sees; without components with a constant that depends on time or a parameter,
    of which no residual sees much.

    Args:
        system: at the solution.
        optimizer: of it, which knows the memory.
        loss: |r|² at points that training does not see.
        damping: μ.
    """
    model, r = optimizer.model, system.residuals()
    assert model is not None  # of the last step, which kept what its linear model promised
    count = total_count(r)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(len(r), generator=generator, dtype=torch.float64).to(r)
    form = factored(model, damping)
    change = form.again(MARGIN * math.sqrt(loss / count) * drawn)
    random = torch.randn(model.unknowns, generator=generator, dtype=torch.float64).to(r)
    unseen, left = repeated(form, [random, torch.zeros_like(random)], [torch.zeros_like(r), r])
    changed, still, moved, stayed = moves(system, optimizer, (change, left, random, unseen))
    sizes = {name: max(size, still[name]) for name, size in changed.items()}
    constants = gauged(system.objective.solution, system.placed["interior"].points.at)
    seen = [n for n in moved if n not in constants or not constants[n].shape[1]]
    shares = {n: stayed[n] / max(moved[n], 1e-300) for n in seen}
    return same(sizes, r.device), same(shares, r.device)


@torch.no_grad()
def held_back(system: LocalLeastSquares, optimizer: LevenbergMarquardt) -> float:
    """The largest change of a component by another step with the same factor, see `changes`."""
    model = optimizer.model
    assert model is not None
    step = factored(model, DAMPING).again(system.residuals())
    (changed,) = moves(system, optimizer, [step])
    return max(same(changed, step.device).values())


def moves(
    system: LocalLeastSquares, optimizer: LevenbergMarquardt, steps: Sequence[Tensor]
) -> list[dict[str, float]]:
    """Of each step, component → what it would change, see `changes`."""
    model = optimizer.model
    assert model is not None
    here = torch.cat([p.detach().reshape(-1) for p in system.parameters()])
    placed = thinned(system.placed["interior"], POINTS)
    points, before = placed.points, system.unknowns("interior", placed)
    constants, found = gauged(system.objective.solution, points.at), []
    for step in steps:
        optimizer.move(here + model.expanded(step))
        after = system.unknowns("interior", placed)
        optimizer.move(here)
        found.append(changes(before, after, constants, points.weights))
    return found


def same(values: dict[str, float], device: torch.device) -> dict[str, float]:
    """Those of the first process."""
    return dict(zip(values, agreed_numbers([*values.values()], device), strict=True))


def repeated(form: Squared, steps: Sequence[Tensor], r: Sequence[Tensor]) -> Sequence[Tensor]:
    """Steps after some more with the same factor: what damping alone holds back moves in the end.

    d ← d − (JᵀJ + μD)⁻¹ Jᵀ(r + Jd)

    Args:
        form: with its factor.
        steps: d (P,) of each to begin with.
        r: of each, the residuals (M,) of this process.
    """
    now, right = torch.stack([*steps], 1), torch.stack([*r], 1)
    for _ in range(AGAIN):
        now = now + form.after(right, now)
    return now.unbind(1)


def factored(model: LinearModel, damping: float) -> Squared:
    """JᵀJ + μD with its factor, which the last step may have made; with more μ where there is none.

    Raises:
        FloatingPointError: there is no factor, whatever μ.
    """
    form = model.squared
    while not (model.form is form and model.damping == damping):
        _, decrease = form.solve(damping)
        (told,) = agreed_numbers([float(decrease)], decrease.device)
        if math.isfinite(told):
            model.form, model.damping = form, damping
        elif damping < 1:
            damping *= 10
        else:
            raise FloatingPointError("the Jacobian of the residuals has no factor at any damping")
    return form
