"""References: the solution that a trained one is judged against."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from pinn.base.paths import located
from pinn.geometry import Geometry
from pinn.geometry.columns import Names, pick
from pinn.geometry.grids import spacings
from pinn.geometry.measurements import caller
from pinn.geometry.tables import table_of

PER_AXIS = {1: 101, 2: 101, 3: 31, 4: 15}
SLACK = 1e-6  # of a side: printed and single-precision positions may miss a wall
SCATTERED, INSTANTS = 8192, 16  # points in more coordinates, and the instants they share


@dataclass(frozen=True, eq=False)
class Reference:
    """Known values of the components on a tensor-product grid, or at scattered points.

    Args:
        at: points (N, D), float64; on a grid in row-major order: axis 0 is the slowest.
        values: component name → (N,), float64.
        judged: the points (N,) that count in the headline error.
        shape: points per axis, their product is N; (N,) for scattered points.
        source: one line for people: where the values come from.
        inside: the points (N,) of the domain; None if all are. The others have no value.

    Raises:
        ValueError: the sizes disagree, or a value at a judged point is not finite.
    """

    at: Tensor
    values: dict[str, Tensor]
    judged: Tensor
    shape: tuple[int, ...]
    source: str
    inside: Tensor | None = None

    def __post_init__(self) -> None:
        n = math.prod(self.shape)
        flat = self.at.ndim == 2 and len(self.shape) <= self.at.shape[-1]
        if not flat or len(self.at) != n or self.judged.shape != (n,):
            raise ValueError(
                f"a reference of shape {self.shape} needs points ({n}, {len(self.shape)}) and "
                f"judged ({n},), got {tuple(self.at.shape)} and {tuple(self.judged.shape)}"
            )
        for name, value in self.values.items():
            if value.shape != (n,):
                raise ValueError(
                    f"reference of {name!r} has shape {tuple(value.shape)}: it must be ({n},), "
                    "one value per point"
                )
            bad = self.judged & ~value.isfinite()
            if bad.any():
                where = tuple(round(x, 6) for x in self.at[bad][0].tolist())
                raise ValueError(
                    f"reference of {name!r} is {value[bad][0].item()} at {where}: correct it, or "
                    "leave that point out of `judged`"
                )

    @classmethod
    def from_file(
        cls,
        table: Any,
        coordinates: Sequence[str],
        columns: Names | None = None,
        source: str = "",
        missing: str = "refuse",
    ) -> Self:
        """The values in a table, at scattered points or on a grid.

            Reference.from_file("fem.csv", ("x", "y"), columns={"u": "U:0", "v": "U:1"})

        Where the points are those of a grid, in any order, they are put in the order of one, and
        figures show them.

        Args:
            table: a file (CSV or other text with a header, npz, npy), or what `with_points` takes
                in its place. A relative path is looked for as there.
            coordinates: the names of the columns that are positions.
            columns: our name → that of the table, or the names of the columns to take; by default
                all columns, which must be components then.
            source: one line for people; by default the name of the file.
            missing: whether a point without a value is refused, or dropped (`drop`).

        Raises:
            ValueError: the table cannot be read; the line says where.
        """
        is_file = isinstance(table, str | Path)
        file = located(table, caller(), "reference") if is_file else None
        title = str(table) if is_file else "the reference"
        names = tuple(coordinates)
        picked = pick(table_of(table, title, file), names, columns, missing=missing)
        at = np.stack([picked.values[name] for name in names], axis=-1)
        order, shape = grid_order(at)
        values = {n: torch.from_numpy(v[order]) for n, v in picked.values.items() if n not in names}
        judged = torch.ones(len(at), dtype=torch.bool)
        return cls(torch.from_numpy(at[order]), values, judged, shape, source or title)

    @property
    def is_grid(self) -> bool:
        """Whether the points are a tensor-product grid, which can be drawn."""
        return len(self.shape) == self.at.shape[-1]

    @property
    def known(self) -> Tensor:
        """The points (N,) of the domain."""
        return torch.ones_like(self.judged) if self.inside is None else self.inside

    @staticmethod
    def known_at(
        at: Tensor,
        values: Mapping[str, Tensor],
        shape: tuple[int, ...],
        source: str,
        inside: Tensor | None = None,
    ) -> "Reference":
        """Values at all points (N, D), or at those of a mask: these are judged."""
        if len(shape) < at.shape[-1]:
            source += f" at {len(at)} quasi-random points"
        if inside is None:
            return Reference(at, dict(values), torch.ones(len(at), dtype=torch.bool), shape, source)
        whole = {name: spread_over(inside, value) for name, value in values.items()}
        return Reference(at, whole, inside, shape, source, inside)

    def within(self, geometry: Geometry) -> "Reference":
        """Without what lies outside of a shape, where a grid has points and the solution none.

        Raises:
            ValueError: no point is left that is judged.
        """
        if geometry.is_box or self.inside is not None:
            return self
        inside = inside_of(geometry, self.at)
        judged = self.judged & inside
        if not bool(judged.any()):
            raise ValueError(f"of the reference's {len(self.at)} points none lies in {geometry!r}")
        values = {name: torch.where(inside, v, torch.nan) for name, v in self.values.items()}
        return replace(self, values=values, judged=judged, inside=inside)


def grid_order(at: Any) -> tuple[Any, tuple[int, ...]]:
    """Points (N, D) in row-major order, and the shape, where they are a tensor-product grid.

    Returns:
        The order and the points per axis; for scattered points their own order, and (N,). An axis
        with one value makes no grid, since it cannot be drawn.
    """
    axes = [np.unique(column) for column in at.T]
    shape = tuple(map(len, axes))
    distinct = len(np.unique(at, axis=0)) == len(at)
    if math.prod(shape) == len(at) and distinct and min(shape) > 1:
        return np.lexsort(at.T[::-1]), shape
    return np.arange(len(at)), (len(at),)


def comparison_points(geometry: Geometry) -> tuple[Tensor, tuple[int, ...]]:
    """Where an exact solution is compared by default: points (N, D), and the shape of a Reference.

    A grid has 101 points per axis for one or two coordinates, 31 for three, 15 for four. For more
    coordinates it would have 15ᴰ points; 8,192 quasi-random ones (Sobol) take its place, with time
    or parameters 512 in space at each of 16 values of these. On a shape that is no box, the grid is
    as fine as its parts ask for, and its points inside count.
    """
    on_grid = len(geometry.coordinates) in PER_AXIS
    return regular_grid(geometry) if on_grid else scattered(geometry)


def regular_grid(geometry: Geometry) -> tuple[Tensor, tuple[int, ...]]:
    """The grid that solutions are compared and drawn on: points (N, D), and points per axis.

    For five and more coordinates a section: the first two vary, time is at its end and all others
    in the middle.
    """
    dimensions = len(geometry.coordinates)
    if dimensions in PER_AXIS and not geometry.is_box:
        return geometry.grid(counts := spacings(geometry)), tuple(counts)
    if dimensions in PER_AXIS:
        per_axis = PER_AXIS[dimensions]
        return geometry.grid(per_axis), (per_axis,) * dimensions
    axes: list[Tensor] = []
    names = geometry.coordinates.names
    for name, low, high in zip(names, geometry.lower, geometry.upper, strict=True):
        at = high if name == "t" else 0.5 * (low + high)
        ends = (low, high, PER_AXIS[2]) if len(axes) < 2 else (at, at, 1)
        axes.append(torch.linspace(*ends, dtype=torch.float64))
    return torch.cartesian_prod(*axes), tuple(map(len, axes))


def scattered(geometry: Geometry) -> tuple[Tensor, tuple[int, ...]]:
    """Quasi-random points (N, D), always the same; with time or parameters the same in space at
    each of 16 instants, quasi-random ones where there are parameters.

    Returns:
        The points, and (N,), or (points in space, instants).
    """
    beside = geometry.coordinates.beside_space
    at = geometry.sample("interior", SCATTERED // INSTANTS if beside else SCATTERED).at
    if not beside:
        return at, (len(at),)
    shape, first, last = (len(at), INSTANTS), beside[0], beside[-1]
    at = at.repeat_interleave(INSTANTS, dim=0)
    if geometry.coordinates.parameters:
        instants = geometry.sample("interior", INSTANTS).at[:, first : last + 1]
    else:
        ends = geometry.lower[first], geometry.upper[first]
        instants = torch.linspace(*ends, INSTANTS, dtype=torch.float64)[:, None]
    at[:, first : last + 1] = instants.repeat(shape[0], 1)
    return at, shape


def inside_of(geometry: Geometry, at: Tensor) -> Tensor:
    """Which of the points (N, D) have a value: those of the domain, walls to rounding included."""
    return geometry.contains(at, slack=SLACK)


def spread_over(inside: Tensor, values: Tensor) -> Tensor:
    """Values (M, …) of the points of a mask (N,) with M true, as (N, …); NaN elsewhere."""
    whole = values.new_full((len(inside), *values.shape[1:]), torch.nan)
    whole[inside.to(whole.device)] = values
    return whole
