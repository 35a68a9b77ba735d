"""Nineteen ways to be wrong about a divergence, by number; every strategy that is trusted is right.

A strategy is trusted for a function if `disagreement` finds nothing. The oracle is the trace of
`torch.autograd.functional.jacobian`, in value and in parameter gradient.

Numbers not found here are covered elsewhere:

 1  shapes, layouts, chunks                test_divergence, test_derivatives
 2  selected dims and components           test_divergence
 4  a derivative by x in turn             test_divergence, and below
 6  complex numbers                        test_divergence, test_derivatives
16  processes: gradients equal to one's    test_distributed; a wrapped network: test_independence
17  random estimates                       test_hutchinson
18  one choice for all processes           test_choice
19  cost, counted                          test_cost, test_costs
 7  dropout, 8 batch norm                  test_independence, and below
12  checkpoints, 15 compiled networks      test_agreement, test_compiled, and below
"""

import pytest
import torch
from oracle import assert_exact, network, points, trace
from torch import nn
from torch.utils.checkpoint import checkpoint

from pinn.algebra.channels import Plan, first
from pinn.checking.agreement import disagreement
from pinn.checking.autograd_graph import CutGraphError
from pinn.checking.independence import CoupledPointsError
from pinn.operators.divergence import Divergence, divergence

EXACT = ("taylor", "vmap", "loop")
each = pytest.mark.parametrize("strategy", EXACT)
GRADIENT = Plan(tuple(first(i) for i in range(3)))
X = points(5, 3)


def trusted(f, x=X):
    """The strategies that agree with reverse mode for f."""
    plan = Plan(tuple(first(i) for i in range(x.shape[-1])))
    return {s for s in EXACT if disagreement(f, x, plan, s) is None}


def right_where_trusted(f, *at_least, same=None):
    """Every trusted strategy is exact; those named are among them."""
    found = trusted(f)
    assert found >= set(at_least), found
    for strategy in found | {"auto"}:
        assert_exact(f, X, strategy, same=same)


class Between(nn.Module):
    """A function of 3 features between two networks."""

    def __init__(self, function):
        super().__init__()
        self.inner, self.outer, self.function = network(), network(), function

    def forward(self, x):
        return self.outer(self.function(self.inner(x)))


# 3 Components that do not depend on x


class Partly(nn.Module):
    """(network, a parameter, linear, cut off, unused weights)."""

    def __init__(self):
        super().__init__()
        self.net, self.unused = network(), network()
        self.constant = nn.Parameter(torch.tensor(2.0).double())

    def forward(self, x):
        y = self.net(x)
        parts = (y[..., 0] + 0 * self.constant, self.constant + 0 * y[..., 1], 3 * x[..., 2])
        return torch.stack(parts, dim=-1)


def test_03_constant_and_unused_parts():
    right_where_trusted(Partly(), *EXACT)


@each
def test_03_a_function_without_a_derivative_is_not_a_constant(strategy):
    net = Between(torch.special.bessel_j0)
    with pytest.raises(CutGraphError, match="bessel_j0 has no derivative in torch"):
        divergence(net, X, strategy)


# 4 Graphs


@each
def test_04_two_calls_and_two_backward_passes(strategy):
    net, div = network(), Divergence(strategy)
    first_loss, second_loss = div(net, X).square().sum(), div(net, X).square().sum()
    assert torch.equal(first_loss, second_loss)
    a = torch.autograd.grad(first_loss, net[0].weight, retain_graph=True)[0]
    b = torch.autograd.grad(second_loss, net[0].weight)[0]
    c = torch.autograd.grad(first_loss, net[0].weight)[0]
    assert torch.equal(a, b)
    assert torch.equal(a, c)


# 5 Precision


@each
def test_05_autocast_changes_neither_value_nor_gradient(strategy):
    def found(autocast):
        net = network().float()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            loss = divergence(net, points(40, 3).float(), strategy).square().sum()
        return loss.detach(), torch.autograd.grad(loss, net[0].weight)[0]

    for a, b in zip(found(True), found(False), strict=True):
        assert torch.equal(a, b)


@each
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_05_gradients_in_low_precision(strategy, dtype, tolerance):
    def gradient(net, x):
        loss = divergence(net, x, strategy).square().mean()
        return torch.autograd.grad(loss, net[2].weight)[0]

    exact = gradient(network(), X)
    found = gradient(network().to(dtype), X.to(dtype))
    assert found.dtype == dtype
    assert (found.double() - exact).abs().max() < tolerance * exact.abs().max()


# 7 and 8 Randomness and normalisation


@each
def test_07_dropout(strategy):
    net = Between(nn.Dropout(0.5))
    with pytest.raises(CoupledPointsError, match="Dropout 'function'"):
        divergence(lambda x: net(x), X, strategy)
    net.eval()
    if strategy in trusted(net):
        assert_exact(net, X, strategy)


