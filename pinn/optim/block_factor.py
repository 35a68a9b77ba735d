"""Damped least squares by sparse orthogonal factors:  the counterpart of `factor` for blocks of θ.

    [J D^-½ r; √μ 0] = Q [R c; 0 ρ],   R D^½ δ = −c,   front by front, see `elimination`

A front stacks its rows of [J r; √μ 0] on what its children left, and makes that triangular. Rows
begin at different columns; such a staircase is factored panel by panel, without most of its zeros.

T. A. Davis, Algorithm 915: SuiteSparseQR, 2011, doi:10.1145/2049662.2049670.
"""

from bisect import bisect_left
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from pinn.base.processes import processes, stacked, total
from pinn.optim.gram import Step, local_scale
from pinn.optim.grouped_rows import GroupedRows
from pinn.optim.structure import Seen

WIDTH = 128  # columns of a panel


class Part(NamedTuple):
    """Rows on their way into a front, in columns that increase with their place.

    Args:
        rows: (m, n).
        columns: where each column lies in the front; of runs: start here, there, and length.
        leads: the column of the front in which each row begins, increasing.
    """

    rows: Tensor
    columns: list[tuple[int, int, int]]
    leads: list[int]


class Trapezium(NamedTuple):
    """The rows of R that belong to the pivots of a front.

    Args:
        upper: R₁₁ (p, p).
        beside: R₁₂ (p, b).
        right: c (p, 1).
    """

    upper: Tensor
    beside: Tensor
    right: Tensor


class BlockFactor:
    """R of [J r] of all processes, front by front; made for each damping."""

    def __init__(self, rows: GroupedRows) -> None:
        self.rows, self.tree = rows, rows.structure.tree
        squares = rows.like.new_zeros(sum(rows.structure.sizes))
        members: dict[Seen, list[Tensor]] = {seen: [] for seen in rows.structure.groups}
        for seen, some in rows:
            members.get(seen, []).append(some)
            for block, part in rows.parts(seen, some[:, :-1].square().sum(0)):
                squares[rows.slices[block]] += part
        self.scale = local_scale(total(squares), rows.structure.sizes)
        self.members: list[list[tuple[Seen, Tensor]]] = [[] for _ in self.tree.fronts]
        for seen, parts in members.items():
            if processes() > 1:
                none = squares.new_zeros(0, rows.structure.width(seen))
                parts = [stacked(torch.cat([none, *parts]))]
            self.members[self.tree.first(seen)] += [(seen, part) for part in parts]

    def solve(self, damping: float) -> Step:
        """δ, and the decrease that the linear model predicts."""
        y = self.scale.new_zeros(len(self.scale), 1)
        for number, part in reversed(list(enumerate(self.factor(damping**0.5)))):
            own, border = self.tree.fronts[number].pivots, self.tree.fronts[number].border
            right = part.right
            right = right + part.beside @ self.rows.seen(y, border)
            found = torch.linalg.solve_triangular(part.upper, right, upper=True).neg_()
            for block, values in self.rows.parts(own, found):
                y[self.rows.slices[block]] = values
        delta = y[:, 0]
        moved = self.rows.times(self.scale * delta)  # Jδ
        return self.scale * delta, total(moved @ moved) + 2 * damping * (delta @ delta)

    def factor(self, root: float) -> list[Trapezium]:
        """R of [J D^-½ r; √μ 0]."""
        made, waiting = list[Trapezium](), dict[int, tuple[Tensor, list[int]]]()
        for number, front in enumerate(self.tree.fronts):
            p, b = self.tree.shape(front)
            parts = [*self.own(number), self.damping(p, root)]
            for child in front.children:
                rows, leads = waiting.pop(child)
                runs = self.tree.runs(self.tree.fronts[child].border, front)
                end = (sum(n for *_, n in runs), p + b, 1)  # the residuals
                parts.append(Part(rows, [*runs, end], moved(leads, runs)))
            matrix, leads = triangular(parts, p + b, p)
            upper, beside, right = matrix[:p].split([p, b, 1], 1)
            made.append(Trapezium(upper.clone(), beside.clone(), right.clone()))
            if b:
                waiting[number] = matrix[p:, p:].clone(), [lead - p for lead in leads[p:]]
        return made

    def own(self, number: int) -> list[Part]:
        """The rows of all processes that begin in a front."""
        parts, front = [], self.tree.fronts[number]
        width = sum(self.tree.shape(front))
        starts = self.tree.starts(front)
        for seen, some in self.members[number]:
            scaled = some.clone()
            scaled[:, :-1] *= self.rows.seen(self.scale, seen)
            runs = [*self.tree.runs(seen, front), (some.shape[1] - 1, width, 1)]
            parts.append(Part(scaled, runs, [min(starts[block] for block in seen)] * len(some)))
        return parts

    def damping(self, size: int, root: float) -> Part:
        """√μ, once per pivot."""
        diagonal = self.scale.new_full((size,), root).diag()
        return Part(diagonal, [(0, 0, size)], list(range(size)))


def moved(leads: list[int], runs: list[tuple[int, int, int]]) -> list[int]:
    """Columns of a child's border as columns of the parent."""
    columns = [to + k for _, to, many in runs for k in range(many)]
    return [columns[lead] for lead in leads]


def triangular(parts: list[Part], width: int, pivots: int) -> tuple[Tensor, list[int]]:
    """R of rows that are stacked, with the column in which each row begins.

    Args:
        parts: what is stacked.
        width: columns n, that of the residuals not counted.
        pivots: the first columns, in each of which some row begins.
    """
    edges = [*range(0, pivots, WIDTH), *range(pivots, width, WIDTH), width]
    height = sum(len(part.rows) for part in parts)
    matrix = parts[0].rows.new_zeros(width + 1, height).T  # by columns, as LAPACK wants it
    done, end, leads = 0, 0, list[int]()
    for first, last in pairwise(edges):
        end = placed(parts, matrix, end, first, last)
        count = min(end - done, last - first)
        if not count:
            continue
        panel = matrix[done:end, first:last]
        packed, tau = torch.geqrf(panel)
        beside = matrix[done:end, last:]
        beside.copy_(torch.ormqr(packed, tau, beside, transpose=True))
        panel.copy_(packed.triu_())
        leads += range(first, first + count)
        done += count
    return matrix[:done], leads


def placed(parts: list[Part], matrix: Tensor, at: int, first: int, last: int) -> int:
    """Write the rows that begin in these columns below the others; returns where they end."""
    for part in parts:
        some = slice(bisect_left(part.leads, first), bisect_left(part.leads, last))
        end = at + some.stop - some.start
        for begun, to, many in part.columns:
            matrix[at:end, to : to + many] = part.rows[some, begun : begun + many]
        at = end
    return at
