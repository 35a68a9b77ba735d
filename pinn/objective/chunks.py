"""Chunks: the points of a region, so many at a time.

The memory of a step is that of one chunk, whatever the number of points. On a CPU a chunk whose
tensors stay in a core's cache is also the fastest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from pinn.base.costs import Model, free_memory
from pinn.cache.kept_values import Kept
from pinn.geometry import Points

# Bytes of the largest tensor of a chunk, by mode. Several such tensors fit into the second-level
# cache of a core; the cheaper the launches, the smaller the best chunk.
CACHE = {"eager": 2**20, "recorded": 2**20, "compiled": 2**19}
SHARE = 0.5  # of the free memory of a GPU
FEWEST = 64  # a chunk of fewer points spends its time on launches


class InsufficientMemoryError(ValueError):
    """What is asked for does not fit into the memory given."""


@dataclass
class Chunk:
    """Some of the points of a region.

    Args:
        region: where they lie.
        points: the points.
        number: its place among the chunks of its region.
        prepared: what recorded graphs derive from points and constants alone.
    """

    region: str
    points: Points
    number: int = 0
    prepared: Kept = field(default_factory=Kept)


def cut(points: Mapping[str, Points], sizes: Mapping[str, int | None]) -> list[Chunk]:
    """The points of every region in chunks of at most `sizes[region]`, alike where they can be."""
    chunks = []
    for region, most in sizes.items():
        n = len(points[region])
        count = 1 if most is None else -(-n // most)
        count = next((k for k in range(count, 2 * count) if n % k == 0), count)
        parts = points[region].split(-(-n // count))
        chunks += [Chunk(region, part, number) for number, part in enumerate(parts)]
    return chunks


def chunk_size(
    run: Callable[[Points], object],
    points: Points,
    memory: float | None = None,
    cache: int = CACHE["eager"],
) -> int | None:
    """How many points to evaluate at a time; None for all of them.

    Args:
        run: one evaluation with its gradient; counted at a few points.
        points: of one region.
        memory: GiB that an evaluation may take. By default a CPU keeps the largest tensor in its
            cache, and a GPU takes half of its free memory.
        cache: bytes of the largest tensor on a CPU.

    Raises:
        InsufficientMemoryError: not even one point fits into the memory given.
    """
    n, device = len(points), points.at.device
    if n < 2 * FEWEST:
        return None
    peak, largest = bytes_per_point(run, points)
    limits = [n]
    if memory is not None:
        limits.append(int(memory * 2**30 / peak))
        if limits[-1] < 1:
            raise InsufficientMemoryError(
                f"memory is {memory} GiB, one point takes {peak / 2**30:.3g} GiB: raise it"
            )
    elif device.type == "cuda":
        limits.append(int(SHARE * free_memory(device) / peak))
    if device.type == "cpu" and n > 1.5 * cache / largest:
        limits.append(max(int(cache / largest), FEWEST))
    return None if min(limits) == n else min(limits)


def bytes_per_point(run: Callable[[Points], object], points: Points) -> tuple[float, float]:
    """What an evaluation takes at its peak, and its largest tensor, per point."""

    def first(at: Tensor) -> object:
        return run(points.select(slice(len(at))))

    model = Model(first, points.at, least=FEWEST)
    return max(model.peak, 1.0), max(model.largest, 1.0)
