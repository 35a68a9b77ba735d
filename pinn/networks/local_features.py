"""What a patch is made of: functions of its local coordinates ξ ∈ [−1, 1]ᴰ."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cache

import torch
from torch import Tensor, nn

from pinn.base.messages import echo, one_of, whole
from pinn.base.recipe import Restorable
from pinn.networks.mlp import ACTIVATIONS


class LocalFeatures(Restorable, ABC):
    """Functions φⱼ(ξ), the same number in every patch."""

    count: int
    trained = False  # whether they have parameters of their own

    @abstractmethod
    def build(self, patches: int, dimensions: int) -> None:
        """Makes what is drawn or fixed for so many patches; may be called again."""

    @abstractmethod
    def forward(self, x: Tensor, patch: Tensor) -> Tensor:
        """φ (N, K, F) at local coordinates (N, K, D) of patches (N, K)."""


class Polynomials(LocalFeatures):
    """Products of Chebyshev polynomials  Πₐ T_{kₐ}(ξₐ),  Σ kₐ/pₐ ≤ 1,  with degrees pₐ.

    Args:
        degree: p, the total degree; or pₐ of every coordinate.

    Raises:
        ValueError: a degree is out of range; when built, there are more or fewer than coordinates.
    """

    def __init__(self, degree: int | list[int] = 8) -> None:
        super().__init__()
        given = degree if isinstance(degree, Sequence) else [degree]
        self.given = [whole("Polynomials degree", p, most=100) for p in given]
        self.is_one = not isinstance(degree, Sequence)

    @property
    def degree(self) -> int:
        """The largest one."""
        return max(self.given)

    def build(self, patches: int, dimensions: int) -> None:
        """Lists the exponents."""
        if not self.is_one and len(self.given) != dimensions:
            raise ValueError(
                f"Polynomials degree is {echo(self.given)}: give one, or one for each of the "
                f"{dimensions} coordinates"
            )
        self.degrees = tuple(self.given * dimensions if self.is_one else self.given)
        self.exponents = list(exponents(self.degrees))
        self.count = len(self.exponents)
        self.register_buffer("powers", torch.tensor(self.exponents).T.contiguous())

    def forward(self, x: Tensor, patch: Tensor) -> Tensor:
        """Π T (N, K, F)."""
        powers: Tensor = self.powers  # type: ignore[assignment]
        table = torch.stack(chebyshev(x, self.degree), -1)  # (N, K, D, degree + 1)
        product = table[..., 0, :][..., powers[0]]
        for axis in range(1, len(powers)):
            product = product * table[..., axis, :][..., powers[axis]]
        return product


class Ridges(LocalFeatures):
    """Random ridges  σ(w·(ξ − c)),  wᵢ uniform in [−spread, spread] and c in [−1, 1]ᴰ.

    Args:
        units: how many per patch.
        activation: tanh, sin, silu, gelu, softplus or sigmoid.
        spread: how sharply they bend.
        seed: of the draw.
        trained: whether w and c are trained too: each patch is then a small network.

    Raises:
        ValueError: a number is out of range, or the activation is unknown.
    """

    def __init__(
        self,
        units: int = 60,
        activation: str = "tanh",
        spread: float = 2.0,
        seed: int = 0,
        trained: bool = False,
    ) -> None:
        super().__init__()
        if not 0 < spread < math.inf:
            raise ValueError(f"Ridges spread is {spread}: expected a positive number")
        one_of("activation", activation, ACTIVATIONS)
        self.units = self.count = whole("Ridges units", units, most=10**4)
        self.activation, self.spread, self.seed, self.trained = activation, spread, seed, trained

    def build(self, patches: int, dimensions: int) -> None:
        """Draws the units of every patch; the same patch gets the same ones."""
        slopes, offsets = [], []
        for patch in range(patches):
            generator = torch.Generator().manual_seed(self.seed + 7919 * patch)
            size = (2, self.units, dimensions)
            drawn = 2 * torch.rand(size, generator=generator, dtype=torch.float64) - 1
            slopes.append(self.spread * drawn[0])
            offsets.append(-(slopes[-1] * drawn[1]).sum(-1))
        for name, values in (("slopes", slopes), ("offsets", offsets)):
            tensor = torch.stack(values).to(torch.get_default_dtype())
            if self.trained:
                self.register_parameter(name, nn.Parameter(tensor))
            else:
                self.register_buffer(name, tensor)

    def forward(self, x: Tensor, patch: Tensor) -> Tensor:
        """σ (N, K, F)."""
        slopes, offsets = self.slopes[patch], self.offsets[patch]  # type: ignore[index]
        inner = offsets
        for axis in range(x.shape[-1]):
            inner = inner + slopes[..., axis] * x[..., axis : axis + 1]
        return ACTIVATIONS[self.activation](inner)


def chebyshev(x: Tensor, degree: int) -> list[Tensor]:
    """T₀ … T_degree at x:  T_{n+1} = 2 x Tₙ − T_{n−1}."""
    values = [x * 0 + 1, x]
    for _ in range(degree - 1):
        values.append(2 * x * values[-1] - values[-2])
    return values[: degree + 1]


def exponents(degrees: Sequence[int]) -> Iterator[Sequence[int]]:
    """All (k₁, …, k_D) with  Σ kₐ/pₐ ≤ 1."""
    one = math.lcm(*degrees)
    yield from within([one // p for p in degrees], one)


def within(steps: Sequence[int], room: int) -> Iterator[Sequence[int]]:
    """All (k₁, …) with  Σ kₐ stepₐ ≤ room."""
    if not steps:
        yield ()
        return
    for first in range(room // steps[0] + 1):
        for rest in within(steps[1:], room - first * steps[0]):
            yield (first, *rest)


def as_given(degrees: Sequence[int]) -> int | list[int]:
    """Degrees as `Polynomials` takes them: one where all are alike."""
    return degrees[0] if len(set(degrees)) == 1 else list(degrees)


@cache
def number(degrees: tuple[int, ...]) -> int:
    """How many exponents there are."""
    return sum(1 for _ in exponents(degrees))
