"""Complex numbers: refused in points and components, right between them."""

import pytest
import torch
from oracle import STRATEGIES, network, points, trace
from torch import nn

from pinn.derivatives.probes import Probes
from pinn.operators.divergence import Divergence

REVERSE = ["auto", "rule", "vmap", "loop", "hutchinson"]
WEIGHTS = torch.randn(3, 3, 2, generator=torch.Generator().manual_seed(1)).double()


class Weighted(nn.Module):
    """|W sin(V x)| with a complex W."""

    def __init__(self):
        super().__init__()
        self.real = network()[0]
        self.weight = nn.Parameter(torch.view_as_complex(WEIGHTS[:, [0, 1, 2, 0, 1, 2]].clone()))

    def forward(self, x):
        return (self.weight @ torch.sin(self.real(x)).to(self.weight.dtype).unsqueeze(-1)).abs()[
            ..., 0
        ]


FUNCTIONS = {
    "weights": Weighted(),
    "fft": lambda x: torch.fft.ifft(torch.fft.fft(x) * torch.fft.fft(torch.sin(x))).real,
    "rfft": lambda x: torch.fft.irfft(torch.fft.rfft(x) ** 2, n=3),
    "exp": lambda x: torch.exp(1j * x).real * x,
    "abs": lambda x: (x * torch.view_as_complex(WEIGHTS[0])).abs() * x,
    "parts": lambda x: torch.view_as_real(torch.polar(x, x**2)).sum(-1),
    "product": lambda x: (torch.complex(x, x**2) * torch.complex(x, -(x**3))).imag,
}  # fmt: skip


def divergence(f, x, strategy):
    probes = Probes(x.shape[-1]) if strategy == "hutchinson" else None  # exact
    return Divergence(strategy, probes=probes)(f, x)


@pytest.mark.parametrize("strategy", REVERSE)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_on_the_way_may_be_complex(name, strategy):
    f, x = FUNCTIONS[name], points(5, 3)
    expected, found = trace(f, x), divergence(f, x, strategy)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
    if isinstance(f, nn.Module):
        ours = torch.autograd.grad(found.square().sum(), f.parameters())
        theirs = torch.autograd.grad(expected.square().sum(), f.parameters())
        assert any(g.is_complex() and g.abs().min() > 0 for g in theirs)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_conjugates_have_no_batched_pass_in_torch():
    def f(x):
        return (torch.complex(x, x**2) * torch.complex(x, x**3).conj()).imag

    x = points(5, 3)
    for strategy in ("auto", "loop", "hutchinson"):
        torch.testing.assert_close(divergence(f, x, strategy), trace(f, x))
    with pytest.raises(ValueError, match="no batched reverse pass: Batching rule not implemented"):
        divergence(f, x, "vmap")


@pytest.mark.parametrize("strategy", REVERSE)
def test_in_single_precision(strategy):
    f, x = FUNCTIONS["fft"], points(5, 3)
    found = divergence(f, x.float(), strategy)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), trace(f, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_fused_pass_steps_aside(name):
    with pytest.raises(ValueError, match=r"no fused pass: .* no derivative rule"):
        divergence(FUNCTIONS[name], points(5, 3), "taylor")


@pytest.mark.parametrize("strategy", [*STRATEGIES, "hutchinson"])
@pytest.mark.parametrize(
    ("f", "dtype", "text"),
    [
        (lambda x: x, torch.complex128, "x has dtype torch.complex128: derivatives need real"),
        (lambda x: torch.exp(1j * x), torch.float64, "f returned complex values"),
        (lambda x: (x[..., 0], 1j * x[..., 1], x[..., 2]), torch.float64, "f returned complex"),
        (lambda x: 1j * x[..., None] * x[..., None, :], torch.float64, "f returned complex"),
    ],
)
def test_points_and_components_are_real(f, dtype, text, strategy):
    with pytest.raises(TypeError, match=text):
        divergence(f, points(4, 3).to(dtype), strategy)
