"""What a strategy is: one way to differentiate a function at points that do not interact."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pinn.algebra.channels import Plan
from pinn.algebra.jet import Jet
from pinn.derivatives.outputs import Function

Axes = Sequence[int]


class Strategy(NamedTuple):
    """One way to differentiate; it changes the cost, never the number.

    Args:
        jet: (f, x, plan, chunk) ↦ f and its planned derivatives at x (…, D). `chunk` is how many
            components are differentiated together, for a strategy that takes them together.
            None for one that finds the trace without the other entries.
        trace: (f, x, axes, chunk) ↦ Σ_k ∂f_k/∂x_{axes[k]} as (…), of a matrix (…, k, C) for each
            row, (…, k). Every strategy passes this diagonal on its way; it costs less than all d²
            entries.
        name: what the strategy is, in a line that says why it does not serve.
        is_reverse: whether it runs torch's own kernels backward, of which `formulas` corrects some.
    """

    jet: Callable[[Function, Tensor, Plan, int | None], Jet] | None
    trace: Callable[[Function, Tensor, Axes, int | None], Tensor]
    name: str
    is_reverse: bool = True


def diagonal(entries: Tensor, order: Axes) -> Tensor:
    """Σ_k entries[order[k], k] of a tensor (D, C, …)."""
    if list(order) == list(range(entries.shape[0])):
        return entries.diagonal().sum(-1)
    return torch.stack([entries[i, k] for k, i in enumerate(order)]).sum(0)
