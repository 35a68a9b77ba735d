"""Point sets in the unit cube, and the seeds they are drawn with."""

import hashlib
import math
from collections.abc import Sequence

import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor
from torch.quasirandom import SobolEngine

from pinn.base.messages import near_miss

DRAWN = ("sobol", "lhs", "uniform")
METHODS = (*DRAWN, "gauss")

FEW = 4  # dimensions in which a grid of points is worth its number
_TINY = 2.0**-53  # both _TINY and 1 - _TINY are exact in float64


def unit_points(n: int, d: int, method: str, seed: int) -> Tensor:
    """Points in the open unit cube (0, 1)ᵈ; the global random state is left untouched.

    Args:
        n: number of points, at least 1.
        d: number of dimensions; 0 gives an empty row per point.
        method: `sobol` (scrambled Sobol sequence, lowest discrepancy), `lhs` (Latin hypercube:
            one point in each of the n slices of every axis) or `uniform` (independent).
        seed: a non-negative integer below 2⁶³; the same seed gives the same points.

    Returns:
        Points of shape (n, d), float64, on the CPU.

    Raises:
        ValueError: n < 1, d < 0, or the method is unknown.
    """
    if n < 1:
        raise ValueError(f"cannot draw {n} points: the number of points must be at least 1")
    if d < 0:
        raise ValueError(f"cannot draw points in {d} dimensions: give 0 or more")
    if method not in DRAWN:
        raise ValueError(f"unknown sampling method {method!r}: {near_miss(method, DRAWN)}")
    if d == 0:
        return torch.empty(n, 0, dtype=torch.float64)
    if method == "sobol":
        points = SobolEngine(d, scramble=True, seed=seed).draw(n, dtype=torch.float64)
    elif method == "lhs":
        from scipy.stats import qmc

        points = torch.from_numpy(qmc.LatinHypercube(d, rng=seed).random(n))
    else:
        generator = torch.Generator().manual_seed(seed)
        points = torch.rand(n, d, generator=generator, dtype=torch.float64)
    # All three may return an exact 0, which would put an interior point on a wall.
    return points.clamp(_TINY, 1.0 - _TINY)


def between(low: float, high: float, unit: Tensor) -> Tensor:
    """low + (high − low) u, strictly between: rounding may reach the ends, which are others'."""
    return (low + (high - low) * unit).clamp(math.nextafter(low, high), math.nextafter(high, low))


def gauss_order(n: int, d: int) -> int:
    """How many Gauss points per axis come nearest to n in d dimensions.

    Raises:
        ValueError: in many dimensions, no number kᵈ comes near n.
    """
    k = max(1, round(n ** (1 / d)))
    if d > FEW and not n / 4 <= k**d <= 4 * n:
        raise ValueError(
            f"data.method is gauss, which takes 1, 2ᵈ, 3ᵈ, … points: {k**d} is the nearest to {n} "
            f"in {d} dimensions; draw with sobol"
        )
    return k


def gauss_points(k: int, d: int) -> tuple[Tensor, Tensor]:
    """The product rule of k Gauss–Legendre points per axis, exact for degree 2k − 1 in each.

    Returns:
        Points (kᵈ, d) in the open unit cube, and weights (kᵈ,) of mean 1.
    """
    at, weight = (torch.from_numpy(values) for values in leggauss(k))
    return product([0.5 * (1 + at)] * d), product([0.5 * k * weight] * d).prod(-1)


def product(axes: Sequence[Tensor]) -> Tensor:
    """Every combination of one number per axis, the first axis the slowest: (Π nᵢ, d)."""
    if not axes:  # there is one way to choose nothing
        return torch.empty(1, 0, dtype=torch.float64)
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(axes))


def stream_seed(seed: int, step: int, rank: int, region: str) -> int:
    """A 63-bit seed of its own for each (seed, step, rank, region), the same on every machine."""
    text = f"{int(seed)}/{int(step)}/{int(rank)}/{region}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def apportion(n: int, weights: Sequence[float]) -> list[int]:
    """Whole counts nᵢ ≈ n·wᵢ/Σw with Σnᵢ = n exactly (largest-remainder method)."""
    total = math.fsum(weights)
    quotas = [n * weight / total for weight in weights]
    counts = [math.floor(quota) for quota in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda i: counts[i] - quotas[i])
    for i in by_remainder[: n - sum(counts)]:
        counts[i] += 1
    return counts
