"""Numbers over other regions than the one at hand:  `integral(f, on="cylinder")`.

A method gets its unknowns as fields at some points, so it is run at the points of each region that
it names, one after the other. A run gives the integrals over its own region, and ends at the first
one over another that is not known yet. So each expression is one of ordinary fields, at the points
of the region that it is integrated over.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from pinn.base.context import setting
from pinn.fields.field import Field

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Where a number is taken.

    Args:
        region: the name of a region; empty for a point.
        fixed: names and values of coordinates that are neither integrated over nor in space.
        point: the coordinates of a point.
    """

    region: str = ""
    fixed: tuple[tuple[str, float], ...] = ()
    point: tuple[float, ...] = ()

    def __str__(self) -> str:
        """In words."""
        values = "".join(f", {name}={value:g}" for name, value in self.fixed)
        where = f"at ({', '.join(f'{x:g}' for x in self.point)})" if self.point else ""
        return (where or f"on {self.region!r}") + values


class Elsewhere(BaseException):
    """A number over another place comes next; no error, so no handler of errors may see it."""

    def __init__(self, place: Place) -> None:
        super().__init__(str(place))
        self.place = place


class Enough(BaseException):
    """All numbers are known, and the rest of the run is of no use."""


@dataclass(frozen=True, eq=False)
class Rule:
    """How a number is taken over the points at hand.

    Args:
        measure: length, area or volume, times the duration; None of measured points.
        weights: of a quadrature (N,); None where all points count alike.
    """

    measure: float | None = None
    weights: Tensor | None = None

    def mean(self, values: Tensor) -> Tensor:
        """Σ w v / Σ w over the first axis."""
        if self.weights is None:
            return values.mean(0)
        weights = self.weights.to(values)
        each = weights.reshape(-1, *[1] * (values.ndim - 1))
        return (each * values).sum(0) / weights.sum()

    def factor(self, operator: str, place: Place) -> float:
        """What the mean is multiplied by.

        Raises:
            ValueError: nobody knows the measure.
        """
        if operator == "integral" and self.measure is None:
            raise ValueError(
                f"integral {place}, which are measured points, has no length, area or volume: "
                "write mean(…) times that of what the points stand for"
            )
        return self.measure if operator == "integral" and self.measure is not None else 1.0


class Tour:
    """The numbers of a method, in the order in which it asks for them, run by run.

    Args:
        enough: how many there are, where the method is run for them alone; else it gets them as
            plain tensors, and runs to its end.
    """

    def __init__(self, enough: int | None = None) -> None:
        self.enough = enough
        self.place, self.rule = Place(), Rule()
        self.values: list[Tensor] = []
        self.sizes: list[Tensor] = []  # of the same with |f| for f
        self.count = 0

    def begin(self, place: Place, rule: Rule) -> None:
        """A run at the points of a place begins."""
        self.place, self.rule, self.count = place, rule, 0

    def number(self, operator: str, f: Field, place: Place) -> Any:
        """The next number that the method asks for.

        Raises:
            Elsewhere: it is not known, and not taken over the points at hand.
            Enough: it was the last one.
        """
        number, self.count = self.count, self.count + 1
        if number == len(self.values):
            if place != self.place:
                raise Elsewhere(place)
            factor = self.rule.factor(operator, place)
            self.values.append(factor * self.rule.mean(f.value))
            self.sizes.append(factor * self.rule.mean(f.value.detach().abs()))
            if len(self.values) == self.enough:
                raise Enough
        value = self.values[number]
        return value if self.enough is None else everywhere(f, value)

    def own(self, operator: str, f: Field) -> Field:
        """A mean or integral that names no region, which is that of the residual.

        Raises:
            ValueError: in a quantity, which has none.
        """
        if self.enough is None:
            raise ValueError(
                f'{operator} in a quantity needs a region: write {operator}(…, on="interior")'
            )
        return everywhere(f, f.value.new_full(f.value.shape[1:], torch.nan))


TOUR: ContextVar[Tour | None] = ContextVar("TOUR", default=None)


def touring(tour: Tour) -> AbstractContextManager[None]:
    """Within it, a method asks this tour for its numbers."""
    return setting(TOUR, tour)


def everywhere(f: Field, value: Tensor) -> Field:
    """A number at all points of a field; its derivatives are zero."""
    return f.like(value.expand(f.value.shape), dict.fromkeys(f.streams))


def visited(tour: Tour, run: Callable[[Place], T], first: Place) -> T | None:
    """The result of a method, run at one place after the other.

    Args:
        tour: what the method asks.
        run: runs it at the points of a place, once the tour has begun there.
        first: where to begin.

    Returns:
        None where the method is run for its numbers alone.
    """
    place = first
    with touring(tour):
        while True:
            try:
                return run(place)
            except Elsewhere as other:
                place = other.place
            except Enough:
                return None
