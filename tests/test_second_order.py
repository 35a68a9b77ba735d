"""Runs with Levenberg–Marquardt: the phase, what it trains, and where it stops being alone."""

import pytest
import torch

from pinn.networks import MLP
from pinn.optim import LevenbergMarquardt, Phase
from pinn.problems import Kovasznay, Poisson
from pinn.training.solver import Solver

POINTS = {"interior": 144, "boundary": 40}


def solver_of(phases, network=None, **settings):
    torch.manual_seed(0)
    return Solver(Poisson(1), network or MLP(120, 1, spread=3.0), phases, **settings)


def test_a_linear_problem_is_solved_by_its_output_layer(train):
    solver = solver_of([Phase(14, "LevenbergMarquardt", train="output")])
    hidden = solver.solution.networks["all"].hidden[0].weight
    before = hidden.detach().double().clone()
    train(solver, POINTS, method="gauss")
    assert solver.assess()["error/u"] < 1e-2
    (jacobian, r), (other, q) = solver.system.blocks()
    slope = r @ jacobian + q @ other
    assert float(slope.norm()) < 1e-8 * float(jacobian.norm() * r.norm())
    assert torch.equal(hidden, before)
    assert solver.choices["all"].strategy == "taylor"


def test_all_weights_after_the_output_layer(train):
    phases = [
        Phase(4, "LevenbergMarquardt", train="output"),
        Phase(6, "LevenbergMarquardt"),
        Phase(3, "Adam", lr=1e-6, dtype="float64"),
    ]
    solver = solver_of(phases, MLP(20, 1, spread=3.0))
    hidden = solver.solution.networks["all"].hidden[0].weight
    before = hidden.detach().double().clone()
    train(solver, POINTS, method="gauss")
    assert hidden.requires_grad
    assert not torch.equal(hidden, before)


def test_frozen_weights_stay_frozen(train):
    network = MLP(20, 2)
    solver = solver_of([Phase(3, "LevenbergMarquardt"), Phase(2)], network)
    frozen = network.hidden[0].weight.requires_grad_(False)
    solver = Solver(Poisson(1), network, solver.schedule.phases)
    train(solver, POINTS, method="gauss")
    assert not frozen.requires_grad
    assert network.hidden[1].weight.requires_grad


def test_the_step_and_the_system_see_the_same_loss(train):
    solver = solver_of([Phase(3, "LevenbergMarquardt")], MLP(8, 2))
    train(solver, POINTS, method="gauss")
    assert isinstance(solver.trainer.optimizers[0], LevenbergMarquardt)
    rows = solver.system.residuals()
    total, _ = solver.objective.loss(solver.system.points, solver.system.weights)
    assert float(rows @ rows) == pytest.approx(float(total.detach()), rel=1e-12)


def test_a_phase_ends_where_the_loss_is_below(train, capsys):
    solver = solver_of([Phase(14, "LevenbergMarquardt", train="output", loss=1e-3)])
    train(solver, POINTS, method="gauss")
    (line,) = [s for s in capsys.readouterr().out.splitlines() if s.startswith("phase 1 ")]
    rows = solver.system.residuals()
    assert float(rows @ rows) < 1e-3 < float(solver.terms["total"])  # after the step, and before
    assert line.endswith(f"loss {float(rows @ rows):.1e} below 0.001")


def test_levenberg_marquardt_beats_lbfgs_by_orders(train):
    found = []
    for name, steps in (("LBFGS", 4), ("LevenbergMarquardt", 25)):
        torch.manual_seed(0)
        solver = Solver(Kovasznay(), MLP(12, 2), [Phase(steps, name)], {"boundary": 10.0})
        train(solver, POINTS, method="gauss")
        like = next(solver.parameters())
        total, _ = solver.objective.loss(
            solver.collocation.draw(solver.problem, 0, 0, like), solver.balance.weights
        )
        found.append(float(total.detach()))
    assert found[1] < 0.1 * found[0]
