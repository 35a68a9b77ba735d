"""Figures: the fields of a solution beside the reference.

Each function returns a matplotlib Figure of its own; no global state is read or changed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from torch import Tensor

from pinn.assessment.metrics import RelativeL2
from pinn.assessment.scores import level
from pinn.assessment.section import Array, Section, Values, component_of
from pinn.references import Reference, pictured, regular_grid

if TYPE_CHECKING:
    from pinn.problem import Problem

WIDTH = 12.0  # inches, at 100 dots per inch
GREY = "0.35"


def draw(
    problem: "Problem", reference: Reference | None, predict: Callable[[Tensor], Values]
) -> dict[str, Figure]:
    """Every figure of a solution, by tag.

    Args:
        problem: names the coordinates, the unknowns and their components.
        reference: what to compare with; None draws the prediction alone.
        predict: points (N, D) → component name → (N,).

    Returns:
        One figure per component, and `streamlines` for a velocity in the plane.
    """
    reference = pictured(problem, reference)
    at = regular_grid(problem.geometry)[0] if reference is None else reference.at
    known = set() if reference is None else set(reference.values)
    predicted, names = predict(at), tuple(problem.coordinates)
    figures: dict[str, Figure] = {}
    for unknown in problem.unknowns:
        components = problem.components(unknown)
        for name in components:
            if reference is not None and name in known:
                gauged = unknown in problem.gauges
                pair = reference, predicted
                if gauged and problem.geometry.coordinates.time is not None:
                    pair = level(reference, predicted, name)
                figures[name] = comparison(*pair, name, names, gauged)
            else:
                figures[name] = prediction(at, predicted, name, names)
        if len(components) == len(problem.geometry.coordinates.space) == 2:
            beside = reference if known.issuperset(components) else None
            tag = "streamlines" if "streamlines" not in figures else f"streamlines_{unknown}"
            figures[tag] = streamlines(at, predicted, names, components, beside)
    return figures


def comparison(
    reference: Reference,
    predicted: Values,
    component: str,
    coordinate_names: tuple[str, ...],
    up_to_constant: bool = False,
) -> Figure:
    """Prediction | reference | |error|, the first two on one colour scale.

    Args:
        reference: known values on a grid.
        predicted: component name → (N,) at the reference's points.
        component: which to draw.
        coordinate_names: such as ("x", "y", "t").
        up_to_constant: move the prediction to the reference's mean before comparing, as the
            metric does.

    Returns:
        Maps over the first two coordinates, or curves for a single one.

    Raises:
        ValueError: the component is unknown, or has not one value per point.
    """
    section = Section.of(reference.at, coordinate_names)
    values = component_of(predicted, component, len(reference.at))
    truth = component_of(reference.values, component, len(reference.at)).to(values)
    judged = reference.judged
    metric = RelativeL2(up_to_constant, sync_on_compute=False)  # one process draws
    metric.update(values[judged], truth[judged])
    if up_to_constant:
        values = values - (values - truth)[judged].mean()
    title = f"{component}:  relative L2 error {float(metric.compute()):.2e}"
    drawn = [section.take(values), section.take(truth)]
    counts = section.take(judged) > 0
    if len(section.axes) == 1:
        return curves(section, component, title, drawn, reference.source)
    figure, axes = panels(section, 3, title, reference.source)
    scale = limits(drawn[1])
    meshes = [
        field_map(ax, section, value, scale) for ax, value in zip(axes[:2], drawn, strict=True)
    ]
    beside = axes[:2] if section.long else axes[1:2]
    colour_bar(figure, meshes[1], beside, component, drawn, scale)
    error = np.abs(drawn[0] - drawn[1])
    scale = (0.0, limits(error[counts])[1])
    mesh = field_map(axes[2], section, error, scale, "magma")
    colour_bar(figure, mesh, axes[2:], f"|error of {component}|", [error], scale)
    if not counts.all():
        axes[2].contour(
            *section.axes, counts, [0.5], colors="white", linestyles="--", linewidths=1.2
        )
    where = "" if counts.all() else "  (dashed: not judged)"
    for ax, name in zip(axes, ("prediction", "reference", f"|error|{where}"), strict=True):
        ax.set_title(name, fontsize="medium")
    return figure


def prediction(
    at: Tensor, predicted: Values, component: str, coordinate_names: tuple[str, ...]
) -> Figure:
    """The prediction alone, where no reference is known.

    Args:
        at: the points (N, D) of a grid, such as geometry.grid gives.
        predicted: component name → (N,) at the points.
        component: which to draw.
        coordinate_names: such as ("x", "y", "t").

    Raises:
        ValueError: the component is unknown, or has not one value per point.
    """
    section = Section.of(at, coordinate_names)
    value = section.take(component_of(predicted, component, len(at)))
    title = f"{component}:  prediction"
    if len(section.axes) == 1:
        return curves(section, component, title, [value])
    figure, axes = panels(section, 1, title)
    scale = limits(value)
    mesh = field_map(axes[0], section, value, scale)
    colour_bar(figure, mesh, axes, component, [value], scale)
    return figure


def streamlines(
    at: Tensor,
    predicted: Values,
    coordinate_names: tuple[str, ...],
    components: tuple[str, ...] = ("u", "v"),
    reference: Reference | None = None,
) -> Figure:
    """Streamlines over the speed √(u² + v²); the prediction beside the reference if there is one.

    Args:
        at: the points (N, D) of an evenly spaced grid: the reference's, if one is given.
        predicted: component name → (N,) at the points.
        coordinate_names: such as ("x", "y"); the first two are drawn.
        components: the two of the velocity.
        reference: what to compare with.

    Raises:
        ValueError: a component is unknown, or has not one value per point.
    """
    section = Section.of(at, coordinate_names)
    given = {"prediction": predicted}
    if reference is not None:
        given["reference"] = reference.values
    velocities = [
        [section.take(component_of(values, name, len(at))) for name in components]
        for values in given.values()
    ]
    speeds = [np.hypot(*velocity) for velocity in velocities]
    scale = (0.0, limits(speeds[-1])[1])
    source = "" if reference is None else reference.source
    figure, axes = panels(section, len(given), "streamlines and speed", source)
    for ax, name, speed, velocity in zip(axes, given, speeds, velocities, strict=True):
        mesh = field_map(ax, section, speed, scale, lines=False)
        if speed[np.isfinite(speed)].any():
            x, y = section.axes
            u, v = np.ma.masked_invalid(velocity)
            ax.streamplot(x, y, u, v, density=1.5, color="white", linewidth=0.8, arrowsize=0.8)
            # The arrows have widened the axes.
            ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        ax.set_title(name, fontsize="medium")
    beside = axes if section.long else axes[-1:]
    colour_bar(figure, mesh, beside, f"|({', '.join(components)})|", speeds, scale)
    return figure


def curves(
    section: Section, component: str, title: str, drawn: list[Array], source: str = ""
) -> Figure:
    """Curves over a single axis; the error below where there is a reference."""
    compared = len(drawn) == 2
    figure = Figure(figsize=(WIDTH, 6.0 if compared else 4.5), layout="constrained")
    entitle(figure, title, source)
    ratios = [3, 1] if compared else [1]
    axes = figure.subplots(len(ratios), squeeze=False, sharex=True, height_ratios=ratios)[:, 0]
    (x,), (name,) = section.axes, section.names
    if compared:
        axes[0].plot(x, drawn[1], color=GREY, linewidth=3.0, label="reference")
        axes[1].plot(x, np.abs(drawn[0] - drawn[1]), color="tab:red")
        axes[1].set_ylabel("|error|")
        axes[1].set_ylim(bottom=0)
    axes[0].plot(x, drawn[0], color="tab:orange", linestyle="--", label="prediction")
    axes[0].set_ylabel(component)
    axes[0].legend()
    axes[-1].set_xlabel(name)
    axes[-1].set_xlim(x[0], x[-1])
    for ax in axes:
        ax.grid(alpha=0.3)
    return figure


def panels(section: Section, count: int, title: str, source: str = "") -> tuple[Figure, list[Axes]]:
    """Panels of the section's proportions: in a row, or stacked where the domain is long."""
    rows = count if section.long else 1
    columns = count // rows
    bars = 2 if columns == 3 else 1
    height = min((WIDTH - 0.6 - bars) / columns / (section.proportion or 1.0), 6.0)
    # "compressed" is the constrained layout of axes with a fixed aspect.
    layout: Literal["constrained", "compressed"] = (
        "compressed" if section.proportion else "constrained"
    )
    figure = Figure(figsize=(WIDTH, rows * (height + 0.35) + 1.0), layout=layout)
    entitle(figure, f"{title}   (shown at {section.note})" if section.note else title, source)
    axes = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for index, ax in enumerate(axes):
        ax.set_aspect("equal" if section.proportion else "auto")
        ax.set_facecolor("0.8")
        ax.set_xlabel(section.names[0] if index >= count - columns else "")
        ax.set_ylabel(section.names[1] if index % columns == 0 else "")
    return figure, axes


