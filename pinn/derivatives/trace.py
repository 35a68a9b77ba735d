"""The trace of a Jacobian, without the rest of it:  Σ_k ∂f_k/∂x_{i_k}.

Every strategy passes the diagonal on its way; picking it there instead of asking for all d² entries
keeps the cost of picking linear in what the strategy computes anyway.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pinn.algebra.channels import Plan, first
from pinn.algebra.rows import Rows
from pinn.cache.tracing import is_differentiated
from pinn.derivatives.evaluate import evaluate, settings
from pinn.derivatives.formulas import AT_ONCE, Formulas
from pinn.derivatives.loop import slope
from pinn.derivatives.outputs import Function, split, stacked
from pinn.derivatives.vmap import pullback

Axes = Sequence[int]


def trace(f: Function, x: Tensor, axes: Axes, strategy: str, chunk: int | None = None) -> Tensor:
    """Σ_k ∂f_k/∂x_{axes[k]} at the points x (…, D), as (…).

    Args:
        f: maps x to as many components as there are axes.
        x: the points; never modified.
        axes: which coordinate each component is differentiated along.
        strategy: `taylor`, `vmap` or `loop`.
        chunk: for `vmap`, how many components to differentiate together.
    """
    special = TRACES.get(strategy)
    if special is not None:
        with settings(x), Formulas() if is_differentiated() else Formulas(AT_ONCE):
            return special(f, x, axes, chunk)
    jet = evaluate(f, x, Plan(tuple(first(i) for i in axes)), strategy, chunk)
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
    keep_graph = torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    with torch.inference_mode(False), torch.enable_grad():
        points = x.clone() if x.requires_grad else x.detach().clone().requires_grad_()
        parts = split(f(points.clone()), points.shape[:-1])  # f may write to its argument
        terms = [slope(y, points, keep_graph)[..., i] for y, i in zip(parts, axes, strict=True)]
        found = torch.stack(terms).sum(0)
    return found if keep_graph else found.detach()


def by_vmap(f: Function, x: Tensor, axes: Axes, chunk: int | None) -> Tensor:
    """One batched reverse pass."""
    components = stacked(f)

    def fresh(points: Tensor) -> tuple[Tensor, tuple]:
        return components(points.clone()), ()

    jacobian, _ = pullback(fresh, x, chunk)
    return diagonal(torch.movedim(jacobian, (-1, -2), (0, 1)), axes)


TRACES: dict[str, Callable[[Function, Tensor, Axes, int | None], Tensor]] = {
    "loop": by_loop,
    "vmap": by_vmap,
}
