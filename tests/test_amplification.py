"""Estimates see what a small residual hides, as where a condition is missing."""

import re

import pinn
from pinn.assessment.scores import errors
from pinn.problems import Advection, ClampedPlate, Kovasznay, KovasznayViscosity, Poiseuille


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
    assert re.search("not solved: equations and conditions leave (u, )?v, p open", told)


def test_what_is_exact_at_once_is_said_to_be_so(tmp_path, capfd):
    solution = pinn.fit(Poiseuille(), accuracy=1e-8, folder=tmp_path)
    assert error(solution, "u") < 1e-13
    assert "that of rounding" in capfd.readouterr().out
