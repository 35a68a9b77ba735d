"""Where two curves cross or touch."""

import math
from itertools import product

import numpy as np
from numpy.polynomial import polynomial

from pinn.geometry.plane.arc import Arc
from pinn.geometry.plane.cubic import Cubic
from pinn.geometry.plane.curve import Array, Curve
from pinn.geometry.plane.roots import zeros_between
from pinn.geometry.plane.segment import Segment

_NEAR = 1e-3  # in t: crossings so close may be one point of contact
_MANY = 400  # pairs of parts of two cubics: they have a stretch in common


def crossings(one: Curve, other: Curve, slack: float) -> list[tuple[float, float]]:
    """The t of both curves at the points that they share, but for stretches in common.

    The zeros of the equations are only proposed here; a pair is kept if its points are closer
    than slack; two between which the curves are not farther apart are one point of contact.
    """
    if isinstance(one, Cubic) and isinstance(other, Cubic):
        proposed = np.array(_cubics(one, other))
    elif _rank(one) >= _rank(other):
        proposed = np.array(_on(one, other))
    else:
        proposed = np.array(_on(other, one))[..., ::-1]
    if not len(proposed):
        return []
    times, others = _polished(one, other, *proposed.T)
    gap = one.at(times) - other.at(others)
    close = np.hypot(gap[:, 0], gap[:, 1]) <= slack
    pairs = [
        _at_ends(one, other, t, s, slack)
        for t, s in zip(times[close].tolist(), others[close].tolist(), strict=True)
    ]
    result: list[tuple[float, float]] = []
    for t, s in sorted(pairs):
        middle = _between(one, other, result[-1][0], t, slack) if result else None
        if middle is None:
            result.append((t, s))
        else:
            result[-1] = middle
    return result


def _at_ends(one: Curve, other: Curve, t: float, s: float, slack: float) -> tuple[float, float]:
    """A crossing, or the end of a curve where the two are not apart from there to the crossing."""
    for end in (0.0, 1.0):
        if 0 < abs(t - end) < _NEAR:
            probes = one.at(np.array([end, 0.5 * (t + end)]))
            if other.distance(probes).max() <= slack:
                return end, float(other.nearest(probes[:1])[0])
        if 0 < abs(s - end) < _NEAR:
            probes = other.at(np.array([end, 0.5 * (s + end)]))
            if one.distance(probes).max() <= slack:
                return float(one.nearest(probes[:1])[0]), end
    return t, s


def _between(
    one: Curve, other: Curve, first: float, last: float, slack: float
) -> tuple[float, float] | None:
    """The point of contact between two crossings, where the curves are not apart; else None."""
    if last - first > _NEAR:
        return None
    t = np.array([0.5 * (first + last)])
    point = one.at(t)
    s = other.nearest(point)
    gap = other.at(s) - point
    return (float(t[0]), float(s[0])) if np.hypot(*gap[0]) <= slack else None


def _rank(curve: Curve) -> int:
    return [Segment, Arc, Cubic].index(type(curve))


def _on(one: Curve, other: Curve) -> list[tuple[float, float]]:
    """The t of one, whose points are put into the equation of the other, a line or an ellipse."""
    if isinstance(other, Segment):
        normal = np.array([-other.step[1], other.step[0]]) / other.length
        times = _line(one, normal, float(normal @ other.start))
    else:
        assert isinstance(other, Arc)
        times = _ellipse(one, other)
    if not times:
        return []
    points = one.at(np.array(times))
    return list(zip(times, other.nearest(points).tolist(), strict=True))


def _line(curve: Curve, normal: Array, level: float) -> list[float]:
    """The t at which n·c(t) has a value."""
    if isinstance(curve, Segment):
        rise = float(normal @ curve.step)
        if abs(rise) <= 1e-15 * curve.length:
            return []
        return [min(1.0, max(0.0, (level - float(normal @ curve.start)) / rise))]
    if isinstance(curve, Arc):
        u, v = curve.axes @ normal
        mean = float(normal @ curve.centre) - level
        return _times(curve, _zeros_of_wave(mean, complex(u, -v) / 2, 0j, abs(level)))
    assert isinstance(curve, Cubic)
    powers = curve.powers @ normal
    powers[0] -= level
    if np.abs(powers).max() <= 1e-14 * np.abs(curve.control).max():
        return []
    return zeros_between(powers)


