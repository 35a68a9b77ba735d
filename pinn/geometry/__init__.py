"""Domains with named regions, coordinates, and the points sampled on them.

A new shape is a class that keeps the promise of `shape`, as `block` does, and a constructor beside
those in `boxes`. A new way to draw points goes into `sampling`.

    coordinates  the independent variables by name
    domains      a shape in space, over time and parameters
    regions      the names of its parts, unions of them, and measured points
    boxes        interval, rectangle, box
    derived      a geometry with more regions, as plain data
    region       a part of a shape, over all times or at an instant: points and measure
    shape        what a shape in space promises
    block        boxes of any dimension
    inside       the interior of a shape that is no box
    joined       several pieces of a boundary as one
    plane        shapes in the plane: exact boundaries, booleans, quadrature, distances
    points       the points of a region
    measurements measured points, from a file or an array
    columns      the columns of a table under our names
    tables       columns by name: of a file, arrays, a data frame
    text_tables  CSV and other text with columns, line by line
    sampling     Sobol, Latin hypercube, uniform, Gauss
    grids        points that represent a whole domain
    resolution   whether positions survive in a precision

May import: base.
"""

from pinn.geometry.boxes import Box, Interval, Rectangle
from pinn.geometry.coordinates import Coordinates
from pinn.geometry.derived import Derived
from pinn.geometry.domains import Geometry
from pinn.geometry.points import Points

__all__ = ["Box", "Coordinates", "Derived", "Geometry", "Interval", "Points", "Rectangle"]
