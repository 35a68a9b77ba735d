"""Means and integrals over a region, and other numbers that all of its points share:

    mean(f) = Σ w f / Σ w,   integral(f) = |region| mean(f)

A residual that reads such a number depends on all points of its region. Where the whole region is
evaluated, the number is computed and noted. Where some of the points are evaluated, the number is
given. The same holds for numbers that a residual makes itself, such as `u.value.max()`: these are
the calls of torch whose result has the same shape for any number of points.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from numbers import Real
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pinn.base.context import setting
from pinn.base.processes import processes, total
from pinn.fields.elsewhere import TOUR, Place, Rule, Tour, everywhere
from pinn.fields.field import Field

HERE: ContextVar[Rule | None] = ContextVar("HERE", default=None)
SHARED: ContextVar["Shared | None"] = ContextVar("SHARED", default=None)
SPREAD: ContextVar[bool] = ContextVar("SPREAD", default=False)


def mean(f: Field, on: str | None = None, **at: float) -> Any:
    """f̄ = Σ w f / Σ w over a region: by default that of the residual, the same at every point.

    With `method: gauss` w are the weights of the quadrature, else all points count alike. It is
    the mean over all points, whatever the pieces, processes or graphs that evaluate them; with
    time over space and time. Outside of a residual it is the plain mean over the points of f.

    Args:
        f: a field (N,), (N, C) or (N, C, D): an unknown or any expression of them.
        on: another region by its name, see `integral`.
        **at: with `on`, an instant, t=2.0, or a value of another parameter that has a range.

    Returns:
        A field shaped like f; its derivatives by the coordinates are zero. In a quantity a number,
        or a tensor (C,) or (C, D).

    Raises:
        TypeError: f is no field.
        ValueError: the region does not exist, a quantity names none, or the problem has parameters
            with a range, which the mean would be over too.
    """
    checked("mean", f, on, at)
    if on is not None:
        return number("mean", f, Place(on, tuple(sorted(at.items()))))
    if (tour := TOUR.get()) is not None and not isinstance(tour, Known):
        return tour.own("mean", f)
    if names := ", ".join(f.coordinates.parameters):
        raise ValueError(
            f"a mean or an integral over the region would be over {names} too, which has a range: "
            "give it a number in place of its range, or state the condition at each point"
        )
    value, here, shared = f.value, HERE.get(), SHARED.get()

    def compute() -> Tensor:
        return average(value, None if here is None else here.weights)

    return everywhere(f, compute() if shared is None else shared.number(compute))


def integral(f: Field, on: str | None = None, **at: float) -> Any:
    """∫ f = |region| f̄, over the residual's region or the one that is named:

        @on("interior")
        def normalised(self, u):
            return integral(u) - 1

        @on("inlet")
        def flow_rate_given(self, u):
            return integral(u[:, 0], on="outlet") - self.rate

        @quantity
        def flow_rate(self, u):
            return integral(u[:, 0], on="outlet")

    The measure is length, area or volume, with time times the duration. Over a region that is named
    it is taken by a quadrature of its own, at the points of that region: so f may read a normal and
    coordinates there.

    Args:
        f: a field, see `mean`.
        on: the name of a region.
        **at: with `on`, an instant, t=2.0; by default all of the time, and so ∫∫ f dx dt. A
            quantity is at one value of each parameter that has a range, in the middle by default.

    Returns:
        As `mean`: a field shaped like f, in a quantity a number.

    Raises:
        TypeError: f is no field.
        ValueError: nobody knows the measure, of measured points or outside of a residual; the
            region does not exist, a quantity names none, or a parameter has a range.
    """
    checked("integral", f, on, at)
    if on is not None:
        return number("integral", f, Place(on, tuple(sorted(at.items()))))
    if (tour := TOUR.get()) is not None and not isinstance(tour, Known):
        return tour.own("integral", f)
    here = HERE.get()
    if here is None or here.measure is None:
        where = "outside of a residual" if here is None else "over measured points"
        raise ValueError(
            f"integral {where} has no length, area or volume: write mean(…) times that of what "
            "the points stand for"
        )
    return here.measure * mean(f)


def value(f: Field, at: Sequence[float]) -> Any:
    """f at one point, given by its coordinates, time last:

        @quantity(reference=0.11752)
        def pressure_drop(self, p):
            return value(p, at=(0.15, 0.2)) - value(p, at=(0.25, 0.2))

    In a residual a rule of nodes s and weights w makes a nonlocal term ∫ K(x, s) u(s) ds of it:

        sum(w * exp(-((x - s) ** 2)) * value(u, at=s) for s, w in self.nodes)

    Args:
        f: a field, see `mean`.
        at: the coordinates of the point.

    Returns:
        As `mean`: a field shaped like f, in a quantity a number.

    Raises:
        TypeError: f is no field, or `at` no sequence of numbers.
        ValueError: the point has another number of coordinates or lies outside of the domain, or
            there is no problem.
    """
    checked("value", f, "", {})
    several: Sequence[float] = (at,) if isinstance(at, Real) else at  # type: ignore[assignment]
    try:
        point = tuple(float(x) for x in several)
    except (TypeError, ValueError):
        raise TypeError(f"value at {at!r}: give the coordinates of a point, (0.15, 0.2)") from None
    return number("value", f, Place(point=point))


def checked(operator: str, f: Any, on: Any, at: Mapping[str, Any]) -> None:
    """Refuse what is no field, no name of a region and no instant."""
    if not isinstance(f, Field):
        raise TypeError(
            f"{operator} of a {type(f).__name__}: give an unknown or an expression of them, such "
            "as u * x"
        )
    if on is not None and not isinstance(on, str):
        raise TypeError(f'{operator} on {on!r}: give the name of one region, on="boundary"')
    for name, value in at.items():
        if on is None or not isinstance(value, Real):
            raise TypeError(
                f"{operator} with {name}={value!r}: an instant is a number and needs a region, "
                'on="interior", t=2.0'
            )


def number(operator: str, f: Field, place: Place) -> Any:
    """A number over another place, as the residual or quantity at work gets it.

    Raises:
        ValueError: none is at work.
    """
    tour = TOUR.get()
    if tour is None:
        raise ValueError(
            f"{operator} {place}: the unknowns are known there in a residual and in a method "
            "marked @quantity, and not here"
        )
    return tour.number(operator, f, place)


def average(values: Tensor, weights: Tensor | None) -> Tensor:
    """Σ w v / Σ w over the first axis, and over the processes where these share the points."""
    across = AcrossProcesses.apply if SPREAD.get() else lambda number: number
    if weights is None:
        return across(values.mean(0))
    each = weights.to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    return across((each * values).sum(0)) / across(each.sum())


class AcrossProcesses(torch.autograd.Function):
    """The mean over the processes. Their losses are averaged in turn."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        """v̄."""
        return averaged(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """The mean of what arrives: every process's loss reads the value of each."""
        return averaged(gradients[0])


