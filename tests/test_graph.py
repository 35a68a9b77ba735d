"""What would be missing from a derivative without anyone noticing is refused."""

import pytest
import torch
from oracle import network, points
from torch import nn
from torch.autograd.function import once_differentiable

from pinn.algebra.channels import Plan, first, laplace
from pinn.checking.agreement import disagreement
from pinn.checking.autograd_graph import CutGraphError, leaves, refuse_cuts
from pinn.operators.divergence import divergence

PLAN = Plan((first(0),))
X = points(8, 3)


class Twice(torch.autograd.Function):
    """x²."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


class Once(Twice):
    """x², whose backward is right but not differentiable."""

    backward = staticmethod(once_differentiable(Twice.backward))


class Squared(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = network()

    def forward(self, x):
        return Once.apply(self.net(x))


def test_the_loss_in_question():
    """∂(wx)²/∂x = 2w²x has the slope 4wx in w, but torch says 2wx."""
    w = torch.tensor([1.5], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(Once.apply(w * x).sum(), x, create_graph=True)[0]  # 2 w² x
    found = torch.autograd.grad(slope.sum(), w)[0]
    torch.testing.assert_close(found, 2 * (w * x).detach())  # the truth is 4 w x


@pytest.mark.parametrize("strategy", ["taylor", "vmap", "loop"])
def test_a_backward_that_cannot_be_differentiated_is_refused(strategy):
    for plan in (PLAN, Plan((laplace((0, 1)),))):
        with pytest.raises(CutGraphError, match=r"Once\.backward is marked once_differentiable"):
            disagreement(Squared(), X, plan, strategy)


def test_it_will_do_for_first_derivatives_without_training():
    with torch.no_grad():
        assert disagreement(Squared(), X, PLAN, "loop") is None
        found = divergence(Squared(), X, "loop")
        torch.testing.assert_close(found, divergence(lambda x: network()(x) ** 2, X, "loop"))
        with pytest.raises(CutGraphError, match="once_differentiable"):
            disagreement(Squared(), X, Plan((laplace((0, 1)),)), "loop")


WITHOUT = {
    "torch.special.bessel_j0": torch.special.bessel_j0,
    "torch.special.hermite_polynomial_h": lambda x: torch.special.hermite_polynomial_h(x, 3),
    "torch.tensor": torch.tensor,
}


@pytest.mark.filterwarnings("ignore:.*copy construct:UserWarning")
@pytest.mark.parametrize("name", WITHOUT)
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad])
def test_functions_without_a_derivative_are_refused(name, mode):
    net = network()
    with mode(), pytest.raises(CutGraphError, match=f"{name} has no derivative in torch"):
        disagreement(lambda x: net(x) + WITHOUT[name](x), X, PLAN, "loop")


def uncut(x):
    with torch.no_grad():
        frozen = torch.special.bessel_j0(x)
    steps = torch.floor(x) + torch.sign(x) + torch.heaviside(x.detach(), x.detach())
    fresh = torch.zeros_like(x) + x.new_ones(()) + torch.arange(x.shape[-1])
    mask = (x > 0).to(x.dtype)
    return torch.sin(x) * mask + frozen + steps + fresh + x.data + x.argmax(-1, keepdim=True)


def test_constants_that_are_meant_are_not():
    assert disagreement(uncut, X, PLAN, "vmap") is None


def test_the_leaves_of_a_graph():
    net, outside = network(), torch.ones(3, dtype=torch.float64, requires_grad=True)
    x = points(4, 3).requires_grad_()
    y = net(x) * outside
    expected = {id(t) for t in (*net.parameters(), outside, x)}
    assert {id(leaf) for leaf in leaves(y)} == expected
    assert leaves(torch.ones(3)) == []


def test_a_differentiable_backward_is_no_cut():
    refuse_cuts(Twice.apply, points(4, 3).requires_grad_(), twice=True)
