"""What the equations leave open: found, chosen, and the same wherever a solution is evaluated."""

import numpy as np
import pytest
import torch
from equations import Unsteady, solution_of
from torch import nn

import pinn.problems as shipped
from pinn.assessment.scores import errors
from pinn.callbacks.announcement import announcement
from pinn.fields.field import partial
from pinn.fields.vector_calculus import div, dt, grad, laplacian
from pinn.geometry import Box, Interval, Rectangle
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.solution import Solution
from pinn.training.solver import Solver

FLOAT = torch.float64


def chosen(problem):
    solution = solution_of(problem)
    return {c.name: bool(c.along) for c in solution.chosen_gauges}


class Pipe(Problem):
    """∇p = ∇²u, with the velocity given all around and no word about the pressure."""

    coordinates = ("x", "y")
    unknowns = {"u": ("u", "v"), "p": 1}
    geometry = Rectangle(x=(0, 2)).with_points("taps", {"x": [0.5], "y": [0.5], "P": [7.0]})
    columns = ("P",)

    @on("interior")
    def momentum(self, u, p):
        return grad(p) - laplacian(u)

    @on("interior")
    def continuity(self, u):
        return div(u)

    @on("boundary")
    def walls(self, u):
        return u


class Outlet(Pipe):
    @on("right")
    def outlet(self, p):
        return p


class Tapped(Pipe):
    @on("taps")
    def tap(self, p, P):
        return p - P


class Somewhere(Pipe):
    """Its value is read in a corner of the domain alone."""

    @on("interior")
    def corner(self, p, x):
        return torch.where(x.value < 0.1, p.value, 0 * p.value)


class Held(Pipe):
    def ansatz(self, raw, at):
        return {"u": raw["u"], "p": at[:, 0] * raw["p"]}


class Moved(Pipe):
    def ansatz(self, raw, at):
        return {"u": raw["u"], "p": raw["p"] + at[:, 0] ** 2}


class Tied(Pipe):
    """u is read by value, and p is u₁: no constant is left."""

    outputs = {"u": ("u", "v")}

    def ansatz(self, raw, at):
        return {"u": raw["u"], "p": raw["u"][:, 0]}


class Learned(Pipe):
    def __init__(self):
        super().__init__()
        self.k = nn.Parameter(torch.tensor(2.0))

    @on("interior")
    def momentum(self, u, p):
        return self.k * grad(p) - laplacian(u)


class Insulated(Problem):
    """∇²T = cos πx with no flux through any wall."""

    coordinates = ("x",)
    unknowns = {"T": 1}
    geometry = Interval()

    @on("interior")
    def balance(self, T, x):
        return laplacian(T) - (np.pi * x).cos()

    @on("boundary")
    def flux(self, T):
        return partial(T, "x")


class Packed(Problem):
    """All unknowns in one vector; of its components only the last is free."""

    coordinates = ("x", "y")
    unknowns = {"w": ("a", "b", "q")}
    geometry = Rectangle()

    @on("interior")
    def equations(self, w):
        return grad(w[:, 2]) + w[:, :2]


class Traction(Problem):
    """Displacement of which only the gradient is read."""

    coordinates = ("x", "y")
    unknowns = {"d": ("d1", "d2")}
    geometry = Rectangle()

    @on("interior")
    def balance(self, d):
        return laplacian(d)


class Warming(Unsteady):
    """∂p/∂t is read as well: a single constant is left."""

    @on("interior")
    def rate(self, p):
        return dt(p) - 1.0


FOUND = [
    (Pipe, {"p": False}),
    (Moved, {"p": False}),
    (Learned, {"p": False}),
    (Insulated, {"T": False}),
    (Packed, {"q": False}),
    (Traction, {"d": False}),
    (Unsteady, {"p": True}),
    (Warming, {"p": False}),
    (Outlet, {}),
    (Tapped, {}),
    (Somewhere, {}),
    (Held, {}),
    (Tied, {}),
]


@pytest.mark.parametrize(("problem", "expected"), FOUND)
def test_what_the_equations_leave_open_is_found(problem, expected):
    assert chosen(problem()) == expected


def test_problems_that_come_with_the_package_keep_their_gauges():
    made = [
        shipped.Kovasznay(),
        shipped.LidDrivenCavity(),
        shipped.Poisson(),
        shipped.TaylorGreen2D(),
        shipped.Beltrami3D(),
        shipped.Continuity(),
        shipped.Advection(),
    ]
    for problem in made:
        before = dict(problem.gauges)
        assert chosen(problem) == {}
        assert problem.gauges == before


@pytest.mark.parametrize("gauge", ["zero_mean", "pin", "free"])
def test_a_gauge_of_the_problem_is_kept(gauge):
    problem = Pipe()
    problem.gauges = {"p": gauge}
    assert chosen(problem) == {}
    assert problem.gauges == {"p": gauge}


def lifted(problem, by=100.0):
    """A random solution whose pressure floats."""
    solution = solution_of(problem)
    with torch.no_grad():
        solution.networks["all"].output.bias.add_(by)
    return solution


def test_the_mean_of_the_pressure_is_zero():
    solution = lifted(Pipe())
    p = solution(Pipe.geometry.midpoints(32))["p"]
    assert p.abs().max() > 1e-3
    assert abs(p.mean()) < 1e-12
    free = Pipe()
    free.gauges = {"p": "free"}
    assert lifted(free)(Pipe.geometry.midpoints(4))["p"].mean() > 90


