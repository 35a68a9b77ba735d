"""Points where the residual is large (RAD, residual-based adaptive distribution):

    p(x) ∝ ε(x)^k / mean(ε^k) + c,   ε² = Σ_k λ_k w |r_k|²   over the residuals of a region

with k = c = 1: half of the points follow the residual, the others are spread as before. They are
taken from a large set of candidates, none of them twice.

C. Wu, M. Zhu, Q. Tan, Y. Kartha, L. Lu (2023), doi:10.1016/j.cma.2022.115671; they weigh residuals
alike and draw the points of the equation only.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from pinn.geometry import Points
from pinn.least_squares import WeightedResiduals
from pinn.reads import RegionPlan
from pinn.solution import Solution

CANDIDATES = 32  # to every point
TOGETHER = 4096  # candidates evaluated at a time


class Adaptation:
    """Picks points by the residuals of a solution as it is.

    Args:
        solution: the problem with its networks.
        plans: what each region's residuals read.
        weights: λ_k by residual name.
    """

    def __init__(
        self,
        solution: Solution,
        plans: Mapping[str, RegionPlan],
        weights: Mapping[str, float],
    ) -> None:
        self.plans, self.weights = plans, weights
        self.rows = {r: WeightedResiduals(solution, r, plan) for r, plan in plans.items()}

    @torch.no_grad()
    def error(self, region: str, points: Points) -> Tensor:
        """ε (N,) at points of a region."""
        scales = points.at.new_tensor([self.weights[n] ** 0.5 for n in self.plans[region].reads])
        rows = [self.rows[region](part, scales) for part in points.split(TOGETHER)]
        return torch.cat(rows).norm(dim=1)

    def choose(self, region: str, candidates: Points, n: int, seed: int) -> Tensor:
        """Which n of the candidates to take, in their order: the same for the same seed."""
        generator = torch.Generator().manual_seed(seed)
        weights = density(self.error(region, candidates).double().cpu())
        return torch.multinomial(weights, n, generator=generator).sort().values


def density(error: Tensor, power: float = 1.0, floor: float = 1.0) -> Tensor:
    """p = ε^k / mean(ε^k) + c, normalised; an ε that is no number counts as none."""
    raised = error.nan_to_num(0.0, 0.0, 0.0) ** power
    found = raised / raised.mean().clamp(min=torch.finfo(error.dtype).tiny) + floor
    return found / found.sum()
