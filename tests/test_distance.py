"""Networks of radial functions by torch.cdist, whose kernel has no second derivative."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import pinn

INF = float("inf")


class Rbf(nn.Module):
    def __init__(self, p=2.0, kernel=True):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        random = torch.rand(6, 2, generator=generator, dtype=torch.float64)
        self.centres, self.weight = nn.Parameter(random), nn.Parameter(random.T + 0.5)
        self.p, self.kernel = p, kernel

    def forward(self, x):
        return torch.exp(-(self.distance(x) ** 2)) @ self.weight.T

    def distance(self, x):
        if self.kernel:
            return torch.cdist(x, self.centres, p=self.p)
        gap = (x[..., None, :] - self.centres).abs()
        return gap.amax(-1) if self.p == INF else (gap**self.p).sum(-1) ** (1 / self.p)


def pair(p):
    ours, theirs = Rbf(p), Rbf(p, kernel=False)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


X = torch.rand(5, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
OPERATORS = {
    "divergence": lambda f, s: pinn.divergence(f, X, strategy=s),
    "laplacian": lambda f, s: pinn.laplacian(pinn.differentiate(f, X, 2, strategy=s)).value,
    "value": lambda f, s: pinn.differentiate(f, X, 1, strategy=s).value,
}


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(
    ("p", "strategy"),
    [(p, "taylor") for p in (2.0, 1.0, 3.0, INF)] + [(2.0, s) for s in ("auto", "vmap", "loop")],
)
def test_values_and_parameter_gradients(p, strategy, operator):
    found = []
    for f, chosen in zip(pair(p), (strategy, "loop"), strict=True):
        value = OPERATORS[operator](f, chosen)
        found.append((value, *torch.autograd.grad((value**2).sum(), f.parameters())))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("strategy", ["taylor", "loop"])
def test_at_a_centre_the_second_derivative_is_no_number_but_never_a_wrong_one(strategy):
    ours, theirs = pair(2.0)
    x = torch.cat([ours.centres.detach()[:1], X])
    first = pinn.divergence(ours, x, strategy=strategy)

    def squares(x):
        return torch.exp(-(x[:, None] - ours.centres).square().sum(-1)) @ ours.weight.T

    torch.testing.assert_close(first, pinn.divergence(squares, x))
    second = pinn.laplacian(pinn.differentiate(ours, x, 2, strategy=strategy)).value
    assert second[0].isnan().all()
    exact = pinn.laplacian(pinn.differentiate(theirs, X, 2, strategy="loop")).value
    torch.testing.assert_close(second[1:], exact)


class Load(pinn.Problem):
    coordinates, unknowns, geometry = ("x", "y"), {"u": 2}, pinn.Rectangle()

    @pinn.on("interior")
    def poisson(self, u):
        return pinn.laplacian(u) - (1.0, 2.0)


@pytest.mark.parametrize("optimizer", ["Adam", "LevenbergMarquardt"])
def test_training_goes_as_with_the_elementary_form(optimizer, tmp_path):
    settings = {"lr": 1e-2} if optimizer == "Adam" else {}
    phases = [pinn.Phase(optimizer=optimizer, steps=2, **settings)]
    networks = pair(2.0)
    for net in networks:
        pinn.fit(Load(), net, phases=phases, points={"interior": 20}, folder=str(tmp_path),
                 derivatives="taylor", compile=False)  # fmt: skip
    before = dict(pair(2.0)[0].named_parameters())
    for (name, a), b in zip(networks[0].named_parameters(), networks[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(a.double(), before[name], atol=1e-4)


MISSING = {
    "pdist": lambda y: torch.stack([F.pdist(torch.stack([a, 2 * a * a])).expand(2) for a in y]),
    "zeta": lambda y: torch.special.zeta(y + 9, torch.ones(2).double()),
    "igamma": lambda y: torch.igamma(y + 5, torch.ones_like(y)),
    "heaviside": lambda y: torch.heaviside(y, torch.ones_like(y)),
    "floor_divide": lambda y: y * torch.floor_divide(y, 0.3),
}


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize("strategy", ["auto", "loop", "vmap"])
def test_what_torch_cannot_differentiate_is_named_in_one_line(name, strategy):
    layer = nn.Linear(2, 2).double()

    def f(x):
        return MISSING[name](layer(x))

    with pytest.raises(NotImplementedError, match=f"^{name} has no .*derivative in") as raised:
        pinn.divergence(f, X, strategy=strategy)
    assert "\n" not in str(raised.value)
    assert "aten" not in str(raised.value)
