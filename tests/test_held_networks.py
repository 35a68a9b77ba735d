"""A problem that holds networks, tables and coefficients: right in every precision, and trained."""

import pytest
import torch
from small import fitted
from torch import nn

import pinn
from pinn import MLP, Interval, Phase, Problem, Rectangle, Solution, grad, laplacian, on
from pinn.objective.losses import region_residuals
from pinn.objective.objective import Objective
from pinn.solution.plans import plan_regions

FLOAT = torch.float64


def small(inputs):
    """A smooth network whose second derivatives do not vanish."""
    return nn.Sequential(nn.Linear(inputs, 5), nn.Tanh(), nn.Linear(5, 1))


class Holding(Problem):
    """c(x) ∇²u = 4, with c written in several ways."""

    coordinates, unknowns, geometry = ("x", "y"), {"u": 1}, Rectangle()

    def __init__(self, way="linear"):
        super().__init__()
        torch.manual_seed(3)
        self.way = way
        self.linear, self.net, self.both, self.mlp = nn.Linear(1, 1), small(1), small(2), MLP(5, 1)
        self.table = torch.tensor([[0.1, 0.3], [0.2, 0.5]], dtype=FLOAT)

    def c(self, x, at):
        return {
            "linear": lambda: self.linear(at[:, :1])[:, 0],
            "scalar": lambda: self.linear(x),
            "sequential": lambda: self.net(at[:, :1])[:, 0],
            "sequential of x": lambda: self.net(x),
            "MLP": lambda: self.mlp(at)[:, 0],
            "gradient": lambda: grad(self.both(at)[:, 0])[:, 1],
            "table": lambda: (at @ self.table)[:, 1],
        }[self.way]()

    @on("interior")
    def eq(self, u, x, at):
        return self.c(x, at) * laplacian(u) - 4.0


def by_autograd(problem, network, at):
    """The same residual by nested reverse mode, point by point."""
    x = at.clone().requires_grad_()
    first = torch.autograd.grad(network(x).sum(), x, create_graph=True)[0]
    second = [torch.autograd.grad(first[:, i].sum(), x, create_graph=True)[0][:, i] for i in (0, 1)]
    held = {
        "linear": lambda: problem.linear(x[:, :1])[:, 0],
        "sequential": lambda: problem.net(x[:, :1])[:, 0],
        "MLP": lambda: problem.mlp(x)[:, 0],
        "gradient": lambda: torch.autograd.grad(problem.both(x).sum(), x, create_graph=True)[0][
            :, 1
        ],
        "table": lambda: (x @ problem.table)[:, 1],
    }
    ways = {"scalar": "linear", "sequential of x": "sequential"}
    return held[ways.get(problem.way, problem.way)]() * sum(second) - 4.0


WAYS = ["linear", "scalar", "sequential", "sequential of x", "MLP", "gradient", "table"]


