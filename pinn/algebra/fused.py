"""σ(f) on all rows of a series at once, with a backward written by hand.

    h = σ(z),   h_i = σ′ z_i,   h_c = σ′ z_c + σ″ q_c    with  q_c = Σ_(i,j)∈c z_i z_j

and, with ḡ the gradient that arrives at h,

    z̄ = σ′ ḡ + σ″ Σ_r ḡ_r z_r + σ‴ Σ_c ḡ_c q_c,
    z̄_i = σ′ ḡ_i + σ″ Σ_c ḡ_c ∂q_c/∂z_i,
    z̄_c = σ′ ḡ_c

where r runs over all rows and c over those of second order. Only z is kept for the backward pass;
the bias of the layer before, `shift`, is added on the way.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import Channel, order
from pinn.algebra.rows import Rows
from pinn.algebra.smooth import Derivatives

Pairs = tuple[tuple[int, int], ...]


class Activation(torch.autograd.Function):
    """σ on (1 + K, …) rows: the value, `first` rows of first order, then one row per `squares`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        z: Tensor,
        shift: Tensor | None,
        derivatives: Derivatives,
        first: int,
        squares: tuple[Pairs, ...],
    ) -> Tensor:
        """The rows of σ(z), with the shift added to the value first."""
        value = z[0] if shift is None else z[0] + shift
        y, slope, *curvature = derivatives(value, 2 if squares else 1)
        rows = z[1 : 1 + first]
        parts = [y.unsqueeze(0), slope * rows]
        if squares:
            curved = [curvature[0] * quadratic(rows, pairs) for pairs in squares]
            parts.append(torch.addcmul(torch.stack(curved), slope, z[1 + first :]))
        return torch.cat(parts)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        """Keep z."""
        z, shift, ctx.derivatives, ctx.first, ctx.squares = inputs
        ctx.save_for_backward(z, shift)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """z̄ from ḡ; made of differentiable operations, so that it has derivatives itself."""
        (z, shift), (g,) = ctx.saved_tensors, gradients
        first, squares = ctx.first, ctx.squares
        value = z[0] if shift is None else z[0] + shift
        _, slope, *higher = ctx.derivatives(value, 3 if squares else 2)
        toward = slope * g[0] + higher[0] * (g[1:] * z[1:]).sum(0)
        rows, first_order = z[1 : 1 + first], slope * g[1 : 1 + first]
        for up, pairs in zip(g[1 + first :], squares, strict=True):
            toward = toward + higher[1] * up * quadratic(rows, pairs)
            first_order = first_order + (higher[0] * up) * slope_of_quadratic(rows, pairs)
        parts = [toward.unsqueeze(0), first_order]
        parts += [slope * g[1 + first :]] if squares else []
        moved = None if shift is None else toward.sum_to_size(shift.shape)
        return torch.cat(parts), moved, None, None, None


def quadratic(rows: Tensor, pairs: Pairs) -> Tensor:
    """q = Σ_(i,j) z_i z_j over the pairs of rows."""
    if is_diagonal(pairs, len(rows)):
        return (rows * rows).sum(0)
    left, right = zip(*pairs, strict=True)
    return (picked(rows, left) * picked(rows, right)).sum(0)


def slope_of_quadratic(rows: Tensor, pairs: Pairs) -> Tensor:
    """∂q/∂z_i for every row i."""
    if is_diagonal(pairs, len(rows)):
        return 2 * rows
    slopes: list[Tensor] = [torch.zeros_like(rows[0]) for _ in range(len(rows))]
    for i, j in pairs:
        slopes[i] = slopes[i] + rows[j]
        slopes[j] = slopes[j] + rows[i]
    return torch.stack(slopes)


def is_diagonal(pairs: Pairs, count: int) -> bool:
    """Whether the pairs are (0, 0), (1, 1), …: a Laplacian over all rows."""
    return pairs == tuple((i, i) for i in range(count))


def picked(rows: Tensor, which: Sequence[int]) -> Tensor:
    """Some of the rows, as a view where they follow each other."""
    if list(which) == list(range(which[0], which[0] + len(which))):
        return rows[which[0] : which[0] + len(which)]
    return torch.stack([rows[i] for i in which])


def activated(f: Any, derivatives: Derivatives) -> Rows:
    """The rows of σ(f) for a series up to second order that is kept in rows."""
    rows: Rows = f.streams
    axes = rows.axes
    second = tuple(c for c in rows if order(c) == 2)
    pairs = {c: tuple((axes[i], axes[j]) for i, j in c if i in axes and j in axes) for c in second}
    carried = rows.channels[: len(axes)] + tuple(
        c for c in second if pairs[c] or c in rows.channels
    )
    zeros = tuple(c for c in rows if c not in carried)
    squares = tuple(pairs[c] for c in carried[len(axes) :])
    if rows.bare is not None and carried == rows.channels and all(squares):
        whole = Activation.apply(rows.bare, rows.shift, derivatives, len(axes), squares)
        return Rows(carried, None, zeros, whole)
    return Rows(carried, None, zeros, composed(f.value, rows, carried, pairs, derivatives))


def composed(
    value: Tensor,
    rows: Rows,
    carried: tuple[Channel, ...],
    pairs: dict[Channel, Pairs],
    derivatives: Derivatives,
) -> Tensor:
    """The same from torch's own derivatives, for rows that broadcast or have gaps."""
    count = len(rows.axes)
    if not carried:
        return derivatives(value, 0)[0].unsqueeze(0)
    y, slope, *curvature = derivatives(value, 2 if any(map(bool, pairs.values())) else 1)
    parts = [y.unsqueeze(0)]
    if count:
        parts.append(slope * rows.rest[:count])
    for channel in carried[count:]:
        stream, terms = rows[channel], []
        if stream is not None:
            terms.append(slope * stream)
        if pairs[channel]:
            terms.append(curvature[0] * quadratic(rows.rest[:count], pairs[channel]))
        parts.append((terms[0] if len(terms) == 1 else terms[0] + terms[1]).unsqueeze(0))
    return torch.cat(parts)
