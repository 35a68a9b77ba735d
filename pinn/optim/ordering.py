"""Orders in which the unknowns of a sparse problem are eliminated, block by block.

Two blocks are neighbours if one residual sees both. To eliminate a block makes its neighbours
neighbours of each other; a good order makes few. None is best for every graph: a sweep for a long
domain, dissection for a square, the least degree for what is irregular.

A. George and J. W. H. Liu, Computer Solution of Large Sparse Positive Definite Systems, 1981.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator, Sequence

FEW = 6  # blocks that are dissected no further
MOST = 0.6  # share of the blocks; who has more neighbours is eliminated last
BALANCE = 0.7  # of what a separator leaves, the largest share on one side

Graph = list[set[int]]  # the neighbours of each block


def graph_of(count: int, cliques: Iterable[Collection[int]]) -> Graph:
    """Who is whose neighbour.

    Args:
        count: how many blocks there are.
        cliques: blocks that one residual sees.
    """
    graph: Graph = [set() for _ in range(count)]
    for clique in cliques:
        for block in clique:
            graph[block].update(clique)
    for block, others in enumerate(graph):
        others.discard(block)
    return graph


def orders(graph: Graph, sizes: Sequence[int]) -> Iterator[list[int]]:
    """Orders that are worth a look; all of them are tried."""
    last = {block for block, others in enumerate(graph) if len(others) > MOST * len(graph)}
    end = sorted(last, key=lambda block: len(graph[block]))
    inner = [others - last for others in graph]
    rest = set(range(len(graph))) - last
    yield sweep(inner, rest) + end
    yield dissected(inner, sizes, rest) + end
    yield [block for block in by_degree(inner, sizes) if block in rest] + end


def levels(graph: Graph, among: set[int], start: Iterable[int]) -> list[list[int]]:
    """Blocks by their distance from the first ones."""
    found = [list(start)]
    left = among.difference(found[0])
    while near := {b for a in found[-1] for b in graph[a]} & left:
        found.append(sorted(near))
        left -= near
    return found


def far_levels(graph: Graph, among: set[int], first: int) -> list[list[int]]:
    """Levels from an end of the connected part in which the first block lies.

    N. E. Gibbs, W. G. Poole and P. K. Stockmeyer, 1976, doi:10.1137/0713023.
    """
    found = levels(graph, among, [first])
    while True:
        end = min(found[-1], key=lambda block: len(graph[block] & among))
        longer = levels(graph, among, [end])
        if len(longer) <= len(found):
            return longer
        found = longer


def sweep(graph: Graph, among: set[int]) -> list[int]:
    """From end to end, neighbours after each other.

    E. Cuthill and J. McKee, 1969, doi:10.1145/800195.805928.
    """
    order, left = list[int](), set(among)
    while left:
        part = far_levels(graph, left, min(left))[-1]  # a whole side, so that levels are straight
        left -= set(part)
        for block in part:  # grows meanwhile
            near = sorted(graph[block] & left, key=lambda other: (len(graph[other]), other))
            part += near
            left -= set(near)
        order += part
    return order


def dissected(graph: Graph, sizes: Sequence[int], among: set[int]) -> list[int]:
    """Both sides of a separator, each by itself, then the separator.

    A. George, 1973, doi:10.1137/0710032.
    """
    order, left = list[int](), set(among)
    while left:
        found = far_levels(graph, left, min(left))
        part = {block for level in found for block in level}
        left -= part
        middle = separator(graph, sizes, part, found) if len(part) > FEW else None
        if middle is None:
            order += sweep(graph, part)
        else:
            order += dissected(graph, sizes, part - middle) + sweep(graph, middle)
    return order


def separator(
    graph: Graph, sizes: Sequence[int], part: set[int], found: list[list[int]]
) -> set[int] | None:
    """A small level with about as much on either side, of levels from both ends."""
    best, middle = float("inf"), None
    whole = sum(sizes[block] for block in part)
    for layers in (found, levels(graph, part, found[-1])):
        before = 0
        for level, layer in enumerate(layers[:-1]):
            own = sum(sizes[block] for block in layer)
            larger = max(before, whole - before - own) / max(whole - own, 1)
            before += own
            if level and larger <= BALANCE and own * (1 + larger) < best:
                best = own * (1 + larger)
                beyond = {block for later in layers[level + 1 :] for block in later}
                middle = {block for block in layer if graph[block] & beyond}
    return middle


def by_degree(graph: Graph, sizes: Sequence[int]) -> list[int]:
    """Next is always who has the fewest neighbours then, counted in unknowns.

    A. George and J. W. H. Liu, 1989, doi:10.1137/1031001.
    """
    near = [set(others) for others in graph]
    degree = [sum(sizes[b] for b in others) for others in near]
    waiting = [(many, block) for block, many in enumerate(degree)]
    heapq.heapify(waiting)
    order, gone = list[int](), set[int]()
    while waiting:
        many, block = heapq.heappop(waiting)
        if block in gone or many != degree[block]:
            continue
        order.append(block)
        gone.add(block)
        for other in near[block]:
            near[other] |= near[block]
            near[other] -= {other, block}
        for other in near[block]:
            degree[other] = sum(sizes[b] for b in near[other])
            heapq.heappush(waiting, (degree[other], other))
    return order
