"""Domains with named regions, coordinates, and the points sampled on them.

A new shape is a class that keeps the promise of `shape`, as `block` does, and a constructor beside
those in `boxes` and `curved`. A new way to draw points goes into `sampling`.

    coordinates  the independent variables by name
    domains      a shape in space, over time and parameters
    regions      the names of its parts, unions of them, and measured points
    boxes        interval, rectangle, box
    curved       disc, ellipse, polygon, half-space
    bodies       ball, cylinder, closed surface
    combined     geometries made of others, as plain data
    derived      a geometry with more regions, as plain data
    names        what booleans must not change about names
    region       a part of a shape, over all times or at an instant: points and measure
    shape        what a shape in space promises
    block        boxes of any dimension
    half_space   half-planes and half-spaces
    combination  booleans, motions and picked parts: who computes them
    inside       the interior of a shape that is no box
    joined       several pieces of a boundary as one
    plane        shapes in the plane: exact boundaries, booleans, quadrature, distances
    solid        shapes in three-dimensional space
    corners      where the boundary of a plane shape turns, and where its parts end
    pieces       points of a region, box by box
    strips       points along an axis, with some of their own in thin strips at its ends
    translation  whether two faces match, and how far apart they are
    points       the points of a region
    clouds       the measured points of a geometry, by region
    measurements measured points, from a file or an array
    columns      the columns of a table under our names
    tables       columns by name: of a file, arrays, a data frame
    chain        points in order, from a file
    text_tables  CSV and other text with columns, line by line
    sampling     Sobol, Latin hypercube, uniform, Gauss
    refinement   points refined towards parts of the boundary
    grids        points that represent a whole domain
    resolution   whether positions survive in a precision

May import: base.
"""

from pinn.geometry.bodies import Ball, Cylinder, Surface
from pinn.geometry.boxes import Box, Interval, Rectangle
from pinn.geometry.combined import Difference, Intersection, Union
from pinn.geometry.coordinates import Coordinates
from pinn.geometry.curved import Disc, Ellipse, HalfSpace, Polygon
from pinn.geometry.derived import Derived
from pinn.geometry.domains import Geometry
from pinn.geometry.points import Points

__all__ = [
    "Ball",
    "Box",
    "Coordinates",
    "Cylinder",
    "Derived",
    "Difference",
    "Disc",
    "Ellipse",
    "Geometry",
    "HalfSpace",
    "Intersection",
    "Interval",
    "Points",
    "Polygon",
    "Rectangle",
    "Surface",
    "Union",
]
