"""Residuals of scripts that differentiate with `torch.autograd.grad`."""

import pytest
import torch
from torch import Tensor, nn

import pinn
from pinn import Problem, Rectangle, laplacian, on, partial
from pinn.physics.explanation import ProblemError


def slopes(u, at, x):
    """∂u/∂x by a field's value, as a ported script has it."""
    ones = torch.ones_like(u.value)
    return torch.autograd.grad(u.value, at.value, ones, create_graph=True)[0][:, 0]


def second(u, at, x):
    """∂²u/∂x² + ∂²u/∂y² by nested calls on fields."""
    g = torch.autograd.grad(u, at, torch.ones_like(u), create_graph=True)[0]
    xx, yy = (torch.autograd.grad(g[:, i], at, torch.ones_like(u))[0][:, i] for i in (0, 1))
    return xx + yy


def by_coordinate(u, at, x):
    """∂u/∂x by the coordinate alone."""
    return torch.autograd.grad([u], [x], grad_outputs=[torch.ones_like(u)])[0]


def solved(ported, ours):
    """The values that both residuals give, on one network, and the gradients to its weights."""

    class Ports(Problem):
        coordinates, unknowns, geometry = ("x", "y"), {"u": 1}, Rectangle()

        @on("interior")
        def eq(self, u, at, x):
            return ported(u, at, x) - 1.0

    class Ours(Ports):
        @on("interior")
        def eq(self, u, at, x):
            return ours(u, at, x) - 1.0

    results = []
    for problem in (Ports(), Ours()):
        torch.manual_seed(3)
        net = nn.Sequential(nn.Linear(2, 9), nn.Tanh(), nn.Linear(9, 1))
        phase = pinn.Phase(optimizer="LevenbergMarquardt", steps=3)
        solution = pinn.fit(problem, net, phases=[phase], points={"interior": 30}, seed=0)
        results.append(torch.cat([p.detach().flatten() for p in solution.parameters()]))
    return results


@pytest.mark.parametrize(
    ("ported", "ours"),
    [
        (slopes, lambda u, at, x: partial(u, "x")),
        (by_coordinate, lambda u, at, x: partial(u, x)),
        (second, lambda u, at, x: laplacian(u)),
    ],
)
def test_trains_as_the_operators_do(ported, ours):
    found, exact = solved(ported, ours)
    torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-6)


class Matrix(Problem):
    """The product with g_c of a vector's slopes."""

    coordinates, unknowns, geometry = ("x", "y"), {"u": ("a", "b")}, Rectangle()

    @on("interior")
    def eq(self, u, at):
        return torch.autograd.grad(u, at, pinn.vector(2.0 + 0 * u[:, 0], 3.0 + 0 * u[:, 0]))[0]


def test_components_are_summed_with_their_factors():
    problem, x = Matrix(), torch.rand(5, 2, dtype=torch.float64)
    fields = pinn.differentiate(lambda p: torch.stack([p[:, 0] * p[:, 1], p[:, 0] ** 2], -1), x)
    at = pinn.differentiate(lambda p: p, x).named("at")
    found = problem.evaluate(
        problem.residuals[0], {"u": fields}, at, problem.geometry.sample("interior", 5)
    )
    exact: Tensor = torch.stack([2 * x[:, 1] + 6 * x[:, 0], 2 * x[:, 0]], -1)
    torch.testing.assert_close(found, exact)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda u, at: torch.autograd.grad(u, u)[0], "give it a coordinate"),
        (lambda u, at: torch.autograd.grad(u.value.sum(), at.value)[0][:, 0], "write partial"),
    ],
)
def test_what_is_no_coordinate_is_refused(wrong, said):
    class Ports(Problem):
        coordinates, unknowns, geometry = ("x", "y"), {"u": 1}, Rectangle()

        @on("interior")
        def eq(self, u, at):
            return wrong(u, at)

    with pytest.raises(ProblemError, match=said):
        pinn.fit(Ports(), pinn.MLP(width=4, depth=1), points={"interior": 9})
