"""Domains with named regions, coordinates, and the points sampled on them.

A new shape or a new way to draw points goes here.

May import: base.
"""

from pinn.geometry.coordinates import Coordinates
from pinn.geometry.domains import Box, Geometry, Interval, Rectangle
from pinn.geometry.points import Points

__all__ = ["Box", "Coordinates", "Geometry", "Interval", "Points", "Rectangle"]
