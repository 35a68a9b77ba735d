"""What a differentiated function may return: one tensor, a tuple, or a dict of components.

(…, C), or a tuple or dict of (…,) or (…, 1)     C components
(…, k, C)                                        a matrix: k rows of C, for a trace alone
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.jet import Jet

Function = Callable[[Any], Any]


def split(y: Any, shape: Sequence[int]) -> list[Any]:
    """The components of an output, each of the point shape, kept separate.

    Args:
        y: a tensor (*shape, C), or a tuple or dict of tensors (*shape,) or (*shape, 1).
        shape: the leading shape of the points.

    Raises:
        ValueError: a component does not have one value per point.
        TypeError: complex, integer or non-tensor output.
    """
    parts = list(y.values()) if isinstance(y, Mapping) else y
    if isinstance(parts, Tensor | Jet):
        parts = joined(parts, shape)
        return [parts[..., i] for i in range(parts.shape[-1])]
    if not isinstance(parts, Sequence):
        raise TypeError(f"f returned {type(y).__name__}: return a tensor, a tuple or a dict")
    return [flatten(check(part), tuple(shape)) for part in parts]


def width(y: Any, shape: Sequence[int]) -> int:
    """How many components a tensor (*shape, C) has, or a matrix (*shape, k, C) in each row.

    Raises:
        ValueError, TypeError: see `split`.
    """
    if not is_matrix(y, shape) and tuple(y.shape[:-1]) != tuple(shape):
        raise ValueError(misshapen(tuple(y.shape), tuple(shape)))
    return check(y).shape[-1]


def misshapen(given: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """What is wrong with the shape of an output."""
    lead = len(shape)
    if given[:lead] == shape and len(given) == lead + 2:
        return (
            f"f returned a matrix {given[lead:]} at each point: expected one axis of components, "
            "such as f(x).flatten(-2). The divergence of a matrix is pinn.divergence(f, x)"
        )
    return (
        f"f returned shape {given} for points of leading shape {shape}: "
        "expected the same leading shape and one axis of components"
    )


def flatten(part: Any, shape: tuple[int, ...]) -> Any:
    """One component without its trailing axis of length one."""
    if tuple(part.shape) == shape:
        return part
    if tuple(part.shape) == (*shape, 1):
        return part[..., 0]
    raise ValueError(
        f"f returned a component of shape {tuple(part.shape)} for points of shape {shape}: "
        "expected one value per point; rows of a matrix are one tensor, torch.stack(rows, -2)"
    )


def check(part: Any) -> Any:
    """Refuse what has no real derivative."""
    if not isinstance(part, Tensor | Jet):
        raise TypeError(f"f returned a component of type {type(part).__name__}: return tensors")
    if part.dtype.is_complex:
        raise TypeError("f returned complex values: differentiate real and imaginary parts apart")
    if not part.dtype.is_floating_point:
        raise TypeError(f"f returned {part.dtype} values: return floating-point ones")
    return part


def is_matrix(y: Any, shape: Sequence[int]) -> bool:
    """Whether an output is a matrix (*shape, k, C) at each point."""
    return (
        isinstance(y, Tensor | Jet)
        and y.ndim == len(shape) + 2
        and tuple(y.shape[: len(shape)]) == tuple(shape)
    )


def in_a_row(f: Function) -> Function:
    """f with a matrix as k·C components, one row behind the other; all else is as it is."""

    def components(x: Any) -> Any:
        y = f(x)
        return y.flatten(-2) if is_matrix(y, x.shape[:-1]) else y

    return components


def joined(y: Any, shape: Sequence[int]) -> Any:
    """An output with its components along one last axis."""
    if not isinstance(y, Tensor | Jet):
        return torch.stack(split(y, shape), dim=-1)
    if is_matrix(y, shape):
        raise ValueError(misshapen(tuple(y.shape), tuple(shape)))
    width(y, shape)
    return y


def stacked(f: Function) -> Function:
    """f with its components along one last axis."""
    return lambda x: joined(f(x), x.shape[:-1])
