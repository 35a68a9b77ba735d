"""Positions that float32 does not tell apart are kept in float64, and the run says so."""

import math

import pytest
import torch

from pinn.fields.field import partial
from pinn.fields.vector_calculus import dt, laplacian
from pinn.geometry import Coordinates, Geometry, Interval, Rectangle
from pinn.geometry.resolution import unresolved
from pinn.networks import MLP, FourierFeatures, Periodic
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver

T0 = 1.7e9  # seconds since 1970


class Decay(Problem):
    """30 ∂y/∂t + y = 0, y = 1 at first:  y = exp(−(t − T0)/30)."""

    coordinates, unknowns = ("t",), {"y": 1}
    geometry = Geometry(Coordinates(("t",)), [T0], [T0 + 60.0])

    @on("interior")
    def decays(self, y):
        return 30 * dt(y) + y

    @on("initial")
    def start(self, y):
        return y - 1.0


def test_time_in_seconds_since_1970_by_adam(train, capsys):
    torch.manual_seed(0)
    phases = [Phase(150, "Adam", lr=2e-2, schedule="cosine")]
    solver = Solver(Decay(), MLP(16, 2), phases, derivatives="taylor", compile=False)
    train(solver, points={"interior": 50, "initial": 1})
    middle = solver.solution(torch.tensor([[T0 + 30.0]], dtype=torch.float64))["y"]
    assert float(middle) == pytest.approx(math.exp(-1), abs=0.02)
    assert {p.dtype for p in solver.solution.parameters()} == {torch.float64}
    said = [line for line in capsys.readouterr().out.splitlines() if "precision" in line]
    assert said == [
        "precision float64 in every phase: float32 tells positions of t in (1700000000, "
        "1700000060) apart by 128 at best; subtract an origin to train in float32"
    ]


class Line(Problem):
    """∂u/∂x = 1 with u known at measured points."""

    coordinates, unknowns, columns = ("x",), {"u": 1}, ("T",)

    @on("interior")
    def slope(self, u):
        return partial(u, "x") - 1.0


class Measured(Line):
    """The same with measured values."""

    @on("probes")
    def measured(self, u, T):
        return u - T


def line(low, high, **columns):
    geometry = Interval(x=(low, high))
    if not columns:
        return type("Line", (Line,), {"geometry": geometry})()
    return type("Line", (Measured,), {"geometry": geometry.with_points("probes", columns)})()


FLOAT32 = [
    line(0.0, 1.0),
    line(-3.0, 4.0),
    line(0.0, 1e6),
    line(0.0, 1e-6),
    line(0.0, 1.0, x=[0.1, 0.2], T=[293.0, 294.0]),
    line(0.0, 1.0, x=[0.1, 0.1, 0.2], T=[1.0, 1.0, 1.0]),
]
FLOAT64 = [
    (line(1000.0, 1000.001), r"x in \(1000, 1000.001\) apart by 6.1e-05"),
    (line(6e6, 6e6 + 100), r"x in \(6000000, 6000100\) apart by 0.5"),
    (line(-1e5, -1e5 + 1), r"x in \(-100000, -99999\) apart by 0.0078"),
    (line(0.0, 1.0, x=[0.5, 0.5 + 1e-9], T=[0.0, 1.0]), "1 of the points 'probes' coincide"),
    (line(0.0, 1.0, x=[0.1, 0.2], T=[101325.0, 101325.5]), r"'T' in \(101325, 101325.5\)"),
]


@pytest.mark.parametrize("problem", FLOAT32)
def test_float32_is_kept_where_it_will_do(problem):
    solver = Solver(problem, MLP(4, 1), [Phase(1)])
    assert solver.schedule.precision(solver.solution) == torch.float32


@pytest.mark.parametrize(("problem", "reason"), FLOAT64)
def test_where_it_will_not_the_phase_is_in_float64(problem, reason, train, capsys):
    solver = Solver(problem, MLP(4, 1), [Phase(2), Phase(1, "LBFGS"), Phase(2)], compile=False)
    train(solver)
    assert next(solver.parameters()).dtype == torch.float64
    said = capsys.readouterr().out
    assert said.count("precision float64 in every phase") == 1
    assert torch.tensor([1.0]).dtype == torch.float32
    with pytest.raises(ValueError, match=reason):
        solver.solution.float()(problem.geometry.sample("interior", 3).to(torch.ones(1)).at)


def test_a_period_has_to_be_resolved_too():
    def solution(period, harmonics=1):
        embedding = Periodic({"x": period}, harmonics)
        return Solution(Line(Interval(x=(0, 1000))), MLP(4, 1, embedding=embedding))

    assert solution(1000.0).unresolved(torch.float32) == ""
    text = "float32 tells x in (0, 1000) apart by 6.1e-05, with features of 0.5"
    assert solution(1.0, 2).unresolved(torch.float32) == text


@pytest.mark.parametrize("embedding", [None, FourierFeatures(4), Periodic({"x": 0.3})])
def test_a_network_is_the_same_wherever_the_domain_lies(embedding):
    values = []
    for origin in (0.0, 2.0**20):
        torch.manual_seed(0)
        problem = line(origin, origin + 0.5)
        network = MLP(8, 2, embedding=embedding)
        solution = Solution(problem, network).double()
        if isinstance(embedding, Periodic) and origin:
            continue  # features of x itself: their phase moves with the origin
        at = torch.linspace(0, 0.5, 9, dtype=torch.float64)[:, None] + origin
        field = solution.fields(at)[0]["u"]
        values.append(torch.stack([field.value, laplacian(field).value]))
    torch.testing.assert_close(values[0], values[-1], rtol=1e-8, atol=1e-9)


def test_points_in_float32_are_refused_by_a_solution_in_float64():
    solution = Solution(Decay(), MLP(4, 1)).double()
    with pytest.raises(ValueError, match="give points, and keep the solution, in float64"):
        solution(torch.tensor([[T0 + 30.0]]))


def test_where_float64_will_not_do_either_it_is_said_in_one_line():
    problem = Line(Interval(x=(1e12, 1e12 + 1e-2)))
    with pytest.raises(
        ValueError, match=r"float64 tells positions of x .* move the origin"
    ) as said:
        Solution(problem, MLP(4, 1))
    assert "\n" not in str(said.value)


def test_a_domain_shows_as_many_digits_as_its_ends_need():
    assert repr(Decay.geometry) == "Geometry(t=(1700000000, 1700000060))"
    assert repr(Rectangle(x=(1000, 1000.001))) == "Rectangle(x=(1000, 1000.001), y=(0, 1))"
    assert repr(Interval(x=(0, 6.283185307))) == "Interval(x=(0, 6.28319))"


def test_points_keep_their_distance():
    problem = line(1000.0, 1000.001)
    solver = Solver(problem, MLP(4, 1), [Phase(1)])
    solver.attach(Collocation({"interior": 200}))
    solver.to(solver.schedule.precision(solver.solution))
    at = solver.collocation.draw(problem, 0, 0, next(solver.parameters()))["interior"].at
    assert len(at.unique()) == 200
    assert unresolved(problem.geometry, torch.float64) == ""
