"""Which derivatives a jet carries: channels, and the plan that lists them.

A channel is a sum of partial derivatives of one order, written as a tuple of index tuples:

    ∂/∂xᵢ         → ((i,),)
    ∂²/∂xᵢ∂xⱼ     → ((i, j),)            i ≤ j
    ∂³/∂xᵢ∂xⱼ∂xₖ  → ((i, j, k),)         i ≤ j ≤ k
    ∇²            → ((0, 0), (1, 1), …)  one collapsed channel, not D of them
    ∂/∂xᵢ ∇²      → differentiated(laplace(axes), i)
    ∇⁴ = ∇²∇²     → bilaplace(axes), in which ∂⁴/∂xᵢ²∂xⱼ² stands twice for i ≠ j
"""

import functools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement

Channel = tuple[tuple[int, ...], ...]
HIGHEST = 4
MANY = 6  # dimensions: beyond, mixed derivatives are produced where they are asked for


def first(i: int) -> Channel:
    """∂/∂xᵢ."""
    return ((i,),)


def second(i: int, j: int) -> Channel:
    """∂²/∂xᵢ∂xⱼ, symmetric in i and j."""
    return ((min(i, j), max(i, j)),)


def third(i: int, j: int, k: int) -> Channel:
    """∂³/∂xᵢ∂xⱼ∂xₖ, symmetric in i, j and k."""
    return (tuple(sorted((i, j, k))),)


def laplace(axes: Iterable[int]) -> Channel:
    """∇² = Σᵢ ∂²/∂xᵢ² over `axes`, as one channel."""
    return tuple((i, i) for i in sorted(axes))


def bilaplace(axes: Iterable[int]) -> Channel:
    """∇⁴ = Σᵢⱼ ∂⁴/∂xᵢ²∂xⱼ² over `axes`, as one channel."""
    return tuple(sorted(tuple(sorted(i + j)) for i in laplace(axes) for j in laplace(axes)))


def differentiated(channel: Channel, i: int) -> Channel:
    """∂/∂xᵢ of a channel, such as ∂y∇² = ((0, 0, 1), (1, 1, 1)) of ∇² = ((0, 0), (1, 1))."""
    return tuple(sorted(tuple(sorted((*indices, i))) for indices in channel))


def integrated(channel: Channel, i: int) -> Channel | None:
    """The channel whose ∂/∂xᵢ this one is; None if there is none."""
    if not all(i in indices for indices in channel):
        return None
    lower = []
    for indices in channel:
        k = indices.index(i)
        lower.append(indices[:k] + indices[k + 1 :])
    return tuple(sorted(lower))


def order(channel: Channel) -> int:
    """The order of differentiation: 1, 2, 3 or 4."""
    return len(channel[0])


def in_common(channel: Channel) -> tuple[int, ...]:
    """The coordinates along which every term of a channel is differentiated: (1,) of ∂y∇²."""
    return tuple(sorted(functools.reduce(Counter.__and__, map(Counter, channel)).elements()))


@functools.lru_cache(4096)
def beside_slopes(channel: Channel) -> tuple[tuple[Channel, int, int], ...]:
    """What stands beside each ∂f/∂xⱼ in the rules of ∇⁴, with how often:  4 ∂ⱼ∇² for each j.

    None for other channels, whose terms are carried one by one: they are the derivative of another
    channel along a coordinate, and that one's rules read these terms.
    """
    if order(channel) < 4 or in_common(channel):
        return ()
    beside: dict[int, Counter[tuple[int, ...]]] = {}
    for indices in channel:
        for k, j in enumerate(indices):
            beside.setdefault(j, Counter())[indices[:k] + indices[k + 1 :]] += 1
    if any(len(set(counts.values())) > 1 for counts in beside.values()):
        return ()
    return tuple((tuple(sorted(c)), j, max(c.values())) for j, c in sorted(beside.items()))


def lower(channel: Channel) -> Iterator[Channel]:
    """The channels that the Leibniz and chain rules of a channel read."""
    summed = beside_slopes(channel)
    yield from (c for c, _, _ in summed)
    for indices in channel:
        for n in range(1, order(channel) - bool(summed)):
            yield from ((part,) for part in combinations(indices, n))


