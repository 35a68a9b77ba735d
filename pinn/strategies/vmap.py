"""One batched reverse pass, pulled back over all one-hot cotangents at once.

    y, pull = vjp(f, x);   J = vmap(pull)(e₁, …, e_C)        and the same again for ∂²

Cost: (1 + C) forward passes with a number of launches that does not grow with C, which is what
counts on a GPU. `chunk` bounds how many cotangents are pulled back together.
"""

import torch
from torch import Tensor

from pinn.algebra.channels import Channel, Plan, order
from pinn.algebra.jet import Jet
from pinn.strategies.outputs import Function, stacked


def vmap(f: Function, x: Tensor, plan: Plan, chunk: int | None = None) -> Jet:
    """f and the planned derivatives at x (…, D).

    Args:
        f: maps x to components: a tensor (…, C), a tuple or a dict. Points must not interact.
        x: the points.
        plan: what to produce.
        chunk: the number of cotangents pulled back together; all of them by default.
    """
    lead = x.ndim - 1
    components = stacked(f)

    def fresh(points: Tensor) -> Tensor:
        return components(points.clone())  # f may write to its argument

    if not plan.channels:
        return Jet(fresh(x), {}, lead)
    if not plan.second:
        jacobian, value = pullback(fresh, x, chunk)
        return Jet(value, first_order(jacobian, plan), lead)

    rows = sorted({pair[0] for c in plan.second for pair in c})

    def gradients(points: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        jacobian, value = pullback(fresh, points, chunk)
        return torch.cat([jacobian[..., i] for i in rows], dim=-1), (jacobian, value)

    hessian, (jacobian, value) = pullback_aux(gradients, x, chunk)
    streams = first_order(jacobian, plan)
    outputs = value.shape[-1]
    for channel in plan.second:
        picked = [
            hessian[..., rows.index(i) * outputs : (rows.index(i) + 1) * outputs, j]
            for i, j in channel
        ]
        streams[channel] = torch.stack(picked).sum(0)
    return Jet(value, streams, lead)


def first_order(jacobian: Tensor, plan: Plan) -> dict[Channel, Tensor]:
    """The first-order streams (…, C) from J (…, C, D)."""
    return {c: jacobian[..., c[0][0]] for c in plan.channels if order(c) == 1}


def pullback(f: Function, x: Tensor, chunk: int | None) -> tuple[Tensor, Tensor]:
    """J (…, C, D) and f(x) (…, C)."""

    def with_value(points: Tensor) -> tuple[Tensor, Tensor]:
        y = f(points)
        return y, y

    return pullback_aux(with_value, x, chunk)


def pullback_aux(f: Function, x: Tensor, chunk: int | None) -> tuple[Tensor, Tensor]:
    """J (…, C, D) of the first result of f, and the second result as it is."""
    y, pull, aux = torch.func.vjp(f, x, has_aux=True)  # type: ignore[misc]
    one_hot = torch.eye(y.shape[-1], dtype=y.dtype, device=y.device)
    shape = (y.shape[-1], *(1 for _ in y.shape[:-1]), y.shape[-1])
    cotangents = one_hot.reshape(shape).expand(-1, *y.shape)
    rows = torch.func.vmap(lambda v: pull(v)[0], chunk_size=chunk)(cotangents)
    return torch.movedim(rows, 0, -2), aux
