"""Stating a problem: names, regions, data, ansatz, gauges, and the errors that help."""

import re

import pytest
import torch
from torch import nn

from pinn.channels import Plan
from pinn.fields import coordinate_field
from pinn.geometry import Interval, Rectangle
from pinn.networks import MLP
from pinn.operators import div, grad, laplacian, partial
from pinn.problem import Problem
from pinn.problems import Kovasznay
from pinn.reads import plan_regions
from pinn.residuals import on
from pinn.solution import Solution
from pinn.spec import build, spec_of

FLOAT = torch.float64


class Stokes(Problem):
    """Creeping flow, ∇p − ∇²u = 0, ∇·u = 0."""

    coordinates = ("x", "y")
    unknowns = {"u": ("u", "v"), "p": 1}
    geometry = Rectangle().named(lid="top")

    @on("interior")
    def momentum(self, u, p):
        return grad(p) - laplacian(u)

    @on("interior")
    def continuity(self, u):
        return div(u)

    @on("left", "right")
    def sides(self, u):
        return u


class Scalar(Problem):
    """What the small problems below have in common: one scalar on the unit square."""

    coordinates = ("x", "y")
    unknowns = {"u": 1}
    geometry = Rectangle()


class Laplace(Scalar):
    @on("interior")
    def balance(self, u):
        return laplacian(u)


def names(problem):
    return [residual.name for residual in problem.residuals]


def solution_of(problem, network=None):
    torch.manual_seed(0)
    return Solution(problem, MLP(6, 2) if network is None else network).double()


def values(problem, residual, region="interior", n=5):
    """A residual's values for a random network."""
    solution = solution_of(problem)
    points = problem.geometry.sample(region, n)
    unknowns, at = solution.fields(points.at)
    found = next(r for r in problem.residuals if r.name == residual)
    return problem.evaluate(found, unknowns, at, points)


def constant(*outputs):
    """A network that ignores the point."""
    layer = nn.Linear(2, len(outputs)).double()
    nn.init.zeros_(layer.weight)
    layer.bias.data = torch.tensor(outputs, dtype=FLOAT)
    return layer


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


# --- when it is made


def test_a_problem_needs_a_geometry():
    class Placeless(Laplace):
        geometry = None

    with pytest.raises(ValueError, match="Placeless has no geometry"):
        Placeless()
    assert names(Placeless(Rectangle())) == ["balance"]


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
        (lambda u: None, "NoneType"),
        (lambda u: 0.0, "float"),
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


# --- networks


def test_one_network_for_all_gives_the_unknowns_in_order():
    solution = solution_of(Stokes(), constant(1.0, 2.0, 3.0))
    found = solution(torch.rand(4, 2, dtype=FLOAT))
    assert found["u"].shape == (4, 2)
    assert found["p"].shape == (4,)
    assert found["u"].tolist() == [[1.0, 2.0]] * 4
    assert found["p"].tolist() == [3.0] * 4


def test_one_network_per_unknown():
    networks = {"p": MLP(5, 1), "u": MLP(7, 2)}
    solution = solution_of(Stokes(), networks)
    at = torch.rand(6, 2, dtype=FLOAT)
    fields, _ = solution.fields(at)
    torch.testing.assert_close(fields["u"].value, networks["u"](at))
    torch.testing.assert_close(fields["p"].value, networks["p"](at)[:, 0])
    plans = plan_regions(solution)
    described = {name: p.describe(("x", "y")) for name, p in plans["interior"].networks.items()}
    assert described == {"u": "value ∂x ∂y ∇²", "p": "value ∂x ∂y"}
    assert plans["left"].networks == {"u": Plan(), "p": Plan()}


@pytest.mark.parametrize("given", [{"u": MLP()}, {"u": MLP(), "p": MLP(), "q": MLP()}])
def test_networks_for_other_names_than_the_unknowns(given):
    message = f"networks are given for {sorted(given)}, the unknowns are ['p', 'u']"
    with pytest.raises(ValueError, match=re.escape(message)):
        Solution(Stokes(), given)


def test_a_network_with_the_wrong_number_of_outputs():
    solution = solution_of(Stokes(), constant(1.0, 2.0))
    with pytest.raises(ValueError, match=r"'all' has 2 outputs, the unknowns \['u', 'p'\] need 3"):
        solution(torch.rand(4, 2, dtype=FLOAT))


def test_components_by_number():
    class Reacting(Scalar):
        unknowns = {"c": 3, "heat": 1}

        @on("interior")
        def balance(self, c, heat):
            return laplacian(c) + heat

    problem = Reacting()
    assert problem.components("c") == ("c1", "c2", "c3")
    assert problem.components("heat") == ("heat",)
    assert values(problem, "balance").shape == (5, 3)


