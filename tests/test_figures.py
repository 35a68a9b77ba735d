"""Figures: what is in them, for every kind of domain, whatever the values."""

import ast
import gc
import inspect
import weakref

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

import pinn.assessment.figures
import pinn.assessment.section
from pinn.assessment.figures import comparison, draw, limits, prediction, streamlines
from pinn.assessment.metrics import RelativeL2
from pinn.geometry import Box, Interval, Rectangle
from pinn.operators import grad
from pinn.problem import Problem
from pinn.references import Reference, cavity_reference
from pinn.residuals import on

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


def split(figure):
    """Panels and colour bars."""
    bars = [ax for ax in figure.axes if ax.get_label() == "<colorbar>"]
    return [ax for ax in figure.axes if ax not in bars], bars


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


def test_a_gauged_unknown_is_drawn_up_to_a_function_of_time():
    at = Gusts.geometry.grid(7)
    truth = torch.sin(3 * at[:, 0]) + at[:, 1]
    reference = Reference(at, {"p": truth}, torch.ones(49, dtype=torch.bool), (7, 7), "by hand")
    error = 0.01 * torch.cos(5 * at[:, 0]).reshape(7, 7)
    error = (error - error.mean(0)).flatten()
    found = {"p": truth + error + 100 * torch.exp(at[:, 1])}
    figure = draw(Gusts(), reference, lambda _: found)["p"]
    level = torch.sin(3 * at[:, 0]).reshape(7, 7)
    level = level - level.mean(0)
    expected = float(error.norm() / level.norm())
    assert f"relative L2 error {expected:.2e}" in figure.get_suptitle()
    panels, _ = split(figure)
    np.testing.assert_allclose(colours(panels[2])[0].max(), error.abs().max(), rtol=1e-6)


def test_comparison_has_three_maps_and_two_colour_bars():
    figure = comparison(CAVITY, perturbed(CAVITY), "u", ("x", "y"))
    panels, bars = split(figure)
    titles = [ax.get_title() for ax in panels]
    assert titles == ["prediction", "reference", "|error|  (dashed: not judged)"]
    assert [bar.get_ylabel() for bar in bars] == ["u", "|error of u|"]
    assert [ax.get_xlabel() for ax in panels] == ["x", "x", "x"]
    assert panels[0].get_ylabel() == "y"
    assert all(ax.get_aspect() == 1.0 for ax in panels)
    assert CAVITY.source in figure.get_supxlabel()
    assert rendered(figure).shape[1] == 1200


def test_comparison_shows_the_values_where_they_belong():
    predicted = perturbed(CAVITY)
    figure = comparison(CAVITY, predicted, "v", ("x", "y"))
    (ours, ours_scale), (theirs, scale), (error, _) = (colours(ax) for ax in split(figure)[0])
    # Pictures have y upwards and x to the right: [row, column] = [i_y, i_x].
    assert np.array_equal(ours, predicted["v"].reshape(101, 101).T.numpy())
    assert np.array_equal(theirs, CAVITY.values["v"].reshape(101, 101).T.numpy())
    assert np.allclose(error, np.abs(ours - theirs), atol=0)
    assert ours_scale == scale == (theirs.min(), theirs.max())


def test_title_tells_the_error_of_the_metric():
    predicted = perturbed(CAVITY)
    metric = RelativeL2()
    metric.update(predicted["u"][CAVITY.judged], CAVITY.values["u"][CAVITY.judged])
    figure = comparison(CAVITY, predicted, "u", ("x", "y"))
    assert figure.get_suptitle() == f"u:  relative L2 error {float(metric.compute()):.2e}"


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
    assert (low, high) == pytest.approx(tuple(np.percentile(values, [1, 99])))
    assert bars[0]._colorbar.extend == "both"
    assert bars[1]._colorbar.extend == "neither"


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
        assert sum(len(c.get_segments()) for c in ax.collections if hasattr(c, "get_segments")) > 50


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
    assert np.array_equal(below.get_lines()[0].get_ydata(), error)
    assert (above.get_ylabel(), below.get_ylabel(), below.get_xlabel()) == ("u", "|error|", "x")
    assert len(prediction(reference.at, predicted, "u", ("x",)).axes) == 1


def test_space_and_time_give_a_map_without_equal_aspect():
    reference = known(Interval((0.0, 9.0), time=(0.0, 1.0)))
    panels, _ = split(comparison(reference, perturbed(reference), "u", ("x", "t")))
    assert len(panels) == 3
    assert panels[0].get_ylabel() == "t"
    assert all(ax.get_aspect() == "auto" for ax in panels)


def test_title_tells_where_a_field_is_cut():
    reference = known(Box(z=(0.0, 2.0), time=(0.0, 3.0)))
    figure = comparison(reference, reference.values, "u", ("x", "y", "z", "t"))
    assert figure.get_suptitle().endswith("(shown at z = 1, t = 3)")


def test_a_long_domain_is_stacked():
    reference = known(Rectangle((0.0, 8.0), (0.0, 1.0)))
    figure = comparison(reference, perturbed(reference), "u", ("x", "y"))
    rendered(figure)
    panels, _ = split(figure)
    bottoms = [ax.get_position().y0 for ax in panels]
    assert bottoms == sorted(bottoms, reverse=True)
    assert len(set(bottoms)) == 3
    assert [ax.get_xlabel() for ax in panels] == ["", "", "x"]
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


def flow(at):
    return {"u": at[:, 1], "v": at[:, 0], "p": at[:, 0]}


def test_draw_without_a_reference():
    figures = draw(Flow(), None, flow)
    assert list(figures) == ["u", "v", "streamlines", "p"]
    assert figures["u"].get_suptitle() == "u:  prediction"


def test_draw_with_a_reference_of_some_components():
    at = Rectangle().grid(9)
    values = {"p": flow(at)["p"] - 3.0}
    reference = Reference(at, values, torch.ones(81, dtype=torch.bool), (9, 9), "by hand")
    figures = draw(Flow(), reference, flow)
    assert list(figures) == ["u", "v", "streamlines", "p"]
    assert figures["p"].get_suptitle() == "p:  relative L2 error 0.00e+00"  # gauged
    assert figures["u"].get_suptitle() == "u:  prediction"
    assert len(split(figures["streamlines"])[0]) == 1


def test_draw_compares_what_is_known():
    figures = draw(Flow(), CAVITY, flow)
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


@pytest.mark.parametrize("value", [0.0, 1.0, torch.nan, torch.inf])
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


def test_misuse_is_told():
    reference = known(Rectangle())
    with pytest.raises(ValueError, match=r"no component 'w' to draw: .*known: u, v"):
        comparison(reference, reference.values, "w", ("x", "y"))
    with pytest.raises(ValueError, match=r"'u' has shape \(49, 1\): expected \(49,\)"):
        comparison(reference, {"u": torch.zeros(49, 1)}, "u", ("x", "y"))


# --- no global state


@pytest.mark.parametrize("module", [pinn.assessment.figures, pinn.assessment.section])
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