@pytest.mark.parametrize("mode", ["eager", "recorded"])
@pytest.mark.parametrize("way", WAYS)
def test_value_and_gradient_are_those_of_autograd(way, mode):
    problem = Holding(way)
    solution = Solution(problem, small(2)).double()
    plans = plan_regions(solution)
    points = {"interior": problem.geometry.sample("interior", 12)}
    found = region_residuals(solution, "interior", points["interior"], plans["interior"])["eq"]
    expected = by_autograd(problem, solution.networks["all"], points["interior"].at)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    told = []
    step = Objective(solution, plans, mode=mode, tell=told.append)
    losses, slopes = step.gradient(points, {"eq": 1.0})
    assert told == []
    parameters = step.parameters()
    right = torch.autograd.grad(expected.square().mean(), parameters, materialize_grads=True)
    torch.testing.assert_close(losses[0], expected.square().mean(), rtol=1e-11, atol=1e-11)
    for slope, known in zip(slopes, right, strict=True):
        torch.testing.assert_close(slope, known, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("way", WAYS)
def test_it_trains_in_both_precisions(way, tmp_path):
    problem = Solution(Holding(way), MLP(8, 1)).problem
    before = {n: p.detach().double().clone() for n, p in problem.named_parameters()}
    phases = [Phase(optimizer="Adam", steps=2, lr=1e-2), Phase(2, "LevenbergMarquardt")]
    fitted(problem, phases, tmp_path, points={"interior": 24})
    part = {"scalar": "linear", "sequential of x": "net", "sequential": "net", "MLP": "mlp",
            "gradient": "both", "table": "none"}.get(way, way)  # fmt: skip
    moved = {n.split(".")[0] for n, p in problem.named_parameters() if not p.equal(before[n])}
    assert moved == {part} - {"none"}


def test_a_coefficient_is_found_and_comes_back_from_the_checkpoint(tmp_path):
    """(c u')' = 0 with u = x² known: c u' constant = 2, so c = 1/x on [1, 2]."""

    class Line(Problem):
        coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval((1.0, 2.0))

        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.c = small(1)

        @on("interior")
        def flux(self, u, x):
            return self.c(x) * pinn.partial(u, "x") - 2.0

        @on("interior")
        def known(self, u, x):
            return u - x * x

    phases = [Phase(20, lr=1e-2), Phase(40, "LevenbergMarquardt")]
    solution = fitted(
        Line(), phases, tmp_path, MLP(8, 1), weights={"known": 1e3}, points={"interior": 40}
    )
    x = torch.linspace(1.1, 1.9, 5, dtype=FLOAT)[:, None]
    torch.testing.assert_close(solution.problem.c(x), 1 / x, rtol=1e-3, atol=0)
    file = next(tmp_path.glob("*/*/checkpoints/*.ckpt"))
    state = torch.load(file, weights_only=True)["state_dict"]
    for name, value in solution.problem.c.state_dict().items():
        assert state[f"solution.problem.c.{name}"].equal(value)


@pytest.mark.parametrize("train", ["all", "output"])
def test_a_frozen_coefficient_stays_and_another_is_trained_in_every_phase(train, tmp_path):
    problem = Holding("linear")
    problem.linear.bias.requires_grad_(False)
    before = [p.detach().double().clone() for p in problem.linear.parameters()]
    phases = [Phase(3, "LevenbergMarquardt", train=train)]
    fitted(problem, phases, tmp_path, MLP(8, 1, spread=2.0), points={"interior": 24})
    weight, bias = problem.linear.parameters()
    assert bias.equal(before[1])
    assert not weight.equal(before[0])


def test_a_tensor_keeps_its_digits_through_a_phase_of_lower_precision():
    problem = Holding("table")
    exact = problem.table.clone()
    assert problem.float().table.dtype == torch.float32
    assert problem.double().table.equal(exact)
    with torch.no_grad():  # what changes on the way counts from then on
        problem.float().table.mul_(2)
    torch.testing.assert_close(problem.double().table, 2 * exact, rtol=1e-6, atol=0)


def test_the_dry_run_leaves_the_precision_of_a_problem_alone():
    problem = Holding("MLP")
    solution = Solution(problem, MLP(5, 1))
    plan_regions(solution)
    assert {p.dtype for p in solution.parameters()} == {torch.float32}
    assert problem.table.dtype == FLOAT


def test_an_ansatz_and_an_exact_solution_may_use_what_is_held():
    class Hard(Holding):
        def ansatz(self, raw, at):
            return {"u": raw["u"] * self.both(at)[:, 0]}

        def exact(self, at):
            return {"u": self.mlp(at)[:, 0]}

    problem = Hard()
    solution = Solution(problem, small(2)).double()
    known = problem.judged_by()
    at = known.at[:3]
    expected = solution.networks["all"](at)[:, 0] * problem.both(at)[:, 0]
    torch.testing.assert_close(solution(at)["u"], expected)
    torch.testing.assert_close(known.values["u"][:3], problem.mlp(at)[:, 0].detach())
