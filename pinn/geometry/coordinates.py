"""The independent variables of a problem, by name."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from pinn.base.messages import near_miss


def bound(name: str, value: Any) -> float:
    """A bound of a coordinate.

    Raises:
        ValueError: it is not a number; a date is not one.
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"bound of {name} is {value!r}: give a number; for dates, give the seconds "
            "or days since a first date"
        ) from None


def increasing(name: str, low: float, high: float) -> None:
    """Refuse bounds of a coordinate between which nothing lies.

    Raises:
        ValueError: they are not finite, or do not increase.
    """
    # The midpoint must be a number of its own, or the open box would be empty.
    if not (math.isfinite(high - low) and low < 0.5 * (low + high) < high):
        raise ValueError(f"bounds of {name} must be finite and increase, got {low}, {high}")


def span(low: float, high: float) -> str:
    """An interval with as many digits as its ends need to differ by a thousandth of its length."""
    size = max(abs(low), abs(high))
    digits = max(6, 3 + math.ceil(math.log10(size / (high - low)))) if high > low else 6
    return f"({low:.{digits}g}, {high:.{digits}g})"


@dataclass(frozen=True)
class Coordinates:
    """The ordered names of the columns of a point tensor `(N, D)`, such as `("x", "y", "t")`.

    Args:
        names: unique identifiers; time, if there is one, is called `t` and comes last.
        parameters: those that are neither space nor time, such as `("reynolds",)`; they come
            behind space and before time, and spatial operators skip them.

    Raises:
        ValueError: names are missing, repeated, not identifiers, or not in that order.
    """

    names: tuple[str, ...]
    parameters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.names, str):
            raise ValueError(f"coordinates need a tuple of names, got the text {self.names!r}")
        object.__setattr__(self, "names", tuple(self.names))
        if not self.names:
            raise ValueError("coordinates need at least one name, such as ('x',)")
        for name in self.names:
            if not isinstance(name, str) or not name.isidentifier():
                raise ValueError(f"coordinate name {name!r} is not an identifier, such as 'x'")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"coordinate names {self.names} repeat: give each one once")
        if "t" in self.names[:-1]:
            raise ValueError(f"coordinate names {self.names}: time 't' must come last")
        object.__setattr__(self, "parameters", tuple(self.parameters))
        end = len(self.names) - (self.names[-1] == "t")
        if self.parameters != self.names[end - len(self.parameters) : end]:
            raise ValueError(
                f"coordinate names {self.names}: the parameters {self.parameters} must come behind "
                "space and before time"
            )

    @property
    def time(self) -> int | None:
        """The column of time, or None for a steady problem."""
        return len(self.names) - 1 if self.names[-1] == "t" else None

    @property
    def space(self) -> tuple[int, ...]:
        """The columns of the spatial coordinates, in order."""
        return tuple(range(len(self.names) - len(self.parameters) - (self.time is not None)))

    def with_parameters(self, names: Iterable[str]) -> "Coordinates":
        """The coordinates with more parameters, behind those that there are.

        Raises:
            ValueError: a name is taken, or none.
        """
        end = len(self.names) - (self.time is not None)
        added = tuple(names)
        return Coordinates(
            (*self.names[:end], *added, *self.names[end:]), (*self.parameters, *added)
        )

    @property
    def beside_space(self) -> tuple[int, ...]:
        """The columns of parameters and time, in order."""
        return tuple(range(len(self.space), len(self.names)))

    def index(self, name: str) -> int:
        """The column of coordinate `name`.

        Raises:
            ValueError: there is no such coordinate.
        """
        if name not in self.names:
            raise ValueError(f"unknown coordinate {name!r}: {near_miss(name, self.names)}")
        return self.names.index(name)

    def column(self, axis: Any) -> int:
        """The column of a coordinate by name or number.

        Raises:
            ValueError: it is none.
        """
        names = ", ".join(map(repr, self.names))
        if isinstance(axis, str):
            if len(axis) > 1 and axis not in self.names and set(axis) <= set(self.names):
                first, *rest = list(axis)
                inner = f"partial(u, {first!r})"
                for name in rest:
                    inner = f"partial({inner}, {name!r})"
                raise ValueError(f"{axis!r} is more than one coordinate: write {inner}")
            return self.index(axis)
        if isinstance(axis, bool) or not isinstance(axis, Integral):
            raise ValueError(f"{axis!r} is no coordinate: give one by name, {names}")
        column = int(axis)
        if not 0 <= column < len(self.names):
            raise ValueError(f"coordinate number {axis} does not exist: give one by name, {names}")
        return column

    def __len__(self) -> int:
        return len(self.names)
