"""Polar coordinates about holes and corners, as features beside the coordinates of the box."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from pinn.geometry import Geometry
from pinn.networks.embeddings import Embedding
from pinn.networks.slit import Slit, opened, slit_of

POINTS = 512  # of a boundary, for the centre and the radius of a hole
CLOSED = 1e-2  # |∮ n ds| of a closed line or surface, by its length or area


class Place(NamedTuple):
    """What has polar coordinates.

    Args:
        centre: c (d,).
        radius: the least r.
        core: a.
        slit: of a long hole; c and r are then those of its image s.
    """

    centre: Tensor
    radius: float
    core: float
    slit: Slit | None = None


class Polar(Embedding):
    """Coordinates of the domain and, about each hole or corner, polar ones:

        (x − m)/h,     ln(r/r₀),   (x − c)/r,     r² = |x − c|² + a².

    Symbols: m is the middle of the domain, h half of its shortest side. A hole has its centre c and
    a = 0; a corner has its position c and a core a, within which the features are smooth. r₀ is the
    geometric mean of the least and the largest r. Time and parameters are scaled to [-1, 1].

    A long hole in the plane, of 4 times its width, has the polar coordinates of its image s in
    place of x, by the map that opens a slit within the hole to a circle (see `slit`). The slit is
    straight or bent, and its ends make the image as round as it can be; a sharp end is one itself.

    Random units of `MLP(spread=…)` bend over h/spread in all of a long channel, and over a factor
    e^(1/spread) of r: they are narrow only where a body is small and near.

    Args:
        about: the holes, each by the name of its boundary, and the corners, each by its position:
            `["cylinder", [0.0, 1.0]]`. By default every hole with a name.
        core: a of the corners, in units of h.

    Raises:
        ValueError: the core is not positive, or `about` is empty; when built, a name is not that of
            one hole, a position has another number of coordinates, or there is no hole with a name.
    """

    middle: Tensor
    inverse_halves: Tensor
    ones: Tensor
    centres: Tensor
    squares: Tensor
    shifts: Tensor

    def __init__(self, about: list[str | list[float]] | None = None, core: float = 0.1) -> None:
        super().__init__()
        if not 0 < core < math.inf:
            raise ValueError(f"Polar needs a positive core, got {core}")
        if about is not None and not about:
            raise ValueError("Polar needs a hole or a corner: about is an empty list")
        self.about, self.core = about, core
        self.space = self.count = 0

    def build(self, geometry: Geometry) -> int:
        """Finds the centres; one feature per coordinate, and d + 1 about each centre."""
        self.space = len(geometry.coordinates.space)
        lower = torch.tensor(geometry.lower, dtype=torch.float64)
        upper = torch.tensor(geometry.upper, dtype=torch.float64)
        halves = 0.5 * (upper - lower)
        shortest = float(halves[: self.space].min())
        scale = halves.clone()
        scale[: self.space] = shortest
        places = self._places(geometry, self.core * shortest)
        centres = torch.stack([place.centre for place in places])
        least = torch.tensor([place.radius for place in places], dtype=torch.float64)
        cores = torch.tensor([place.core for place in places], dtype=torch.float64)
        away = torch.maximum(centres - lower[: self.space], upper[: self.space] - centres)
        largest = (away.square().sum(1) + cores.square()).sqrt()
        slits = [place.slit for place in places]
        if any(slits):
            # Far from a slit s is 4 (z − m)/(b − a), so that a quarter of its length is the unit.
            units = [abs(slit.b - slit.a) / 4 if slit else 1.0 for slit in slits]
            largest = largest / torch.tensor(units, dtype=torch.float64)
        for i, slit in enumerate(slits):
            if slit:
                self.constant(f"slit_{i}", torch.tensor(slit.numbers(), dtype=torch.float64))
        self.constant("middle", 0.5 * (lower + upper))
        self.constant("inverse_halves", 1 / scale)
        self.count = len(places)
        self.constant("ones", torch.ones(1, self.space, dtype=torch.float64))
        self.constant("centres", centres)
        self.constant("squares", cores.square())
        self.constant("shifts", 0.5 * (least * largest).log())
        spans = 0.5 * (largest / least).log()
        polar = [e for span in spans.tolist() for e in (span, *[1.0] * self.space)]
        self.extents = (*(halves / scale).tolist(), *polar)
        return len(self.extents)

    def forward(self, x: Tensor) -> Tensor:
        """The features (..., F) of points (..., D): of the domain, then of each centre."""
        space = x[..., : self.space]
        features = [(x - self.middle) * self.inverse_halves]
        for i in range(self.count):
            slit = getattr(self, f"slit_{i}", None)
            place = space if slit is None else opened(space, slit)
            from_centre = place - self.centres[i]
            square = linear(from_centre * from_centre, self.ones) + self.squares[i]
            features.append(0.5 * torch.log(square) - self.shifts[i])
            features.append(from_centre * torch.rsqrt(square))
        return torch.cat(features, dim=-1)

    def _places(self, geometry: Geometry, core: float) -> list[Place]:
        """What has polar coordinates.

        Raises:
            ValueError: a name is no single hole, a position does not suit, or nothing is found.
        """
        if self.about is None:
            found = [hole(geometry, name) for name in geometry.shape.parts if name]
            places = [place for place in found if place is not None]
            if not places:
                raise ValueError(
                    f"Polar finds no hole with a name in {geometry!r}: give its boundary a name, "
                    "or give positions, such as about: [[0.0, 0.0]]"
                )
            return places
        places = []
        for each in self.about:
            if isinstance(each, str):
                place = hole(geometry, each)
                if place is None:
                    raise ValueError(f"Polar: {each!r} is not the boundary of one hole")
            else:
                if len(each) != self.space or not all(map(math.isfinite, each)):
                    raise ValueError(f"Polar: {each} has to be {self.space} numbers, a position")
                place = Place(torch.tensor(each, dtype=torch.float64), core, core)
            places.append(place)
        return places


def hole(geometry: Geometry, name: str) -> Place | None:
    """The hole that a part of the boundary surrounds: the mean of its points, outside the domain.

    The normal points out of the domain, so towards the centre:  ∮n ds = 0,  ∮n·(x − c) ds < 0.

    Raises:
        ValueError: the geometry has no region of this name.
    """
    points = geometry.sample(name, POINTS, "gauss")
    if points.normal is None:
        return None
    at = geometry.in_space(points.at)
    weight = torch.ones(len(at), dtype=at.dtype) if points.weights is None else points.weights
    weight = (weight / weight.sum())[:, None]
    centre = (weight * at).sum(0)
    is_closed = bool((weight * points.normal).sum(0).norm() < CLOSED)
    flux = (weight * points.normal * (at - centre)).sum()
    if not is_closed or flux >= 0 or bool(geometry.shape.contains(centre[None])):
        return None
    slit = slit_of(geometry, name, at) if at.shape[1] == 2 else None
    if slit:
        at = opened(at, torch.tensor(slit.numbers(), dtype=at.dtype))
        centre = 0.5 * (at.amax(0) + at.amin(0))
    return Place(centre, float((at - centre).norm(dim=1).min()), 0.0, slit)
