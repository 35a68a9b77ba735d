"""Figures: what is in them, for every kind of domain, whatever the values."""

import ast
import gc
import inspect
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pinn.assessment import canvas, curves, figures, scales
from pinn.assessment import grid_section as section
from pinn.assessment import streamlines as flow
from pinn.assessment.canvas import number
from pinn.assessment.figures import comparison, draw, prediction
from pinn.assessment.norms import relative_l2
from pinn.assessment.scales import error_scale, field_scale, limits, shift_of, shifted
from pinn.assessment.streamlines import streamlines
from pinn.fields.vector_calculus import grad
from pinn.geometry import Box, Coordinates, Geometry, Interval, Rectangle
from pinn.physics.problem import Problem
from pinn.physics.references import Reference
from pinn.physics.residuals import on
from pinn.problems.cavity import cavity_reference

CAVITY = cavity_reference(100)


def perturbed(reference, size=0.01):
    return {n: v + size * torch.sin(3 * reference.at[:, 0]) for n, v in reference.values.items()}


def known(geometry, per_axis=7):
    at = geometry.grid(per_axis)
    values = {"u": at.sum(-1), "v": at[:, 0] - at[:, -1]}
    judged = torch.ones(len(at), dtype=torch.bool)
    return Reference(at, values, judged, (per_axis,) * at.shape[1], "by hand")


