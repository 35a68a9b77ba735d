"""The windows of patches: a smooth partition of unity, and the local coordinates."""

import math

import torch
from torch import Tensor

from pinn.base.kept_digits import KeepsDigits
from pinn.networks.layout import Layout, step, step_slopes

TOGETHER = 2**24  # points times patches that are looked at together
BEYOND = 1 + 1e-9  # local coordinate of the end of the domain, and what rounding adds


class Windows(KeepsDigits):
    """The partition of unity  wₚ(x),  Σₚ wₚ = 1,  and the local coordinates ξₚ(x) of patches.

    Args:
        layout: the patches.
        ends_early: whether the domain goes on behind them; there ξₚ stays what it was.
    """

    lower: Tensor
    upper: Tensor
    steep_lower: Tensor
    steep_upper: Tensor
    open_lower: Tensor
    open_upper: Tensor
    reach_lower: Tensor
    reach_upper: Tensor
    centre: Tensor
    inverse_half_width: Tensor

    def __init__(self, layout: Layout, ends_early: bool = False) -> None:
        super().__init__()
        self.most, self.ends_early = layout.most_seen(), ends_early
        boxes = layout.boxes()
        low, high = boxes.support
        first, last = boxes.below == 0, boxes.above == 0  # where the domain ends: no step there
        constants = {
            "lower": boxes.lower,
            "upper": boxes.upper,
            "steep_lower": torch.where(first, 0.0, 1 / boxes.below),
            "steep_upper": torch.where(last, 0.0, 1 / boxes.above),
            "open_lower": 0.5 * first.double(),
            "open_upper": 0.5 * last.double(),
            "reach_lower": torch.where(first, -math.inf, low),
            "reach_upper": torch.where(last, math.inf, high),
            "centre": (low + high) / 2,
            "inverse_half_width": 2 / (high - low),
        }
        for name, exact in constants.items():
            self.register_buffer(name, exact.to(torch.get_default_dtype(), copy=True))
        self.__dict__["_digits"] = constants

    def seen(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """The patches whose windows reach points (..., D): their numbers (..., K), increasing.

        Returns:
            The numbers; and which of them count, since some points see fewer than K patches.
        """
        at = at.detach().unsqueeze(-2)
        inside = ((at > self.reach_lower) & (at < self.reach_upper)).all(-1)
        many = inside.shape[-1]
        number = torch.arange(many, device=at.device)
        order = torch.where(inside, number, many)
        first = torch.topk(order, self.most, dim=-1, largest=False, sorted=True).values
        counts = first < many
        return torch.where(counts, first, first[..., :1].clamp(max=many - 1)), counts

    def members(self, at: Tensor) -> Tensor:
        """The patches (N, K) that points (N, D) see, increasing, then −1: as `seen`, not traced."""
        parts = []
        for some in at.detach().split(max(TOGETHER // len(self.lower), 1)):
            inside = some.new_ones(len(some), len(self.lower), dtype=torch.bool)
            for axis, x in enumerate(some.T[..., None]):
                inside &= (x > self.reach_lower[:, axis]) & (x < self.reach_upper[:, axis])
            row, patch = inside.nonzero(as_tuple=True)
            counts = inside.sum(1)
            before = counts.cumsum(0) - counts
            found = patch.new_full((len(some), self.most), -1)
            found[row, torch.arange(len(row), device=row.device) - before[row]] = patch
            parts.append(found)
        return torch.cat(parts)

    def forward(self, x: Tensor, patch: Tensor) -> tuple[Tensor, Tensor]:
        """w (..., K, 1) and ξ (..., K, D) of points (..., D) in patches (..., K)."""
        steps, local = self.steps(x.unsqueeze(-2), patch, slice(None))
        window = steps[..., :1]
        for axis in range(1, steps.shape[-1]):
            window = window * steps[..., axis : axis + 1]
        return window, local

    def along(
        self, x: Tensor, patch: Tensor, axis: int, highest: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """∂ᵐ of the factor of w along one axis (highest + 1, N, K), m at most 4; ξ and ∂ξ (N, K).

        Args:
            x: (N, 1), the coordinate along the axis.
            patch: (N, K).
            axis: its number.
            highest: the highest derivative.
        """

        def own(constant: Tensor) -> Tensor:
            return constant[:, axis][patch]

        up, down = own(self.steep_lower), own(self.steep_upper)
        lower = step_slopes((x - own(self.lower)) * up + own(self.open_lower), highest)
        upper = step_slopes((own(self.upper) - x) * down + own(self.open_upper), highest)
        for m in range(1, highest + 1):
            lower[m:] *= up
            upper[m:] *= -down
        window = lower * upper[0]
        for m in range(1, highest + 1):
            for j in range(1, m + 1):
                window[m].addcmul_(lower[m - j], upper[j], value=math.comb(m, j))
        slope = own(self.inverse_half_width)
        local = (x - own(self.centre)) * slope
        if self.ends_early:
            slope = slope * (local <= BEYOND)
            local = local.clamp(-math.inf, BEYOND)
        return window, local, slope

    def steps(self, x: Tensor, patch: Tensor, axes: slice) -> tuple[Tensor, Tensor]:
        """The factors of w, and ξ, along some axes."""

        def own(constant: Tensor) -> Tensor:
            return constant[:, axes][patch]

        lower = step((x - own(self.lower)) * own(self.steep_lower) + own(self.open_lower))
        upper = step((own(self.upper) - x) * own(self.steep_upper) + own(self.open_upper))
        local = (x - own(self.centre)) * own(self.inverse_half_width)
        return lower * upper, local.clamp(-math.inf, BEYOND) if self.ends_early else local
