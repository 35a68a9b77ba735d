"""Random vectors z with E[zzᵀ] = I, for Hutchinson's estimate.

    zₖ = s ∘ h_c(k)      s random signs, h_c(1), …, h_c(m) different columns of a Hadamard matrix

Signs of one call share s and differ by their columns, which are orthogonal if d is a power of two.
With n the power of two from d on, their mean has (n − m)/(n − 1) of the variance of independent
signs, for every Jacobian, and costs no more. From m = d on the unit vectors √d eᵢ are taken, whose
mean is the trace itself. Antithetic probes would do nothing: zᵀJz is the same for z and −z.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from pinn.base.messages import one_of, whole

DISTRIBUTIONS = ("rademacher", "gaussian")


@dataclass(frozen=True)
class Probes:
    """Settings of Hutchinson's estimate.

    Args:
        count: m, how many products zᵀJz are averaged.
        distribution: `rademacher` (±1, the smallest variance, and exact from `count` = d on) or
            `gaussian` (independent).
        seed: of all probes; with the call and the process it gives those of one call.
        pair: give two independent estimates of m probes each, (2, …): their product is an unbiased
            square, while the square of one estimate is too large by its variance.

    Raises:
        ValueError: fewer than one probe, or an unknown distribution.
    """

    count: int = 1
    distribution: str = "rademacher"
    seed: int = 0
    pair: bool = False

    def __post_init__(self) -> None:
        whole("probes.count", self.count)
        one_of("distribution", self.distribution, DISTRIBUTIONS)

    def left(self, d: int) -> float:
        """Var(mean)·m/E[s²]: what the spread s of m products tells of their mean, in d dimensions.

        1 where they are independent; of m columns out of n, 1 − m/n; 0 where the mean is exact.
        """
        if self.distribution == "gaussian":
            return 1.0
        return 0.0 if self.count >= d else 1 - self.count / power_of_two(d)


def probe_vectors(shape: Sequence[int], d: int, seed: int, probes: Probes) -> Tensor:
    """The probes of one call, (groups, m, *shape, d), on the CPU; global state is untouched.

    Args:
        shape: of the points: each has probes of its own.
        d: the number of coordinates.
        seed: all that the probes follow from.
        probes: how many, and of which distribution. m is `count`, and d where that is exact.
    """
    generator = torch.Generator().manual_seed(seed)
    groups, m = 2 if probes.pair else 1, probes.count
    if probes.distribution == "gaussian":
        size = (groups, m, *shape, d)
        return torch.randn(size, generator=generator, dtype=torch.float64)
    if m > 1 and m >= d:
        unit = d**0.5 * torch.eye(d, dtype=torch.float64)
        return unit.reshape(d, *(1 for _ in shape), d).expand(groups, d, *shape, d)
    signs = random_signs((groups, 1, *shape, d), generator)
    if m == 1:
        return signs
    chosen = columns((groups, *shape), m, power_of_two(d), generator)
    return signs * hadamard(chosen.movedim(0, 1), d)


def random_signs(shape: Sequence[int], generator: Generator) -> Tensor:
    """±1 at random, eight from each random byte."""
    size = torch.Size(shape)
    random = torch.randint(256, (-(-size.numel() // 8), 1), generator=generator, dtype=torch.uint8)
    bits = random.bitwise_right_shift(torch.arange(8, dtype=torch.uint8)) & 1
    return bits.flatten()[: size.numel()].reshape(size).to(torch.int8) * 2 - 1


def columns(shape: Sequence[int], m: int, n: int, generator: Generator) -> Tensor:
    """m different numbers below n for each entry, (m, *shape), every set as likely as any other.

    Source: J. Bentley, B. Floyd, "A sample of brilliance", doi:10.1145/30401.315746.
    """
    chosen = torch.empty(m, *shape, dtype=torch.long)
    for k in range(m):
        last = n - m + k
        drawn = torch.randint(last + 1, tuple(shape), generator=generator)
        chosen[k] = torch.where((chosen[:k] == drawn).any(0), last, drawn)
    return chosen


def hadamard(column: Tensor, d: int) -> Tensor:
    """The first d entries of columns of Sylvester's matrix, (−1)^(bits that i and c share)."""
    places = torch.arange(max(d - 1, 1).bit_length())

    def bits(number: Tensor) -> Tensor:
        return (number.unsqueeze(-1).bitwise_right_shift(places) & 1).float()

    return 1 - 2 * (bits(column) @ bits(torch.arange(d)).mT).remainder(2).to(torch.int8)


def power_of_two(d: int) -> int:
    """The smallest power of two that is no less than d."""
    return 1 << (d - 1).bit_length()