@pytest.mark.parametrize(
    "layer", [nn.LayerNorm(3), nn.RMSNorm(3), nn.GroupNorm(1, 3), nn.LayerNorm(3, bias=False)]
)
def test_08_normalisation_of_a_point(layer):
    net = Between(layer.double())
    right_where_trusted(net, "vmap", "loop", same=lambda p: net(p[None])[0])


def test_08_instance_norm_of_a_points_own_features():
    class Instance(nn.Module):
        def forward(self, h):
            return nn.functional.instance_norm(h.unsqueeze(-2)).squeeze(-2)

    net = Between(Instance())
    right_where_trusted(net, "vmap", "loop", same=lambda p: net(p[None])[0])


@each
@pytest.mark.parametrize("settings", [{}, {"track_running_stats": False}, {"affine": False}])
def test_08_batch_norm(strategy, settings):
    net = Between(nn.BatchNorm1d(3, **settings).double())
    with pytest.raises(CoupledPointsError, match="BatchNorm1d 'function' mixes the points"):
        divergence(lambda x: net(x), X, strategy)


# 9 Writing in place


class Writes(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.net, self.kind = network(), kind
        self.register_buffer("last", torch.zeros(3).double())

    def forward(self, x):
        h = self.net(x)
        if self.kind == "fresh buffer":
            y = torch.zeros_like(h)
            y[..., 0] = h[..., 1]
            y[..., 1:] = h[..., :2] ** 2
            return y
        if self.kind == "result":
            return (h * 1.0).add_(1.0).tanh_()
        self.last.copy_(h.detach().reshape(-1, 3)[0])
        return h * self.last.shape[0]


@pytest.mark.parametrize("kind", ["fresh buffer", "result", "buffer"])
def test_09_writing_in_place(kind):
    right_where_trusted(Writes(kind), "loop")


@pytest.mark.parametrize("activation", [nn.ReLU, nn.SiLU, nn.ELU])
def test_09_activations_in_place(activation):
    net = Between(activation(inplace=True))
    right_where_trusted(net, "loop")


# 10 Functions with a backward of their own


def cube(old, vmap_rule=False):
    class Cube(torch.autograd.Function):
        generate_vmap_rule = vmap_rule

        if old:

            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**3
        else:

            @staticmethod
            def forward(x):
                return x**3

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, gradient):
            return 3 * ctx.saved_tensors[0] ** 2 * gradient

    return Cube.apply


@pytest.mark.parametrize(
    ("function", "exact"),
    [(cube(True), {"loop"}), (cube(False), {"loop"}), (cube(False, True), {"loop", "vmap"})],
    ids=["old style", "setup_context", "generated vmap rule"],
)
def test_10_custom_functions(function, exact):
    assert trusted(Between(function)) >= exact
    assert "taylor" not in trusted(Between(function))
    net = Between(function)
    for strategy in trusted(net) | {"auto"}:
        assert_exact(net, X, strategy)
    with pytest.raises(ValueError, match="parameter gradients differ"):
        divergence(net, X, "taylor")


# 11 Inference mode


@each
def test_11_points_made_in_inference_mode(strategy):
    net = network()
    with torch.inference_mode():
        found = divergence(net, points(5, 3), strategy)
    assert not found.requires_grad
    torch.testing.assert_close(found.clone(), trace(network(), X))


@each
def test_11_a_network_made_in_inference_mode(strategy):
    with torch.inference_mode():
        net = network()
        if strategy == "loop":  # torch's autograd refuses such parameters
            with pytest.raises(RuntimeError, match="Inference tensors cannot be saved"):
                divergence(net, X, strategy)
            return
        found = divergence(net, X, strategy)
    torch.testing.assert_close(found.clone(), trace(network(), X))


# 12 Checkpoints


def test_12_checkpoints():
    net = Between(lambda h: checkpoint(torch.sin, h, use_reentrant=False))
    same = Between(torch.sin)
    for strategy in ("taylor", "loop", "auto"):
        torch.testing.assert_close(divergence(net, X, strategy), trace(same, X))
        loss = divergence(net, X, strategy).square().sum()
        exact = trace(same, X).square().sum()
        ours = torch.autograd.grad(loss, net.inner[0].weight)[0]
        torch.testing.assert_close(ours, torch.autograd.grad(exact, same.inner[0].weight)[0])
    reentrant = Between(lambda h: checkpoint(torch.sin, h, use_reentrant=True))
    for strategy in (*EXACT, "auto"):
        with pytest.raises(RuntimeError, match="use_reentrant=False"):
            divergence(reentrant, X, strategy)
