"""Points of a region, piece by piece: a quadrature on what each box has of it.

Together the pieces are a quadrature of the whole region, as dense as the boxes are small.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from pinn.geometry.block import BoxPart
from pinn.geometry.domains import Geometry
from pinn.geometry.inside import Inside
from pinn.geometry.plane.wall import Wall
from pinn.geometry.points import Points
from pinn.geometry.region import Region
from pinn.geometry.sampling import product, stream_seed, unit_points
from pinn.geometry.shape import Shape
from pinn.geometry.strips import Stretched, Strip, gauss_along

CANDIDATES = 64  # per point, of a curved boundary; those in a box are told by looking
INWARDS = 1e-9  # of the longest side: nearer than any point to another box
LOOKS = 5  # along an axis, beyond a face
FLAT = 2  # dimensions up to which a product of Gauss points is worth its number
Piece = tuple[Points, float]  # points with weights, and the measure that they stand for
Faces = Sequence[tuple[int, int]]  # axis; 0 for the lower one, 1 for the upper one


class Box(NamedTuple):
    """A box, and the strips at its faces in which functions change fast, where it has some.

    Args:
        lower: bounds, one per coordinate.
        upper: bounds.
        below: how wide the strip at each lower face is.
        above: the same of the upper faces.
    """

    lower: Sequence[float]
    upper: Sequence[float]
    below: Sequence[float] = ()
    above: Sequence[float] = ()

    def strips(self, axis: int, low: float, high: float, alone: Faces = ()) -> list[Strip]:
        """The strips along an axis, as parts of the way from low to high.

        Args:
            axis: its number.
            low: where the way begins, at or above the lower bound.
            high: where it ends.
            alone: the faces beyond which a shape ends.
        """
        if not self.below:
            return []
        inner = (self.lower[axis] + self.below[axis], self.upper[axis] - self.above[axis])
        return [
            Strip((end - low) / (high - low), (axis, side) in alone)
            for side, end in enumerate(inner)
            if low < end < high
        ]

    def ending(self, shape: Shape) -> Faces:
        """The faces with a strip beyond which a shape ends somewhere."""
        found, d = list[tuple[int, int]](), shape.dimensions
        low, high = torch.tensor([self.lower[:d], self.upper[:d]], dtype=torch.float64)
        looks = low + (high - low) * product([(torch.arange(LOOKS).double() + 0.5) / LOOKS] * d)
        for axis in range(d if self.below else 0):
            beyond = (low[axis] - self.below[axis], high[axis] + self.above[axis])
            for side, value in enumerate(beyond):
                at = looks.clone()
                at[:, axis] = value
                if value != (low, high)[side][axis] and not bool(shape.contains(at).all()):
                    found.append((axis, side))
        return found


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
                yield rule(part, box, degree, size, seed), part.measure
    elif isinstance(region.part, Inside):
        d = shape.dimensions
        for number, box in enumerate(boxes):
            whole = BoxPart(box[0][:d], box[1][:d], {})
            part = clipped(replace(region, part=whole), whole, box)
            if part is not None:
                own = stream_seed(seed, 0, number, "")
                yield from inside(shape, part, box, degree, size, own)
    else:
        straight, rest = (
            region.part.straightened() if isinstance(region.part, Wall) else ([], region.part)
        )
        for side in straight:
            yield from pieces_of(shape, replace(region, part=side), boxes, degree, count, seed)
        if rest is not None:
            rest_of = replace(region, part=rest)
            yield from sorted_out(rest_of, shape, boxes, max(degree + 1, size), seed)


def clipped(region: Region, part: BoxPart, box: Box) -> Region | None:
    """What a box has of a region that is a box itself; None if nothing."""
    d = len(part.lower)
    lower = [max(a, b) for a, b in zip(part.lower, box[0][:d], strict=True)]
    upper = [min(a, b) for a, b in zip(part.upper, box[1][:d], strict=True)]
    for axis, value in part.fixed.items():
        inwards = 0.0 if part.normal is None else -part.normal[axis]
        beyond = (box.upper if inwards > 0 else box.lower)[axis]  # a face between boxes is of one
        if not box.lower[axis] <= value <= box.upper[axis] or (inwards and value == beyond):
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


def rule(region: Region, box: Box, degree: int, count: int, seed: int, alone: Faces = ()) -> Points:
    """A quadrature of what a box has: Gauss points, in more dimensions Sobol's, dense at the ends.

    A strip at a face has points of its own where the others would pass it over.
    """
    part = region.part
    assert isinstance(part, BoxPart)
    d = len(part.lower)
    runs = [(i, part.lower[i], part.upper[i]) for i in part.free]
    runs += [(d + i, *region.ranges[i]) for i in region.free]
    strips = [box.strips(*run, alone) for run in runs]
    if len(runs) <= FLAT:
        axes = [gauss_along(each, degree + 1) for each in strips]
        unit = product([at for at, _ in axes])
        weights = product([weight for _, weight in axes]).prod(-1)
    else:
        maps = [Stretched(each, math.ceil(count ** (1 / len(runs)))) for each in strips]
        many = math.ceil(count * math.prod(each.more for each in maps))
        drawn = unit_points(many, len(runs), "sobol", seed)
        both = [each(u) for each, u in zip(maps, drawn.unbind(1), strict=True)]
        unit = torch.stack([at for at, _ in both], 1)
        weights = torch.stack([weight for _, weight in both]).prod(0)
    at, normal, _ = part.place(unit[:, : part.running])
    beside = region.extended(unit[:, part.running :])
    return Points(torch.cat([at, beside], 1), normal, weights=weights)


def inside(
    shape: Shape, region: Region, box: Box, degree: int, count: int, seed: int
) -> Iterator[Piece]:
    """What a box has of the interior of a shape: nothing, a part or all."""
    part = region.part
    assert isinstance(part, BoxPart)
    lower, upper = (torch.tensor([side], dtype=torch.float64) for side in (part.lower, part.upper))
    distance, reach = float(shape.distance((lower + upper) / 2)), float((upper - lower).norm()) / 2
    if distance >= reach:
        return
    d, wide = shape.dimensions, max([0.0, *box.below, *box.above])
    alone = box.ending(shape) if distance > -reach - wide else ()
    whole = rule(region, box, degree, count, seed, alone)
    if distance <= -reach:
        yield whole, region.measure
        return
    running = part.running + len(region.free)
    wanted = max((degree + 1) ** running if running <= FLAT else 0, count)
    drawn = region.sample(16 * wanted, "sobol", seed)
    held = shape.contains(drawn.at[:, :d])
    share = float(held.double().mean())
    if share == 1 and bool(shape.contains(whole.at[:, :d]).all()):  # it touches the boundary
        yield whole, region.measure
    elif share > 0:
        kept = drawn.select(held).select(slice(wanted))
        yield kept, share * region.measure


def sorted_out(
    region: Region, shape: Shape, boxes: Sequence[Box], count: int, seed: int
) -> Iterator[Piece]:
    """What each box has of a curved boundary: many points of it, sorted by the boxes.

    A point between two boxes is one of that which lies within the shape.
    """
    many = region.sample(CANDIDATES * count * max(len(boxes), 16), "sobol", seed)
    free, within = torch.ones(len(many), dtype=torch.bool), many.at.clone()
    if many.normal is not None:
        size = max(b - a for a, b in zip(shape.lower, shape.upper, strict=True))
        within[:, : shape.dimensions] -= INWARDS * size * many.normal
    along, order = within[:, 0].sort(stable=True)  # so that a box looks at few of them
    for lower, upper, *_ in boxes:
        low, high = many.at.new_tensor(lower), many.at.new_tensor(upper)
        first = int(torch.searchsorted(along, low[0]))
        near = order[first : int(torch.searchsorted(along, high[0], right=True))]
        at = within[near]
        own = near[free[near] & ((at >= low) & (at <= high)).all(1)].sort().values
        if len(own):
            free[own] = False
            yield many.select(own[:count]), region.measure * (len(own) / len(many))
