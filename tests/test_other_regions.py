"""Residuals that read integrals over other regions than their own, against direct evaluations."""

from typing import ClassVar

import pytest
import torch
from numpy.polynomial.legendre import leggauss
from torch import nn

import pinn
from pinn import dn, integral, mean, value
from pinn.geometry import Disc, Interval, Rectangle
from pinn.networks import MLP
from pinn.objective.chunks import CACHE
from pinn.objective.least_squares import LeastSquares
from pinn.objective.losses import region_residuals, residual_losses
from pinn.objective.objective import Objective
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver

H = 2.0


def problem_of(region, residual):
    """∂u/∂x + ∂v/∂y = 1 and another residual."""

    class Plane(Problem):
        coordinates, unknowns = ("x", "y"), {"u": ("u", "v"), "p": 1}
        geometry = Rectangle(y=(0.0, H))

        def __init__(self):
            super().__init__()
            self.k = nn.Parameter(torch.tensor(0.7))

        @on("interior")
        def mass(self, u):
            return pinn.div(u) - 1.0

        @on(region)
        def other(self, u, p, x, y):
            return residual(self, u, p, x, y)

    return Plane()


class Direct:
    """The same numbers by a rule of 30 points per axis and torch's autograd."""

    def __init__(self, solution):
        self.solution = solution
        at, weight = (torch.from_numpy(v) for v in leggauss(30))
        self.at, self.weight = (at + 1) / 2, weight / 2

    def fields(self, x, y):
        at = torch.stack(torch.broadcast_tensors(x, y), -1).reshape(-1, 2).requires_grad_()
        return at, self.solution.networks["all"](at)

    def right(self):
        return self.fields(torch.ones(1, dtype=torch.float64), H * self.at), H * self.weight

    def all(self):
        grid = self.fields(self.at[:, None], H * self.at[None])
        return grid, (self.weight[:, None] * H * self.weight).reshape(-1)

    def of(self, region, f):
        (at, raw), weights = getattr(self, region)()
        return (weights * f(at, raw)).sum()


def slope(at, values, axis):
    return torch.autograd.grad(values.sum(), at, create_graph=True)[0][:, axis]


NODES = [((1 + s) / 2, w / 2) for s, w in zip(*map(list, leggauss(3)), strict=True)]


def on_line(s):
    return torch.tensor([[s], [1.0]], dtype=torch.float64)


# The residual and where it holds → the same by hand.
CASES = {
    "flow rate": (
        "left",
        lambda self, u, p, x, y: u[:, 0] - self.k * integral(u[:, 0], on="right"),
        lambda d, k, u, p: u[:, 0] - k * d.of("right", lambda at, raw: raw[:, 0]),
    ),
    "mass": (
        "left",
        lambda self, u, p, x, y: p * integral(x * p**2, on="interior") - 1,
        lambda d, k, u, p: p * d.of("all", lambda at, raw: at[:, 0] * raw[:, 2] ** 2) - 1,
    ),
    "heat flux": (
        "interior",
        lambda self, u, p, x, y: p - integral(pinn.partial(p, "x") * y, on="right"),
        lambda d, k, u, p: p - d.of("right", lambda at, raw: slope(at, raw[:, 2], 0) * at[:, 1]),
    ),
    "a normal of the other side": (
        "left",
        lambda self, u, p, x, y: p - integral(dn(p), on="right"),
        lambda d, k, u, p: p - d.of("right", lambda at, raw: slope(at, raw[:, 2], 0)),
    ),
    "two of them": (
        "top",
        lambda self, u, p, x, y: (
            mean(p, on="right") * u[:, 0] - integral(self.k * u[:, 1], on="interior") * p
        ),
        lambda d, k, u, p: (
            d.of("right", lambda at, raw: raw[:, 2]) / H * u[:, 0]
            - d.of("all", lambda at, raw: k * raw[:, 1]) * p
        ),
    ),
    "beside its own mean": (
        "left",
        lambda self, u, p, x, y: p * mean(p) - self.k * integral(p**2, on="right") + mean(u[:, 0]),
        lambda d, k, u, p: (
            p * p.mean() - k * d.of("right", lambda at, raw: raw[:, 2] ** 2) + u[:, 0].mean()
        ),
    ),
    "a vector": (
        "left",
        lambda self, u, p, x, y: u - integral(u * y, on="interior"),
        lambda d, k, u, p: (
            u
            - torch.stack([d.of("all", lambda at, raw, i=i: raw[:, i] * at[:, 1]) for i in (0, 1)])
        ),
    ),
    "one in another": (
        "left",
        lambda self, u, p, x, y: p - integral((p - mean(p, on="right")) ** 2, on="interior"),
        lambda d, k, u, p: (
            p
            - d.of(
                "all",
                lambda at, raw: (raw[:, 2] - d.of("right", lambda at, raw: raw[:, 2]) / H) ** 2,
            )
        ),
    ),
    "a kernel": (
        "interior",
        lambda self, u, p, x, y: (
            p - sum(w * pinn.exp(-((x - s) ** 2)) * value(p, at=(s, 1.0)) for s, w in NODES)
        ),
        lambda d, k, u, p, x: (
            p
            - sum(w * torch.exp(-((x - s) ** 2)) * d.fields(*on_line(s))[1][0, 2] for s, w in NODES)
        ),
    ),
    "a point": (
        "interior",
        lambda self, u, p, x, y: p - value(p, at=(0.5, 1.5)),
        lambda d, k, u, p: p - d.fields(*torch.tensor([[0.5], [1.5]]).double())[1][0, 2],
    ),
}