def averaged(value: Tensor) -> Tensor:
    """The mean over the processes, as a tensor of its own."""
    return total(value.detach().clone().contiguous()) / processes()


class Shared(TorchFunctionMode):
    """The numbers that all points of a region share, in the order in which residuals make them.

    Args:
        calls: which of the calls of torch in the residuals make such a number.
        given: the numbers; without, they are computed and noted in `values`.
    """

    def __init__(
        self, calls: frozenset[int] = frozenset(), given: Sequence[Tensor] | None = None
    ) -> None:
        super().__init__()
        self.calls, self.given = calls, given
        self.values: list[Tensor] = []
        self.count, self.taken, self.computing = 0, 0, False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.computing:
            return func(*args, **(kwargs or {}))
        self.count += 1
        return self.called(self.count - 1, func, args, kwargs or {})

    def called(self, count: int, func: Any, args: tuple, kwargs: dict) -> Any:
        """The result of a call."""
        if count not in self.calls:
            return func(*args, **kwargs)
        return self.number(lambda: func(*args, **kwargs))

    def number(self, compute: Callable[[], Tensor]) -> Tensor:
        """A number that the points share: computed and noted, or given."""
        if self.given is not None:
            self.taken += 1
            return self.given[self.taken - 1]
        self.computing = True
        try:
            self.values.append(compute())
        finally:
            self.computing = False
        return self.values[-1]


class Known(Tour):
    """The numbers of a residual over other places, which are known before it is run.

    Args:
        values: the numbers; None in a dry run, where means over the points at hand stand for them.
    """

    def __init__(self, values: Sequence[Tensor] | None = None) -> None:
        super().__init__(0)
        self.known, self.places = values, list[Place]()

    def number(self, operator: str, f: Field, place: Place) -> Field:
        """The next of them, shared by all points of the residual's region."""
        self.places.append(place)
        which = len(self.places) - 1

        def compute() -> Tensor:
            return Rule().mean(f.value) if self.known is None else self.known[which]

        shared = SHARED.get()
        return everywhere(f, compute() if shared is None else shared.number(compute))


@contextmanager
def over(measure: float | None, weights: Tensor | None) -> Iterator[None]:
    """Residuals are evaluated at the points of this region."""
    with setting(HERE, Rule(measure, weights)), SHARED.get() or nullcontext():
        yield


def sharing(shared: Shared) -> AbstractContextManager[None]:
    """The numbers that points share are noted in this, or taken from it."""
    return setting(SHARED, shared)


def spread() -> AbstractContextManager[None]:
    """Means are over the points of all processes; every process has to take part."""
    return setting(SPREAD, processes() > 1)