def entitle(figure: Figure, title: str, source: str) -> None:
    """A title above, and below it all where the reference comes from."""
    figure.suptitle(title, fontsize="x-large")
    if source:
        figure.supxlabel(f"reference: {source}", fontsize="small", color=GREY)


def field_map(
    ax: Axes,
    section: Section,
    value: Array,
    scale: tuple[float, float],
    colours: str = "viridis",
    lines: bool = True,
) -> ScalarMappable:
    """Colours on a fixed scale, with thin lines of equal value."""
    low, high = scale
    masked = np.ma.masked_invalid(value)
    mesh = ax.pcolormesh(
        *section.axes, masked, cmap=colours, vmin=low, vmax=high, shading="gouraud", rasterized=True
    )
    levels = np.linspace(low, high, 11)[1:-1]
    if lines and masked.count() and masked.min() < levels[-1] and masked.max() > levels[0]:
        ax.contour(
            *section.axes, masked, levels, colors="white", linestyles="-", linewidths=0.5, alpha=0.6
        )
    return mesh


def colour_bar(
    figure: Figure,
    mesh: ScalarMappable,
    axes: list[Axes],
    label: str,
    drawn: list[Array],
    scale: tuple[float, float],
) -> None:
    """A colour bar beside some panels, with arrows where the values lie beyond its ends."""
    below = any(bool((value < scale[0]).any()) for value in drawn)
    above = any(bool((value > scale[1]).any()) for value in drawn)
    extend = {(1, 1): "both", (1, 0): "min", (0, 1): "max", (0, 0): "neither"}[below, above]
    figure.colorbar(mesh, ax=axes, label=label, extend=extend, aspect=25, pad=0.02)


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
