"""Smooth curves through points: cubic splines in the length of the chords."""

from collections.abc import Sequence

import numpy as np

from pinn.geometry.plane.cubic import Cubic
from pinn.geometry.plane.curve import Array, Curve
from pinn.geometry.plane.segment import Segment


def smooth_ring(points: Array, corners: Sequence[int]) -> list[Curve]:
    """A closed curve through points (N, 2): one curve from each point to the next.

    Its direction and its curvature are continuous but at the corners, where a spline ends. Two
    corners that follow each other are joined by a straight line.

    Args:
        points: in order; the last is joined to the first.
        corners: the numbers of the points with a kink.
    """
    n = len(points)
    if not corners:
        return _spans(np.concatenate([points, points[:1]]), "periodic")
    first = sorted(set(corners))
    curves: list[Curve] = []
    for start, end in zip(first, [*first[1:], first[0] + n], strict=True):
        chain = points[np.arange(start, end + 1) % n]
        curves += _spans(chain, "not-a-knot")
    # The curve with number i starts at point i.
    return [curves[(i - first[0]) % n] for i in range(n)]


def sharp_turns(points: Array, angle: float) -> list[int]:
    """The points of a closed chain at which its direction turns by more than an angle (radians)."""
    steps = np.roll(points, -1, axis=0) - points
    before = np.roll(steps, 1, axis=0)
    cross = before[:, 0] * steps[:, 1] - before[:, 1] * steps[:, 0]
    turned = np.abs(np.arctan2(cross, (before * steps).sum(axis=1)))
    return np.nonzero(turned > angle)[0].tolist()


def _spans(chain: Array, ends: str) -> list[Curve]:
    """The cubics of a spline through a chain of points."""
    if len(chain) == 2:
        return [Segment(chain[0], chain[1])]
    steps = np.diff(chain, axis=0)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
    from scipy.interpolate import CubicSpline

    slopes = CubicSpline(length, chain, bc_type=ends)(length, 1)
    third = np.diff(length)[:, None] / 3
    after, before = chain[:-1] + third * slopes[:-1], chain[1:] - third * slopes[1:]
    control = np.stack([chain[:-1], after, before, chain[1:]], axis=1)
    return [Cubic(points) for points in control]
