"""Points refined towards parts: a mean with their weights is the mean over the region."""

import math

import pytest
import torch
from holed import Holed, channel, plate, room

from pinn import MLP, fit, load
from pinn.fields.vector_calculus import laplacian
from pinn.geometry import Geometry, Rectangle
from pinn.geometry.refinement import refined, refinement
from pinn.optim.phase import Phase
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.problems.poisson import Poisson
from pinn.training.collocation import Collocation


def smooth(at):
    return torch.exp(at[:, 0]) * (1 + at[:, 1] ** 2)


def exact_mean(geometry):
    rule = geometry.sample("interior", 20000, "gauss")
    return float((rule.weights * smooth(rule.at)).mean())


@pytest.mark.parametrize(
    ("method", "error"), [("sobol", 4e-3), ("lhs", 2.5e-2), ("uniform", 3.5e-2)]
)
@pytest.mark.parametrize("where", [channel, plate, room, lambda: channel(time=(0, 2))])
def test_the_weighted_mean_is_that_of_the_region(where, method, error):
    geometry = where()
    points = refined(geometry, "interior", 8000, {"hole": 0.1}, method, 3)
    assert len(points) == 8000
    assert bool(geometry.contains(points.at).all())
    assert float(points.weights.mean()) == pytest.approx(1, abs=1e-12)
    # ≤ 2 but for the division by their mean.
    assert points.weights.min() > 0
    assert points.weights.max() < 2.05
    mean = float((points.weights * smooth(points.at)).mean())
    assert mean == pytest.approx(exact_mean(geometry), rel=error)


def test_half_of_the_points_and_the_share_of_the_rest_lie_near_the_part():
    geometry = channel()
    points = refined(geometry, "interior", 20000, {"hole": 0.1}, "sobol", 0)
    near = float((geometry.distance(points.at, "hole") < 0.1).double().mean())
    ring = math.pi * (0.15**2 - 0.05**2) / geometry.measure("interior")
    assert near == pytest.approx(0.5 + 0.5 * ring, abs=0.01)


def test_several_parts_share_the_concentrated_half_alike():
    geometry = channel()
    points = refined(geometry, "interior", 20000, {"hole": 0.05, "right": 0.02}, "sobol", 0)
    near = [
        (geometry.distance(points.at, p) < size) for p, size in (("hole", 0.05), ("right", 0.02))
    ]
    assert [float(n.double().mean()) for n in near] == pytest.approx([0.26, 0.26], abs=0.02)
    assert float((points.weights * smooth(points.at)).mean()) == pytest.approx(
        exact_mean(geometry), rel=4e-3
    )


def test_the_density_is_that_of_the_docstring():
    density = refinement(Rectangle(), "interior", (("left", 0.5),))
    assert density.means["left"] == pytest.approx(0.25, abs=1e-4)  # ∫₀^½ (1 − 2x) dx
    at = torch.tensor([[0.0, 0.3], [0.25, 0.3], [0.7, 0.3]], dtype=torch.float64)
    assert density.relative(at).tolist() == pytest.approx([2.5, 1.5, 0.5], abs=1e-3)


def test_held_out_points_and_faces_stay_as_they_are():
    plain, near = Collocation(held_out=50), Collocation(held_out=50, refine={"left": 0.1})
    problem, like = Poisson(), torch.zeros(1, dtype=torch.float64)
    drawn = [(d.check(problem), d.draw(problem, 0, 0, like))[1] for d in (plain, near)]
    assert torch.equal(drawn[0]["boundary"].at, drawn[1]["boundary"].at)
    assert not torch.equal(drawn[0]["interior"].at, drawn[1]["interior"].at)
    held = [d.draw_held_out(problem, like)["interior"] for d in (plain, near)]
    assert torch.equal(held[0].at, held[1].at)
    assert held[1].weights is None


class Plate(Problem):
    """Heat in a plate with a hole."""

    coordinates = ("x", "y")
    unknowns = {"u": 1}

    def __init__(self):
        super().__init__(plate())

    @on("interior")
    def balance(self, u):
        return laplacian(u)

    @on("boundary")
    def walls(self, u, x):
        return u - x


def test_a_run_keeps_what_was_asked_for(tmp_path):
    solution = fit(
        Plate(), MLP(40, 1, spread=1.0), [Phase(3, "LevenbergMarquardt", train="output")],
        {"interior": 200, "boundary": 80}, refine={"hole": 0.2}, folder=tmp_path,
        accelerator="cpu", enable_progress_bar=False,
    )  # fmt: skip
    at = torch.tensor([[0.8, 0.0], [0.0, -0.7]], dtype=torch.float64)
    assert solution(at)["u"].tolist() == pytest.approx([0.8, 0.0], abs=2e-3)
    (path,) = tmp_path.rglob("step-*3.ckpt")
    saved = torch.load(path, weights_only=True)["pinn"]["data"]
    assert saved["refine"] == {"hole": 0.2}
    assert torch.equal(load(path, Plate())(at)["u"], solution(at)["u"])


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"refine": {"hole": 0.0}}, "data.refine.hole is 0.0: give a positive length"),
        ({"refine": {"hole": True}}, "data.refine.hole is True: give a positive length"),
        ({"refine": [0.1]}, r"data.refine is \[0.1\]: give a length by part, {cylinder: 0.1}"),
        ({"refine": {"hole": 0.1}, "method": "gauss"}, "data.refine is given, but gauss places"),
        (
            {"refine": {"hole": 0.1}, "adapt": True, "resample": 5},
            "both say where points lie: choose one",
        ),
    ],
)
def test_settings_that_cannot_work(settings, line):
    with pytest.raises(ValueError, match=line):
        Collocation(**settings)


def test_lengths_are_held_against_the_parts():
    with pytest.raises(ValueError, match=r"data.refine: 'hoel' is no part .* mean 'hole'"):
        Collocation(refine={"hoel": 0.1}).check(Plate())
    with pytest.raises(
        ValueError, match=r"data.refine: next to no point .* within 1e-05 of 'hole'"
    ):
        Collocation(refine={"hole": 1e-5}).check(Plate())


# --- domains without an interior


def test_a_shape_of_which_nothing_is_left():
    with pytest.raises(ValueError, match="the shape has no interior: nothing"):
        Geometry(("x", "y"), (0, 0), (1, 1), Holed((0, 0), (1, 1), (0.5, 0.5), 2.0))


class Crowded(Holed):
    """A shape whose measure is a mistake: there is next to nothing in it."""

    def contains(self, at):
        return super().contains(at) & (at[:, 0] < 1e-9)


def test_rejection_that_finds_nothing_is_one_line():
    geometry = Geometry(("x", "y"), (0, 0), (1, 1), Crowded((0, 0), (1, 1), (0.5, 0.5), 0.1))
    line = r"region 'interior': only 0 of \d+ points drawn lie in it, 10 are needed: it is empty"
    with pytest.raises(ValueError, match=line):
        geometry.sample("interior", 10)
