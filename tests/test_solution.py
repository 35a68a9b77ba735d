"""A problem with its networks: unknowns, ansatz, derivative plans and gauges."""

import re

import pytest
import torch
from equations import Stokes, solution_of
from torch import nn

from pinn.algebra.channels import Plan
from pinn.fields.field import partial
from pinn.fields.vector_calculus import grad
from pinn.geometry import Rectangle
from pinn.networks import MLP
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.problems import NavierStokes
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution

FLOAT = torch.float64


def constant(*outputs):
    """A network that ignores the point."""
    layer = nn.Linear(2, len(outputs)).double()
    nn.init.zeros_(layer.weight)
    layer.bias.data = torch.tensor(outputs, dtype=FLOAT)
    return layer


# --- networks


def test_one_network_for_all_gives_the_unknowns_in_order():
    problem = Stokes()
    problem.gauges = {"p": "free"}
    solution = solution_of(problem, constant(1.0, 2.0, 3.0))
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
    message = f"networks are given for {sorted(given)}, the problem asks for ['p', 'u']"
    with pytest.raises(ValueError, match=re.escape(message)):
        Solution(Stokes(), given)


def test_a_network_with_the_wrong_number_of_outputs():
    with pytest.raises(ValueError, match=r"Linear has 2 outputs, the unknowns \['u', 'p'\] need 3"):
        solution_of(Stokes(), constant(1.0, 2.0))


# --- ansatz


class Clamped(Stokes):
    """The sides are built in, and the pressure's network adds to the velocity."""

    sides = None

    def ansatz(self, raw, at):
        x = at[:, 0]
        profile = torch.stack([1 - x, 0 * x], dim=-1)
        return {"u": profile + x * (1 - x) * (raw["u"] + raw["p"] * (1.0, 1.0)), "p": 2 * raw["p"]}

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
    assert gauged("zero_mean")(Stokes.geometry.midpoints(32))["p"].mean().abs() < 1e-14
    assert gauged("pin")(torch.zeros(1, 2, dtype=FLOAT))["p"].abs() < 1e-14


def test_gauges_leave_training_alone():
    at = torch.rand(9, 2, dtype=FLOAT)
    solutions = [gauged(gauge) for gauge in ("free", "zero_mean")]
    fields = [s.fields(at, s.up_to(1))[0]["p"].value for s in solutions]
    torch.testing.assert_close(*fields, rtol=0, atol=0)


def test_fields_and_values_have_the_same_gauge():
    at = torch.rand(9, 2, dtype=FLOAT)
    for gauge in ("zero_mean", "pin"):
        solution = gauged(gauge)
        torch.testing.assert_close(solution.fields(at)[0]["p"].value, solution(at)["p"])


def test_a_gauge_is_refused_where_it_would_shift_what_is_fixed():
    class Outlet(NavierStokes):
        @on("right")
        def outlet(self, p):
            return p

    solution = Solution(Outlet(Rectangle(), 10.0), MLP(4, 1))
    with pytest.raises(ValueError, match="'outlet' reads the value of 'p', which the gauge"):
        plan_regions(solution)
    plan_regions(Solution(Outlet(Rectangle(), 10.0, gauge="free"), MLP(4, 1)))


def test_a_residual_of_all_points_against_all_is_refused():
    class Crossed(Problem):
        coordinates = ("x", "y")
        unknowns = {"a": 1}
        geometry = Rectangle()

        @on("interior")
        def crossed(self, a, x):
            return a.value[:, None] - x.value

    with pytest.raises(ValueError, match=r"\(4, 4\) and \(5, 5\) for 4 and 5 points"):
        plan_regions(Solution(Crossed(), MLP(4, 1)))


def test_one_network_for_two_unknowns_is_refused():
    net = MLP(4, 1)
    with pytest.raises(ValueError, match="one network is given for several unknowns"):
        Solution(NavierStokes(Rectangle(), 1.0), {"u": net, "p": net})


def test_two_components_of_one_name_are_refused():
    with pytest.raises(TypeError, match="uses the name 'v' for two things"):

        class Doubled(Problem):
            coordinates = ("x", "y")
            unknowns = {"u": ("u", "v"), "v": 1}


def test_a_network_built_for_another_domain_is_refused():
    net = MLP(4, 1)
    Solution(NavierStokes(Rectangle(), 1.0), net)
    with pytest.raises(ValueError, match=r"MLP was built with .* from .* to .*; it cannot be"):
        Solution(NavierStokes(Rectangle(x=(0, 100)), 1.0), net)