def _ellipse(curve: Curve, ellipse: Arc) -> list[float]:
    """The t at which |q|² = 1; in the coordinates q the ellipse is the unit circle."""
    squares = (ellipse.axes * ellipse.axes).sum(axis=1)
    local = ellipse.axes.T / squares  # p − C → q
    if isinstance(curve, Arc):
        q, (u, v) = (curve.centre - ellipse.centre) @ local, curve.axes @ local
        # q = q₀ + u cos θ + v sin θ = q₀ + Re(w e^{iθ}),  w = u − i v
        w = u - 1j * v
        mean = float(q @ q) + 0.5 * float((w * w.conj()).sum().real) - 1
        return _times(curve, _zeros_of_wave(mean, complex(q @ w), complex(w @ w) / 4, 1.0))
    assert isinstance(curve, Cubic)
    powers = curve.powers.copy()
    powers[0] -= ellipse.centre
    x, y = (powers @ local).T
    polynomials = polynomial.polyadd(polynomial.polymul(x, x), polynomial.polymul(y, y))
    polynomials[0] -= 1
    return zeros_between(polynomials)


def _zeros_of_wave(mean: float, first: complex, second: complex, terms: float) -> list[float]:
    """The θ at which  mean + 2 Re(first e^{iθ} + second e^{2iθ}) = 0;  none where all cancels.

    Args:
        mean: the constant.
        first: of e^{iθ}.
        second: of e^{2iθ}.
        terms: how large the terms are that were added up.
    """
    parts = np.array([second, first, mean, np.conj(first), np.conj(second)])
    largest = np.abs(parts).max()
    if largest <= 1e-13 * terms:
        return []
    parts[np.abs(parts) <= 1e-15 * largest] = 0
    zeros = np.roots(parts)
    return [float(np.angle(z)) for z in zeros if abs(abs(z) - 1) < 1e-3]


def _times(arc: Arc, angles: list[float]) -> list[float]:
    """The t of angles on an arc, and the nearer end for those that it misses."""
    if not angles:
        return []
    sign = math.copysign(1.0, arc.sweep)
    run = np.mod((np.array(angles) - arc.first) * sign, 2 * math.pi)
    beyond = run > abs(arc.sweep)
    nearer = np.where(run - abs(arc.sweep) < 2 * math.pi - run, 1.0, 0.0)
    return np.where(beyond, nearer, run / abs(arc.sweep)).tolist()


def _cubics(one: Cubic, other: Cubic) -> list[tuple[float, float]]:
    """By halving both as long as their boxes meet and they are bent."""
    pairs, found = [(one, 0.0, 1.0, other, 0.0, 1.0)], []
    size = max(np.ptp(one.box, axis=0).max(), np.ptp(other.box, axis=0).max())
    for _ in range(24):
        halves = []
        for a, a0, a1, b, b0, b1 in pairs:
            if _bend(a) <= 1e-2 and _bend(b) <= 1e-2:
                # Two almost straight parts may still cross twice.
                found += [(a0 + k * (a1 - a0), b0 + k * (b1 - b0)) for k in (0.0, 0.5, 1.0)]
                continue
            for (c, c0, c1), (d, d0, d1) in product(_halves(a, a0, a1), _halves(b, b0, b1)):
                slack = 1e-9 * size
                if (c.box[0] <= d.box[1] + slack).all() and (d.box[0] <= c.box[1] + slack).all():
                    halves.append((c, c0, c1, d, d0, d1))
        pairs = halves
        if not pairs or len(pairs) + len(found) > _MANY:
            break
    return [] if len(pairs) + len(found) > _MANY else found


def _halves(curve: Cubic, first: float, last: float) -> list[tuple[Cubic, float, float]]:
    middle = 0.5 * (first + last)
    point = curve.at(np.array([0.5]))[0]
    ends = curve.start, point, curve.end
    return [
        (curve.cut(0.0, 0.5, ends[0], ends[1]), first, middle),
        (curve.cut(0.5, 1.0, ends[1], ends[2]), middle, last),
    ]


def _bend(curve: Cubic) -> float:
    """How far the direction changes, as a part of the speed."""
    steps = np.diff(curve.control, axis=0)
    return float(np.abs(steps - steps[1]).max() / max(np.abs(steps).max(), 1e-300))


def _polished(one: Curve, other: Curve, t: Array, s: Array) -> tuple[Array, Array]:
    """Newton's method for c(t) = d(s); a step that does not bring the points closer is not made."""
    for _ in range(12):
        gap, v, w = one.at(t) - other.at(s), one.velocity(t), other.velocity(s)
        size = np.hypot(gap[:, 0], gap[:, 1])
        det = v[:, 1] * w[:, 0] - v[:, 0] * w[:, 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            dt = (gap[:, 0] * w[:, 1] - gap[:, 1] * w[:, 0]) / det
            ds = (gap[:, 0] * v[:, 1] - gap[:, 1] * v[:, 0]) / det
        new_t = np.clip(np.where(np.isfinite(dt), t + dt, t), 0.0, 1.0)
        new_s = np.clip(np.where(np.isfinite(ds), s + ds, s), 0.0, 1.0)
        new = one.at(new_t) - other.at(new_s)
        better = np.hypot(new[:, 0], new[:, 1]) < size
        if not better.any():
            break
        t, s = np.where(better, new_t, t), np.where(better, new_s, s)
    return t, s
