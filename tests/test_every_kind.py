"""One step of a tiny network on each problem of a kind of its own: it plans, steps and judges."""

import math

import pytest

from pinn.api import fit
from pinn.networks import MLP, Periodic
from pinn.optim import Phase
from pinn.problems import (
    AdvectionDiffusion,
    AdvectionDiffusion2D,
    AllenCahn,
    BackwardStep,
    Burgers,
    ClampedPlate,
    RandomFlow,
    TaylorGreen2D,
)

CARRIED = {"mean_velocity": (1.0, 0.5)}
PROBLEMS = {
    "AdvectionDiffusion": (AdvectionDiffusion, {}),
    "AdvectionDiffusion2D": (AdvectionDiffusion2D, {}),
    "AllenCahn": (AllenCahn, {}),
    "Burgers": (Burgers, {}),
    "ClampedPlate": (ClampedPlate, {}),
    "RandomFlow": (RandomFlow, {}),
    "TaylorGreen2D, residuals": (TaylorGreen2D, {**CARRIED, "sides": "residual"}),
    "Gartling": (BackwardStep, {"reynolds": 800.0, "inlet": 0.0, "length": 60.0}),
}


def small_fit(problem, network, folder):
    points = dict.fromkeys(problem.regions(), 16) | {"interior": 64}
    return fit(
        problem,
        network,
        [Phase(1, "LevenbergMarquardt", train="output", dtype="float64")],
        points,
        compile=False,
        derivatives="taylor",
        folder=folder,
        accelerator="cpu",
        enable_progress_bar=False,
    )


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_step_leaves_a_solution_that_can_be_judged(name, tmp_path):
    cls, arguments = PROBLEMS[name]
    solution = small_fit(cls(**arguments), MLP(10, 1), tmp_path)
    reference = solution.problem.judged_by()
    for unknown, values in solution(reference.at).items():
        assert bool(values.isfinite().all()), unknown
    assert set(reference.values) <= set(solution.problem.component_places)


def test_periodic_features_meet_the_sides_that_residuals_ask_for(tmp_path):
    period = 2 * math.pi
    network = MLP(10, 1, embedding=Periodic({"x": period, "y": period}))
    solution = small_fit(TaylorGreen2D(**CARRIED, sides="residual"), network, tmp_path)
    ends = solution([[0.0, 1.0, 2.0], [period, 1.0, 2.0]])["u"]
    assert abs(ends[0] - ends[1]).max() < 1e-12
    assert abs(ends[0] - solution([[1.0, 1.0, 2.0]])["u"][0]).max() > 1e-3
