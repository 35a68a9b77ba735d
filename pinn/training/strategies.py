"""The strategy of each network of a run."""

from collections.abc import Mapping

from pinn.checking.independence import check_independence
from pinn.choosing.choice import Choice, choose
from pinn.choosing.sample_step import Trial
from pinn.derivatives.evaluate import StrategyName
from pinn.geometry import Points
from pinn.solution.plans import RegionPlan
from pinn.solution.solution import Solution

SURE = 2.0  # the fused pass is given up for one twice as fast: a run repeats itself bit by bit


def choose_strategies(
    solution: Solution,
    plans: Mapping[str, RegionPlan],
    points: Mapping[str, Points],
    asked: StrategyName,
) -> dict[str, Choice]:
    """The strategy of each network, judged on the region that needs most derivatives."""
    choices = {}
    for name, network in solution.networks.items():
        demand = {r: plan.networks[name] for r, plan in plans.items()}
        region = max(demand, key=lambda r: len(demand[r].channels))
        at = points[region].at
        check_independence(network, at)
        choices[name] = choose(Trial(network, demand[region], tie=SURE), at, asked)
    return choices
