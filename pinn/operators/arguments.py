"""The arguments of a call of f: which one is the points, and NumPy arrays among them.

f(x)     f(t, x)     f(x, condition)        one argument is differentiated, the others go on
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pinn.derivatives.outputs import Function


class Call(NamedTuple):
    """A call of f that is to be differentiated by one of its arguments.

    Args:
        f: the function.
        before: its arguments in front of the points.
        x: the points.
        after: its arguments behind them.
        is_array: whether the points came as a NumPy array, as the result then goes.
    """

    f: Function
    before: tuple
    x: Tensor
    after: tuple
    is_array: bool

    @property
    def beside(self) -> tuple:
        """All arguments but the points."""
        return (*self.before, *self.after)

    @property
    def mode(self) -> AbstractContextManager:
        """What it is made in: for an array there is no graph."""
        return torch.no_grad() if self.is_array else nullcontext()

    @property
    def function(self) -> Function:
        """f of the points alone."""
        f: Callable[..., Any] = self.f
        before, after = self.before, self.after
        return (lambda x: f(*before, x, *after)) if self.beside else f


def called(f: Function, arguments: Sequence[Any], argnum: int) -> Call:
    """The call f(*arguments), to be differentiated by the argument of a number.

    Raises:
        TypeError: too few arguments, or a NumPy array that no tensor can stand for.
    """
    if argnum >= len(arguments):
        raise TypeError(
            f"f is called with {len(arguments)} arguments, and argnum={argnum} counts from 0: "
            "give the arguments of f in its own order, such as div(f, t, x) for argnum=1"
        )
    is_array = isinstance(arguments[argnum], np.ndarray)
    given = [tensor_of(a, f) if is_array and isinstance(a, np.ndarray) else a for a in arguments]
    return Call(f, tuple(given[:argnum]), given[argnum], tuple(given[argnum + 1 :]), is_array)


def tensor_of(array: np.ndarray, f: Function) -> Tensor:
    """A copy of an array as a tensor of its dtype, where the parameters of f are.

    Raises:
        TypeError: torch has no such dtype, or the array has a mask.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError("x is a masked array: give the points that count, x.compressed() or x.data")
    native = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    try:
        tensor = torch.from_numpy(native)
    except TypeError:
        raise TypeError(f"x has dtype {array.dtype}: give float64 or float32 numbers") from None
    parameter = next(f.parameters(), None) if isinstance(f, nn.Module) else None
    return tensor if parameter is None else tensor.to(parameter.device)


def refusal_of(error: RuntimeError) -> Exception | None:
    """The line that refuses a function that computes with NumPy; None for another error."""
    if "call numpy() on Tensor" not in str(error):
        return None
    return TypeError(
        "f computes with NumPy, which has no derivatives: write f with torch functions. "
        "f is given a tensor, also where the points are an array"
    )
