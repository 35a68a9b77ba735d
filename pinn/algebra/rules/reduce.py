"""Sums and products over features, and what is made of them."""

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import torch

from pinn.algebra.rules.arithmetic import add, compose, multiply, subtract
from pinn.algebra.rules.axes import along, feature_axes, feature_axis, named, refuse
from pinn.algebra.rules.join import stack
from pinn.algebra.rules.selection import unbind
from pinn.algebra.series import Series
from pinn.algebra.smooth import SMOOTH

Dims = int | tuple[int, ...] | list[int] | None


def summed(x: Series, dim: Dims = None, keepdim: bool = False) -> Series:
    """Σ over features."""
    axes = feature_axes(x, dim, "sum")
    return x.map(lambda s: s.sum(axes, keepdim=keepdim))


def product(x: Series, dim: Any = None, keepdim: bool = False) -> Series:
    """Π over an axis of features."""
    axis = feature_axis(x, dim, "prod")
    total = functools.reduce(multiply, unbind(x, axis))
    return total.map(lambda s: s.unsqueeze(axis)) if keepdim else total


def cumprod(x: Series, dim: Any) -> Series:
    """Π over the first features along an axis, for each number of them."""
    axis = feature_axis(x, dim, "cumprod")
    return stack([*itertools.accumulate(unbind(x, axis), multiply)], axis)


def mean(x: Series, dim: Dims = None, keepdim: bool = False) -> Series:
    """The mean over features."""
    axes = feature_axes(x, dim, "mean")
    return x.map(lambda s: s.mean(axes, keepdim=keepdim))


def var(
    x: Series,
    dim: Dims = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Series:
    """Σ (x − mean)² / (n − correction) over features."""
    axes = feature_axes(x, dim, "var")
    centred = subtract(x, mean(x, axes, keepdim=True))
    n = math.prod(x.value.shape[axis] for axis in axes)
    less = float(unbiased) if correction is None else correction
    return multiply(summed(multiply(centred, centred), axes, keepdim), 1 / (n - less))


def std(x: Series, *arguments: Any, **more: Any) -> Series:
    """The root of the variance."""
    return compose(var(x, *arguments, **more), SMOOTH[torch.sqrt])


def norm(
    x: Series, p: Any = "fro", dim: Dims = None, keepdim: bool = False, **more: None
) -> Series:
    """√Σ x² over features."""
    if p not in (2, "fro", None) or any(setting is not None for setting in more.values()):
        raise refuse("norm", f"with p={p!r} {more or ''}")
    axes = feature_axes(x, dim, "norm")
    return compose(summed(multiply(x, x), axes, keepdim), SMOOTH[torch.sqrt])


def logsumexp(x: Series, dim: Dims, keepdim: bool = False) -> Series:
    """ln Σ eˣ = m + ln Σ e^(x − m) over features, with their maximum m."""
    axes = feature_axes(x, dim, "logsumexp")
    total = compose(log_terms(x, axes), SMOOTH[torch.exp])
    result = compose(summed(total, axes, keepdim=True), SMOOTH[torch.log])
    result = add(result, largest(x, axes))
    return result if keepdim else result.map(lambda s: s.squeeze(axes))


def log_terms(x: Series, axes: tuple[int, ...]) -> Series:
    """x − m, whose exponential cannot overflow."""
    return subtract(x, largest(x, axes))


def largest(x: Series, axes: tuple[int, ...]) -> Series:
    """The largest feature m as a constant: it cancels out."""
    m = x.value.detach().amax(axes, keepdim=True)
    return Series(m, dict.fromkeys(x.streams), x.lead)


REDUCE: dict[Callable, Callable] = named(
    mean,
    var,
    std,
    norm,
    logsumexp,
    vector_norm=lambda x, ord=2, *settings, **more: norm(x, ord, *settings, **more),
    sum=summed,
    cumsum=along("cumsum"),
    prod=product,
    cumprod=cumprod,
)
