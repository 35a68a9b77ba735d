"""Modules of other people: hooks, parametrisations, attention, what torch cannot differentiate.

Continues the checklist of `test_checklist` with its numbers 13 and 14.
"""

import pytest
import torch
from oracle import assert_exact, network, points, trace
from torch import nn
from torch.nn.utils import parametrizations

from pinn.algebra.channels import Plan, first, laplace
from pinn.checking.agreement import disagreement
from pinn.checking.independence import CoupledPointsError
from pinn.derivatives.evaluate import evaluate
from pinn.operators.divergence import divergence

EXACT = ("taylor", "vmap", "loop")
each = pytest.mark.parametrize("strategy", EXACT)
X = points(5, 3)
PLAN = Plan((first(0), first(1), first(2), laplace((0, 1, 2))))


def trusted(f, plan=PLAN):
    return {s for s in EXACT if disagreement(f, X, plan, s) is None}


# 13 Hooks, parametrisations, swapped parameters


def test_13_hooks_that_read_numbers():
    net, seen = network(), []
    net[1].register_forward_hook(lambda module, x, y: seen.append(y.detach().sum().item()))
    assert trusted(net) >= {"loop"}
    for strategy in trusted(net) | {"auto"}:
        assert_exact(net, X, strategy)
    assert seen


def test_13_hooks_that_change_the_output():
    net = network()
    net[1].register_forward_hook(lambda module, inputs, output: 2 * output)
    assert trusted(net) == set(EXACT)
    for strategy in EXACT:
        assert_exact(net, X, strategy)


@pytest.mark.filterwarnings("ignore:For backward hooks to be called:UserWarning")
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_13_hooks_on_the_backward_pass(factor):
    """They are not called in a fused pass, which is right if they only look."""
    net = network()
    net[2].register_full_backward_hook(lambda module, x, y: (factor * x[0],))
    assert ("taylor" in trusted(net)) == (factor == 1.0)
    assert "loop" in trusted(net)
    exact = trace(net, X)
    for strategy in trusted(net) | {"auto"}:
        torch.testing.assert_close(divergence(net, X, strategy), exact)


@each
@pytest.mark.parametrize("wrap", [parametrizations.weight_norm, parametrizations.orthogonal])
def test_13_parametrised_weights(strategy, wrap):
    torch.manual_seed(0)
    net = nn.Sequential(wrap(nn.Linear(3, 8)), nn.Tanh(), nn.Linear(8, 3)).double()
    assert_exact(net, X, strategy)


@each
@pytest.mark.parametrize("training", [True, False])
def test_13_spectral_norm(strategy, training):
    torch.manual_seed(0)
    layer = parametrizations.spectral_norm(nn.Linear(3, 8))
    net = nn.Sequential(layer, nn.Tanh(), nn.Linear(8, 3)).double().train(training)
    with torch.no_grad():
        for _ in range(200 if training else 0):  # settled: an iteration changes nothing more
            net(X)
    assert trusted(net) == set(EXACT)
    torch.testing.assert_close(divergence(net, X, strategy), trace(net, X), rtol=1e-7, atol=1e-9)


@each
def test_13_swapped_parameters(strategy):
    net, other = network(), network(activation=nn.Tanh)
    with torch.no_grad():
        for p in other.parameters():
            p.mul_(0.7)
    weights = dict(other.named_parameters())
    found = divergence(lambda x: torch.func.functional_call(net, weights, (x,)), X, strategy)
    torch.testing.assert_close(found, trace(other, X))


# 14 Attention, and what torch cannot differentiate twice


class OverFeatures(nn.Module):
    """Attention over four tokens that each point is expanded to."""

    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.kind, self.expand, self.out = kind, nn.Linear(3, 16), nn.Linear(16, 3)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        h = self.expand(x).reshape(*x.shape[:-1], 4, 4)
        if self.kind == "module":
            h = self.attention(h, h, h, need_weights=False)[0]
        else:
            h = nn.functional.scaled_dot_product_attention(h, h, h)
        return self.out(h.reshape(*x.shape[:-1], 16))


@pytest.mark.parametrize("kind", ["module", "function"])
def test_14_attention_over_features(kind):
    net = OverFeatures(kind).double()
    assert trusted(net) >= {"vmap", "loop"}
    found = {s: evaluate(net, X, PLAN, s) for s in trusted(net)}
    for channel in PLAN.channels:
        for jet in found.values():
            exact = found["loop"].stream(channel)
            torch.testing.assert_close(jet.stream(channel), exact, rtol=1e-10, atol=1e-12)
    for strategy in found:
        torch.testing.assert_close(
            divergence(net, X, strategy), trace(lambda p: net(p[None])[0], X)
        )


class OverPoints(nn.Module):
    """An unbatched attention layer reads the points (N, E) as a sequence."""

    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.kind, self.attention = kind, nn.MultiheadAttention(3, 1)

    def forward(self, x):
        if self.kind == "module":
            return self.attention(x, x, x)[0]
        return nn.functional.scaled_dot_product_attention(x, x, x)


@pytest.mark.parametrize("strategy", [*EXACT, "auto"])
@pytest.mark.parametrize("kind", ["module", "function"])
def test_14_attention_over_points_is_refused(strategy, kind):
    with pytest.raises(CoupledPointsError, match="not pointwise"):
        divergence(OverPoints(kind).double(), X, strategy)


class Sampled(nn.Module):
    """Features read off a grid of parameters."""

    def __init__(self):
        super().__init__()
        self.grid = nn.Parameter(torch.rand(1, 2, 4, 4).double())

    def forward(self, x):
        at = x[..., :2].reshape(1, 1, -1, 2)
        return nn.functional.grid_sample(self.grid, at, align_corners=True)[0, :, 0].mT


@pytest.mark.parametrize("strategy", ["vmap", "loop", "auto"])
def test_14_features_read_off_a_grid(strategy):
    net = Sampled()
    assert_exact(net, points(5, 2), strategy, same=lambda p: net(p[None])[0])


@pytest.mark.parametrize("layer", [nn.GLU(), nn.PReLU(), nn.Hardswish()])
def test_14_other_activations(layer):
    torch.manual_seed(0)
    width = 8 if isinstance(layer, nn.GLU) else 4
    net = nn.Sequential(nn.Linear(3, width), layer, nn.Linear(4, 3)).double()
    strategies = trusted(net, Plan((first(0), first(1), first(2))))
    assert "loop" in strategies
    for strategy in strategies:
        assert_exact(net, X, strategy)


UNTRAINABLE = {
    "hardsigmoid": nn.functional.hardsigmoid,
}


@pytest.mark.parametrize("name", UNTRAINABLE)
def test_14_what_torch_cannot_train_is_named(name):
    torch.manual_seed(0)
    inner, outer = nn.Linear(3, 8).double(), nn.Linear(8, 3).double()

    def f(x):
        return outer(UNTRAINABLE[name](inner(x)))

    for strategy in ("vmap", "loop", "auto"):
        with pytest.raises(RuntimeError, match=f"{name} has no second derivative in torch"):
            divergence(f, X, strategy).sum().backward()
    exact = trace(lambda p: f(p[None])[0], X).detach()
    with torch.no_grad():
        strategies = trusted(f, Plan((first(0), first(1), first(2))))
        assert "loop" in strategies
        for strategy in strategies | {"auto"}:
            torch.testing.assert_close(divergence(f, X, strategy), exact)
