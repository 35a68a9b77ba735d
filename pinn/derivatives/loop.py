"""The per-component `autograd.grad` loop: the exact fall-back for everything torch can run.

    ∇fᵢ = grad(Σ_points fᵢ, x)       one reverse pass per component, and again for ∂² and ∂³

Cost: (1 + C) forward passes for f: Rᵈ → Rᶜ, and less where the components come back separately
and share little: reverse mode then visits only the part of the graph that a component uses.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from pinn.algebra.channels import Channel, Plan
from pinn.algebra.jet import Jet
from pinn.cache.tracing import keeps_graph
from pinn.derivatives.outputs import Function, is_matrix, split
from pinn.derivatives.reverse_mode import Gradients, levels, stream
from pinn.derivatives.strategy import Axes, Strategy


def loop(f: Function, x: Tensor, plan: Plan, chunk: int | None = None) -> Jet:
    """f and the planned derivatives at x (…, D); x itself is left as it was.

    Args:
        f: maps x to components: a tensor (…, C), a tuple or a dict. Points must not interact.
        x: the points.
        plan: what to produce.
        chunk: unused here; components are differentiated one at a time.
    """

    def run(points: Tensor, keep_graph: bool) -> list[Tensor]:
        components = split(f(points.clone()), points.shape[:-1])  # f may write to its argument
        rows = [derivatives(y, points, plan, keep_graph) for y in components]
        streams = [torch.stack([row[c] for row in rows], dim=-1) for c in plan.channels]
        return [torch.stack(components, dim=-1), *streams]

    value, *streams = in_reverse(x, run)
    return Jet(value, dict(zip(plan.channels, streams, strict=True)), lead=x.ndim - 1)


def trace(f: Function, x: Tensor, axes: Axes, chunk: int | None) -> Tensor:
    """One reverse pass per component, of which one entry is read."""

    def row(parts: list[Tensor], points: Tensor, keep_graph: bool) -> Tensor:
        terms = [slope(y, points, keep_graph)[..., i] for y, i in zip(parts, axes, strict=True)]
        return torch.stack(terms).sum(0)

    def run(points: Tensor, keep_graph: bool) -> list[Tensor]:
        y, shape = f(points.clone()), points.shape[:-1]  # f may write to its argument
        if not is_matrix(y, shape):
            return [row(split(y, shape), points, keep_graph)]
        rows = [row(split(part, shape), points, keep_graph) for part in y.unbind(-2)]
        return [torch.stack(rows, dim=-1)]

    return in_reverse(x, run)[0]


LOOP = Strategy(loop, trace, "reverse pass")


def in_reverse(x: Tensor, run: Callable[[Tensor, bool], list[Tensor]]) -> list[Tensor]:
    """What reverse mode makes of the points x, with a graph only where one is wanted.

    Args:
        x: the points; a copy of them is differentiated by.
        run: called with the copy, and whether the graph is kept.
    """
    keep_graph = keeps_graph()
    with torch.inference_mode(False), torch.enable_grad():
        # A gradient still reaches an x that requires one.
        copy = x.clone() if x.requires_grad else x.detach().clone().requires_grad_()
        results = run(copy, keep_graph)
    return results if keep_graph else [part.detach() for part in results]


def derivatives(y: Tensor, x: Tensor, plan: Plan, keep_graph: bool) -> dict[Channel, Tensor]:
    """The planned derivatives of one component y (…)."""
    rows: Gradients = {}
    orders = levels(plan)
    for n, needed in enumerate(orders):
        again = keep_graph or n + 1 < len(orders)
        for row in needed:
            rows[row] = slope(rows[row[:-1]][..., row[-1]] if row else y, x, again)
    return {channel: stream(rows, channel) for channel in plan.channels}


def slope(y: Tensor, x: Tensor, keep_graph: bool) -> Tensor:
    """∂y/∂x for points that do not interact; zeros where y does not depend on x."""
    if not y.requires_grad:
        return torch.zeros_like(x)
    return torch.autograd.grad(
        y.sum(), x, create_graph=keep_graph, retain_graph=True, materialize_grads=True
    )[0]
