"""Domains with named regions, coordinates, and the points sampled on them.

A new domain is a class in `domains`, and what is drawn inside it and on its faces is a class in
`parts`: for a disc, `Disc` and `DiscPart`. A new way to draw points goes into `sampling`.

    coordinates  the independent variables by name
    shape        what a shape in space promises
    domains      interval, rectangle, box: regions and their points
    parts        the interior, a face, an instant: what is drawn on each
    points       the points of a region, and measured ones
    sampling     Sobol, Latin hypercube, uniform, Gauss
    grids        points that represent a whole domain
    resolution   whether positions survive in a precision

May import: base.
"""

from pinn.geometry.coordinates import Coordinates
from pinn.geometry.domains import Box, Geometry, Interval, Rectangle
from pinn.geometry.points import Points

__all__ = ["Box", "Coordinates", "Geometry", "Interval", "Points", "Rectangle"]
