"""Values and derivatives of polynomials on patches, summed without making all features:

    Σₖ cₖ Πₐ gₐ = Σ_l A_l Σ_r c_lr B_r,   A = Π over the first half of the axes, B over the others

A polynomial in three dimensions of degree 16 has 969 features, and 153 A and 17 B.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from pinn.algebra.channels import Plan
from pinn.algebra.jet import Jet
from pinn.networks.local_features import Polynomials, exponents
from pinn.networks.patches import Patches
from pinn.solution.product_features import VALUE, along

NUMBERS = 2**19  # of products of half of the axes that are made at a time: they stay in the cache
ON_GPU = 2**26  # the same where launches cost more than memory
POINTS = 2**16  # that are looked at together
Powers = Sequence[int]  # of one product, along each axis
Orders = tuple[int, ...]  # of derivatives, along each axis
Run = tuple[int, int]  # a patch, and how many points of it follow each other


class Half:
    """The products of some axes that the features have.

    Args:
        exponents: of every feature, along all axes.
        axes: the first of these axes, and the end.
        device: where they are multiplied.
    """

    def __init__(self, exponents: Sequence[Powers], axes: slice, device: torch.device) -> None:
        own = [tuple(powers[axes]) for powers in exponents]
        number = {powers: at for at, powers in enumerate(sorted(set(own)))}
        self.axes, self.count = axes, len(number)
        self.which = torch.tensor([number[powers] for powers in own], device=device)
        along_axes = zip(*number, strict=True)  # of each axis, the power in every product
        self.powers = [torch.tensor(powers, device=device) for powers in along_axes]

    def products(self, tables: Sequence[Tensor], orders: Orders) -> Tensor:
        """∂ᵒg of the axes multiplied (count, n), from tables (orders, degree + 1, n)."""
        own = zip(tables[self.axes], orders[self.axes], self.powers, strict=True)
        factors = [table[order].index_select(0, power) for table, order, power in own]
        product = factors[0] if factors else tables[0].new_ones(1, tables[0].shape[2])
        for factor in factors[1:]:
            product.mul_(factor)
        return product


@lru_cache(maxsize=32)
def halves(degrees: Powers, device: torch.device) -> tuple[Half, Half]:
    """Those of polynomials of such degrees."""
    every, middle = list(exponents(degrees)), (len(degrees) + 1) // 2
    first, last = slice(middle), slice(middle, len(degrees))
    return Half(every, first, device), Half(every, last, device)


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
        self.left, self.right = halves(features.degrees, network.output.weight.device)

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

    def at(self, at: Tensor, patch: Tensor, runs: Sequence[Run]) -> Tensor:
        """(1 + S, C, n) of points (n, D), of the patches (n,) that the runs name."""
        tables = [
            along(self.network, at, patch[:, None], axis, highest)
            for axis, highest in enumerate(self.highest)
        ]
        row = self.left.count * self.network.output.weight.shape[1] * len(self.channels)
        parts, start = list[Tensor](), 0
        for some in cut(runs, max((ON_GPU if at.is_cuda else NUMBERS) // row, 1)):
            own = slice(start, start + sum(count for _, count in some))
            parts.append(self.of([table[..., own] for table in tables], some))
            start = own.stop
        return torch.cat(parts, 2)

    def of(self, tables: Sequence[Tensor], runs: Sequence[Run]) -> Tensor:
        """The same from ∂ᵐ of step · T along each axis, (orders, degree + 1, n)."""
        inner, outer = dict[Orders, Tensor](), dict[Orders, Tensor]()
        outputs = self.network.output.weight.shape[1]
        result = tables[0].new_zeros(len(self.channels), outputs, tables[0].shape[2])
        for out, channel in zip(result, self.channels, strict=True):
            for orders, times in channel.items():
                first, last = orders[self.left.axes], orders[self.right.axes]
                if last not in inner:
                    inner[last] = self.contracted(self.right.products(tables, orders), runs)
                if first not in outer:
                    outer[first] = self.left.products(tables, orders)[:, None]
                out.add_((outer[first] * inner[last]).sum(0), alpha=times)
        return result

    def contracted(self, products: Tensor, runs: Sequence[Run]) -> Tensor:
        """Σ_r c_lr B_r (left, C, n)."""
        parts = zip(products.split([count for _, count in runs], 1), runs, strict=True)
        sums = torch.cat([self.coefficients[patch] @ part for part, (patch, _) in parts], 1)
        return sums.view(self.left.count, -1, products.shape[1])


class ByPatch:
    """Points sorted by the patches that they see.

    Args:
        members: the patches (N, K) of each point, −1 where there are fewer.
        device: of the points.
    """

    def __init__(self, members: Tensor, device: torch.device) -> None:
        patch, order = members.flatten().sort(stable=True)
        none = int((patch < 0).sum())
        present, counts = torch.unique_consecutive(patch[none:], return_counts=True)
        self.runs: list[Run] = list(zip(present.tolist(), counts.tolist(), strict=True))
        self.points = (order[none:] // members.shape[1]).to(device)
        self.patch = patch[none:].to(device)


def cut(runs: Sequence[Run], most: int) -> Iterator[list[Run]]:
    """Runs one after the other, with at most so many points together."""
    some, filled = list[Run](), 0
    for patch, count in runs:
        left = count
        while left:
            taken = min(left, most - filled)
            some.append((patch, taken))
            left, filled = left - taken, filled + taken
            if filled == most:
                yield some
                some, filled = [], 0
    if some:
        yield some


@torch.no_grad()
def product_sums(network: Patches, at: Tensor, sorted_points: ByPatch, plan: Plan) -> Tensor:
    """U (1 + S, N, C): the values, then the channels of a plan; nothing is read from a device.

    Args:
        network: whose features are products.
        at: points (N, D).
        sorted_points: the same by the patches that they see.
        plan: its S channels.
    """
    sums, outputs = Sums(network, plan), network.output.weight.shape[1]
    result, start = at.new_zeros(1 + len(plan.channels), len(at), outputs), 0
    for runs in cut(sorted_points.runs, POINTS):
        own = slice(start, start + sum(count for _, count in runs))
        points, patch = sorted_points.points[own], sorted_points.patch[own]
        values, start = sums.at(at[points], patch, runs), own.stop
        parts = values.movedim(1, 2).split([count for _, count in runs], 1)
        for some, part in zip(points.split([count for _, count in runs]), parts, strict=True):
            result[:, some] += part  # points of one patch, each of them once
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
    result = product_sums(network, at, ByPatch(members, at.device), plan)
    # What is no place, such as NaN, sees no patch, and has no value.
    result[:, (members < 0).all(1)] = math.nan
    return Jet(result[0], dict(zip(plan.channels, result[1:], strict=True)), lead=1)
