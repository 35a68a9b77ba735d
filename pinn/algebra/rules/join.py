"""Cat and stack: the same on every stream."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import Channel
from pinn.algebra.deferred import Later
from pinn.algebra.no_rule import NoRuleError
from pinn.algebra.rows import Rows, is_alike
from pinn.algebra.rules.arithmetic import series_of
from pinn.algebra.series import Series, derivative, shared


def joined(join: Callable, parts: Sequence[Any], dim: int, new_axes: int) -> Series:
    """Cat or stack: the same on every stream, zeros where a part has none."""
    home = series_of(*parts)
    jets: list[Any] = [home.operand(part) for part in parts]
    home = series_of(*jets)
    axes = home.value.ndim + new_axes
    if not home.lead <= dim % axes < axes:
        instead = "vector(u, v)" if dim == -1 else "dim=-1, or vector(u, v)"
        raise NoRuleError(f"joining along dim={dim} would join the points: use {instead}")
    dim = dim % axes - axes
    if any(j.is_later for j in jets):
        later = Later(lambda: joined(join, jets, dim, new_axes).streams, *(j.made for j in jets))
        return home.like(join([j.value for j in jets], dim), later)
    first: Any = home.streams
    rows: list[Any] = [j.streams for j in jets]
    if all(is_alike(first, other) for other in rows):
        whole = join([other.whole for other in rows], dim)
        return home.like(None, Rows(first.channels, None, first.zeros, whole))
    streams: dict[Channel, Tensor | None] = {}
    for channel in shared(*(j.streams for j in jets)):
        vanishes = all(derivative(j.streams, channel) is None for j in jets)
        streams[channel] = None if vanishes else join([j.stream(channel) for j in jets], dim)
    return home.like(join([j.value for j in jets], dim), streams)


def cat(tensors: Sequence[Any], dim: int = 0) -> Series:
    """Concatenation along a feature axis."""
    return joined(torch.cat, tensors, dim, new_axes=0)


def stack(tensors: Sequence[Any], dim: int = 0) -> Series:
    """Stacking along a new feature axis."""
    return joined(torch.stack, tensors, dim, new_axes=1)


JOIN: dict[Callable, Callable] = {torch.cat: cat, torch.stack: stack}
