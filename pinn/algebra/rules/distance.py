"""Distances between the rows of two matrices, `torch.cdist`, by elementary operations.

    r = √Σ (a − b)²,  and for other p  (Σ |a − b|ᵖ)^(1/p)

Torch's own kernel has no second derivative. Where two points coincide, r has none either: the
first is taken as zero there, as by torch, and a second is not a number.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.rules.arithmetic import compose, raise_to, subtract
from pinn.algebra.rules.axes import refuse, width
from pinn.algebra.rules.kinks import absolute
from pinn.algebra.rules.reduce import summed
from pinn.algebra.rules.selection import unbind
from pinn.algebra.rules.several_operands import extremum
from pinn.algebra.series import Series
from pinn.algebra.smooth import power
from pinn.algebra.terms import Terms, derivatives


def length(square: Tensor) -> Terms:
    """√s,  1/(2√s),  −1/(4 s^(3/2)),  3/(8 s^(5/2)), …;  at s = 0: 0, 0 and what is not finite."""
    apart = square > 0
    root = torch.where(apart, torch.sqrt(torch.where(apart, square, 1.0)), square**1.5)
    yield root
    safe = torch.where(apart, square, 1.0)
    first = torch.where(apart, 0.5 * safe**-0.5, 1.5 * square**0.5)
    yield first
    yield torch.where(apart, -0.25 * safe**-1.5, 0.75 * square**-0.5)
    yield torch.where(apart, 0.375 * safe**-2.5, -0.375 * square**-1.5)
    yield torch.where(apart, -0.9375 * safe**-3.5, 0.5625 * square**-2.5)
    yield torch.where(apart, 3.28125 * safe**-4.5, -1.40625 * square**-3.5)


LENGTH = derivatives(length)


def cdist(a: Any, b: Any, p: float = 2.0, compute_mode: Any = None) -> Series:
    """|aᵢ − bⱼ| between the rows of two matrices of features; a jet of vectors counts as rows."""
    if not isinstance(a, Series) or (isinstance(b, Series) and width(b) < 2 and b.streams):
        raise refuse("cdist", "from other rows to the points, or among them,")
    if not isinstance(b, Series) and width(a) == 1 and b.ndim > 2:
        raise refuse("cdist", f"of points to a batch of shape {tuple(b.shape)}")
    first = a.map(lambda s: s.unsqueeze(-2))
    other = b.map(lambda s: s.unsqueeze(-3)) if isinstance(b, Series) else b.unsqueeze(-3)
    gap = subtract(first, other)
    if p == 2:
        return compose(summed(compose(gap, power(2)), -1), LENGTH)
    if p == 1:
        return summed(absolute(gap), -1)
    if p == torch.inf:
        return reduce(extremum("maximum"), unbind(absolute(gap), -1))
    if p <= 1:
        raise refuse("cdist", f"with p={p}")
    return raise_to(summed(raise_to(absolute(gap), p), -1), 1 / p)


DISTANCE: dict[Callable, Callable] = {torch.cdist: cdist}
