"""Points that represent a whole domain; their number does not grow with its dimension."""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from pinn.geometry.block import Block, BoxPart
from pinn.geometry.coordinates import Coordinates
from pinn.geometry.domains import Geometry
from pinn.geometry.inside import Inside
from pinn.geometry.region import Region
from pinn.geometry.sampling import unit_points
from pinn.geometry.shape import Part

ACROSS = 20  # cells of a fine grid over the smallest part of a boundary
# Of a grid: axes of space → points, and their number where parts of the boundary are small.
SPACE = {1: (101, 401), 2: (10_000, 40_000), 3: (40_000, 64_000)}
WITH_TIME = {1: (101, 401), 2: (2_000, 8_000), 3: (4_000, 8_000)}
BESIDE = {1: (101, 21, 9), 2: (11, 5, 3), 3: (5, 3, 3)}  # points on 1, 2, … further axes


def averaging_points(geometry: Geometry, axes: Sequence[int]) -> Tensor:
    """Points (N, len(axes)): the mean over them is the mean over these axes of the bounds.

    Up to three axes have 32 midpoints each. More axes would need 32ᴰ points, and have 16,384
    quasi-random points (Sobol) instead.
    """
    part = Coordinates(tuple(f"x{axis}" for axis in axes))
    box = Geometry(part, [geometry.lower[i] for i in axes], [geometry.upper[i] for i in axes])
    return box.midpoints(32) if len(axes) <= 3 else box.sample("interior", 2**14).at


def averaging_rule(geometry: Geometry, axes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Fewer points (N, len(axes)), for a mean at many instants, and weights (N,) of mean 1.

    Gauss points, 24 per axis for one or two axes and 12 for three; for more, 4,096 Sobol points.
    A shape that is no box has some 4,096 points of its own quadrature.
    """
    lower, upper = ([ends[i] for i in axes] for ends in (geometry.lower, geometry.upper))
    space = len(geometry.coordinates.space)
    if not geometry.is_box and tuple(axes[:space]) == geometry.coordinates.space:
        ranges = list(zip(lower, upper, strict=True))[space:]
        points = Region(Inside(geometry.shape), ranges).sample(2**12, "gauss", 0)
    elif len(axes) > 3:
        points = Region(BoxPart(lower, upper, {})).sample(2**12, "sobol", 0)
    else:
        count = (12 if len(axes) == 3 else 24) ** len(axes)
        points = Region(BoxPart(lower, upper, {})).sample(count, "gauss", 0)
    weights = points.weights
    return points.at, torch.ones(len(points), dtype=torch.float64) if weights is None else weights


def middle(geometry: Geometry) -> Tensor:
    """A point (1, D) of the domain: the midpoint of a box, else one of the interior."""
    return geometry.midpoints(1) if geometry.is_box else geometry.sample("interior", 1).at


def corner(geometry: Geometry) -> Tensor:
    """The lower corner (1, D).

    Where a shape has no point there: of 1,024 of its points (Sobol), the nearest one.
    """
    at = torch.tensor([geometry.lower], dtype=torch.float64)
    if not geometry.is_box and not bool(geometry.contains(at)):
        space = geometry.coordinates.space
        points = geometry.in_space(geometry.sample("interior", 1024).at)
        at[:, space] = points[(points - at[:, space]).norm(dim=-1).argmin()]
    return at


def spacings(geometry: Geometry) -> list[int]:
    """How many points a regular grid has along each axis of the bounds of a shape that is no box.

    Axes of space share one spacing: about a twentieth of the smallest part of the boundary, between
    limits on the number of points.
    """
    space = geometry.coordinates.space
    sides = [geometry.upper[i] - geometry.lower[i] for i in space]
    further = len(geometry.lower) - len(space)
    fewest, most = (WITH_TIME if further else SPACE)[len(space)]
    widest, finest = ((math.prod(sides) / n) ** (1 / len(space)) for n in (fewest, most))
    step = min(max(smallest_part(geometry) / ACROSS, finest), widest)
    counts = [max(math.ceil(side / step), 8) + 1 for side in sides]
    return counts + [BESIDE[len(space)][min(further, 3) - 1]] * further


@lru_cache(maxsize=64)
def smallest_part(geometry: Geometry) -> float:
    """The extent of the smallest part of the boundary, such as the diameter of a hole."""
    if isinstance(geometry.shape, Block):
        return min(high - low for low, high in zip(geometry.lower, geometry.upper, strict=True))
    sizes = [extent(part) for part in geometry.shape.parts.values()]
    whole = max(high - low for low, high in zip(geometry.lower, geometry.upper, strict=True))
    return min([size for size in sizes if size > 0], default=whole)


def extent(part: Part) -> float:
    """The longest side of the bounds of a part, found from some of its points; 0 of a point."""
    if not part.running:
        return 0.0
    at, _, _ = part.place(unit_points(256, part.running, "sobol", 0))
    return float((at.amax(0) - at.amin(0)).max()) if len(at) else 0.0
