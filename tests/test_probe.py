"""Functions are tried on a copy in float64, at a few points, without a trace."""

import functools

import pytest
import torch
from oracle import network, points
from torch import nn

from pinn.checking.samples import buffers_kept, in_double, modules_in, spread, trial, within


@pytest.mark.parametrize(
    ("lead", "tried"),
    [
        ((), ()),
        ((0,), (0,)),
        ((5,), (5,)),
        ((100,), (16,)),
        ((9, 2), (4, 2)),
        ((7, 7, 7), (2,) * 3),
    ],
)
def test_points_are_taken_from_end_to_end(lead, tried):
    x = torch.rand(*lead, 3)
    found = spread(x)
    assert found.shape == (*tried, 3)
    if 0 not in lead and lead:
        assert torch.equal(found.reshape(-1, 3)[[0, -1]], x.reshape(-1, 3)[[0, -1]])


def functions(net):
    return {
        "module": net,
        "method": net.forward,
        "closure": lambda x: net(x),
        "partial": functools.partial(net),
        "closure over a method": (lambda forward: lambda x: forward(x))(net.forward),
        "closure over a closure": (lambda inner: lambda x: inner(x))(lambda x: net(x)),
        "default": (lambda scale: lambda x, power=1: scale * net(x) ** power)(torch.ones(3)),
    }


@pytest.mark.parametrize("name", functions(nn.Identity()))
def test_what_can_be_copied_is_tried_in_float64(name):
    net = network().float()
    f = functions(net)[name]
    g, at = trial(f, points(50, 3).float())
    assert at.dtype == torch.float64
    assert g(at).dtype == torch.float64
    torch.testing.assert_close(g(at).float(), f(at.float()), rtol=1e-5, atol=1e-6)
    assert next(net.parameters()).dtype == torch.float32
    with torch.no_grad():
        net[0].weight += 1
    assert (g(at).float() - f(at.float())).abs().max() > 1e-2  # a copy


NET = network().float()


class Casting(nn.Module):
    def forward(self, x):
        return NET(x)


@pytest.mark.parametrize("f", [lambda x: NET(x), Casting()], ids=["global", "casting"])
def test_the_rest_is_tried_in_its_own_precision(f):
    g, at = trial(f, points(50, 3).float())
    assert g is f
    assert at.dtype == torch.float32
    assert at.shape == (16, 3)


def test_a_function_that_refers_to_itself():
    def countdown(x, n=2):
        return x if n == 0 else countdown(2 * x, n - 1)

    g = in_double(countdown)
    assert g is not countdown
    assert torch.equal(g(points(2, 3)), 4 * points(2, 3))


def test_per_point_tensors_need_all_points():
    t = points(50, 1).float()
    g, at = trial(lambda x: x * t, points(50, 3).float())
    assert at.shape == (50, 3)
    assert g(at).dtype == torch.float64


def test_the_functions_own_error_is_raised():
    def broken(x):
        raise KeyError("weights")

    with pytest.raises(KeyError, match="weights"):
        trial(broken, points(50, 3))


@pytest.mark.parametrize("name", functions(nn.Identity()))
def test_modules_are_found(name):
    net = network()
    assert dict(modules_in(functions(net)[name]))["4"] is net[4]
    assert modules_in(torch.sin) == []


NAMED = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))


def test_modules_that_a_function_names_are_found():
    assert dict(modules_in(lambda x: NAMED(x)))["1"] is NAMED[1]


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("last", torch.zeros(3))
        self.register_buffer("none", None)

    def forward(self, x):
        self.calls += 1
        self.last = x.mean(0)
        return x


def test_buffers_are_put_back():
    counter = Counter()
    buffers = dict(counter.named_buffers())
    with buffers_kept(lambda x: counter(x)):
        counter(torch.ones(2, 3))
        assert counter.calls == 1
    assert counter.calls == 0
    assert counter.last is buffers["last"]
    version = counter.last._version
    with buffers_kept(counter):
        counter.calls += 1
    assert counter.last._version == version  # untouched ones are left alone


def test_within():
    inf, nan = torch.inf, torch.nan
    a = torch.tensor([1.0, 1.0, inf, nan, nan, 1.0])
    b = torch.tensor([1.05, 1.2, inf, nan, inf, nan])
    expected = torch.tensor([True, False, True, True, True, False])
    assert torch.equal(within(a, b, torch.tensor(0.1)), expected)


def test_a_network_that_somebody_watches_is_checked_in_float64():
    """A hook may belong to what cannot be copied: a profiler, a callback that holds the trainer."""

    class Watcher:
        def __init__(self):
            self.calls = 0

        def __deepcopy__(self, memo):
            raise TypeError("cannot be copied")

        def count(self, module, inputs, output):
            self.calls += 1

    watcher, net = Watcher(), torch.nn.Linear(2, 2)
    net.register_forward_hook(watcher.count)
    twin, at = trial(net, torch.rand(5, 2))
    assert twin.weight.dtype == at.dtype == torch.float64
    assert net.weight.dtype == torch.float32
    assert watcher.calls == 1
