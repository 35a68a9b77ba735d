"""What a run that is given an accuracy begins with: few patches, weights, and one phase."""

from typing import Any

from pinn.optim import Phase, usual_phases
from pinn.physics.problem import Problem
from pinn.solution.solution import Solution
from pinn.training.first_patches import first_patches

STEPS = 1000  # of all rounds together, at most
ROUND = Phase(STEPS, "LevenbergMarquardt", train="output", options={"damping": 1e-12})


def chosen(
    problem: Problem, network: Any, accuracy: float | None, phases: Any, weighting: str
) -> Any:
    """The network that was given; the first patches where an accuracy is given in its place.

    Raises:
        ValueError: neither is given, the accuracy cannot be, or settings are given beside it.
    """
    if accuracy is None:
        if network is None:
            raise ValueError("model.network is missing: give one, or model.accuracy, such as 1e-4")
        return network
    if not 1e-15 <= accuracy < 1:
        raise ValueError(f"model.accuracy is {accuracy}: expected a number between 1e-15 and 1")
    given = {"network": network, "phases": phases}
    given["weighting"] = None if weighting == "fixed" else weighting
    for name in [name for name, value in given.items() if value is not None]:
        raise ValueError(
            f"model.accuracy is {accuracy:g} and model.{name} is given, which it finds by itself: "
            "remove one of them"
        )
    if len(problem.stages) > 1:
        many = len(problem.stages)
        raise ValueError(
            f"model.accuracy is {accuracy:g} and the problem has {many} stages: give "
            "the last values alone, since the run goes through easier ones by itself"
        )
    return first_patches(problem.geometry)


def phases_of(solution: Solution, phases: Any, accuracy: float | None) -> Any:
    """The phases that were given, else the usual ones; with an accuracy, one of rounds."""
    if accuracy is not None:
        return [ROUND]
    return usual_phases(solution) if phases is None else phases
