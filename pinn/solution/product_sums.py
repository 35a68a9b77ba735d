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

NUMBERS = 2**19  # of products of half of the axes that are made at a time
POINTS = 2**16  # that are looked at together
Orders = tuple[int, ...]  # of derivatives, along each axis


class Half:
    """The products of some axes that the features have.

    Args:
        powers: (D, F) of the features.
        axes: the first of these axes, and the end.
    """

    def __init__(self, powers: Tensor, axes: slice) -> None:
        self.axes = axes
        none = torch.zeros_like(powers[:1])  # there may be no axes
        every = torch.cat([none, powers[axes]]).T
        sets, self.which = torch.unique(every, dim=0, return_inverse=True)
        self.count, self.powers = len(sets), sets.T[1:].contiguous()

    def products(self, tables: Sequence[Tensor], orders: Orders) -> Tensor:
        """∂ᵒg of the axes multiplied (count, n), from tables (orders, degree + 1, n)."""
        own = zip(tables[self.axes], orders[self.axes], self.powers, strict=True)
        factors = [table[order].index_select(0, power) for table, order, power in own]
        product = factors[0] if factors else tables[0].new_ones(1, tables[0].shape[2])
        for factor in factors[1:]:
            product.mul_(factor)
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
        self.left, self.right = (Half(powers, axes) for axes in (first, last))

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
        """c (patches, left · outputs, right)."""
        weight = self.network.output.weight.detach()
        full = weight.new_zeros(len(weight), self.left.count, weight.shape[1], self.right.count)
        full.movedim(2, 3)[:, self.left.which, self.right.which] = weight.movedim(1, 2)
        return full.flatten(1, 2)

    def at(self, at: Tensor, patch: Tensor) -> Tensor:
        """(1 + S, C, n) of points (n, D), each in one of the patches (n,), which increase."""
        tables = [
            along(self.network, at, patch[:, None], axis, highest)
            for axis, highest in enumerate(self.highest)
        ]
        row = self.left.count * self.network.output.weight.shape[1] * len(self.channels)
        few = range(0, len(at), max(NUMBERS // row, 1))
        parts = [slice(start, start + few.step) for start in few]
        return torch.cat([self.of([t[..., own] for t in tables], patch[own]) for own in parts], 2)

    def of(self, tables: Sequence[Tensor], patch: Tensor) -> Tensor:
        """The same from ∂ᵐ of step · T along each axis, (orders, degree + 1, n)."""
        inner, outer = dict[Orders, Tensor](), dict[Orders, Tensor]()
        outputs = self.network.output.weight.shape[1]
        result = tables[0].new_zeros(len(self.channels), outputs, len(patch))
        for out, channel in zip(result, self.channels, strict=True):
            for orders, times in channel.items():
                first, last = orders[self.left.axes], orders[self.right.axes]
                if last not in inner:
                    inner[last] = self.contracted(self.right.products(tables, orders), patch)
                if first not in outer:
                    outer[first] = self.left.products(tables, orders)[:, None]
                out.add_((outer[first] * inner[last]).sum(0), alpha=times)
        return result

    def contracted(self, products: Tensor, patch: Tensor) -> Tensor:
        """Σ_r c_lr B_r (left, C, n)."""
        present, counts = torch.unique_consecutive(patch, return_counts=True)
        parts = zip(products.split(counts.tolist(), 1), present.tolist(), strict=True)
        sums = torch.cat([self.coefficients[number] @ part for part, number in parts], 1)
        return sums.view(self.left.count, -1, len(patch))


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
            result[:, points[part]] += values[..., part].movedim(1, 2)
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
