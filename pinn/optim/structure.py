"""Who sees whom in a sparse least-squares problem, over all processes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import cast

from pinn.base.processes import gathered
from pinn.optim.elimination import Elimination, elimination
from pinn.optim.system import GroupedSystem

COPIES = 4  # of a front: its rows, the front itself, and LAPACK's two
Seen = tuple[int, ...]  # numbers of blocks, increasing


@dataclass(frozen=True)
class Structure:
    """The blocks of θ, and the groups of rows that see them.

    Args:
        sizes: the lengths of the blocks.
        shares: of each process: the blocks that a group sees, and its rows.
    """

    sizes: tuple[int, ...]
    shares: tuple[tuple[tuple[Seen, int], ...], ...]

    @cached_property
    def counts(self) -> Counter[Seen]:
        """The rows of all processes, by the blocks that they see."""
        counts = Counter[Seen]()
        for share in self.shares:
            for seen, rows in share:
                counts[seen] += rows
        return counts

    @cached_property
    def groups(self) -> list[Seen]:
        """The blocks that rows of some process see, once each; rows that see none have no part."""
        return sorted(filter(None, self.counts))

    @cached_property
    def tree(self) -> Elimination:
        """The order in which the blocks are eliminated."""
        return elimination(self.sizes, self.groups)

    def width(self, seen: Seen) -> int:
        """The columns of a group, with that of the residuals."""
        return sum(self.sizes[block] for block in seen) + 1

    @cached_property
    def held(self) -> int:
        """Numbers in the rows [J r] of the process that has most."""
        return max(sum(rows * self.width(seen) for seen, rows in share) for share in self.shares)

    @cached_property
    def widest(self) -> int:
        """Numbers in the rows of one group at most."""
        return max((n * self.width(s) for share in self.shares for s, n in share), default=0)

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """Blocks that are neighbours, the one that is eliminated later first; each with itself."""
        place = self.tree.place
        found = {(block, block) for block in range(len(self.sizes))}
        for seen in self.counts:
            order = sorted(seen, key=place.__getitem__)
            found |= {(b, a) for a, b in combinations_with_replacement(order, 2)}
        return sorted(found)

    @cached_property
    def numbers(self) -> int:
        """In half of JᵀJ, and in Jᵀr."""
        sizes = self.sizes
        return sum(sizes[b] * sizes[a] for b, a in self.pairs) + sum(sizes)

    @cached_property
    def orthogonal(self) -> int:
        """Numbers in the orthogonal factor, and at the peak in the fronts that it is made of."""
        rows, tree = Counter[int](), self.tree
        for seen in self.groups:
            rows[tree.first(seen)] += self.counts[seen]
        left = list[int]()  # rows for the parent
        waiting = peak = made = 0
        for number, front in enumerate(tree.fronts):
            p, b = tree.shape(front)
            height = rows[number] + p + sum(left[child] for child in front.children)
            peak = max(peak, made + waiting + COPIES * height * (p + b + 1))
            left.append(min(height - p, b))
            kept = sum(left[n] * (tree.shape(tree.fronts[n])[1] + 1) for n in front.children)
            waiting += left[number] * (b + 1) - kept
            made += p * (p + b + 1)
        return peak


def structure_of(system: object, size: int) -> Structure | None:
    """The structure of a problem's residuals now; none of one whose θ is one block.

    Args:
        system: the residuals.
        size: P.

    Raises:
        ValueError: the blocks are not those of P parameters.
    """
    if not hasattr(system, "sizes") or len((grouped := cast(GroupedSystem, system)).sizes()) < 2:
        return None
    if (length := getattr(system, "length", sum(grouped.sizes()))) != size:
        raise ValueError(f"the blocks have {length} parameters, expected {size}")
    own = tuple(zip(grouped.groups(), grouped.row_counts(), strict=True))
    return Structure(grouped.sizes(), tuple(gathered(own)))


def slices(sizes: tuple[int, ...]) -> Iterator[slice]:
    """Where each block lies in θ."""
    start = 0
    for size in sizes:
        yield slice(start, start + size)
        start += size