def rendered(figure):
    """The picture as TensorBoard gets it."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def everything(figure):
    """Axes, those inside others included."""
    return [each for ax in figure.axes for each in (ax, *ax.child_axes)]


def split(figure):
    """Panels that are maps, and colour bars."""
    axes = everything(figure)
    bars = [ax for ax in axes if ax.get_label() == "<colorbar>"]
    panels = [ax for ax in axes if ax not in bars]
    return [ax for ax in panels if any(hasattr(c, "_coordinates") for c in ax.collections)], bars


def colours(ax):
    """The values that a map colours, as (n_y, n_x), and its colour scale."""
    mesh = next(c for c in ax.collections if hasattr(c, "_coordinates"))
    return mesh.get_array(), mesh.get_clim()


# --- contents


class Gusts(Problem):
    """A pressure that is known up to a function of time."""

    coordinates = ("x", "t")
    unknowns = {"p": 1}
    geometry = Interval(x=(0, 1), time=(0, 1))

    def __init__(self):
        super().__init__()
        self.gauges = {"p": "free"}

    @on("interior")
    def slope(self, p):
        return grad(p)


def gusts():
    """A pressure with an error, each up to a function of time: the reference and the prediction."""
    at = Gusts.geometry.grid(7)
    truth = torch.sin(3 * at[:, 0]) + at[:, 1]
    reference = Reference(at, {"p": truth}, torch.ones(49, dtype=torch.bool), (7, 7), "by hand")
    found = {"p": truth + GUST.flatten() + 100 * torch.exp(at[:, 1])}
    return reference, lambda _: found


GUST = 0.01 * torch.cos(5 * Gusts.geometry.grid(7)[:, 0]).reshape(7, 7)
GUST = GUST - GUST.mean(0)


def test_a_gauged_unknown_is_drawn_up_to_a_function_of_time():
    figure = draw(Gusts(), *gusts())["p"]
    level = torch.sin(3 * Gusts.geometry.grid(7)[:, 0]).reshape(7, 7)
    level = level - level.mean(0)
    expected = float(GUST.norm() / level.norm())
    assert f"relative L2 error {expected:.2e}" in figure.get_suptitle()
    panels, _ = split(figure)
    np.testing.assert_allclose(colours(panels[2])[0].max(), GUST.abs().max(), rtol=1e-6)


def test_comparison_has_three_maps_and_two_colour_bars():
    figure = comparison(CAVITY, perturbed(CAVITY), "u", ("x", "y"))
    panels, bars = split(figure)
    titles = [ax.get_title() for ax in panels]
    assert titles == ["prediction", "reference", "|error|, dashed: not judged"]
    assert [bar.get_ylabel() for bar in bars] == ["u", "|error of u|"]
    assert [ax.get_xlabel() for ax in panels] == ["x", "x", "x"]
    assert panels[0].get_ylabel() == "y"
    assert all(ax.get_aspect() == 1.0 for ax in panels)
    assert CAVITY.source in figure.get_supxlabel()
    assert rendered(figure).shape[1] == 800


def test_comparison_shows_the_values_where_they_belong():
    predicted = perturbed(CAVITY)
    figure = comparison(CAVITY, predicted, "v", ("x", "y"))
    (ours, ours_scale), (theirs, scale), (error, _) = (colours(ax) for ax in split(figure)[0])
    # Pictures have y upwards and x to the right: [row, column] = [i_y, i_x].
    assert np.array_equal(ours, predicted["v"].reshape(101, 101).T.numpy())
    assert np.array_equal(theirs, CAVITY.values["v"].reshape(101, 101).T.numpy())
    assert np.allclose(error, np.maximum(np.abs(ours - theirs), 1e-9), atol=1e-9)
    most = np.abs(theirs).max()
    assert ours_scale == scale == (-most, most)


def test_title_tells_the_error_of_the_metric():
    predicted = perturbed(CAVITY)
    error = relative_l2(predicted["u"][CAVITY.judged], CAVITY.values["u"][CAVITY.judged])
    figure = comparison(CAVITY, predicted, "u", ("x", "y"))
    assert figure.get_suptitle() == f"u:  relative L2 error {error:.2e}"


def test_pressure_is_compared_up_to_a_constant():
    shifted = {"p": CAVITY.values["p"] + 5.0}
    figure = comparison(CAVITY, shifted, "p", ("x", "y"), up_to_constant=True)
    ours, theirs, error = (colours(ax)[0] for ax in split(figure)[0])
    assert np.ma.abs(ours - theirs).max() < 1e-12
    assert error.max() < 1e-12
    assert "error 5" not in figure.get_suptitle()


def test_singular_corners_do_not_spoil_the_pressure_scale():
    figure = comparison(CAVITY, {"p": CAVITY.values["p"]}, "p", ("x", "y"))
    panels, bars = split(figure)
    low, high = colours(panels[1])[1]
    values = CAVITY.values["p"][CAVITY.values["p"].isfinite()].numpy()
    most = np.abs(np.percentile(values, [1, 99])).max()
    assert (low, high) == pytest.approx((-most, most))
    assert bars[0]._colorbar.extend == "both"
    assert bars[1]._colorbar.extend == "min"  # errors that are too small for the scale


def test_streamlines_side_by_side():
    figure = streamlines(CAVITY.at, perturbed(CAVITY), ("x", "y"), reference=CAVITY)
    panels, bars = split(figure)
    assert [ax.get_title() for ax in panels] == ["prediction", "reference"]
    assert [bar.get_ylabel() for bar in bars] == ["|(u, v)|"]
    speed = torch.hypot(CAVITY.values["u"], CAVITY.values["v"]).reshape(101, 101).T.numpy()
    assert np.allclose(colours(panels[1])[0], speed)
    for ax in panels:
        assert ax.get_xlim() == (0.0, 1.0)
        assert ax.get_ylim() == (0.0, 1.0)
        assert sum(len(c.get_segments()) for c in ax.collections if hasattr(c, "get_segments")) > 30


def test_prediction_alone():
    figure = prediction(CAVITY.at, CAVITY.values, "u", ("x", "y"))
    panels, bars = split(figure)
    assert (len(panels), len(bars)) == (1, 1)
    assert figure.get_suptitle() == "u:  prediction"


# --- domains


def test_one_coordinate_gives_curves_and_the_error_below():
    reference = known(Interval())
    predicted = perturbed(reference)
    figure = comparison(reference, predicted, "u", ("x",))
    above, below = figure.axes
    drawn = {line.get_label(): line.get_ydata() for line in above.get_lines()}
    assert np.array_equal(drawn["prediction"], predicted["u"].numpy())
    assert np.array_equal(drawn["reference"], reference.values["u"].numpy())
    error = np.abs(drawn["prediction"] - drawn["reference"])
    shown = below.get_lines()[0].get_ydata()
    assert np.allclose(shown, np.maximum(error, shown.min()), atol=0)
    assert below.get_yscale() == "log"
    assert (above.get_ylabel(), below.get_ylabel(), below.get_xlabel()) == ("u", "|error|", "x")
    assert len(prediction(reference.at, predicted, "u", ("x",)).axes) == 1


def test_space_and_time_give_a_map_without_equal_aspect():
    reference = known(Interval((0.0, 9.0), time=(0.0, 1.0)))
    panels, _ = split(comparison(reference, perturbed(reference), "u", ("x", "t")))
    assert len(panels) == 3
    assert panels[0].get_ylabel() == "t"
    assert all(ax.get_aspect() == "auto" for ax in panels)


def test_a_field_of_four_coordinates_is_shown_at_three_instants():
    reference = known(Box(z=(0.0, 2.0), time=(0.0, 3.0)))
    predicted = perturbed(reference)
    figure = comparison(reference, predicted, "u", ("x", "y", "z", "t"))
    panels, bars = split(figure)
    assert len(panels) == 9
    assert len(bars) == 2
    rows = [panels[i : i + 3] for i in (0, 3, 6)]
    assert [row[0].get_ylabel() for row in rows] == [
        f"z = 1, t = {t}\ny" for t in ("0", "1.5", "3")
    ]
    assert [ax.get_title() for ax in rows[0]] == ["prediction", "reference", "|error|"]
    truth = reference.values["u"].reshape(7, 7, 7, 7)[:, :, 3]
    for row, instant in zip(rows, (0, 3, 6), strict=True):
        assert np.array_equal(colours(row[1])[0], truth[:, :, instant].T)
    assert len({colours(ax)[1] for row in rows for ax in row[:2]}) == 1
    assert len({colours(row[2])[1] for row in rows}) == 1
    rendered(figure)


def test_a_field_in_space_is_shown_on_three_named_sections():
    reference = known(Box(z=(0.0, 2.0)), per_axis=9)
    figure = prediction(reference.at, reference.values, "u", ("x", "y", "z"))
    assert [ax.get_title() for ax in split(figure)[0]] == ["z = 0.5", "z = 1", "z = 1.5"]


def test_the_profile_runs_along_the_middle_line_on_which_most_happens():
    for name, title, along, cut in (("u", "at x = 0.5", "y", 0), ("v", "at y = 0.5", "x", 1)):
        figure = comparison(CAVITY, perturbed(CAVITY), name, ("x", "y"))
        (panel,) = [ax for ax in figure.axes if ax.get_legend() is not None]
        truth = CAVITY.values[name].reshape(101, 101).select(cut, 50).numpy()
        reference, found = (line.get_ydata() for line in panel.get_lines())
        assert (panel.get_title(), panel.get_xlabel(), panel.get_ylabel()) == (title, along, name)
        assert np.array_equal(reference, truth)
        assert 0 < np.abs(found - truth).max() < 0.011


def test_over_time_the_profile_is_taken_at_instants():
    reference = known(Interval((0.0, 2.0), time=(0.0, 1.0)))
    figure = comparison(reference, perturbed(reference), "u", ("x", "t"))
    (panel,) = [ax for ax in figure.axes if ax.get_legend() is not None]
    labels = [text.get_text() for text in panel.get_legend().get_texts()]
    assert labels == ["t = 0", "t = 0.5", "t = 1"]
    truth = reference.values["u"].reshape(7, 7).numpy()
    for line, instant in zip(panel.get_lines()[::2], (0, 3, 6), strict=True):
        assert np.array_equal(line.get_ydata(), truth[:, instant])


def test_a_long_domain_is_stacked():
    reference = known(Rectangle((0.0, 8.0), (0.0, 1.0)))
    figure = comparison(reference, perturbed(reference), "u", ("x", "y"))
    rendered(figure)
    panels, _ = split(figure)
    bottoms = [ax.get_position().y0 for ax in panels]
    assert bottoms == sorted(bottoms, reverse=True)
    assert len(set(bottoms)) == 3
    assert [ax.get_xlabel() for ax in panels] == ["x", "x", "x"]
    assert [ax.get_ylabel() for ax in panels] == ["y", "y", "y"]


# --- all figures of a problem


class Flow(Problem):
    coordinates = ("x", "y")
    unknowns = {"u": ("u", "v"), "p": 1}
    geometry = Rectangle()

    def __init__(self):
        super().__init__()
        self.gauges = {"p": "zero_mean"}

    @on("interior")
    def momentum(self, u):
        return u


def flow_at(at):
    return {"u": at[:, 1], "v": at[:, 0], "p": at[:, 0]}


def test_draw_without_a_reference():
    figures = draw(Flow(), None, flow_at)
    assert list(figures) == ["u", "v", "streamlines", "p"]
    assert figures["u"].get_suptitle() == "u:  prediction"


def test_draw_with_a_reference_of_some_components():
    at = Rectangle().grid(9)
    values = {"p": flow_at(at)["p"] - 3.0}
    reference = Reference(at, values, torch.ones(81, dtype=torch.bool), (9, 9), "by hand")
    figures = draw(Flow(), reference, flow_at)
    assert list(figures) == ["u", "v", "streamlines", "p"]
    assert figures["p"].get_suptitle() == "p:  relative L2 error 0.00e+00"  # gauged
    assert figures["u"].get_suptitle() == "u:  prediction"
    assert len(split(figures["streamlines"])[0]) == 1


def test_draw_compares_what_is_known():
    figures = draw(Flow(), CAVITY, flow_at)
    assert all(len(split(figures[name])[0]) == 3 for name in "uvp")
    assert len(split(figures["streamlines"])[0]) == 2


def test_no_streamlines_outside_the_plane():
    class Line(Problem):
        coordinates = ("x",)
        unknowns = {"q": 1}
        geometry = Interval()

        @on("interior")
        def equation(self, q):
            return q

    assert list(draw(Line(), None, lambda at: {"q": at[:, 0]})) == ["q"]


# --- hard values


@pytest.mark.parametrize("value", [1.0, torch.nan, torch.inf])
def test_constant_and_broken_predictions_are_drawn(value):
    reference = known(Rectangle())
    predicted = {n: torch.full_like(v, value) for n, v in reference.values.items()}
    rendered(comparison(reference, predicted, "u", ("x", "y")))
    rendered(prediction(reference.at, predicted, "u", ("x", "y")))
    rendered(streamlines(reference.at, predicted, ("x", "y"), reference=reference))
    line = known(Interval())
    rendered(comparison(line, {"u": torch.full((7,), value)}, "u", ("x",)))


def test_holes_in_a_prediction_are_drawn_as_holes():
    predicted = perturbed(CAVITY)
    for value in predicted.values():
        value.view(101, 101)[20:50, 30:60] = torch.nan
    figure = comparison(CAVITY, predicted, "u", ("x", "y"))
    assert np.ma.count_masked(colours(split(figure)[0][0])[0]) == 30 * 30
    assert figure.get_suptitle() == "u:  relative L2 error nan"
    rendered(figure)
    rendered(streamlines(CAVITY.at, predicted, ("x", "y"), reference=CAVITY))


def test_predictions_may_be_float32_and_carry_a_graph():
    weight = torch.ones(1, requires_grad=True)
    predicted = {n: v.float() * weight for n, v in CAVITY.values.items()}
    comparison(CAVITY, predicted, "u", ("x", "y"))


def test_limits():
    field = np.linspace(-1.0, 1.0, 1001)
    assert limits(field) == (-1.0, 1.0)
    assert limits(np.append(field, [np.nan, np.inf])) == (-1.0, 1.0)
    assert limits(np.append(field, 100.0)) == pytest.approx((-0.98, 0.98), abs=2e-3)
    assert limits(np.full(5, 2.0)) == (1.0, 3.0)
    assert limits(np.zeros(5)) == (-1.0, 1.0)
    assert limits(np.full(5, np.nan)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("values", "ends", "colours"),
    [
        ([-1.0, 0.0, 3.0], (-3.0, 3.0), "RdBu_r"),
        ([-4.0, 1.0], (-4.0, 4.0), "RdBu_r"),
        ([0.0, 0.5, 2.0], (0.0, 2.0), "viridis"),
        ([-1e-9, 0.5, 2.0], (-1e-9, 2.0), "viridis"),  # a trace of the other sign is rounding
        ([-2.0, -1.0], (-2.0, -1.0), "viridis"),
    ],
)
def test_white_is_zero_where_a_field_has_both_signs(values, ends, colours):
    scale = field_scale(np.array(values))
    assert scale.ends == pytest.approx(ends)
    assert scale.colours == colours
    if colours == "RdBu_r":
        assert scale.norm(0.0) == 0.5


def test_errors_have_four_decades_and_rounding_none():
    scale = error_scale(np.array([0.0, 1e-7, 1e-3, np.nan]), 1.0)
    assert scale.ends == pytest.approx((1e-7, 1e-3))
    assert scale.norm(1e-5) == pytest.approx(0.5)
    for errors in ([0.0, 0.0], [np.nan, np.nan], [1e-17, 0.0]):
        assert error_scale(np.array(errors), 5.0).ends[1] == pytest.approx(10 * 5.0 * 2.0**-52)


def test_the_error_has_a_logarithmic_scale_and_no_lines():
    figure = comparison(CAVITY, perturbed(CAVITY), "u", ("x", "y"))
    panels, _ = split(figure)
    kinds = [type(ax.collections[0].norm).__name__ for ax in panels]
    assert kinds == ["Normalize", "Normalize", "LogNorm"]
    lines = [sum("ContourSet" in type(c).__name__ for c in ax.collections) for ax in panels]
    assert lines == [1, 1, 1]  # of the error only where it is not judged
    whole = known(Rectangle())
    panels, _ = split(comparison(whole, perturbed(whole), "u", ("x", "y")))
    assert not [c for c in panels[2].collections if "ContourSet" in type(c).__name__]


def test_lines_of_equal_value_do_not_cover_what_changes_from_point_to_point():
    at = Rectangle().grid(41)
    for waves, count in ((1, 1), (20, 0)):
        values = {"u": torch.sin(2 * torch.pi * waves * at[:, 0])}
        (panel,), _ = split(prediction(at, values, "u", ("x", "y")))
        assert sum("ContourSet" in type(c).__name__ for c in panel.collections) == count


def test_a_singular_corner_does_not_take_away_the_lines():
    at = Rectangle().grid(41)
    values = {"p": torch.sin(3 * at[:, 0]) + 0.02 / (at.square().sum(-1) + 1e-6)}
    (panel,), _ = split(prediction(at, values, "p", ("x", "y")))
    assert sum("ContourSet" in type(c).__name__ for c in panel.collections) == 1


def test_streamlines_stand_out_from_every_speed():
    figure = streamlines(CAVITY.at, CAVITY.values, ("x", "y"))
    (panel,), _ = split(figure)
    mesh = next(c for c in panel.collections if hasattr(c, "_coordinates"))
    lines = next(c for c in panel.collections if hasattr(c, "get_segments"))
    assert lines.get_color()[0, :3].max() == 0.0
    channels = mesh.cmap(np.linspace(0, 1, 50))[:, :3]
    linear = np.where(channels < 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert ((luminance + 0.05) / 0.05).min() > 4.5  # contrast as WCAG defines it
    assert mesh.get_alpha() is None  # smoothly shaded meshes are drawn without


# --- readable in a card


CARD = 350  # pixels of TensorBoard's cards


def coarse():
    """A reference on few points: figures are drawn faster."""
    reference = known(Rectangle(), per_axis=15)
    return replace(reference, values=reference.values | {"p": reference.at[:, 0]})


def test_letters_are_readable_in_a_card():
    pictures = [*draw(Flow(), coarse(), flow_at).values(), *draw(Gusts(), *gusts()).values()]
    for geometry in (Box(), Rectangle((0.0, 5.0)), Interval()):
        reference = known(geometry)
        names = geometry.coordinates.names
        pictures.append(comparison(reference, perturbed(reference), "u", names))
    for figure in pictures:
        rendered(figure)
        shrunk = CARD / (figure.get_figwidth() * figure.dpi)
        texts = [figure._suptitle]
        for ax in everything(figure):
            ticks = [*ax.get_xticklabels(), *ax.get_yticklabels()]
            texts += [ax.title, ax.xaxis.label, ax.yaxis.label, *ticks]
        sizes = {t.get_fontsize() * figure.dpi / 72 * shrunk for t in texts if t.get_text()}
        assert min(sizes) >= 9.0
        assert all(len(ax.get_xticks()) <= 6 for ax in figure.axes if ax.get_xlabel())


def test_texts_do_not_overlap():
    heading = "FlowOfMeasuredVelocities (reynolds 100, samples 200, noise 0.01), step 15"
    figures = draw(Flow(), coarse(), flow_at, heading=heading)
    for figure in figures.values():
        rendered(figure)
        renderer = figure._get_renderer()
        axes = everything(figure)
        found = [figure._suptitle, figure._supxlabel, *(ax.title for ax in axes)]
        found += [ax.xaxis.label for ax in axes] + [ax.yaxis.label for ax in axes]
        boxes = [t.get_window_extent(renderer) for t in found if t is not None and t.get_text()]
        for i, box in enumerate(boxes):
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.width
            assert not any(box.overlaps(other) for other in boxes[:i])


@pytest.mark.parametrize("sides", [(5.0, 1.0), (1.0, 5.0), (100.0, 1.0)])
def test_a_colour_bar_is_as_high_as_the_panel_beside_it(sides):
    reference = known(Rectangle((0.0, sides[0]), (0.0, sides[1])))
    for figure in (
        comparison(reference, perturbed(reference), "u", ("x", "y")),
        streamlines(reference.at, reference.values, ("x", "y"), reference=reference),
        prediction(reference.at, reference.values, "u", ("x", "y")),
    ):
        rendered(figure)
        panels, bars = split(figure)
        assert bars
        for bar in bars:
            box = bar._colorbar.outline.get_window_extent()  # arrows included
            assert any(
                abs(box.height - each.height) < 2 and abs(box.y0 - each.y0) < 2 and each.x1 < box.x0
                for each in (panel.get_window_extent() for panel in panels)
            )
            assert 10 < box.width < 60


def test_the_title_says_which_field_run_and_step():
    scores = {"error/u": 0.125}
    pictures = draw(Flow(), coarse(), flow_at, None, "Flow (reynolds 100), step 15", scores)
    assert pictures["u"].get_suptitle() == (
        "u:  relative L2 error 1.25e-01\nFlow (reynolds 100), step 15"
    )
    assert all("step 15" in figure.get_suptitle() for figure in pictures.values())


def test_vorticity_is_drawn_for_a_velocity_in_the_plane():
    curl = {}

    def vorticity(name, at):
        curl[name] = torch.sin(6 * at[:, 0])
        return curl[name]

    figures = draw(Flow(), CAVITY, flow_at, vorticity)
    assert list(figures) == ["u", "v", "streamlines", "vorticity", "p"]
    ((panel,), (bar,)) = split(figures["vorticity"])
    assert np.array_equal(colours(panel)[0], curl["u"].reshape(101, 101).T)
    assert colours(panel)[1] == pytest.approx((-1.0, 1.0), abs=1e-3)
    assert bar.get_ylabel() == "vorticity"


# --- hard domains and numbers


def test_a_cut_at_zero_is_said_to_be_at_zero():
    reference = known(Box((-1.0, 1.0), (-1.0, 1.0), (-1.0, 1.0)), per_axis=9)
    at = reference.at + torch.tensor([0.0, 0.0, 5e-17])
    figure = prediction(at, reference.values, "u", ("x", "y", "z"))
    assert [ax.get_title() for ax in split(figure)[0]] == ["z = -0.5", "z = 0", "z = 0.5"]


def test_values_that_hardly_differ_are_shown_from_their_lowest_on():
    assert shift_of(np.array([1e5 - 1, 1e5 + 1])) == 99999
    assert shifted("p", 99999.0) == "p − 99999"
    assert shifted("t", -1.7e9) == "t + 1700000000"
    for plain in ([0.0, 1.0], [2.0, 2.0], [2.0, 2.0 + 1e-15], [np.nan], [1.0, 1.2]):
        assert shift_of(np.array(plain)) == 0.0
    at = Rectangle().grid(21)
    truth = {"p": 1e5 + torch.sin(3 * at[:, 0])}
    reference = Reference(at, truth, torch.ones(441, dtype=torch.bool), (21, 21), "by hand")
    figure = comparison(reference, {"p": truth["p"] + 1e-3}, "p", ("x", "y"))
    panels, bars = split(figure)
    rendered(figure)
    assert bars[0].get_ylabel() == "p − 100000"
    assert colours(panels[1])[1] == pytest.approx((0.0, 1.0), abs=5e-3)
    assert not any(bar.yaxis.get_offset_text().get_text() for bar in bars)


def test_seconds_since_1970_and_micrometres_have_readable_axes():
    reference = known(Interval((0.0, 1e-6), time=(1.7e9, 1.7e9 + 60)), per_axis=11)
    figure = comparison(reference, reference.values, "u", ("x", "t"))
    panels, _ = split(figure)
    rendered(figure)
    assert panels[0].get_ylabel() == "t − 1700000000"
    assert panels[0].get_ylim() == (0.0, 60.0)
    ticks = [label.get_text() for label in panels[0].get_xticklabels()]
    assert ticks == ["0", "5e−7", "1e−6"]
    assert not any(ax.xaxis.get_offset_text().get_text() for ax in figure.axes)


def test_a_domain_a_hundred_times_as_long_as_high_is_not_to_scale():
    reference = known(Rectangle((0.0, 100.0), (0.0, 1.0)))
    figure = comparison(reference, perturbed(reference), "u", ("x", "y"))
    panels, _ = split(figure)
    assert figure.get_suptitle().endswith("\naxes not to scale")
    assert all(ax.get_aspect() == "auto" for ax in panels)
    pixels = rendered(figure).shape
    boxes = [ax.get_position() for ax in panels]
    assert min(box.height * pixels[0] for box in boxes) > 150
    assert min(box.width * pixels[1] for box in boxes) > 150


def test_streamlines_are_drawn_on_an_uneven_grid():
    x = torch.linspace(0, 1, 15, dtype=torch.float64) ** 2
    at = torch.cartesian_prod(x, x)
    values = {"u": at[:, 1], "v": -at[:, 0]}
    (panel,), _ = split(streamlines(at, values, ("x", "y")))
    assert sum(len(c.get_segments()) for c in panel.collections if hasattr(c, "get_segments")) > 20
    even = np.linspace(0, 1, 15)
    found = flow.resampled(values["u"].reshape(15, 15).T.numpy(), (x.numpy(),) * 2, (even, even))
    np.testing.assert_allclose(found, np.broadcast_to(even[:, None], (15, 15)), atol=1e-12)


def test_six_coordinates_are_shown_on_a_section(monkeypatch):
    names = ("a", "b", "c", "d", "e", "f")

    class Six(Problem):
        coordinates = names
        unknowns = {"u": 1}
        geometry = Geometry(Coordinates(names), [0.0] * 6, [1.0] * 6)

        @on("interior")
        def equation(self, u):
            return u

    asked = []

    def predict(at):
        asked.append(len(at))
        return {"u": at.sum(-1)}

    at = torch.rand(50, 6, dtype=torch.float64)
    known = torch.ones(50, dtype=torch.bool)
    scattered = Reference(at, {"u": at.sum(-1)}, known, (50,), "measured")
    for reference in (None, scattered):
        rendered(draw(Six(), reference, predict)["u"])
    assert max(asked) <= 101**2


def test_numbers_on_axes_are_short():
    assert [number(v) for v in (0.0, 0.25, -1.5, 5e-7, 1e5, 1.7e9, -2e-12)] == [
        *("0", "0.25", "−1.5", "5e−7", "1e5", "1.7e9", "−2e−12")
    ]


def test_misuse_is_told():
    reference = known(Rectangle())
    with pytest.raises(ValueError, match=r"no component 'w' to draw: .*known: u, v"):
        comparison(reference, reference.values, "w", ("x", "y"))
    with pytest.raises(ValueError, match=r"'u' has shape \(49, 1\): expected \(49,\)"):
        comparison(reference, {"u": torch.zeros(49, 1)}, "u", ("x", "y"))


# --- no global state


@pytest.mark.parametrize("module", [canvas, curves, figures, flow, scales, section])
def test_pyplot_is_not_used(module):
    imported = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    assert not [name for name in imported if "pyplot" in name or name == "matplotlib"]


def test_a_figure_is_freed_when_dropped():
    figure = comparison(CAVITY, perturbed(CAVITY), "u", ("x", "y"))
    rendered(figure)
    alive = weakref.ref(figure)
    del figure
    gc.collect()
    assert alive() is None
