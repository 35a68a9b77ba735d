"""Systems of patches whose equations leave few unknowns, and steps of them."""

import torch

from pinn.networks import Patches, Polynomials
from pinn.objective.local_least_squares import LocalLeastSquares
from pinn.objective.objective import Objective
from pinn.optim import LevenbergMarquardt
from pinn.optim.condensation import Condensed
from pinn.optim.levenberg_marquardt import total_square
from pinn.problems import Continuity
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.rounds import Rounds

TWICE = {"x": 2, "y": 2, "t": 2}


def system_of(problem, degree, grid=TWICE, fill=0.0, until=None):
    """Least squares of a problem on a grid of patches, at the points that a round has."""
    solution = Solution(problem, Patches(grid, Polynomials(degree), None, until)).double()
    for number, parameter in enumerate(solution.networks.parameters()):
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            parameter.copy_(fill * torch.randn(parameter.shape, generator=generator))
    objective = Objective(solution, plan_regions(solution))
    system = LocalLeastSquares(objective)
    rounds = Rounds(solution, 1e-3)
    system.place(
        {region: rounds.points(region) for region in objective.plans},
        dict.fromkeys(objective.order, 1.0),
    )
    return system


def steps(system, count, condenses=True, damping=1e-12):
    """The losses of so many steps, and the optimizer."""
    optimizer = LevenbergMarquardt(system.parameters(), damping=damping, memory=4.0)
    optimizer.system, optimizer.condenses, optimizer.keeps_model = system, condenses, True
    losses = [optimizer.step() for _ in range(count)]
    return [*losses[1:], optimizer.loss], optimizer


def condensed_steps(case, rank=None):
    """θ, the losses and the state of a step, with all points or those of one process.

    There is one case, and its name says nothing more.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        system = system_of(Continuity(), 5)
        if rank is not None:
            parts = {region: p.part(rank, 2) for region, p in system.points.items()}
            system.place(parts, system.weights)
        begun = float(total_square(system.residuals()))
        (loss,), optimizer = steps(system, 1)
    finally:
        torch.set_default_dtype(before)
    assert isinstance(optimizer.model.system, Condensed)
    theta = torch.cat([p.detach().reshape(-1) for p in system.parameters()])
    return theta, [begun, loss], dict(optimizer.past)