def test_only_the_free_component_of_a_vector_is_moved():
    solution = lifted(Packed())
    w = solution(Packed.geometry.midpoints(32))["w"]
    assert abs(w[:, 2].mean()) < 1e-12
    assert w[:, :2].mean() > 90
    at = torch.rand(5, 2, dtype=FLOAT)
    fields, _ = solution.fields(at)
    torch.testing.assert_close(fields["w"].value, solution(at)["w"])
    raw = solution.fields(at, solution.up_to(1))[0]["w"]
    torch.testing.assert_close(grad(fields["w"]).value, grad(raw).value)


class Pressure(nn.Module):
    """u = 0 and p = x² e^{ct} + sin 5t + 100."""

    def __init__(self):
        super().__init__()
        self.c = nn.Parameter(torch.tensor(0.5, dtype=FLOAT))

    def forward(self, z):
        x, t = z[..., 0], z[..., 1]
        p = x**2 * torch.exp(self.c * t) + torch.sin(5 * t) + 100
        return torch.stack([0 * x, p], -1)


def instant(problem=Unsteady, gauge=None):
    made = problem()
    if gauge:
        made.gauges = {"p": gauge}
    return Solution(made, Pressure())


@pytest.mark.parametrize("count", [5, 1000])
def test_with_time_the_mean_is_zero_at_every_instant(count):
    """The mean of x² over (0, 2) is 4/3; many instants go by way of a series."""
    solution = instant()
    at = torch.rand(count, 2, dtype=FLOAT) * torch.tensor([2.0, 3.0])
    growth = torch.exp(0.5 * at[:, 1])
    expected = (at[:, 0] ** 2 - 4 / 3) * growth
    torch.testing.assert_close(solution(at)["p"], expected, rtol=1e-12, atol=1e-11)
    fields, _ = solution.fields(at)
    torch.testing.assert_close(fields["p"].value, expected, rtol=1e-12, atol=1e-11)
    torch.testing.assert_close(dt(fields["p"]).value, 0.5 * expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(dt(dt(fields["p"])).value, 0.25 * expected, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(partial(fields["p"], "x").value, 2 * at[:, 0] * growth)
    torch.testing.assert_close(laplacian(fields["p"]).value, 2 * growth)


def test_with_time_it_may_be_pinned_at_every_instant():
    solution = instant(gauge="pin")
    at = torch.rand(200, 2, dtype=FLOAT) * torch.tensor([2.0, 3.0])
    expected = at[:, 0] ** 2 * torch.exp(0.5 * at[:, 1])
    torch.testing.assert_close(solution(at)["p"], expected, rtol=1e-12, atol=1e-11)


def test_one_constant_where_the_rate_is_read():
    solution = instant(Warming)
    at = Unsteady.geometry.midpoints(32)
    found, raw = solution(at)["p"], solution.values(at)["p"]
    assert abs(found.mean()) < 1e-12
    torch.testing.assert_close(raw - found, (raw - found)[:1].expand(len(at)))


def test_instants_outside_the_interval_are_taken_one_by_one():
    solution = instant()
    at = torch.rand(100, 2, dtype=FLOAT) * torch.tensor([2.0, 3.0])
    at[0, 1] = 4.0
    with pytest.warns(UserWarning, match="1 of 100 points lie outside"):
        found = solution(at)["p"]
    expected = (at[:, 0] ** 2 - 4 / 3) * torch.exp(0.5 * at[:, 1])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-11)


def test_means_in_space_and_time():
    class Room(Problem):
        coordinates = ("x", "y", "z", "t")
        unknowns = {"p": 1}
        geometry = Box(time=(0, 1))

        @on("interior")
        def balance(self, p):
            return grad(p)

    class Field(nn.Module):
        def forward(self, z):
            return (z[..., :3] ** 3).sum(-1, keepdim=True) * (1 + z[..., 3:])

    solution = Solution(Room(), Field())
    at = torch.rand(50, 4, dtype=FLOAT)
    expected = ((at[:, :3] ** 3).sum(-1) - 0.75) * (1 + at[:, 3])
    torch.testing.assert_close(solution(at)["p"], expected, rtol=1e-12, atol=1e-12)


def test_the_error_compares_like_with_like():
    class Known(Pipe):
        def exact(self, at):
            return {"p": at[:, 0] - 12.0}

    class Exact(nn.Module):
        def forward(self, x):
            return torch.stack([0 * x[:, 0], 0 * x[:, 0], x[:, 0] + 104.6], -1)

    solution = Solution(Known(), Exact())
    assert errors(solution, solution.problem.reference())["error/p"] < 1e-12


def test_a_run_says_so(train):
    solver = Solver(Pipe(), MLP(4, 1), [Phase(1, "Adam")])
    train(solver)
    (line,) = [line for line in announcement(solver, 1) if line.startswith("gauge")]
    assert "only derivatives of p, which leaves a constant open: its mean is set to zero" in line
    again = Solver(solver.problem, MLP(4, 1), [Phase(1, "Adam")])
    assert [c.name for c in again.solution.chosen_gauges] == ["p"]


@pytest.mark.parametrize(
    ("gauges", "message"),
    [
        ({"q": "free"}, "a gauge is given for 'q', which is no unknown"),
        ({"p": "zeromean"}, "unknown gauge 'zeromean': did you mean 'zero_mean'"),
    ],
)
def test_a_gauge_that_means_nothing_is_refused(gauges, message):
    problem = Pipe()
    problem.gauges = gauges
    with pytest.raises(ValueError, match=message):
        solution_of(problem)([[0.5, 0.5]])
