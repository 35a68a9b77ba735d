"""Points refined towards parts of the boundary, with weights that keep a mean that of the region:

    p(x) |Ω| = ½ + ½ mean_j k_j(x)/k̄_j,   k_j = max(0, 1 − d_j(x)/ℓ_j),   w = 1/(p |Ω|) ≤ 2

with the distance d_j from part j and the mean k̄_j of k_j over the region. Half of the points are
spread evenly; the other half lie within the lengths ℓ_j, the more the nearer. The mean of w f over
the points is the mean of f over the region (importance sampling).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from pinn.geometry.domains import Geometry
from pinn.geometry.points import Points
from pinn.geometry.sampling import stream_seed

PILOT = 2**16  # points that k̄ is found with
THIN = 1e-4  # a smaller k̄ is refused: most candidates would be rejected


@dataclass(frozen=True)
class Refinement:
    """p |Ω| over a region.

    Args:
        geometry: whose parts.
        lengths: part → ℓ.
        means: part → k̄.
    """

    geometry: Geometry
    lengths: Mapping[str, float]
    means: Mapping[str, float]

    @property
    def highest(self) -> float:
        """A bound of p |Ω|."""
        return 0.5 + 0.5 * sum(1 / k for k in self.means.values()) / len(self.means)

    @property
    def acceptance(self) -> float:
        """The mean of `accepts` over the region."""
        return 1 / self.highest

    def accepts(self, at: Tensor) -> Tensor:
        """The share (N,) of candidates at points (N, D) that is kept."""
        return self.relative(at) / self.highest

    def relative(self, at: Tensor) -> Tensor:
        """p |Ω| at points (N, D): (N,)."""
        near = [
            kernel(self.geometry, at, part, length) / self.means[part]
            for part, length in self.lengths.items()
        ]
        return 0.5 + 0.5 * torch.stack(near).mean(0)


def kernel(geometry: Geometry, at: Tensor, part: str, length: float) -> Tensor:
    """k = max(0, 1 − d/ℓ) at points (N, D): (N,)."""
    return (1 - geometry.distance(at, part) / length).clamp(min=0)


@lru_cache(maxsize=64)  # asked at every draw
def refinement(
    geometry: Geometry, region: str, lengths: tuple[tuple[str, float], ...]
) -> Refinement:
    """The density of a region's points that are refined towards some parts.

    Raises:
        ValueError: a part is unknown, or too few points of the region lie near it.
    """
    at = geometry.sample(region, PILOT).at
    means = {part: float(kernel(geometry, at, part, size).mean()) for part, size in lengths}
    for part, size in lengths:
        if means[part] < THIN:
            raise ValueError(
                f"next to no point of {region!r} lies within {size:g} of {part!r}: give a larger "
                "length"
            )
    return Refinement(geometry, dict(lengths), means)


def refined(
    geometry: Geometry, region: str, n: int, lengths: Mapping[str, float], method: str, seed: int
) -> Points:
    """Draws n points of a region refined towards parts, with weights of mean 1.

    Args:
        geometry: the domain.
        region: `interior`, or an instant.
        n: how many.
        lengths: part of the boundary → within which distance half of the points lie.
        method: `sobol`, `lhs` or `uniform`.
        seed: the same seed gives the same points.

    Raises:
        ValueError: as `refinement`.
    """
    density = refinement(geometry, region, tuple(lengths.items()))
    drawn = geometry._region(region).sample(n, method, stream_seed(seed, 0, 0, region), density)
    weights = 1 / density.relative(drawn.at)
    return Points(drawn.at, weights=weights / weights.mean())
