"""Quadrature of the inside of a boundary: cells between two graphs, Gauss' rule on each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.polynomial.legendre import leggauss

from pinn.geometry.plane.curve import Array
from pinn.geometry.plane.graphs import Boundary, Graph
from pinn.geometry.plane.segment import Segment

_LARGEST = 8  # Gauss points in a row; a longer cell is cut
_PROBES = np.array([0.25, 0.5, 0.75])


@dataclass(frozen=True, eq=False)
class Cell:
    """low ≤ x ≤ high,  bottom(x) ≤ y ≤ top(x)."""

    low: float
    high: float
    bottom: Graph
    top: Graph

    @property
    def is_bent(self) -> bool:
        """Whether it is no trapezoid."""
        return not all(isinstance(g.curve, Segment) for g in (self.bottom, self.top))

    def across(self, u: Array) -> tuple[Array, Array]:
        """x(u) and dx/du for u in [0, 1], in which bottom and top are smooth.

        A height like √(x − a) is smooth in φ for x = a + φ², and that of an ellipse from a to b
        for x = a + (b − a) sin² φ.
        """
        a, b = self._branches()
        low, high = self.low, self.high
        if a is None and b is None:
            return low + (high - low) * u, np.full_like(u, high - low)
        if a is not None and b is not None:
            first, last = (_angle(x, a, b) for x in (low, high))
            phi = first + (last - first) * u
            return a + (b - a) * np.sin(phi) ** 2, (b - a) * np.sin(2 * phi) * (last - first)
        side, end = (1.0, a) if a is not None else (-1.0, b or 0.0)
        first, last = (math.sqrt(max(0.0, side * (x - end))) for x in (low, high))
        phi = first + (last - first) * u
        return end + side * phi * phi, 2 * side * phi * (last - first)

    def rule(self, columns: int, rows: int) -> tuple[Array, Array]:
        """Points (columns × rows, 2) and weights: the product of two rules mapped on the cell."""
        (u, weight), (v, other) = gauss(columns), gauss(rows)
        x, slope = self.across(u)
        low, high = self.bottom.height(x), self.top.height(x)
        y = low[:, None] + (high - low)[:, None] * v
        weights = (weight * slope * (high - low))[:, None] * other
        points = np.stack([np.broadcast_to(x[:, None], y.shape), y], axis=-1)
        return points.reshape(-1, 2), weights.ravel()

    def _branches(self) -> tuple[float | None, float | None]:
        """The nearest x to the left and to the right at which bottom or top bends like a root.

        None where it is so far that Gauss' rule does not feel it.
        """
        width = self.high - self.low
        ends = [graph.curve.branches() for graph in (self.bottom, self.top)]
        left = max((x for lefts, _ in ends for x in lefts), default=-math.inf)
        right = min((x for _, rights in ends for x in rights), default=math.inf)
        left, right = min(left, self.low), max(right, self.high)
        return (
            left if self.low - left < width else None,
            right if right - self.high < width else None,
        )


def _angle(x: float, a: float, b: float) -> float:
    """φ with x = a + (b − a) sin² φ."""
    return math.atan2(math.sqrt(max(0.0, x - a)), math.sqrt(max(0.0, b - x)))


def cells(boundary: Boundary) -> list[Cell]:
    """The inside, cut by vertical lines only where its bottom or its top changes."""
    graphs = boundary.graphs
    events = np.unique([x for graph in graphs for x in (graph.low, graph.high)])
    open_cells: dict[tuple[Graph, Graph], tuple[float, float]] = {}
    finished: list[Cell] = []
    for low, high in pairwise(events):
        # Between abscissae that differ by rounding there is nothing, and no order.
        if high - low <= boundary.rounding:
            continue
        active = [graph for graph in graphs if graph.low <= low and graph.high >= high]
        stack = _stacked(active, low, high, boundary.rounding)
        for pair in [pair for pair in open_cells if pair not in stack]:
            finished.append(Cell(*open_cells.pop(pair), *pair))
        for pair in stack:
            first, _ = open_cells.get(pair, (low, high))
            open_cells[pair] = first, high
    finished += [Cell(*ends, *pair) for pair, ends in open_cells.items()]
    return finished


def _stacked(
    graphs: Sequence[Graph], low: float, high: float, slack: float
) -> list[tuple[Graph, Graph]]:
    """Which graphs are bottom and top of the cells above each other in a strip."""
    x = low + (high - low) * _PROBES
    waiting = sorted(((float(g.height(x).mean()), g) for g in graphs), key=lambda pair: pair[0])
    ordered: list[Graph] = []
    while waiting:
        step = 1 if len(ordered) % 2 == 0 else -1
        # What touches is in an order that rounding made.
        close = [k for k, (y, _) in enumerate(waiting) if y - waiting[0][0] <= slack]
        fitting = [k for k in close if waiting[k][1].step == step]
        if not fitting:
            raise ValueError(
                f"the boundary crosses itself near ({x[1]:.6g}, {waiting[0][0]:.6g}): move one of "
                "the shapes by a little"
            )
        ordered.append(waiting.pop(fitting[0])[1])
    return list(zip(ordered[::2], ordered[1::2], strict=True))


def rule(inside: Sequence[Cell], n: int) -> tuple[Array, Array]:
    """Points (N, 2) with N near n, and weights, all positive, whose sum is about the area.

    The points of a cell lie in columns and rows at about the same spacing h throughout: as many
    as its width and its mean height contain of h, at least 2 × 2, under an arc 4 × 2, where n
    allows it for all cells, else at least 1. With k points in a row and in a column (in panels of
    at most 8) a trapezoid is integrated exactly for polynomials of degree 2k − 2, and a cell under
    arcs with an error that falls as that of Gauss' rule on an analytic function.
    """
    sizes = np.array([_size(cell) for cell in inside])
    least = np.array([(4 if cell.is_bent else 2, 2) for cell in inside])
    least = least if least.prod(axis=1).sum() <= n else np.ones_like(least)

    def counts(spacing: float) -> Array:
        return np.maximum(np.rint(sizes / spacing), least)

    low, high = -80.0, math.log(2 * sizes.max())
    for _ in range(60):
        middle = 0.5 * (low + high)
        many = counts(math.exp(middle)).prod(axis=1).sum() > n
        low, high = (middle, high) if many else (low, middle)
    chosen = counts(math.exp(high)).astype(int)
    rules = [cell.rule(int(c), int(r)) for cell, (c, r) in zip(inside, chosen, strict=True)]
    at, weights = (np.concatenate(arrays) for arrays in zip(*rules, strict=True))
    lowest = int(weights.argmin())
    if weights[lowest] < -1e-12 * weights.sum():
        x, y = at[lowest]
        raise ValueError(f"the boundary crosses itself near ({x:.6g}, {y:.6g})")
    return at[weights > 0], weights[weights > 0]


_panel = lru_cache(maxsize=None)(leggauss)


def gauss(k: int) -> tuple[Array, Array]:
    """k Gauss points in (0, 1), on equal panels of at most 8, and their weights of sum 1.

    The panels may differ by one in their number of points.
    """
    panels = -(-k // _LARGEST)
    points, weights = [], []
    for panel in range(panels):
        node, weight = _panel(k * (panel + 1) // panels - k * panel // panels)
        points.append((panel + 0.5 * (node + 1)) / panels)
        weights.append(0.5 * weight / panels)
    return np.concatenate(points), np.concatenate(weights)


def _size(cell: Cell) -> tuple[float, float]:
    """Width and mean height."""
    _, weights = cell.rule(_LARGEST, 1)
    width = cell.high - cell.low
    return width, float(weights.sum()) / width