# --- ansatz


class Clamped(Stokes):
    """The sides are built in, and the pressure's network adds to the velocity."""

    sides = None

    def ansatz(self, raw, at):
        x = at[:, 0]
        profile = torch.stack([1 - x, 0 * x], dim=-1)
        return {"u": profile + x * (1 - x) * (raw["u"] + raw["p"]), "p": 2 * raw["p"]}

    @on("left")
    def traction(self, u):
        return partial(u, "x")

    @on("right")
    def outlet(self, u):
        return u


def test_the_ansatz_holds_whatever_the_network():
    solution = solution_of(Clamped())
    y = torch.rand(5, dtype=FLOAT)
    inlet = solution(torch.stack([0 * y, y], dim=-1))["u"]
    torch.testing.assert_close(inlet, torch.tensor([[1.0, 0.0]], dtype=FLOAT).expand(5, 2))


def test_the_ansatz_is_differentiated_with_the_network():
    solution = solution_of(Clamped())
    at = torch.rand(5, 2, dtype=FLOAT).requires_grad_()
    fields, _ = solution.fields(at)
    for component in (0, 1):
        gradient = torch.autograd.grad(solution.values(at)["u"][:, component].sum(), at)[0]
        torch.testing.assert_close(grad(fields["u"]).value[:, component], gradient)


def test_plans_reach_through_the_ansatz():
    plans = plan_regions(solution_of(Clamped(), {"u": MLP(4, 1), "p": MLP(4, 1)}))

    def described(region):
        return {k: p.describe(("x", "y")) for k, p in plans[region].networks.items()}

    # u holds the raw p, so that the second derivatives of u need those of p.
    assert described("interior") == {"u": "value ∂x ∂y ∇²", "p": "value ∂x ∂y ∇²"}
    assert described("left") == {"u": "value ∂x", "p": "value ∂x"}
    assert described("right") == {"u": "value", "p": "value"}
    # The residual itself sees u alone.
    assert {k: p.describe(("x", "y")) for k, p in plans["left"].reads["traction"].items()} == {
        "u": "value ∂x"
    }


@pytest.mark.parametrize("strategy", ["taylor", "vmap", "loop"])
def test_a_plan_is_enough_to_evaluate_its_residuals(strategy):
    problem = Clamped()
    solution = solution_of(problem)
    solution.strategy = {"all": strategy}
    for region, plan in plan_regions(solution).items():
        points = problem.geometry.sample(region, 4)
        lean, full = solution.fields(points.at, plan.networks), solution.fields(points.at)
        for residual in problem.residuals:
            if region in residual.regions:
                a, b = (problem.evaluate(residual, *fields, points) for fields in (lean, full))
                torch.testing.assert_close(a, b)


# --- gauges


def gauged(gauge):
    class Gauged(Stokes):
        def __init__(self):
            super().__init__()
            self.gauges = {"p": gauge}

    solution = solution_of(Gauged())
    # Without a bias the network is an odd function, whose mean is zero anyway.
    nn.init.constant_(solution.networks["all"].output.bias, 0.5)
    return solution


def test_zero_mean_and_pin_subtract_a_constant():
    at = torch.rand(9, 2, dtype=FLOAT)
    free = gauged("free")(at)["p"]
    for gauge in ("zero_mean", "pin"):
        difference = free - gauged(gauge)(at)["p"]
        assert difference.abs().min() > 1e-3
        torch.testing.assert_close(difference, difference[:1].expand(9))
    assert gauged("zero_mean")(Stokes.geometry.grid(21))["p"].mean().abs() < 1e-14
    assert gauged("pin")(torch.zeros(1, 2, dtype=FLOAT))["p"].abs() < 1e-14


def test_gauges_leave_training_alone():
    at = torch.rand(9, 2, dtype=FLOAT)
    fields = [gauged(gauge).fields(at)[0]["p"].value for gauge in ("free", "zero_mean")]
    torch.testing.assert_close(*fields, rtol=0, atol=0)


# --- being rebuilt


def test_a_problem_is_rebuilt_from_its_spec():
    spec = spec_of(Kovasznay(20, gauge="pin"))
    assert spec == {
        "class_path": "pinn.problems.kovasznay.Kovasznay",
        "init_args": {"reynolds": 20, "gauge": "pin"},
    }
    again = build(spec)
    assert isinstance(again, Kovasznay)
    assert again.reynolds == 20.0
    assert again.gauges == {"p": "pin"}


def test_the_default_problem_knows_no_exact_solution():
    at = coordinate_field(torch.rand(2, 2), Laplace.geometry.coordinates)
    assert Laplace().exact(at) is None
    assert Laplace().importance("interior", at.value) is None
