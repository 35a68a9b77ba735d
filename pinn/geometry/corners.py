"""Corners of a shape in the plane, and where parts of its boundary end."""

import math
from typing import NamedTuple

import numpy as np

from pinn.geometry import combination, plane
from pinn.geometry.block import Block, BoxPart
from pinn.geometry.joined import Joined
from pinn.geometry.plane.curve import Curve
from pinn.geometry.plane.wall import Wall
from pinn.geometry.shape import Part, Shape

Place = tuple[float, float]


class Corner(NamedTuple):
    """A point at which two curves of a boundary meet.

    Args:
        at: where.
        angle: between them, inside the shape, in radians; above π the corner points inwards.
        length: of the shorter one.
    """

    at: Place
    angle: float
    length: float


def corners(shape: Shape) -> list[Corner]:
    """The corners of a shape; none but in the plane."""
    if isinstance(shape, Block) and shape.dimensions == 2:
        shape = combination.general(shape, shape)
    if not isinstance(shape, plane.PlaneShape):
        return []
    curves = [piece.curve for piece in shape.pieces if not piece.curve.closed]
    after: dict[Place, list[Curve]] = {}
    for curve in curves:
        after.setdefault(place(curve.start), []).append(curve)
    return [corner(curve, after[place(curve.end)]) for curve in curves]


def corner(before: Curve, after: list[Curve]) -> Corner:
    """That at the end of a curve; the next one is that which leaves the least of the shape."""
    (inwards,) = before.velocity(np.ones(1))
    turned = [(math.pi - turn(inwards, c.velocity(np.zeros(1))[0]), c.length) for c in after]
    angle, length = min(turned)
    return Corner(place(before.end), angle, min(before.length, length))


def turn(first: np.ndarray, second: np.ndarray) -> float:
    """The angle from one direction to another, positive to the left."""
    cross = float(first[0] * second[1] - first[1] * second[0])
    return math.atan2(cross, float(first @ second))


def place(point: np.ndarray) -> Place:
    """A point as plain numbers."""
    return float(point[0]), float(point[1])


def ends(part: Part) -> list[Place]:
    """The ends of the curves that a part of a boundary in the plane consists of."""
    if isinstance(part, Wall):
        return [place(point) for point in part.joints.numpy()]
    if isinstance(part, Joined):
        return [end for piece in part.pieces for end in ends(piece)]
    if isinstance(part, BoxPart) and len(part.lower) == 2:
        sides = [[part.fixed.get(i, side[i]) for i in (0, 1)] for side in (part.lower, part.upper)]
        return [(x, y) for x, y in sides]
    return []
