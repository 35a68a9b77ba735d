"""Points in portions: memory under a budget whatever their number."""

import pytest
import torch
from oracle import calls_of, network, points
from torch import nn
from torch.func import functional_call

from pinn.base.costs import Model, tally
from pinn.choosing.candidates import GIB
from pinn.operators import chunked_points as portions
from pinn.operators.divergence import Divergence


def peak(run):
    return tally(lambda _: run(), torch.zeros(1, 1)).peak


def slopes(net):
    """∂L/∂θ; a strategy may leave out those that are zero."""
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in net.parameters()]


def step(div, net, x):
    (div(net, x) ** 2).sum().backward()


@pytest.mark.parametrize("strategy", ["taylor", "vmap", "loop"])
@pytest.mark.parametrize("shape", [(500, 3), (50, 10, 3)])
def test_memory_stays_below_the_budget_without_grad(strategy, shape):
    net, x, budget = network(), points(*shape), 60e3
    div = Divergence(strategy, memory=budget / GIB)
    with torch.no_grad():
        exact = Divergence(strategy)(net, x)
        for _ in range(3):
            div(net, x)  # checks come at the first uses
        found = []
        assert peak(lambda: found.append(div(net, x))) <= budget + 2 * exact.nbytes
        assert peak(lambda: Divergence(strategy)(net, x)) > 2 * budget
    torch.testing.assert_close(found[0], exact)


