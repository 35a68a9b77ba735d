"""Points of a region, piece by piece: a quadrature on what each box has of it.

Together the pieces are a quadrature of the whole region, as dense as the boxes are small.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pinn.geometry.block import BoxPart
from pinn.geometry.domains import Geometry
from pinn.geometry.inside import Inside
from pinn.geometry.points import Points
from pinn.geometry.region import Region
from pinn.geometry.sampling import stream_seed, unit_points
from pinn.geometry.shape import Shape

Box = tuple[Sequence[float], Sequence[float]]  # lower and upper bounds, one per coordinate
CANDIDATES = 64  # per point, of a curved boundary; those in a box are told by looking
FLAT = 2  # dimensions up to which a product of Gauss points is worth its number
Piece = tuple[Points, float]  # points with weights, and the measure that they stand for


def pieces(
    geometry: Geometry, region: str, boxes: Sequence[Box], degree: int, count: int, seed: int
) -> Points:
    """Points of a region with weights of mean 1.

    Args:
        geometry: whose region.
        region: its name; measured points are returned as they are.
        boxes: they cover the domain, and have no volume in common.
        degree: of polynomials that the points of one piece have to tell apart.
        count: how many points a piece of full dimension has where they are not a product.
        seed: of points that are drawn.
    """
    if geometry.is_measured(region):
        return geometry.sample(region, 1)
    parts = geometry.regions_of(region)
    made = [
        piece
        for number, part in enumerate(parts)
        for piece in pieces_of(geometry.shape, part, boxes, degree, count, seed + number)
    ]
    if not made:
        raise ValueError(f"region {region!r} has no points in any of {len(boxes)} boxes")
    weights = torch.cat([own_weights(p) * (size / own_weights(p).sum()) for p, size in made])
    normals = [p.normal for p, _ in made if p.normal is not None]
    at, normal = torch.cat([p.at for p, _ in made]), torch.cat(normals) if normals else None
    return Points(at, normal, weights=weights / weights.mean())


def own_weights(points: Points) -> Tensor:
    """Those of the points, of one length for all."""
    return points.at.new_ones(len(points)) if points.weights is None else points.weights


def pieces_of(
    shape: Shape, region: Region, boxes: Sequence[Box], degree: int, count: int, seed: int
) -> Iterator[Piece]:
    """What each box has of a region."""
    running = region.part.running + len(region.free)
    size = math.ceil(count ** (running / max(len(boxes[0][0]), 1)))  # of a face, fewer
    if isinstance(region.part, BoxPart):
        for box in boxes:
            if (part := clipped(region, region.part, box)) is not None:
                yield rule(part, degree, size, seed), part.measure
    elif isinstance(region.part, Inside):
        d = shape.dimensions
        for number, box in enumerate(boxes):
            whole = BoxPart(box[0][:d], box[1][:d], {})
            part = clipped(replace(region, part=whole), whole, box)
            if part is not None:
                yield from inside(shape, part, degree, size, stream_seed(seed, 0, number, ""))
    else:
        yield from sorted_out(region, boxes, max(degree + 1, size), seed)


def clipped(region: Region, part: BoxPart, box: Box) -> Region | None:
    """What a box has of a region that is a box itself; None if nothing."""
    d = len(part.lower)
    lower = [max(a, b) for a, b in zip(part.lower, box[0][:d], strict=True)]
    upper = [min(a, b) for a, b in zip(part.upper, box[1][:d], strict=True)]
    for axis, value in part.fixed.items():
        if not box[0][axis] <= value <= box[1][axis]:
            return None
        lower[axis], upper[axis] = part.lower[axis], part.upper[axis]
    ranges = []
    for (low, high), b, c in zip(region.ranges, box[0][d:], box[1][d:], strict=True):
        if low == high:
            if not b <= low <= c:
                return None
            ranges.append((low, high))
        else:
            ranges.append((max(low, b), min(high, c)))
    runs = [(lower[i], upper[i]) for i in part.free]
    runs += [r for r, (low, high) in zip(ranges, region.ranges, strict=True) if low < high]
    if any(low >= high for low, high in runs):
        return None
    return Region(BoxPart(lower, upper, part.fixed, part.normal), ranges, region.name)


def rule(region: Region, degree: int, count: int, seed: int) -> Points:
    """A quadrature of a box: Gauss points, in more dimensions Sobol's, dense at the ends."""
    running = region.part.running + len(region.free)
    if running <= FLAT:
        return region.sample((degree + 1) ** running, "gauss", seed)
    unit = unit_points(count, running, "sobol", seed)
    at, normal, _ = region.part.place(spread(unit[:, : region.part.running]))
    beside = region.extended(spread(unit[:, region.part.running :]))
    weights = torch.sin(math.pi * unit).prod(1)
    return Points(torch.cat([at, beside], 1), normal, weights=weights)


def spread(unit: Tensor) -> Tensor:
    """(1 − cos πu)/2: as dense at the ends as polynomials ask for."""
    return 0.5 - 0.5 * torch.cos(math.pi * unit)


def inside(shape: Shape, box: Region, degree: int, count: int, seed: int) -> Iterator[Piece]:
    """What a box has of the interior of a shape: nothing, a part or all."""
    part = box.part
    assert isinstance(part, BoxPart)
    lower, upper = (torch.tensor([side], dtype=torch.float64) for side in (part.lower, part.upper))
    distance, reach = float(shape.distance((lower + upper) / 2)), float((upper - lower).norm()) / 2
    if distance <= -reach:
        yield rule(box, degree, count, seed), box.measure
    elif distance < reach:
        running = part.running + len(box.free)
        wanted = max((degree + 1) ** running if running <= FLAT else 0, count)
        drawn = box.sample(16 * wanted, "sobol", seed)
        held = shape.contains(drawn.at[:, : shape.dimensions])
        share = float(held.double().mean())
        if share > 0:
            kept = drawn.select(held).select(slice(wanted))
            yield kept, share * box.measure


def sorted_out(region: Region, boxes: Sequence[Box], count: int, seed: int) -> Iterator[Piece]:
    """What each box has of a curved boundary: many points of it, sorted by the boxes."""
    many = region.sample(CANDIDATES * count * max(len(boxes), 16), "sobol", seed)
    free = torch.ones(len(many), dtype=torch.bool)
    along, order = many.at[:, 0].sort(stable=True)  # so that a box looks at few of them
    for lower, upper in boxes:
        low, high = many.at.new_tensor(lower), many.at.new_tensor(upper)
        first = int(torch.searchsorted(along, low[0]))
        near = order[first : int(torch.searchsorted(along, high[0], right=True))]
        at = many.at[near]
        own = near[free[near] & ((at >= low) & (at <= high)).all(1)].sort().values
        if len(own):
            free[own] = False
            yield many.select(own[:count]), region.measure * (len(own) / len(many))
