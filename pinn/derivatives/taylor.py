"""One fused forward pass: the jet of the input flows through f.

Cost for (u, J, ∇²u) of a dense network: d + 2 forward passes, 3(d + 2) with the parameter
gradient, whatever the number of outputs.

Source: F. Dangel et al., "Collapsing Taylor Mode Automatic Differentiation", NeurIPS 2025,
doi:10.48550/arXiv.2505.13644. Deviation: rules act on torch functions, not on a traced graph.
"""

import torch
from torch import Tensor

from pinn.algebra.channels import Plan, first
from pinn.algebra.jet import Jet
from pinn.algebra.rows import Rows, seed
from pinn.derivatives.outputs import Function, is_matrix, joined, stacked
from pinn.derivatives.strategy import Axes, Strategy, diagonal


def taylor(f: Function, x: Tensor, plan: Plan, chunk: int | None = None) -> Jet:
    """f and the planned derivatives at x (…, D).

    Args:
        f: maps a jet (…, D) to components; every torch function it calls needs a rule.
        x: the points.
        plan: what to produce.
        chunk: unused here; all streams share one pass.

    Raises:
        NoRuleError: f calls a function that has no derivative rule.
    """
    return streamed(stacked(f)(Jet(x, seed(x, plan.channels), lead=x.ndim - 1)), x, plan)


def streamed(y: Jet | Tensor, x: Tensor, plan: Plan) -> Jet:
    """A result with a derivative for each channel; one that does not read x is a constant."""
    if isinstance(y, Tensor):
        return Jet(y, dict.fromkeys(plan.channels, x.new_zeros(y.shape)), lead=x.ndim - 1)
    if isinstance(y.streams, Rows) and y.streams.bare is not None:
        return y
    streams = {
        c: None if s is None else torch.broadcast_to(s, y.shape) for c, s in y.streams.items()
    }
    return Jet(y.value, streams, lead=x.ndim - 1)


def trace(f: Function, x: Tensor, axes: Axes, chunk: int | None) -> Tensor:
    """One fused forward pass, whose rows hold the diagonal; all rows of a matrix share it."""
    plan = Plan(tuple(first(i) for i in axes))
    y = f(Jet(x, seed(x, plan.channels), lead=x.ndim - 1))
    shape = x.shape[:-1]
    jet = streamed(y if is_matrix(y, shape) else joined(y, shape), x, plan)
    rows = jet.streams
    if isinstance(rows, Rows) and not rows.zeros:
        order = [rows.axes[i] for i in axes]
        return torch.broadcast_to(diagonal(rows.rest.movedim(-1, 1), order), jet.shape[:-1])
    return torch.stack([jet.stream(first(i))[..., k] for k, i in enumerate(axes)]).sum(0)


TAYLOR = Strategy(taylor, trace, "fused pass", is_reverse=False)
