"""Flows and waves in time: Taylor–Green vortices, Beltrami flow, advection."""

import math

import pytest
import torch
from torch import nn

from pinn.assessment.scores import errors
from pinn.fields.field import coordinate_field
from pinn.fields.vector_calculus import curl, div
from pinn.geometry import Rectangle
from pinn.networks import MLP, Periodic
from pinn.problems import Advection, Beltrami3D, TaylorGreen2D, UnsteadyNavierStokes
from pinn.solution.solution import Solution

TURN = 2 * math.pi


def exact_at(problem, points):
    at = coordinate_field(points, problem.geometry.coordinates)
    return problem.exact(at)


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def periodic(problem, **periods):
    torch.manual_seed(0)
    return Solution(problem, MLP(8, 2, embedding=Periodic(periods))).double()


# --- the equations


@pytest.mark.parametrize("problem", [TaylorGreen2D(), Beltrami3D()], ids=["plane", "space"])
def test_the_equations_in_time_hold_term_by_term(problem):
    """∂ᵢ and ∂² by reverse mode, component by component: a second implementation."""
    names = problem.coordinates
    points = problem.geometry.sample("interior", 40).at.requires_grad_()
    fields = exact_at(problem, points)
    u, p = fields["u"].value.unbind(-1), fields["p"].value
    space = range(len(names) - 1)

    def gradient(f):
        return torch.autograd.grad(f.sum(), points, create_graph=True)[0]

    first = [gradient(component) for component in u]
    for i in space:
        carried = sum(u[j] * first[i][:, j] for j in space)
        diffused = sum(gradient(first[i][:, j])[:, j] for j in space) / problem.reynolds
        momentum = first[i][:, -1] + carried + gradient(p)[:, i] - diffused
        size = float(diffused.detach().abs().max() + carried.detach().abs().max())
        assert momentum.detach().abs().max() < 1e-13 * (1 + size)
    assert sum(first[i][:, i] for i in space).detach().abs().max() < 1e-13 * (1 + size)


def test_unsteady_momentum_is_the_steady_one_and_the_rate_of_change():
    problem = UnsteadyNavierStokes(Rectangle(time=(0.0, 1.0)), reynolds=2.0)
    points = problem.geometry.sample("interior", 20)
    at = coordinate_field(points.at, problem.geometry.coordinates)
    x, y, t = at[:, 0], at[:, 1], at[:, 2]
    u = torch.stack([x**2 * t, -2 * x * y * t], dim=-1)
    momentum = next(r for r in problem.residuals if r.name == "momentum")
    found = problem.evaluate(momentum, {"u": u, "p": x * y}, at, points)
    x, y, t = points.at.unbind(-1)
    # By hand: (u·∇)u = 2x³t² in x and 2x²yt² in y; ν∇²u = (t, 0).
    expected = torch.stack(
        [x**2 + 2 * x**3 * t**2 + y - t, -2 * x * y + 2 * x**2 * y * t**2 + x], -1
    )
    torch.testing.assert_close(found, expected)


# --- Taylor–Green


def test_taylor_green_values_by_hand():
    exact = exact_at(TaylorGreen2D(50.0), double([0, math.pi / 2, 0], [math.pi / 4, 0, 2]))
    decay, half = math.exp(-0.08), math.sqrt(0.5)
    torch.testing.assert_close(exact["u"].value, double([-1, 0], [0, half * decay]))
    torch.testing.assert_close(exact["p"].value, torch.tensor([0, -(decay**2) / 4]).double())


def test_taylor_green_starts_from_the_given_velocity_whatever_the_network():
    problem = TaylorGreen2D()
    assert [r.name for r in problem.residuals] == ["momentum", "continuity"]
    points = problem.geometry.sample("initial", 50).at
    found = periodic(problem, x=TURN, y=TURN).values(points)["u"]
    torch.testing.assert_close(found, exact_at(problem, points)["u"].value, rtol=0, atol=0)
    later = points + double([0, 0, 1.0])
    found = periodic(problem, x=TURN, y=TURN).values(later)["u"]
    assert (found - exact_at(problem, later)["u"].value).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("problem", "axes"), [(TaylorGreen2D(), "xy"), (Advection(), "x")], ids=["flow", "wave"]
)
def test_opposite_faces_agree_in_all_derivatives(problem, axes):
    solution = periodic(problem, **dict.fromkeys(axes, TURN))
    for axis, name in enumerate(axes):
        assert (problem.geometry.lower[axis], problem.geometry.upper[axis]) == (0, TURN)
        low = problem.geometry.sample({"x": "left", "y": "bottom"}[name], 20).at
        high = low.clone()
        high[:, axis] = TURN
        pairs = [(exact_at(problem, low), exact_at(problem, high))]
        pairs.append((solution.fields(low)[0], solution.fields(high)[0]))
        for one, other in pairs:
            for unknown, field in one.items():
                torch.testing.assert_close(other[unknown].value, field.value, atol=1e-12, rtol=0)
                for channel, stream in field.streams.items():
                    if stream is not None:
                        found = other[unknown].streams[channel]
                        torch.testing.assert_close(found, stream, atol=1e-9, rtol=1e-12)


