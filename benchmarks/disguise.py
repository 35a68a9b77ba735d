"""The problems of the targets under other names, on domains that are moved and scaled.

    X = s x + a in space, time as it is;  ∂/∂x = s ∂/∂X

`Moved` puts a problem on the moved domain: it gives the residuals the position x and derivatives by
x, and the solver sees the domain of X. What a solver finds here it has not found by the name of the
problem, its class, or the place of its domain.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from target_rows import SCALE
from torch import Tensor

from pinn import problems
from pinn.algebra.channels import Channel
from pinn.fields.field import Field
from pinn.geometry import Box, Geometry, Interval, Rectangle
from pinn.physics.problem import Fields
from pinn.physics.references import Reference

BOXES = {1: Interval, 2: Rectangle, 3: Box}
SHIFT = (3.0, -2.0, 0.5)  # a along each axis of space


class Moved:
    """A problem on the domain X = s x + a. Name it before the class of the problem.

    Attributes:
        scale: s.
    """

    scale: ClassVar[float] = SCALE
    geometry: Geometry

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.still = self.geometry
        self.geometry = moved(self.geometry, self.scale)

    def original(self, at: Tensor) -> Tensor:
        """x = (X − a)/s of points (N, D)."""
        space = len(self.geometry.coordinates.space)
        shift = torch.tensor(SHIFT[:space], dtype=at.dtype, device=at.device)
        return torch.cat(((at[:, :space] - shift) / self.scale, at[:, space:]), dim=1)

    def placed(self, at: Field) -> Field:
        """The position x, with derivatives by x."""
        return Field(self.original(at.value), at.made, at.coordinates, at.name, at.taken)

    def by_original(self, field: Field) -> Field:
        """A field with derivatives by X as one with derivatives by x."""
        space = set(self.geometry.coordinates.space)

        def scaled(channel: Channel, stream: Tensor | None) -> Tensor | None:
            orders = sum(axis in space for axis in channel[0])
            return None if stream is None else self.scale**orders * stream

        streams = {channel: scaled(channel, stream) for channel, stream in field.streams.items()}
        return field.like(field.value, streams)

    def represent(self, raw: Fields, at: Field) -> Fields:
        """The unknowns as functions of x."""
        moved = {name: self.by_original(field).named(name) for name, field in raw.items()}
        return super().represent(moved, self.placed(at))

    def evaluate(self, residual: Any, unknowns: Fields, at: Field, *more: Any) -> Tensor:
        """The residual at x."""
        return super().evaluate(residual, unknowns, self.placed(at), *more)

    def run_quantity(self, quantity: Any, unknowns: Fields, at: Field, points: Any) -> Any:
        """The quantity at x."""
        return super().run_quantity(quantity, unknowns, self.placed(at), points)

    def importance(self, region: str, at: Tensor) -> Tensor | None:
        """That of the problem at x."""
        return super().importance(region, self.original(at))

    def reference(self) -> Reference | None:
        """That of the problem, at the moved points."""
        here, self.geometry = self.geometry, self.still
        try:
            found = super().reference()
        finally:
            self.geometry = here
        if found is None:
            return None
        space = len(self.geometry.coordinates.space)
        at = found.at.clone()
        at[:, :space] = self.scale * at[:, :space] + torch.tensor(SHIFT[:space], dtype=at.dtype)
        return Reference(at, found.values, found.judged, found.shape, found.source, found.inside)


def moved(geometry: Geometry, scale: float) -> Geometry:
    """A box, moved and scaled, with the names of its sides.

    Raises:
        ValueError: it is no box.
    """
    if not geometry.is_box:
        raise ValueError(f"{geometry!r} is no box: only boxes are moved here")
    sides = {}
    names = geometry.coordinates.names
    for axis, (name, low, high) in enumerate(
        zip(names, geometry.lower, geometry.upper, strict=True)
    ):
        in_space = axis in geometry.coordinates.space
        s, a = (scale, SHIFT[axis]) if in_space else (1.0, 0.0)
        sides["time" if name == "t" else name] = (s * low + a, s * high + a)
    box = BOXES[len(geometry.coordinates.space)](**sides)
    given = {name: parts for name, parts in geometry._unions.items() if name not in box._unions}
    return box.named(**given) if given else box


class Case01(Moved, problems.LidDrivenCavity):
    """A problem in disguise, like all that follow."""


class Case02(Moved, problems.Kovasznay):
    """In disguise."""


class Case03(Moved, problems.Poisson):
    """In disguise."""


class Case04(Moved, problems.Beltrami3D):
    """In disguise."""


class Case05(Moved, problems.TaylorGreen2D):
    """In disguise."""


class Case06(Moved, problems.NaturalConvection):
    """In disguise."""


class Case07(Moved, problems.Continuity):
    """In disguise."""


class Case08(Moved, problems.Burgers):
    """In disguise."""


class Case09(Moved, problems.AllenCahn):
    """In disguise."""


class Case10(Moved, problems.AdvectionDiffusion):
    """In disguise."""


class Case11(Moved, problems.AdvectionDiffusion2D):
    """In disguise."""


class Case12(Moved, problems.ClampedPlate):
    """In disguise."""


class Case13(Moved, problems.RandomFlow):
    """In disguise."""


# The name of a problem → its disguise. The cylinder and the step have quantities at given places.
DISGUISES = {cls.__mro__[2].__name__: cls for cls in Moved.__subclasses__()}
