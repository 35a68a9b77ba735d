"""Compiled networks and compiled derivatives: the checklist's number 15.

Torch gives a compiled network no second derivative, so it runs uncompiled inside an evaluation.
What can be compiled is the evaluation as a whole.
"""

import pytest
import torch
from oracle import network, points, trace
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

from pinn.algebra.channels import Plan, first, laplace
from pinn.derivatives.evaluate import evaluate
from pinn.operators.divergence import divergence

pytestmark = [
    pytest.mark.slow,
    # What torch says of its own imports and of dynamo's way of reading code.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:Dynamo detected a call:UserWarning"),
]
PLANS = {
    "first": Plan((first(0), first(1), first(2))),
    "collapsed": Plan((laplace((0, 1, 2)),)),
}
X = points(5, 3)


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def loss_of(net, plan, strategy):
    def loss(x):
        jet = evaluate(net, x, plan, strategy)
        total = jet.value.square().sum()
        for k, channel in enumerate(plan.channels):
            total = total + (k + 1) * jet.stream(channel).square().sum()
        return total

    return loss


def gradients(loss, net):
    settle = {"allow_unused": True, "materialize_grads": True}
    return torch.autograd.grad(loss, list(net.parameters()), **settle)


@pytest.mark.parametrize(
    ("part", "strategy"),
    [("whole", "taylor"), ("whole", "auto"), ("inner", "vmap"), ("inner", "loop")],
)
def test_15_a_compiled_network_is_differentiated_exactly(part, strategy):
    plain, net = network(), network()
    if part == "whole":
        net = torch.compile(net)
    else:
        net[2] = torch.compile(net[2])
    net(X)  # it has been compiled, and goes on being compiled outside
    found, exact = divergence(net, X, strategy), trace(plain, X)
    torch.testing.assert_close(found, exact)
    for a, b in zip(
        gradients(found.square().sum(), net), gradients(exact.square().sum(), plain), strict=True
    ):
        torch.testing.assert_close(a, b)


def check(strategy, plan, backend, batches):
    net = network()
    eager = loss_of(net, plan, strategy)
    counter = CompileCounterWithBackend(backend)
    compiled = torch.compile(eager, fullgraph=True, backend=counter)
    for n in batches:
        x = points(n, 3)
        exact, found = eager(x), compiled(x)
        torch.testing.assert_close(found, exact)
        for a, b in zip(gradients(found, net), gradients(exact, net), strict=True):
            torch.testing.assert_close(a, b)
    assert 1 <= counter.frame_count <= 2  # one more, for any number of points


@pytest.mark.parametrize(
    ("strategy", "plan", "backend"),
    [("taylor", "collapsed", "aot_eager"), ("vmap", "first", "eager")],
)
def test_15_an_evaluation_is_one_graph(strategy, plan, backend):
    check(strategy, PLANS[plan], backend, (5, 8, 21))


def test_15_the_default_compiler():
    check("taylor", PLANS["first"], "inductor", (5,))


def test_15_the_loop_is_one_graph_too():
    loss = loss_of(network(), PLANS["first"], "loop")
    torch.testing.assert_close(torch.compile(loss, fullgraph=True, backend="eager")(X), loss(X))


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.expand, self.out = nn.Linear(3, 8), nn.Linear(8, 3)

    def forward(self, x):
        h = self.expand(x)
        h = h.reshape(*h.shape[:-1], 4, 2)
        return self.out(nn.functional.scaled_dot_product_attention(h, h, h).flatten(-2))


def test_15_attention_compiles():
    torch.manual_seed(0)
    net = Attending().double()
    eager = loss_of(net, PLANS["first"], "vmap")
    compiled = torch.compile(eager, fullgraph=True, backend="aot_eager")
    for a, b in zip(gradients(compiled(X), net), gradients(eager(X), net), strict=True):
        torch.testing.assert_close(a, b)
