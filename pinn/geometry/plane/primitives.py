"""Discs, ellipses, polygons, rectangles with named sides: as shapes in the plane."""

import math
from collections.abc import Sequence

import numpy as np

from pinn.geometry.plane.arc import Arc
from pinn.geometry.plane.crossings import crossings
from pinn.geometry.plane.cubic import Cubic
from pinn.geometry.plane.curve import Array, Curve
from pinn.geometry.plane.motion import turn
from pinn.geometry.plane.pieces import ROUNDING, Piece
from pinn.geometry.plane.region import PlaneShape
from pinn.geometry.plane.segment import Segment
from pinn.geometry.plane.spline import sharp_turns, smooth_ring

Pair = Sequence[float]
SHARP = math.radians(60)  # a turn of more than that is a corner


def disc(centre: Pair, radius: float, name: str = "") -> PlaneShape:
    """The points with |x − c| ≤ r.

    Args:
        centre: c.
        radius: r > 0.
        name: of the circle.

    Raises:
        ValueError: a number is not finite, or r ≤ 0.
    """
    if not (_finite(radius) and radius > 0):
        raise ValueError(f"the radius of a disc must be finite and above 0, got {radius}")
    return _elliptical("disc", centre, (radius, radius), 0.0, name)


def ellipse(centre: Pair, semi_axes: Pair, angle: float = 0.0, name: str = "") -> PlaneShape:
    """The points with (ξ/a)² + (η/b)² ≤ 1, where ξ, η are coordinates along its axes.

    Args:
        centre: of the ellipse.
        semi_axes: a, b > 0.
        angle: from the x axis to the axis of a, counter-clockwise, in radians.
        name: of the curve.

    Raises:
        ValueError: a number is not finite, or a semi-axis is not above 0.
    """
    if len(semi_axes) != 2 or not all(_finite(a) and a > 0 for a in semi_axes):
        raise ValueError(
            f"an ellipse needs two semi-axes, finite and above 0, got {tuple(semi_axes)}"
        )
    if not _finite(angle):
        raise ValueError(f"the angle of an ellipse must be finite (in radians), got {angle}")
    return _elliptical("ellipse", centre, semi_axes, angle, name)


def outline(lower: Pair, upper: Pair, names: Sequence[str] | None = None) -> PlaneShape:
    """The rectangle [x₀, x₁] × [y₀, y₁].

    Args:
        lower: x₀, y₀.
        upper: x₁, y₁.
        names: of the sides at x₀, x₁, y₀, y₁; left, right, bottom, top if None.

    Raises:
        ValueError: a number is not finite, or lower is not below upper.
    """
    (x0, y0), (x1, y1) = _pair("lower bounds", lower), _pair("upper bounds", upper)
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"lower bounds must be below upper ones, got {lower} and {upper}")
    left, right, bottom, top = ("left", "right", "bottom", "top") if names is None else names
    return polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], (bottom, right, top, left))


def polygon(
    points: Sequence[Pair] | Array,
    names: str | Sequence[str] = "",
    smooth: bool = False,
    corners: Sequence[int] | None = None,
) -> PlaneShape:
    """The inside of a closed chain of points; edge i runs from point i to the next one.

    Args:
        points: in order, clockwise or counter-clockwise; the last may repeat the first.
        names: one for all edges, or one per edge.
        smooth: whether the edges are bent: a cubic spline through the points, periodic in the
            length of the chords, with a kink at each of the corners.
        corners: the numbers of the points with a kink, for smooth edges; None for those at which
            the chain turns by more than 60°, such as a sharp trailing edge.

    Raises:
        ValueError: fewer than 3 points, a point twice in a row, a number that is not finite, no
            area, edges that cross or touch, an unknown corner, a wrong number of names.
    """
    chain = _chain(points)
    n = len(chain)
    labels = [names] * n if isinstance(names, str) else list(names)
    if len(labels) != n:
        raise ValueError(f"a polygon of {n} edges needs one name or {n}, got {len(labels)}")
    if smooth:
        kinks = sharp_turns(chain, SHARP) if corners is None else list(corners)
        for number in kinks:
            if not 0 <= number < n:
                raise ValueError(f"corner {number} is no point: the points are 0 to {n - 1}")
        curves = smooth_ring(chain, kinks)
    else:
        curves = [Segment(chain[i], chain[(i + 1) % n]) for i in range(n)]
    _check_simple(curves)
    pieces = [Piece(c, label, i) for i, (c, label) in enumerate(zip(curves, labels, strict=True))]
    shape = PlaneShape(pieces)
    size = float(np.ptp(chain, axis=0).max())
    if abs(shape.measure) <= ROUNDING * size * size:
        raise ValueError(f"the {n} points of the polygon lie on a line: it has no area")
    return shape if shape.measure > 0 else PlaneShape([p.reversed() for p in pieces[::-1]])


