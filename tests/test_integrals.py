"""Residuals that read all points of their region: however these are cut, the answer is one."""

import pytest
import torch
from torch import nn

import pinn
from pinn.fields.field import partial
from pinn.fields.vector_calculus import laplacian
from pinn.geometry import Interval, Rectangle
from pinn.networks import MLP
from pinn.objective.chunks import CACHE, InsufficientMemoryError
from pinn.objective.least_squares import LeastSquares
from pinn.objective.losses import residual_losses
from pinn.objective.objective import Objective
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver

N = 300


def problem_of(residual, extra=None):
    """∂u/∂x = 1 and another residual on the interior of an interval."""

    class Line(Problem):
        coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval(x=(0.0, 2.0))

        def __init__(self):
            super().__init__()
            self.k = nn.Parameter(torch.tensor(0.7))

        @on("interior")
        def slope(self, u):
            return partial(u, "x") - 1.0

        @on("interior")
        def other(self, u, x):
            return residual(self, u, x)

    return Line()


AVERAGED = {
    "mean": lambda self, u, x: pinn.mean(u) - 0.5,
    "nonlocal": lambda self, u, x: laplacian(u) - self.k * pinn.integral(u),
    "expression": lambda self, u, x: u * pinn.integral(partial(u, "x") ** 2 * x) - self.k,
    "nested": lambda self, u, x: pinn.mean((u - pinn.mean(u)) ** 2) * x + u,
    "two": lambda self, u, x: pinn.mean(u) * u - pinn.integral(self.k * x * u),
}
COUPLED = {
    "raw mean": lambda self, u, x: 0 * u + (u.value.mean() - 0.5),
    "sum by length": lambda self, u, x: u - self.k * u.value.sum() / len(u.value),
    "maximum": lambda self, u, x: u - u.value.max(),
    "norm": lambda self, u, x: u / u.value.norm() - x,
    "spread": lambda self, u, x: u - u.value.std() * self.k,
    "one of them": lambda self, u, x: u - u.value[0],
    "of the coordinates": lambda self, u, x: u - x / x.value.max(),
    "two raw": lambda self, u, x: u * u.value.mean() - (u.value**2).mean() * x,
    "switched off": lambda self, u, x: u - 0.0 * u.value.mean(),
}
TANGLED = {
    "sorted": lambda self, u, x: u.value - torch.sort(u.value).values.flip(0) * self.k,
    "cumulative": lambda self, u, x: u.value.cumsum(0) / len(u.value) - self.k * x.value,
    "cummax": lambda self, u, x: u.value - torch.cummax(u.value, 0).values + x.value,
    "diff": lambda self, u, x: torch.diff(u.value, prepend=u.value[:1]) - self.k,
    "softmax": lambda self, u, x: torch.softmax(u.value, 0) - self.k * u.value,
}
APART = {
    "value": lambda self, u, x: u - self.k,
    "noise": lambda self, u, x: u.value + 0 * torch.randn(len(u.value)) - self.k,
    "condition": lambda self, u, x: torch.where(u.value > 1, u.value, x.value),
    "logarithm": lambda self, u, x: torch.log(u.value.abs()) - x.value,
    "a norm of components": lambda self, u, x: torch.stack([u.value, x.value], -1).norm(dim=-1),
}


def made(residual, points=N, method="sobol"):
    """A solution in float64 with plans, weights and points."""
    torch.manual_seed(0)
    problem = problem_of(residual)
    solution = Solution(problem, MLP(5, 2)).double()
    solution.strategy = {"all": "taylor"}
    data = Collocation({"interior": points}, method)
    data.check(problem)
    drawn = data.draw(problem, 0, 0, next(solution.parameters()))
    return solution, plan_regions(solution), {"slope": 1.0, "other": 3.0}, drawn


def uncut(solution, plans, weights, points):
    """The weighted loss, its terms and its gradient by one evaluation."""
    terms = residual_losses(solution, points, plans)
    loss = sum(weights[name] * term for name, term in terms.items())
    trained = [p for p in solution.parameters() if p.requires_grad]
    return loss, terms, torch.autograd.grad(loss, trained, materialize_grads=True)


@pytest.mark.parametrize("name", AVERAGED)
def test_means_are_found(name):
    _, plans, *_ = made(AVERAGED[name])
    assert (plans["interior"].averaged, plans["interior"].coupled) == (("other",), ())


@pytest.mark.parametrize("name", [*COUPLED, *TANGLED])
def test_every_other_coupling_is_found(name):
    _, plans, *_ = made((COUPLED | TANGLED)[name])
    assert (plans["interior"].averaged, plans["interior"].coupled) == ((), ("other",))


