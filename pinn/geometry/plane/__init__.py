"""Shapes in the plane: boundaries of exact curves, their booleans, quadrature and distances.

NumPy inside, tensors of float64 outside. A new kind of curve is a class beside `segment`, `arc` and
`cubic`, with a case in `crossings`; a new shape is a function in `primitives`.

    primitives   discs, ellipses, polygons, rectangles with named sides
    booleans     union, intersection, difference, motion
    region       a shape: its boundary in named pieces, and all that follows from them
    wall         some pieces of a boundary, as points are drawn on them
    choice       pieces picked by coordinates, numbers of edges, a function
    arrangement  the boundary of a boolean, from the pieces of two
    crossings    where two curves cross or touch
    cells        quadrature of the inside, between two graphs
    graphs       a boundary as graphs y(x): which side of it points lie on
    pieces       curves with a name, and how far points are from them
    spline       smooth curves through points
    curve        what an oriented curve promises
    segment      straight curves
    arc          arcs of ellipses and circles
    cubic        the spans of a spline
    motion       translation, rotation, scaling of points
    roots        zeros in brackets, and those of a polynomial
"""

from pinn.geometry.plane.booleans import difference, intersection, moved, nameless, union
from pinn.geometry.plane.primitives import disc, ellipse, outline, polygon
from pinn.geometry.plane.region import PlaneShape

__all__ = [
    "PlaneShape",
    "difference",
    "disc",
    "ellipse",
    "intersection",
    "moved",
    "nameless",
    "outline",
    "polygon",
    "union",
]
