"""Boxes wholly inside a shape, smaller ones near its boundary."""

from functools import lru_cache

import torch
from torch import Tensor

from pinn.geometry import Geometry
from pinn.geometry.sampling import product

FINEST = 4  # how often boxes are halved
MOST = 4_000  # boxes


@lru_cache(maxsize=16)
def boxes_inside(geometry: Geometry, count: int) -> tuple[Tensor, Tensor]:
    """Boxes of space and time that lie wholly inside, disjoint; perhaps none.

    A box is inside where the distance at its centre says so. Others are halved in space, as long
    as there are not too many.

    Args:
        geometry: the domain.
        count: boxes along each axis at first; more along a much longer one.

    Returns:
        Their lower corners (B, D) and sides (B, D), without the columns of parameters.
    """
    names, space = geometry.coordinates.names, list(geometry.coordinates.space)
    own = [i for i, name in enumerate(names) if name not in geometry.coordinates.parameters]
    low, high = (
        torch.tensor(e, dtype=torch.float64)[own] for e in (geometry.lower, geometry.upper)
    )
    sides = (high - low) / count
    lower = low + sides * product([torch.arange(count, dtype=torch.float64)] * len(own))
    longer = [max(1, round(float(sides[i] / sides[space].min()))) for i in space]
    lower, sides = divided(lower, sides, dict(zip(space, longer, strict=True)))
    kept: list[tuple[Tensor, Tensor]] = []
    for _ in range(FINEST + 1):
        reach = 0.5 * float(sides[space].norm())
        distance = geometry.distance(lower + 0.5 * sides)  # which reads the columns of space
        inside = distance <= -reach
        kept.append((lower[inside], sides.expand(int(inside.sum()), -1)))
        lower = lower[~inside & (distance < reach)]
        found = sum(len(some) for some, _ in kept)
        if found + len(lower) * 2 ** len(space) > MOST:
            break
        lower, sides = divided(lower, sides, dict.fromkeys(space, 2))
    return torch.cat([some for some, _ in kept]), torch.cat([each for _, each in kept])


def divided(lower: Tensor, sides: Tensor, into: dict[int, int]) -> tuple[Tensor, Tensor]:
    """Each box as smaller ones: axis → how many along it."""
    counts = [into.get(i, 1) for i in range(len(sides))]
    small = sides / torch.tensor(counts, dtype=torch.float64)
    steps = product([torch.arange(n, dtype=torch.float64) for n in counts])
    return (lower[:, None] + small * steps).reshape(-1, len(sides)), small
