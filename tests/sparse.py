"""Sparse least-squares problems, and the same as dense ones."""

from itertools import accumulate, product

import pytest
import torch
from torch import nn

from pinn.optim import LevenbergMarquardt, linear_model


class Sparse:
    """A system of which each group of rows sees a few blocks of θ; linear."""

    def __init__(self, sizes, groups, counts, seed=0, at_a_time=None):
        generator = torch.Generator().manual_seed(seed)
        self._sizes, self._groups, self._counts = tuple(sizes), tuple(groups), tuple(counts)
        self.at_a_time, self.asked = at_a_time or max(counts), 0
        widths = [sum(sizes[block] for block in seen) for seen in groups]
        self.J, self.r = (
            [torch.randn(m, *n, generator=generator, dtype=torch.float64) for m, n in shapes]
            for shapes in (
                zip(counts, [(w,) for w in widths], strict=True),
                [(m, ()) for m in counts],
            )
        )

    def sizes(self):
        return self._sizes

    def groups(self):
        return self._groups

    def row_counts(self):
        return self._counts

    def residuals(self):
        return torch.cat(self.r)

    def grouped(self):
        self.asked += 1
        for seen, J, r in zip(self._groups, self.J, self.r, strict=True):
            for part, own in zip(J.split(self.at_a_time), r.split(self.at_a_time), strict=True):
                yield seen, part, own

    def dense(self):
        """J (M, P)."""
        return torch.cat(
            [spread(J, s, self._sizes) for s, J in zip(self._groups, self.J, strict=True)]
        )


class Bent(Sparse):
    """r = tanh(Jθ) − b at the values of `theta`; of all rows, or of those of one process."""

    def __init__(self, sizes, groups, counts, rank=None, **options):
        super().__init__(sizes, groups, counts, **options)
        self.theta = nn.Parameter(torch.zeros(sum(sizes), dtype=torch.float64))
        third = len(groups) // 3
        share = {None: slice(None), 0: slice(third), 1: slice(third, None)}[rank]
        self.J, self.r = self.J[share], self.r[share]
        self._groups, self._counts = self._groups[share], self._counts[share]

    def values(self):
        """tanh(Jθ) of each group."""
        parts = self.theta.detach().split(self._sizes)
        for seen, J in zip(self._groups, self.J, strict=True):
            yield torch.tanh(J @ torch.cat([parts[block] for block in seen]))

    def residuals(self):
        return torch.cat([v - 0.3 * b for v, b in zip(self.values(), self.r, strict=True)])

    def grouped(self):
        for seen, J, b, v in zip(self._groups, self.J, self.r, self.values(), strict=True):
            yield seen, (1 - v.square())[:, None] * J, v - 0.3 * b


CASES = ["sparse cholesky", "sparse qr"]


def sparse_steps(case, rank=None):
    """θ, the losses and the state after four steps, with all rows or those of one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_model, "SAFETY", 1e30 if "qr" in case else linear_model.SAFETY)
        system = Bent([4] * 20 + [1], [(*g, 20) for g in cells(4, 5)], [9] * 12, rank)
        optimizer = LevenbergMarquardt([system.theta], memory=1.0)
        optimizer.system = system
        losses = [optimizer.step() for _ in range(4)]
    return system.theta.detach(), losses, dict(optimizer.past)


def spread(rows, seen, sizes):
    """Rows of some blocks as rows of all."""
    starts = [0, *accumulate(sizes)]
    whole = rows.new_zeros(len(rows), starts[-1])
    for block, part in zip(seen, rows.split([sizes[b] for b in seen], 1), strict=True):
        whole[:, starts[block] : starts[block + 1]] = part
    return whole


def cells(*shape, wraps=False):
    """Groups that see 2ᵈ patches of a grid; of a ring along the first axis."""
    strides = [0] * len(shape)
    for axis in reversed(range(len(shape))):
        strides[axis] = 1 if axis == len(shape) - 1 else strides[axis + 1] * shape[axis + 1]
    counts = [n if wraps and axis == 0 else n - 1 for axis, n in enumerate(shape)]
    groups = []
    for corner in product(*map(range, counts)):
        near = product(*((c, (c + 1) % n) for c, n in zip(corner, shape, strict=True)))
        groups.append(tuple(sorted({sum(map(int.__mul__, at, strides)) for at in near})))
    return groups
