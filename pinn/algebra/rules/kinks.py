"""Piecewise linear functions:  σ(f)_c = σ′(f) f_c, and σ″ = 0, as reverse mode has it.

At a kink σ′ is the one that reverse mode takes.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pinn.algebra.rows import Rows
from pinn.algebra.rules.arithmetic import multiply
from pinn.algebra.rules.axes import named, refuse
from pinn.algebra.series import Series

Number = Any  # a number, a tensor or None


def bent(x: Series, value: Tensor, slope: Tensor) -> Series:
    """A series with another value and its derivatives multiplied by a slope."""
    rows = x.streams
    if isinstance(rows, Rows):
        rest = rows.rest * slope if rows.channels else rows.rest
        return x.like(value, Rows(rows.channels, rest, rows.zeros))
    return x.like(value, {c: None if s is None else s * slope for c, s in rows.items()})


def inside(x: Tensor, inner: Tensor) -> Tensor:
    """1 where a condition holds, else 0."""
    return inner.to(x.dtype)


def refuse_writing(name: str, inplace: bool) -> None:
    """In place, the argument would have to change too."""
    if inplace:
        raise refuse(name, "with inplace=True")


def relu(x: Series, inplace: bool = False) -> Series:
    """max(x, 0)."""
    refuse_writing("relu", inplace)
    slope = inside(x.value, x.value.detach() > 0)
    return x.map(lambda s: s * slope)


def leaky_relu(x: Series, negative_slope: float = 0.01, inplace: bool = False) -> Series:
    """x where it is positive, else αx."""
    refuse_writing("leaky_relu", inplace)
    value = x.value.detach()
    slope = torch.where(value > 0, torch.ones_like(value), negative_slope)
    return x.map(lambda s: s * slope)


def prelu(x: Series, weight: Tensor) -> Series:
    """x where it is positive, else wx with a w per channel, axis 1."""
    if x.lead != 1 and weight.numel() > 1:
        raise refuse("prelu", f"with {x.lead} point axes")
    beside = weight.reshape(-1, *(1 for _ in x.value.shape[2:])) if weight.numel() > 1 else weight
    slope = torch.where(x.value.detach() > 0, torch.ones_like(beside), beside)
    return x.map(lambda s: s * slope)


def absolute(x: Series) -> Series:
    """|x|."""
    slope = x.value.detach().sign()
    return x.map(lambda s: s * slope)


def clamp(x: Series, min: Number = None, max: Number = None) -> Series:
    """x within bounds."""
    if isinstance(min, Series) or isinstance(max, Series):
        raise refuse("clamp", "between bounds that depend on the points")
    value = x.value.detach()
    inner = torch.ones_like(value, dtype=torch.bool)
    inner = inner if min is None else inner & (value >= min)
    inner = inner if max is None else inner & (value <= max)
    return bent(x, torch.clamp(x.value, min, max), inside(value, inner))


def hardtanh(
    x: Series, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Series:
    """x within bounds; its slope on them is zero."""
    refuse_writing("hardtanh", inplace)
    value = x.value.detach()
    slope = inside(value, (value > min_val) & (value < max_val))
    return bent(x, F.hardtanh(x.value, min_val, max_val), slope)


def relu6(x: Series, inplace: bool = False) -> Series:
    """x within 0 and 6."""
    refuse_writing("relu6", inplace)
    return hardtanh(x, 0.0, 6.0)


def hardsigmoid(x: Series, inplace: bool = False) -> Series:
    """(x + 3)/6 within 0 and 1."""
    refuse_writing("hardsigmoid", inplace)
    value = x.value.detach()
    slope = inside(value, (value > -3) & (value < 3)) / 6
    # Torch's own value has no second derivative in the parameters.
    return bent(x, F.hardtanh(x.value + 3, 0.0, 6.0) / 6, slope)


def hardswish(x: Series, inplace: bool = False) -> Series:
    """x times the hard sigmoid."""
    refuse_writing("hardswish", inplace)
    return multiply(x, hardsigmoid(x))


def threshold(x: Series, threshold: float, value: float, inplace: bool = False) -> Series:
    """x above a threshold, else a value."""
    refuse_writing("threshold", inplace)
    slope = inside(x.value, x.value.detach() > threshold)
    return bent(x, F.threshold(x.value, threshold, value), slope)


def shrink(name: str) -> Callable[..., Series]:
    """The rule of `hardshrink` and `softshrink`: zero within ±λ."""

    def rule(x: Series, lambd: float = 0.5) -> Series:
        slope = inside(x.value, x.value.detach().abs() > lambd)
        return bent(x, getattr(F, name)(x.value, lambd), slope)

    return rule


def flat(name: str) -> Callable[..., Series]:
    """The rule of a piecewise constant function."""

    def rule(x: Series, *arguments: Any) -> Series:
        return x.like(getattr(torch, name)(x.value, *arguments), dict.fromkeys(x.streams))

    return rule


FLAT = ("sign", "floor", "ceil", "trunc", "round")

KINKS: dict[Callable, Callable] = named(
    {
        "relu": relu,
        "leaky_relu": leaky_relu,
        "prelu": prelu,
        "abs": absolute,
        "clamp": clamp,
        "clip": clamp,
        "clamp_min": lambda x, min: clamp(x, min=min),
        "clamp_max": lambda x, max: clamp(x, max=max),
        "hardtanh": hardtanh,
        "relu6": relu6,
        "hardsigmoid": hardsigmoid,
        "hardswish": hardswish,
        "threshold": threshold,
        "hardshrink": shrink("hardshrink"),
        "softshrink": shrink("softshrink"),
        **{name: flat(name) for name in FLAT},
    }
)
