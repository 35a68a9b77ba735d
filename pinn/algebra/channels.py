"""Which derivatives a jet carries: channels, and the plan that lists them.

A channel is a sum of partial derivatives of one order, written as a tuple of index tuples:

    ∂/∂xᵢ      → ((i,),)
    ∂²/∂xᵢ∂xⱼ  → ((i, j),)            i ≤ j
    ∇²         → ((0, 0), (1, 1), …)  one collapsed channel, not D of them
"""

from collections.abc import Iterable
from dataclasses import dataclass

Channel = tuple[tuple[int, ...], ...]


def first(i: int) -> Channel:
    """∂/∂xᵢ."""
    return ((i,),)


def second(i: int, j: int) -> Channel:
    """∂²/∂xᵢ∂xⱼ, symmetric in i and j."""
    return ((min(i, j), max(i, j)),)


def laplace(axes: Iterable[int]) -> Channel:
    """∇² = Σᵢ ∂²/∂xᵢ² over `axes`, as one channel."""
    return tuple((i, i) for i in sorted(axes))


def order(channel: Channel) -> int:
    """The order of differentiation: 1 or 2."""
    return len(channel[0])


def symbol(channel: Channel, names: tuple[str, ...]) -> str:
    """How a channel is written for people: `∂x`, `∂xy`, `∇²`."""
    if len(channel) > 1:
        return "∇²"
    return "∂" + "".join(names[i] for i in channel[0])


@dataclass(frozen=True)
class Plan:
    """The channels one evaluation has to produce, closed downwards.

    A second-order channel brings the first derivatives that its Leibniz and chain rules read.

    Args:
        channels: the channels asked for, in any order.
    """

    channels: tuple[Channel, ...] = ()

    def __post_init__(self) -> None:
        wanted = set(self.channels)
        for channel in self.channels:
            if order(channel) == 2:
                wanted.update(first(i) for pair in channel for i in pair)
        # A collapsed sum whose terms are carried one by one anyway costs an extra channel.
        covered = {c for c in wanted if len(c) > 1 and all((pair,) in wanted for pair in c)}
        ordered = sorted(wanted - covered, key=lambda c: (order(c), c))
        object.__setattr__(self, "channels", tuple(ordered))

    @property
    def axes(self) -> tuple[int, ...]:
        """The coordinates along which first derivatives are carried."""
        return tuple(c[0][0] for c in self.channels if order(c) == 1)

    @property
    def second(self) -> tuple[Channel, ...]:
        """The second-order channels."""
        return tuple(c for c in self.channels if order(c) == 2)

    def __or__(self, other: "Plan") -> "Plan":
        return Plan(self.channels + other.channels)

    def describe(self, names: tuple[str, ...]) -> str:
        """The plan in one line, such as `value ∂x ∂y ∇²`."""
        return " ".join(["value", *(symbol(c, names) for c in self.channels)])


def every_channel(dimension: int, space: tuple[int, ...]) -> tuple[Channel, ...]:
    """Every channel up to second order that a residual can read, the collapsed ∇² included."""
    pairs = [second(i, j) for i in range(dimension) for j in range(i, dimension)]
    collapsed = [laplace(space)] if space else []
    return tuple(dict.fromkeys([*(first(i) for i in range(dimension)), *pairs, *collapsed]))
