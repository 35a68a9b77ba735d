"""Stating a problem: names, regions, data, and the errors that help."""

import pytest
import torch
from equations import Stokes, solution_of
from torch import nn

from pinn.base.recipe import build, spec_of
from pinn.fields.field import coordinate_field
from pinn.fields.vector_calculus import grad, laplacian
from pinn.geometry import Interval, Rectangle
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.problems import Kovasznay
from pinn.solution.plans import plan_regions

FLOAT = torch.float64


class Scalar(Problem):  # what the small problems below have in common
    coordinates = ("x", "y")
    unknowns = {"u": 1}
    geometry = Rectangle()


class Laplace(Scalar):
    @on("interior")
    def balance(self, u):
        return laplacian(u)


def names(problem):
    return [residual.name for residual in problem.residuals]


def values(problem, residual, region="interior", n=5):
    """A residual's values for a random network."""
    solution = solution_of(problem)
    points = problem.geometry.sample(region, n)
    unknowns, at = solution.fields(points.at)
    found = next(r for r in problem.residuals if r.name == residual)
    return problem.evaluate(found, unknowns, at, points)


# --- when the class is defined


def test_an_unknown_argument_is_named_with_the_nearest_name():
    message = r"Flow\.balance asks for 'pres': did you mean 'press'\? known: press, x, at, normal"
    with pytest.raises(TypeError, match=message):

        class Flow(Problem):
            coordinates = ("x",)
            unknowns = {"press": 1}

            @on("interior")
            def balance(self, pres):
                return pres


@pytest.mark.parametrize("name", ["x", "at", "normal"])
def test_a_name_for_two_things(name):
    with pytest.raises(TypeError, match=rf"Flow uses the name '{name}' for two things"):
        type("Flow", (Problem,), {"coordinates": ("x",), "unknowns": {name: 1}})


@pytest.mark.parametrize("regions", [(), (3,), (lambda self, u: u,)])
def test_a_residual_needs_a_region(regions):
    with pytest.raises(TypeError, match="@on needs the name of a region"):
        on(*regions)


def test_residuals_come_in_the_order_of_definition_base_first():
    class Driven(Stokes):
        @on("lid")
        def lid(self, u):
            return u - (1.0, 0.0)

    assert names(Driven) == ["momentum", "continuity", "sides", "lid"]
    assert Driven().regions() == ("interior", "left", "right", "lid")


def test_a_subclass_drops_and_replaces_residuals():
    class Open(Stokes):
        sides = None

        @on("lid")
        def continuity(self, p):
            return p

    assert names(Open) == ["momentum", "continuity"]
    assert Open.residuals[1].regions == ("lid",)
    assert Open.residuals[1].arguments == ("p",)
    assert names(Stokes) == ["momentum", "continuity", "sides"]


def test_a_plain_method_cannot_take_the_place_of_a_residual():
    with pytest.raises(TypeError, match=r"Open\.sides replaces a residual without saying where"):

        class Open(Stokes):
            def sides(self, u):
                return u


# --- when it is made


def test_a_problem_needs_a_geometry():
    placeless = type("Placeless", (Laplace,), {"geometry": None})
    with pytest.raises(ValueError, match="Placeless has no geometry"):
        placeless()
    assert names(placeless(Rectangle())) == ["balance"]


def test_the_geometry_must_have_the_coordinates():
    with pytest.raises(ValueError, match=r"coordinates \('x', 'y'\) but its geometry \('x',\)"):
        Laplace(Interval())


def test_a_problem_needs_residuals():
    with pytest.raises(ValueError, match="Scalar needs unknowns and at least one"):
        Scalar()


def test_an_unknown_region_is_named_with_the_nearest_name():
    class Wall(Laplace):
        @on("boundry")
        def wall(self, u):
            return u

    with pytest.raises(ValueError, match=r"Wall\.wall is on region 'boundry': did you mean 'bound"):
        Wall()


def test_the_interior_has_no_normal():
    class Wall(Laplace):
        @on("interior")
        def wall(self, u, normal):
            return u * normal

    with pytest.raises(ValueError, match=r"Wall\.wall asks for 'normal', which region 'interior'"):
        Wall()


