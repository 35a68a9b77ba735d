"""Nested reverse mode, the oracle of the derivative rules, and their arguments."""

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from pinn.algebra.channels import Plan, bilaplace, differentiated, every_channel, laplace
from pinn.algebra.jet import Jet, NoRuleError
from pinn.algebra.rows import seed
from pinn.derivatives.evaluate import evaluate

N, D = 3, 2
PLANS = {
    "every": Plan(every_channel(D, (0, 1))),
    "collapsed": Plan((laplace((0, 1)),)),
    "third": Plan(every_channel(D, (0, 1), 3)),
    "collapsed third": Plan((differentiated(laplace((0, 1)), 1),)),
    "fourth": Plan(every_channel(D, (0, 1), 4)),
    "collapsed fourth": Plan((bilaplace((0, 1)),)),
}


def random(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


WEIGHT = random(4, D, seed=1) - 0.4
TENSOR = random(4, seed=2) + 0.5


def jet_of(x, plan):
    return Jet(x, seed(x, plan.channels), lead=x.ndim - 1)


def features(x, weight):
    """(N, 4) with derivatives of every order, between 0.2 and 3."""
    z = F.linear(x, weight)
    return 1.0 + 0.5 * z + 0.2 * z * z + 0.1 * torch.sin(2 * z)


def tokens(x, weight):
    """(N, 3, 4): the same at three shifted places."""
    return torch.stack([features(x + 0.3 * k, weight) for k in range(3)], dim=1)


def nested(f, x, channels):
    """Value and streams, flattened to (N, M), by one reverse pass per component and index."""
    x = x.clone().requires_grad_()
    with sdpa_kernel(SDPBackend.MATH):
        y = f(x)
        y = y.reshape(len(x), -1)
        columns = [Partials(y[:, m], x) for m in range(y.shape[1])]
        streams = {
            channel: torch.stack([column.total(channel) for column in columns], dim=-1)
            for channel in channels
        }
    return y, streams


class Partials:
    """∂y/∂x_i∂x_j… by index tuple, each pass made once, for points that do not interact."""

    def __init__(self, y, x):
        self.known, self.x = {(): y}, x

    def total(self, channel):
        """Σ over the index tuples of a channel."""
        return sum(self.at(tuple(indices)) for indices in channel)

    def at(self, indices):
        if indices not in self.known:
            before = indices[:-1]
            slopes = self.gradient(self.at(before)).unbind(1)
            self.known |= {(*before, i): slope for i, slope in enumerate(slopes)}
        return self.known[indices]

    def gradient(self, part):
        if not part.requires_grad:
            return torch.zeros_like(self.x)
        settings = {"create_graph": True, "materialize_grads": True}
        return torch.autograd.grad(part.sum(), self.x, **settings)[0]


def loss(value, streams):
    """A number in which every entry of every stream has its own weight."""
    entries = torch.cat([t.reshape(-1) for t in (value, *streams)])
    return entries @ torch.linspace(0.5, 1.5, len(entries), dtype=entries.dtype)


def assert_rule(f, plans=tuple(PLANS), same=None, argument=features):
    """f of an argument: by these plans value, streams and gradient equal nested reverse mode's."""
    same, x = same or f, random(N, D, seed=3)
    parameters = [WEIGHT.clone().requires_grad_(), TENSOR.clone().requires_grad_()]

    def call(function):
        return lambda at: function(argument(at, parameters[0]), parameters[1])

    asked = dict.fromkeys(channel for plan in plans for channel in PLANS[plan].channels)
    value, streams = nested(call(same), x, asked)
    shape = call(same)(x).shape
    found, wanted = 0.0, 0.0
    for plan in plans:
        channels = PLANS[plan].channels
        jet = call(f)(jet_of(x, PLANS[plan]))
        assert jet.value.shape == shape
        assert jet.shape == shape
        ours = [jet.stream(channel) for channel in channels]
        torch.testing.assert_close(jet.value.reshape(value.shape), value, rtol=1e-12, atol=1e-12)
        for channel, stream in zip(channels, ours, strict=True):
            exact, place = streams[channel].reshape(shape), f"plan {plan}, {channel}"
            torch.testing.assert_close(
                stream, exact, rtol=1e-9, atol=1e-10, msg=lambda m, p=place: f"{p}: {m}"
            )
        found = found + loss(jet.value, ours)
        wanted = wanted + loss(value, [streams[channel] for channel in channels])
    keep = {"allow_unused": True, "materialize_grads": True}
    slopes = (torch.autograd.grad(number, parameters, **keep) for number in (found, wanted))
    for a, b in zip(*slopes, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def assert_refused(name, f):
    """f of tokens has no rule; the error begins with the first word of the name."""
    jet = tokens(jet_of(random(N, D), PLANS["every"]), random(4, D))
    with pytest.raises(NoRuleError, match=f"^{name.split()[0]} .*has no derivative rule"):
        f(jet)


def cases(examples):
    """Name → calls, as parameters one by one."""
    return [
        pytest.param(call, id=f"{name} {k}")
        for name, calls in examples.items()
        for k, call in enumerate(calls)
    ]


def names(*tables):
    """The names of torch's functions in tables of rules, wherever torch keeps them."""
    keys = (getattr(key, "__name__", "").strip("_") for table in tables for key in table)
    return {key.removeprefix("linalg_").removeprefix("special_") for key in keys} - {"get"}


def assert_agrees(net, x, plan, strategy):
    """Values, streams and gradients in the parameters are those of nested reverse mode."""
    jet = evaluate(net, x, plan, strategy)
    value, streams = nested(net, x, plan.channels)
    torch.testing.assert_close(jet.value, value, rtol=1e-12, atol=1e-12)
    for channel, exact in streams.items():
        torch.testing.assert_close(jet.stream(channel), exact, rtol=1e-10, atol=1e-11)
    keep = {"allow_unused": True, "materialize_grads": True}
    totals = (
        sum((jet.stream(c) ** 2).sum() for c in plan.channels),
        sum((s**2).sum() for s in streams.values()),
    )
    ours, exact = (torch.autograd.grad(t, list(net.parameters()), **keep) for t in totals)
    for a, b in zip(ours, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
