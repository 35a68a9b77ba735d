"""How fast the coefficients of polynomials fall: whether a patch needs a higher degree or a cut.

|c_k| ~ e^{−σ k}   along each axis
"""

import math
from collections.abc import Callable
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
        needed: level → the degrees (D,) from which on coefficients are below it, in every patch.
    """

    rates: Tensor
    tails: Tensor
    needed: Callable[[float], list[float]]

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
    degrees = network.features.degrees
    hulls = [hull(squares, axis, p) for axis, p in zip(powers, degrees, strict=True)]
    lines = [line(each) for each in hulls]
    parts = powers.to(squares) / powers.new_tensor(degrees)[:, None]
    shares = parts.square()
    last = parts.sum(0) > 1 - (SHELLS - 0.5) / max(degrees)
    shares = shares / shares.sum(0).clamp(min=TINY) * last

    def needed(level: float) -> list[float]:
        return [enough(each, *fit[:2], level) for each, fit in zip(hulls, lines, strict=True)]

    return Decay(torch.stack([rate for *_, rate in lines], 1), squares @ shares.T, needed)


def hull(squares: Tensor, powers: Tensor, degree: int) -> Tensor:
    """|c_k| (n, degree) along one axis; odd and even ones may take turns."""
    sums = squares.new_zeros(len(squares), degree + 1).index_add_(1, powers, squares).sqrt()
    return torch.maximum(sums[:, :-1], sums[:, 1:])


def line(sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The slope of ln |c_k| (n,), its value at the last one, and σ."""
    first = int(FIRST * sizes.shape[1])
    logs = sizes.clamp(min=TINY)[:, first:].log()
    at = torch.arange(logs.shape[1], dtype=logs.dtype, device=logs.device)
    at_mean = float(at.mean()) + first
    at = at - at.mean()
    slope = (logs * at).sum(1) / at.square().sum().clamp(min=1e-300)
    algebraic = 2 / (at_mean + 1)  # the slope of k⁻², which is no exponential
    return slope, logs.mean(1) + slope * at[-1], -slope - algebraic


def enough(sizes: Tensor, slope: Tensor, end: Tensor, level: float) -> float:
    """The degree from which on coefficients are below a level, in every patch."""
    large = (sizes > level).any(0).nonzero()
    held = float(large.max()) + 1 if len(large) else 0.0
    if held < sizes.shape[1]:
        return held
    more = ((end - math.log(level)) / -slope.clamp(max=-TINY)).clamp(min=0)
    return held + float(more.max())
