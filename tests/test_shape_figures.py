"""Figures and references of shapes: nothing outside is drawn, asked for or judged."""

import numpy as np
import pytest
import torch
from flows import Around, Plate, Room
from holed import channel, holed
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pinn.assessment.figures import draw
from pinn.assessment.norms import relative_l2
from pinn.assessment.scores import errors, tags
from pinn.geometry.grids import smallest_part, spacings
from pinn.networks import MLP
from pinn.physics.references import Reference, regular_grid
from pinn.solution.solution import Solution


def predicted(problem):
    """One per cent off, and only where somebody may ask."""

    def predict(at):
        assert (problem.geometry.distance(at) <= 1e-6).all(), "asked outside"
        fields = problem._exact_fields(at, 2)
        values = problem.by_component({name: field.value for name, field in fields.items()})
        return {name: 1.01 * value for name, value in values.items()}

    return predict


def pictures(problem, reference=None):
    return draw(problem, reference or problem.judged_by(), predicted(problem))


def maps(figure):
    panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    return [ax for ax in panels if any(hasattr(c, "_coordinates") for c in ax.collections)]


def boundary_of(ax):
    """The vertices of the line that is drawn last."""
    line = max((c for c in ax.collections if hasattr(c, "levels")), key=lambda c: c.get_zorder())
    return torch.from_numpy(np.concatenate([path.vertices for path in line.get_paths()]))


@pytest.fixture(scope="module")
def flow():
    problem = Around()
    return problem, pictures(problem)


def test_the_grid_is_fine_enough_for_the_hole():
    assert smallest_part(channel()) == pytest.approx(0.1, abs=1e-3)
    along, across = spacings(channel())
    assert 0.1 / (2.2 / (along - 1)) > 18
    assert 0.1 / (0.41 / (across - 1)) > 18
    assert along * across < 45_000


def test_the_boundary_is_a_line_and_the_solid_is_white(flow):
    problem, figures = flow
    for ax in maps(figures["u"]):
        line = boundary_of(ax)
        assert float(problem.geometry.distance(line).abs().max()) < 2e-3  # at corners
        assert (problem.geometry.distance(line, "hole") < 1e-3).any()
        mesh = next(c for c in ax.collections if hasattr(c, "_coordinates"))
        at = torch.from_numpy(np.asarray(mesh._coordinates).reshape(-1, 2))
        deep = (problem.geometry.distance(at) > 0.03).numpy()
        assert deep.sum() > 20
        assert np.ma.getmaskarray(mesh.get_array()).reshape(-1)[deep].all()
        assert ax.get_aspect() == 1


def test_every_map_has_colours_up_to_the_boundary(flow):
    problem, figures = flow
    ax = maps(figures["u"])[0]
    mesh = next(c for c in ax.collections if hasattr(c, "_coordinates"))
    at = torch.from_numpy(np.asarray(mesh._coordinates).reshape(-1, 2))
    near = (problem.geometry.distance(at) < 0.005).numpy()
    assert not np.ma.getmaskarray(mesh.get_array()).reshape(-1)[near].any()


def test_every_colour_bar_has_a_name(flow):
    for figure in flow[1].values():
        bars = [
            a for ax in figure.axes for a in (ax, *ax.child_axes) if "<colorbar>" in a.get_label()
        ]
        assert bars
        assert all(bar.get_ylabel() for bar in bars)


def test_streamlines_do_not_cross_the_solid(flow):
    problem, figures = flow
    for ax in maps(figures["streamlines"]):
        lines = [c for c in ax.collections if type(c).__name__ == "LineCollection"]
        at = torch.from_numpy(np.concatenate([np.concatenate(c.get_segments()) for c in lines]))
        assert len(at) > 500
        assert float(problem.geometry.distance(at).max()) < 1e-3


def test_profiles_are_cut(flow):
    (line, *_) = next(ax for ax in flow[1]["u"].axes if ax not in maps(flow[1]["u"])).lines
    x, y = line.get_data()
    cut = np.isnan(y)
    assert (np.abs(x[cut] - 0.2) < 0.05).all()
    assert cut.sum() > 15


def test_sections_in_space_have_their_own_boundary():
    problem = Room()
    ours = maps(pictures(problem)["u"])
    assert len(ours) == 9
    for k, ax in enumerate(ours):  # rows at z = −½, 0, ½: the ball is cut by the second alone
        vertices = boundary_of(ax)
        hole = (vertices.norm(dim=-1) < 0.6).any()
        assert bool(hole) == (3 <= k < 6)


def test_scattered_points_are_dots_beside_the_map():
    problem = Plate()
    at = problem.geometry.sample("interior", 60).at
    values = {"u": problem._exact_fields(at, 2)["u"].value}
    reference = Reference(at, values, torch.ones(60, dtype=torch.bool), (60,), "by hand")
    ask, problem.exact = predicted(Plate()), lambda at: None
    figure = draw(problem, reference, ask)["u"]
    FigureCanvasAgg(figure).draw()
    dots = next(c for c in figure.axes[1].collections if type(c).__name__ == "PathCollection")
    assert len(dots.get_offsets()) == 60
    assert np.allclose(np.asarray(dots.get_array()), 0.01 * values["u"].abs().numpy(), atol=1e-8)
    assert "relative L2 error 1.00e-02" in figure.get_suptitle()


# --- references


def test_points_outside_are_not_judged_and_not_asked():
    problem = Plate()
    reference = problem.judged_by()
    square = reference.at.square().sum(-1)
    assert torch.equal(reference.judged, square >= 0.25 - 1e-5)
    assert bool(reference.values["u"][~reference.judged].isnan().all())
    assert list(reference.shape) == spacings(problem.geometry)
    assert not any("everywhere" in tag for tag in tags(solution_of(problem), reference))


def solution_of(problem):
    torch.manual_seed(0)
    return Solution(problem, MLP(8, 1)).double()


def test_the_error_is_that_of_the_points_inside():
    problem = Plate()
    solution, reference = solution_of(problem), problem.judged_by()
    inside = reference.at[reference.judged]
    truth = 0.5 * inside.square().sum(-1).log()
    wanted = relative_l2(solution(inside)["u"].detach(), truth)
    assert errors(solution, reference)["error/u"] == pytest.approx(wanted, rel=1e-12)


def test_a_reference_of_the_bounds_loses_what_lies_outside():
    problem = Plate()
    at, shape = regular_grid(problem.geometry)
    full = torch.ones(len(at), dtype=torch.bool)
    problem.reference = lambda: Reference(at, {"u": at[:, 0]}, full, shape, "by hand")
    reference = problem.judged_by()
    assert torch.equal(reference.judged, reference.inside)
    assert not bool(reference.judged.all())
    far = torch.full((1, 2), 0.1, dtype=torch.float64)
    problem.reference = lambda: Reference(far, {"u": far[:, 0]}, full[:1], (1,), "by hand")
    with pytest.raises(ValueError, match="of the reference's 1 points none lies in"):
        problem.judged_by()


def test_time_and_a_shape_make_a_grid_of_both():
    geometry = holed((0.0, 0.0), (2.2, 0.41), (0.2, 0.2), 0.05, (0.0, 3.0))
    at, shape = regular_grid(geometry)
    assert len(shape) == 3
    assert shape[-1] == 11
    assert float(at[:, -1].max()) == 3.0
