"""Local features on patches of the domain, joined by a partition of unity.

    f(x) = Σₚ wₚ(x) Σⱼ cₚⱼ φⱼ(ξₚ),   Σₚ wₚ = 1,   ξₚ: patch p → [−1, 1]ᴰ
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pinn.base.messages import whole
from pinn.geometry import Geometry
from pinn.networks.layout import Layout, even, grid_cuts, step
from pinn.networks.network import Network


class Coefficients(nn.Module):
    """cₚⱼ of every output: (patches, outputs, features)."""

    def __init__(self, patches: int, outputs: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(patches, outputs, features))


class Patches(Network):
    """A partition of unity with local features, of which the coefficients are trained."""

    is_drawn = True

    def __init__(
        self,
        degree: int = 10,
        grid: Mapping[str, Any] | None = None,
        cuts: Sequence[Sequence[float]] = (),
    ) -> None:
        super().__init__()
        self.degree = whole("Patches degree", degree, most=60)
        self.grid, self.cuts = dict(grid or {}), [tuple(c) for c in cuts]

    def create(self, geometry: Geometry, outputs: int) -> None:
        names = geometry.coordinates.names
        axes = {}
        for name, given in self.grid.items():
            i = names.index(name)
            axes[i] = even(geometry.lower[i], geometry.upper[i], given) if isinstance(given, int) else given
        cuts = [*grid_cuts(axes, len(names)), *self.cuts]
        self.layout = Layout(geometry.lower, geometry.upper, cuts)
        self.place(outputs)

    def place(self, outputs: int) -> None:
        boxes = self.layout.boxes()
        low, high = boxes.support
        edge_low = boxes.below == 0
        edge_high = boxes.above == 0
        inf = torch.tensor(math.inf, dtype=torch.float64)
        self.register_buffer("support_lower", torch.where(edge_low, -inf, low))
        self.register_buffer("support_upper", torch.where(edge_high, inf, high))
        self.register_buffer("lower", boxes.lower)
        self.register_buffer("upper", boxes.upper)
        # 1/h; 0 where the domain ends, and there the step is 1
        self.register_buffer("steep_lower", torch.where(edge_low, 0.0, 1 / boxes.below))
        self.register_buffer("steep_upper", torch.where(edge_high, 0.0, 1 / boxes.above))
        self.register_buffer("shift_lower", 0.5 * edge_low.double())
        self.register_buffer("shift_upper", 0.5 * edge_high.double())
        self.register_buffer("centre", (low + high) / 2)
        self.register_buffer("inverse_half_width", 2 / (high - low))
        exponents = total_degree(self.degree, low.shape[1])
        self.exponents = exponents
        self.register_buffer("which", torch.tensor(exponents).T.contiguous())
        self.output = Coefficients(len(self.layout), outputs, len(exponents))

    @property
    def count(self) -> int:
        return len(self.exponents)

    def seen(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """The patches (N, K) whose windows reach points (N, D), in order, and which of them count."""
        at = at.detach().unsqueeze(-2)
        inside = ((at > self.support_lower) & (at < self.support_upper)).all(-1)
        most = self.layout.most_seen()
        n = inside.shape[-1]
        rank = torch.where(inside, torch.arange(n, device=at.device), n)
        index = torch.topk(rank, most, dim=-1, largest=False, sorted=True)[0]
        return torch.where(index < n, index, index[..., :1]), index < n

    def features(self, x: Tensor, index: Tensor) -> Tensor:
        """wₚ φⱼ(ξₚ): points (N, D) and patches (N, K) to (N, K, F)."""
        x = x.unsqueeze(-2)
        w = step((x - self.lower[index]) * self.steep_lower[index] + self.shift_lower[index])
        w = w * step((self.upper[index] - x) * self.steep_upper[index] + self.shift_upper[index])
        xi = (x - self.centre[index]) * self.inverse_half_width[index]
        powers = chebyshev(xi, self.degree)
        table = torch.stack(powers, -1)  # (N, K, D, p + 1)
        product = None
        for i in range(xi.shape[-1]):
            part = table[..., i, :][..., self.which[i]]
            part = part * w[..., i : i + 1]
            product = part if product is None else product * part
        return product

    def value(self, x: Tensor) -> Tensor:
        """f(x): points (..., D) to values (..., C)."""
        at = getattr(x, "value", x)
        index, counts = self.seen(at)
        phi = self.features(x, index) * counts.to(at.dtype).unsqueeze(-1)
        own = self.output.weight[index].movedim(-2, -1)  # (N, K, F, C)
        return (phi.unsqueeze(-1) * own).sum((-3, -2))


def chebyshev(x: Tensor, degree: int) -> list[Tensor]:
    """T₀ … T_p:  T_{n+1} = 2 x T_n − T_{n−1}."""
    powers = [x * 0 + 1, x]
    for _ in range(degree - 1):
        powers.append(2 * x * powers[-1] - powers[-2])
    return powers[: degree + 1]


def total_degree(degree: int, dimensions: int) -> list[tuple[int, ...]]:
    """All exponents with a sum of at most `degree`."""
    if dimensions == 0:
        return [()]
    return [(k, *rest) for k in range(degree + 1) for rest in total_degree(degree - k, dimensions - 1)]
