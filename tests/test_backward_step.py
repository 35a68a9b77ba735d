"""Flow over a backward-facing step: its data, and where a small run finds it to attach again."""

import math

import pytest
import torch

from pinn.api import fit
from pinn.fields.field import coordinate_field
from pinn.networks import MLP, Polar
from pinn.optim import Phase
from pinn.physics.quantities import reference_of
from pinn.problems import BackwardStep

POINTS = {"interior": 700, "inlet": 20, "outlet": 24, "walls": 150, "edge": 50}
WEIGHTS = {"inflow": 100.0, "no_slip": 100.0}


def test_a_small_run_finds_where_the_flow_attaches_again(tmp_path):
    solution = fit(
        BackwardStep(inlet=1.5, length=10.0),
        MLP(250, 1, spread=1.0, embedding=Polar([[0.0, 1.0]], core=0.1)),
        [Phase(7, "LevenbergMarquardt", train="output", dtype="float64")],
        POINTS,
        WEIGHTS,
        derivatives="taylor",
        compile=False,
        refine={"edge": 0.4},
        folder=tmp_path,
        accelerator="cpu",
        enable_progress_bar=False,
        val_check_interval=7,
    )
    found = solution.quantities()["reattachment"]
    assert found.error < 0.1
    x = torch.tensor([0.99, 1.01]).double() * found.value
    slopes = solution.at(torch.stack([x, 0 * x], 1), ["u.y"])["u.y"]
    assert slopes[0] < 0 < slopes[1]


def test_the_inflow_is_developed():
    problem = BackwardStep(inlet=2.0, length=8.0)
    inlet = problem.geometry.sample("inlet", 20, "gauss")
    assert problem.geometry.measure("inlet") == pytest.approx(1)
    assert problem.geometry.measure("walls") == pytest.approx(2 * (2 + 8) + 1 - 0.4)
    assert problem.geometry.measure("edge") == pytest.approx(0.4)
    at = coordinate_field(inlet.at, problem.geometry.coordinates)
    profile = -problem.inflow(0 * at, at).value
    assert float((inlet.weights * profile[:, 0]).mean()) == pytest.approx(1, rel=1e-12)
    assert float(profile[:, 0].max()) == pytest.approx(1.5, rel=1e-2)


def test_residuals_count_less_at_the_corner():
    at = torch.tensor([[0.0, 1.1], [0.0, 1.0], [0.3, 1.0]], dtype=torch.float64)
    found = BackwardStep().importance("interior", at)
    assert found.tolist() == pytest.approx([0.5, 0.0, 0.9])


def test_only_what_the_paper_tabulates_is_a_reference():
    problem = BackwardStep([100.0, 150.0])
    (reattachment,) = problem.quantities
    assert reference_of(problem, reattachment) == 2.922
    problem.enter(1)
    assert reference_of(problem, reattachment) is None


def test_a_flow_that_does_not_turn_has_no_reattachment(tmp_path):
    solution = fit(
        BackwardStep(), MLP(8, 1), [Phase(1, "Adam")], folder=tmp_path, max_steps=1, compile=False
    )
    assert math.isnan(solution.quantities()["reattachment"].value)


def test_without_an_inlet_channel_the_flow_enters_at_the_step():
    problem = BackwardStep(800.0, inlet=0.0, length=60.0)
    assert problem.geometry.measure("interior") == pytest.approx(120)
    assert problem.geometry.measure("inlet") == pytest.approx(1)
    assert problem.geometry.measure("edge") == pytest.approx(0.2)
    assert problem.geometry.measure("walls") == pytest.approx(2 * 60 + 0.8)
    assert reference_of(problem, problem.quantities[0]) == 12.20
    with pytest.raises(ValueError, match=r"inlet is -1\.0: it must be a positive"):
        BackwardStep(inlet=-1.0)
