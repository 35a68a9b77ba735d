"""Damped least squares by a sparse Cholesky factor:  the counterpart of `gram` for blocks of θ.

    (D^-½ JᵀJ D^-½ + μ) D^½ δ = −D^-½ Jᵀr,   front by front, see `elimination`

Of JᵀJ those blocks are held that some residual sees both of, in the order of elimination one half.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from pinn.base.processes import total
from pinn.optim.elimination import PIVOTS, Front
from pinn.optim.gram import STRIPE, Step, local_scale
from pinn.optim.grouped_rows import GroupedRows


class Panel(NamedTuple):
    """The columns of the factor that belong to the pivots of a front.

    Args:
        root: L₁₁ (p, p).
        below: L₂₁ (b, p).
    """

    root: Tensor
    below: Tensor


class BlockGram:
    """JᵀJ of the rows of all processes, block by block."""

    def __init__(self, rows: GroupedRows) -> None:
        self.rows, self.tree = rows, rows.structure.tree
        sizes, pairs = rows.structure.sizes, rows.structure.pairs
        flat = rows.like.new_zeros(rows.structure.numbers)
        parts = flat.split([sizes[b] * sizes[a] for b, a in pairs] + [sum(sizes)])
        self.blocks = {
            (b, a): part.view(sizes[b], sizes[a])
            for (b, a), part in zip(pairs, parts[:-1], strict=True)
        }
        self.slope = parts[-1]
        for seen, some in rows:
            self.add(seen, some)
        total(flat)
        diagonal = [self.blocks[block, block].diagonal() for block in range(len(sizes))]
        self.scale = local_scale(torch.cat(diagonal), sizes)
        self.slope.mul_(self.scale)
        for (b, a), block in self.blocks.items():
            block.mul_(self.scale[rows.slices[b], None]).mul_(self.scale[rows.slices[a]])
        self.later: list[list[int]] = [[] for _ in sizes]
        for b, a in pairs:
            self.later[a].append(b)
        self.indices = [
            [self.index(blocks) for blocks in (front.pivots, front.border)]
            for front in self.tree.fronts
        ]
        shapes = list(map(self.tree.shape, self.tree.fronts))
        self.columns = [rows.like.new_empty(p + b, p) for p, b in shapes]
        self.panels = [
            Panel(own[:p], own[p:]) for own, (p, _) in zip(self.columns, shapes, strict=True)
        ]
        space = rows.like.new_empty(self.tree.waiting)
        self.left = [
            space[at : at + b * b].view(b, b)
            for at, (_, b) in zip(self.tree.places, shapes, strict=True)
        ]

    def add(self, seen: tuple[int, ...], some: Tensor) -> None:
        """JᵀJ and Jᵀr of some rows, half of the products."""
        place, rows = self.tree.place, self.rows
        columns = {block: part.T for block, part in rows.parts(seen, some[:, :-1].T)}
        order = sorted(seen, key=place.__getitem__)
        for at, a in enumerate(order):
            self.slope[rows.slices[a]].addmv_(columns[a].T, some[:, -1])
            for b in order[at:]:
                self.blocks[b, a].addmm_(columns[b].T, columns[a])

    def index(self, blocks: tuple[int, ...]) -> Tensor:
        """Where the unknowns of some blocks lie in θ."""
        device, parts = self.slope.device, [self.rows.slices[block] for block in blocks]
        ranges = [torch.arange(s.start, s.stop, device=device) for s in parts]
        return torch.cat(ranges) if ranges else torch.arange(0, device=device)

    def solve(self, damping: float) -> Step:
        """δ, and the decrease that the linear model predicts; NaN where there is no factor."""
        one = self.factor(damping)
        delta = self.solved(self.slope[:, None])[:, 0].neg_()
        return self.scale * delta, one * (damping * (delta @ delta) - delta @ self.slope)

    def again(self, right: Tensor) -> Tensor:
        """δ for other residuals (M,) of this process, at the same damping."""
        slope = total(self.rows.transposed_times(right)) * self.scale
        return -self.scale * self.solved(slope[:, None])[:, 0]

    def after(self, r: Tensor, steps: Tensor) -> Tensor:
        """δ (P, k) for residuals R (M, k) of this process, after steps Δ (P, k): for R + J Δ."""
        slopes = total(self.rows.transposed_after(r, steps)) * self.scale[:, None]
        return -self.scale[:, None] * self.solved(slopes)

    def factor(self, damping: float) -> Tensor:
        """Make the factor; 1 if to rounding the matrix is positive definite, else NaN."""
        failures: list[Tensor] = []
        for number, front in enumerate(self.tree.fronts):
            rest = self.left[number]
            for start in range(0, len(rest), STRIPE):
                rest[start : start + STRIPE, : start + STRIPE] = 0.0
            self.assemble(front, self.columns[number].zero_(), rest)
            top, below = self.panels[number]
            top.diagonal().add_(damping)
            failures += eliminated(self.columns[number])
            for start in range(0, len(rest), STRIPE):
                end = start + STRIPE
                rest[start:end, :end].addmm_(below[start:end], below[:end].T, alpha=-1)
        one = torch.ones_like(self.slope[0])
        return torch.where(torch.stack(failures).any(), torch.nan, one)

    def assemble(self, front: Front, columns: Tensor, rest: Tensor) -> None:
        """F₁ (p + b, p) and F₂₂ (b, b): of JᵀJ, and of what the children left; the lower half."""
        p = columns.shape[1]
        starts = self.tree.starts(front)
        for a in front.pivots:
            for c in self.later[a]:
                block = self.blocks[c, a]
                rows = slice(starts[c], starts[c] + len(block))
                columns[rows, starts[a] : starts[a] + block.shape[1]] = block
        for child in front.children:
            runs = self.tree.runs(self.tree.fronts[child].border, front)
            for at, (here, to, many) in enumerate(runs):
                for start in range(0, many, STRIPE):
                    rows = slice(here + start, here + min(start + STRIPE, many))
                    first = to + start
                    for left, column, few in runs[: at + 1]:
                        end = min(few, rows.stop - left)  # on and below the diagonal
                        part = self.left[child][rows, left : left + end]
                        if column < p:
                            columns[first : first + len(part), column : column + end] += part
                        else:
                            into = slice(first - p, first - p + len(part))
                            rest[into, column - p : column - p + end] += part

    def solved(self, right: Tensor) -> Tensor:
        """(L Lᵀ)⁻¹ B (P, k)."""
        x = right.clone()
        for (own, border), (root, below) in zip(self.indices, self.panels, strict=True):
            part = torch.linalg.solve_triangular(root, x[own], upper=False)
            x[own] = part
            x[border] -= below @ part
        for (own, border), (root, below) in zip(
            reversed(self.indices), reversed(self.panels), strict=True
        ):
            part = x[own] - below.T @ x[border]
            x[own] = torch.linalg.solve_triangular(root.mT, part, upper=True)
        return x


def eliminated(columns: Tensor) -> list[Tensor]:
    """Put L₁₁ and L₂₁ in the place of F₁₁ and F₂₁ (p + b, p), a few columns at a time.

    Returns:
        Of each step zero if its part is positive definite.
    """
    failures, p = [], columns.shape[1]
    for first in range(0, p, PIVOTS):
        last = min(first + PIVOTS, p)
        root, failed = torch.linalg.cholesky_ex(columns[first:last, first:last])
        columns[first:last, first:last] = root
        below = columns[last:, first:last]
        below.copy_(torch.linalg.solve_triangular(root.mT, below, upper=True, left=False))
        for start in range(last, p if last < p else last, STRIPE):
            end = min(start + STRIPE, p)
            part, left = columns[start:end, last:end], below[start - last : end - last]
            part.addmm_(left, below[: end - last].T, alpha=-1)
        if last < p:
            columns[p:, last:].addmm_(below[p - last :], below[: p - last].T, alpha=-1)
        failures.append(failed)
    return failures