@pytest.mark.parametrize("name", APART)
def test_where_there_is_none_none_is_found(name):
    _, plans, *_ = made(APART[name])
    assert not plans["interior"].is_whole


@pytest.mark.parametrize(("name", "method"), [(n, "sobol") for n in AVERAGED] + [("two", "gauss")])
def test_a_mean_is_that_of_the_formula(name, method):
    solution, plans, _, points = made(AVERAGED["mean"], method=method)
    fields, _ = solution.fields(points["interior"].at, plans["interior"].networks)
    u, w = fields["u"].value, points["interior"].weights
    mean = u.mean() if w is None else (w * u).sum() / w.sum()
    loss = residual_losses(solution, points, plans)["other"]
    torch.testing.assert_close(loss, (mean - 0.5) ** 2)


def test_an_integral_by_quadrature_is_exact():
    solution, plans, _, points = made(lambda self, u, x: 0 * u + pinn.integral(x**5), 9, "gauss")
    exact = 2.0**6 / 6
    loss = residual_losses(solution, points, plans)["other"]
    torch.testing.assert_close(loss.sqrt(), torch.tensor(exact, dtype=torch.float64))


@pytest.mark.parametrize("mode", ["eager", "recorded"])
@pytest.mark.parametrize("name", ["nonlocal", "nested", "raw mean", "maximum", "sorted"])
def test_chunks_do_not_change_the_loss_or_its_gradient(name, mode, monkeypatch):
    monkeypatch.setitem(CACHE, mode, 2**12)
    method = "gauss" if name == "nonlocal" else "sobol"
    solution, plans, weights, points = made((AVERAGED | COUPLED | TANGLED)[name], method=method)
    step = Objective(solution, plans, mode)
    for _ in range(2):
        _, terms, slopes = uncut(solution, plans, weights, points)
        losses, found = step.gradient(points, weights)
        torch.testing.assert_close(losses, torch.stack(list(terms.values())))
        torch.testing.assert_close(found, list(slopes), rtol=1e-9, atol=1e-12)
        with torch.no_grad():
            for parameter in step.parameters():
                parameter.mul_(1.1)


@pytest.mark.parametrize("name", ["nested", "two", "raw mean", "norm", "sorted"])
def test_a_recorded_jacobian(name, monkeypatch):
    jacobian_is_right((AVERAGED | COUPLED | TANGLED)[name], True, monkeypatch, name == "sorted")


@pytest.mark.parametrize("name", [*AVERAGED, *COUPLED])
def test_a_jacobian_with_numbers_that_points_share(name, monkeypatch):
    jacobian_is_right((AVERAGED | COUPLED)[name], False, monkeypatch, False)


@pytest.mark.parametrize("name", TANGLED)
@pytest.mark.parametrize("points", [20, 90])
def test_a_jacobian_of_points_in_a_tangle(name, points, monkeypatch):
    jacobian_is_right(TANGLED[name], False, monkeypatch, True, points)


def jacobian_is_right(residual, record, monkeypatch, is_slow, points=60):
    """r and J of chunks of few points, row by row of one evaluation."""
    monkeypatch.setattr("pinn.objective.least_squares.BLOCK", 10_000)
    solution, plans, weights, points = made(residual, points)
    told = []
    system = LeastSquares(Objective(solution, plans, tell=told.append), record)
    system.place(points, weights)
    for _ in range(2):
        with torch.no_grad():  # as the optimiser asks for it
            jacobian, rows = (torch.cat(parts) for parts in zip(*system.blocks(), strict=True))
            torch.testing.assert_close(system.residuals(), rows)
        parameters = system.parameters()
        graph = system.graph_of(system.whole[0])
        torch.testing.assert_close(rows, graph.detach(), rtol=1e-10, atol=1e-13)
        expected = torch.stack(
            [
                torch.cat([s.reshape(-1) for s in slopes])
                for slopes in (
                    torch.autograd.grad(r, parameters, retain_graph=True, materialize_grads=True)
                    for r in graph
                )
            ]
        )
        torch.testing.assert_close(jacobian, expected, rtol=1e-9, atol=1e-11)
        with torch.no_grad():
            for parameter in parameters:
                parameter.mul_(1.1)
    assert len(told) == is_slow, told


def test_memory_that_the_region_does_not_fit_into_is_refused():
    solution, plans, weights, points = made(AVERAGED["mean"])
    step = Objective(solution, plans, memory=1e-4)
    with pytest.raises(InsufficientMemoryError, match=r"'other' reads all of them at once"):
        step.loss(points, weights)


def test_converged_residuals_are_not_said_to_depend_on_each_other():
    solution, plans, weights, points = made(APART["value"])
    told = []
    system = LeastSquares(Objective(solution, plans, tell=told.append), record=False)
    with torch.no_grad():  # u = 0.7 + x is not a constant, but r = 0 to rounding is one
        for parameter in solution.parameters():
            parameter.zero_()
        solution.problem.k.fill_(1e-17)
    system.place(points, weights)
    list(system.blocks())
    assert told == []


