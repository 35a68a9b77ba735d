"""`gradcheck` and `gradgradcheck` of every operator, with respect to the points and the parameters.

Derivatives of derivatives are what training is made of: the first check is the gradient that the
optimiser sees, the second the one that a second-order method would.
"""

import pytest
import torch
from oracle import points
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from pinn.algebra.channels import Plan, differentiated, every_channel, laplace, second, third
from pinn.derivatives.evaluate import STRATEGIES, evaluate
from pinn.derivatives.hutchinson import hutchinson
from pinn.derivatives.probes import Probes
from pinn.fields.vector_calculus import advect, curl, div, grad, laplacian
from pinn.operators.differentiate import differentiate
from pinn.operators.divergence import divergence

each = pytest.mark.parametrize("strategy", STRATEGIES)
X = points(2, 2)


def net(inputs=2, outputs=2):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 3), nn.Tanh(), nn.Linear(3, outputs)).double()


def check(function, module, *points):
    """Both checks of a function of (f, *points), by the parameters and by the points."""
    names = [name for name, _ in module.named_parameters()]

    def of_parameters(*tensors):
        weights, at = dict(zip(names, tensors, strict=False)), tensors[len(names) :]
        return function(lambda x: torch.func.functional_call(module, weights, (x,)), *at)

    inputs = [p.detach().clone().requires_grad_() for p in module.parameters()]
    inputs += [x.clone().requires_grad_() for x in points]
    settings = {"raise_exception": True, "atol": 1e-6, "rtol": 1e-5}
    assert gradcheck(of_parameters, inputs, **settings)
    # In one direction of all inputs and outputs at once, which sees every entry.
    assert gradgradcheck(of_parameters, inputs, fast_mode=True, **settings)


@each
def test_divergence(strategy):
    check(lambda f, x: divergence(f, x, strategy), net(), X)


def test_its_estimate():
    check(lambda f, x: hutchinson(f, x, 1, Probes(2)), net(), X)


PLANS = {
    "all of second order": Plan(every_channel(2, (0, 1))),
    "Laplacian": Plan((laplace((0, 1)),)),
    "mixed": Plan((second(0, 1),)),
    "third": Plan((third(0, 0, 1), differentiated(laplace((0, 1)), 0))),
}


@each
@pytest.mark.parametrize("plan", PLANS)
def test_every_derivative_of_a_plan(strategy, plan):
    def streams(f, x):
        jet = evaluate(f, x, PLANS[plan], strategy)
        return jet.value, *(jet.stream(channel) for channel in PLANS[plan].channels)

    check(streams, net(outputs=1), X[:1])


FIELDS = {
    "gradient": (1, 2, 1, lambda u: grad(u)),
    "gradient of a vector": (2, 2, 1, lambda u: grad(u)),
    "divergence": (2, 2, 1, lambda u: div(u)),
    "curl in the plane": (2, 2, 1, lambda u: curl(u)),
    "curl in space": (3, 3, 1, lambda u: curl(u)),
    "Laplacian": (1, 2, 2, lambda u: laplacian(u)),
    "Laplacian of a vector": (2, 2, 2, lambda u: laplacian(u)),
    "advection": (2, 2, 1, lambda u: advect(u, u)),
    "divergence of advection": (2, 2, 2, lambda u: div(advect(u, u))),
    "gradient of the divergence": (2, 2, 2, lambda u: grad(div(u))),
    "curl of the curl": (3, 3, 2, lambda u: curl(curl(u))),
}


NESTED = (
    "gradient",
    "Laplacian of a vector",
    "divergence of advection",
    "gradient of the divergence",
)


@pytest.mark.parametrize(
    ("name", "strategy"),
    [(name, "taylor") for name in FIELDS] + [(name, "loop") for name in NESTED],
)
def test_operators_on_fields(name, strategy):
    outputs, inputs, order, operator = FIELDS[name]

    def applied(f, x):
        return operator(differentiate(f, x, order, strategy=strategy)).value

    check(applied, net(inputs, outputs), points(1, inputs))
