"""The lid-driven cavity by splines, at Reynolds numbers where boundary layers are thin.

The Stokes flow of the lid's corners, in closed form, is taken out; the rest is smooth enough.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from spline_flow import DEGREE, Array, SplineFlow, Splines

Profile = Literal["uniform", "parabolic"]

# ψ = −(A Y + θ (C Y + D X)): u = 1 on the lid, 0 on the wall.
D = 1 / (1 - np.pi**2 / 4)
C = D * np.pi / 2
A = -D * np.pi**2 / 4
CREEPING = 1e6  # a viscosity at which Newton's method needs no start


def uniform_corner(along: Array, into: Array) -> Array:
    """ψ and its derivatives in X, Y, XX, XY, YY for the Stokes flow of one corner: (6, …).

    Source: G. I. Taylor (1962), the flow that a scraper drives.

    Args:
        along: X, distance from the corner along the lid.
        into: Y, distance from the lid.
    """
    X, Y = along, into
    squared = X * X + Y * Y
    theta, line = np.arctan2(Y, X), C * Y + D * X
    x, y = -Y / squared, X / squared
    xx, xy = 2 * X * Y / squared**2, (Y * Y - X * X) / squared**2
    return -np.array(
        [
            A * Y + theta * line,
            x * line + theta * D,
            A + y * line + theta * C,
            xx * line + 2 * x * D,
            xy * line + x * C + y * D,
            -xx * line + 2 * y * C,
        ]
    )


def parabolic_corner(along: Array, into: Array) -> Array:
    """The same below a lid that moves at 4X:   ψ = −2 (θ r² + X Y − (π/2) Y²)."""
    X, Y = along, into
    squared, theta = X * X + Y * Y, np.arctan2(Y, X)
    turned = 2 * theta - np.pi
    return np.array(
        [
            -theta * squared * 2 - 2 * X * Y + np.pi * Y * Y,
            -4 * theta * X,
            -4 * X - 2 * Y * turned,
            -4 * (theta - X * Y / squared),
            -4 * X * X / squared,
            -2 * turned - 4 * X * Y / squared,
        ]
    )


class SplineCavity:
    """Steady flow in [0, 1]² below a lid y = 1; velocity (ψ_y, −ψ_x), non-dimensional by U and L.

    Breaks are Chebyshev points, so that elements at the walls are small.

    Args:
        elements: elements per direction.
        profile: the lid moves at 1, `uniform`, or at 4x(1 − x), `parabolic`.
    """

    def __init__(self, elements: int, profile: Profile = "uniform") -> None:
        self.profile = profile
        breaks = (1 - np.cos(np.pi * np.linspace(0, 1, elements + 1))) / 2
        self.line = Splines(breaks)
        self.points, self.weights = (part.ravel() for part in (self.line.points, self.line.weights))
        values = self.walls(breaks[1])
        free = np.zeros(values.shape, dtype=bool)
        free[2:-2, 2:-2] = True
        given = self.corners(self.points, self.points)[1:]
        self.flow = SplineFlow(self.line, self.line, values, free, given)
        self.flow.solve(CREEPING)

    def corners(self, x: Array, y: Array) -> Array:
        """ψ, ψ_x, ψ_y, ψ_xx, ψ_xy, ψ_yy of both corners on the grid x ⊗ y."""
        X, Y = np.meshgrid(x, 1 - y, indexing="ij")
        corner = parabolic_corner if self.profile == "parabolic" else uniform_corner
        left = np.array([1, 1, -1, 1, -1, 1])[:, None, None] * corner(X, Y)
        right = np.array([1, -1, -1, 1, 1, 1])[:, None, None] * corner(1 - X, Y)
        return np.asarray(left + right)

    def lid(self, x: Array) -> Array:
        """The speed of the lid."""
        return 4 * x * (1 - x) if self.profile == "parabolic" else np.ones_like(x)

    def walls(self, size: float) -> Array:
        """Coefficients that give ψ and the velocity on the walls; zeros inside.

        Args:
            size: of the first element and of the last.
        """
        line, ends = self.line, np.array([0.0, 1.0])
        values = np.zeros((line.count, line.count))
        sides = -self.corners(ends, self.points)
        levels = -self.corners(self.points, ends)
        levels[2, :, 1] += self.lid(self.points)
        # The slope at a wall is that between the first two coefficients, times DEGREE / size.
        for k, (wall, next_to_it) in enumerate(((0, 1), (-1, -2))):
            reach = size / DEGREE * (1 if k == 0 else -1)
            values[wall] = line.fitted(sides[0, k])
            values[next_to_it] = values[wall] + reach * line.fitted(sides[1, k])
        for k, (wall, next_to_it) in enumerate(((0, 1), (-1, -2))):
            reach = size / DEGREE * (1 if k == 0 else -1)
            values[:, wall] = line.fitted(levels[0, :, k])
            values[:, next_to_it] = values[:, wall] + reach * line.fitted(levels[2, :, k])
        return values

    def solve(self, reynolds: float) -> None:
        """The flow at Re, from the one before.

        Raises:
            RuntimeError: the one before is too far away.
        """
        self.reynolds = reynolds
        self.flow.solve(1 / reynolds)

    def fields(self, x: Array, y: Array) -> dict[str, Array]:
        """u, v and ψ on the grid x ⊗ y, each (len(x), len(y)); at the lid's corners its speed."""
        with np.errstate(divide="ignore", invalid="ignore"):
            corners = self.corners(x, y)
        flow = {
            "u": self.flow.derivative(x, y, (0, 1)) + corners[2],
            "v": -self.flow.derivative(x, y, (1, 0)) - corners[1],
            "psi": self.flow.derivative(x, y, (0, 0)) + corners[0],
        }
        at_corners = np.ix_((x == 0) | (x == 1), y == 1)
        speed = float(self.lid(np.zeros(1))[0])
        for name, value in {"u": speed, "v": 0.0, "psi": 0.0}.items():
            flow[name][at_corners] = value
        return flow
