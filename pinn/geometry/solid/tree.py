"""Primitives joined by union, intersection and difference."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Union

import numpy as np

from pinn.geometry.solid.motion import Array, Motion
from pinn.geometry.solid.primitive import Primitive, Tessellation

UNION, INTERSECTION, DIFFERENCE = "union", "intersection", "difference"

Tree = Union["Leaf", "Branch"]


@dataclass(eq=False)
class Leaf:
    """A primitive, and what its pieces are called.

    Args:
        primitive: the ball, cylinder, ….
        names: of its pieces.
    """

    primitive: Primitive
    names: tuple[str, ...]
    kept: dict[str, Any] = field(default_factory=dict)  # what `booleans` made of it

    @property
    def bounded(self) -> bool:
        """Whether it has a finite volume."""
        return bool(np.isfinite(self.primitive.volume))

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper bounds, each (3,)."""
        return self.primitive.lower, self.primitive.upper

    @cached_property
    def tessellated(self) -> Tessellation:
        """Its triangles; of a half-space, only what they lie on is right."""
        return self.primitive.tessellation(np.zeros(3), np.ones(3))

    def leaves(self, sign: int = 1) -> Iterator[tuple["Leaf", int]]:
        """This leaf, and its sign."""
        yield self, sign

    def contains(self, at: Array, slack: float = 0.0) -> np.ndarray:
        """Which points are at most `slack` outside; with a negative one, that far inside."""
        return self.primitive.contains(at, slack)

    def distance(self, at: Array) -> Array:
        """The signed distance, exact."""
        return self.primitive.distance(at)

    def moved(self, motion: Motion) -> "Leaf":
        """The moved leaf."""
        return Leaf(self.primitive.moved(motion), self.names)

    def nameless(self, lost: Collection[str]) -> "Leaf":
        """Without some names."""
        return Leaf(self.primitive, tuple("" if name in lost else name for name in self.names))

    def second(self) -> "Leaf":
        """As the second operand of a boolean."""
        return (
            Leaf(self.primitive, self.names)
            if self.primitive.lasting
            else self.nameless(self.names)
        )


@dataclass(eq=False)
class Branch:
    """Two trees joined.

    Args:
        operation: UNION, INTERSECTION or DIFFERENCE.
        a: the first operand.
        b: the second one.
    """

    operation: str
    a: Tree
    b: Tree
    kept: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def bounded(self) -> bool:
        """Whether it surely has a finite volume."""
        if self.operation == UNION:
            return self.a.bounded and self.b.bounded
        return self.a.bounded or (self.operation == INTERSECTION and self.b.bounded)

    @cached_property
    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper bounds, each (3,), perhaps wider than they could be."""
        (low, high), (other_low, other_high) = self.a.bounds, self.b.bounds
        if self.operation == UNION:
            return np.minimum(low, other_low), np.maximum(high, other_high)
        if self.operation == INTERSECTION:
            return np.maximum(low, other_low), np.minimum(high, other_high)
        return low, high

    def leaves(self, sign: int = 1) -> Iterator[tuple[Leaf, int]]:
        """The leaves from left to right; the sign is −1 where a leaf is taken away."""
        yield from self.a.leaves(sign)
        yield from self.b.leaves(-sign if self.operation == DIFFERENCE else sign)

    def contains(self, at: Array, slack: float = 0.0) -> np.ndarray:
        """Which points are at most `slack` outside; with a negative one, that far inside."""
        own = self.a.contains(at, slack)
        decides = ~own if self.operation == UNION else own
        some = 2 * np.count_nonzero(decides) < len(at)
        rows = np.flatnonzero(decides) if some else slice(None)
        other = self.b.contains(at[rows], -slack if self.operation == DIFFERENCE else slack)
        if self.operation == UNION:
            own[rows] |= other
        else:
            own[rows] &= ~other if self.operation == DIFFERENCE else other
        return own

    def distance(self, at: Array) -> Array:
        """min(a, b), max(a, b) or max(a, −b): the exact sign; |value| is at most the distance."""
        a, b = self.a.distance(at), self.b.distance(at)
        if self.operation == UNION:
            return np.minimum(a, b)
        return np.maximum(a, b if self.operation == INTERSECTION else -b)

    def moved(self, motion: Motion) -> "Branch":
        """The moved tree."""
        return Branch(self.operation, self.a.moved(motion), self.b.moved(motion))

    def nameless(self, lost: Collection[str]) -> "Branch":
        """Without some names."""
        return Branch(self.operation, self.a.nameless(lost), self.b.nameless(lost))

    def second(self) -> "Branch":
        """As the second operand of a boolean."""
        return Branch(self.operation, self.a.second(), self.b.second())
