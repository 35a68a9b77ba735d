"""The residual vector and its Jacobian: the loss is its square, reverse mode agrees."""

import pytest
import torch
from equations import Inverse
from torch import nn

from pinn.networks import MLP, Network
from pinn.objective.least_squares import LeastSquares
from pinn.objective.losses import residual_losses
from pinn.objective.objective import Objective
from pinn.problems import Kovasznay, LidDrivenCavity
from pinn.recording.recording import Recording
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation


def made(problem=None, network=None, points=None, strategy="taylor", method="sobol", **settings):
    """A system at the points of a problem."""
    torch.manual_seed(0)
    problem = problem or Kovasznay()
    solution = Solution(problem, network or MLP(6, 2)).double()
    solution.strategy = dict.fromkeys(solution.strategy, strategy)
    weights = {r.name: 1.0 + k for k, r in enumerate(problem.residuals)}
    told = []
    objective = Objective(solution, plan_regions(solution), tell=told.append)
    system = LeastSquares(objective, **settings)
    system.told = told
    data = Collocation(points or {"interior": 25, "boundary": 16}, method=method)
    data.check(problem)
    system.place(data.draw(problem, 0, 0, next(solution.parameters())), weights)
    return system


def whole(system):
    """J and r."""
    blocks = list(system.blocks())
    return torch.cat([j for j, _ in blocks]), torch.cat([r for _, r in blocks])


def loss_of(system):
    """Σ λ_k L_k, differentiable."""
    terms = residual_losses(system.objective.solution, system.points, system.objective.plans)
    return sum(system.weights[name] * term for name, term in terms.items())


@pytest.mark.parametrize(
    ("strategy", "method"),
    [("taylor", "sobol"), ("taylor", "gauss"), ("vmap", "gauss"), ("loop", "sobol")],
)
def test_the_square_is_the_loss_and_the_jacobian_its_slope(strategy, method):
    system = made(strategy=strategy, method=method, points={"interior": 9, "boundary": 8})
    jacobian, rows = whole(system)
    loss = loss_of(system)
    torch.testing.assert_close(rows @ rows, loss.detach())
    gradient = torch.autograd.grad(loss, system.parameters())
    flat = torch.cat([g.reshape(-1) for g in gradient])
    torch.testing.assert_close(2 * rows @ jacobian, flat, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(system.residuals(), rows)
    assert system.point_by_point


@pytest.mark.parametrize("problem", [Kovasznay(), LidDrivenCavity()])
def test_the_jacobian_is_that_of_reverse_mode_row_by_row(problem):
    points = {"interior": 12} | ({"boundary": 8} if isinstance(problem, Kovasznay) else {})
    system = made(problem, points=points)
    for chunk in system.chunks:
        found, expected = system.jacobian(chunk), system.row_by_row(chunk)
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
    assert system.told == []


def test_new_parameters_and_points_are_seen():
    system = made()
    whole(system)
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.mul_(1.3)
    data = Collocation({"interior": 25, "boundary": 16}, seed=1)
    problem = system.objective.solution.problem
    data.check(problem)
    system.place(data.draw(problem, 0, 0, system.parameters()[0]), system.weights)
    for chunk in system.chunks:
        torch.testing.assert_close(
            system.jacobian(chunk), system.row_by_row(chunk), rtol=1e-11, atol=1e-12
        )
    torch.testing.assert_close(system.residuals().square().sum(), loss_of(system).detach())
    assert len(system.objective.recorder.recordings) == 4  # rows and Jacobian of two regions, once


def test_new_weights_are_seen_at_the_same_points():
    system = made()
    chunks, before = system.chunks, system.residuals()
    system.place(system.points, {name: 4 * weight for name, weight in system.weights.items()})
    assert system.chunks is chunks
    torch.testing.assert_close(system.residuals(), 2 * before)
    torch.testing.assert_close(whole(system)[1], 2 * before)


def test_blocks_add_up(monkeypatch):
    expected = whole(made())
    monkeypatch.setattr("pinn.objective.least_squares.BLOCK", 10_000)
    system = made()
    assert len(system.chunks) > 4
    torch.testing.assert_close(whole(system), expected)


def test_the_output_layer_alone():
    system = made()
    every, rows = whole(system)
    names = system.objective.solution.outer_parameters()
    for name, parameter in system.objective.solution.named_parameters():
        parameter.requires_grad_(name in names)
    outer, again = whole(system)
    count = sum(p.numel() for p in system.parameters())
    assert count == 3 * 7
    torch.testing.assert_close(outer, every[:, -count:])  # the last layer comes last
    torch.testing.assert_close(again, rows)
    jacobians = [
        r for key, r in system.objective.recorder.recordings.items() if key[0][0] == "jacobian"
    ]
    functions = [line.function for line in jacobians[-1].recording.main.lines]
    assert torch.ops.aten.tanh.default not in functions  # features belong to the points


def test_features_of_a_frozen_layer_are_evaluated_once(monkeypatch):
    prepared = []
    plain = Recording.prepared
    monkeypatch.setattr(
        Recording, "prepared", lambda self, fixed: prepared.append(0) or plain(self, fixed)
    )
    system = made()
    names = system.objective.solution.outer_parameters()
    for name, parameter in system.objective.solution.named_parameters():
        parameter.requires_grad_(name in names)
    system.residuals(), whole(system)
    before = len(prepared)
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.mul_(1.5)
    system.residuals(), whole(system)
    assert len(prepared) == before > 0
    hidden = system.objective.solution.networks["all"].hidden[0].weight
    with torch.no_grad():
        hidden.mul_(1.5)  # which they belong to
    expected = system.residuals()
    assert len(prepared) > before
    torch.testing.assert_close(expected @ expected, loss_of(system).detach())


def test_a_coefficient_has_its_column():
    system = made(Inverse(), points={"interior": 25})
    assert "problem.k" in system.objective.solution.outer_parameters()
    jacobian, rows = whole(system)
    gradient = torch.autograd.grad(loss_of(system), system.parameters())
    column = [p is system.objective.solution.problem.k for p in system.parameters()].index(True)
    begin = sum(p.numel() for p in system.parameters()[:column])
    torch.testing.assert_close(2 * rows @ jacobian[:, begin], gradient[column])


class Crowd(Network):
    """Whose points see each other."""

    def create(self, geometry, outputs):
        self.output = nn.Linear(2, outputs)

    def value(self, x):
        return self.output(torch.tanh(x - x.mean(0)))


def test_points_that_see_each_other_are_differentiated_together():
    system = made(network=Crowd(), strategy="loop")
    jacobian, rows = whole(system)
    gradient = torch.autograd.grad(loss_of(system), system.parameters(), materialize_grads=True)
    flat = torch.cat([g.reshape(-1) for g in gradient])
    torch.testing.assert_close(2 * rows @ jacobian, flat)
    assert not system.point_by_point
    assert len(system.told) == 1
    assert system.told[0].startswith("jacobian  points one after the other")


def test_a_share_of_the_loss(monkeypatch):
    once = made()
    monkeypatch.setattr("pinn.objective.least_squares.processes", lambda: 2)
    half = made()
    torch.testing.assert_close(half.residuals() * 2**0.5, once.residuals())


def test_a_network_without_an_output_layer_is_refused():
    bare = nn.Sequential(nn.Linear(2, 3))
    with pytest.raises(ValueError, match="Sequential has no module called output"):
        Solution(Kovasznay(), bare).outer_parameters()
