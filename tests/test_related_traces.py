"""What is a divergence in other words: tr(J A), the Laplacian, the sum of products with J."""

import pytest
import torch
from oracle import STRATEGIES, network, points, trace

from pinn import div as divergence_of
from pinn import grad, laplacian
from pinn.algebra.jet import MissingDerivativeError
from pinn.base.costs import tally
from pinn.derivatives.evaluate import evaluate
from pinn.derivatives.probes import Probes
from pinn.geometry.coordinates import Coordinates
from pinn.operators.differentiate import differentiate, plan_of, usual_names
from pinn.operators.divergence import Divergence, divergence

SETTLE = {"allow_unused": True, "materialize_grads": True}


@pytest.mark.parametrize("strategy", [*STRATEGIES, "chain"])
@pytest.mark.parametrize("outputs", [3, 5])
def test_a_trace_with_a_constant_matrix(strategy, outputs):
    net, x = network(3, outputs), points(5, 3)
    A = torch.randn(3, outputs, generator=torch.Generator().manual_seed(2)).double()
    found = divergence(lambda x: net(x) @ A.T, x, strategy)
    J = torch.func.vmap(torch.func.jacrev(net))(x)
    expected = torch.einsum("nij,ji->n", J, A)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
    ours = torch.autograd.grad(found.square().sum(), net.parameters(), **SETTLE)
    theirs = torch.autograd.grad(expected.square().sum(), net.parameters(), **SETTLE)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


POTENTIAL = network(3, 1)


def by_autograd(x):
    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_()
        return torch.autograd.grad(POTENTIAL(x).sum(), x, create_graph=True)[0]


GRADIENTS = {
    "fields": lambda x: grad(differentiate(POTENTIAL, x)).value,
    "func": lambda x: torch.func.vmap(torch.func.grad(lambda p: POTENTIAL(p)[0]))(x),
    "autograd": by_autograd,
}


@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("strategy", ["auto", "vmap", "loop", "hutchinson"])
def test_the_divergence_of_a_gradient_is_the_laplacian(strategy, name):
    x, parameters = points(6, 3), list(POTENTIAL.parameters())
    probes = Probes(3) if strategy == "hutchinson" else None  # as many as are exact
    found = Divergence(strategy, probes=probes)(GRADIENTS[name], x)
    hessian = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(lambda p: POTENTIAL(p)[0])))(x)
    expected = hessian.diagonal(dim1=-2, dim2=-1).sum(-1)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(laplacian(differentiate(POTENTIAL, x, order=2)).value, expected)
    ours = torch.autograd.grad(found.square().sum(), parameters, **SETTLE)
    theirs = torch.autograd.grad(expected.square().sum(), parameters, **SETTLE)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("d", [3, 20])
def test_the_laplacian_alone_takes_two_rows_more_than_coordinates(d):
    net, x = network(d, 1), points(64, d)
    plan = plan_of(2, Coordinates(usual_names(d)), mixed=False)
    row = tally(net, x).flops
    assert tally(lambda x: evaluate(net, x, plan, "taylor"), x).flops <= (d + 2) * row


@pytest.mark.parametrize("strategy", ["auto", "taylor", "vmap", "loop"])
@pytest.mark.parametrize("names", ["xyz", "xyt", "x"])
def test_the_laplacian_alone(strategy, names):
    net = network(len(names), 1)
    x, space = points(6, len(names)), [i for i, name in enumerate(names) if name != "t"]
    hessian = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(lambda p: net(p)[0])))(x)
    expected = hessian.diagonal(dim1=-2, dim2=-1)[:, space].sum(-1)
    alone = differentiate(net, x, order=2, names=names, strategy=strategy, mixed=False)
    torch.testing.assert_close(laplacian(alone).value, expected)
    gradient = torch.func.vmap(torch.func.jacrev(lambda p: net(p)[0]))(x)
    torch.testing.assert_close(grad(alone).value, gradient[:, space])


def test_third_order_carries_the_gradient_of_the_laplacian():
    net, x = network(3, 1), points(6, 3)
    alone = differentiate(net, x, order=3, mixed=False)
    whole = differentiate(net, x, order=3)
    torch.testing.assert_close(grad(laplacian(alone)).value, grad(laplacian(whole)).value)


def test_a_mixed_derivative_that_was_not_carried_is_no_number():
    alone = differentiate(network(3, 1), points(6, 3), order=2, mixed=False)
    with pytest.raises(MissingDerivativeError):
        divergence_of(grad(alone))  # reads ∂²/∂xᵢ² one by one


class ForwardAlone(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return torch.sin(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_forward(*inputs)

    @staticmethod
    def jvp(ctx, tangent):
        return torch.cos(ctx.saved_tensors[0]) * tangent


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # of torch's own
@pytest.mark.parametrize("strategy", ["auto", "taylor", "vmap", "loop", "hutchinson"])
def test_forward_mode_alone_is_refused_and_the_message_has_the_way(strategy):
    def f(x):
        return ForwardAlone.apply(x)

    x = points(5, 3)
    with pytest.raises(NotImplementedError, match="has a jvp alone") as told:
        divergence(f, x, strategy)
    call = str(told.value).partition("or take ")[2]
    found = eval(call, {"torch": torch, "f": f, "x": x})
    torch.testing.assert_close(found, torch.cos(x).sum(-1))
    net = network()
    torch.testing.assert_close(eval(call, {"torch": torch, "f": net, "x": x}), trace(net, x))
