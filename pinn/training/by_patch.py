"""The squared residual of every patch."""

from collections.abc import Mapping

import torch
from torch import Tensor

from pinn.base.processes import agreed_numbers
from pinn.networks.layout import Layout
from pinn.objective.sites import Placed

TOGETHER = 4096  # points at a time


def by_patch(
    layout: Layout, placed: Mapping[str, Placed], squares: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """The squared residual (n,) of every patch, and (n, D) that on faces, by their normal.

    Args:
        layout: the n patches.
        placed: region → its points.
        squares: region → |r|² (N,) there.
    """
    like, boxes = next(iter(squares.values())), layout.boxes()
    total = like.new_zeros(len(layout), 1 + len(layout.lower))
    lower, upper = boxes.lower.to(total), boxes.upper.to(total)
    for region, values in squares.items():
        points = placed[region].points
        parts = values.new_zeros(len(values), total.shape[1])
        parts[:, 0] = values
        if points.normal is not None:
            parts[:, 1 : 1 + points.normal.shape[1]] = values[:, None] * points.normal**2
        for at, part in zip(points.at.split(TOGETHER), parts.split(TOGETHER), strict=True):
            inside = (at[:, None] >= lower) & (at[:, None] <= upper)
            total.index_add_(0, inside.all(-1).to(torch.uint8).argmax(1), part)
    numbers = agreed_numbers(total.flatten().tolist(), total.device)
    same = torch.tensor(numbers, dtype=total.dtype).view(total.shape)
    return same[:, 0], same[:, 1:]
