"""Making solids: primitives, booleans, motions."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from pinn.geometry.solid import booleans
from pinn.geometry.solid.files import read
from pinn.geometry.solid.flat import SIDES, Block, HalfSpace
from pinn.geometry.solid.motion import motion, positive, unit_vector, vector
from pinn.geometry.solid.primitive import Primitive
from pinn.geometry.solid.round import Ball, Cylinder
from pinn.geometry.solid.solid import Solid
from pinn.geometry.solid.surface import Surface, closed
from pinn.geometry.solid.tree import DIFFERENCE, INTERSECTION, UNION, Branch, Leaf

Vector = Sequence[float]


def ball(centre: Vector, radius: float, name: str = "") -> Solid:
    """|x − c| ≤ R.

    Args:
        centre: c.
        radius: R, above 0.
        name: of the sphere.

    Raises:
        ValueError: a number is not finite, or R ≤ 0.
    """
    return _single(
        Ball(vector("the centre of a ball", centre), positive("the radius of a ball", radius), name)
    )


def cylinder(base: Vector, axis: Vector, radius: float, height: float, name: str = "") -> Solid:
    """A circular cylinder.

    Args:
        base: the centre of its base.
        axis: the direction from the base to the top; its length does not matter.
        radius: above 0.
        height: above 0.
        name: of all its boundary; without, it has the parts `side`, `base` and `top`.

    Raises:
        ValueError: a number is not finite, the axis is zero, or a size is not above 0.
    """
    return _single(
        Cylinder(
            vector("the base of a cylinder", base),
            unit_vector("the axis of a cylinder", axis),
            positive("the radius of a cylinder", radius),
            positive("the height of a cylinder", height),
            name,
        )
    )


def half_space(point: Vector, normal: Vector, name: str = "") -> Solid:
    """(x − p) · n ≤ 0, an operand of booleans; its measure is infinite.

    Args:
        point: p, on the plane.
        normal: n, out of the half-space; its length does not matter.
        name: of the plane.

    Raises:
        ValueError: a number is not finite, or the normal is zero.
    """
    return _single(
        HalfSpace(
            vector("the point of a half-space", point),
            unit_vector("the normal of a half-space", normal),
            name,
        )
    )


def box(lower: Vector, upper: Vector, names: Sequence[str] = SIDES) -> Solid:
    """A box along the axes.

    Args:
        lower: lower bounds.
        upper: upper bounds.
        names: of the sides: left, right (x), bottom, top (y), back and front (z).

    Raises:
        ValueError: the bounds are not finite or do not increase.
    """
    low, high = vector("the lower bounds of a box", lower), vector("the upper bounds", upper)
    if not (low < high).all():
        raise ValueError(
            f"the bounds of a box are {low.tolist()} and {high.tolist()}: each lower one must be "
            "below the upper one"
        )
    return _single(Block(0.5 * (low + high), np.eye(3), 0.5 * (high - low), names))


def surface(path: str | Path, name: str = "") -> Solid:
    """What the closed surface in an STL or OBJ file encloses; needs trimesh.

    Raises:
        ModuleNotFoundError: trimesh is not installed.
        ValueError: the file cannot be read, or its surface is not closed.
    """
    return _single(Surface(*read(path), name))


def triangles(vertices: Sequence[Vector], faces: Sequence[Sequence[int]], name: str = "") -> Solid:
    """What a closed surface of triangles encloses; `mesh` gives those of a file.

    Args:
        vertices: (V, 3).
        faces: numbers of vertices (F, 3).
        name: of the surface.

    Raises:
        ValueError: the surface is not closed.
    """
    return _single(Surface(*closed("the surface", np.asarray(vertices), np.asarray(faces)), name))


def mesh(of: Solid) -> tuple[np.ndarray, np.ndarray]:
    """The vertices (V, 3) and the faces (F, 3) of a solid, as plain arrays.

    Those of a surface are its own, from which `triangles` makes it again; those of a round body
    are the corners of its triangles.
    """
    return of.curved.vertices, of.curved.mesh.faces


def union(a: Solid, b: Solid) -> Solid:
    """What is in one of two solids, or in both; pieces that have one name are one part.

    Raises:
        ModuleNotFoundError: manifold3d is not installed.
    """
    return _joined(UNION, a, b)


def intersection(a: Solid, b: Solid) -> Solid:
    """What is in both of two solids; pieces that have one name are one part.

    Raises:
        ModuleNotFoundError: manifold3d is not installed.
        ValueError: nothing is left.
    """
    return _joined(INTERSECTION, a, b)


def difference(a: Solid, b: Solid) -> Solid:
    """What is in a and not in b, closed; pieces that have one name are one part.

    Raises:
        ModuleNotFoundError: manifold3d is not installed.
        ValueError: nothing is left, or b takes nothing away.
    """
    return _joined(DIFFERENCE, a, b)


def nameless(of: Solid, lost: Collection[str]) -> Solid:
    """The solid without some names of its parts."""
    return Solid(of.tree.nameless(lost))


def moved(
    of: Solid,
    shift: Vector = (0.0, 0.0, 0.0),
    angle: float = 0.0,
    factor: float = 1.0,
    about: Vector = (0.0, 0.0, 0.0),
    axis: Vector = (0.0, 0.0, 1.0),
) -> Solid:
    """The points  c + s R (x − c) + d  for x of a solid; the names stay.

    Args:
        of: what is moved.
        shift: d.
        angle: of the rotation R, in radians, counter-clockwise seen from the tip of the axis.
        factor: s, above 0.
        about: the centre c of rotation and scaling.
        axis: of the rotation; its length does not matter.

    Raises:
        ValueError: a number is not finite, s ≤ 0, or the axis is zero.
    """
    return Solid(of.tree.moved(motion(shift, angle, factor, about, axis)))


def _single(primitive: Primitive) -> Solid:
    return Solid(Leaf(primitive, tuple(name for name, _ in primitive.pieces)))


def _joined(operation: str, a: Solid, b: Solid) -> Solid:
    tree = Branch(operation, a.tree, b.tree.second())
    if operation == DIFFERENCE and tree.bounded:
        _check_hole(tree)
    return Solid(tree)


def _check_hole(tree: Branch) -> None:
    """Refuse a hole that takes nothing, or everything, away."""
    rest = booleans.manifold(tree, *tree.bounds)
    before = booleans.manifold(tree.a, *tree.bounds).volume()
    if rest.is_empty() or not rest.volume() > 1e-12 * before:
        raise ValueError("nothing is left: the solid that is taken away covers the domain")
    if not before - rest.volume() > 1e-12 * before:
        low, high = (np.array2string(end, precision=4, separator=", ") for end in tree.a.bounds)
        raise ValueError(
            f"the solid that is taken away has nothing in common with the domain from {low} to "
            f"{high}: move it into the domain, or leave it out"
        )
