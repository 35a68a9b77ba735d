"""What local features are made of, up to fourth order: indices, windows, recurrences."""

import pytest
import torch
from nested import assert_rule, nested, random
from test_step import check, made
from torch import nn

from pinn import MLP, Interval, Problem, dt, laplacian, on
from pinn.algebra.channels import Plan, bilaplace, every_channel, first, third
from pinn.algebra.jet import NoRuleError
from pinn.derivatives.evaluate import evaluate

PLANS = ("third", "fourth", "collapsed fourth")


def smoothstep(t):
    """t³(10 − 15t + 6t²), flat at both ends."""
    t = t.clamp(0.0, 1.0)
    return t * t * t * (10 - 15 * t + 6 * t * t)


def chebyshev(s, count):
    """T₀ … of s along a new last axis, by T_{k+1} = 2s T_k − T_{k−1}."""
    table = [torch.ones_like(s), s]
    for _ in range(count - 2):
        table.append(2 * s * table[-1] - table[-2])
    return torch.stack(table, -1)


class Local(nn.Module):
    """Two patches at each point: windows that sum to one, and polynomials of local coordinates."""

    def __init__(self, outputs=1, degree=4):
        super().__init__()
        self.degree = degree
        self.edges = nn.Buffer(torch.tensor([0.35, 0.7]).double())
        self.centres = nn.Buffer(torch.tensor([[0.2, 0.3], [0.5, 0.6], [0.8, 0.5]]).double())
        torch.manual_seed(0)
        weights = torch.randn(3, degree * degree, outputs, dtype=torch.float64)
        self.weights = nn.Parameter(weights)

    def forward(self, x):
        place = torch.bucketize(x.detach()[..., 0].contiguous(), self.edges)  # which patch: 0, 1, 2
        near = torch.stack([place, (place + 1) % 3], -1)  # (N, 2)
        local = (x.unsqueeze(-2) - self.centres[near]) / 0.9  # (N, 2, D)
        each = chebyshev(local, self.degree)  # (N, 2, D, F)
        features = (each[..., 0, :, None] * each[..., 1, None, :]).flatten(-2)
        window = smoothstep(1 - (local * local).sum(-1))  # (N, 2)
        share = torch.where(near > 0, window, window * window) + 0.1
        share = share / share.sum(-1, keepdim=True)
        values = torch.einsum("nkf,nkfc->nkc", features, self.weights[near])
        return (values * share.unsqueeze(-1)).sum(-2)


def test_every_derivative_is_that_of_nested_reverse_mode():
    net, x = Local(), random(6, 2)
    for plan in (Plan(every_channel(2, (0, 1), 4)), Plan((bilaplace((0, 1)),))):
        jet = evaluate(net, x, plan, "taylor")
        _, streams = nested(net, x, plan.channels)
        ours, exact = (
            torch.stack([of(c) for c in plan.channels]) for of in (jet.stream, streams.get)
        )
        torch.testing.assert_close(ours, exact, rtol=1e-9, atol=1e-8)
        slopes = [torch.autograd.grad(t.square().sum(), net.weights)[0] for t in (ours, exact)]
        torch.testing.assert_close(*slopes, rtol=1e-9, atol=1e-6)


def test_under_vmap_over_the_weights():
    net, x = Local(), random(6, 2)
    plan = Plan((bilaplace((0, 1)), third(0, 0, 1)))
    many = torch.stack([net.weights.detach() * k for k in (1.0, -0.5, 2.0)])

    def streams(weights):
        def f(points):
            return torch.func.functional_call(net, {"weights": weights}, (points,))

        jet = evaluate(f, x, plan, "taylor")
        return torch.stack([jet.stream(c) for c in plan.channels])

    together = torch.func.vmap(streams)(many)
    torch.testing.assert_close(together, torch.stack([streams(weights) for weights in many]))
    slopes = torch.func.jacrev(lambda w: streams(w).square().sum())(many[0])
    by_vmap = torch.func.vmap(torch.func.grad(lambda w: streams(w).square().sum()))(many)
    torch.testing.assert_close(by_vmap[0], slopes)


class KuramotoSivashinsky(Problem):
    """∂u/∂t + u ∂u/∂x + ∂²u/∂x² + ∂⁴u/∂x⁴ = 0."""

    coordinates, unknowns = ("x", "t"), {"u": 1}
    geometry = Interval(time=(0, 1))

    @on("interior")
    def equation(self, u, x):
        bend = laplacian(u)
        return dt(u) + u * bend + bend + 1e-3 * laplacian(bend) - x


@pytest.mark.parametrize("mode", ["eager", "recorded"])
@pytest.mark.parametrize("network", [Local, lambda: MLP(6, 3)], ids=["local", "dense"])
def test_a_recorded_step_has_the_same_loss_and_gradient(network, mode):
    points = {"interior": 200}
    step, first_points = made(KuramotoSivashinsky(), network(), points=points, mode=mode)
    check(step, first_points)
    first_points["interior"].at.mul_(0.7)  # other points are in other patches
    check(step, first_points)


STEPS = {
    "window": lambda z, t: smoothstep((z - 0.5) / 2),
    "chebyshev": lambda z, t: chebyshev(0.5 * z - 0.4, 5),
    "tensor product": lambda z, t: (z.unsqueeze(-1) * (z * z * t).unsqueeze(-2)).flatten(-2),
    "where": lambda z, t: torch.where(z.detach() > 1.2, z, 0.5 * z * z),
    "angles": lambda z, t: torch.cos(3 * torch.acos(0.4 * (z - 1.1))),
    "bump": lambda z, t: torch.exp(-1 / z),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_agree_with_nested_reverse_mode(name):
    assert_rule(STEPS[name], PLANS)


def test_a_comparison_of_what_is_differentiated_is_refused():
    def f(x):
        return torch.where(x > 0.5, x, x * x)

    with pytest.raises(NoRuleError, match=r"compare constants, as in x.detach\(\) > 0"):
        evaluate(f, random(3, 2), Plan((first(0),)), "taylor")
