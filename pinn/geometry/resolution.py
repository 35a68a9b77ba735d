"""Whether positions and measured values survive in a precision:

    spacing of its numbers at max |x|  ≤  10⁻⁶ (upper − lower)

Float32 has no numbers between 1.7e9 and 1.7e9 + 128: it cannot tell the seconds of a minute apart.
"""

import math
from functools import lru_cache

import torch

from pinn.geometry.coordinates import span
from pinn.geometry.domains import Geometry
from pinn.geometry.grids import smallest_part

PARTS = 1e-3  # of the smallest part of a boundary, such as a hole
POSITIONS = 1e-6  # of the box: less moves a point by less than any error of a solution
VALUES = 1e-3  # of the range of measured values


@lru_cache(maxsize=64)  # asked at every evaluation
def unresolved(
    geometry: Geometry, dtype: torch.dtype, lengths: tuple[tuple[str, float], ...] = ()
) -> str:
    """What a precision cannot hold of a geometry, in words; empty if it holds everything.

    Args:
        geometry: the box, with its measured points.
        dtype: the precision of the points.
        lengths: lengths along coordinates that have to be resolved too, such as periods.
    """
    for name, low, high in zip(
        geometry.coordinates.names, geometry.lower, geometry.upper, strict=True
    ):
        step, shown = spacing(low, high, dtype), f"{name} in {span(low, high)}"
        if step > POSITIONS * (high - low):
            return f"{short(dtype)} tells positions of {shown} apart by {step:.3g} at best"
        length = min((size for axis, size in lengths if axis == name), default=math.inf)
        if step > POSITIONS * length:
            return f"{short(dtype)} tells {shown} apart by {step:.3g}, with features of {length:g}"
    small = math.inf if geometry.is_box else smallest_part(geometry)
    for i in geometry.coordinates.space if small < math.inf else ():
        name, low, high = geometry.coordinates.names[i], geometry.lower[i], geometry.upper[i]
        if (step := spacing(low, high, dtype)) > PARTS * small:
            shown = f"{short(dtype)} tells {name} in {span(low, high)} apart by {step:.3g}"
            return f"{shown}, with a part of the boundary that measures {small:.3g}"
    for region in geometry.regions:
        if geometry.is_measured(region) and (lost := unresolved_points(geometry, region, dtype)):
            return lost
    return ""


def unresolved_points(geometry: Geometry, region: str, dtype: torch.dtype) -> str:
    """The same for the measured points of a region."""
    cloud = geometry.sample(region, 1)
    before, after = (len(torch.unique(t, dim=0)) for t in (cloud.at, cloud.at.to(dtype)))
    if after < before:
        return f"{before - after} of the points {region!r} coincide with others in {short(dtype)}"
    for name, column in cloud.columns.items():
        low, high = (float(end) for end in column.aminmax())
        if low < high and spacing(low, high, dtype) > VALUES * (high - low):
            step = f"{spacing(low, high, dtype):.3g}"
            return f"{short(dtype)} tells {name!r} in {span(low, high)} apart by {step} at best"
    return ""


def spacing(low: float, high: float, dtype: torch.dtype) -> float:
    """The distance of neighbouring numbers at the larger end of an interval."""
    return torch.finfo(dtype).eps * 2.0 ** math.floor(math.log2(max(abs(low), abs(high), 1e-300)))


def short(dtype: torch.dtype) -> str:
    """`float32`."""
    return str(dtype).removeprefix("torch.")
