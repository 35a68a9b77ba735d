"""Ranges: parameters of a problem as coordinates that are neither space nor time.

    ranges = {"reynolds": (20, 80)}        the solution is u(x, y, Re) for all of them at once

Where a problem without the range has a number, `self.reynolds`, one with it has the coordinate. So
residuals that are written with `self.reynolds` serve both.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from keyword import iskeyword
from typing import Any

from pinn.base.context import setting
from pinn.base.messages import echo
from pinn.geometry import Geometry
from pinn.physics.attributes import Holder
from pinn.physics.declaration import Declared
from pinn.physics.explanation import ProblemError, calling
from pinn.physics.residuals import Residual

Ranges = Mapping[str, Sequence[float]]
HERE: ContextVar[tuple[Any, Any] | None] = ContextVar("HERE", default=None)  # a problem, and `at`


class Ranged(Declared, Holder):
    """A problem whose ranged parameters are attributes while its equations are evaluated.

    Attributes:
        geometry: the domain, over the parameters too.
        residuals: its equations and conditions.
    """

    geometry: Geometry
    residuals: tuple[Residual, ...] = ()

    def __getattr__(self, name: str) -> Any:
        """A parameter with a range: its column of the points that are evaluated.

        Raises:
            ProblemError: nothing is evaluated.
        """
        if name not in self.ranges:
            return super().__getattr__(name)
        here = HERE.get()
        if here is None or here[0] is not self:
            raise ProblemError(
                f"self.{name} of {type(self).__name__} is a coordinate, with a value at each point "
                "of a residual, ansatz or exact: elsewhere take its column of the points"
            )
        return here[1][:, self.coordinates.index(name)].named(name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute that is no coordinate.

        Raises:
            TypeError: it is one.
        """
        if name in self.ranges:
            raise TypeError(taken(type(self).__name__, name, value, self.ranges[name]))
        super().__setattr__(name, value)

    def _extend(self, ranges: Ranges) -> None:
        """Let the parameters with a range be coordinates, and read the measured points."""
        for name in ranges:
            if name in vars(self):
                raise TypeError(taken(type(self).__name__, name, vars(self)[name], ranges[name]))
        for residual in (*self.residuals, *getattr(self, "quantities", ())):
            for name in residual.arguments:
                if name in type(self).ranges and name not in ranges:
                    raise ValueError(
                        f"{type(self).__name__}.{residual.name} asks for {name!r}, which has no "
                        f"range here: write self.{name}, which is a number or the coordinate"
                    )
        geometry = self.geometry.with_ranges(ranges) if ranges else self.geometry
        self.geometry = geometry.read()  # the one of a class stays unread
        if ranges or type(self).ranges:  # what the class has is its own
            own = type(self).coordinates
            end = len(own) - (own[-1:] == ("t",))
            names = (*own[:end], *ranges, *own[end:])
            vars(self).update(ranges=dict(ranges), coordinates=names)

    @contextmanager
    def at_work(self, what: str, at: Any) -> Iterator[None]:
        """Within it, code of the problem runs at points, a field (N, D); see `calling`."""
        with calling(what), setting(HERE, (self, at)):
            yield


def taken(problem: str, name: str, value: Any, bounds: Sequence[float]) -> str:
    """What is said of a parameter that has a number and a range."""
    return (
        f"{name} of {problem} is {echo(value)} and has the range {tuple(bounds)}: give the number "
        f"or the range, ranges={{}} for the number"
    )


def check_ranges(cls: Any, ranges: Any) -> dict[str, tuple[float, float]]:
    """The ranges of a class of problems, or of one of its problems, held against its other names.

    Raises:
        TypeError: one is no range, or its name is not free.
    """
    owner, example = cls.__name__, '{"reynolds": (20, 80)}'
    if not isinstance(ranges, Mapping):
        raise TypeError(f"{owner}.ranges is {echo(ranges)}: write names and bounds, {example}")
    checked = {}
    for name, bounds in ranges.items():
        if not isinstance(name, str) or not name.isidentifier() or iskeyword(name):
            raise TypeError(f"{owner}.ranges has the name {name!r}: write one such as {example}")
        check_free(cls, name, bounds)
        checked[name] = two_bounds(f"{owner}.ranges[{name!r}]", bounds)
    return checked


def check_free(cls: Any, name: str, bounds: Any) -> None:
    """Refuse a name that means something else.

    Raises:
        TypeError: it does.
    """
    line = f"{cls.__name__}.ranges has the name {name!r}"
    if name in ("t", "parameters"):
        meaning = (
            "time: give the geometry a time interval"
            if name == "t"
            else ("the weights of a module of torch: call it by its own name, such as reynolds")
        )
        raise TypeError(f"{line}, which means {meaning}")
    parts = [p for g in cls.unknowns.values() if isinstance(g, tuple) for p in g]
    others = (*cls.coordinates, *cls.unknowns, *parts, *cls.outputs, *cls.columns, "at", "normal")
    if name in others:
        raise TypeError(f"{line}, which is another argument of its residuals: choose a free one")
    value = getattr(cls, name, None)
    if callable(value) or isinstance(value, property):
        raise TypeError(f"{line}, which is a method or property of it: choose a free one")
    if hasattr(cls, name):
        raise TypeError(taken(cls.__name__, name, value, bounds))


def two_bounds(where: str, bounds: Any) -> tuple[float, float]:
    """A range.

    Raises:
        TypeError: it is none.
    """
    line = f"{where} is {echo(bounds)}: give two finite numbers that increase, such as (20, 80)"
    try:
        low, high = map(float, bounds)
    except (TypeError, ValueError):
        raise TypeError(line) from None
    if isinstance(bounds, str) or not (math.isfinite(high - low) and low < high):
        raise TypeError(line)
    return low, high
