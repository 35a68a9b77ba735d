"""What figures are made of: panels, maps, colour bars; readable at half their size.

TensorBoard shows a figure in a card of some 350 pixels and at its full size when it is clicked.
"""

import textwrap
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from pinn.assessment.grid_section import Array, Section
from pinn.assessment.scales import DECADES, Scale, shift_of, shifted

WIDTH = 8.0  # inches, at 100 dots per inch
TEXT, TITLE = 15.0, 17.0  # points: 9 pixels high in a card
LINE = 0.33  # inches of a line of text
GREY = "0.35"
DENSE = 0.12  # of the range, between neighbours: lines of equal value would cover the map


def frame(section: Section) -> tuple[list[Array], list[str]]:
    """The axes of a section as they are drawn, and their labels.

    Coordinates that hardly change, such as seconds since 1970, count from their first.
    """
    shifts = [shift_of(axis) for axis in section.axes]
    axes = [axis - s for axis, s in zip(section.axes, shifts, strict=True)]
    return axes, [shifted(name, s) for name, s in zip(section.names, shifts, strict=True)]


def canvas(height: float, title: str, source: str = "", equal: bool = False) -> Figure:
    """A figure with a title above, and below it where the reference comes from."""
    # "compressed" is the constrained layout of axes with a fixed aspect.
    layout: Literal["constrained", "compressed"] = "compressed" if equal else "constrained"
    lines = textwrap.wrap(f"reference: {source}", 70) if source else []
    title = "\n".join(textwrap.fill(line, 60) for line in title.splitlines())
    height += LINE * (title.count("\n") + 1.5 + len(lines))
    figure = Figure(figsize=(WIDTH, height), layout=layout)
    figure.suptitle(title, fontsize=TITLE)
    if lines:
        figure.supxlabel("\n".join(lines), fontsize=TEXT - 1, color=GREY)
    return figure


def grid_of_maps(
    section: Section, rows: int, columns: int, bars: int, title: str, source: str = ""
) -> tuple[Figure, Any]:
    """Panels (rows, columns) of the section's proportions, with room for colour bars."""
    proportion = section.proportion
    if proportion is None and len(section.names) > 1 and not section.beside:
        title += "\naxes not to scale"
    room = WIDTH - 0.9 - 1.3 * bars - 0.2 * (columns - 1)
    height = min(room / columns / (proportion or 1.2), 4.6)
    figure = canvas(rows * (height + 3 * LINE), title, source, proportion is not None)
    return figure, figure.subplots(rows, columns, squeeze=False)


def legible(ax: Axes) -> None:
    """Few ticks, in large letters."""
    ax.tick_params(labelsize=TEXT)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set_fontsize(TEXT)
        if axis.get_scale() == "linear":
            axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], min_n_ticks=2))
            axis.set_major_formatter(number)


def number(value: float, _: object = None) -> str:
    """A tick's label, without an offset elsewhere that readers miss."""
    mantissa, e, exponent = f"{value:.4g}".partition("e")
    return f"{mantissa}{e}{int(exponent)}".replace("-", "−") if e else mantissa.replace("-", "−")


def field_map(
    ax: Axes, section: Section, value: Array, title: str, scale: Scale, lines: bool
) -> ScalarMappable:
    """Colours on a scale, with thin lines of equal value; the first map of a row tells the second
    axis.
    """
    (at, labels), place = frame(section), ax.get_subplotspec()
    ax.set(aspect="equal" if section.proportion else "auto", facecolor="0.8", xlabel=labels[0])
    ax.set_title(title, fontsize=TEXT)
    legible(ax)
    if place is None or place.is_first_col():
        ax.set_ylabel(labels[1])
    else:
        ax.set_yticklabels([])
    low, high = scale.ends
    if section.outline is not None:
        value = section.outline.filled(value)
    masked = np.ma.masked_invalid(value)
    if scale.kind is LogNorm:
        masked = np.ma.maximum(masked, low * 1e-3)  # zero has no logarithm
    mesh = ax.pcolormesh(
        *at, masked, cmap=scale.colours, norm=scale.norm, shading="gouraud", rasterized=True
    )
    levels = np.linspace(low, high, 12)[1:-1]  # none of them zero, which walls and noise are
    if lines and is_smooth(masked, levels):
        ax.contour(*at, masked, levels, colors="black", linestyles="-", linewidths=0.8, alpha=0.35)
    draw_boundary(ax, section)
    return mesh


def draw_boundary(ax: Axes, section: Section) -> None:
    """The boundary of a shape as a line, and white beyond it."""
    if section.outline is None:
        return
    shifts = [shift_of(axis) for axis in section.axes]
    x, y = (axis - s for axis, s in zip(section.outline.axes, shifts, strict=True))
    distance = section.outline.distance
    most = float(distance.max())
    if most > 0:
        ax.contourf(x, y, distance, [0, 2 * most], colors="white", zorder=2.5)
        ax.contour(x, y, distance, [0], colors="black", linewidths=1.2, zorder=2.6)
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))


def field_maps(
    figure: Figure,
    panels: Sequence[tuple[Axes, Section, Array, str]],
    scale: Scale,
    label: str,
    below: bool = False,
    lines: bool = True,
    beside: Sequence[Axes] = (),
) -> None:
    """Maps on one scale with one colour bar, with arrows where values lie beyond its ends.

    Args:
        figure: what the panels belong to.
        panels: each panel with its section, the values on it and its title.
        scale: of all values.
        label: of the colour bar.
        below: whether the colour bar is below the panels.
        lines: whether lines of equal value are drawn.
        beside: the panels next to the colour bar; all of them by default.
    """
    for ax, section, value, title in panels:
        mesh = field_map(ax, section, value, title, scale, lines)
    values = np.stack([value for _, _, value, _ in panels])
    beside = list(beside) or [ax for ax, *_ in panels]
    lower, higher = (values < scale.ends[0]).any(), (values > scale.ends[1]).any()
    extend = ("neither", "min", "max", "both")[lower + 2 * higher]
    last = beside[-1]
    height = last.get_data_ratio() if last.get_aspect() == 1 else 1.0  # in widths
    if below:
        place: dict[str, Any] = {"ax": beside, "location": "bottom", "aspect": 18, "pad": 0.02}
    else:
        box = (1.04, 0.0, 0.06 * max(1.0, height), 1.0)
        place = {"cax": last.inset_axes(box, label="<colorbar>")}
    bar = figure.colorbar(mesh, extend=extend, **place)
    bar.set_label(label, size=TEXT)
    bar.ax.tick_params(labelsize=TEXT)
    axis, few = (bar.ax.xaxis if below else bar.ax.yaxis), below or height < 0.5
    if scale.kind is LogNorm:
        axis.set_major_locator(LogLocator(numticks=3 if few else DECADES + 1))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(MaxNLocator(3 if few else 5, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(number)


def is_smooth(values: np.ma.MaskedArray, levels: Array) -> bool:
    """Whether lines of equal value have room, and there are any."""
    if not values.count() or values.min() >= levels[-1] or values.max() <= levels[0]:
        return False
    values = np.ma.clip(values, levels[0], levels[-1])  # a singular corner has no line
    changes = [np.ma.abs(np.ma.diff(values, axis=axis)).mean() for axis in (0, 1)]
    return bool(max(changes) < DENSE * (levels[-1] - levels[0]))


def entitled(*lines: str) -> str:
    """A title of the lines that say something."""
    return "\n".join(line for line in lines if line)
