"""Figures: the fields of a solution beside the reference.

Each function returns a matplotlib Figure of its own; no global state is read or changed.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from pinn.assessment.canvas import entitled, field_maps, frame, grid_of_maps
from pinn.assessment.curves import curves, profile
from pinn.assessment.grid_section import Array, Names, Section, Values, component_of
from pinn.assessment.norms import relative_l2
from pinn.assessment.scales import error_scale, extent, field_scale, shift_of, shifted
from pinn.assessment.scattered import at_points, levelled
from pinn.assessment.scores import level
from pinn.assessment.streamlines import streamlines
from pinn.geometry import Geometry
from pinn.physics.problem import Problem
from pinn.physics.references import Reference, inside_of, regular_grid, spread_over


def draw(
    problem: Problem,
    reference: Reference | None,
    predict: Callable[[Tensor], Values],
    vorticity: Callable[[str, Tensor], Tensor] | None = None,
    heading: str = "",
    scores: Mapping[str, float] | None = None,
    along: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, Figure]:
    """Every figure of a solution, by tag.

    Args:
        problem: names the coordinates, the unknowns and their components.
        reference: what to compare with; None draws the prediction alone.
        predict: points (N, D) → component name → (N,).
        vorticity: name of a velocity in the plane, points (N, D) → ∂v/∂x − ∂u/∂y (N,).
        heading: a second line of each title: which run, which step.
        scores: the errors of the titles under `error/<component>`; without, those of the points
            drawn.
        along: gauged component → the columns of time and parameters that its constant is a function
            of; without, of all of these.

    Returns:
        One figure per component; for a velocity in the plane `streamlines`, and `vorticity`.
    """
    geometry, scattered = problem.geometry, None
    if reference is not None and not reference.is_grid:  # scattered points make no map
        scattered, reference = reference, problem.exact_reference(*regular_grid(geometry))
    at = regular_grid(geometry)[0] if reference is None else reference.at
    known = {} if reference is None else reference.values
    predicted, names = inside_alone(geometry, predict)(at), geometry.coordinates
    figures: dict[str, Figure] = {}
    for unknown in problem.unknowns:
        components, gauged = problem.components(unknown), unknown in problem.gauges
        for name in components:
            error = (scores or {}).get(f"error/{name}")
            open_along = (along or {}).get(name, names.beside_space) if gauged else None
            if reference is not None and name in known:
                pair = reference, predicted
                if open_along:
                    pair = level(*pair, name, open_along)
                figures[name] = comparison(*pair, name, names, gauged, heading, error, geometry)
            elif reference is None and scattered is not None and name in scattered.values:
                pair = levelled(scattered, predict(scattered.at), name, open_along)
                figures[name] = at_points(*pair, at, predicted, name, geometry, heading, error)
            else:
                figures[name] = prediction(at, predicted, name, names, heading, "", geometry)
        if len(components) == 2 and unknown in problem.vectors:
            beside = reference if set(components) <= known.keys() else None
            suffix = "" if "streamlines" not in figures else f"_{unknown}"
            flow = at, predicted, names, components, beside, heading, geometry
            figures[f"streamlines{suffix}"] = streamlines(*flow)
            if vorticity is not None:
                curl = inside_alone(geometry, partial(curl_by_name, vorticity, unknown))(at)
                figures[f"vorticity{suffix}"] = curl_map(at, curl, components, geometry, heading)
    return figures


def curl_map(
    at: Tensor, curl: Values, components: Sequence[str], geometry: Geometry, heading: str
) -> Figure:
    """The vorticity of a velocity."""
    title = f"vorticity of ({', '.join(components)})"
    names = geometry.coordinates
    return prediction(at, curl, "vorticity", names, heading, title, geometry)


def curl_by_name(vorticity: Callable[[str, Tensor], Tensor], unknown: str, at: Tensor) -> Values:
    """The vorticity of a velocity, under its name."""
    return {"vorticity": vorticity(unknown, at)}


def inside_alone(
    geometry: Geometry, values: Callable[[Tensor], Values]
) -> Callable[[Tensor], Values]:
    """Values by name at points (N, D), of which those outside of a shape are NaN, and not asked."""
    if geometry.is_box:
        return values

    def spread(at: Tensor) -> Values:
        inside = inside_of(geometry, at)
        return {name: spread_over(inside, v.cpu()) for name, v in values(at[inside]).items()}

    return spread


def comparison(
    reference: Reference,
    predicted: Values,
    component: str,
    coordinates: Names,
    up_to_constant: bool = False,
    heading: str = "",
    error: float | None = None,
    geometry: Geometry | None = None,
) -> Figure:
    """Prediction, reference and |error|, the first two on one colour scale.

    Args:
        reference: known values on a grid.
        predicted: component name → (N,) at the reference's points.
        component: which to draw.
        coordinates: the problem's, or names such as ("x", "y", "t").
        up_to_constant: move the prediction to the reference's mean before comparing, as the
            metric does.
        heading: a second line of the title.
        error: that of the title; by default the relative L2 error at these points.
        geometry: the domain; nothing is drawn outside of it.

    Returns:
        Curves over a single coordinate; maps over two, with a profile; over more, maps of three
        sections.

    Raises:
        ValueError: the component is unknown, or has not one value per point.
    """
    sections = Section.series(reference.at, coordinates, geometry)
    values = component_of(predicted, component, len(reference.at))
    truth = component_of(reference.values, component, len(reference.at)).to(values)
    judged = reference.judged
    if error is None:
        error = relative_l2(values[judged], truth[judged], up_to_constant)
    if up_to_constant:
        values = values - (values - truth)[judged].mean()
    title = entitled(f"{component}:  relative L2 error {error:.2e}", heading)
    shown = judged | ~reference.known
    fields = [np.stack([s.take(v) for s in sections]) for v in (values, truth, shown)]
    if len(sections[0].axes) == 1:
        lines = [fields[0][0], fields[1][0]]
        return curves(sections[0], component, title, lines, reference.source)
    return comparison_of_maps(sections, fields, component, title, reference.source)


def comparison_of_maps(
    sections: list[Section], fields: list[Array], component: str, title: str, source: str
) -> Figure:
    """Prediction, reference and |error|, all sections on the same scales.

    One section: prediction and reference above, a profile and |error| below, or one above the other
    if it is long. Several: a row for each.
    """
    first, shift = sections[0], shift_of(fields[1])
    predicted, truth, label = fields[0] - shift, fields[1] - shift, shifted(component, shift)
    several = len(sections) > 1
    if several:
        figure, grid = grid_of_maps(first, len(sections), 3, 0, title, source)
        ours, theirs, wrong = grid.T
        beside = []
    else:
        rows, columns = (4, 1) if first.long else (2, 2)
        title = entitled(title, f"shown at {first.note}" if first.note else "")
        figure, grid = grid_of_maps(first, rows, columns, 1, title, source)
        ours, theirs, middle, wrong = grid.reshape(4, 1)
        profile(middle[0], first, predicted[0], truth[0], label)
        beside = [*ours, *theirs] if first.long else [*theirs]
    panels = [
        (ax, section, value, name)
        for name, axes, values in (("prediction", ours, predicted), ("reference", theirs, truth))
        for ax, section, value in zip(axes, sections, values, strict=True)
    ]
    field_maps(figure, panels, field_scale(truth), label, below=several, beside=beside)
    error_map(figure, wrong, sections, [predicted, truth, fields[2]], component, below=several)
    if several:
        for section, row in zip(sections, grid, strict=True):
            row[0].set_ylabel(f"{section.note}\n{row[0].get_ylabel()}")
        for ax in grid.flat:
            ax.label_outer()
        for ax in grid[1:].flat:
            ax.set_title("")
    return figure


def error_map(
    figure: Figure,
    axes: Sequence[Axes],
    sections: Sequence[Section],
    fields: list[Array],
    component: str,
    below: bool = False,
) -> None:
    """|prediction − reference| on one logarithmic scale, and what is not judged."""
    predicted, truth, judged = fields
    errors, counted = np.abs(predicted - truth), judged > 0
    scale = error_scale(errors[counted], extent(np.abs(truth))[1])
    title = "|error|" if counted.all() else "|error|, dashed: not judged"
    drawn = list(zip(axes, sections, errors, strict=True))
    panels = [(ax, section, error, title) for ax, section, error in drawn]
    field_maps(figure, panels, scale, f"|error of {component}|", below, lines=False)
    at, _ = frame(sections[0])
    for ax, mask in zip(axes, judged, strict=True):
        if not mask.all():
            ax.contour(*at, mask, [0.5], colors="white", linestyles="--", linewidths=1.8)


def prediction(
    at: Tensor,
    predicted: Values,
    component: str,
    coordinates: Names,
    heading: str = "",
    title: str = "",
    geometry: Geometry | None = None,
) -> Figure:
    """The prediction alone, where no reference is known.

    Args:
        at: the points (N, D) of a grid, such as geometry.grid gives.
        predicted: component name → (N,) at the points.
        component: which to draw.
        coordinates: the problem's, or names such as ("x", "y", "t").
        heading: a second line of the title.
        title: instead of the component's name.
        geometry: the domain; nothing is drawn outside of it.

    Raises:
        ValueError: the component is unknown, or has not one value per point.
    """
    sections = Section.series(at, coordinates, geometry)
    value = component_of(predicted, component, len(at))
    title = entitled(title or f"{component}:  prediction", heading)
    drawn = np.stack([section.take(value) for section in sections])
    if len(sections[0].axes) == 1:
        return curves(sections[0], component, title, [drawn[0]])
    shift, several = shift_of(drawn), len(sections) > 1
    drawn -= shift
    if sections[0].note and not several:
        title = entitled(title, f"shown at {sections[0].note}")
    rows, columns = (len(drawn), 1) if sections[0].long else (1, len(drawn))
    figure, grid = grid_of_maps(sections[0], rows, columns, int(columns == 1), title)
    panels = [
        (ax, section, field, section.note if several else "")
        for ax, section, field in zip(grid.flat, sections, drawn, strict=True)
    ]
    scale = field_scale(drawn)
    field_maps(figure, panels, scale, shifted(component, shift), below=columns > 1)
    return figure
