"""Third derivatives: of fields, by every strategy, and of a stream function in a problem."""

import math

import pytest
import torch
from nested import PLANS, assert_agrees, random
from plane import assert_equal
from torch import nn

from pinn.algebra.channels import Plan, differentiated, every_channel, first, laplace, second, third
from pinn.algebra.jet import MissingDerivativeError
from pinn.fields.field import coordinate_field, partial
from pinn.fields.functions import cos, exp, sin, vector
from pinn.fields.vector_calculus import advect, div, grad, laplacian
from pinn.geometry import Rectangle
from pinn.geometry.coordinates import Coordinates
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution

SPACE = (0, 1)
ALONG_Y = differentiated(laplace(SPACE), 1)
RE = 40.0
DECAY = RE / 2 - math.hypot(RE / 2, 2 * math.pi)


def plane(*names):
    at = coordinate_field(random(5, len(names)), Coordinates(names), highest=3)
    return at, *(at[:, i] for i in range(len(names)))


def stream_function(at):
    """Kovasznay's: u = ∂ψ/∂y, v = −∂ψ/∂x."""
    x, y = at[:, 0], at[:, 1]
    return y - exp(DECAY * x) * sin(2 * math.pi * y) / (2 * math.pi)


def velocity(psi):
    return vector(partial(psi, "y"), -partial(psi, "x"))


def pressure(at):
    return (1 - exp(2 * DECAY * at[:, 0])) / 2


def momentum(u, p):
    """(u·∇)u + ∇p − ∇²u/Re."""
    return advect(u, u) + grad(p) - laplacian(u) / RE


def test_polynomial_by_hand():
    _, x, y = plane("x", "y")
    f = x**3 * y**2 + y**3
    v, w = x.value, y.value
    assert_equal(partial(partial(partial(f, "x"), "x"), "y"), 12 * v * w)
    assert_equal(laplacian(partial(f, "y")), 12 * v * w + 6)
    assert_equal(grad(partial(f, "y"))[:, 0], 6 * v**2 * w)
    assert_equal(div(grad(partial(f, "x"))), 6 * w**2 + 6 * v**2)


def test_time_derivative_of_the_laplacian():
    at, x, t = plane("x", "t")
    f = sin(x * t)
    exact = -2 * t.value * torch.sin(x.value * t.value) - t.value**2 * x.value * torch.cos(
        x.value * t.value
    )
    assert_equal(laplacian(partial(f, "t")), exact)
    collapsed = differentiated(laplace((0,)), 1)
    torch.testing.assert_close(f.stream(collapsed), exact)
    assert collapsed in Plan((collapsed,)).channels
    assert at.coordinates.space == (0,)


def test_the_exact_stream_function_fulfils_the_momentum_equation():
    at, *_ = plane("x", "y")
    u = velocity(stream_function(at))
    assert_equal(div(u), torch.zeros(5).double())
    zero = torch.zeros(5, 2).double()
    torch.testing.assert_close(momentum(u, pressure(at)).value, zero, rtol=0, atol=1e-12)
    assert laplacian(u).value.abs().max() > 1


def test_the_vorticity_equation_by_the_stream_function():
    """(u·∇)ω = ∇²ω/Re for ω = −∇²ψ; its right-hand side is known in closed form."""
    at, x, y = plane("x", "y")
    psi = stream_function(at)
    vorticity = -laplacian(psi)
    exact = (DECAY**2 - 4 * math.pi**2) * exp(DECAY * x) * sin(2 * math.pi * y) / (2 * math.pi)
    assert_equal(vorticity, exact.value)
    diffusion = laplacian(exact).value / RE
    torch.testing.assert_close(advect(velocity(psi), vorticity).value, diffusion)


def test_a_fourth_order_that_was_not_evaluated_is_missing_and_named():
    _, x, y = plane("x", "y")
    f = x**4 * y
    assert_equal(partial(laplacian(f), "x"), 24 * x.value * y.value)
    with pytest.raises(MissingDerivativeError, match=r"∂xx .* order 5.* highest is 4"):
        partial(laplacian(f), "x").stream(second(0, 0))
    with pytest.raises(MissingDerivativeError, match="∇² of 'expression'"):
        laplacian(laplacian(f))


def dense():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 6), nn.SiLU(), nn.Linear(6, 3)
    ).double()


@pytest.mark.parametrize("strategy", ["taylor", "vmap", "loop"])
@pytest.mark.parametrize(
    "plan",
    [
        PLANS["third"],
        PLANS["collapsed third"],
        Plan((third(0, 0, 1), second(1, 1))),
        Plan((differentiated(laplace(SPACE), 0), ALONG_Y)),
    ],
)
def test_strategies_agree(plan, strategy):
    assert_agrees(dense(), random(4, 2), plan, strategy)


class StreamFunction(Problem):
    """Kovasznay flow by its stream function, built on an ansatz that multiplies by x."""

    coordinates = ("x", "y")
    unknowns = {"psi": 1, "p": 1}

    def __init__(self):
        super().__init__(Rectangle(x=(-0.5, 1.0), y=(-0.5, 1.5)))

    def ansatz(self, raw, at):
        return {"psi": at[:, 1] + at[:, 0] * at[:, 0] * raw["psi"], "p": raw["p"]}

    @on("interior")
    def momentum(self, psi, p):
        return momentum(velocity(psi), p)


def make_solution():
    return Solution(StreamFunction(), {"psi": one(1), "p": one(2)})


def one(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1)).double()


def test_the_dry_run_finds_the_third_order():
    plan = plan_regions(make_solution())["interior"]
    along_x = differentiated(laplace(SPACE), 0)
    assert plan.reads["momentum"]["psi"] == Plan((along_x, ALONG_Y))
    assert plan.reads["momentum"]["p"] == Plan((first(0), first(1)))
    assert plan.networks["psi"] == Plan((along_x, ALONG_Y))
    names = ("x", "y")
    assert plan.networks["psi"].describe(names) == "value ∂x ∂y ∂xx ∂xy ∂yy ∂x∇² ∂y∇²"


def test_the_residual_is_the_same_by_every_strategy():
    solution, at = make_solution(), random(6, 2)
    plans = plan_regions(solution)["interior"].networks
    found = []
    for strategy in ("taylor", "vmap", "loop"):
        solution.strategy = dict.fromkeys(solution.networks, strategy)
        fields, _ = solution.fields(at, plans)
        residual = momentum(velocity(fields["psi"]), fields["p"]).value
        gradient = torch.autograd.grad(residual.square().sum(), list(solution.parameters())[:-1])
        found.append((residual, *gradient))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_every_channel_up_to_third_order():
    channels = every_channel(3, SPACE, 3)
    assert len(channels) == 3 + 6 + 1 + 10 + 3
    assert differentiated(laplace(SPACE), 2) in channels
    assert cos(plane("x", "y")[1]).streams.keys() == set(every_channel(2, SPACE, 3))
