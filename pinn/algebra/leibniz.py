"""f g on all rows of two series at once: as many launches for ∇² in any dimension.

(fg)_r = f_r g + f g_r        (fg)_c = f_c g + f g_c + Σ_(i,j)∈c (f_i g_j + f_j g_i)
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import order
from pinn.algebra.fused import Pairs, is_diagonal
from pinn.algebra.rows import Rows, is_alike

Binary = Callable[[Tensor, Tensor], Tensor]


def multiplied(f: Any, g: Any, times: Binary) -> Rows | None:
    """The rows of a product up to second order, for two sets of streams with the same rows.

    Args:
        f: the streams of a factor.
        g: those of the other, whose value has as many axes.
        times: a bilinear function that broadcasts over leading axes.

    Returns:
        None where the two are kept otherwise, term by term.
    """
    if not is_alike(f, g) or f.order > 2 or f.whole.ndim != g.whole.ndim:
        return None
    axes = f.axes
    n, second = len(axes), tuple(c for c in f if order(c) == 2)
    known = f.channels[n:]
    if known not in (second, ()) or any(i not in axes for c in second for p in c for i in p):
        return None
    blocks = [1, n, len(known)]  # split, not sliced: its gradient is one `cat`
    (a, a_first, a_second), (b, b_first, b_second) = f.whole.split(blocks), g.whole.split(blocks)
    parts = [times(a, b)]
    if n:
        parts.append(times(a_first, b) + times(a, b_first))
    if second:
        pairs = [tuple((axes[i], axes[j]) for i, j in channel) for channel in second]
        cross = torch.cat([crossed(a_first, b_first, channel, times) for channel in pairs])
        parts.append(times(a_second, b) + times(a, b_second) + cross if known else cross)
    zeros = tuple(c for c in f.zeros if c not in second)
    return Rows(f.channels[:n] + second, None, zeros, torch.cat(parts))


def crossed(a: Tensor, b: Tensor, pairs: Pairs, times: Binary) -> Tensor:
    """Σ (a_i b_j + a_j b_i) over the pairs of rows of a channel, as one row."""
    if is_diagonal(pairs, k := len(pairs)):
        return 2 * times(a[:k], b[:k]).sum(0, keepdim=True)
    terms = [times(a[i : i + 1], b[j : j + 1]) for i, j in pairs]
    terms += [times(a[j : j + 1], b[i : i + 1]) for i, j in pairs]
    return functools.reduce(torch.add, terms)
