"""Scores: against exact solutions built into the ansatz, where every error is known."""

import pytest
import torch

from pinn.assessment.scores import assess, component_values
from pinn.networks import MLP
from pinn.objective.losses import residual_losses
from pinn.problems import Continuity, Kovasznay, LidDrivenCavity, Poisson
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation


class Scaled(Kovasznay):
    """The exact flow, its velocity too large by 1 %, its pressure off by a constant."""

    def ansatz(self, raw, at):
        exact = self.exact(at)
        return {"u": 1.01 * exact["u"] + 0 * raw["u"], "p": exact["p"] + 3.0 + 0 * raw["p"]}


def scores_of(problem, dtype=torch.float64, held_out=200):
    torch.manual_seed(0)
    solution = Solution(problem, MLP(6, 1)).to(dtype)
    data = Collocation(held_out=held_out)
    points = data.draw_held_out(problem, next(solution.parameters()))
    return assess(solution, problem.reference(), points, plan_regions(solution))


def test_errors_of_a_flow_that_is_one_percent_too_fast():
    scores = scores_of(Scaled())
    assert scores["error/u"] == pytest.approx(0.01, rel=1e-9)
    assert scores["error/v"] == pytest.approx(0.01, rel=1e-9)
    # Momentum fixes the pressure up to a constant only.
    assert scores["error/p"] < 1e-13
    assert scores["divergence/rms"] < scores["divergence/max"] < 1e-13
    assert scores["residual/continuity_rms"] == scores["divergence/rms"]
    assert 1e-3 < scores["residual/momentum_rms"] < scores["residual/momentum_max"]


def test_without_a_gauge_a_constant_is_an_error():
    assert scores_of(Scaled(gauge="free"))["error/p"] < 1e-13
    problem = Scaled()
    problem.gauges = {}
    assert scores_of(problem)["error/p"] > 0.1


def test_every_tag():
    assert set(scores_of(Poisson())) == {
        "error/u",
        "residual/balance_rms",
        "residual/balance_max",
        "residual/boundary_rms",
        "residual/boundary_max",
    }
    assert "error/rho" in scores_of(Continuity())
    cavity = scores_of(LidDrivenCavity())
    assert {"error/u", "error/u_everywhere", "divergence/rms"} <= set(cavity)


def test_no_reference_no_errors():
    scores = scores_of(LidDrivenCavity(reynolds=123.0))
    assert not [tag for tag in scores if tag.startswith("error/")]
    assert scores["residual/momentum_rms"] > 0


def test_single_precision_scores_the_same_solution():
    double, single = scores_of(Kovasznay()), scores_of(Kovasznay(), torch.float32)
    assert double.keys() == single.keys()
    # Both are the same untrained weights but for their rounding.
    for tag, value in double.items():
        assert single[tag] == pytest.approx(value, rel=1e-3), tag


def test_the_residual_score_is_the_loss_at_those_points():
    problem = LidDrivenCavity()
    torch.manual_seed(0)
    solution = Solution(problem, MLP(6, 1)).double()
    points = Collocation(held_out=50).draw_held_out(problem, next(solution.parameters()))
    plans = plan_regions(solution)
    scores = assess(solution, None, points, plans)
    losses = residual_losses(solution, points, plans)
    for name, loss in losses.items():
        assert scores[f"residual/{name}_rms"] ** 2 == pytest.approx(loss.item(), rel=1e-12)


def test_components_and_their_owners():
    torch.manual_seed(0)
    solution = Solution(Kovasznay(), MLP(6, 1)).double()
    at = torch.rand(5, 2, dtype=torch.float64)
    values = component_values(solution, at)
    assert list(values) == ["u", "v", "p"]
    assert torch.equal(values["v"], solution(at)["u"][:, 1])
    assert [unknown for unknown, _ in solution.problem.component_places.values()] == ["u", "u", "p"]


def test_assessing_leaves_no_gradients_behind():
    problem = Kovasznay()
    solution = Solution(problem, MLP(6, 1)).double()
    points = Collocation(held_out=20).draw_held_out(problem, next(solution.parameters()))
    assess(solution, problem.reference(), points, plan_regions(solution))
    assert all(p.grad is None for p in solution.parameters())
