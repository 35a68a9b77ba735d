"""How fast the coefficients of polynomials fall: whether a patch needs a higher degree or a cut.

|c_k| ~ e^{−σ k}   along each axis
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pinn.networks.local_features import Polynomials
from pinn.networks.patches import Patches

FIRST = 1 / 3  # of the degree, from where on the fall is measured
TINY = 1e-16  # of the largest coefficient: below, there is rounding
SHELLS = 2  # the last total degrees, whose coefficients tell the axes
LARGE = 0.25  # of the squares along the worst axis, from which on an axis is cut too


SMOOTH = 0.01  # of the largest coefficient


@dataclass(frozen=True)
class Decay:
    """The fall of the coefficients of every patch.

    Args:
        rates: σ (n, D).
        tails: (n, D) squares of the coefficients of the last degrees, in parts of the largest of
            all, each shared by the axes as the squares of its exponents are.
    """

    rates: Tensor
    tails: Tensor

    def axes(self, patch: int) -> list[int]:
        """The axes along which a patch has most left to resolve."""
        tail = self.tails[patch]
        return [i for i in range(len(tail)) if tail[i] >= LARGE * tail.max()]

    def is_smooth(self, patch: int) -> bool:
        """Whether next to nothing is left along any axis."""
        return float(self.tails[patch].sum()) <= SMOOTH**2

    def rate(self, patch: int) -> float:
        """σ along the slowest of these axes."""
        return float(self.rates[patch, self.axes(patch)].min().clamp(min=0))


def decay(network: Patches) -> Decay:
    """The fall of the coefficients of a network of polynomials."""
    assert isinstance(network.features, Polynomials)
    weight = network.output.weight.detach()
    size = weight.abs().amax((0, 2)).clamp(min=torch.finfo(weight.dtype).tiny)
    squares = (weight / size[None, :, None]).square().sum(1)  # (n, F)
    powers: Tensor = network.features.powers  # type: ignore[assignment]
    degree = network.features.degree
    rates = torch.stack([along(squares, axis, degree) for axis in powers], 1)
    total = powers.sum(0)
    shares = powers.to(squares).square()
    shares = shares / shares.sum(0).clamp(min=1) * (total > degree - SHELLS)
    return Decay(rates, squares @ shares.T)


def along(squares: Tensor, powers: Tensor, degree: int) -> Tensor:
    """σ (n,) along one axis."""
    sums = squares.new_zeros(len(squares), degree + 1).index_add_(1, powers, squares).sqrt()
    hull = torch.maximum(sums[:, :-1], sums[:, 1:])  # odd and even ones may take turns
    first = int(FIRST * degree)
    logs = hull.clamp(min=TINY)[:, first:].log()
    at = torch.arange(logs.shape[1], dtype=logs.dtype, device=logs.device)
    at_mean = float(at.mean()) + first
    at = at - at.mean()
    slope = (logs * at).sum(1) / at.square().sum().clamp(min=1e-300)
    algebraic = 2 / (at_mean + 1)  # the slope of k⁻², which is no exponential
    return -slope - algebraic
