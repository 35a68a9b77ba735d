"""Estimates see what a small residual hides, as where a condition is missing."""

import pinn
from pinn.assessment.scores import errors
from pinn.problems import Advection, Kovasznay


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
