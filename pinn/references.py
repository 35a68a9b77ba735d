"""References: the solution that a trained one is judged against."""

import math
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pinn.fields import Field, coordinate_field
from pinn.geometry import Geometry
from pinn.geometry.coordinates import near_miss

if TYPE_CHECKING:
    from pinn.problem import Problem

PER_AXIS = {1: 101, 2: 101, 3: 31, 4: 15}
CAVITY_REYNOLDS = (100, 400, 1000)
CORNER = 0.05


@dataclass(frozen=True, eq=False)
class Reference:
    """Known values of the components on a tensor-product grid.

    Args:
        at: points (N, D), float64, in row-major order: axis 0 is the slowest.
        values: component name → (N,), float64.
        judged: the points (N,) that count in the headline error.
        shape: points per axis; their product is N.
        source: one line for people: where the values come from.

    Raises:
        ValueError: the sizes disagree, or a value at a judged point is not finite.
    """

    at: Tensor
    values: dict[str, Tensor]
    judged: Tensor
    shape: tuple[int, ...]
    source: str

    def __post_init__(self) -> None:
        n = math.prod(self.shape)
        if self.at.shape != (n, len(self.shape)) or self.judged.shape != (n,):
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


def exact_reference(problem: "Problem") -> Reference | None:
    """The problem's exact solution on a regular grid, all of it judged.

    The grid has 101 points per axis for one or two coordinates, 31 for three, 15 for four.

    Returns:
        None where the problem has no exact solution.

    Raises:
        ValueError: `exact` gives a name that is no unknown, or values of the wrong shape.
    """
    at, shape = regular_grid(problem.geometry)
    with torch.no_grad():
        fields = problem.exact(coordinate_field(at, problem.geometry.coordinates))
    if fields is None:
        return None
    values: dict[str, Tensor] = {}
    for unknown, field in fields.items():
        values |= split(problem, unknown, field, len(at))
    judged = torch.ones(len(at), dtype=torch.bool)
    return Reference(at, values, judged, shape, f"exact solution of {type(problem).__name__}")


def split(problem: "Problem", unknown: str, field: Field, n: int) -> dict[str, Tensor]:
    """An unknown's values (N,) or (N, C) as components (N,)."""
    name = f"{type(problem).__name__}.exact"
    if unknown not in problem.unknowns:
        hint = near_miss(unknown, problem.unknowns)
        raise ValueError(f"{name} returned {unknown!r}, which is no unknown: {hint}")
    components, value = problem.components(unknown), field.value
    expected = (n,) if problem.is_scalar(unknown) else (n, len(components))
    if value.shape != expected:
        raise ValueError(
            f"{name} returned {unknown!r} of shape {tuple(value.shape)} for {n} points: "
            f"expected {expected}"
        )
    return dict(zip(components, value.reshape(n, -1).unbind(-1), strict=True))


def regular_grid(geometry: Geometry) -> tuple[Tensor, tuple[int, ...]]:
    """The grid that solutions are compared and drawn on: points (N, D), and points per axis."""
    dimensions = len(geometry.coordinates)
    per_axis = PER_AXIS.get(dimensions, PER_AXIS[4])
    return geometry.grid(per_axis), (per_axis,) * dimensions


def cavity_reference(reynolds: float) -> Reference | None:
    """The lid-driven cavity on [0, 1]², computed once by a spectral method and shipped.

    The four corners, boxes of side 0.05, are not judged: at the lid's ends the velocity jumps and
    the pressure is singular (no value there), and all error would come from there.

    Args:
        reynolds: Re = U L / ν.

    Returns:
        u, v, p on 101 × 101 points for Re = 100, 400 and 1000, otherwise None. The pressure is
        fixed only up to a constant.
    """
    if reynolds not in CAVITY_REYNOLDS:
        return None
    path = files("pinn") / "reference" / f"cavity_re{int(reynolds)}.npz"
    with path.open("rb") as file, np.load(file) as data:
        # [i_x, j_y] flattens to the order of the points: x, axis 0, is the slowest.
        values = {name: torch.from_numpy(data[name]).double().flatten() for name in ("u", "v", "p")}
        x, y = (torch.from_numpy(data[axis]).double() for axis in ("x", "y"))
    at = torch.stack(torch.meshgrid(x, y, indexing="ij"), dim=-1).reshape(-1, 2)
    # A point on the edge of a box belongs to it, whatever the rounding of 1 − 0.95.
    near_end = torch.minimum(at, 1 - at) <= CORNER + 1e-9
    source = f"spectral solution of the lid-driven cavity at Re = {int(reynolds)}"
    return Reference(at, values, ~near_end.all(dim=-1), (len(x), len(y)), source)
