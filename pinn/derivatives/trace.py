"""The trace of a Jacobian, without the rest of it:  Σ_k ∂f_k/∂x_{i_k}.

Every strategy passes the diagonal on its way; picking it there instead of asking for all d² entries
keeps the cost of picking linear in what the strategy computes anyway.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pinn.algebra.channels import Plan, first
from pinn.algebra.rows import Rows
from pinn.derivatives.loop import in_reverse, slope
from pinn.derivatives.outputs import Function, split, stacked
from pinn.derivatives.taylor import taylor
from pinn.derivatives.vmap import pullback

Axes = Sequence[int]


def by_taylor(f: Function, x: Tensor, axes: Axes, chunk: int | None) -> Tensor:
    """One fused forward pass, whose rows hold the diagonal."""
    jet = taylor(f, x, Plan(tuple(first(i) for i in axes)))
    rows = jet.streams
    if isinstance(rows, Rows) and not rows.zeros:
        order = [rows.axes[i] for i in axes]
        return torch.broadcast_to(diagonal(rows.rest.movedim(-1, 1), order), x.shape[:-1])
    return torch.stack([jet.stream(first(i))[..., k] for k, i in enumerate(axes)]).sum(0)


def diagonal(entries: Tensor, order: Axes) -> Tensor:
    """Σ_k entries[order[k], k] of a tensor (D, C, …)."""
    if list(order) == list(range(entries.shape[0])):
        return entries.diagonal().sum(-1)
    return torch.stack([entries[i, k] for k, i in enumerate(order)]).sum(0)


def by_loop(f: Function, x: Tensor, axes: Axes, chunk: int | None) -> Tensor:
    """One reverse pass per component, of which one entry is read."""

    def run(points: Tensor, keep_graph: bool) -> list[Tensor]:
        parts = split(f(points.clone()), points.shape[:-1])  # f may write to its argument
        terms = [slope(y, points, keep_graph)[..., i] for y, i in zip(parts, axes, strict=True)]
        return [torch.stack(terms).sum(0)]

    return in_reverse(x, run)[0]


def by_vmap(f: Function, x: Tensor, axes: Axes, chunk: int | None) -> Tensor:
    """One batched reverse pass."""
    components = stacked(f)

    def fresh(points: Tensor) -> tuple[Tensor, tuple]:
        return components(points.clone()), ()

    jacobian, _ = pullback(fresh, x, chunk)
    return diagonal(torch.movedim(jacobian, (-1, -2), (0, 1)), axes)


TRACES: dict[str, Callable[[Function, Tensor, Axes, int | None], Tensor]] = {
    "taylor": by_taylor,
    "loop": by_loop,
    "vmap": by_vmap,
}
