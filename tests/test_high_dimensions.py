"""Many coordinates: no grid of nᴰ points where nobody asked for one, and no D² derivatives."""

import re
from dataclasses import replace

import pytest
import torch

from pinn.algebra.channels import common_channels, every_channel
from pinn.assessment.figures import draw
from pinn.assessment.scores import errors, instant_by_instant, mass_tags
from pinn.fields.field import partial
from pinn.fields.vector_calculus import div, laplacian
from pinn.geometry import Coordinates, Geometry
from pinn.geometry.grids import averaging_points
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.physics.references import SCATTERED, Reference, regular_grid
from pinn.physics.residuals import on
from pinn.problems import NavierStokes
from pinn.solution.solution import Solution
from pinn.training.solver import Solver


def cube(names):
    return Geometry(Coordinates(names), [0.0] * len(names), [1.0] * len(names))


def poisson(dimension, time=False, known=True):
    """∇²u = 2D with u = |x|² + t."""
    names = tuple(f"x{i}" for i in range(dimension - time)) + (("t",) if time else ())

    class Bowl(Problem):
        coordinates, unknowns, geometry = names, {"u": 1}, cube(names)

        @on("interior")
        def balance(self, u):
            return laplacian(u) - 2.0 * (dimension - time)

        @on("boundary")
        def sides(self, u, at):
            return u - self.bowl(at)

        def bowl(self, at):
            space = at[:, : dimension - time]
            return (space * space).sum(-1) + (at[:, -1] if time else 0)

        def exact(self, at):
            return {"u": self.bowl(at)} if known else None

    return Bowl()


@pytest.mark.parametrize(("dimension", "known"), [(6, True), (10, False), (12, True)])
def test_a_problem_in_many_coordinates_trains_and_is_judged(train, dimension, known):
    solver = Solver(poisson(dimension, known=known), MLP(8, 1), [Phase(2, "Adam")])
    assert (solver.reference is not None) == known
    train(solver, val_check_interval=2)
    assert solver.scores["residual/balance_rms"] > 0
    assert ("error/u" in solver.scores) == known


@pytest.mark.parametrize("time", [False, True])
def test_the_reference_is_scattered_and_says_so(time):
    reference = poisson(7, time).reference()
    assert not reference.is_grid
    assert "8192 quasi-random points" in reference.source
    space = reference.at[:, : 7 - time]
    exact = space.square().sum(-1) + (reference.at[:, -1] if time else 0)
    torch.testing.assert_close(reference.values["u"], exact, rtol=1e-14, atol=0)
    # The mean of |x|² over the cube is D/3: the points fill it.
    assert space.square().sum(-1).mean().item() == pytest.approx((7 - time) / 3, rel=2e-3)
    again = poisson(7, time).reference()
    assert torch.equal(again.at, reference.at)
    assert len(reference.at) == SCATTERED


def test_up_to_four_coordinates_have_a_grid():
    reference = poisson(4).reference()
    assert reference.is_grid
    assert reference.shape == (15,) * 4


def test_the_error_over_scattered_points_is_that_of_the_solution():
    problem = poisson(6)

    class Double(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(1.25, dtype=torch.float64))

        def forward(self, x):
            return self.scale * (x * x).sum(-1, keepdim=True)

    solution = Solution(problem, Double())
    scores = errors(solution, problem.reference())
    assert scores["error/u"] == pytest.approx(0.25, rel=1e-12)


def test_a_hundred_coordinates_take_little_memory():
    problem = poisson(100)
    reference = problem.reference()  # with all derivatives of x²: 33 GB
    expected = reference.at.square().sum(-1)
    torch.testing.assert_close(reference.values["u"], expected, rtol=1e-13, atol=0)
    solution = Solution(problem, MLP(8, 1)).double()
    fields, at = solution.fields(reference.at[:64])
    assert len(fields["u"].streams) < 300
    x = at.value.clone().requires_grad_()
    (slope,) = torch.autograd.grad(solution.values(x)["u"].sum(), x, create_graph=True)
    trace = sum(
        torch.autograd.grad(slope[:, i].sum(), x, retain_graph=True)[0][:, i] for i in range(100)
    )
    torch.testing.assert_close(laplacian(fields["u"]).value, trace)


