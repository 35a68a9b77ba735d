"""Domains with named regions, and the points sampled on them."""

from pinn.geometry.coordinates import Coordinates
from pinn.geometry.domains import Box, Geometry, Interval, Rectangle
from pinn.geometry.points import Points

__all__ = ["Box", "Coordinates", "Geometry", "Interval", "Points", "Rectangle"]