def test_a_column_must_be_in_the_data_of_the_region():
    class Measured(Laplace):
        columns = ("measured",)

        @on("probes")
        def data(self, u, measured):
            return u - measured

    positions = {"x": [0.5], "y": [0.5]}
    with pytest.raises(ValueError, match=r"asks for 'measured', which region 'probes' does not"):
        Measured(Rectangle().with_points("probes", {**positions, "other": [1.0]}))


# --- what residuals are given


def test_measured_data_normals_and_coordinates_reach_the_residuals():
    class Measured(Laplace):
        columns = ("measured",)

        @on("probes")
        def data(self, u, measured):
            return u - measured

        @on("boundary")
        def flux(self, u, normal):
            return (grad(u) * normal).sum(dim=-1)

        @on("bottom")
        def profile(self, u, x, at):
            return u - x * at[:, 0]

    columns = {"x": [0.5, 0.2], "y": [0.5, 1.0], "measured": [3.0, -1.0]}
    problem = Measured(Rectangle().with_points("probes", columns))
    sample = problem.geometry.sample
    solution = solution_of(problem)

    u = solution.fields(sample("probes", 1).at)[0]["u"]
    expected = u.value - torch.tensor([3.0, -1.0], dtype=FLOAT)
    torch.testing.assert_close(values(problem, "data", "probes"), expected)

    points = sample("boundary", 12)
    slope = grad(solution.fields(points.at)[0]["u"]).value
    expected = (slope * points.normal).sum(-1)
    torch.testing.assert_close(values(problem, "flux", "boundary", 12), expected)

    points = sample("bottom", 7)
    expected = solution.fields(points.at)[0]["u"].value - points.at[:, 0] ** 2
    torch.testing.assert_close(values(problem, "profile", "bottom", 7), expected)


@pytest.mark.parametrize(
    ("result", "got"),
    [
        (lambda u: u.value.sum(), r"\(\)"),
        (lambda u: u.value[:2], r"\(2,\)"),
        (lambda u: None, "nothing"),
        (lambda u: 0.0, "the number 0.0"),
    ],
)
def test_a_residual_returns_one_value_per_point(result, got):
    class Wrong(Scalar):
        @on("interior")
        def balance(self, u):
            return result(u)

    with pytest.raises(ValueError, match=rf"residual 'balance' returned {got} for 5 points"):
        values(Wrong(), "balance")


def test_a_residual_that_reads_no_unknown():
    class Idle(Laplace):
        @on("left")
        def idle(self, u, x):
            return x

    with pytest.raises(ValueError, match="residual 'idle' reads no unknown"):
        plan_regions(solution_of(Idle()))


def test_a_learnable_coefficient_gets_its_gradient():
    class Helmholtz(Scalar):
        def __init__(self):
            super().__init__()
            self.k = nn.Parameter(torch.tensor(2.0))

        @on("interior")
        def balance(self, u):
            return laplacian(u) + self.k**2 * u

    problem = Helmholtz()
    solution = solution_of(problem)
    assert "problem.k" in dict(solution.named_parameters())
    points = problem.geometry.sample("interior", 5)
    unknowns, at = solution.fields(points.at)
    problem.evaluate(problem.residuals[0], unknowns, at, points).sum().backward()
    torch.testing.assert_close(problem.k.grad, 2 * problem.k.detach() * unknowns["u"].value.sum())


def test_components_by_number():
    class Reacting(Scalar):
        unknowns = {"c": 3, "heat": 1}

        @on("interior")
        def balance(self, c, heat):
            return laplacian(c) + heat * (1.0, 1.0, 1.0)

    problem = Reacting()
    assert problem.components("c") == ("c1", "c2", "c3")
    assert problem.components("heat") == ("heat",)
    assert values(problem, "balance").shape == (5, 3)


# --- being rebuilt


def test_a_problem_is_rebuilt_from_its_spec():
    spec = spec_of(Kovasznay(20, gauge="pin"))
    assert spec == {
        "class_path": "pinn.problems.kovasznay.Kovasznay",
        "init_args": {"reynolds": 20, "gauge": "pin", "ranges": None},
    }
    assert build(spec).gauges == {"p": "pin"}


def test_the_default_problem_knows_no_exact_solution():
    at = torch.rand(2, 2)
    assert Laplace().exact(coordinate_field(at, Laplace.geometry.coordinates)) is None
    assert Laplace().importance("interior", at) is None
