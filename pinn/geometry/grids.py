"""Points that represent a whole domain; their number does not grow with its dimension."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pinn.geometry.block import BoxPart
from pinn.geometry.coordinates import Coordinates
from pinn.geometry.domains import Geometry
from pinn.geometry.region import Region


def averaging_points(geometry: Geometry, axes: Sequence[int]) -> Tensor:
    """Points (N, len(axes)): the mean over them is the mean over these axes of the domain.

    Up to three axes have 32 midpoints each. More axes would need 32ᴰ points, and have 16,384
    quasi-random points (Sobol) instead.
    """
    part = Coordinates(tuple(f"x{axis}" for axis in axes))
    box = Geometry(part, [geometry.lower[i] for i in axes], [geometry.upper[i] for i in axes])
    return box.midpoints(32) if len(axes) <= 3 else box.sample("interior", 2**14).at


def averaging_rule(geometry: Geometry, axes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Fewer points (N, len(axes)), for a mean at many instants, and weights (N,) of mean 1.

    Gauss points, 24 per axis for one or two axes and 12 for three; for more, 4,096 Sobol points.
    """
    lower, upper = ([ends[i] for i in axes] for ends in (geometry.lower, geometry.upper))
    part = Region(BoxPart(lower, upper, {}))
    if len(axes) > 3:
        points = part.sample(2**12, "sobol", 0)
    else:
        points = part.sample((12 if len(axes) == 3 else 24) ** len(axes), "gauss", 0)
    weights = points.weights
    return points.at, torch.ones(len(points), dtype=torch.float64) if weights is None else weights
