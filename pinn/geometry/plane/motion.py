"""Translation, rotation and scaling of points in the plane."""

import math

import numpy as np

Array = np.ndarray


def image(point: Array, matrix: Array, shift: Array) -> Array:
    """M p + s of one point (2,); the same point has the same image to the bit."""
    x, y = float(point[0]), float(point[1])
    return np.array([row[0] * x + row[1] * y + s for row, s in zip(matrix, shift, strict=True)])


def turn(angle: float) -> Array:
    """The matrix (2, 2) of a rotation, the angle in radians; exact for quarter turns."""
    quarters = angle / (0.5 * math.pi)
    if quarters == round(quarters):
        c, s = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][round(quarters) % 4]
    else:
        c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]])
