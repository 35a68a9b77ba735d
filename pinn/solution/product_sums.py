"""Values and derivatives of polynomials on patches, summed without making all features:

    Σₖ cₖ Πₐ gₐ = Σ_l A_l Σ_r c_lr B_r,   A = Π over the first half of the axes, B over the others

A polynomial in three dimensions of degree 16 has 969 features, and 153 A and 17 B.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from pinn.algebra.channels import Plan
from pinn.algebra.jet import Jet
from pinn.networks.local_features import Polynomials
from pinn.networks.patches import Patches
from pinn.solution.product_features import VALUE, along

NUMBERS = 2**20  # of products of half of the axes that are made at a time
POINTS = 2**16  # that are looked at together
Orders = tuple[int, ...]  # of derivatives, along each axis


class Half:
    """The products of some axes that the features have.

    Args:
        powers: (D, F) of the features.
        axes: the first of these axes, and the end.
    """

    def __init__(self, powers: Tensor, axes: slice, degree: int) -> None:
        self.axes = axes
        none = torch.zeros_like(powers[:1])  # there may be no axes
        sets, self.which = torch.unique(
            torch.cat([none, powers[axes]]).T, dim=0, return_inverse=True
        )
        self.count = len(sets)
        degrees = torch.arange(degree + 1, device=powers.device)
        # A column of ones and zeros picks one number, to the last bit.
        self.picks = (sets.T[1:, None] == degrees[:, None]).double()  # (d, degree + 1, n)

    def products(self, tables: Sequence[Tensor], orders: Orders) -> Tensor:
        """∂ᵒg of the axes multiplied (rows, n), from tables (orders, rows, degree + 1)."""
        product = tables[0].new_ones(tables[0].shape[1], self.count)
        own = zip(tables[self.axes], orders[self.axes], self.picks, strict=True)
        for table, order, pick in own:
            product.mul_(table[order] @ pick)
        return product


class Sums:
    """The sums of a network's products, for the channels of a plan.

    Args:
        network: whose features are products.
        plan: its channels.
    """

    def __init__(self, network: Patches, plan: Plan) -> None:
        self.network, self.dimensions = network, len(network.layout.lower)
        self.channels = [Counter(map(self.orders, c)) for c in (VALUE, *plan.channels)]
        features = network.features
        assert isinstance(features, Polynomials)
        powers: Tensor = features.powers  # type: ignore[assignment]
        middle = (self.dimensions + 1) // 2
        first, last = slice(middle), slice(middle, self.dimensions)
        self.left, self.right = (Half(powers, axes, features.degree) for axes in (first, last))

    def orders(self, indices: tuple[int, ...]) -> Orders:
        """How often each axis is among the indices of a derivative."""
        return tuple(indices.count(axis) for axis in range(self.dimensions))

    @cached_property
    def highest(self) -> list[int]:
        """The highest derivative along each axis."""
        every = [orders for channel in self.channels for orders in channel]
        return [max(orders[axis] for orders in every) for axis in range(self.dimensions)]

    @cached_property
    def coefficients(self) -> Tensor:
        """c (patches, right, left · outputs)."""
        weight = self.network.output.weight.detach()
        sizes = self.right.count, self.left.count
        full = weight.new_zeros(len(weight), *sizes, weight.shape[1])
        full[:, self.right.which, self.left.which] = weight.movedim(1, 2)
        return full.flatten(2)

    def at(self, at: Tensor, patch: Tensor) -> Tensor:
        """(1 + S, n, C) of points (n, D), each in one of the patches (n,), which increase."""
        tables = [
            along(self.network, at, patch[:, None], axis, highest)
            for axis, highest in enumerate(self.highest)
        ]
        row = self.left.count * self.network.output.weight.shape[1] * len(self.channels)
        few = range(0, len(at), max(NUMBERS // row, 1))
        parts = [slice(start, start + few.step) for start in few]
        return torch.cat([self.of([t[:, own] for t in tables], patch[own]) for own in parts], 1)

    def of(self, tables: Sequence[Tensor], patch: Tensor) -> Tensor:
        """The same from ∂ᵐ of step · T along each axis, (orders, n, degree + 1)."""
        inner, outer = dict[Orders, Tensor](), dict[Orders, Tensor]()
        outputs = self.network.output.weight.shape[1]
        result = tables[0].new_zeros(len(self.channels), len(patch), outputs)
        for out, channel in zip(result, self.channels, strict=True):
            for orders, times in channel.items():
                first, last = orders[self.left.axes], orders[self.right.axes]
                if last not in inner:
                    inner[last] = self.contracted(self.right.products(tables, orders), patch)
                if first not in outer:
                    outer[first] = self.left.products(tables, orders)[:, None]
                out.add_(torch.bmm(outer[first], inner[last])[:, 0], alpha=times)
        return result

    def contracted(self, products: Tensor, patch: Tensor) -> Tensor:
        """Σ_r c_lr B_r (n, left, C)."""
        present, counts = torch.unique_consecutive(patch, return_counts=True)
        parts = zip(products.split(counts.tolist()), present.tolist(), strict=True)
        sums = torch.cat([part @ self.coefficients[number] for part, number in parts])
        return sums.view(len(products), self.left.count, -1)


@torch.no_grad()
def product_sums(network: Patches, at: Tensor, members: Tensor, plan: Plan) -> Tensor:
    """U (1 + S, N, C): the values, then the channels of a plan.

    Args:
        network: whose features are products.
        at: points (N, D).
        members: the patches (N, K) that each point sees, −1 where there are fewer.
        plan: its S channels.
    """
    sums, outputs = Sums(network, plan), network.output.weight.shape[1]
    result = at.new_zeros(1 + len(plan.channels), len(at), outputs)
    patch, order = members.flatten().sort(stable=True)
    order = order[int((patch < 0).sum()) :]
    for some in order.split(POINTS):
        points, patches = some // members.shape[1], members.flatten()[some]
        values, start = sums.at(at[points], patches), 0
        for count in torch.unique_consecutive(patches, return_counts=True)[1].tolist():
            part = slice(start, start + count)  # points of one patch, each of them once
            result[:, points[part]] += values[:, part]
            start += count
    return result


@torch.no_grad()
def product_jet(network: Patches, at: Tensor, plan: Plan) -> Jet:
    """f(x) and its derivatives: as `evaluate`, with only the patches that are seen.

    Args:
        network: whose features are products.
        at: points (N, D).
        plan: its channels.
    """
    members = network.windows.members(at)
    result = product_sums(network, at, members, plan)
    # What is no place, such as NaN, sees no patch, and has no value.
    result[:, (members < 0).all(1)] = math.nan
    return Jet(result[0], dict(zip(plan.channels, result[1:], strict=True)), lead=1)
