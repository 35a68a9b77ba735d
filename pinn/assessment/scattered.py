"""A prediction beside a reference at scattered points: a map, and dots."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from torch import Tensor

from pinn.assessment.canvas import (
    TEXT,
    draw_boundary,
    entitled,
    field_maps,
    frame,
    grid_of_maps,
    legible,
)  # fmt: skip
from pinn.assessment.curves import curves
from pinn.assessment.grid_section import Array, Section, Values, component_of
from pinn.assessment.norms import relative_l2
from pinn.assessment.scales import DECADES, error_scale, extent, field_scale, shift_of, shifted
from pinn.assessment.scores import level
from pinn.geometry import Geometry
from pinn.physics.references import Reference


def at_points(
    reference: Reference,
    there: Values,
    at: Tensor,
    predicted: Values,
    component: str,
    geometry: Geometry,
    heading: str = "",
    error: float | None = None,
) -> Figure:
    """The prediction over the domain, and |error| as a dot at each point of the reference.

    Args:
        reference: known values at scattered points.
        there: component name → (M,), the prediction at these points.
        at: the points (N, D) of a grid over the domain.
        predicted: component name → (N,), the prediction on the grid.
        component: which to draw.
        geometry: the domain.
        heading: a second line of the title.
        error: that of the title; by default the relative L2 error at the points.

    Raises:
        ValueError: the component is unknown, or has not one value per point.
    """
    section = Section.of(at, geometry.coordinates, None, geometry)
    value = section.take(component_of(predicted, component, len(at)))
    own = component_of(there, component, len(reference.at))
    truth = component_of(reference.values, component, len(reference.at))
    judged = reference.judged
    error = relative_l2(own[judged], truth[judged]) if error is None else error
    title = entitled(f"{component}:  relative L2 error {error:.2e}", heading)
    if len(section.axes) == 1:
        figure = curves(section, component, title, [value], reference.source)
        ax, shift = figure.axes[0], shift_of(value)
        x = reference.at[:, 0] - shift_of(section.axes[0])
        ax.plot(
            x[judged], truth[judged] - shift, "o", color="0.35", markersize=4, label="reference"
        )
        ax.legend(fontsize=TEXT - 3)
        return figure
    if section.note:
        title = entitled(title, f"map at {section.note}; dots at any")
    rows, columns = (2, 1) if section.long else (1, 2)
    figure, grid = grid_of_maps(section, rows, columns, columns, title, reference.source)
    shift, (left, right) = shift_of(value), grid.flat
    panel = (left, section, value - shift, "prediction")
    field_maps(figure, [panel], field_scale(value - shift), shifted(component, shift))
    errors = (own - truth).abs()[judged].numpy()
    size = extent(np.abs(truth[judged].numpy()))[1]
    dots(figure, right, section, reference.at[judged].numpy(), errors, size, component)
    return figure


def dots(
    figure: Figure,
    ax: Axes,
    section: Section,
    at: Array,
    errors: Array,
    size: float,
    component: str,
) -> None:
    """A dot for each point, its colour |error|."""
    scale, (_, labels) = error_scale(errors, size), frame(section)
    shifts = [shift_of(axis) for axis in section.axes]
    norm = LogNorm(*scale.ends)
    draw_boundary(ax, section)
    ends = [(low - s, high - s) for (low, high), s in zip(section.limits, shifts, strict=True)]
    drawn = ax.scatter(
        at[:, 0] - shifts[0], at[:, 1] - shifts[1], c=np.maximum(errors, scale.ends[0]),
        s=max(4.0, min(40.0, 8000 / len(at))), cmap=scale.colours, norm=norm,
        edgecolors="0.4", linewidths=0.3, zorder=3,
    )  # fmt: skip
    ax.set(aspect="equal" if section.proportion else "auto", xlim=ends[0], ylim=ends[1])
    ax.set_xlabel(labels[0])
    if section.long:
        ax.set_ylabel(labels[1])
    else:
        ax.set_yticklabels([])
    ax.set_title("|error| at the points", fontsize=TEXT)
    legible(ax)
    place = ax.inset_axes((1.04, 0.0, 0.06, 1.0), label="<colorbar>")
    bar = figure.colorbar(drawn, cax=place)
    bar.set_label(f"|error of {component}|", size=TEXT)
    bar.ax.tick_params(labelsize=TEXT)
    bar.ax.yaxis.set_major_locator(LogLocator(numticks=DECADES + 1))
    bar.ax.yaxis.set_minor_locator(NullLocator())


def levelled(
    reference: Reference, there: Values, component: str, along: Sequence[int] | None
) -> tuple[Reference, Values]:
    """Both, of a gauged component without what nobody knows of it, as the metric has them.

    Args:
        reference: known values.
        there: the prediction at its points.
        component: which.
        along: the columns that the constant depends on; None where the equations fix it.
    """
    if along is None:
        return reference, there
    if along:
        return level(reference, there, component, along)
    own, truth, judged = there[component], reference.values[component], reference.judged
    return reference, {**there, component: own - (own - truth.to(own))[judged].mean()}
