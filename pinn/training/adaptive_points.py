"""Points where the residual is large (RAD, residual-based adaptive distribution):

    p(x) ∝ ε(x)^k / mean(ε^k) + c,   ε² = Σ_k λ_k w |r_k|²   over the residuals of a region

with k = c = 1: half of the points follow the residual, the others are spread as before. They are
taken from a large set of candidates, none of them twice.

C. Wu, M. Zhu, Q. Tan, Y. Kartha, L. Lu (2023), doi:10.1016/j.cma.2022.115671; they weigh residuals
alike and draw the points of the equation only.
"""

import torch
from torch import Tensor

CANDIDATES = 32  # to every point


def choose(error: Tensor, n: int, seed: int) -> Tensor:
    """Which n of the candidates to take, in their order: the same for the same seed.

    Args:
        error: ε (N,) of the candidates.
        n: how many.
        seed: of the draw.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = density(error.double().cpu())
    return torch.multinomial(weights, n, generator=generator).sort().values


def density(error: Tensor, power: float = 1.0, floor: float = 1.0) -> Tensor:
    """p = ε^k / mean(ε^k) + c, normalised; an ε that is no number counts as none."""
    raised = error.nan_to_num(0.0, 0.0, 0.0) ** power
    unscaled = raised / raised.mean().clamp(min=torch.finfo(error.dtype).tiny) + floor
    return unscaled / unscaled.sum()
