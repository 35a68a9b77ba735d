"""Piecewise linear functions:  σ(f)_c = σ′(f) f_c, and σ″ = 0, as reverse mode has it.

At a kink σ′ is the one that reverse mode takes.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pinn.algebra.rules.arithmetic import multiply
from pinn.algebra.rules.axes import named, out_of_place, refuse
from pinn.algebra.series import Series

Formula = Callable[..., Tensor]


def kink(slope: Formula, value: Formula | None = None) -> Callable[..., Series]:
    """The rule of a piecewise linear σ.

    Args:
        slope: σ′ at values without a gradient, from the parameters of σ: numbers, or where it is 1.
        value: σ itself; without it σ(x) = σ′ x.
    """

    def rule(x: Series, *parameters: Any, **more: Any) -> Series:
        factor = slope(x.value.detach(), *parameters, **more).to(x.value.dtype)
        given = None if value is None else value(x.value, *parameters, **more)
        return x.map(lambda s: s * factor, given)

    return rule


def leaky(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """1 where x is positive, else α."""
    return torch.where(x > 0, torch.ones_like(x), negative_slope)


def between(x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Where x lies inside of bounds, and not on them."""
    return (x > min_val) & (x < max_val)


def within(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Where x lies inside of bounds, or on them; a bound is a number, a tensor or None."""
    if isinstance(min, Series) or isinstance(max, Series):
        raise refuse("clamp", "between bounds that depend on the points")
    inner = torch.ones_like(x, dtype=torch.bool) if min is None else x >= min
    return inner if max is None else inner & (x <= max)


def beyond(x: Tensor, lambd: float = 0.5) -> Tensor:
    """Where x lies outside of ±λ."""
    return x.abs() > lambd


def prelu(x: Series, weight: Tensor) -> Series:
    """x where it is positive, else wx with a w per channel, axis 1."""
    if x.lead != 1 and weight.numel() > 1:
        raise refuse("prelu", f"with {x.lead} point axes")
    beside = weight.reshape(-1, *(1 for _ in x.value.shape[2:])) if weight.numel() > 1 else weight
    slope = torch.where(x.value.detach() > 0, torch.ones_like(beside), beside)
    return x.map(lambda s: s * slope)


absolute = kink(torch.sign)
clamp = kink(within, torch.clamp)
# Torch's own value has no second derivative in the parameters.
hardsigmoid = kink(
    lambda x: between(x, -3, 3).to(x.dtype) / 6, lambda x: F.hardtanh(x + 3, 0.0, 6.0) / 6
)


def flat(name: str) -> Callable[..., Series]:
    """The rule of a piecewise constant function."""

    def rule(x: Series, *arguments: Any) -> Series:
        return x.like(getattr(torch, name)(x.value, *arguments), dict.fromkeys(x.streams))

    return rule


BENT: dict[str, Callable[..., Series]] = {
    "relu": kink(lambda x: x > 0),
    "leaky_relu": kink(leaky),
    "hardtanh": kink(between, F.hardtanh),
    "relu6": kink(lambda x: between(x, 0, 6), F.relu6),
    "hardsigmoid": hardsigmoid,
    "hardswish": lambda x: multiply(x, hardsigmoid(x)),
    "threshold": kink(lambda x, threshold, value: x > threshold, F.threshold),
}
KINKS: dict[Callable, Callable] = named(
    prelu,
    abs=absolute,
    clamp=clamp,
    clip=clamp,
    clamp_min=lambda x, min: clamp(x, min=min),
    clamp_max=lambda x, max: clamp(x, max=max),
    hardshrink=kink(beyond, F.hardshrink),
    softshrink=kink(beyond, F.softshrink),
    **{name: out_of_place(name, rule) for name, rule in BENT.items()},
    **{name: flat(name) for name in ("sign", "floor", "ceil", "trunc", "round")},
)
