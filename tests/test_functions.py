"""What the divergence accepts as a function, and what it remembers of it."""

import copy
import functools
import gc
import math
import pickle
import weakref

import pytest
import torch
from oracle import assert_exact, each_strategy, network, points, trace
from torch import nn
from torch.nn.utils import parametrizations

from pinn.checking.independence import CoupledPointsError
from pinn.operators.divergence import Divergence, divergence


@pytest.mark.parametrize("strategy", ["auto", "vmap", "loop"])
def test_writes_into_a_fresh_buffer(strategy):
    def f(x):
        y = torch.zeros_like(x)
        y[..., 0] = x[..., 0] * x[..., 1]
        y[..., 1] = x[..., 1] ** 2
        y *= 2
        return y

    x = points(5, 2)
    torch.testing.assert_close(divergence(f, x, strategy), 6 * x[:, 1])
    assert Divergence("rule").choice(f, x).strategy == "loop"


@pytest.mark.parametrize("strategy", ["auto", "vmap", "loop"])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_function_that_writes_to_its_argument(strategy, requires_grad):
    def f(x):
        x *= 2
        x[..., 0] += 1
        return x**2

    x = points(5, 2).requires_grad_(requires_grad)
    before = x.detach().clone()
    exact = 4 * (2 * x[:, 0] + 1) + 8 * x[:, 1]
    torch.testing.assert_close(divergence(f, x, strategy), exact)
    assert torch.equal(x.detach(), before)


class Tripled(torch.autograd.Function):
    """x² with three times its slope, as a custom backward may have it."""

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.x = inputs[0]

    @staticmethod
    def backward(ctx, gradient):
        return 6 * ctx.x * gradient


@pytest.mark.parametrize("strategy", ["auto", "loop"])
def test_a_custom_backward_counts(strategy):
    x = points(5, 2)
    torch.testing.assert_close(divergence(Tripled.apply, x, strategy), 6 * x.sum(-1))
    assert Divergence("rule").choice(Tripled.apply, x).strategy == "loop"


@each_strategy
def test_weight_norm(strategy):
    net = network()
    parametrizations.weight_norm(net[2])
    assert_exact(net, points(5, 3), strategy)


@each_strategy
def test_functional_call_with_other_parameters(strategy):
    net, other = network(), network()
    for p in other.parameters():
        p.data *= 1.3
    swapped = {name: p.detach().requires_grad_() for name, p in other.named_parameters()}

    def f(x):
        return torch.func.functional_call(net, swapped, (x,))

    found = divergence(f, points(5, 3), strategy)
    exact = trace(other, points(5, 3))
    torch.testing.assert_close(found, exact)
    ours = torch.autograd.grad(found.sum(), swapped["2.weight"])[0]
    torch.testing.assert_close(ours, torch.autograd.grad(exact.sum(), other[2].weight)[0])


@each_strategy
def test_forward_hooks_run(strategy):
    net, seen = network(), []
    net[0].register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape)))
    net[2].register_forward_hook(lambda module, args, out: 2 * out)
    found = divergence(net, points(5, 3), strategy)
    plain = network()

    def exact(x):
        return plain[4](plain[3](2 * plain[2](plain[1](plain[0](x)))))

    torch.testing.assert_close(found, trace(exact, points(5, 3)))
    assert (5, 6) in seen


def test_a_hook_that_reads_numbers_falls_back():
    net, seen = network(), []
    net[0].register_forward_hook(lambda module, args, out: seen.append(out.norm().item()))
    assert Divergence("rule").choice(net, points(5, 3)).strategy == "loop"
    assert_exact(net, points(5, 3))
    assert all(seen)


def test_kinks():
    net = network(activation=nn.ReLU)
    assert_exact(net, points(5, 3))
    assert_exact(network(activation=functools.partial(nn.ReLU, inplace=True)), points(5, 3))


class Attention(nn.Module):
    def forward(self, x):
        return torch.softmax(x @ x.mT, dim=-1) @ x


class Counted:
    """Counts how often it is called; the base of callables of several kinds."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return x * x

    def method(self, x):
        return self(x)


class Slotted:
    __slots__ = ()

    def __call__(self, x):
        return x * x


class Unhashable:
    __hash__ = None

    def __call__(self, x):
        return x * x


def squared(x, factor=1.0):
    return factor * x * x


@pytest.mark.parametrize(
    "f",
    [
        torch.square,
        Slotted(),
        Unhashable(),
        Counted().method,
        functools.partial(squared, factor=1.0),
        squared,
        lambda x: x * x,
    ],
    ids=["builtin", "slots", "unhashable", "method", "partial", "function", "lambda"],
)
def test_any_callable_will_do(f):
    x = points(5, 2)
    div = Divergence()
    for _ in range(2):
        torch.testing.assert_close(div(f, x), 2 * x.sum(-1))


@pytest.mark.parametrize("pick", [lambda c: c, lambda c: c.method], ids=["object", "method"])
def test_a_function_is_probed_once_whatever_the_number_of_points(pick):
    counted = Counted()
    div = Divergence("rule")
    for _ in range(40):  # the counter is a number that f reads: its first values are checked
        div(pick(counted), points(5, 2))
    probed = counted.calls
    for n in (5, 6, 2, 100):
        div(pick(counted), points(n, 2))
    assert counted.calls == probed + 4
    divergence(pick(counted), points(7, 2), "rule")  # the function form remembers too
    assert counted.calls == probed + 5


@pytest.mark.parametrize("change", ["points", "dtype", "strategy", "lead"])
def test_other_circumstances_are_probed_anew(change):
    counted = Counted()
    Divergence()(counted, points(1, 2))
    before = counted.calls
    x = {"points": points(4, 2), "dtype": points(1, 2).float(), "lead": points(1, 4, 2)}
    Divergence("vmap" if change == "strategy" else "auto")(counted, x.get(change, points(1, 2)))
    assert counted.calls - before > 1


def test_one_point_does_not_vouch_for_many():
    div, f = Divergence(), Attention()
    div(f, points(1, 1, 3))
    with pytest.raises(CoupledPointsError):
        div(f, points(1, 5, 3))


def test_functions_are_not_kept_alive():
    net = network()
    gone = weakref.ref(net)
    Divergence()(net, points(5, 3))
    del net
    gc.collect()
    assert gone() is None


def test_the_operator_can_be_copied_and_pickled():
    div = Divergence("auto", dims=(0, 1), components=(0, 1))
    net = network()
    exact = div(net, points(5, 3))
    for other in (copy.deepcopy(div), pickle.loads(pickle.dumps(div))):
        assert torch.equal(other(net, points(5, 3)), exact)
    assert repr(div) == "Divergence(strategy='auto', dims=(0, 1), components=(0, 1))"


def test_probing_is_done_on_a_few_points():
    seen = []

    def f(x):
        seen.append(math.prod(x.shape[:-1]))
        return x * x

    divergence(f, points(50, 40, 2), "rule")
    assert sorted(seen)[-2] <= 16**2
    assert seen[-1] == 2000
