"""One step of a tiny network on each problem of a kind of its own: it plans, steps and judges."""

import math

import pytest
import torch

from pinn.api import fit
from pinn.networks import MLP, Periodic
from pinn.objective.losses import residual_values
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
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution

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


def sides_of(network):
    """The largest value of a residual of the sides, with untrained networks."""
    torch.manual_seed(0)
    solution = Solution(TaylorGreen2D(**CARRIED, sides="residual"), network).double()
    plans = plan_regions(solution)
    points = {region: solution.problem.geometry.sample(region, 20) for region in plans}
    values = residual_values(solution, points, plans)
    return max(float(values[r.name][r.regions[0]].abs().max()) for r in sides(solution.problem))


def sides(problem):
    return [residual for residual in problem.residuals if residual.partner]


def test_periodic_features_meet_the_sides_that_residuals_ask_for():
    period = 2 * math.pi
    assert sides_of(MLP(10, 1, embedding=Periodic({"x": period, "y": period}))) < 1e-12
    assert sides_of(MLP(10, 1)) > 1e-3
    assert sides(TaylorGreen2D(**CARRIED)) == []
