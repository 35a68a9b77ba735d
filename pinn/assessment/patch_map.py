"""A map of patches: their boxes over the domain, coloured by a number of each."""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pinn.assessment.canvas import TEXT, canvas, entitled, legible
from pinn.assessment.grid_section import Array
from pinn.geometry import Coordinates

HEIGHT = 5.0  # inches
LEAST = 1e-16  # below, numbers are rounding


def patch_map(
    lower: Array, upper: Array, values: Array, coordinates: Coordinates, title: str, label: str
) -> Figure:
    """The boxes of patches on the first two coordinates, in the middle of space and last in time.

    Args:
        lower: (n, D).
        upper: (n, D).
        values: (n,) positive numbers, shown on a logarithmic scale.
        coordinates: the names of the axes.
        title: above.
        label: of the colours.
    """
    names, note = coordinates.names, list[str]()
    low, high = lower.min(0), upper.max(0)
    shown = np.ones(len(values), dtype=bool)
    for axis in range(2, len(names)):
        at = high[axis] if axis == coordinates.time else (low[axis] + high[axis]) / 2
        inside = (lower[:, axis] <= at) & (at < upper[:, axis])
        shown &= inside | ((at == high[axis]) & (upper[:, axis] == at))
        note.append(f"{names[axis]} = {at:.4g}")
    if len(names) == 1:  # a strip
        lower, upper = np.c_[lower, 0 * lower], np.c_[upper, 0 * upper + 1]
        low, high = lower.min(0), upper.max(0)
    space = len(names) > 1 and coordinates.time not in (0, 1)
    figure = canvas(HEIGHT, entitled(title, ", ".join(note)), equal=space)
    ax = figure.subplots()
    boxes = [
        Rectangle((a[0], a[1]), b[0] - a[0], b[1] - a[1])
        for a, b in zip(lower[shown], upper[shown], strict=True)
    ]
    sizes = np.maximum(values[shown], LEAST)
    norm = LogNorm(min(sizes.min(), sizes.max() / 10), sizes.max())
    drawn = PatchCollection(boxes, cmap="viridis", norm=norm, edgecolors="white", linewidths=0.6)
    drawn.set_array(sizes)
    ax.add_collection(drawn)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel=names[0])
    ax.set_aspect("equal" if space else "auto")
    legible(ax)
    ax.set_ylabel("".join(names[1:2]), fontsize=TEXT)
    if len(names) == 1:
        ax.set_yticks([])
    bar = figure.colorbar(ScalarMappable(norm, "viridis"), ax=ax)
    bar.set_label(label, size=TEXT)
    bar.ax.tick_params(labelsize=TEXT)
    return figure
