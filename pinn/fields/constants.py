"""Constants beside a field: numbers, tuples and tensors, which keep what requires a gradient.

2.0,  self.k                      the same number at all points, () or one element
(1.0, self.k),  ((1, 2), (3, 4))  a vector (C,), a matrix (C, D) by rows
a tensor (C,) or (C, D)           the same, where it cannot be one value per point
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from pinn.algebra.series import Series
from pinn.base.context import setting
from pinn.base.transfers import number_on

OBJECTS = np.dtype(object)
Nested = tuple | list | nn.ParameterList


def is_nested(given: Any) -> bool:
    """Whether something is a sequence of components: a tuple, a list, an array of objects."""
    return isinstance(given, Nested) or getattr(given, "dtype", None) == OBJECTS


def flattened(parts: Any) -> Iterator[Any]:
    """The entries of nested tuples one by one."""
    for part in parts:
        if is_nested(part):
            yield from flattened(part)
        else:
            yield part


def holds_series(given: Any) -> bool:
    """Whether a field stands anywhere in a nested tuple."""
    return any(isinstance(part, Series) for part in flattened((given,)))


def constant(given: Any, dtype: torch.dtype, device: torch.device | str | None = None) -> Tensor:
    """A number, tuple or tensor as a tensor: () from a number, (C,), (C, D) by rows from a tuple.

    Raises:
        TypeError: it is no number, or the rows of a tuple differ in length.
    """
    if is_nested(given):
        if not len(given):
            raise TypeError("an empty tuple is no constant: give its components")
        parts = [constant(part, dtype, device) for part in given]
        parts = [
            p.reshape(()) if p.shape == (1,) and not is_nested(g) else p
            for p, g in zip(parts, given, strict=True)
        ]
        if len({part.shape for part in parts}) > 1:
            shapes = ", ".join(str(tuple(part.shape)) for part in parts)
            raise TypeError(f"the components of a tuple have shapes {shapes}: give them one shape")
        return torch.stack(parts)
    if isinstance(given, Tensor):
        if given.is_complex():
            raise TypeError(f"a complex constant of {given.dtype}: write real and imaginary part")
        return given.to(dtype=dtype, device=device)
    if hasattr(given, "__array__") and getattr(given, "ndim", 0) > 0:
        return torch.as_tensor(given, device=device).to(dtype)
    return number_on(number(given), dtype, device)


def number(given: Any) -> float:
    """A number as a float.

    Raises:
        TypeError: it is none, complex, or too large for a float.
    """
    if isinstance(given, complex) or getattr(getattr(given, "dtype", None), "kind", "") == "c":
        raise TypeError(f"{given!r} is complex: write real and imaginary part as two fields")
    if isinstance(given, str) or not hasattr(given, "__float__"):
        raise TypeError(
            f"{given!r} of type {type(given).__name__} is no constant: use a number, a parameter, "
            "a tuple of them, or a field"
        )
    try:
        return float(given)
    except OverflowError:
        raise TypeError(
            "a whole number beyond 1.8e308 is no constant: scale the equation"
        ) from None


Meanings = tuple[list[str], list[str]]  # of the tensors that were seen before, and now
REMEMBERED: ContextVar[Meanings | None] = ContextVar("REMEMBERED", default=None)
SEEN: WeakKeyDictionary[Any, dict[str, list[str]]] = WeakKeyDictionary()


@contextmanager
def remembered(problem: Any, name: str) -> Iterator[None]:
    """Within it, the plain tensors of a residual mean what they meant at other numbers of points.

    As many points as components occur inside a step, where a tensor (C,) could be either; the dry
    run before the first step has other numbers of points.
    """
    memory = SEEN.setdefault(problem, {})
    now: list[str] = []
    with setting(REMEMBERED, (memory.get(name, []), now)):
        yield
    memory[name] = now


def settle(meaning: str | None, what: str) -> str:
    """The meaning of a tensor, from memory where its shape leaves it open.

    Raises:
        TypeError: nothing is remembered.
    """
    if (meanings := REMEMBERED.get()) is not None:
        before, now = meanings
        if meaning is None and len(now) < len(before):
            meaning = before[len(now)]
        now.append(meaning or "")
    if meaning is None:
        raise TypeError(
            f"{what} could be one value per point or a constant vector: write a constant as a "
            "tuple of its components, and values per point in terms of the coordinates"
        )
    return meaning


def is_own(given: Tensor) -> bool:
    """Whether a tensor is a parameter, and so no values computed at the points."""
    return isinstance(given, nn.Parameter) or (given.is_leaf and given.requires_grad)


def role(given: Tensor, count: int, shape: tuple[int, ...], space: int) -> str:
    """What a tensor beside a field means: `number`, `constant`, `points`.

    Args:
        given: the tensor, with at least one axis.
        count: how many points the field has.
        shape: that of the field at a point.
        space: how many space coordinates there are.

    Raises:
        TypeError: it could mean two things, or none.
    """
    own = tuple(given.shape)
    if given.numel() == 1 and (count != 1 or is_own(given)):
        return "number"
    if given.numel() == 1 and REMEMBERED.get():  # at other numbers of points it was right
        return settle("number", "number")
    by_point = own[0] == count and (len(own) == 1 or not shape or own[1:] == shape)
    same = own == shape if shape else own in ((space,), (space, space))
    if len(shape) == len(own) > 1 and 1 in shape:  # as p[:, None, None] * torch.eye(2)
        same = all(m == n or 1 in (m, n) for m, n in zip(own, shape, strict=True))
    same = same or (own[0] == 1 and own[1:] == shape and count != 1)
    if same and by_point and not is_own(given):
        return settle(None, f"a tensor of shape {own} beside {count} points")
    if same or by_point:
        return settle("constant" if same else "points", "")
    raise TypeError(
        f"a tensor of shape {own} beside a field of shape {shape} at each of {count} points is "
        "neither one value per point nor a constant of that shape: write a constant vector as a "
        "tuple, and measured values as columns of a region"
    )
