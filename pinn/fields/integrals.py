"""Means and integrals over a region, and other numbers that all of its points share:

    mean(f) = Σ w f / Σ w,   integral(f) = |region| mean(f)

A residual that reads such a number depends on all points of its region. Where the whole region is
evaluated, the number is computed and noted. Where some of the points are evaluated, the number is
given. The same holds for numbers that a residual makes itself, such as `u.value.max()`: these are
the calls of torch whose result has the same shape for any number of points.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pinn.base.context import setting
from pinn.base.processes import processes, total
from pinn.fields.field import Field


@dataclass(frozen=True)
class Region:
    """The points that a residual is evaluated at.

    Args:
        measure: length, area or volume of their region; None of measured points.
        weights: of a quadrature rule (N,); None where all are equal.
    """

    measure: float | None
    weights: Tensor | None


HERE: ContextVar[Region | None] = ContextVar("HERE", default=None)
SHARED: ContextVar["Shared | None"] = ContextVar("SHARED", default=None)
SPREAD: ContextVar[bool] = ContextVar("SPREAD", default=False)


def mean(f: Field) -> Field:
    """f̄ = Σ w f / Σ w over the points of the residual's region, the same at every point.

    With `method: gauss` w are the weights of the quadrature, else all points count alike. It is
    the mean over all points, whatever the pieces, processes or graphs that evaluate them; with
    time over space and time. Outside of a residual it is the plain mean over the points of f.

    Args:
        f: a field (N,), (N, C) or (N, C, D): an unknown or any expression of them.

    Returns:
        A field shaped like f; its derivatives by the coordinates are zero.

    Raises:
        TypeError: f is no field.
    """
    if not isinstance(f, Field):
        raise TypeError(
            f"mean of a {type(f).__name__}: give an unknown or an expression of them, such as u * x"
        )
    value, here, shared = f.value, HERE.get(), SHARED.get()

    def compute() -> Tensor:
        return average(value, None if here is None else here.weights)

    number = compute() if shared is None else shared.number(compute)
    return f.like(number.expand(value.shape), dict.fromkeys(f.streams))


def integral(f: Field) -> Field:
    """∫ f = |region| f̄ over the residual's region, see `mean`: length, area or volume, with time
    times the duration.

    Raises:
        TypeError: f is no field.
        ValueError: nobody knows the measure, of measured points or outside of a residual.
    """
    here = HERE.get()
    if here is None or here.measure is None:
        where = "outside of a residual" if here is None else "over measured points"
        raise ValueError(
            f"integral {where} has no length, area or volume: write mean(…) times that of what "
            "the points stand for"
        )
    return here.measure * mean(f)


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


@contextmanager
def over(measure: float | None, weights: Tensor | None) -> Iterator[None]:
    """Residuals are evaluated at the points of this region."""
    with setting(HERE, Region(measure, weights)), SHARED.get() or nullcontext():
        yield


def sharing(shared: Shared) -> AbstractContextManager[None]:
    """The numbers that points share are noted in this, or taken from it."""
    return setting(SHARED, shared)


def spread() -> AbstractContextManager[None]:
    """Means are over the points of all processes; every process has to take part."""
    return setting(SPREAD, processes() > 1)
