"""Union, intersection and difference of shapes, shapes moved, parts picked: who computes them."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import torch

from pinn.geometry import plane, solid
from pinn.geometry.block import Block
from pinn.geometry.half_space import HalfSpaceShape
from pinn.geometry.names import FACE_NAMES
from pinn.geometry.shape import Part, Pick, Shape

HOMES: dict[int, Any] = {2: plane, 3: solid}


def home(shape: Shape, what: str) -> Any:
    """The module that can do something with a shape.

    Raises:
        ValueError: there is none for so many dimensions.
    """
    if shape.dimensions not in HOMES:
        raise ValueError(
            f"a shape of {shape.dimensions} coordinates cannot be {what}: only those of x, y and "
            "of x, y, z can"
        )
    return HOMES[shape.dimensions]


def combined(kind: str, a: Shape, b: Shape) -> Shape:
    """The `union`, `intersection` or `difference` of two shapes.

    Raises:
        ValueError: they do not lie in one space, have no booleans, or nothing is left.
    """
    where = home(a, "combined with another")
    if a.dimensions != b.dimensions:
        raise ValueError(
            f"a shape of {a.dimensions} coordinates of space meets one of {b.dimensions}: give "
            "both as many"
        )
    ends = [not isinstance(shape, HalfSpaceShape) for shape in (a, b)]
    if not {"union": all(ends), "intersection": any(ends), "difference": ends[0]}[kind]:
        raise ValueError(f"the {kind} has no end: a half-space can cut a bounded shape only")
    one, other = general(a, b), general(b, a)
    if kind == "difference":
        # The left side of a hole is not what a user means by `left`.
        taken = [n for n in other.parts if n in one.parts and n in FACE_NAMES]
        other = where.nameless(other, taken) if taken else other
    combine: Callable[[Shape, Shape], Shape] = getattr(where, kind)
    return combine(one, other)


def general(shape: Shape, other: Shape) -> Shape:
    """A shape as booleans take it: a box as its outline, a half-space as far as the other one."""
    if isinstance(shape, HalfSpaceShape):
        return cut_off(shape, other)
    if isinstance(shape, Block):
        make = plane.outline if shape.dimensions == 2 else solid.box
        return make(shape.lower, shape.upper, tuple(shape.parts))
    return shape


def cut_off(half: HalfSpaceShape, other: Shape) -> Shape:
    """What another shape can see of a half-space: a box whose one face lies on its boundary."""
    if half.dimensions == 3:
        return solid.half_space(half.point.tolist(), half.normal.tolist(), half.name)
    corners = torch.tensor(list(product(*zip(other.lower, other.upper, strict=True))))
    size = 2.0 * float((corners.double() - half.point).norm(dim=-1).max()) + 1.0
    along = torch.stack([-half.normal[1], half.normal[0]])
    front = [half.point - size * along, half.point + size * along]
    back = [p - size * half.normal for p in reversed(front)]
    return plane.polygon([p.tolist() for p in (*front, *back)], [half.name, "", "", ""])


def moved(shape: Shape, method: str, about: Sequence[float] | None = None, **by: Any) -> Shape:
    """A shape `translated`, `rotated` or `scaled`."""
    where = home(shape, method)
    if isinstance(shape, HalfSpaceShape):
        raise ValueError("a half-space is moved by its point and its normal: give others")
    if isinstance(shape, Block):
        shape = general(shape, shape)
    if method != "translated":
        middle = [0.5 * (low + high) for low, high in zip(shape.lower, shape.upper, strict=True)]
        by["about"] = middle if about is None else about
    turned = {"shift": by["by"]} if method == "translated" else by
    if method == "scaled":
        turned = {"factor": by["by"], "about": by["about"]}
    result: Shape = where.moved(shape, **turned)
    return result


def picked(shape: Shape, names: Sequence[str], choice: Pick) -> Part:
    """Some of the boundary of a shape.

    Raises:
        ValueError: nothing is left.
    """
    if isinstance(shape, Block) and choice.where is not None and shape.dimensions in HOMES:
        shape = general(shape, shape)
    return shape.pick(names, choice)
