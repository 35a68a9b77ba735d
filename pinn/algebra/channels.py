"""Which derivatives a jet carries: channels, and the plan that lists them.

A channel is a sum of partial derivatives of one order, written as a tuple of index tuples:

    ∂/∂xᵢ         → ((i,),)
    ∂²/∂xᵢ∂xⱼ     → ((i, j),)            i ≤ j
    ∂³/∂xᵢ∂xⱼ∂xₖ  → ((i, j, k),)         i ≤ j ≤ k
    ∇²            → ((0, 0), (1, 1), …)  one collapsed channel, not D of them
    ∂/∂xᵢ ∇²      → differentiated(laplace(axes), i)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement

Channel = tuple[tuple[int, ...], ...]
HIGHEST = 3
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
    """The order of differentiation: 1, 2 or 3."""
    return len(channel[0])


def symbol(channel: Channel, names: tuple[str, ...]) -> str:
    """How a channel is written for people: `∂x`, `∂xy`, `∇²`, `∂y∇²`."""
    if len(channel) == 1:
        return "∂" + "".join(names[i] for i in channel[0])
    along = set.intersection(*map(set, channel)) if order(channel) > 2 else set()
    return "".join(f"∂{names[i]}" for i in along) + "∇²"


@dataclass(frozen=True)
class Plan:
    """The channels one evaluation has to produce, closed downwards.

    A channel brings the lower derivatives that its Leibniz and chain rules read: ∂xxy brings
    ∂x, ∂y, ∂xx and ∂xy.

    Args:
        channels: the channels asked for, in any order.
    """

    channels: tuple[Channel, ...] = ()

    def __post_init__(self) -> None:
        wanted = set(self.channels)
        for channel in self.channels:
            for indices in channel:
                for n in range(1, order(channel)):
                    wanted.update((lower,) for lower in combinations(indices, n))
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
        return Plan(self.channels + other.channels)

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
    return tuple(dict.fromkeys(channels))
