"""The terms of the Leibniz and chain rules: how the indices of a channel fall into parts.

    (fg)_ij  has the splits      f_i g_j,  f_j g_i
    σ(f)_ijk has the partitions  {ij, k}, {ik, j}, {jk, i}  behind σ″  and  {i, j, k}  behind σ‴

Terms that coincide, as f_i g_j and f_j g_i do for i = j, are counted and not repeated. Those of ∇⁴
with derivatives of third order are collapsed:  ∇⁴(fg) has 4 ∇f·∇∇²g.
"""

import functools
from collections import Counter
from collections.abc import Iterator, Sequence

from pinn.algebra.channels import Channel, beside_slopes, first

Term = tuple[Channel, ...]
Counted = tuple[tuple[Term, int], ...]


@functools.lru_cache(4096)
def splits(channel: Channel) -> Counted:
    """What stands beside f_c g + f g_c: pairs of lower channels, and how often each occurs."""
    pairs: Counter[Term] = Counter()
    summed = beside_slopes(channel)
    for collapsed, j, count in summed:
        pairs[collapsed, first(j)] = pairs[first(j), collapsed] = count
    for indices in channel:
        for chosen in range(1, 2 ** len(indices) - 1):
            if summed and chosen.bit_count() != 2:
                continue
            left = tuple(i for k, i in enumerate(indices) if chosen >> k & 1)
            right = tuple(i for k, i in enumerate(indices) if not chosen >> k & 1)
            pairs[(left,), (right,)] += 1
    return tuple(pairs.items())


@functools.lru_cache(4096)
def partitions(channel: Channel) -> Counted:
    """What stands behind σ″ and higher: groups of lower channels, and how often each occurs."""
    groups: Counter[Term] = Counter()
    summed = beside_slopes(channel)
    for collapsed, j, count in summed:
        groups[first(j), collapsed] = count
    for indices in channel:
        for blocks in parted(indices):
            if len(blocks) > 1 and not (summed and max(map(len, blocks)) == 3):
                groups[
                    tuple(sorted(((block,) for block in blocks), key=lambda c: (len(c[0]), c)))
                ] += 1
    return tuple(groups.items())


def parted(indices: Sequence[int]) -> Iterator[list[tuple[int, ...]]]:
    """All partitions of the indices, told apart by position, into non-empty blocks."""
    if not indices:
        yield []
        return
    head, *tail = indices
    for blocks in parted(tail):
        yield [(head,), *blocks]
        for k, block in enumerate(blocks):
            yield [*blocks[:k], (head, *block), *blocks[k + 1 :]]
