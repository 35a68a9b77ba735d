"""The per-component `autograd.grad` loop: the exact fall-back for everything torch can run.

    ∇fᵢ = grad(Σ_points fᵢ, x)       one reverse pass per component, and again for ∂² and ∂³

Cost: (1 + C) forward passes for f: Rᵈ → Rᶜ, and less where the components come back separately
and share little: reverse mode then visits only the part of the graph that a component uses.
"""

import torch
from torch import Tensor

from pinn.algebra.channels import Channel, Plan
from pinn.algebra.jet import Jet
from pinn.derivatives.gradients import Rows, levels, stream
from pinn.derivatives.outputs import Function, split


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
        points = leaf_of(x)
        components = split(f(points.clone()), points.shape[:-1])  # f may write to its argument
        rows = [derivatives(y, points, plan, keep_graph) for y in components]
        value = torch.stack(components, dim=-1)
        streams = {c: torch.stack([row[c] for row in rows], dim=-1) for c in plan.channels}
    if not keep_graph:
        value, streams = value.detach(), {c: s.detach() for c, s in streams.items()}
    return Jet(value, streams, lead=x.ndim - 1)


def derivatives(y: Tensor, x: Tensor, plan: Plan, keep_graph: bool) -> dict[Channel, Tensor]:
    """The planned derivatives of one component y (…)."""
    rows: Rows = {}
    orders = levels(plan)
    for n, needed in enumerate(orders):
        again = keep_graph or n + 1 < len(orders)
        for row in needed:
            rows[row] = slope(rows[row[:-1]][..., row[-1]] if row else y, x, again)
    return {channel: stream(rows, channel) for channel in plan.channels}


def leaf_of(x: Tensor) -> Tensor:
    """A copy of x to differentiate by; a gradient still reaches an x that requires one."""
    return x.clone() if x.requires_grad else x.detach().clone().requires_grad_()


def slope(y: Tensor, x: Tensor, keep_graph: bool) -> Tensor:
    """∂y/∂x for points that do not interact; zeros where y does not depend on x."""
    if not y.requires_grad:
        return torch.zeros_like(x)
    return torch.autograd.grad(
        y.sum(), x, create_graph=keep_graph, retain_graph=True, materialize_grads=True
    )[0]
