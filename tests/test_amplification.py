"""Estimates see what a small residual hides, as where a condition is missing."""

import re

import pytest
from condensing import steps, system_of

import pinn
from pinn.assessment.scores import errors
from pinn.problems import (
    Advection,
    ClampedPlate,
    Kovasznay,
    KovasznayViscosity,
    Poiseuille,
    Poisson,
)
from pinn.training.amplification import hidden
from pinn.training.kept_rounds import restore, state
from pinn.training.outcome import Outcome
from pinn.training.rounds import Rounds


def test_a_missing_condition_shows_in_the_estimate(tmp_path, capfd):
    """Periodicity is the network's in this problem, and patches are not periodic."""
    solution = pinn.fit(Advection(1.0), accuracy=1e-4, folder=tmp_path)
    assert error(solution, "u") < 10 * estimate(capfd.readouterr().out, "u")


def test_where_nothing_is_hidden_the_estimate_is_that_of_the_rounds(tmp_path, capfd):
    solution = pinn.fit(Kovasznay(20.0), accuracy=1e-5, folder=tmp_path)
    estimated = estimate(capfd.readouterr().out, "v")
    assert estimated / 10 < error(solution, "v") < 10 * estimated


def error(solution: pinn.Solution, name: str) -> float:
    """The true error of a component."""
    return errors(solution, solution.problem.judged_by())[f"error/{name}"]


def estimate(told: str, name: str) -> float:
    """The estimate of a component, in the line below the table."""
    line = next(line for line in told.splitlines() if line.startswith("estimated relative error"))
    parts = line.replace(",", "").split()
    return float(parts[parts.index(name) + 1])


def test_conditions_of_a_fourth_order_equation_are_not_rounding_beside_it(tmp_path, capfd):
    solution = pinn.fit(ClampedPlate(), accuracy=1e-7, folder=tmp_path)
    estimated = estimate(capfd.readouterr().out, "w")
    assert estimated <= 1e-7
    assert error(solution, "w") < min(10 * estimated, 1e-7)


def test_a_flow_that_few_measurements_leave_open_is_not_solved(tmp_path, capfd):
    pinn.fit(KovasznayViscosity(samples=9), accuracy=1e-2, max_steps=200, folder=tmp_path)
    told = capfd.readouterr().out
    assert re.search("not solved: equations and conditions leave (u, )?(v, )?p open", told)


def test_what_is_exact_at_once_is_said_to_be_so(tmp_path, capfd):
    solution = pinn.fit(Poiseuille(), accuracy=1e-8, folder=tmp_path)
    assert error(solution, "u") < 1e-13
    assert "that of rounding" in capfd.readouterr().out


@pytest.mark.usefixtures("double_precision")
def test_what_damping_has_held_back_is_part_of_the_estimate():
    """Along soft directions a step moves a part of the way, and the residual hardly tells."""
    system = system_of(Poisson(), 6, {"x": 2, "y": 2})
    _, optimizer = steps(system, 1, condenses=False, damping=1e-4)
    held = system.unknowns("interior", system.placed["interior"])["u"]
    (told, _) = hidden(system, optimizer, optimizer.loss * 1e-12)
    _, optimizer = steps(system, 1, condenses=False, damping=1e-12)
    solved = system.unknowns("interior", system.placed["interior"])["u"]
    true = float((held - solved).norm() / solved.norm())
    assert true > 1e-3
    assert true / 2 < told["u"] < 2 * true
    (told, _) = hidden(system, optimizer, optimizer.loss * 1e-12)
    assert told["u"] < 1e-8


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(("error", "is_held"), [(1e-3, True), (1e3, False)])
def test_a_round_that_may_be_the_last_takes_what_damping_has_held_back(error, is_held):
    system = system_of(Poisson(), 6, {"x": 2, "y": 2})
    _, optimizer = steps(system, 1, condenses=False, damping=1e-4)
    rounds = Rounds(system.objective.solution, 1e-3)
    rounds.former.networks = rounds.networks
    last = Outcome(1, 4, (6, 6), 112, 100, optimizer.loss, optimizer.loss, {"u": error})
    rounds.outcomes.append(last)
    before = optimizer.damping
    assert rounds.ease(system, optimizer) is is_held
    assert optimizer.damping == (optimizer.least_damping if is_held else before)
    other = Rounds(rounds.solution, 1e-3)
    restore(other, state(rounds))
    assert other.eased is is_held
    assert not (is_held and rounds.ease(system, optimizer))  # once in a round
