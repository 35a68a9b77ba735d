"""The estimated error of a solution, against exact solutions, and what a run says at its end."""

import math

import pytest
import torch

import pinn
from pinn.assessment.scores import errors
from pinn.networks import MLP, Periodic
from pinn.optim import Phase
from pinn.problems import Advection, Kovasznay, KovasznayViscosity, Poisson
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.conclusion import far_above, near_zero, too_large
from pinn.training.error_estimate import ErrorEstimate
from pinn.training.estimate import Estimator, can_be_estimated, estimate_error


def drawn(problem, width=8):
    torch.manual_seed(1)
    return Solution(problem, MLP(width, 2)).double()


def weights_of(problem):
    return {residual.name: 1.0 for residual in problem.residuals}


def estimated(solution, seconds=10.0):
    problem = solution.problem
    return estimate_error(solution, plan_regions(solution), weights_of(problem), seconds)


def corrected_by(solution, degree):
    problem = solution.problem
    estimator = Estimator(solution, plan_regions(solution), weights_of(problem))
    estimator.degree = degree
    estimator.networks = {name: estimator.patches(name) for name in solution.networks}
    return estimator


def test_the_error_of_a_network_that_nobody_has_trained():
    solution = drawn(Poisson())
    known = estimated(solution)
    true = errors(solution, solution.problem.judged_by())["error/u"]
    assert known.is_settled
    assert known.errors["u"] == pytest.approx(true, rel=0.05)
    assert known.line.startswith(f"estimated relative error of u {known.errors['u']:.0e} (")


def test_the_weights_and_their_precision_stay():
    solution = drawn(Poisson()).float()
    before = {name: p.clone() for name, p in solution.named_parameters()}
    estimated(solution)
    assert all(p.dtype == torch.float32 for p in solution.parameters())
    assert all(torch.equal(p, before[name]) for name, p in solution.named_parameters())


def test_a_correction_makes_the_residual_vanish():
    solution = drawn(Poisson())
    first = corrected_by(solution, 8).estimate(None).fall
    estimator = corrected_by(solution, 14)
    assert estimator.estimate(None).fall < 0.2 * first < 0.02
    at = torch.rand(50, 2, dtype=torch.float64)
    corrected = estimator.values(at, estimator.networks)["u"]
    exact = torch.sin(math.pi * at[:, 0]) * torch.sin(math.pi * at[:, 1])
    before = solution(at)["u"]
    assert (corrected - exact).norm() < 1e-2 * (before - exact).norm()


def test_what_has_no_estimate():
    periodic = Solution(Advection(), MLP(4, 1, embedding=Periodic({"x": 2 * math.pi})))
    assert not can_be_estimated(periodic, plan_regions(periodic))
    inverse = Solution(KovasznayViscosity(), MLP(4, 1))
    assert not can_be_estimated(inverse, plan_regions(inverse))


def test_a_nonlinear_problem():
    torch.manual_seed(0)
    solution = Solution(Kovasznay(), MLP(40, 1, spread=2.0)).double()
    fitted_to(solution)
    known = corrected_by(solution, 20).estimate(None)
    true = errors(solution, solution.problem.judged_by())
    for name, error in known.errors.items():
        assert error == pytest.approx(true[f"error/{name}"], rel=0.1)


def fitted_to(solution):
    """Fit the output layer to the exact values: errors of 0.4 to 24 %."""
    reference = solution.problem.judged_by()
    some = slice(None, None, 7)
    at = reference.at[some]
    values = torch.stack([reference.values[n][some] for n in ("u", "v", "p")], 1)
    network = solution.networks["all"]
    output = network.output
    with torch.no_grad():
        output.weight.zero_()
        output.bias.zero_()
        hidden = []
        hook = output.register_forward_pre_hook(lambda _, given: hidden.append(given[0]))
        network(at)
        hook.remove()
        features = torch.cat([hidden[0], torch.ones(len(at), 1)], 1).double()
        least = torch.linalg.lstsq(features, values, rcond=1e-4, driver="gelsd").solution
        output.weight.copy_(least[:-1].T)
        output.bias.copy_(least[-1])


def test_when_a_run_has_not_solved_its_problem():
    problem = Kovasznay()
    assert "zero" in near_zero(0.8, 1.0, problem)
    assert "reynolds" in near_zero(0.8, 1.0, problem)
    assert near_zero(0.1, 1.0, problem) == near_zero(0.0, 0.0, problem) == ""
    weights = {"a": 2.0}
    assert "2.0e-02 at all others" in far_above(1e-4, {"residual/a_rms": 0.1}, weights, 1.0)
    assert far_above(1e-2, {"residual/a_rms": 0.1}, weights, 1.0) == ""
    assert far_above(1e-9, {"residual/a_rms": 1e-4}, weights, 1.0) == ""
    assert "v is 30%" in too_large(ErrorEstimate({"u": 0.01, "v": 0.3}), problem)
    assert too_large(ErrorEstimate({"u": 0.01, "v": 0.09}), problem) == ""


def fit(folder, width, capsys, steps=6):
    phases = [Phase(steps, "LevenbergMarquardt", train="output", dtype="float64")]
    network, points = MLP(width, 1, spread=2.0), {"interior": 400, "boundary": 80}
    settings = {"accelerator": "cpu", "compile": False, "method": "gauss", "seed": 0}
    pinn.fit(Poisson(), network, phases, points, folder=folder, logger=False, **settings)
    return capsys.readouterr().out


def test_a_run_ends_with_the_estimate(tmp_path, capsys):
    said = fit(tmp_path, 60, capsys)
    assert said.count("estimated relative error of u ") == 1
    assert "not solved" not in said


def test_a_run_that_is_too_coarse_says_so(tmp_path, capsys):
    said = fit(tmp_path, 12, capsys)
    assert said.count("not solved: the estimated error of u is ") == 1