# --- Beltrami


@pytest.mark.parametrize(("a", "d"), [(1.0, 1.0), (math.pi / 4, math.pi / 2)])
def test_beltrami_is_the_published_flow(a, d):
    problem = Beltrami3D(reynolds=2.0, a=a, d=d)
    points = problem.geometry.sample("interior", 30).at
    exact = exact_at(problem, points)
    x, y, z, t = points.unbind(-1)
    decay = torch.exp(-(d**2) * t / 2)

    def component(x, y, z):
        grown = torch.exp(a * x) * torch.sin(a * y + d * z)
        return -a * (grown + torch.exp(a * z) * torch.cos(a * x + d * y)) * decay

    def mixed(x, y, z):
        phases = torch.sin(a * x + d * y) * torch.cos(a * z + d * x)
        return torch.exp(2 * a * x) + 2 * phases * torch.exp(a * (y + z))

    turned = [(x, y, z), (y, z, x), (z, x, y)]
    velocity = torch.stack([component(*at) for at in turned], dim=-1)
    pressure = -(a**2) / 2 * sum(mixed(*at) for at in turned) * decay**2
    torch.testing.assert_close(exact["u"].value, velocity)
    torch.testing.assert_close(exact["p"].value, pressure)


def test_beltrami_flows_along_its_vorticity():
    problem = Beltrami3D()
    u = exact_at(problem, problem.geometry.sample("interior", 30).at)["u"]
    vorticity = curl(u).value
    assert torch.linalg.cross(vorticity, u.value).abs().max() < 1e-12
    assert vorticity.norm(dim=-1).min() > 0.1
    assert div(u).value.abs().max() < 1e-13


def test_beltrami_data_agree_where_boundary_and_beginning_meet():
    problem = Beltrami3D()
    edge = problem.geometry.sample("boundary", 60)
    edge.at[:, 3] = 0.0
    at = coordinate_field(edge.at, problem.geometry.coordinates)
    u = problem.exact(at)["u"] + (1.0, 0.0, 0.0)
    for name in ("boundary", "initial"):
        residual = next(r for r in problem.residuals if r.name == name)
        found = problem.evaluate(residual, {"u": u}, at, edge)
        torch.testing.assert_close(found, double([1, 0, 0]).expand(60, 3))


# --- advection


def test_the_wave_comes_back_after_each_turn():
    problem = Advection(speed=4 * math.pi)
    exact = exact_at(problem, double([1, 0], [1, 0.5], [1, 1], [1, 0.25]))["u"].value
    torch.testing.assert_close(exact, math.sin(1) * torch.tensor([1, 1, 1, -1]).double())


# --- what is left open


class Exact(nn.Module):
    """The exact solution as a network, its pressure off by a function of time, or of space."""

    def __init__(self, problem, shift):
        super().__init__()
        self.problem, self.shift = problem, shift
        self.one = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x):
        fields = exact_at(self.problem, x)
        p = fields["p"].value + self.shift(x)
        return self.one * torch.cat([fields["u"].value, p.unsqueeze(-1)], dim=-1)


@pytest.mark.parametrize(
    ("shift", "least", "most"),
    [
        (lambda at: 5 * torch.sin(3 * at[:, 3]) + 2, 0, 1e-14),
        (lambda at: 5 * torch.sin(3 * at[:, 0]), 0.1, 10),
    ],
    ids=["time", "space"],
)
def test_a_pressure_is_judged_up_to_a_function_of_time(shift, least, most):
    problem = Beltrami3D()
    found = errors(Solution(problem, Exact(problem, shift)), problem.reference())
    assert set(found) == {"error/u", "error/v", "error/w", "error/p"}
    assert least <= found.pop("error/p") <= most
    assert max(found.values()) < 1e-15


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TaylorGreen2D(reynolds=-1.0), "reynolds is -1.0: it must be a positive"),
        (lambda: TaylorGreen2D(reynolds="much"), "reynolds is much"),
        (lambda: Beltrami3D(reynolds=math.inf), "reynolds is inf"),
        (lambda: Beltrami3D(a=0.0), "a is 0.0"),
        (lambda: Beltrami3D(d=math.nan), "d is nan"),
        (lambda: Advection(0.0), "speed is 0.0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
