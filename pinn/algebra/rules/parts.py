"""Some of the features, or all of them in other places:  the same on every stream."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pinn.algebra.rules.axes import feature_axes, feature_axis, named, refuse, sizes, width
from pinn.algebra.series import Series


def cut(x: Series, name: str, dim: int, *how: Any) -> tuple[Series, ...]:
    """The parts that a function such as `torch.split` cuts an axis of features into."""
    function, axis = getattr(torch, name), feature_axis(x, dim, name)
    count = len(function(x.value, *how, dim=axis))

    def part(k: int) -> Series:
        return x.map(lambda s: function(s, *how, dim=axis)[k])

    return tuple(part(k) for k in range(count))


def split(x: Series, split_size: Any, dim: int = 0) -> tuple[Series, ...]:
    """Parts of a size, or of several."""
    return cut(x, "split", dim, split_size)


def chunk(x: Series, chunks: int, dim: int = 0) -> tuple[Series, ...]:
    """A number of parts."""
    return cut(x, "chunk", dim, chunks)


def unbind(x: Series, dim: int = 0) -> tuple[Series, ...]:
    """The features one by one."""
    return cut(x, "unbind", dim)


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


def narrow(x: Series, dim: int, start: int, length: int) -> Series:
    """Some features that follow each other."""
    axis = feature_axis(x, dim, "narrow")
    return x.map(lambda s: s.narrow(axis, start, length))


def select(x: Series, dim: int, index: int) -> Series:
    """One feature, without its axis."""
    axis = feature_axis(x, dim, "select")
    return x.map(lambda s: s.select(axis, index))


def index_select(x: Series, dim: int, index: Tensor) -> Series:
    """Features by their numbers."""
    axis = feature_axis(x, dim, "index_select")
    return x.map(lambda s: s.index_select(axis, index))


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


PARTS: dict[Callable, Callable] = named(
    {
        "split": split,
        "chunk": chunk,
        "unbind": unbind,
        "narrow": narrow,
        "select": select,
        "index_select": index_select,
        "flip": flip,
        "roll": roll,
        "repeat": repeat,
        "tile": tile,
        "pad": pad,
        "tril": triangle("tril"),
        "triu": triangle("triu"),
    }
)