def test_an_integral_without_a_measure_is_refused():
    class Cloud(Problem):
        coordinates, unknowns = ("x",), {"u": 1}
        geometry = Interval().with_points("nodes", {"x": [0.1, 0.4]})

        @on("nodes")
        def total(self, u):
            return pinn.integral(u) - 1.0

    with pytest.raises(ValueError, match=r"integral over measured points has no length"):
        plan_regions(Solution(Cloud(), MLP(4, 1)))
    field, _ = Solution(Cloud(), MLP(4, 1)).fields(torch.rand(3, 1))
    assert pinn.mean(field["u"]).value.shape == (3,)
    with pytest.raises(ValueError, match="integral outside of a residual"):
        pinn.integral(field["u"])
    with pytest.raises(TypeError, match="mean of a float"):
        pinn.mean(2.0)


def test_importance_that_reads_all_points_is_found():
    class Normed(Problem):
        coordinates, unknowns, geometry = ("x", "y"), {"u": 1}, Rectangle()

        @on("interior", "top")
        def level(self, u):
            return u - 1.0

        def importance(self, region, at):
            weight = 1 + at[:, 0]
            return weight / weight.mean() if region == "interior" else weight

    plans = plan_regions(Solution(Normed(), MLP(4, 1)))
    assert plans["interior"].coupled == ("level",)
    assert plans["top"].coupled == ()


def test_a_region_of_one_point_has_nothing_to_share():
    class End(Problem):
        coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval().with_points("a", {"x": [1]})

        @on("a")
        def level(self, u):
            return u - u.value.mean() - pinn.mean(u)

    plan = plan_regions(Solution(End(), MLP(4, 1)))["a"]
    assert (plan.averaged, plan.coupled) == (("level",), ())


@pytest.mark.parametrize("kind", ["mean", "raw mean"])
def test_points_where_the_residual_is_large_are_no_mean(kind):
    residual = (AVERAGED | COUPLED)[kind]
    solver = Solver(problem_of(residual), MLP(4, 1), [Phase(1)])
    with pytest.raises(ValueError, match=r"'other' reads all points of 'interior', which then lie"):
        solver.attach(Collocation(resample=5, adapt=True))


def test_several_processes_take_means_and_nothing_else():
    solver = Solver(problem_of(COUPLED["maximum"]), MLP(4, 1), [Phase(1)])
    solver.attach(Collocation())
    solver.collocation.check_processes(1)
    with pytest.raises(ValueError, match=r"of which 2 processes have their own: write .* mean"):
        solver.collocation.check_processes(2)
    solver = Solver(problem_of(AVERAGED["mean"]), MLP(4, 1), [Phase(1)])
    solver.attach(Collocation())
    solver.collocation.check_processes(2)


def test_as_many_points_are_held_out_as_a_residual_may_have_counted():
    def counted(residual):
        solver = Solver(problem_of(residual), MLP(4, 1), [Phase(1)])
        solver.attach(Collocation({"interior": 70}, held_out=500))
        points = solver.collocation.draw_held_out(solver.problem, next(solver.parameters()))
        return len(points["interior"].at)

    assert counted(COUPLED["sum by length"]) == 70
    assert counted(AVERAGED["mean"]) == 500


@pytest.mark.parametrize("optimizer", ["Adam", "LBFGS", "LevenbergMarquardt"])
@pytest.mark.parametrize("kind", ["mean", "raw mean"])
def test_a_prescribed_mean_by_every_optimiser(kind, optimizer, train, monkeypatch):
    """u' = 1 and a mean of 1/2 on (0, 2):  u = x - 1/2."""
    monkeypatch.setitem(CACHE, "eager", 2**14)
    torch.manual_seed(0)
    steps, settings = {
        "Adam": (250, {"lr": 2e-2, "dtype": "float64"}),
        "LBFGS": (12, {}),
        "LevenbergMarquardt": (8, {}),
    }[optimizer]
    problem = problem_of((AVERAGED | COUPLED)[kind])
    problem.k.requires_grad_(False)
    phases = [Phase(steps, optimizer, **settings)]
    solver = Solver(problem, MLP(16, 1), phases, compile=False, derivatives="taylor")
    train(solver, {"interior": 400})
    ends = solver.solution(torch.tensor([[0.0], [2.0]], dtype=torch.float64))["u"]
    expected = torch.tensor([-0.5, 1.5], dtype=torch.float64)
    atol = 3e-2 if optimizer == "Adam" else 1e-3
    torch.testing.assert_close(ends, expected, rtol=0, atol=atol)
