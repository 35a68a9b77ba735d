"""What a residual as large as the present one can hide, through the linearised problem.

    e = (JᵀJ + μD)⁻¹ Jᵀ v,   v random, |v| = |r| at points that training does not see

Where a condition is missing, or hardly counts, small residuals stand for large changes of the
solution: neither the residual nor its fall from round to round tells. One solve with JᵀJ does.
"""

import math

import torch
from torch import Tensor

from pinn.objective.local_least_squares import LocalLeastSquares
from pinn.optim import LevenbergMarquardt
from pinn.optim.levenberg_marquardt import total_count
from pinn.optim.linear_model import LinearModel

DAMPING = 1e-12  # μ, in units of the diagonal of JᵀJ


def with_hidden(
    errors: dict[str, float],
    system: LocalLeastSquares,
    optimizer: LevenbergMarquardt,
    loss: float,
) -> dict[str, float]:
    """Estimated errors, at least as large as what the residual can hide; see `hidden`."""
    least = hidden(system, optimizer, loss)
    return {name: max(error, least.get(name, 0.0)) for name, error in errors.items()}


@torch.no_grad()
def hidden(
    system: LocalLeastSquares, optimizer: LevenbergMarquardt, loss: float
) -> dict[str, float]:
    """Component → relative size (L2, interior) of the change that such a residual stands for.

    Components with a constant that depends on time or a parameter are left out.

    Args:
        system: at the solution.
        optimizer: of it, which knows the memory.
        loss: |r|² at points that training does not see.
    """
    here = torch.cat([p.detach().reshape(-1) for p in system.parameters()])
    r = system.residuals()
    count = total_count(r)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(len(r), generator=generator, dtype=torch.float64).to(r)
    model = LinearModel(system, here, optimizer.budget(here, count), len(r))
    form = model.squared
    form.solve(DAMPING)
    change = form.again(math.sqrt(loss / count) * drawn)
    before = values(system)
    optimizer.move(here + change)
    after = values(system)
    optimizer.move(here)
    sizes: dict[str, float] = {}
    solution = system.objective.solution
    for name, value in before.items():
        constant = solution.constant_of(*solution.problem.component_places[name])
        if constant is None or not constant.along:
            size = float(spread(value, constant is not None).clamp(min=1e-300))
            sizes[name] = float(spread(after[name] - value, constant is not None)) / size
    return sizes


def values(system: LocalLeastSquares) -> dict[str, Tensor]:
    """The components at the points of the interior."""
    return system.unknowns("interior", system.placed["interior"])


def spread(value: Tensor, gauged: bool) -> Tensor:
    """|f|, up to a constant where one is open."""
    return (value - value.mean() if gauged else value).norm()