def symbol(channel: Channel, names: tuple[str, ...]) -> str:
    """How a channel is written for people: `∂x`, `∂xy`, `∇²`, `∂y∇²`, `∂xy∇²`, `∇⁴`."""
    if len(channel) == 1:
        return "∂" + "".join(names[i] for i in channel[0])
    along = in_common(channel)
    power = "²" if order(channel) - len(along) == 2 else "⁴"
    return ("∂" + "".join(names[i] for i in along) if along else "") + "∇" + power


@dataclass(frozen=True)
class Plan:
    """The channels one evaluation has to produce, closed downwards.

    A channel brings the lower derivatives that its Leibniz and chain rules read: ∂xxy brings
    ∂x, ∂y, ∂xx and ∂xy; ∇⁴ brings ∂i, ∂ij and ∂i∇², and no other derivative of third order.

    Args:
        channels: the channels asked for, in any order.
        coordinates: up to which order expressions of coordinates alone are differentiated.
    """

    channels: tuple[Channel, ...] = ()
    coordinates: int = 0

    def __post_init__(self) -> None:
        wanted = set(self.channels)
        for channel in self.channels:
            wanted.update(lower(channel))
        # A collapsed sum whose terms are carried one by one anyway costs an extra channel.
        covered = {c for c in wanted if len(c) > 1 and all((term,) in wanted for term in c)}
        ordered = sorted(wanted - covered, key=lambda c: (order(c), c))
        object.__setattr__(self, "channels", tuple(ordered))

    @property
    def axes(self) -> tuple[int, ...]:
        """The coordinates along which first derivatives are carried."""
        return tuple(c[0][0] for c in self.channels if order(c) == 1)

    @property
    def order(self) -> int:
        """The highest order of differentiation, 0 for the value alone."""
        return max([0, *(order(c) for c in self.channels)])

    def __or__(self, other: "Plan") -> "Plan":
        known = max(self.coordinates, other.coordinates)
        return Plan(self.channels + other.channels, known)

    def describe(self, names: tuple[str, ...]) -> str:
        """The plan in one line, such as `value ∂x ∂y ∇²`."""
        words = ["value"]
        for n in range(1, self.order + 1):
            symbols = [symbol(c, names) for c in self.channels if order(c) == n]
            words += symbols if len(symbols) <= 12 else [*symbols[:3], "…", symbols[-1]]
        return " ".join(words)


def common_channels(
    dimension: int, space: tuple[int, ...], highest: int = 2
) -> tuple[Channel, ...]:
    """Every channel up to an order; in more than six dimensions without the mixed ones.

    There are D(D + 1)/2 second derivatives, 5,050 in a hundred dimensions, of which
    100 are ∂²/∂xᵢ².
    """
    return every_channel(dimension, space, highest, mixed=dimension <= MANY)


def every_channel(
    dimension: int, space: tuple[int, ...], highest: int = 2, mixed: bool = True
) -> tuple[Channel, ...]:
    """Every channel up to an order that a residual can read, the collapsed ones included."""
    channels: list[Channel] = []
    for n in range(1, highest + 1):
        if mixed:
            every = combinations_with_replacement(range(dimension), n)
            channels += [(indices,) for indices in every]
            channels += [laplace(space)] if space and n == 2 else []
        elif n < 3:
            channels += [((i,) * n,) for i in range(dimension)]
        if space and n == 3:
            channels += [differentiated(laplace(space), i) for i in range(dimension)]
        if space and n == 4:
            channels += [*above_laplace(space, dimension if mixed else MANY + 1, 4).values()]
    return tuple(dict.fromkeys(channels))


@functools.lru_cache(64)
def above_laplace(space: tuple[int, ...], dimension: int, n: int) -> dict[Channel, Channel]:
    """A derivative of ∇²f → that of f of order n:  ∂ᵢ → ∂ᵢ∇²;  ∂ᵢⱼ → ∂ᵢⱼ∇² and ∇² → ∇⁴.

    Args:
        space: the coordinates that ∇² is over.
        dimension: how many coordinates there are; beyond six without the ∂ᵢⱼ.
        n: 3 or 4.
    """
    slopes = {first(i): differentiated(laplace(space), i) for i in range(dimension)}
    if n == 3:
        return slopes
    few = slopes if dimension <= MANY else {}
    mixed = {
        second(i, j): differentiated(slopes[first(i)], j)
        for i, j in combinations_with_replacement(range(len(few)), 2)
    }
    return mixed | {laplace(space): bilaplace(space)}
