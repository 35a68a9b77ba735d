"""How values become colours and labels: scales, and the ranges that they follow from."""

import math
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize

from pinn.assessment.grid_section import Array

SIGNED, ONE_SIGN, LOGARITHMIC = "RdBu_r", "viridis", "magma"
# Black lines are seen on all of it.
PALE = ListedColormap(0.4 + 0.6 * colormaps["viridis"](np.linspace(0, 1, 256)), "pale viridis")
DECADES = 4  # of an error that are shown
EPSILON = float(np.finfo(np.float64).eps)
ONE_SIDED = 0.02  # a field with less than this of its range beyond zero has one sign
NARROW = 0.05  # a range smaller than this part of the values is shown relative to its lower end


@dataclass(frozen=True)
class Scale:
    """How values become colours.

    Args:
        ends: the lowest and the highest value with a colour of its own.
        colours: the map, or its name.
        kind: how values between the ends become 0 … 1.
    """

    ends: tuple[float, float]
    colours: str | Colormap
    kind: type[Normalize] = Normalize

    @property
    def norm(self) -> Normalize:
        """From values to 0 … 1."""
        return self.kind(*self.ends)


def field_scale(values: Array) -> Scale:
    """Symmetric about zero, which is white, for a field with both signs; else from end to end."""
    low, high = limits(values)
    most = max(-low, high)
    if min(-low, high) > ONE_SIDED * most:
        return Scale((-most, most), SIGNED)
    return Scale((low, high), ONE_SIGN)


def error_scale(errors: Array, size: float) -> Scale:
    """Logarithmic, four decades below the largest; no finer than the rounding of `size`."""
    most = max(extent(errors)[1], 10 * EPSILON * (size or 1.0))
    return Scale((most / 10**DECADES, most), LOGARITHMIC, LogNorm)


def extent(values: Array) -> tuple[float, float]:
    """The lowest and the highest finite value; zeros where there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def limits(values: Array) -> tuple[float, float]:
    """The range of the finite values; without 1 % at either end where those would dominate it.

    A singular corner of a pressure field would otherwise leave the rest in one colour.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, inner_low, inner_high, high = np.percentile(finite, [0, 1, 99, 100])
    if high - low > 2 * (inner_high - inner_low) > 0:
        low, high = inner_low, inner_high
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        margin = 0.5 * abs(low) or 1.0
        return float(low - margin), float(high + margin)
    return float(low), float(high)


def shift_of(values: Array) -> float:
    """What to take off values that hardly differ from each other, such as 10⁵ ± 1; else zero."""
    low, high = extent(values)
    size, span = max(abs(low), abs(high)), high - low
    if not 1e-12 * size < span < NARROW * size:
        return 0.0
    unit = 10.0 ** math.floor(math.log10(span))
    return round(low / unit) * unit


def shifted(name: str, shift: float) -> str:
    """The label of values that something was taken off:  `p − 99999`."""
    if not shift:
        return name
    return f"{name} {'−' if shift > 0 else '+'} {abs(shift):.12g}"
