"""Flow between plates: its data, and a run that finds it to eight digits."""

import math

import pytest
import torch

from pinn.api import fit
from pinn.assessment.norms import relative_l2
from pinn.fields.field import coordinate_field
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.problems import Couette, Poiseuille

POINTS = {"interior": 400, "inflow": 20, "outflow": 20, "walls": 60}
WEIGHTS = {"inflow": 10.0, "walls": 10.0, "outflow": 10.0}


@pytest.mark.parametrize("problem", [Poiseuille(), Couette(gradient=1.5)], ids=["rest", "sliding"])
def test_a_run_finds_the_flow_to_eight_digits(problem, tmp_path):
    solution = fit(
        problem,
        MLP(250, 1, spread=1.0),
        [Phase(16, "LevenbergMarquardt", train="output", dtype="float64")],
        POINTS,
        WEIGHTS,
        derivatives="taylor",
        compile=False,
        method="gauss",
        folder=tmp_path,
        accelerator="cpu",
        enable_progress_bar=False,
        val_check_interval=16,
    )
    reference = problem.reference()
    values = solution(reference.at)
    u, p = values["u"][:, 0].detach(), values["p"].detach()
    assert relative_l2(u, reference.values["u"]) < 1e-8
    assert relative_l2(p, reference.values["p"]) < 1e-8
    assert values["u"][:, 1].abs().max() < 1e-8


def at(problem, *points):
    return coordinate_field(torch.tensor(points, dtype=torch.float64), problem.geometry.coordinates)


def test_values_by_hand():
    flow = Poiseuille(reynolds=24.0, length=4.0)
    exact = flow.exact(at(flow, [0.0, 0.5], [4.0, 0.0], [1.0, 0.25]))
    torch.testing.assert_close(exact["u"].value[:, 0].tolist(), [1.5, 0.0, 1.125])
    torch.testing.assert_close(exact["p"].value.tolist(), [2.0, 0.0, 1.5])
    dragged = Couette(reynolds=10.0, gradient=-2.0)
    exact = dragged.exact(at(dragged, [0.0, 0.25], [2.0, 1.0]))
    torch.testing.assert_close(exact["u"].value[:, 0].tolist(), [-0.125, 1.0])
    torch.testing.assert_close(exact["p"].value.tolist(), [-0.8, 0.0])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Poiseuille(length=0.0), r"length is 0\.0: it must be a positive, finite number"),
        (lambda: Poiseuille(reynolds=-1.0), r"reynolds is -1\.0"),
        (lambda: Couette(gradient=math.inf), "gradient is inf: it must be a finite number"),
    ],
)
def test_bad_arguments(make, said):
    with pytest.raises(ValueError, match=said):
        make()
