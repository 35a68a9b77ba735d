"""Some of the features, or all of them in other places:  the same on every stream."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pinn.algebra.rules.axes import along, feature_axes, feature_axis, named, refuse, sizes, width
from pinn.algebra.series import Series


def cut(name: str, settings: int = 1) -> Callable[..., tuple[Series, ...]]:
    """The rule of a function such as `torch.split` that cuts an axis of features into parts.

    Args:
        name: the function.
        settings: how many arguments stand before the axis.
    """
    function = getattr(torch.Tensor, name)

    def rule(x: Series, *how: Any, dim: int = 0, **more: Any) -> tuple[Series, ...]:
        how, dim = how[:settings], how[-1] if len(how) > settings else dim
        axis = feature_axis(x, dim, name)
        count = len(function(x.value, *how, dim=axis, **more))

        def part(k: int) -> Series:
            return x.map(lambda s: function(s, *how, dim=axis, **more)[k])

        return tuple(part(k) for k in range(count))

    return rule


chunk, unbind = cut("chunk"), cut("unbind", settings=0)


def repeat(x: Series, *times: Any) -> Series:
    """Features repeated as copies."""
    wanted = sizes(times)
    if len(wanted) != x.value.ndim or any(n != 1 for n in wanted[: x.lead]):
        raise refuse("repeat", f"by {wanted}, which repeats the points,")
    return x.map(lambda s: s.repeat(*(1 for _ in range(s.ndim - len(wanted))), *wanted))


def tile(x: Series, *times: Any) -> Series:
    """`repeat` along the last axes."""
    wanted = sizes(times)
    return repeat(x, *(1 for _ in range(x.value.ndim - len(wanted))), *wanted)


def flip(x: Series, *dims: Any) -> Series:
    """Features in reverse order."""
    axes = feature_axes(x, sizes(dims), "flip")
    return x.map(lambda s: s.flip(axes))


def roll(x: Series, shifts: Any, dims: Any = None) -> Series:
    """Features shifted around an axis."""
    axes = feature_axes(x, dims, "roll")
    return x.map(lambda s: s.roll(shifts, axes if isinstance(shifts, tuple | list) else axes[0]))


def pad(
    x: Series, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Series:
    """Zeros around the features."""
    if mode != "constant" or value or len(pad) > 2 * width(x):
        raise refuse("pad", f"by {tuple(pad)}, mode={mode!r}, value={value}")
    return x.map(lambda s: F.pad(s, list(pad)))


def triangle(name: str) -> Callable[..., Series]:
    """The rule of `tril` and `triu`, over the last two axes of features."""

    def rule(x: Series, diagonal: int = 0) -> Series:
        feature_axis(x, -2, name)
        return x.map(lambda s: getattr(torch, name)(s, diagonal))

    return rule


def taken(name: str) -> Callable[..., Series]:
    """The rule of `gather` and `take_along_dim`: at each point the features that an index names.

    Args:
        name: `gather` takes an index that is as long along each axis; the other one broadcasts.
    """

    def rule(x: Series, *how: Any, **more: Any) -> Series:
        if name == "gather":
            more = dict(zip(("dim", "index"), how, strict=False)) | more
            dim, index = more["dim"], more["index"]
        else:
            more = dict(zip(("indices", "dim"), how, strict=False)) | more
            dim, index = more.get("dim"), more["indices"]
        axis = feature_axis(x, dim, name)
        points = x.value.shape[: x.lead]
        if isinstance(index, Series) or (name == "gather" and index.shape[: x.lead] != points):
            raise refuse(name, f"with an index of shape {tuple(index.shape)}")

        def picked(s: Tensor) -> Tensor:
            if name == "gather":
                for k in range(-width(x), 0):
                    s = s if k == axis else s.narrow(k, 0, index.shape[k])
            return torch.take_along_dim(s, index[(None,) * (s.ndim - index.ndim)], axis)

        return x.map(picked)

    return rule


PARTS: dict[Callable, Callable] = named(
    repeat,
    tile,
    flip,
    roll,
    pad,
    split=cut("split"),
    chunk=chunk,
    unbind=unbind,
    **{name: along(name) for name in ("narrow", "select", "index_select")},
    **{name: triangle(name) for name in ("tril", "triu")},
    **{name: taken(name) for name in ("gather", "take_along_dim")},
)
