"""Points that stand for a whole domain, of a number that does not grow with its dimension."""

from collections.abc import Sequence

from torch import Tensor

from pinn.geometry.coordinates import Coordinates
from pinn.geometry.domains import Geometry


def averaging_points(geometry: Geometry, axes: Sequence[int]) -> Tensor:
    """Points (N, len(axes)), the mean over which is that over these axes of the domain.

    There are 32 midpoints per axis up to three axes; more axes would have 32ᴰ of them, and 16,384
    quasi-random points (Sobol) take their place.
    """
    part = Coordinates(tuple(f"x{axis}" for axis in axes))
    box = Geometry(part, [geometry.lower[i] for i in axes], [geometry.upper[i] for i in axes])
    return box.midpoints(32) if len(axes) <= 3 else box.sample("interior", 2**14).at
