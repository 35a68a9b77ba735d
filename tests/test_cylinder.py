"""Flow past a cylinder: its forces on any field, and what a small run finds."""

import math

import pytest
import torch

from pinn.api import fit
from pinn.fields.field import coordinate_field
from pinn.geometry import Disc, Ellipse, Rectangle
from pinn.networks import MLP, Polar
from pinn.networks.polar import hole
from pinn.optim import Phase
from pinn.physics.quantities import reference_of
from pinn.problems import CylinderFlow

POINTS = {"interior": 700, "inlet": 24, "outlet": 24, "walls": 120, "cylinder": 60}
WEIGHTS = {"inflow": 100.0, "no_slip": 100.0}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fit(
        CylinderFlow(),
        MLP(250, 1, spread=1.0, embedding=Polar()),
        [Phase(6, "LevenbergMarquardt", train="output", dtype="float64")],
        POINTS,
        WEIGHTS,
        derivatives="taylor",
        compile=False,
        refine={"cylinder": 1.0},
        folder=tmp_path_factory.mktemp("runs"),
        accelerator="cpu",
        enable_progress_bar=False,
        val_check_interval=6,
    )


def test_a_small_run_comes_near_the_benchmark(run):
    found = run.quantities()
    assert found["drag"].error < 0.1
    assert found["drag_by_momentum"].error < 0.2
    assert found["pressure_difference"].error < 0.1
    assert found["lift"].reference == pytest.approx(0.0106, abs=1e-4)


def test_two_forces_differ_by_what_the_equations_miss(run):
    """∫ ∇·(σ − u u) dx over the channel is the difference, with the flow through the cylinder."""
    problem = run.problem
    inside = problem.geometry.sample("interior", 20_000, "gauss")
    there = run.at(inside.at, ["u.x", "u.y", "u.laplacian", "p.x"])
    u, v, ux, uy, laplacian, px = (
        there[name] for name in ("u", "v", "u.x", "u.y", "u.laplacian", "p.x")
    )
    missed = inside.weights * (u * ux + v * uy + px - laplacian / problem.reynolds)
    wall = problem.geometry.sample("cylinder", 2_000, "gauss")
    through = run(wall.at)["u"]
    leak = (through * wall.normal).sum(1) * through[:, 0] * wall.weights
    area, length = (problem.geometry.measure(region) for region in ("interior", "cylinder"))
    expected = -2 * area * missed.mean() + 2 * length * leak.mean()
    found = run.quantities()
    difference = found["drag_by_momentum"].value - found["drag"].value
    assert difference == pytest.approx(float(expected), abs=3e-4)
    assert abs(difference) > 1e-3


def test_the_inflow_has_mean_one_and_the_lift_no_reference_elsewhere():
    problem = CylinderFlow(reynolds=[10.0, 20.0])
    inlet = problem.geometry.sample("inlet", 20, "gauss")
    at = coordinate_field(inlet.at, problem.geometry.coordinates)
    profile = -problem.inflow(0 * at, at).value
    assert float((inlet.weights * profile[:, 0]).mean()) == pytest.approx(1, rel=1e-12)
    assert not profile[:, 1].any()
    assert [reference_of(problem, quantity) for quantity in problem.quantities] == [None] * 4
    problem.enter(1)
    assert reference_of(problem, problem.quantities[0]) == pytest.approx(5.5795, abs=1e-4)


# --- the centres of holes


def plate():
    """A plate with two holes of one name and one of another."""
    twins = Disc((-0.5, 0.0), 0.2, name="twins") | Disc((0.5, 0.0), 0.2, name="twins")
    return Rectangle((-1, 1), (-1, 1)) - twins - Ellipse((0.0, 0.6), (0.3, 0.1), name="slot")


def test_a_hole_is_found_by_its_name():
    found = hole(plate(), "slot")
    torch.testing.assert_close(found.centre, torch.tensor([0.0, 0.6], dtype=torch.float64))
    assert found.radius == pytest.approx(0.1, rel=1e-3)
    assert hole(plate(), "twins") is None
    assert hole(Disc((0.0, 0.0), 1.0, name="rim"), "rim") is None


def test_polar_takes_all_holes_with_a_name_of_their_own():
    polar = Polar()
    assert polar.build(plate()) == 5
    polar.double()
    x = torch.tensor([[0.3, 0.6], [0.0, 0.7]], dtype=torch.float64)
    found = polar(x)
    torch.testing.assert_close(found[:, 3:], torch.eye(2, dtype=torch.float64))
    assert float(found[0, 2] - found[1, 2]) == pytest.approx(math.log(3), rel=1e-12)
    with pytest.raises(ValueError, match="'twins' is not the boundary of one hole"):
        Polar(["twins"]).build(plate())
