"""Networks built from torch's own modules flow through the fused pass."""

import math

import pytest
import torch
import torch.nn.functional as F
from nested import PLANS, loss, nested, random
from torch import nn
from torch.nn.utils import parametrizations

from pinn.derivatives.evaluate import evaluate


class FourierFeatures(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("frequencies", torch.randn(2, 4))
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        phase = 2 * math.pi * x @ self.frequencies
        return self.head(torch.cat([torch.sin(phase), torch.cos(phase)], -1))


class ModifiedMLP(nn.Module):
    """Wang et al.'s gated network."""

    def __init__(self):
        super().__init__()
        self.u, self.v, self.h = (nn.Linear(2, 6) for _ in range(3))
        self.z, self.out = nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x):
        u, v = torch.tanh(self.u(x)), torch.tanh(self.v(x))
        h = torch.tanh(self.h(x))
        z = torch.tanh(self.z(h))
        return self.out((1 - z) * u + z * v)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.lift, self.inner, self.head = nn.Linear(2, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.alpha = nn.Parameter(torch.tensor(0.3))

    def forward(self, x):
        h = self.lift(x)
        h = h + self.alpha * F.gelu(self.inner(torch.tanh(h)))
        return self.head(F.dropout(h, 0.1, self.training and False))


class Siren(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 6), nn.Linear(6, 6), nn.Linear(6, 2)])

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = (3.0 * layer(x)).sin()
        return self.layers[-1](x)


class Kan(nn.Module):
    """Sums of Chebyshev polynomials of tanh."""

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(0.5 * torch.randn(2, 5, 4))
        self.second = nn.Parameter(0.5 * torch.randn(5, 2, 4))

    def forward(self, x):
        for coefficients in (self.first, self.second):
            degrees = torch.arange(4, dtype=coefficients.dtype)
            angle = x.mul(0.5).tanh().acos().unsqueeze(-1) * degrees
            x = torch.einsum("nik,iok->no", angle.cos(), coefficients)
        return x


class DeepONet(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 8))
        self.branch = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 8))
        self.register_buffer("sensors", torch.randn(3))

    def forward(self, x):
        products = self.trunk(x) * self.branch(self.sensors)
        return products.view(*x.shape[:-1], 2, 4).sum(-1)


class TokenAttention(nn.Module):
    """Features as tokens, pre-norm attention among them."""

    def __init__(self):
        super().__init__()
        self.lift, self.norm = nn.Linear(2, 12), nn.RMSNorm(4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))

    def forward(self, x):
        h = self.lift(x).unflatten(-1, (3, 4))
        n = self.norm(h)
        return self.head(h + self.attention(n, n, n, need_weights=False)[0])


def dense(*middle, width=6):
    return lambda: nn.Sequential(nn.Linear(2, 6), nn.Tanh(), *middle, nn.Linear(width, 2))


def spectral():
    net = dense(nn.Linear(6, 6), nn.Tanh())()
    parametrizations.spectral_norm(net[2])
    return net


def weighted():
    net = dense(nn.Linear(6, 6), nn.Tanh())()
    parametrizations.weight_norm(net[2])
    return net


NETWORKS = {
    "group norm": dense(nn.GroupNorm(2, 6), nn.SiLU()),
    "rms norm": dense(nn.RMSNorm(6)),
    "batch norm": dense(nn.BatchNorm1d(6)),
    "dropout": dense(nn.Dropout(0.5), nn.AlphaDropout(0.2)),
    "flatten": dense(nn.Unflatten(-1, (2, 3)), nn.Softmax(dim=-1), nn.Flatten()),
    "glu": dense(nn.Linear(6, 12), nn.GLU()),
    "kinks": dense(nn.Linear(6, 6), nn.LeakyReLU(), nn.PReLU(), nn.Hardswish()),
    "identity": dense(nn.Identity(), nn.Mish(), nn.CELU(), nn.Softsign(), nn.LogSigmoid()),
    "spectral norm": spectral,
    "weight norm": weighted,
    "Fourier features": FourierFeatures,
    "modified MLP": ModifiedMLP,
    "residual": Residual,
    "SIREN": Siren,
    "KAN": Kan,
    "DeepONet": DeepONet,
    "attention": TokenAttention,
}


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", NETWORKS)
def test_network_agrees_with_nested_reverse_mode(name, plan):
    torch.manual_seed(5)
    net, x, plan = NETWORKS[name]().double().eval(), random(3, 2, seed=4), PLANS[plan]
    jet = evaluate(net, x, plan, "taylor")
    value, streams = nested(net, x, plan.channels)
    torch.testing.assert_close(jet.value, value, rtol=1e-12, atol=1e-12)
    ours = [jet.stream(channel) for channel in plan.channels]
    for stream, exact in zip(ours, streams.values(), strict=True):
        torch.testing.assert_close(stream, exact, rtol=1e-8, atol=1e-8)
    keep = {"allow_unused": True, "materialize_grads": True}
    parameters = list(net.parameters())
    found = torch.autograd.grad(loss(jet.value, ours), parameters, **keep)
    exact = torch.autograd.grad(loss(value, streams.values()), parameters, **keep)
    for a, b in zip(found, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


def test_gradient_through_layer_norm_is_that_of_finite_differences():
    """Reverse mode through torch's layer norm gives its second derivatives a wrong gradient."""
    torch.manual_seed(5)
    net, x, plan = dense(nn.LayerNorm(6))().double(), random(3, 2, seed=4), PLANS["every"]

    def number():
        jet = evaluate(net, x, plan, "taylor")
        return loss(jet.value, map(jet.stream, plan.channels))

    weight, step = net[0].weight, 1e-6
    found = torch.autograd.grad(number(), weight)[0][0, 0]
    with torch.no_grad():
        weight[0, 0] += step
        above = number()
        weight[0, 0] -= 2 * step
        below = number()
    torch.testing.assert_close(found, (above - below) / (2 * step), rtol=1e-6, atol=1e-8)
