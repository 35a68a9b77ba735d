"""The strategies are each the others' oracle; their cost is counted, not timed."""

import functools

import pytest
import torch
from torch import nn

from pinn.algebra.channels import (
    Plan,
    differentiated,
    every_channel,
    first,
    laplace,
    second,
    third,
)
from pinn.derivatives.evaluate import STRATEGIES, evaluate

D = 3
PLANS = {
    "none": Plan(),
    "first": Plan((first(0), first(2))),
    "full": Plan(every_channel(D, (0, 1, 2))),
    "mixed": Plan((second(0, 2),)),
    "collapsed": Plan((laplace((0, 2)),)),
    "collapsed and one": Plan((laplace((0, 1, 2)), second(1, 1))),
    "third": Plan((third(0, 0, 2), differentiated(laplace((0, 1)), 1))),
}


class SineNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(D, 8), nn.Linear(8 + D, 2)

    def forward(self, x):
        return self.last(torch.cat((torch.sin(self.first(x)), x), dim=-1)) * (1 - x[..., :1] ** 2)


def mlp(*activations, width=8, inputs=D, outputs=2):
    layers = [nn.Linear(inputs, width)]
    for activation in activations:
        layers += [activation, nn.Linear(width, width)]
    return nn.Sequential(*layers[:-1], nn.Linear(width, outputs))


NETWORKS = {
    "tanh": lambda: mlp(nn.Tanh(), nn.Tanh()),
    "silu gelu": lambda: mlp(nn.SiLU(), nn.GELU()),
    "softplus sigmoid": lambda: mlp(nn.Softplus(beta=2.0), nn.Sigmoid()),
    "sine": SineNet,
}


def make(name="tanh", dtype=torch.float64):
    torch.manual_seed(1)
    return NETWORKS[name]().to(dtype)


def points(*lead, dtype=torch.float64):
    return torch.rand(*lead, D, generator=torch.Generator().manual_seed(2)).to(dtype)


def tensors(jet, plan):
    return [jet.value, *(jet.stream(channel) for channel in plan.channels)]


def weighted(parts):
    entries = torch.cat([part.reshape(-1) for part in parts])
    return entries @ torch.linspace(0.5, 1.5, len(entries), dtype=entries.dtype)


def reference(net, x, plan):
    """Value and streams from nested `torch.autograd.functional.jacobian`, point by point."""

    def differentiated(f):
        return lambda p: torch.autograd.functional.jacobian(f, p, create_graph=True)

    derivatives = [net]
    for _ in range(plan.order):
        derivatives.append(differentiated(derivatives[-1]))
    rows = []
    for point in x.reshape(-1, D):
        tables = [f(point) for f in derivatives]
        terms = [[tables[len(p)][:, *p] for p in channel] for channel in plan.channels]
        rows.append(torch.stack([tables[0], *(torch.stack(t).sum(0) for t in terms)]))
    return [part.reshape(*x.shape[:-1], -1) for part in torch.stack(rows).unbind(1)]


@functools.cache
def exact_values_and_gradients(name, plan):
    net = make(name)
    exact = reference(net, points(4), PLANS[plan])
    return [t.detach() for t in exact], torch.autograd.grad(weighted(exact), list(net.parameters()))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", NETWORKS)
def test_values_and_parameter_gradients_agree(name, plan, strategy):
    net, x = make(name), points(4)
    found = tensors(evaluate(net, x, PLANS[plan], strategy), PLANS[plan])
    exact, theirs = exact_values_and_gradients(name, plan)
    for a, b in zip(found, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    ours = torch.autograd.grad(weighted(found), list(net.parameters()))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("lead", [(), (0,), (1,), (2, 3), (2, 0)])
def test_any_leading_shape(strategy, lead):
    net, plan, x = make(), PLANS["collapsed and one"], points(*lead)
    found = tensors(evaluate(net, x, plan, strategy), plan)
    flat = tensors(evaluate(net, x.reshape(-1, D), plan, "loop"), plan)
    for a, b in zip(found, flat, strict=True):
        assert a.shape == (*lead, 2)
        torch.testing.assert_close(a, b.reshape(a.shape), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("plan", ["none", "first", "collapsed", "full"])
def test_without_gradients_no_graph_is_kept(mode, strategy, plan):
    net, plan = make(), PLANS[plan]
    exact = tensors(evaluate(net, points(4), plan, strategy), plan)
    for x in (points(4), points(4).requires_grad_()):
        with mode():
            found = tensors(evaluate(net, x, plan, strategy), plan)
            born_inside = tensors(evaluate(net, points(4), plan, strategy), plan)
        for a, b, c in zip(found, born_inside, exact, strict=True):
            assert not a.requires_grad
            assert a.grad_fn is None
            torch.testing.assert_close(a, c, rtol=1e-13, atol=1e-13)
            torch.testing.assert_close(b, c, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.15)])
def test_low_precision_stays_near_and_keeps_its_dtype(strategy, dtype, tolerance):
    plan = PLANS["collapsed"]
    exact = tensors(evaluate(make(), points(6), plan, "loop"), plan)
    found = tensors(evaluate(make(dtype=dtype), points(6, dtype=dtype), plan, strategy), plan)
    for a, b in zip(found, exact, strict=True):
        assert a.dtype == dtype
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_autocast_outside_does_not_reach_the_derivatives(strategy):
    net, x, plan = make(dtype=torch.float32), points(6, dtype=torch.float32), PLANS["collapsed"]
    exact = tensors(evaluate(net, x, plan, strategy), plan)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert net(x).dtype == torch.bfloat16
        found = tensors(evaluate(net, x, plan, strategy), plan)
    for a, b in zip(found, exact, strict=True):
        assert a.dtype == torch.float32
        assert torch.equal(a, b)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("requires_grad", [False, True])
