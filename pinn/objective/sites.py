"""Where the networks of a region are evaluated, and their features there.

    U = Φ c,   Φ = (φ, ∂φ, …)  at the points

Points that see the same patches are a group, or several; Φ follows from the points alone.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from pinn.algebra.channels import Plan
from pinn.algebra.jet import Jet
from pinn.base.transfers import reads_are_free
from pinn.derivatives.evaluate import evaluate
from pinn.geometry import Points
from pinn.networks.patches import Patches
from pinn.solution.product_features import is_product, product_features
from pinn.solution.product_sums import ByPatch, product_sums

LARGEST = 2048  # points of a group at most
TOGETHER = 2**22  # numbers of features that are evaluated at a time
MANY = 2**24  # numbers of features that are handed on at a time
Seen = tuple[int, ...]


@dataclass
class Site:
    """One evaluation of a network at the points of a region, in groups.

    Args:
        network: its name.
        at: where (N, D).
        plan: what it produces.
        patches: the patches that each group sees.
        features: of each group Φ (1 + S, n, k F), where they are kept.
        by_patch: its points by patches, once somebody has asked.
        last: the sums U that were made last, and the numbers of the network that they were made of.
    """

    network: str
    at: Tensor
    plan: Plan
    patches: list[Seen] = field(default_factory=list)
    features: list[Tensor] = field(default_factory=list)
    by_patch: ByPatch | None = None
    last: tuple[Tensor, list[Tensor]] | None = None


@dataclass
class Placed:
    """The points of a region, in the order of their groups.

    Args:
        points: of the region.
        sizes: how many points each group has.
        sites: the evaluations of networks, in their order.
        width: how many rows a point has.
    """

    points: Points
    sizes: list[int]
    sites: list[Site]
    width: int = 0

    @cached_property
    def slices(self) -> list[slice]:
        """Which points each group has."""
        ends = torch.tensor([0, *self.sizes]).cumsum(0).tolist()
        return [slice(a, b) for a, b in pairwise(ends)]

    def members(self, site: Site) -> Tensor:
        """The patches (N, K) that each point sees at a site, −1 where there are fewer."""
        most = max(map(len, site.patches))
        padded = torch.tensor([(*own, *[-1] * (most - len(own))) for own in site.patches])
        return padded.repeat_interleave(torch.tensor(self.sizes), 0)

    def by_patch(self, site: Site) -> ByPatch:
        """The points of a site by the patches that they see, sorted once."""
        if site.by_patch is None:
            site.by_patch = ByPatch(self.members(site), site.at.device)
        return site.by_patch


def thinned(placed: Placed, most: int) -> Placed:
    """At most so many of the points, evenly over the groups."""
    every = math.ceil(len(placed.points) / most)
    if every <= 1:
        return placed
    some = torch.arange(0, len(placed.points), every, device=placed.points.at.device)
    sizes = [len(range(-own.start % every, own.stop - own.start, every)) for own in placed.slices]
    here = [g for g, size in enumerate(sizes) if size]
    sites = [
        Site(site.network, site.at[some], site.plan, [site.patches[g] for g in here])
        for site in placed.sites
    ]
    return Placed(placed.points.select(some), [sizes[g] for g in here], sites, placed.width)


def batches(placed: Placed, site: Site, network: Patches) -> Iterator[range]:
    """Groups one after the other, as many at a time as are evaluated well together."""
    row = network.features.count * (1 + len(site.plan.channels))
    first, filled = 0, 0
    for g, (count, patches) in enumerate(zip(placed.sizes, site.patches, strict=True)):
        if filled >= MANY:
            yield range(first, g)
            first, filled = g, 0
        filled += count * len(patches) * row
    yield range(first, len(placed.sizes))


def evaluated(placed: Placed, site: Site, network: Patches, groups: range) -> list[Tensor]:
    """Φ (1 + S, n, k F) of some groups, those of equally many patches together."""
    made = dict[int, Tensor]()
    row = network.features.count * (1 + len(site.plan.channels))
    for k in {len(site.patches[g]) for g in groups}:
        alike = [g for g in groups if len(site.patches[g]) == k]
        while alike:
            some = [alike.pop(0)]
            filled = placed.sizes[some[0]]
            while alike and filled * k * row < TOGETHER:
                some.append(alike.pop(0))
                filled += placed.sizes[some[-1]]
            made |= dict(zip(some, together(placed, site, network, some), strict=True))
    return [made[g] for g in groups]


def together(placed: Placed, site: Site, network: Patches, groups: list[int]) -> list[Tensor]:
    """Φ of groups that see equally many patches, in one evaluation."""
    counts = [placed.sizes[g] for g in groups]
    at = torch.cat([site.at[placed.slices[g]] for g in groups])
    patch = torch.tensor([site.patches[g] for g in groups], device=at.device)
    patch = patch.repeat_interleave(torch.tensor(counts, device=at.device), 0)
    if is_product(network):
        return list(product_features(network, at, patch, site.plan).split(counts, 1))
    y = evaluate(lambda x: network.local(x, patch).flatten(-2), at, site.plan, "taylor")
    rows = [y.value, *(y.stream(channel) for channel in site.plan.channels)]
    return list(torch.stack(rows).detach().split(counts, 1))


def summed(placed: Placed, site: Site, network: Patches, features: Iterator[Tensor]) -> Tensor:
    """U (1 + S, N, C) = Φ c, without features where these are products.

    Args:
        placed: the points of a region.
        site: of them.
        network: whose site.
        features: Φ (1 + S, n, k F) of one group after the other, if they are needed.
    """
    if is_product(network):  # whether or not there are features: with the same digits
        return sums_once(placed, site, network)
    weight = network.output.weight.detach()
    parts = [
        phi @ weight[list(own)].movedim(0, 1).flatten(1).T
        for own, phi in zip(site.patches, features, strict=True)
    ]
    return torch.cat(parts, 1)


def sums_once(placed: Placed, site: Site, network: Patches) -> Tensor:
    """The sums of products; those of the last time, if each number of the network is as it was.

    After a step its loss, its end and what is printed look at the points of the step. To compare
    numbers on a GPU would make Python wait for it.
    """
    numbers = [*network.parameters(), *network.buffers()]
    if site.last is not None:
        sums, before = site.last
        same = len(before) == len(numbers) and all(map(torch.equal, before, numbers))
        if same:
            return sums.clone()  # a residual may write into what it is given
    site.last = None  # what it holds is not needed beside the new ones
    sums = product_sums(network, site.at, placed.by_patch(site), site.plan)
    if reads_are_free(sums.device):
        site.last = sums.clone(), [number.detach().clone() for number in numbers]
    return sums


def grouped(points: Points, sites: list[Site], seen: list[Tensor], width: int) -> Placed:
    """The points of a region, sorted by the patches that all their sites see.

    More points than LARGEST are several groups: all rows of J of a group are in the memory at once.

    Args:
        points: of the region.
        sites: in the order of the points.
        seen: of each site the patches (N, K), −1 where there are fewer.
        width: how many rows a point has.
    """
    sets, inverse = torch.unique(torch.cat(seen, -1), dim=0, return_inverse=True)
    order = torch.argsort(inverse, stable=True)
    counts = torch.bincount(inverse, minlength=len(sets)).tolist()
    parts = list[tuple[int, int]]()  # the number of a set, and how many points
    for g, n in enumerate(counts):
        many = math.ceil(n / LARGEST)
        parts += [(g, n // many + (k < n % many)) for k in range(many)]
    for site, columns in zip(sites, sets.split([k.shape[-1] for k in seen], 1), strict=True):
        site.at = site.at[order]
        patches = [tuple(p for p in row if p >= 0) for row in columns.tolist()]
        site.patches = [patches[g] for g, _ in parts]
    return Placed(points.select(order), [n for _, n in parts], sites, width)


def handed_out(outputs: list[Tensor]) -> Callable[[str, Tensor, Plan], Jet]:
    """What gives U (1 + S, N, C) in the place of one network after the other."""
    remaining = iter(outputs)

    def give(name: str, at: Tensor, plan: Plan) -> Jet:
        u = next(remaining)
        return Jet(u[0], dict(zip(plan.channels, u[1:], strict=True)), lead=1)

    return give
