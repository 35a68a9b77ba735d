"""Streamlines of a velocity in the plane."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from pinn.assessment.canvas import entitled, field_maps, frame, grid_of_maps
from pinn.assessment.grid_section import Array, Names, Section, Values, component_of
from pinn.assessment.scales import PALE, Scale, field_scale, shift_of
from pinn.geometry import Geometry
from pinn.physics.references import Reference


def streamlines(
    at: Tensor,
    predicted: Values,
    coordinates: Names,
    components: tuple[str, ...] = ("u", "v"),
    reference: Reference | None = None,
    heading: str = "",
    geometry: Geometry | None = None,
) -> Figure:
    """Streamlines over the speed √(u² + v²); the prediction beside the reference if there is one.

    Args:
        at: the points (N, D) of a grid: the reference's, if one is given.
        predicted: component name → (N,) at the points.
        coordinates: the problem's, or names such as ("x", "y"); the first two are drawn.
        components: the two of the velocity.
        reference: what to compare with.
        heading: a second line of the title.
        geometry: the domain; nothing is drawn outside of it.

    Raises:
        ValueError: a component is unknown, or has not one value per point.
    """
    section = Section.of(at, coordinates, None, geometry)
    known = {} if reference is None else {"reference": reference.values}
    given = {"prediction": predicted, **known}
    velocities = [
        [section.take(component_of(values, name, len(at))) for name in components]
        for values in given.values()
    ]
    speeds = [np.hypot(*velocity) for velocity in velocities]
    scale = Scale(field_scale(np.append(speeds[-1], 0.0)).ends, PALE)
    source = "" if reference is None else reference.source
    note = f"shown at {section.note}" if section.note else ""
    title = entitled("streamlines and speed", heading, note)
    rows, columns = (len(given), 1) if section.long else (1, len(given))
    figure, grid = grid_of_maps(section, rows, columns, 1, title, source)
    panels = [
        (ax, section, speed, name) for ax, speed, name in zip(grid.flat, speeds, given, strict=True)
    ]
    field_maps(figure, panels, scale, f"|({', '.join(components)})|", lines=False)
    for ax, velocity in zip(grid.flat, velocities, strict=True):
        stream(ax, section, velocity)
    return figure


def stream(ax: Axes, section: Section, velocity: list[Array]) -> None:
    """Streamlines of a velocity on any grid; matplotlib wants an even one."""
    if not all(np.isfinite(part).any() for part in velocity):
        return
    (x, y), _ = frame(section)
    even = np.linspace(x[0], x[-1], len(x)), np.linspace(y[0], y[-1], len(y))
    u, v = (np.ma.masked_invalid(resampled(part, (x, y), even)) for part in velocity)
    ax.streamplot(*even, u, v, density=0.9, color="black", linewidth=1.1, arrowsize=1.0)
    # The arrows have widened the axes.
    ends = [(axis[0], axis[-1]) for axis in (x, y)]
    if section.outline is not None:
        ends = [
            (low - shift_of(axis), high - shift_of(axis))
            for (low, high), axis in zip(section.limits, section.axes, strict=True)
        ]
    ax.set(xlim=ends[0], ylim=ends[1])


def resampled(values: Array, at: tuple[Array, Array], to: tuple[Array, Array]) -> Array:
    """Values (n_y, n_x) on a grid, interpolated along one axis after the other to another grid."""
    if all(np.allclose(a, b, rtol=0, atol=1e-9 * np.ptp(b)) for a, b in zip(at, to, strict=True)):
        return values
    along_x = np.stack([np.interp(to[0], at[0], row) for row in values])
    return np.stack([np.interp(to[1], at[1], column) for column in along_x.T]).T
