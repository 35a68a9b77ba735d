"""A slit within a long hole, and the map that opens it to a circle."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pinn.geometry import Geometry

LONG = 4.0  # length by width from which a hole has a slit
END = 0.02  # how much of the length is the end, whose width says how blunt it is
FINE = 10_000  # points, to see the ends
NEAR = 1e-6  # difference of unknowns, by the length
ROUNDS = 20  # of Gauss and Newton
BENDS = 41  # arcs tried, first of all bends and then about the best
HELD = 0.9  # of the arc, within the hole
STATIONS = 101  # of an arc


class Slit(NamedTuple):
    """A circular arc from a to b within a hole; complex numbers are pairs of real ones.

    Args:
        a: its one end.
        b: its other end.
        bend: δ, the angle between the arc and the chord at its ends; 0 for a straight slit.
    """

    a: complex
    b: complex
    bend: float

    def numbers(self) -> list[float]:
        """b, b − a, e^{−iδ}, e^{iδ/2}: what `opened` asks for."""
        b, length = self.b, self.b - self.a
        turned = (math.cos(self.bend), -math.sin(self.bend))
        half = (math.cos(self.bend / 2), math.sin(self.bend / 2))
        return [b.real, b.imag, length.real, length.imag, *turned, *half]


def opened(x: Tensor, slit: Tensor) -> Tensor:
    """The place s (..., 2) of points z (..., 2), by the map that makes a circle of the slit:

        s = (1 + q)/(1 − q),   q = √((z − a)/(z − b)),   z → ∞  as  s → ∞.

    A straight slit has elliptic coordinates: ln|s| and the angle of s are constant on confocal
    ellipses and hyperbolas. s is smooth wherever z is not on the slit, and near its ends it changes
    over the distance from them. A bent slit is the skeleton of the profiles of Joukowski.

    Args:
        x: z.
        slit: the numbers (8,) of a slit.
    """
    bx, by, lx, ly, c, s, half_c, half_s = slit.unbind()
    re, im = x[..., 0:1] - bx, x[..., 1:2] - by
    inverse = 1 / (re * re + im * im)
    along = (lx * re + ly * im) * inverse + 1
    across = (ly * re - lx * im) * inverse
    turned, turned_i = c * along - s * across, s * along + c * across
    size = torch.sqrt(torch.hypot(turned, turned_i))
    angle = 0.5 * torch.atan2(turned_i, turned)
    root, root_i = size * torch.cos(angle), size * torch.sin(angle)
    q, q_i = half_c * root - half_s * root_i + 1, half_s * root + half_c * root_i
    square, square_i = q * q - q_i * q_i, 2 * q * q_i
    scale = -1 / (lx * lx + ly * ly)
    to, to_i = scale * (lx * re + ly * im), scale * (lx * im - ly * re)
    return torch.cat([square * to - square_i * to_i, square * to_i + square_i * to], dim=-1)


def slit_of(geometry: Geometry, name: str, points: Tensor) -> Slit | None:
    """The slit of the hole that a part of the boundary surrounds; None if it is not long.

    Its ends are those of the hole, drawn in by half of their radius of curvature, as the foci of a
    slender ellipse are. Of all arcs between them it is the middle one of those within the hole.

    Args:
        geometry: the domain.
        name: of the part.
        points: (N, 2), of the part.
    """
    joints = getattr(geometry.shape.parts.get(name), "joints", points)
    points = torch.cat([points, joints]).unique(dim=0)
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    length = float(distances.max())
    first, last = divmod(int(distances.argmax()), len(points))
    chord = points[last] - points[first]
    across = torch.stack([-chord[1], chord[0]]) / length
    heights = (points - points[first]) @ across
    if length < LONG * float(heights.max() - heights.min()):
        return None
    fine = geometry.in_space(geometry.sample(name, FINE, "gauss").at)
    ends = torch.stack([drawn_in(fine, points[end], length) for end in (first, last)])
    is_sharp = (ends == points[[first, last]]).all(dim=1)
    window = 2 * math.atan(4 * float(heights.abs().max()) / length)
    slit = bent(geometry, ends, window)
    if slit is None:
        return None
    apart = torch.cdist(points, ends).amin(1) > 1e-6 * length  # at an end there is no derivative
    ends = rounded(ends, is_sharp, slit.bend, points[apart])
    return bent(geometry, ends, window) or slit


def bent(geometry: Geometry, ends: Tensor, window: float) -> Slit | None:
    """The slit of these ends (2, 2) whose bend, below `window`, keeps it within the hole."""
    a, b = (complex(*end.tolist()) for end in ends)
    best = 0.0
    for width in (window, 2 * window / BENDS):
        bends = best + width * torch.linspace(-1, 1, BENDS, dtype=torch.float64)
        arcs = [arc(Slit(a, b, float(bend))) for bend in bends]
        held = (~geometry.shape.contains(torch.cat(arcs))).double().reshape(BENDS, -1).mean(1)
        most = (held == held.max()).nonzero()[:, 0]
        best = float(bends[most[len(most) // 2]])
    return Slit(a, b, best) if float(held.max()) >= HELD else None


def rounded(ends: Tensor, is_sharp: Tensor, bend: float, points: Tensor) -> Tensor:
    """The ends (2, 2) whose map makes the hole as round as it can, but for those that are sharp:

    min var ln|s − c|  of its points, by the steps of Gauss and Newton.
    """

    def uneven(unknown: Tensor) -> Tensor:
        moved = ends + unknown[:4].reshape(2, 2) * (~is_sharp)[:, None]
        (ax, ay), (bx, by) = moved
        turn = [math.cos(bend), -math.sin(bend), math.cos(bend / 2), math.sin(bend / 2)]
        numbers = torch.cat([torch.stack([bx, by, bx - ax, by - ay]), moved.new_tensor(turn)])
        distance = (opened(points, numbers) - unknown[4:]).square().sum(1).log()
        return distance - distance.mean()

    unknown = ends.new_zeros(6)
    steps = NEAR * float((ends[1] - ends[0]).norm()) * torch.eye(6, dtype=ends.dtype)
    for _ in range(ROUNDS):
        now = uneven(unknown)
        columns = [uneven(unknown + d) - uneven(unknown - d) for d in steps]
        jacobian = torch.stack(columns, dim=1) / (2 * steps[0, 0])
        step = torch.linalg.lstsq(jacobian, -now[:, None], driver="gelsd").solution[:, 0]
        if not bool(uneven(unknown + step).square().sum() < now.square().sum()):
            break
        unknown = unknown + step
    return ends + unknown[:4].reshape(2, 2) * (~is_sharp)[:, None]


def drawn_in(points: Tensor, end: Tensor, length: float) -> Tensor:
    """The end (2,) moved into the hole by half its radius of curvature ρ; a sharp end stays.

    With the half width w within the distance t,  w² = 2 ρ t + O(t²),  from two distances.
    """
    away = points - end
    inward = away[away.norm(dim=1) < END * length].mean(0)
    inward = inward / inward.norm()
    rho = [radius(away, inward, reach * length) for reach in (END, END / 2)]
    return end + inward * max(0.0, 2 * rho[1] - rho[0]) / 2


def radius(away: Tensor, inward: Tensor, reach: float) -> float:
    """w²/(2 t) of what is within reach of an end."""
    near = away[away.norm(dim=1) < reach]
    across = near[:, 1] * inward[0] - near[:, 0] * inward[1]
    half, depth = 0.5 * float(across.max() - across.min()), float((near @ inward).max())
    return half**2 / (2 * depth) if depth > 0 else 0.0


def arc(slit: Slit) -> Tensor:
    """Points (STATIONS, 2) of the arc, dense towards its ends:  (z − a)/(z − b) = −λ e^{iδ}."""
    angles = torch.linspace(0, math.pi, STATIONS + 2, dtype=torch.float64)[1:-1]
    ratio = -torch.polar((angles / 2).tan().square(), torch.full_like(angles, slit.bend))
    return torch.view_as_real((slit.a - ratio * slit.b) / (1 - ratio))
