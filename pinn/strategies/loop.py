"""The per-component `autograd.grad` loop: the exact fall-back for everything torch can run.

    (∂fᵢ/∂x) = grad(Σ_points fᵢ, x)       one reverse pass per component, and again for ∂²

Cost: (1 + C) forward passes for f: Rᵈ → Rᶜ, and less where the components come back separately
and share little: reverse mode then visits only the part of the graph that a component uses.
"""

import torch
from torch import Tensor

from pinn.algebra.channels import Channel, Plan, order
from pinn.algebra.jet import Jet
from pinn.strategies.outputs import Function, split


def loop(f: Function, x: Tensor, plan: Plan, chunk: int | None = None) -> Jet:
    """f and the planned derivatives at x (…, D); x itself is left as it was.

    Args:
        f: maps x to components: a tensor (…, C), a tuple or a dict. Points must not interact.
        x: the points.
        plan: what to produce.
        chunk: unused here; components are differentiated one at a time.
    """
    keep_graph = torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    with torch.inference_mode(False), torch.enable_grad():
        points = x.clone() if x.requires_grad else x.detach().clone().requires_grad_()
        components = split(f(points.clone()), points.shape[:-1])  # f may write to its argument
        rows = [derivatives(y, points, plan, keep_graph) for y in components]
        value = torch.stack(components, dim=-1)
        streams = {c: torch.stack([row[c] for row in rows], dim=-1) for c in plan.channels}
    if not keep_graph:
        value, streams = value.detach(), {c: s.detach() for c, s in streams.items()}
    return Jet(value, streams, lead=x.ndim - 1)


def derivatives(y: Tensor, x: Tensor, plan: Plan, keep_graph: bool) -> dict[Channel, Tensor]:
    """The planned derivatives of one component y (…)."""
    if not plan.channels:
        return {}
    gradient = slope(y, x, keep_graph or bool(plan.second))
    found = {c: gradient[..., c[0][0]] for c in plan.channels if order(c) == 1}
    rows = {
        i: slope(gradient[..., i], x, keep_graph)
        for i in sorted({pair[0] for c in plan.second for pair in c})
    }
    for channel in plan.second:
        found[channel] = torch.stack([rows[i][..., j] for i, j in channel]).sum(0)
    return found


def slope(y: Tensor, x: Tensor, keep_graph: bool) -> Tensor:
    """∂y/∂x for points that do not interact; zeros where y does not depend on x."""
    if not y.requires_grad:
        return torch.zeros_like(x)
    return torch.autograd.grad(
        y.sum(), x, create_graph=keep_graph, retain_graph=True, materialize_grads=True
    )[0]
