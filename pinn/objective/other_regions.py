"""The numbers that residuals take over other regions, such as the flow rate through an outlet.

A residual is run at the points of each region that it names, see `fields.elsewhere`, before it is
evaluated at its own. The numbers are shared by all points of its own region, as a mean over it is.
"""

from collections.abc import Mapping

from torch import Tensor

from pinn.base.context import setting
from pinn.fields.elsewhere import Place, Tour, visited
from pinn.fields.field import Field
from pinn.fields.integrals import SHARED
from pinn.physics.explanation import ProblemError
from pinn.physics.problem import Fields
from pinn.physics.residuals import Residual
from pinn.solution.plans import RegionPlan
from pinn.solution.quadrature import Quadrature
from pinn.solution.solution import Solution


def numbers_elsewhere(
    solution: Solution, plan: RegionPlan, rules: Mapping[Place, Quadrature]
) -> dict[str, list[Tensor]]:
    """The numbers of every residual of a region that takes some over other places.

    Args:
        solution: the problem with its networks.
        plan: of the region.
        rules: the points of the places, in the precision of the solution.

    Returns:
        Residual → its numbers with their graph, in order; empty where they are given.
    """
    shared = SHARED.get()
    if not plan.elsewhere or (shared is not None and shared.given is not None):
        return {}
    fields = {p: solution.fields(rule.points.at, plan.networks) for p, rule in rules.items()}
    residuals = (r for r in solution.problem.residuals if r.name in plan.elsewhere)
    with setting(SHARED, None):
        return {
            r.name: numbers(solution, r, plan.elsewhere[r.name], rules, fields) for r in residuals
        }


def numbers(
    solution: Solution,
    residual: Residual,
    places: tuple[Place, ...],
    rules: Mapping[Place, Quadrature],
    fields: Mapping[Place, tuple[Fields, Field]],
) -> list[Tensor]:
    """The numbers of one residual, in order.

    Raises:
        ProblemError: it asks for others than before the first step.
    """
    tour = Tour(len(places))

    def run(place: Place) -> None:
        if place not in rules:
            raise ProblemError(
                f"residual {residual.name!r} takes a number {place}, which it did not when it was "
                "tried before the first step: take the same ones in any case"
            )
        tour.begin(place, rules[place].rule)
        solution.problem.evaluate(residual, *fields[place], rules[place].points)

    visited(tour, run, places[0])
    if len(tour.values) < len(places):
        raise ProblemError(
            f"residual {residual.name!r} takes {len(tour.values)} numbers over other regions, and "
            f"took {len(places)} when it was tried before the first step: take all in any case"
        )
    return tour.values
