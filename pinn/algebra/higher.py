"""σ(f) on all rows of a series above second order, with a backward written by hand.

    h = σ(z),   h_c = Σ_k σ⁽ᵏ⁾ P_ck    with  P_c1 = z_c,  P_ck = Σ count z_a z_b …

over the partitions of the indices of c into k blocks, and, with ḡ the gradient that arrives at h,

    z̄ = σ′ ḡ + Σ_k σ⁽ᵏ⁺¹⁾ Σ_c ḡ_c P_ck,    z̄_a = Σ_ck σ⁽ᵏ⁾ ḡ_c ∂P_ck/∂z_a.

Only z is kept for the backward pass. Products of two rows are made once for all terms.
"""

import functools
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import Channel
from pinn.algebra.partitions import partitions
from pinn.algebra.rows import Rows
from pinn.algebra.smooth import Derivatives

Monomial = tuple[int, ...]  # rows that are multiplied, lowest first
Sums = dict[int, dict[Monomial, int]]  # k → the terms of P_ck, with how often each occurs
Table = tuple[Sums, ...]  # one for each row behind the value


@functools.lru_cache(256)
def table(channels: tuple[Channel, ...], zeros: tuple[Channel, ...]) -> Table | None:
    """The terms of every row, k ≥ 2.

    A block that is a sum of rows gives a term for each of them.

    Returns:
        None where a block is not known, or a row that vanishes has terms.
    """
    places = {channel: k for k, channel in enumerate(channels, 1)} | dict.fromkeys(zeros, 0)
    rows: list[Sums] = []
    for channel in channels + zeros:
        sums: dict[int, Counter[Monomial]] = {}
        for blocks, count in partitions(channel):
            parts = [(b,) if b in places else tuple((i,) for i in b) for b in blocks]
            if not all(part in places for each in parts for part in each):
                return None
            for term in product(*parts):
                monomial = tuple(sorted(places[part] for part in term))
                if monomial[0]:  # no part vanishes
                    sums.setdefault(len(term), Counter())[monomial] += count
        if sums and channel in zeros:
            return None
        rows.append({k: dict(terms) for k, terms in sorted(sums.items())})
    return tuple(rows[: len(channels)])


class Products(dict[Monomial, Tensor]):
    """Products of rows, each made once.

    Args:
        rows: z, with the value in place 0.
    """

    def __init__(self, rows: Sequence[Tensor]) -> None:
        super().__init__({(k,): row for k, row in enumerate(rows)})

    def __missing__(self, monomial: Monomial) -> Tensor:
        half = (len(monomial) + 1) // 2
        self[monomial] = made = self[monomial[:half]] * self[monomial[half:]]
        return made

    def sum(self, terms: dict[Monomial, int]) -> Tensor:
        """P_ck, which rounds as the chain rule stream by stream does."""
        parts = (self[m] if count == 1 else count * self[m] for m, count in terms.items())
        return functools.reduce(torch.add, parts)


class Activation(torch.autograd.Function):
    """σ on (1 + K, …) rows, of which a table holds the terms."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, shift: Tensor | None, derivatives: Derivatives, terms: Table) -> Tensor:
        """The rows of σ(z), with the shift added to the value first."""
        value, *rows = z.unbind(0)
        slopes = derivatives(value if shift is None else value + shift, highest(terms))
        known, parts = Products([value, *rows]), [slopes[0]]
        for row, sums in zip(rows, terms, strict=True):
            part = slopes[1] * row
            for k, each in sums.items():
                part = part + slopes[k] * known.sum(each)
            parts.append(part)
        return torch.stack(parts)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        """Keep z."""
        z, shift, ctx.derivatives, ctx.terms = inputs
        ctx.save_for_backward(z, shift)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """z̄ from ḡ; made of differentiable operations, so that it has derivatives itself."""
        (z, shift), (up,) = ctx.saved_tensors, gradients
        value, *rows = z.unbind(0)
        n = highest(ctx.terms)
        slopes = ctx.derivatives(value if shift is None else value + shift, n + 1)
        known, (first, *behind) = Products([value, *rows]), up.unbind(0)
        toward = [first, (up[1:] * z[1:]).sum(0)]  # what σ′, σ″, … are multiplied with
        toward += [torch.zeros_like(first) for _ in range(n - 1)]
        back = [slopes[1] * g for g in behind]
        for g, sums in zip(behind, ctx.terms, strict=True):
            for k, terms in sums.items():
                toward[k] = torch.addcmul(toward[k], g, known.sum(terms))
                weight = slopes[k] * g
                for monomial, count in terms.items():
                    for a, times in Counter(monomial).items():
                        j = monomial.index(a)
                        rest = known[monomial[:j] + monomial[j + 1 :]]
                        back[a - 1] = torch.addcmul(back[a - 1], weight, rest, value=times * count)
        total = slopes[1] * toward[0]
        for slope, factor in zip(slopes[2:], toward[1:], strict=True):
            total = torch.addcmul(total, slope, factor)
        moved = None if shift is None else total.sum_to_size(shift.shape)
        return torch.stack([total, *back]), moved, None, None


def highest(terms: Table) -> int:
    """The highest derivative of σ that the rows read."""
    return max([1, *(k for sums in terms for k in sums)])


def activated(rows: Rows, derivatives: Derivatives) -> Rows | None:
    """The rows of σ(f); None where they are kept otherwise, or some that vanish no longer do."""
    if rows.bare is None or (terms := table(rows.channels, rows.zeros)) is None:
        return None
    whole = Activation.apply(rows.bare, rows.shift, derivatives, terms)
    return Rows(rows.channels, None, rows.zeros, whole)
