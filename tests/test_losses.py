"""From residuals to losses, against sums written out."""

import pytest
import torch
from equations import solution_of

from pinn.fields.vector_calculus import div, grad
from pinn.geometry import Rectangle
from pinn.objective.losses import residual_losses, residual_values, squared_norm
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.plans import plan_regions


class Flow(Problem):
    """A scalar, a vector, and one residual on two faces."""

    coordinates = ("x", "y")
    unknowns = {"u": ("u", "v"), "p": 1}
    geometry = Rectangle()

    @on("interior")
    def balance(self, u, p):
        return grad(p) + u

    @on("interior")
    def continuity(self, u):
        return div(u)

    @on("left", "right")
    def sides(self, p):
        return p

    def importance(self, region, at):
        return None if region == "right" else 1 + at[:, 1]


def flow():
    solution = solution_of(Flow())
    points = {r: solution.problem.geometry.sample(r, n) for r, n in SIZES.items()}
    return solution, points, plan_regions(solution)


SIZES = {"interior": 11, "left": 4, "right": 7}


def test_squared_norm_of_scalars_and_vectors():
    vectors = torch.tensor([[3.0, 4.0], [1.0, 2.0]])
    assert squared_norm(vectors).tolist() == [25.0, 5.0]
    assert squared_norm(vectors[:, 0]).tolist() == [9.0, 1.0]


def test_every_residual_on_each_of_its_regions():
    values = residual_values(*flow())
    shapes = {n: {r: tuple(v.shape) for r, v in by.items()} for n, by in values.items()}
    assert shapes == {
        "balance": {"interior": (11, 2)},
        "continuity": {"interior": (11,)},
        "sides": {"left": (4,), "right": (7,)},
    }


def test_losses_are_weighted_means_over_all_points_of_a_residual():
    solution, points, plans = flow()
    losses = residual_losses(solution, points, plans)
    network = solution.networks["all"]
    left, right = (network(points[side].at)[:, 2] ** 2 for side in ("left", "right"))
    importance = 1 + points["left"].at[:, 1]
    expected = ((importance * left).sum() + right.sum()) / 11
    torch.testing.assert_close(losses["sides"], expected, rtol=1e-14, atol=0)

    at = points["interior"].at.clone().requires_grad_()
    u, v, p = network(at).unbind(-1)
    (dp,), (du,), (dv,) = (torch.autograd.grad(f.sum(), at, create_graph=True) for f in (p, u, v))
    weight = 1 + at[:, 1]
    balance = (weight * ((dp[:, 0] + u) ** 2 + (dp[:, 1] + v) ** 2)).mean()
    torch.testing.assert_close(losses["balance"], balance, rtol=1e-12, atol=0)
    continuity = (weight * (du[:, 0] + dv[:, 1]) ** 2).mean()
    torch.testing.assert_close(losses["continuity"], continuity, rtol=1e-12, atol=0)


class Quartic(Problem):
    """A residual whose square is x⁴ whatever the network."""

    coordinates = ("x", "y")
    unknowns = {"u": 1}
    geometry = Rectangle()

    @on("interior")
    def square(self, u, at):
        return at[:, 0] ** 2 + 0 * u


def test_by_quadrature_a_loss_is_an_integral():
    solution = solution_of(Quartic())
    points = {"interior": solution.problem.geometry.sample("interior", 9, "gauss")}
    loss = residual_losses(solution, points, plan_regions(solution))["square"]
    assert float(loss) == pytest.approx(1 / 5, rel=1e-14)


def test_the_gradient_is_that_of_the_loss():
    solution, points, plans = flow()

    def total():
        return sum(residual_losses(solution, points, plans).values())

    weight = next(solution.parameters())
    (gradient,) = torch.autograd.grad(total(), weight)
    step = 1e-6
    with torch.no_grad():
        weight[0, 0] += step
        above = total()
        weight[0, 0] -= 2 * step
        below = total()
    torch.testing.assert_close(gradient[0, 0], (above - below) / (2 * step), rtol=1e-7, atol=1e-9)
