"""f(x) beside its divergence, from one evaluation of f."""

import numpy as np
import pytest
import torch
from oracle import network, points, trace

from pinn.operators import chunked_points
from pinn.operators.divergence import Divergence

STRATEGIES = ["chain", "taylor", "vmap", "loop", "hutchinson"]


class Counted(torch.nn.Module):
    """A network that counts its evaluations."""

    def __init__(self):
        super().__init__()
        self.net, self.calls = network(3), [0]

    def forward(self, x):
        self.calls[0] += 1
        return self.net(x)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("training", [True, False])
def test_the_value_and_its_gradient_are_those_of_f(strategy, training):
    f, x = network(3), points(40, 3).requires_grad_()
    with torch.set_grad_enabled(training):
        value, found = Divergence(strategy).with_value(f, x)
        exact = f(x)
    torch.testing.assert_close(value, exact, rtol=1e-12, atol=1e-13)
    assert value.requires_grad == training
    np.testing.assert_allclose(value.detach().numpy(), exact.detach().numpy(), rtol=1e-12)
    if strategy != "hutchinson":
        torch.testing.assert_close(found, trace(f, x), rtol=1e-11, atol=1e-12)
    if training:
        weights = torch.linspace(0.5, 1.5, value.numel(), dtype=x.dtype).reshape(value.shape)
        ends = [x, *f.parameters()]
        ours = torch.autograd.grad((value * weights).sum(), ends, retain_graph=True)
        theirs = torch.autograd.grad((exact * weights).sum(), ends)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("strategy", "count"),
    [("chain", 1), ("taylor", 1), ("loop", 1), ("vmap", 1), ("hutchinson", 2)],
)
def test_f_is_evaluated_once_where_the_strategy_passes_it(strategy, count):
    f, x, div = Counted(), points(20, 3), Divergence(strategy)
    for _ in range(6):  # checks come after 1, 2 and 4 uses
        div.with_value(f, x)
    before = f.calls[0]
    div.with_value(f, x)
    assert f.calls[0] - before == count


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("count", [20, 2000])
def test_the_value_is_computed_without_autocast_too(strategy, count, monkeypatch):
    monkeypatch.setattr(chunked_points, "CACHE", 2**16)
    f, x = network(3).float(), points(count, 3).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, _ = Divergence(strategy).with_value(f, x)
    torch.testing.assert_close(value, f(x))


@pytest.mark.parametrize("memory", [None, 2e-4])
def test_portions_give_the_value_of_all_points(memory):
    f, x = network(3), points(700, 3)
    div = Divergence("loop", memory=memory)
    value, found = div.with_value(f, x)
    torch.testing.assert_close(value, f(x))
    (slope,) = torch.autograd.grad(value.sum(), [f[0].weight])
    torch.testing.assert_close(slope, torch.autograd.grad(f(x).sum(), [f[0].weight])[0])
    torch.testing.assert_close(found, div(f, x))


def test_any_output_comes_back_as_f_returns_it():
    net, x = network(3), points(5, 3)
    for strategy in ("taylor", "loop"):
        div = Divergence(strategy)
        value, _ = div.with_value(lambda x: dict(zip("uvw", net(x).unbind(-1), strict=True)), x)
        assert list(value) == ["u", "v", "w"]
        torch.testing.assert_close(value["v"], net(x)[:, 1])
        value, _ = div.with_value(lambda x: tuple(net(x).unbind(-1)), x)
        torch.testing.assert_close(value[2], net(x)[:, 2])


def test_time_first_and_arrays():
    net, t = network(3, 2), torch.tensor(0.5, dtype=torch.float64)

    def velocity(t, x):
        return net(torch.cat([x, t.expand(*x.shape[:-1], 1)], -1))

    x, div = points(6, 2), Divergence(argnum=1)
    value, found = div.with_value(velocity, t, x)
    torch.testing.assert_close(value, velocity(t, x))
    torch.testing.assert_close(found, div(velocity, t, x))
    value, found = Divergence().with_value(network(3), points(6, 3).numpy())
    assert isinstance(value, np.ndarray)
    assert (value.shape, found.shape) == ((6, 3), (6,))


def test_inside_a_transform():
    net, x = network(3), points(4, 3)
    value, found = torch.func.vmap(lambda p: Divergence().with_value(net, p))(x)
    torch.testing.assert_close(value, net(x))
    torch.testing.assert_close(found, trace(net, x), rtol=1e-11, atol=1e-12)
