"""Faces that are compared point by point: value and normal derivative of the partners."""

import math

import pytest
import torch

from pinn import dt, laplacian, partial, periodic
from pinn.geometry import Box, Disc, Interval, Polygon, Rectangle
from pinn.geometry.translation import translation
from pinn.networks import MLP, Periodic
from pinn.objective.least_squares import LeastSquares
from pinn.objective.losses import region_residuals
from pinn.objective.objective import Objective
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver


class Duct(Problem):
    """Two pairs of faces, one of them for the velocity alone."""

    coordinates, unknowns = ("x", "y"), {"u": ("u", "v"), "p": 1}
    geometry = Rectangle(x=(-1.0, 2.0))

    @on("interior")
    def mass(self, u, p):
        return partial(u[:, 0], "x") + p

    sides = periodic("left", "right")
    floor = periodic("top", "bottom", "u")


def made(cls=Duct, network=None):
    torch.manual_seed(0)
    problem = cls()
    solution = Solution(problem, network or MLP(6, 2)).double()
    solution.strategy = {"all": "taylor"}
    data = Collocation(dict.fromkeys(problem.regions(), 15))
    data.check(problem)
    points = data.draw(problem, 0, 0, next(solution.parameters()))
    return solution, plan_regions(solution), points


def jumps(solution, at, shift, axis, sign, columns):
    """The same by torch's autograd: values, then slopes, of each unknown."""
    values = []
    for place in (at, at + torch.tensor(shift, dtype=at.dtype)):
        place = place.clone().requires_grad_()
        raw = solution.networks["all"](place)
        slopes = [
            sign * torch.autograd.grad(raw[:, k].sum(), place, create_graph=True)[0][:, axis]
            for k in range(3)
        ]
        values.append((raw, torch.stack(slopes, 1)))
    (a, da), (b, db) = values
    u, p = ([(a - b)[:, k] for k in ks] + [(da - db)[:, k] for k in ks] for ks in ((0, 1), (2,)))
    return torch.stack((u + p)[:columns], 1)


def test_the_jumps_are_those_by_hand():
    solution, plans, points = made()
    for region, shift, axis, sign, columns in (
        ("left", (3.0, 0.0), 0, -1, 6), ("top", (0.0, -1.0), 1, 1, 4)
    ):  # fmt: skip
        (found,) = region_residuals(solution, region, points[region], plans[region]).values()
        expected = jumps(solution, points[region].at, shift, axis, sign, columns)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        assert expected.abs().min() > 1e-8


def test_a_pressure_that_is_compared_is_still_free():
    class Free(Duct):
        @on("interior")
        def mass(self, u, p):
            return partial(u[:, 0], "x") + partial(p, "x") + u[:, 0] + u[:, 1]

    solution, plans, _ = made(Free)
    assert [c.name for c in solution.chosen_gauges] == ["p"]
    assert not plans["left"].is_whole


