"""Views of the features in another shape or order:  the same on every stream."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.rules.axes import (
    along,
    feature_axes,
    feature_axis,
    keep_points,
    named,
    refuse,
    sizes,
    width,
)
from pinn.algebra.series import Series


def reshape(x: Series, *shape: Any, name: str = "reshape") -> Series:
    """The features in another shape; −1 stands for what the other sizes leave open."""
    if shape and isinstance(shape[0], torch.dtype):
        raise refuse("view", f"as {shape[0]}")
    wanted, points = list(sizes(shape)), x.value.shape[: x.lead]
    numel = math.prod(x.value.shape[x.lead :])
    if -1 in wanted:
        k = wanted.index(-1)
        rest = math.prod(wanted[x.lead :])
        if k >= x.lead:
            wanted[k] = numel // -rest if rest else 0
        elif rest == numel:
            wanted[k] = points[k]
    features = keep_points(x, tuple(wanted), name)
    if math.prod(features) != numel:
        raise refuse(name, f"of features {tuple(x.value.shape[x.lead :])} to {features}")
    kept = width(x)
    return x.map(lambda s: s.reshape(*s.shape[: s.ndim - kept], *features))


def flatten(x: Series, start_dim: int = 0, end_dim: int = -1) -> Series:
    """Several axes of features as one."""
    start, end = (feature_axis(x, dim, "flatten") for dim in (start_dim, end_dim))
    return x.map(lambda s: s.flatten(start, end))


def squeeze(x: Series, dim: Any = None) -> Series:
    """Without the axes of length one, among the features."""
    shape = x.value.shape
    if dim is None and 1 in shape[: x.lead]:
        raise refuse("squeeze", f"of shape {tuple(shape)}, which would drop a point axis,")
    axes = tuple(range(-width(x), 0)) if dim is None else feature_axes(x, dim, "squeeze")
    single = tuple(k for k in axes if shape[k] == 1)
    return x.map(lambda s: s.squeeze(single)) if single else x


def transpose(x: Series, dim0: int, dim1: int) -> Series:
    """Two axes of features swapped."""
    first, second = (feature_axis(x, dim, "transpose") for dim in (dim0, dim1))
    return x.map(lambda s: s.transpose(first, second))


def matrix_transpose(x: Series) -> Series:
    """`x.mT`: the last two axes swapped."""
    return transpose(x, -2, -1)


def permute(x: Series, *dims: Any) -> Series:
    """The axes of features in another order."""
    wanted, ndim = [dim % x.value.ndim for dim in sizes(dims)], x.value.ndim
    if wanted[: x.lead] != list(range(x.lead)):
        raise refuse("permute", f"to {tuple(wanted)}, which moves the points,")
    axes = [dim - ndim for dim in wanted[x.lead :]]
    return x.map(lambda s: s.permute(*range(s.ndim - len(axes)), *(s.ndim + k for k in axes)))


def movedim(x: Series, source: Any, destination: Any) -> Series:
    """Axes of features moved to other places."""
    origins, goals = (feature_axes(x, dims, "movedim") for dims in (source, destination))
    return x.map(lambda s: s.movedim(origins, goals))


def expand(x: Series, *shape: Any) -> Series:
    """Features of length one repeated as views; −1 keeps a size."""
    wanted, own = list(sizes(shape)), x.value.shape
    for k in range(min(x.lead, len(wanted))):
        wanted[k] = own[k] if wanted[k] == -1 else wanted[k]
    features = keep_points(x, tuple(wanted), "expand")
    if x.lead and len(features) != width(x):
        raise refuse("expand", f"of shape {tuple(own)} to {tuple(wanted)}, with a new axis,")
    own_width, ones = width(x), (1,) * (len(features) - width(x))

    def linear(s: Tensor) -> Tensor:
        front = s.shape[: s.ndim - own_width]
        return s.reshape(*front, *ones, *s.shape[s.ndim - own_width :]).expand(*front, *features)

    return x.map(linear)


def expand_as(x: Any, other: Any) -> Any:
    """`expand` to the shape of another tensor."""
    return expand(x, tuple(other.shape)) if isinstance(x, Series) else x.expand(other.shape)


SHAPE: dict[Callable, Callable] = {
    **named(reshape, flatten, squeeze, permute, movedim, expand, expand_as),
    **named(
        view=partial(reshape, name="view"),
        unflatten=along("unflatten"),
        unsqueeze=along("unsqueeze", new=1),
        moveaxis=movedim,
        broadcast_to=expand,
    ),
    torch.Tensor.mT.__get__: matrix_transpose,  # type: ignore[attr-defined]
}
