"""The dense layer:  all rows in one matrix product."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from pinn.algebra.rows import Rows, gathered
from pinn.algebra.series import Series


def linear(x: Series, weight: Tensor, bias: Tensor | None = None) -> Series:
    """x Wᵀ + b."""
    rows = x.streams
    if isinstance(rows, Rows) and rows.bare is None:  # the same derivatives at all points
        rest = F.linear(rows.rest, weight) if rows.channels else rows.rest
        return x.like(F.linear(x.value, weight, bias), Rows(rows.channels, rest, rows.zeros))
    rows = gathered(x.value, rows)
    assert rows.whole is not None
    return x.like(None, Rows(rows.channels, None, rows.zeros, F.linear(rows.whole, weight), bias))


LINEAR: dict[Callable, Callable] = {F.linear: linear}
