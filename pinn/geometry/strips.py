"""Points along an axis, with some of their own in thin strips at its ends.

Along an axis from 0 to 1, functions may change fast in a strip at either end. Points that lie as
polynomials ask for pass a thin strip over. Then the axis is cut where the strip ends.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from pinn.geometry.sampling import gauss_points

SHARE = 3  # a strip that no point falls into has as many as the rest divided by this
LEAST = 2  # points of it: a value and a slope are told by two


class Strip(NamedTuple):
    """A strip at one end of an axis.

    Args:
        end: where it ends.
        is_alone: whether something is seen in it and nowhere else: it needs as many points as all.
    """

    end: float
    is_alone: bool = False


def counts_of(strips: Sequence[Strip], count: int) -> list[tuple[float, float, int]]:
    """From where to where each piece of the axis reaches, and how many points it has.

    Args:
        strips: at most one at each end.
        count: how many points there are on an axis without thin strips.
    """
    thin = float(gauss_points(count, 1)[0][0, 0])  # where the first point is
    few = max(math.ceil(count / SHARE), LEAST)
    own = {
        strip.end: count if strip.is_alone else few
        for strip in strips
        if strip.is_alone or min(strip.end, 1 - strip.end) < thin
    }
    made = []
    for low, high in pairwise([0.0, *sorted(own), 1.0]):
        inner = high if low == 0 and high < 1 else low
        is_strip = inner in own and high - low == min(inner, 1 - inner)
        made.append((low, high, own[inner] if is_strip else count))
    return made


def gauss_along(strips: Sequence[Strip], count: int) -> tuple[Tensor, Tensor]:
    """Gauss points (n,) of the axis or of its pieces, and weights (n,) of sum n."""
    ats, weights = [], []
    for low, high, some in counts_of(strips, count):
        at, weight = gauss_points(some, 1)
        ats.append(low + (high - low) * at[:, 0])
        weights.append((high - low) / some * weight)
    together = torch.cat(weights)
    return torch.cat(ats), together * len(together)


class Stretched:
    """The map of even numbers to an axis that puts a share of them into each thin strip:

        x = low + (high − low)(1 − cos πs)/2,   0 ≤ s ≤ 1 along each piece

    Args:
        strips: at most one at each end.
        count: how many points an axis has.
    """

    def __init__(self, strips: Sequence[Strip], count: int) -> None:
        self.pieces = counts_of(strips, count)
        self.more = sum(some for *_, some in self.pieces) / count  # times as many points

    def __call__(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        """The places (N,) of numbers (N,), and ∂x/∂s (N,), up to a factor for all."""
        at, weight = torch.empty_like(unit), torch.empty_like(unit)
        total, first = sum(some for *_, some in self.pieces), 0
        for low, high, some in self.pieces:
            s = (unit * total - first) / some
            own = (s >= 0) & (s <= 1)
            at[own] = low + (high - low) * (0.5 - 0.5 * torch.cos(math.pi * s[own]))
            weight[own] = (high - low) / some * torch.sin(math.pi * s[own])
            first += some
        return at, weight
