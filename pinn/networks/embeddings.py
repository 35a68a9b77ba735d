"""Features of the coordinates that the first layer of a network sees."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from pinn.base.kept_digits import KeepsDigits
from pinn.base.messages import whole
from pinn.geometry import Geometry


class Embedding(KeepsDigits, ABC):
    """A fixed map from coordinates (..., D) to features; its constants come from the geometry.

    The constants are buffers, and exact in every precision.

    Attributes:
        extents: when built, the features lie between −extent and extent, one per feature; None for
            1 each.
    """

    extents: tuple[float, ...] | None = None

    @abstractmethod
    def build(self, geometry: Geometry) -> int:
        """Creates the constants and returns the number of features."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The features (..., F) of points (..., D)."""

    def constant(self, name: str, exact: Tensor) -> None:
        """Registers a buffer in the default precision that keeps its float64 value."""
        self.register_buffer(name, exact.to(torch.get_default_dtype(), copy=True))
        self.__dict__.setdefault("_digits", {})[name] = exact


class Scaling(Embedding):
    """Coordinates scaled to the box:  x̂ = (x − centre) / half-width ∈ [-1, 1]."""

    centre: Tensor
    inverse_half_width: Tensor

    def build(self, geometry: Geometry) -> int:
        """Takes the box from the geometry; one feature per coordinate."""
        lower = torch.tensor(geometry.lower, dtype=torch.float64)
        upper = torch.tensor(geometry.upper, dtype=torch.float64)
        self.constant("centre", 0.5 * (lower + upper))
        self.constant("inverse_half_width", 2.0 / (upper - lower))
        return len(geometry.coordinates)

    def forward(self, x: Tensor) -> Tensor:
        """x̂, of the shape of x."""
        return (x - self.centre) * self.inverse_half_width


class Graded(Embedding):
    """Coordinates stretched towards the walls:  ξ = asin(a x̂) / asin(a) ∈ [-1, 1].

    A unit of the same width in ξ is √(1 − a²) times as wide at a wall as in the middle, which is
    what boundary layers and corners ask for. Beyond |a x̂| = 1, outside the box, it is not a number.

    Source: D. Kosloff, H. Tal-Ezer (1993), doi:10.1006/jcph.1993.1044, where the map grades the
    grid of a spectral method.

    Args:
        grading: a in (0, 1), the same for every coordinate; at 0.97 a quarter as wide.

    Raises:
        ValueError: a is out of range.
    """

    def __init__(self, grading: float = 0.97) -> None:
        super().__init__()
        if not 0 < grading < 1:
            raise ValueError(f"Graded needs a grading between 0 and 1, got {grading}")
        self.grading = grading
        self.scaling = Scaling()

    def build(self, geometry: Geometry) -> int:
        """Takes the box from the geometry; one feature per coordinate."""
        return self.scaling.build(geometry)

    def forward(self, x: Tensor) -> Tensor:
        """ξ, of the shape of x."""
        return torch.asin(self.grading * self.scaling(x)) / math.asin(self.grading)


class FourierFeatures(Embedding):
    """Random Fourier features  [sin(2π B x̂), cos(2π B x̂)]  with fixed  Bᵢⱼ ~ N(0, scale²).

    x̂ are the coordinates scaled to [-1, 1]. Source: Tancik et al. (2020), "Fourier features let
    networks learn high frequency functions in low dimensional domains", arXiv:2006.10739.

    Args:
        count: number of frequencies; there are twice as many features.
        scale: standard deviation of the frequencies, in cycles per half-width of the box.
        seed: seed of the frequencies.

    Raises:
        ValueError: count < 1, or scale is not positive.
    """

    phases: Tensor

    def __init__(self, count: int = 64, scale: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        if not 0 < scale < math.inf:
            raise ValueError(f"FourierFeatures needs a positive scale, got {scale}")
        self.count = whole("FourierFeatures count", count)
        self.scale = scale
        self.seed = seed
        self.scaling = Scaling()

    def build(self, geometry: Geometry) -> int:
        """Draws the frequencies; 2·count features."""
        size = (self.count, self.scaling.build(geometry))
        generator = torch.Generator().manual_seed(self.seed)
        gaussian = torch.randn(size, generator=generator, dtype=torch.float64)
        self.constant("phases", 2.0 * math.pi * self.scale * gaussian)
        return 2 * self.count

    def forward(self, x: Tensor) -> Tensor:
        """The features (..., 2·count) of points (..., D)."""
        phase = linear(self.scaling(x), self.phases)
        return torch.cat((torch.sin(phase), torch.cos(phase)), dim=-1)


class Periodic(Embedding):
    """Exactly periodic features  cos(2πk x/P), sin(2πk x/P), k = 1 … harmonics.

    Coordinates without a period are scaled to [-1, 1]. Source: Dong & Ni (2021), "A method
    for representing periodic functions and enforcing exactly periodic boundary conditions with
    deep neural networks", doi:10.1016/j.jcp.2021.110242; here without trainable phases.

    Args:
        periods: the period P of each periodic coordinate by name, in units of that coordinate.
        harmonics: number of harmonics k; more let a small network vary faster.

    Raises:
        ValueError: there are no periods, one is not positive, or harmonics < 1; when built, a
            coordinate is unknown.
    """

    wavenumbers: Tensor

    def __init__(self, periods: dict[str, float], harmonics: int = 1) -> None:
        super().__init__()
        if not periods:
            raise ValueError("Periodic needs at least one period, such as periods={'x': 1.0}")
        for name, period in periods.items():
            if not 0 < period < math.inf:
                raise ValueError(f"Periodic needs a positive period of {name}, got {period}")
        self.periods = dict(periods)
        self.harmonics = whole("Periodic harmonics", harmonics)
        self.scaling = Scaling()
        self._others: tuple[int, ...] = ()

    def build(self, geometry: Geometry) -> int:
        """Sets the wavenumbers 2πk/P, one row per feature pair."""
        inputs = self.scaling.build(geometry)
        columns = {geometry.coordinates.index(name): p for name, p in self.periods.items()}
        rows = torch.zeros(len(columns) * self.harmonics, inputs, dtype=torch.float64)
        harmonics = torch.arange(1, self.harmonics + 1, dtype=torch.float64)
        for i, (column, period) in enumerate(columns.items()):
            own = slice(i * self.harmonics, (i + 1) * self.harmonics)
            rows[own, column] = 2.0 * math.pi * harmonics / period
        self.constant("wavenumbers", rows)
        self._others = tuple(i for i in range(inputs) if i not in columns)
        return 2 * len(rows) + len(self._others)

    def forward(self, x: Tensor) -> Tensor:
        """The features (..., F) of points (..., D): all cosines, all sines, then the others."""
        phase = linear(x, self.wavenumbers)
        scaled = self.scaling(x)
        others = [scaled[..., i : i + 1] for i in self._others]
        return torch.cat((torch.cos(phase), torch.sin(phase), *others), dim=-1)


def shortest_periods(module: nn.Module) -> tuple[tuple[str, float], ...]:
    """The period of the highest harmonic of each periodic coordinate of the networks inside."""
    return tuple(
        (name, period / part.harmonics)
        for part in module.modules()
        if isinstance(part, Periodic)
        for name, period in part.periods.items()
    )
