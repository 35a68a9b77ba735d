"""Reverse mode through layer norm, whose own kernel gives second derivatives a wrong gradient."""

import pytest
import torch
from nested import PLANS, loss, random
from torch import nn

from pinn.derivatives.evaluate import STRATEGIES
from pinn.derivatives.formulas import Formulas

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
        jet = STRATEGIES[strategy].jet(net, x, plan, None)
    number = loss(jet.value, [jet.stream(channel) for channel in plan.channels])
    return torch.autograd.grad(number, list(net.parameters()))


@pytest.mark.parametrize("name", NORMS)
def test_values_are_those_of_the_kernel(name):
    net, x = network(name), random(4, 2)
    with Formulas():
        found = net(x)
    torch.testing.assert_close(found, net(x), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("training", [True, False])
def test_running_statistics_are_left_to_the_kernel(training):
    ours, kernel = (nn.InstanceNorm1d(3, track_running_stats=True).double() for _ in range(2))
    x = random(5, 3, 4)
    with Formulas():
        found = ours.train(training)(x)
    torch.testing.assert_close(found, kernel.train(training)(x), rtol=1e-13, atol=1e-13)
    assert torch.equal(ours.running_mean, kernel.running_mean)
    assert ours.running_mean.any() == training


def test_what_torch_refuses_stays_refused():
    with Formulas(), pytest.raises(ValueError, match="more than 1 spatial element"):
        nn.functional.instance_norm(random(4, 2))


@pytest.mark.parametrize("strategy", ["vmap", "loop"])
@pytest.mark.parametrize("plan", ["every", "collapsed"])
@pytest.mark.parametrize("name", NORMS)
def test_gradients_are_those_of_the_fused_pass(name, plan, strategy):
    net, x, plan = network(name), random(4, 2), PLANS[plan]
    ours, exact = (gradients(net, x, plan, s) for s in (strategy, "taylor"))
    for a, b in zip(ours, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
