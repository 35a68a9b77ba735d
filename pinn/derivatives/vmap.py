"""One batched reverse pass, pulled back over all one-hot cotangents at once.

    y, pull = vjp(f, x);   J = vmap(pull)(e₁, …, e_C)        and the same again for ∂² and ∂³

Cost: (1 + C) forward passes with a number of launches that does not grow with C, which is what
counts on a GPU. `chunk` bounds how many cotangents are pulled back together.
"""

from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import Plan
from pinn.algebra.jet import Jet
from pinn.derivatives.outputs import Function, is_matrix, joined, stacked
from pinn.derivatives.reverse_mode import Gradients, Row, levels, stream
from pinn.derivatives.strategy import Axes, Strategy, diagonal

Found = tuple[Gradients, Tensor]
Tape = tuple[Tensor, Found]  # dynamo would trace the subscripts of an annotation in a function


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

    rows, value = nested(fresh, x, levels(plan), chunk)
    return Jet(value, {channel: stream(rows, channel) for channel in plan.channels}, lead)


def trace(f: Function, x: Tensor, axes: Axes, chunk: int | None) -> Tensor:
    """One batched reverse pass, of which the rows of a matrix are as many components."""

    def fresh(points: Tensor) -> tuple[Tensor, Tensor]:
        y, shape = f(points.clone()), points.shape[:-1]
        if is_matrix(y, shape):
            return y.flatten(-2), y[..., 0]
        return joined(y, shape), points[..., 0]

    jacobian, like = pullback(fresh, x, chunk)
    entries = jacobian.reshape(*like.shape, len(axes), x.shape[-1])
    return diagonal(torch.movedim(entries, (-1, -2), (0, 1)), axes)


VMAP = Strategy(vmap, trace, "batched reverse pass")


def nested(f: Function, x: Tensor, orders: list[list[Row]], chunk: int | None) -> Found:
    """All rows (…, C, D) up to the last order, and f(x) (…, C), by one pullback per order."""
    if not orders:
        return {}, f(x)
    *lower, needed = orders

    def sources(points: Tensor) -> Tape:
        rows, value = nested(f, points, lower, chunk)
        parts = [rows[row[:-1]][..., row[-1]] if row else value for row in needed]
        return torch.cat(parts, dim=-1), (rows, value)

    jacobian, (rows, value) = pullback(sources, x, chunk)
    shape = (*jacobian.shape[:-2], len(needed), value.shape[-1], x.shape[-1])
    gradients = jacobian.reshape(shape).unbind(-3)
    return rows | dict(zip(needed, gradients, strict=True)), value


def pullback(f: Function, x: Tensor, chunk: int | None) -> tuple[Tensor, Any]:
    """J (…, C, D) of the first result of f, and the second result as it is."""
    if not torch.compiler.is_compiling() and torch.is_inference_mode_enabled():
        # There `vjp` gives zeros in torch 2.11.
        with torch.inference_mode(False), torch.no_grad():
            return pullback(f, x, chunk)
    y, pull, aux = torch.func.vjp(f, x, has_aux=True)  # type: ignore[misc]
    one_hot = torch.eye(y.shape[-1], dtype=y.dtype, device=y.device)
    shape = (y.shape[-1], *(1 for _ in y.shape[:-1]), y.shape[-1])
    cotangents = one_hot.reshape(shape).expand(-1, *y.shape)
    jacobian = torch.func.vmap(lambda v: pull(v)[0], chunk_size=chunk)(cotangents)
    return torch.movedim(jacobian, 0, -2), aux
