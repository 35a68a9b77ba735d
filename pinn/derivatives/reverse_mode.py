"""Rows: the gradients that reverse mode forms on the way to a plan.

    row ()     ∇f                   one per component
    row (i,)   ∇ ∂f/∂xᵢ
    row (i,j)  ∇ ∂²f/∂xᵢ∂xⱼ

Every derivative is an entry of a row, and rows of one order are formed from those of the order
below; channels share them.
"""

from torch import Tensor

from pinn.algebra.channels import Channel, Plan

Row = tuple[int, ...]
Gradients = dict[Row, Tensor]


def levels(plan: Plan) -> list[list[Row]]:
    """The rows that a plan needs, by order: [[()], [(0,), (1,)], …]; none for the value alone."""
    needed = {
        indices[:n] for channel in plan.channels for indices in channel for n in range(len(indices))
    }
    orders = sorted({len(row) for row in needed})
    return [sorted(row for row in needed if len(row) == n) for n in orders]


def stream(rows: Gradients, channel: Channel) -> Tensor:
    """The derivative of one channel, from rows (…, D)."""
    first, *rest = (rows[indices[:-1]][..., indices[-1]] for indices in channel)
    return sum(rest, start=first)
