"""References: the solution that a trained one is judged against."""

import math
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import torch
from torch import Tensor

from pinn.geometry import Geometry

PER_AXIS = {1: 101, 2: 101, 3: 31, 4: 15}
SCATTERED, INSTANTS = 8192, 16  # points in more coordinates, and the instants they share
CAVITY_REYNOLDS = (100, 400, 1000)
CORNER = 0.05


@dataclass(frozen=True, eq=False)
class Reference:
    """Known values of the components on a tensor-product grid, or at scattered points.

    Args:
        at: points (N, D), float64; on a grid in row-major order: axis 0 is the slowest.
        values: component name → (N,), float64.
        judged: the points (N,) that count in the headline error.
        shape: points per axis, their product is N; (N,) for scattered points.
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

    @property
    def is_grid(self) -> bool:
        """Whether the points are a tensor-product grid, which can be drawn."""
        return len(self.shape) == self.at.shape[-1]


def comparison_points(geometry: Geometry) -> tuple[Tensor, tuple[int, ...]]:
    """Where an exact solution is compared by default: points (N, D), and the shape of a Reference.

    A grid has 101 points per axis for one or two coordinates, 31 for three, 15 for four. For more
    coordinates it would have 15ᴰ points; 8,192 quasi-random ones (Sobol) take its place, with time
    512 in space at each of 16 instants.
    """
    on_grid = len(geometry.coordinates) in PER_AXIS
    return regular_grid(geometry) if on_grid else scattered(geometry)


def regular_grid(geometry: Geometry) -> tuple[Tensor, tuple[int, ...]]:
    """The grid that solutions are compared and drawn on: points (N, D), and points per axis.

    For five and more coordinates a section: the first two vary, time is at its end and all others
    in the middle.
    """
    dimensions = len(geometry.coordinates)
    if dimensions in PER_AXIS:
        per_axis = PER_AXIS[dimensions]
        return geometry.grid(per_axis), (per_axis,) * dimensions
    axes: list[Tensor] = []
    for name, low, high in zip(
        geometry.coordinates.names, geometry.lower, geometry.upper, strict=True
    ):
        fixed = high if name == "t" else 0.5 * (low + high)
        drawn = torch.linspace(low, high, PER_AXIS[2], dtype=torch.float64)
        axes.append(drawn if len(axes) < 2 else torch.tensor([fixed], dtype=torch.float64))
    at = torch.cartesian_prod(*axes)
    return at, (PER_AXIS[2], PER_AXIS[2], *[1] * (dimensions - 2))


def scattered(geometry: Geometry) -> tuple[Tensor, tuple[int, ...]]:
    """Quasi-random points (N, D), always the same; with time the same in space at each instant.

    Returns:
        The points, and (N,), or with time (points in space, instants).
    """
    time = geometry.coordinates.time
    at = geometry.sample("interior", SCATTERED if time is None else SCATTERED // INSTANTS).at
    if time is None:
        return at, (len(at),)
    instants = torch.linspace(
        geometry.lower[time], geometry.upper[time], INSTANTS, dtype=torch.float64
    )
    shape = len(at), INSTANTS
    at = at.repeat_interleave(INSTANTS, dim=0)
    at[:, time] = instants.repeat(shape[0])
    return at, shape


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
