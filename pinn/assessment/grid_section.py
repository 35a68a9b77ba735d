"""Sections: the part of a grid that a figure shows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pinn.assessment.outline import Array, Outline
from pinn.base.messages import check_name
from pinn.geometry import Coordinates, Geometry

Values = Mapping[str, Tensor]
Names = Coordinates | tuple[str, ...]
FEW = 4  # further axes that a note names
PARTS = (0.0, 0.5, 1.0)  # where a series cuts time or a parameter
INSIDE = (0.25, 0.5, 0.75)  # and a direction in space: fields are often zero on walls
SLENDER = 8.0  # times as long as high: not drawn to scale


@dataclass(frozen=True)
class Section:
    """The part of a grid that is drawn: the first two axes, or the only one.

    Further axes are cut where most is to be seen: time at its end, parameters and space in the
    middle, because fields are often zero on walls.
    """

    names: tuple[str, ...]
    axes: tuple[Array, ...]
    shape: tuple[int, ...]
    cut: tuple[int, ...]
    note: str
    beside: tuple[str, ...] = ()  # which of the names are time or a parameter
    outline: Outline | None = None

    @staticmethod
    def of(
        at: Tensor, given: Names, part: float | None = None, geometry: Geometry | None = None
    ) -> "Section":
        """The section of a tensor-product grid (N, D) in row-major order.

        Args:
            at: the points.
            given: the coordinates, or their names where none is a parameter.
            part: where to cut the axis of a series, from 0 to 1.
            geometry: the domain; without, all of the grid counts.

        Raises:
            ValueError: the points are no such grid.
        """
        coordinates = given if isinstance(given, Coordinates) else Coordinates(given)
        names = coordinates.names
        columns = [column.unique() for column in at.unbind(-1)]
        axes = tuple(column.double().numpy(force=True) for column in columns)
        shape = tuple(len(axis) for axis in axes)
        if not torch.equal(torch.cartesian_prod(*columns).reshape(-1, len(shape)), at):
            raise ValueError(
                f"{len(at)} points with {shape} distinct coordinates are not a tensor-product "
                "grid in row-major order: draw on geometry.grid or on a reference's points"
            )
        if len(names) != len(shape):
            raise ValueError(f"points have {len(shape)} coordinates, names are given for {names}")
        further = range(2, len(shape))
        cut = [shape[i] - 1 if names[i] == "t" else shape[i] // 2 for i in further]
        if part is not None and cut:
            axis = series_axis(coordinates)
            cut[axis - 2] = round(part * (shape[axis] - 1))
        notes = [f"{names[i]} = {place(axes[i], k):.4g}" for i, k in zip(further, cut, strict=True)]
        more = [f"{len(notes) - FEW} more"] if len(notes) > FEW else []
        note = ", ".join([*notes[:FEW], *more])
        beside = tuple(names[i] for i in coordinates.beside_space if i < 2)
        known = None
        if geometry is not None:
            stands = [float(axes[i][k]) for i, k in zip(further, cut, strict=True)]
            known = Outline.of(geometry, axes[:2], stands)
        return Section(names[:2], axes[:2], shape, tuple(cut), note, beside, known)

    @staticmethod
    def series(at: Tensor, given: Names, geometry: Geometry | None = None) -> "list[Section]":
        """Three sections of a grid with more than two coordinates, else the only one.

        With a parameter they are at its least, middle and largest value; without, with time, they
        are its beginning, middle and end; else they cut the last direction at its quarters.
        """
        whole = Section.of(at, given, None, geometry)
        coordinates = given if isinstance(given, Coordinates) else Coordinates(given)
        axis = series_axis(coordinates)
        if axis < 2 or whole.shape[axis] < 3:
            return [whole]
        parts = PARTS if axis in coordinates.beside_space else INSIDE
        return [Section.of(at, given, part, geometry) for part in parts]

    def take(self, values: Tensor) -> Array:
        """The values (N,) on the section: (n₀,), or (n₁, n₀) with the second axis upwards."""
        index = 0  # of the further axes as one: an array has at most 64
        for size, position in zip(self.shape[2:], self.cut, strict=True):
            index = index * size + position
        return values.double().numpy(force=True).reshape(*self.shape[:2], -1)[..., index].T

    @property
    def limits(self) -> tuple[tuple[float, float], ...]:
        """The ends of each axis, with room for the boundary of a shape."""
        axes = self.axes if self.outline is None else self.outline.axes
        return tuple((float(axis[0]), float(axis[-1])) for axis in axes)

    @property
    def proportion(self) -> float | None:
        """Width to height where both axes are space and not much longer than each other."""
        if len(self.names) < 2 or self.beside:
            return None
        width, height = (float(np.ptp(axis)) for axis in self.axes)
        if not height or not 1 / SLENDER <= width / height <= SLENDER:
            return None
        return width / height

    @property
    def long(self) -> bool:
        """Whether the domain is long and flat, such as a channel: panels are then stacked."""
        return (self.proportion or 1.0) > 2


def series_axis(coordinates: Coordinates) -> int:
    """The axis that a series of sections cuts: the first parameter that is not drawn, else the
    last axis.
    """
    space, last = len(coordinates.space), len(coordinates) - 1
    behind = range(max(space, 2), space + len(coordinates.parameters))
    return next(iter(behind), last)


def place(axis: Array, index: int) -> float:
    """A position along an axis; zero where it is zero but for rounding."""
    at = float(axis[index])
    return 0.0 if abs(at) < 1e-12 * float(np.ptp(axis)) else at


def component_of(values: Values, name: str, points: int) -> Tensor:
    """One component (N,) in float64 on the CPU."""
    check_name(name, values, f"no component {name!r} to draw")
    value = values[name].detach().to("cpu", torch.float64)
    if value.shape != (points,):
        raise ValueError(f"{name!r} has shape {tuple(value.shape)}: expected ({points},) to draw")
    return value