@pytest.mark.parametrize("strategy", ["auto", "chain", "taylor", "vmap", "loop"])
def test_memory_stays_below_the_budget_in_training(strategy):
    net, x, budget = network(), points(500, 3), 120e3
    div, plain = Divergence(strategy, memory=budget / GIB), Divergence(strategy)
    for _ in range(3):
        div(net, x), plain(net, x)
    reserve = 3 * 500 * 8  # the result, its square, and their gradients are outside
    assert peak(lambda: step(div, net, x)) <= budget + 2 * reserve
    found = slopes(net)
    net.zero_grad()
    assert peak(lambda: step(plain, net, x)) > 2 * budget
    for a, b in zip(found, slopes(net), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


def test_gradients_of_the_points_flow_through_portions():
    x = points(400, 2).requires_grad_()
    found = Divergence("taylor", memory=5e-6)(lambda p: p**3, x)
    torch.testing.assert_close(torch.autograd.grad(found.sum(), x)[0], 6 * x)


def test_second_derivatives_of_portions():
    net, x = network(2), points(400, 2).requires_grad_()

    def penalty(div):
        slope = torch.autograd.grad(div(net, x).sum(), x, create_graph=True)[0]
        return torch.autograd.grad((slope**2).sum(), net[0].weight)[0]

    in_portions = Divergence("taylor", memory=1e-4)
    with pytest.MonkeyPatch.context() as patch:
        sizes = []
        forward = net[0].forward
        patch.setattr(net[0], "forward", lambda at: sizes.append(len(at)) or forward(at))
        found = penalty(in_portions)
    assert sizes.count(400) == 0
    torch.testing.assert_close(found, penalty(Divergence("taylor")))


def test_a_budget_below_one_point_is_refused():
    with pytest.raises(ValueError, match=r"memory is 1e-09 GiB, but one point needs .*e-0\d GiB"):
        Divergence("loop", memory=1e-9)(network(), points(5, 3))


def test_a_function_of_all_points_cannot_be_portioned():
    t = points(40, 1)
    with pytest.raises(ValueError, match="it closes over a tensor with an entry per point"):
        Divergence("loop", memory=1e-6)(lambda x: torch.sin(x * t), points(40, 2))


def test_few_points_are_evaluated_at_once():
    net, x = network(), points(5, 3)
    div = Divergence("loop", memory=1.0)
    for _ in range(3):  # checks come at the first uses
        div(net, x)
    with calls_of(net) as calls:
        div(net, x)
    assert len(calls) == 1


@pytest.fixture
def small_cache(monkeypatch):
    monkeypatch.setattr(portions, "CACHE", 100e3)


def largest(run):
    return max(tally(lambda _: run(), torch.zeros(1, 1)).events)


@pytest.mark.parametrize("strategy", ["taylor", "vmap", "loop"])
@pytest.mark.parametrize("shape", [(5000, 3), (500, 10, 3)])
@pytest.mark.parametrize("training", [False, True])
def test_tensors_stay_in_cache(strategy, shape, training, small_cache):
    net, x, div = network(), points(*shape), Divergence(strategy)

    def run():
        with torch.set_grad_enabled(training):
            found = div(net, x)
        if training:
            net.zero_grad()
            (found**2).sum().backward()
        return found.detach(), [p.grad for p in net.parameters()] if training else []

    for _ in range(3):
        run()  # checks come at the first uses
    assert largest(run) <= 100e3 + 20 * 3 * 8  # a point more
    values, slopes = run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portions, "CACHE", 1e12)
        div = Divergence(strategy, memory=1e3)  # all at once, under other settings
        assert largest(run) > 200e3
        exact, gradients = run()
    torch.testing.assert_close(values, exact)
    for a, b in zip(slopes, gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("buffers", [False, True])
def test_a_network_with_buffers_is_called_once(buffers, small_cache):
    net, x = network(), points(5000, 3)
    if buffers:
        net.register_buffer("count", torch.zeros(()))
    div = Divergence("loop")
    for _ in range(3):
        div(net, x)
    with calls_of(net) as calls:
        div(net, x)
    assert (len(calls) == 1) is buffers


def test_a_function_of_all_points_is_not_cut_for_the_cache(small_cache):
    x, t = points(5000, 2), points(5000, 1)
    found = Divergence("loop")(lambda x: torch.sin(x * t), x)
    torch.testing.assert_close(found, (t * torch.cos(x * t)).sum(-1))


def test_the_largest_tensor_is_counted_per_point():
    weight = torch.ones(2, 50, dtype=torch.float64)
    model = Model(lambda x: (x @ weight).sum(), points(40, 2))
    assert model.largest == 50 * 8


def functional(div, net, weights, x):
    """The divergence of a network with other weights, which it has for as long as this takes."""
    part = nn.ModuleList([net])
    part.forward = lambda at: div(net, at)
    return functional_call(part, {f"0.{name}": w for name, w in weights.items()}, (x,))


@pytest.mark.parametrize("strategy", ["chain", "taylor", "vmap", "loop"])
@pytest.mark.parametrize("same", [True, False])
def test_weights_that_are_gone_in_the_backward_pass_are_refused(strategy, same):
    net, x, div = network(), points(500, 3), Divergence(strategy, memory=1e-4)
    weights = {name: w.detach().clone().requires_grad_() for name, w in net.named_parameters()}
    if not same:
        weights = {name: (2 * w.detach()).requires_grad_() for name, w in weights.items()}
    loss = functional(div, net, weights, x).sum()
    with pytest.raises(RuntimeError, match="f is no longer what it was in the forward pass"):
        loss.backward()


@pytest.mark.parametrize("strategy", ["chain", "taylor", "vmap", "loop"])
def test_a_number_that_is_another_one_in_the_backward_pass_is_refused(strategy):
    net, x, div = network(), points(500, 3), Divergence(strategy, memory=1e-4)
    t = 1.0

    def flow(x):
        return t * net(x)

    first = div(flow, x).sum()
    t = 2.0
    div(flow, x).sum().backward()
    with pytest.raises(RuntimeError, match="f is no longer what it was in the forward pass"):
        first.backward()


@pytest.mark.parametrize("strategy", ["chain", "taylor", "vmap", "loop"])
def test_terms_that_cancel_are_no_change(strategy):
    turn, x = torch.randn(3, 3, dtype=torch.float64).requires_grad_(), points(500, 3)
    div = Divergence(strategy, memory=1e-4)
    swirl = div(lambda x: x @ (turn - turn.mT), x)
    (swirl + x[:, 0]).sum().backward()
    assert turn.grad.abs().max() < 1e-12