@pytest.mark.parametrize("record", [False, True])
def test_a_jacobian(record):
    solution, plans, points = made()
    told = []
    system = LeastSquares(Objective(solution, plans, tell=told.append), record)
    weights = dict.fromkeys(("mass", "sides", "floor"), 1.0)
    system.place(points, weights)
    jacobian, rows = (torch.cat(parts) for parts in zip(*system.blocks(), strict=True))
    expected = torch.cat([system.graph_of(whole) for whole in system.whole])
    slopes = [torch.autograd.grad(r, system.parameters(), retain_graph=True) for r in expected]
    exact = torch.stack([torch.cat([s.reshape(-1) for s in row]) for row in slopes])
    torch.testing.assert_close(jacobian, exact, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(rows, expected.detach())
    assert told == []
    assert system.point_by_point


def test_recorded_steps_are_those_of_python():
    solution, plans, points = made()
    weights = dict.fromkeys(("mass", "sides", "floor"), 1.0)
    told = []
    steps = [Objective(solution, plans, m, tell=told.append) for m in ("eager", "recorded")]
    for _ in range(2):
        (a, slopes), (b, others) = (step.gradient(points, weights) for step in steps)
        torch.testing.assert_close(a, b, rtol=1e-14, atol=0)
        torch.testing.assert_close(slopes, others, rtol=1e-13, atol=1e-15)
        with torch.no_grad():
            for parameter in steps[0].parameters():
                parameter.mul_(1.1)
    assert told == []


def test_an_exactly_periodic_network_meets_it():
    network = MLP(6, 2, embedding=Periodic({"x": 3.0, "y": 1.0}))
    solution, plans, points = made(network=network)
    for region in ("left", "top"):
        (found,) = region_residuals(solution, region, points[region], plans[region]).values()
        assert found.abs().max() < 1e-12


def test_a_wave_on_a_ring(train):
    """u'' = −sin x on (0, 2π), u(0) = u(2π), u'(0) = u'(2π), mean 0:  u = sin x."""

    class Ring(Problem):
        coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval(x=(0.0, 2 * math.pi))

        @on("interior")
        def balance(self, u, x):
            return laplacian(u) + x.sin()

        ends = periodic("left", "right")

    torch.manual_seed(0)
    phases = [Phase(20, "LevenbergMarquardt")]
    solver = Solver(Ring(), MLP(12, 1), phases, compile=False, derivatives="taylor")
    train(solver, {"interior": 60})
    assert [c.name for c in solver.solution.chosen_gauges] == ["u"]
    x = torch.linspace(0, 2 * math.pi, 50, dtype=torch.float64)
    torch.testing.assert_close(solver.solution(x[:, None])["u"], x.sin(), rtol=0, atol=1e-2)


def test_faces_of_any_form_that_match_are_moved_onto_each_other():
    """A wavy duct: its ends are segments, its slanted sides are one the other, moved."""
    wedge = Polygon([(0, 0), (2, 0.5), (2.5, 1.7), (0.5, 1.2)])
    wedge = wedge.part("low", segments=[0]).part("high", segments=[2])
    assert translation(wedge, "low", "high") == pytest.approx((0.5, 1.2), abs=1e-12)
    holes = Rectangle(x=(0.0, 4.0)) - Disc((1.0, 0.5), 0.2) - Disc((3.0, 0.5), 0.2)
    assert translation(holes, "left", "right") == pytest.approx((4.0, 0.0), abs=1e-12)
    timed = Box(time=(0.0, 2.0))
    assert translation(timed, "back", "front") == pytest.approx((0, 0, 1, 0), abs=1e-12)


BAD = {
    "sizes": (("left", "top"), "their sizes are 1 and 3"),
    "normals": (("left", "left_again"), "with the opposite normal"),
    "an inside": (("left", "interior"), "'interior' is no part of the boundary"),
    "no region": (("left", "rigth"), "did you mean 'right'"),
}


@pytest.mark.parametrize("name", BAD)
def test_faces_that_do_not_match_are_refused_in_one_line(name):
    faces, line = BAD[name]

    class Bad(Problem):
        coordinates, unknowns = ("x", "y"), {"u": 1}
        geometry = Rectangle(x=(-1.0, 2.0)).named(left_again="left")

        @on("interior")
        def level(self, u):
            return u

        sides = periodic(*faces)

    with pytest.raises(ValueError, match=line) as caught:
        plan_regions(Solution(Bad(), MLP(4, 1)))
    assert "\n" not in str(caught.value)


def test_a_turned_face_of_the_same_size_does_not_match():
    with pytest.raises(ValueError, match="neither is the other one moved"):
        translation(Rectangle(), "left", "top")


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: {"s": periodic("left", "right", "w")}, "compares 'w', which is no unknown"),
        (lambda: {"s": periodic("left", "left")}, "needs the names of two faces"),
        (lambda: {"s": periodic("left", 3)}, "needs the names of two faces"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(make, line):
    with pytest.raises(TypeError, match=line):
        type("Made", (Duct,), make())


def test_time_runs_along():
    class Moving(Problem):
        coordinates, unknowns, geometry = ("x", "t"), {"u": 1}, Interval(time=(0.0, 1.0))

        @on("interior")
        def wave(self, u):
            return dt(u) + partial(u, "x")

        ends = periodic("right", "left")

    solution, plans, points = made(Moving)
    assert plans["right"].shifts == {"ends": (-1.0, 0.0)}
    region_residuals(solution, "right", points["right"], plans["right"])
