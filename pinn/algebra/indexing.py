"""Which axes an index touches:  a jet keeps its leading point axes as they are."""

from typing import Any

import torch
from torch import Tensor


def keeps_points(index: Any, ndim: int, lead: int) -> bool:
    """Whether `tensor[index]` leaves the first `lead` axes alone, as `[..., 0]` and `[:, 1:]` do.

    Args:
        index: what stands between the brackets.
        ndim: the number of axes of the tensor.
        lead: how many of them, from the left, count points.
    """
    parts = list(index) if isinstance(index, tuple) else [index]
    gaps = [k for k, part in enumerate(parts) if part is Ellipsis]
    missing = ndim - sum(map(axes_taken, parts))
    for gap in gaps[:1]:
        parts[gap : gap + 1] = [slice(None)] * missing
    lists = sum(isinstance(part, Tensor | list | tuple) for part in parts)
    # Several lists of indices would move their axis to the front, before the points.
    return lists < 2 and all(isinstance(p, slice) and p == slice(None) for p in parts[:lead])


def axes_taken(part: Any) -> int:
    """How many axes one part of an index stands for: a mask takes as many as it has."""
    if part is None or part is Ellipsis:
        return 0
    if isinstance(part, Tensor | list | tuple):
        mask = torch.as_tensor(part)
        return mask.ndim if mask.dtype == torch.bool else 1
    return 1
