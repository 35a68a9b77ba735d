"""Shapes in three-dimensional space: primitives, booleans, surfaces from files.

A new primitive is a class that keeps the promise of `primitive`, and a function in `build`.

    build       making solids: primitives, booleans, motions
    solid       the shape itself
    picking     some of a boundary, by coordinates or a function
    clipping    triangles cut at planes
    assembly    the pieces of a boundary, from triangles and patches
    chosen      the part of a piece on which a function is true
    pieces      whole patches, triangles, and patches that were cut
    parts       a named part of the boundary
    patches     sphere, side of a cylinder, disc, rectangle in closed form
    triangles   a piece made of flat triangles
    primitive   what a primitive promises
    round       ball and cylinder
    flat        box and half-space
    surface     the inside of a closed surface of triangles
    files       STL and OBJ
    tree        primitives joined by booleans
    booleans    their triangles, by manifold3d
    quadrics    planes, spheres and cylinders that faces lie on
    curved      the boundary in curved triangles, for integrals
    fitting     weights that integrate polynomials
    nearest     the nearest of many triangles
    crossings   which points triangles enclose
    motion      translation, rotation, scaling
"""

from pinn.geometry.solid.build import (
    ball,
    box,
    cylinder,
    difference,
    half_space,
    intersection,
    mesh,
    moved,
    nameless,
    surface,
    triangles,
    union,
)
from pinn.geometry.solid.solid import Solid

__all__ = [
    "Solid", "ball", "box", "cylinder", "difference", "half_space", "intersection", "mesh",
    "moved", "nameless", "surface", "triangles", "union",
]  # fmt: skip
