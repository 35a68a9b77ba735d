"""Reverse mode through layer norm, whose own kernel gives second derivatives a wrong gradient."""

import pytest
import torch
from nested import PLANS, loss, random
from torch import nn

from pinn.derivatives import STRATEGIES
from pinn.strategies.formulas import Formulas

NORMS = {
    "layer norm": lambda: nn.LayerNorm(6),
    "layer norm without weights": lambda: nn.LayerNorm(6, elementwise_affine=False),
    "layer norm of a matrix": lambda: nn.Sequential(
        nn.Unflatten(-1, (2, 3)), nn.LayerNorm((2, 3)), nn.Flatten()
    ),
    "instance norm": lambda: nn.Sequential(
        nn.Unflatten(-1, (2, 3)), nn.InstanceNorm1d(2, affine=True), nn.Flatten()
    ),
}


def network(name):
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(2, 6), nn.Tanh(), NORMS[name](), nn.Linear(6, 2)).double()


def gradients(net, x, plan, strategy):
    with Formulas():
        jet = STRATEGIES[strategy](net, x, plan, None)
    number = loss(jet.value, [jet.stream(channel) for channel in plan.channels])
    return torch.autograd.grad(number, list(net.parameters()))


@pytest.mark.parametrize("name", NORMS)
def test_values_are_those_of_the_kernel(name):
    net, x = network(name), random(4, 2)
    with Formulas():
        found = net(x)
    torch.testing.assert_close(found, net(x), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("strategy", ["vmap", "loop"])
@pytest.mark.parametrize("plan", ["every", "collapsed"])
@pytest.mark.parametrize("name", NORMS)
def test_gradients_are_those_of_the_fused_pass(name, plan, strategy):
    net, x, plan = network(name), random(4, 2), PLANS[plan]
    ours, exact = (gradients(net, x, plan, s) for s in (strategy, "taylor"))
    for a, b in zip(ours, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
