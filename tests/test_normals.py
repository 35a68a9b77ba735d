"""The normal derivative, traction and outflow: the same numbers as written out with `normal`."""

import pytest
import torch

import pinn
from pinn import dn, grad, outflow, traction
from pinn.geometry import Box, Interval, Rectangle
from pinn.networks import MLP
from pinn.objective.least_squares import LeastSquares
from pinn.objective.losses import residual_losses
from pinn.objective.objective import Objective
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation

NU = 0.3


class Short(Problem):
    """Each condition by its short name."""

    coordinates, unknowns = ("x", "y"), {"u": ("u", "v"), "p": 1}
    geometry = Rectangle(x=(0.0, 2.0)).named(walls=("bottom", "top"))

    @on("interior")
    def mass(self, u):
        return pinn.div(u)

    @on("boundary")
    def scalar(self, p):
        return dn(p)

    @on("walls", "left")
    def vector(self, u):
        return dn(u)

    @on("right")
    def leaves(self, u, p):
        return outflow(u, p, NU)

    @on("walls")
    def force(self, u, p, x):
        return traction(u, p, NU + x)


class Written(Short):
    """The same, written out."""

    @on("boundary")
    def scalar(self, p, normal):
        return normal @ grad(p)

    @on("walls", "left")
    def vector(self, u, normal):
        return grad(u) @ normal

    @on("right")
    def leaves(self, u, p, normal):
        return NU * (grad(u) @ normal) - p * normal

    @on("walls")
    def force(self, u, p, x, normal):
        return (NU + x) * (grad(u) @ normal + normal @ grad(u)) - p * normal


def made(cls):
    """An objective in float64 with weights and points."""
    torch.manual_seed(0)
    problem = cls()
    solution = Solution(problem, MLP(6, 2)).double()
    solution.strategy = {"all": "taylor"}
    data = Collocation(dict.fromkeys(problem.regions(), 200))
    data.check(problem)
    points = data.draw(problem, 0, 0, next(solution.parameters()))
    weights = {residual.name: 1.0 + k for k, residual in enumerate(problem.residuals)}
    return Objective(solution, plan_regions(solution)), points, weights


BOTH = [made(Short), made(Written)]


def test_the_plans_are_the_same():
    (short, *_), (written, *_) = BOTH
    assert short.plans == written.plans


def test_values_are_the_same_to_the_bit():
    short, written = (residual_losses(o.solution, p, o.plans) for o, p, _ in BOTH)
    assert all(torch.equal(short[name], written[name]) for name in written)


@pytest.mark.parametrize("mode", ["eager", "recorded"])
def test_gradients_are_the_same_to_the_bit(mode):
    for objective, _, _ in BOTH:
        objective.mode = mode
        objective.memory = 1e-4 if mode == "recorded" else None  # in pieces
    short, written = (o.gradient(p, w) for o, p, w in BOTH)
    assert all(map(torch.equal, short[1], written[1]))
    assert mode == "eager" or len(BOTH[0][0].chunks) > len(BOTH[0][0].plans)


@pytest.mark.parametrize("record", [False, True])
def test_jacobians_are_the_same_to_the_bit(record):
    jacobians = []
    for objective, points, weights in BOTH:
        system = LeastSquares(objective, record)
        system.place(points, weights)
        jacobians.append([torch.cat(parts) for parts in zip(*system.blocks(), strict=True)])
        assert system.point_by_point
    assert all(map(torch.equal, *jacobians))


def in_a_residual(geometry, unknowns, residual, region="boundary"):
    """The values of one residual at some points of a region, on fields with known derivatives."""

    class Made(Problem):
        @on("interior")
        def any(self, at):
            return at[:, 0]

    Made.coordinates, Made.unknowns = geometry.coordinates.names, dict.fromkeys(unknowns, 1)

    class Tested(Made):
        @on(region)
        def any(self, at):
            return residual(*(f(at) for f in unknowns.values()))

    problem = Tested(geometry)
    points = geometry.sample(region, 9)
    at = pinn.fields.field.coordinate_field(points.at, geometry.coordinates)
    return points, problem.evaluate(problem.residuals[0], {}, at, points)


@pytest.mark.parametrize("geometry", [Interval(time=(0.0, 1.0)), Rectangle(), Box()], ids=repr)
def test_the_slope_of_a_polynomial(geometry):
    points, values = in_a_residual(geometry, {"u": lambda at: (at[:, 0] + 2.0) ** 2}, dn)
    expected = 2 * (points.at[:, 0] + 2) * points.normal[:, 0]
    torch.testing.assert_close(values, expected, rtol=1e-14, atol=1e-14)


def test_the_traction_of_a_shear_flow_is_the_stress_on_the_plate():
    """u = (y, 0), p = 2: σ n = −2 n + ν (n_y, n_x)."""
    unknowns = {
        "u": lambda at: pinn.vector(at[:, 1], 0 * at[:, 1]),
        "p": lambda at: 0 * at[:, 0] + 2,
    }
    points, values = in_a_residual(Rectangle(), unknowns, lambda u, p: traction(u, p, NU))
    torch.testing.assert_close(values, NU * points.normal.flip(1) - 2 * points.normal)


def test_developed_flow_leaves_freely_and_has_a_traction():
    """u = (y (1 − y), 0), p = 0 on the outlet."""
    unknowns = {
        "u": lambda at: pinn.vector(at[:, 1] * (1 - at[:, 1]), 0 * at[:, 1]),
        "p": lambda at: 0 * at[:, 0],
    }
    args = Rectangle(), unknowns
    _, free = in_a_residual(*args, lambda u, p: outflow(u, p, NU), "right")
    points, stress = in_a_residual(*args, lambda u, p: traction(u, p, NU), "right")
    assert not free.any()
    torch.testing.assert_close(stress[:, 1], NU * (1 - 2 * points.at[:, 1]))


def test_a_problem_without_a_normal_says_so():
    class Inside(Short):
        @on("interior")
        def mass(self, p):
            return dn(p)

    line = r"residual 'mass' .*dn needs the outward normal.*put the residual on a boundary region"
    with pytest.raises(ValueError, match=line):
        plan_regions(Solution(Inside(), MLP(4, 1)))


def test_outside_of_a_residual_there_is_no_normal():
    objective, points, _ = BOTH[0]
    fields, _ = objective.solution.fields(points["right"].at)
    with pytest.raises(ValueError, match="dn needs the outward normal"):
        dn(fields["p"])
    with pytest.raises(TypeError, match="dn of a tensor without derivatives"):
        dn(fields["p"].value)


@pytest.mark.parametrize("operator", [traction, outflow], ids=lambda f: f.__name__)
def test_a_velocity_of_another_length_is_refused(operator):
    args = Rectangle(), {"u": lambda at: at[:, 0]}
    with pytest.raises(ValueError, match=f"{operator.__name__} of .* give the velocity"):
        in_a_residual(*args, lambda u: operator(u, u, NU))