def _elliptical(kind: str, centre: Pair, semi: Pair, angle: float, name: str) -> PlaneShape:
    middle = np.array(_pair(f"the centre of {kind}", centre))
    axes = np.diag([float(a) for a in semi]) @ turn(angle).T
    start = middle + axes[0]
    return PlaneShape([Piece(Arc(middle, axes, 0.0, 2 * math.pi, start, start), name)])


def _chain(points: Sequence[Pair] | Array) -> Array:
    try:
        chain = np.array(points, dtype=float)
    except (TypeError, ValueError):
        chain = np.zeros(0)
    if chain.ndim != 2 or chain.shape[1] != 2:
        raise ValueError("the points of a polygon must be pairs of numbers (x, y)")
    (bad,) = np.nonzero(~np.isfinite(chain).all(axis=1))
    if len(bad):
        raise ValueError(f"point {bad[0]} of the polygon is not finite: {chain[bad[0]].tolist()}")
    if len(chain) > 1 and (chain[0] == chain[-1]).all():
        chain = chain[:-1]
    if len(chain) < 3:
        raise ValueError(f"a polygon needs at least 3 points, got {len(chain)}")
    steps = np.roll(chain, -1, axis=0) - chain
    slack = ROUNDING * float(np.abs(chain).max())
    (twice,) = np.nonzero(np.hypot(steps[:, 0], steps[:, 1]) <= slack)
    if len(twice):
        k = int(twice[0])
        raise ValueError(
            f"points {k} and {(k + 1) % len(chain)} of the polygon are the same, "
            f"{chain[k].tolist()}: leave one out"
        )
    return chain


def _check_simple(curves: Sequence[Curve]) -> None:
    """Refuse edges that meet other than at the point they share."""
    n = len(curves)
    boxes = np.stack([curve.box for curve in curves])
    slack = ROUNDING * float(np.abs(boxes).max())
    low = np.maximum(boxes[:, None, 0], boxes[None, :, 0])
    high = np.minimum(boxes[:, None, 1], boxes[None, :, 1])
    for i, j in np.argwhere(np.triu((low <= high + slack).all(axis=2), 1)).tolist():
        one, other = curves[i], curves[j]
        if n > 3 and (_goes_on(one, other) or _goes_on(other, one)):
            continue
        shared = [c for c, d in ((one.end, other.start), (one.start, other.end)) if (c == d).all()]
        for a, b in ((one, other), (other, one)):
            # Stretches in common end at an end of one of them.
            ends = np.stack([a.start, a.end, a.at(np.array([0.5]))[0]])
            meet = b.distance(ends) <= slack
            own = [any((end == corner).all() for corner in shared) for end in ends]
            _refuse(i, j, ends[meet & ~np.array(own)])
        points = one.at(np.array([t for t, _ in crossings(one, other, slack)]))
        # Two curves with the same direction at their corner stay close for a while.
        near = (0.05 if _is_smooth(one, other) else 1e-4) * min(one.length, other.length)
        apart = [p for p in points if all(np.hypot(*(p - corner)) > near for corner in shared)]
        if n > 2:
            _refuse(i, j, apart)


def _goes_on(one: Curve, other: Curve) -> bool:
    """Whether one leads to the other, and neither turns back from their common direction."""
    if (one.end != other.start).any():
        return False
    steps = np.concatenate([_steps(one), _steps(other)])
    return bool((steps @ (other.end - one.start) > 0).all())


def _steps(curve: Curve) -> Array:
    """Vectors between which all directions of a curve lie."""
    if isinstance(curve, Cubic):
        return np.diff(curve.control, axis=0)
    return (curve.end - curve.start)[None]


def _is_smooth(one: Curve, other: Curve) -> bool:
    """Whether the direction goes on from one curve to the other, or back."""
    for a, b in ((one, other), (other, one)):
        if (a.end == b.start).all():
            before, after = a.normal(np.array([1.0]))[0], b.normal(np.array([0.0]))[0]
            if before @ after > 1 - 1e-9:
                return True
    return False


def _refuse(i: int, j: int, points: Sequence[Array] | Array) -> None:
    if len(points):
        x, y = points[0]
        raise ValueError(
            f"edges {i} and {j} of the polygon meet at ({x:.6g}, {y:.6g}): a polygon must not "
            "cross or touch itself (if smooth edges overshoot, give more points or a corner there)"
        )


def _pair(what: str, values: Pair) -> tuple[float, float]:
    if len(values) != 2 or not all(map(_finite, values)):
        raise ValueError(f"{what} must be two finite numbers (x, y), got {tuple(values)}")
    return float(values[0]), float(values[1])


def _finite(value: float) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
