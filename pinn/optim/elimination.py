"""The elimination tree: which blocks of unknowns are eliminated together, and what that takes.

    F = [F₁₁ ·; F₂₁ F₂₂],   F₁₁ = L₁₁L₁₁ᵀ,   L₂₁ = F₂₁L₁₁⁻ᵀ,   F₂₂ − L₂₁L₂₁ᵀ goes to the parent

A front F has its pivots, which are eliminated there, and a border, which is eliminated later. All
of that is known from who sees whom, before a number is computed.

I. S. Duff and J. K. Reid, The multifrontal solution of indefinite sparse symmetric linear systems,
1983, doi:10.1145/356044.356047.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pinn.optim.ordering import Graph, graph_of, orders

# What it takes to make, move and add one number of a front, and to begin one, in operations.
PER_NUMBER = 100.0
PER_FRONT = 5e6
PIVOTS = 2048  # unknowns of a front that are eliminated at a time


@dataclass(frozen=True)
class Front:
    """A dense part of the factor.

    Args:
        pivots: the blocks that are eliminated here, in order.
        border: the blocks that they see and that are eliminated later, in order.
        children: the numbers of the fronts that hand something to this one.
    """

    pivots: tuple[int, ...]
    border: tuple[int, ...] = ()
    children: tuple[int, ...] = ()

    @property
    def blocks(self) -> tuple[int, ...]:
        """All blocks of the front, in order."""
        return self.pivots + self.border


@dataclass(frozen=True)
class Elimination:
    """Fronts, each after its children.

    Args:
        sizes: the lengths of all blocks.
        fronts: in the order in which they are factored.
    """

    sizes: tuple[int, ...]
    fronts: tuple[Front, ...]

    @cached_property
    def place(self) -> dict[int, int]:
        """When each block is eliminated."""
        order = [block for front in self.fronts for block in front.pivots]
        return {block: at for at, block in enumerate(order)}

    @cached_property
    def home(self) -> dict[int, int]:
        """The number of the front in which each block is eliminated."""
        return {b: number for number, front in enumerate(self.fronts) for b in front.pivots}

    def length(self, blocks: Iterable[int]) -> int:
        """How many unknowns some blocks have."""
        return sum(self.sizes[block] for block in blocks)

    def first(self, seen: Collection[int]) -> int:
        """The number of the front that takes the rows that see these blocks."""
        return self.home[min(seen, key=self.place.__getitem__)]

    @property
    def operations(self) -> float:
        """Of a Cholesky factor."""
        return sum(operations(*self.shape(front)) for front in self.fronts)

    def shape(self, front: Front) -> tuple[int, int]:
        """The numbers of unknowns of the pivots and of the border."""
        return self.length(front.pivots), self.length(front.border)

    def starts(self, front: Front) -> dict[int, int]:
        """Where each block begins in a front."""
        starts, at = {}, 0
        for block in front.blocks:
            starts[block] = at
            at += self.sizes[block]
        return starts

    def runs(self, blocks: Iterable[int], front: Front) -> list[tuple[int, int, int]]:
        """Where some blocks, one after the other, lie in a front.

        Returns:
            Of runs, cut at the end of the pivots: start here, start in the front, length.
        """
        starts, pivots = self.starts(front), self.shape(front)[0]
        runs, at = list[tuple[int, int, int]](), 0
        for block in blocks:
            begun, to, many = runs[-1] if runs else (0, -1, 0)
            if starts[block] == to + many and starts[block] != pivots:
                runs[-1] = begun, to, many + self.sizes[block]
            else:
                runs.append((at, starts[block], self.sizes[block]))
            at += self.sizes[block]
        return runs

    @property
    def numbers(self) -> int:
        """In the Cholesky factor."""
        return sum(p * (p + b) for p, b in map(self.shape, self.fronts))

    @cached_property
    def places(self) -> list[int]:
        """Where in one stretch of memory each front leaves what is for its parent, (b, b)."""
        parents = {child: n for n, front in enumerate(self.fronts) for child in front.children}
        taken, places = list[tuple[int, int, int]](), list[int]()
        for number, front in enumerate(self.fronts):
            size, start = self.shape(front)[1] ** 2, 0
            taken = sorted(entry for entry in taken if entry[2] >= number)
            for begin, end, _ in taken:
                if start + size <= begin:
                    break
                start = max(start, end)
            places.append(start)
            if size:
                taken.append((start, start + size, parents[number]))
        return places

    @property
    def waiting(self) -> int:
        """Numbers in that stretch of memory."""
        borders = [self.shape(front)[1] for front in self.fronts]
        return max(start + b * b for start, b in zip(self.places, borders, strict=True))

    @property
    def working(self) -> int:
        """Numbers beside the factor: what waits for a parent, and copies of some columns."""
        shapes = map(self.shape, self.fronts)
        return self.waiting + max(2 * (p + b) * min(p, PIVOTS) for p, b in shapes)


def operations(pivots: int, border: int) -> float:
    """Of the elimination of a front: multiplications and additions, half of the matrix."""
    return pivots**3 / 3 + pivots**2 * border + pivots * border**2


def effort(pivots: int, border: int) -> float:
    """The same, with what it takes to move numbers."""
    return operations(pivots, border) + PER_NUMBER * (pivots + border) ** 2 + PER_FRONT


def elimination(sizes: Sequence[int], cliques: Iterable[Collection[int]]) -> Elimination:
    """The tree with the least work of some orders.

    Args:
        sizes: the lengths of the blocks of θ.
        cliques: blocks that one residual sees.
    """
    graph = graph_of(len(sizes), cliques)
    trees = (merged(tree_of(graph, order), sizes) for order in orders(graph, sizes))
    return min((in_order(tree, sizes) for tree in trees), key=work)


def work(tree: Elimination) -> float:
    """What a factor takes."""
    return sum(effort(*tree.shape(front)) for front in tree.fronts)


def tree_of(graph: Graph, order: Sequence[int]) -> list[Front]:
    """One front per block, in the order given."""
    place = {block: at for at, block in enumerate(order)}
    borders, children = list[set[int]](), [list[int]() for _ in order]
    for at, block in enumerate(order):
        border = {place[other] for other in graph[block] if place[other] > at}
        border = border.union(*(borders[child] for child in children[at])) - {at}
        borders.append(border)
        if border:
            children[min(border)].append(at)
    return [
        Front((block,), tuple(order[p] for p in sorted(border)), tuple(below))
        for block, border, below in zip(order, borders, children, strict=True)
    ]


def merged(fronts: list[Front], sizes: Sequence[int]) -> list[Front | None]:
    """Children go into their parent where larger matrices are worth more zeros."""

    def shape(front: Front) -> tuple[int, int]:
        return sum(sizes[b] for b in front.pivots), sum(sizes[b] for b in front.border)

    tree: list[Front | None] = list(fronts)
    for number, front in enumerate(fronts):
        for child in sorted(front.children, reverse=True):
            below, above = tree[child], tree[number]
            assert below is not None
            assert above is not None
            (p, b), (q, c) = shape(below), shape(above)
            if effort(p + q, c) <= effort(p, b) + effort(q, c):
                others = tuple(n for n in above.children if n != child)
                tree[number] = Front(
                    below.pivots + above.pivots, above.border, others + below.children
                )
                tree[child] = None
    return tree


def in_order(tree: list[Front | None], sizes: Sequence[int]) -> Elimination:
    """Fronts directly after their children, so that little waits, and the largest child first."""

    def border(number: int) -> int:
        front = tree[number]
        return 0 if front is None else sum(sizes[b] for b in front.border)

    inner = {child for front in tree if front is not None for child in front.children}
    roots = [n for n, front in enumerate(tree) if front is not None and n not in inner]
    waiting, order = roots, list[int]()
    while waiting:  # parents first, then turned round
        number = waiting.pop()
        front = tree[number]
        assert front is not None
        order.append(number)
        waiting += sorted(front.children, key=border, reverse=True)
    numbers = {number: at for at, number in enumerate(reversed(order))}
    fronts = [
        replace(front, children=tuple(numbers[child] for child in front.children))
        for number in reversed(order)
        if (front := tree[number]) is not None
    ]
    return Elimination(tuple(sizes), tuple(fronts))