def test_mixed_derivatives_are_produced_in_many_dimensions_where_a_residual_reads_them(train):
    names = tuple(f"x{i}" for i in range(8))

    class Mixed(Problem):
        coordinates, unknowns, geometry = names, {"u": 1}, cube(names)

        @on("interior")
        def mixed(self, u, x0):
            return partial(partial(x0 * u, "x0"), "x1") - 1.0

    solver = Solver(Mixed(), MLP(8, 1), [Phase(1, "Adam")])
    assert "∂x0x1" in solver.plans["interior"].networks["all"].describe(names)
    train(solver)


def test_pictures_of_many_coordinates_are_a_section():
    problem = poisson(70)  # an array has at most 64 axes
    at, shape = regular_grid(problem.geometry)
    assert at.shape == (101 * 101, 70)
    assert shape == (101, 101, *[1] * 68)
    assert torch.equal(at[:, 2:], torch.full_like(at[:, 2:], 0.5))
    reference = problem.reference()
    figures = draw(problem, reference, lambda at: {"u": at.square().sum(-1)})
    assert re.search(r"shown at x2 = 0.5, .*, 64 more", figures["u"].get_suptitle())
    assert "error 0.00e+00" in figures["u"].get_suptitle()
    assert problem.exact_reference(at, shape).is_grid


def test_pictures_of_scattered_values_alone_show_the_prediction_and_dots():
    problem = poisson(2, known=False)
    at = torch.rand(30, 2, dtype=torch.float64)
    judged = torch.ones(30, dtype=torch.bool)
    reference = Reference(at, {"u": at[:, 0]}, judged, (30,), "finite elements")
    figures = draw(problem, reference, lambda at: {"u": at.square().sum(-1)})
    assert figures["u"].get_suptitle().startswith("u:  relative L2 error")
    assert [ax.get_title() for ax in figures["u"].axes[:2]] == [
        "prediction",
        "|error| at the points",
    ]
    scores = errors(Solution(problem, MLP(4, 1)).double(), reference)
    assert scores["error/u"] > 0


def test_scattered_values_up_to_a_function_of_time():
    times = torch.tensor([0.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    at = torch.stack([torch.rand(4, dtype=torch.float64), times], -1)
    values = torch.tensor([1.0, 5.0, 3.0, 9.0], dtype=torch.float64)
    judged = torch.ones(4, dtype=torch.bool)
    reference = Reference(at, {"p": values}, judged, (4,), "")
    assert instant_by_instant(values, judged, reference.at[:, -1]).tolist() == [-1, -2, 1, 2]
    single = replace(reference, at=torch.rand(4, 2, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"4 points at 4 instants.* give several points at each"):
        instant_by_instant(values, judged, single.at[:, -1])


def test_gauss_points_in_many_dimensions_are_refused_rather_than_a_single_one():
    assert len(cube(("x", "y", "z")).sample("interior", 3, "gauss").at) == 1
    assert len(cube(tuple("abcdef")).sample("interior", 64, "gauss").at) == 64
    for dimension, nearest in ((15, 32768), (20, 1)):
        names = tuple(f"x{i}" for i in range(dimension))
        message = rf"{nearest} is the nearest to 1000 in {dimension} dimensions; draw with sobol"
        with pytest.raises(ValueError, match=message):
            cube(names).sample("interior", 1000, "gauss")


def test_the_mean_over_many_coordinates_takes_bounded_points():
    geometry = cube(tuple("abcdefgh"))
    assert averaging_points(geometry, range(8)).shape == (2**14, 8)
    assert torch.equal(averaging_points(geometry, (0, 1)), cube(("a", "b")).midpoints(32))


def test_a_flow_with_further_coordinates_is_judged_without_boxes():
    names = ("x", "y", "a", "b", "c")

    class Family(NavierStokes):
        coordinates = names
        unknowns = {"u": ("u", "v", "w", "q", "r"), "p": 1}

        @on("interior")
        def momentum(self, u):
            return div(u)

    assert mass_tags(Solution(Family(cube(names), 1.0), MLP(4, 1))) == {}


def test_lines_about_many_coordinates_are_short(train):
    solver = Solver(poisson(40), MLP(4, 1), [Phase(1, "Adam")])
    assert repr(solver.problem.geometry).endswith("x2=(0, 1), …, x39=(0, 1))")
    described = solver.plans["interior"].networks["all"].describe(solver.problem.coordinates)
    assert described == "value ∂x0 ∂x1 ∂x2 … ∂x39 ∇²"


def test_common_channels_are_all_in_few_dimensions():
    assert common_channels(6, tuple(range(6))) == every_channel(6, tuple(range(6)))
    assert len(common_channels(100, tuple(range(100)))) == 200
