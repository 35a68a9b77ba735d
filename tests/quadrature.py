"""A rule of Gauss points that processes divide: what is asked of a whole one and of its parts."""

import torch
from torch import nn

import pinn
from pinn.base.processes import processes, total
from pinn.fields.vector_calculus import laplacian
from pinn.geometry import Rectangle
from pinn.networks import MLP
from pinn.objective.least_squares import LeastSquares
from pinn.objective.objective import Objective
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation
from pinn.training.covariance import data as data_of
from pinn.training.loss_weights import Balance, gradient_norms

# None of these is even, and of one point a process has nothing.
POINTS = {"interior": 9, "left": 5, "right": 3, "top": 7, "bottom": 1}
WEIGHTS = {"inside": 2.0, "sides": 1.0, "level": 0.5, "floor": 3.0, "measured": 1.5}
WEIGHTS |= {"spread": 0.7, "highest": 0.3, "flux": 1.1, "ends": 0.9}
DATA = {"x": [0.1, 0.2, 0.9, 0.5, 0.6], "y": [0.3, 0.2, 0.4, 0.9, 0.1], "T": [1.0, 0.5, 2.0, 0, 1]}


class Mixed(Problem):
    """Residuals of every kind: on a region and data, on two regions, of a mean, of one point."""

    coordinates, unknowns, columns = ("x", "y"), {"u": 1}, ("T",)
    geometry = Rectangle(x=(0, 1), y=(0, 2)).with_points("data", DATA).with_points("more", DATA)

    def __init__(self):
        super().__init__()
        self.k = nn.Parameter(torch.tensor(0.7))

    @on("interior", "data")
    def inside(self, u, x):
        return laplacian(u) - self.k * u + x

    @on("left", "right")
    def sides(self, u, y):
        return u - y * y

    @on("top")
    def level(self, u, x):
        return u * x - pinn.integral(u * x + u)

    @on("top")
    def flux(self, u):
        return u - pinn.integral(pinn.dn(u), on="left") + pinn.mean(u)

    ends = pinn.periodic("left", "right")

    @on("bottom")
    def floor(self, u):
        return u - 0.3

    @on("data")
    def measured(self, u, T):
        return u - T

    @on("data")
    def spread(self, u, T):
        return u - pinn.mean(u) - T

    @on("more")
    def highest(self, u, T):
        return u - T.value.max() * u.value.max().detach()


def sensors(rank=0):
    """Loss and JᵀJv of measured points alone, which need no quadrature to be divided."""
    found = answers(rank, Sensors(), {"inside": 2.0, "measured": 1.5}, "sobol")
    return {name: found[name] for name in ("losses", "gradient", "|r|²", "Jᵀr", "JᵀJv", "data")}


class Sensors(Problem):
    """Two residuals, both of them at measured points."""

    coordinates, unknowns, columns = ("x", "y"), {"u": 1}, ("T",)
    geometry = Rectangle(x=(0, 1), y=(0, 2)).with_points("data", DATA)

    @on("data")
    def inside(self, u, x):
        return laplacian(u) - u + x

    @on("data")
    def measured(self, u, T):
        return u - T


def answers(rank=0, problem=None, weights=None, method="gauss"):
    """Loss, gradient, products with J, and what weights follow, of all processes together."""
    torch.manual_seed(0)
    solution = Solution(problem or Mixed(), MLP(6, 2)).double()
    solution.strategy = {"all": "taylor"}
    plans, like = plan_regions(solution), next(solution.parameters())
    weights = weights or WEIGHTS
    data = Collocation(POINTS if method == "gauss" else None, method)
    data.check(solution.problem, plans)
    points = data.draw(solution.problem, 0, rank, like)
    objective = Objective(solution, plans)
    losses, slopes = objective.gradient(points, weights)
    system = LeastSquares(objective, record=False)
    system.place(points, weights)
    blocks, parts = zip(*system.blocks(), strict=True)
    jacobian, r = torch.cat(blocks), torch.cat(parts)
    v = torch.linspace(-1, 1, jacobian.shape[1], dtype=torch.float64)
    return {
        "losses": total(losses) / processes(),
        "gradient": total(torch.cat([s.reshape(-1) for s in slopes])) / processes(),
        "|r|²": total(r @ r),
        "Jᵀr": total(jacobian.T @ r),
        "data": torch.tensor(data_of(system, torch.eye(len(v)).double(), torch.ones_like(v))),
        "JᵀJv": total(jacobian.T @ (jacobian @ v)),
        "norms": gradient_norms(objective, points),
        "traces": Balance("ntk", weights).traces(objective, points),
    }