def made(name, points=24):
    """A solution in float64, its plans, weights and points, and the residual by hand."""
    torch.manual_seed(0)
    region, residual, by_hand = CASES[name]
    problem = problem_of(region, residual)
    solution = Solution(problem, MLP(5, 2)).double()
    solution.strategy = {"all": "taylor"}
    data = Collocation(dict.fromkeys(problem.regions(), points))
    data.check(problem)
    drawn = data.draw(problem, 0, 0, next(solution.parameters()))

    def expected():
        at = drawn[region].at
        raw = solution.networks["all"](at)
        more = [at[:, 0]] if name == "a kernel" else []
        return by_hand(Direct(solution), problem.k, raw[:, :2], raw[:, 2], *more)

    return solution, plan_regions(solution), {"mass": 1.0, "other": 3.0}, drawn, expected


@pytest.mark.parametrize("name", CASES)
def test_a_residual_is_that_of_the_formula(name):
    solution, plans, _, points, expected = made(name)
    region = CASES[name][0]
    assert plans[region].averaged == ("other",)
    found = region_residuals(solution, region, points[region], plans[region])["other"]
    torch.testing.assert_close(found, expected(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("mode", ["eager", "recorded"])
@pytest.mark.parametrize("name", ["flow rate", "two of them", "beside its own mean", "a point"])
def test_loss_and_gradient(name, mode, monkeypatch):
    monkeypatch.setitem(CACHE, mode, 2**12)
    solution, plans, weights, points, expected = made(name, 200)
    told = []
    step = Objective(solution, plans, mode, tell=told.append)
    for _ in range(2):
        interior = residual_losses(solution, points, plans)["mass"]
        total = interior + 3 * expected().reshape(200, -1).square().sum(1).mean()
        slopes = torch.autograd.grad(total, step.parameters(), materialize_grads=True)
        losses, found = step.gradient(points, weights)
        torch.testing.assert_close(losses @ losses.new_tensor([1.0, 3.0]), total)
        torch.testing.assert_close(found, list(slopes), rtol=1e-9, atol=1e-12)
        with torch.no_grad():
            for parameter in step.parameters():
                parameter.mul_(1.1)
    assert told == []


RECORDED = [("flow rate", True), ("two of them", True)]


@pytest.mark.parametrize(("name", "record"), [*((name, False) for name in CASES), *RECORDED])
def test_a_jacobian(name, record, monkeypatch):
    monkeypatch.setattr("pinn.objective.least_squares.BLOCK", 10_000)
    solution, plans, weights, points, expected = made(name)
    told = []
    system = LeastSquares(Objective(solution, plans, tell=told.append), record)
    system.place(points, weights)
    for _ in range(2):
        with torch.no_grad():  # as the optimiser asks for it
            blocks = [b for b in system.jacobians() if CASES[name][0] == b[0].region]
        jacobian, rows = (torch.cat(parts) for parts in list(zip(*blocks, strict=True))[1:])
        scale = (3.0 / 24) ** 0.5
        formula = scale * expected().reshape(-1)
        if CASES[name][0] == "interior":
            jacobian, rows = jacobian.reshape(24, 2, -1)[:, 1], rows.reshape(24, 2)[:, 1]
        torch.testing.assert_close(rows.reshape(-1), formula.detach(), rtol=1e-9, atol=1e-11)
        slopes = [
            torch.autograd.grad(r, system.parameters(), retain_graph=True, materialize_grads=True)
            for r in formula
        ]
        exact = torch.stack([torch.cat([s.reshape(-1) for s in row]) for row in slopes])
        torch.testing.assert_close(jacobian, exact, rtol=1e-8, atol=1e-10)
        with torch.no_grad():
            for parameter in system.parameters():
                parameter.mul_(1.1)
    assert told == []


@pytest.mark.parametrize("optimizer", ["Adam", "LevenbergMarquardt"])
def test_a_number_elsewhere_is_met_by_every_optimiser(optimizer, train):
    """u' = 1 and u(0) + ∫u dx = 5/2 on (0, 1):  u = x + 1."""

    class Line(Problem):
        coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval()

        @on("interior")
        def slope(self, u):
            return pinn.partial(u, "x") - 1.0

        @on("left")
        def level(self, u):
            return u + integral(u, on="interior") - 2.5

    torch.manual_seed(0)
    steps, settings = {
        "Adam": (100, {"lr": 3e-2, "dtype": "float64"}),
        "LevenbergMarquardt": (8, {}),
    }[optimizer]
    phases = [Phase(steps, optimizer, **settings)]
    solver = Solver(Line(), MLP(16, 1), phases, compile=False, derivatives="taylor")
    train(solver, {"interior": 100})
    ends = solver.solution(torch.tensor([[0.0], [1.0]], dtype=torch.float64))["u"]
    expected = torch.tensor([1.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(ends, expected, rtol=0, atol=0.1 if optimizer == "Adam" else 1e-2)


def test_in_single_precision_its_points_follow():
    solution, plans, weights, points, _ = made("flow rate")
    solution.float()
    points = {r: p.to(torch.zeros(0)) for r, p in points.items()}
    losses = []
    for mode in ("eager", "recorded"):
        step = Objective(solution, plans, mode)
        losses.append(step.gradient(points, weights)[0])
    assert losses[0].dtype == torch.float32
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("mode", ["eager", "recorded"])
def test_its_points_have_all_digits_after_a_phase_in_single_precision(mode):
    solution, plans, weights, points, _ = made("mass")
    step = Objective(solution, plans, mode)
    solution.float()
    step.gradient({r: p.to(torch.zeros(0)) for r, p in points.items()}, weights)
    solution.double()
    fresh = Objective(solution, plans, mode).gradient(points, weights)[0]
    assert torch.equal(step.gradient(points, weights)[0], fresh)


WRONG = {
    "a region": (lambda s, u, p, x, y: p - mean(p, on="rihgt"), "did you mean 'right'"),
    "an instant": (lambda s, u, p, x, y: p - mean(p, on="right", t=1.0), "there is no time"),
    "a point": (lambda s, u, p, x, y: p - value(p, at=(5.0, 1.0)), "lies outside"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line(name):
    residual, line = WRONG[name]
    with pytest.raises(ValueError, match="^residual 'other': .*" + line):
        plan_regions(Solution(problem_of("left", residual), MLP(4, 1)))


def test_over_a_range_of_a_parameter_it_would_be_no_number_of_the_point():
    class Family(Problem):
        coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval()
        ranges: ClassVar = {"k": (1.0, 2.0)}

        @on("left")
        def level(self, u):
            return u - integral(u, on="interior")

    with pytest.raises(ValueError, match="would be over all values of 'k', and not at that of"):
        plan_regions(Solution(Family(), MLP(4, 1)))


def test_a_hole_is_another_region_like_any_other():
    """The drag of p on a hole, in a residual at the inlet."""

    class Channel(Problem):
        coordinates, unknowns = ("x", "y"), {"p": 1}
        geometry = Rectangle(x=(0.0, 2.0)) - Disc((0.8, 0.5), 0.25, name="cylinder")

        @on("left")
        def level(self, p, normal):
            return p - integral(p * normal, on="cylinder")[:, 0]

    torch.manual_seed(0)
    solution = Solution(Channel(), MLP(5, 2)).double()
    plans, points = plan_regions(solution), solution.problem.geometry.sample("left", 30)
    found = region_residuals(solution, "left", points, plans["left"])["level"]
    angle = torch.arange(64, dtype=torch.float64) * torch.pi / 32
    outward = torch.stack([angle.cos(), angle.sin()], 1)
    ring = solution.networks["all"](torch.tensor([0.8, 0.5]).double() + 0.25 * outward)[:, 0]
    drag = -(ring * angle.cos()).mean() * 2 * torch.pi * 0.25
    expected = solution.networks["all"](points.at)[:, 0] - drag
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-8)