def test_points_are_left_as_they_were(strategy, requires_grad):
    x = points(4).requires_grad_(requires_grad)
    before, version = x.detach().clone(), x._version
    net = make()
    weighted(tensors(evaluate(net, x, PLANS["full"], strategy), PLANS["full"])).backward()
    assert torch.equal(x.detach(), before)
    assert x._version == version
    assert x.requires_grad == requires_grad
    assert (x.grad is not None) == requires_grad
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("plan", ["first", "collapsed"])
def test_gradient_flows_to_points_that_require_it(strategy, plan):
    net, plan = make(), PLANS[plan]
    leaf = points(4).requires_grad_()
    found = tensors(evaluate(net, leaf * 0.5, plan, strategy), plan)
    exact = reference(net, leaf * 0.5, plan)
    ours = torch.autograd.grad(weighted(found), leaf)[0]
    torch.testing.assert_close(ours, torch.autograd.grad(weighted(exact), leaf)[0])
    assert ours.abs().max() > 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strides_do_not_matter(strategy):
    net, plan = make(), PLANS["collapsed"]
    for x in (points(4).mT.contiguous().mT, points(1).expand(4, D), points(8)[::2]):
        found = tensors(evaluate(net, x, plan, strategy), plan)
        exact = tensors(evaluate(net, x.contiguous(), plan, "loop"), plan)
        for a, b in zip(found, exact, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 2, 4, 7])
def test_chunks_that_do_not_divide_the_components(chunk):
    net, plan = mlp(nn.Tanh(), outputs=5).double(), PLANS["full"]
    exact = tensors(evaluate(net, points(4), plan, "loop"), plan)
    found = tensors(evaluate(net, points(4), plan, "vmap", chunk), plan)
    for a, b in zip(found, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


OUTPUTS = {
    "tuple": lambda y: (y[..., 0], y[..., 1:2]),
    "list": lambda y: [y[..., 0], y[..., 1]],
    "dict": lambda y: {"u": y[..., 0], "v": y[..., 1]},
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", OUTPUTS)
def test_components_may_come_apart(strategy, kind):
    net, plan = make(), PLANS["collapsed"]
    exact = tensors(evaluate(net, points(4), plan, "loop"), plan)
    found = tensors(evaluate(lambda x: OUTPUTS[kind](net(x)), points(4), plan, strategy), plan)
    for a, b in zip(found, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("plan", ["none", "first", "collapsed"])
def test_a_constant_has_zero_derivatives_of_the_points_dtype(strategy, plan):
    plan = PLANS[plan]
    jet = evaluate(lambda x: torch.ones(*x.shape[:-1], 2), points(4), plan, strategy)
    for channel in plan.channels:
        assert torch.equal(jet.stream(channel), torch.zeros(4, 2, dtype=torch.float64))


@pytest.mark.parametrize("strategy", ["vmap", "loop"])
@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("plan", ["none", "first", "collapsed"])
def test_a_function_may_write_to_its_argument(strategy, requires_grad, plan):
    def in_place(x):
        x.mul_(2)
        return x**3

    x, plan = points(4).requires_grad_(requires_grad), PLANS[plan]
    before = x.detach().clone()
    found = tensors(evaluate(in_place, x, plan, strategy), plan)
    exact = tensors(evaluate(lambda at: 8 * at**3, x, plan, "loop"), plan)
    assert torch.equal(x.detach(), before)
    for a, b in zip(found, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13)


def test_the_fused_pass_refuses_writing_to_the_argument():
    with pytest.raises(AttributeError, match=r"Tensor\.mul_ has no derivative rule"):
        evaluate(lambda x: x.mul_(2), points(4), Plan(), "taylor")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (torch.tensor(1.0), ValueError, "no axis of coordinates"),
        (torch.ones(4, D, dtype=torch.long), TypeError, "dtype torch.int64.*floating-point"),
        (torch.ones(4, D, dtype=torch.complex128), TypeError, "dtype torch.complex128"),
        (torch.ones(4, D), TypeError, "x is torch.float32 but.*parameters are torch.float64"),
    ],
)
def test_points_that_cannot_be_differentiated_at(strategy, x, error, text):
    with pytest.raises(error, match=text):
        evaluate(make(), x, PLANS["first"], strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("f", "error", "text"),
    [
        (lambda x: torch.ones(4, 2, dtype=torch.complex64), TypeError, "complex values"),
        (lambda x: torch.ones(4, 2, dtype=torch.long), TypeError, "torch.int64 values"),
        (lambda x: (x[..., 0], 1.0), TypeError, "component of type float"),
        (lambda x: None, TypeError, "returned NoneType"),
        (lambda x: x[..., 0], ValueError, r"shape \(4,\) for points of leading shape"),
        (lambda x: x.unsqueeze(-2) * x.unsqueeze(-1), ValueError, r"matrix \(3, 3\).*one axis"),
        (lambda x: (x,), ValueError, r"component of shape \(4, 3\).*one value per point"),
    ],
)
def test_outputs_that_cannot_be_differentiated(strategy, f, error, text):
    with pytest.raises(error, match=text):
        evaluate(f, points(4), PLANS["first"], strategy)


def test_unknown_strategy_is_named():
    with pytest.raises(ValueError, match="'jvp' is not one of taylor, vmap, loop"):
        evaluate(make(), points(4), Plan(), "jvp")
