"""The divergence of a matrix, (∇·σ)ᵢ = Σⱼ ∂σᵢⱼ/∂xⱼ, against a loop over rows and columns."""

import pytest
import torch
from oracle import STRATEGIES, calls_of, each_strategy, network, points
from torch import nn

from pinn.derivatives.evaluate import trace as trace_of
from pinn.derivatives.hutchinson import hutchinson
from pinn.derivatives.probes import Probes, probe_vectors
from pinn.operators import differentiate
from pinn.operators.divergence import Divergence, divergence

SETTLE = {"allow_unused": True, "materialize_grads": True}


def matrix(net, columns):
    return lambda x: net(x).unflatten(-1, (-1, columns))


def row_by_row(f, x, dims=None, components=None):
    """One `autograd.grad` per entry."""
    dims = range(x.shape[-1]) if dims is None else dims
    components = range(len(dims)) if components is None else components
    at = x.clone().requires_grad_()
    y, rows = f(at), []
    for i in range(y.shape[-2]):
        terms = [
            torch.autograd.grad(y[..., i, c].sum(), at, create_graph=True)[0][..., j]
            for c, j in zip(components, dims, strict=True)
        ]
        rows.append(torch.stack(terms).sum(0))
    return torch.stack(rows, dim=-1)


def assert_rows(found, exact, net):
    assert found.shape == exact.shape
    torch.testing.assert_close(found, exact, rtol=1e-11, atol=1e-12)
    weights = torch.linspace(0.5, 1.5, exact.numel()).double().reshape(exact.shape)
    ours = torch.autograd.grad((found * weights).sum(), net.parameters(), **SETTLE)
    theirs = torch.autograd.grad((exact * weights).sum(), net.parameters(), **SETTLE)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("strategy", [*STRATEGIES, "chain"])
@pytest.mark.parametrize(
    ("lead", "rows", "d"),
    [((5,), 3, 3), ((2, 4), 2, 3), ((), 4, 2), ((6,), 1, 3), ((4,), 2, 1), ((1,), 1, 1)],
)
def test_value_and_parameter_gradient(strategy, lead, rows, d):
    net, x = network(d, rows * d), points(*lead, d)
    found = divergence(matrix(net, d), x, strategy)
    assert tuple(found.shape) == (*lead, rows)
    assert_rows(found, row_by_row(matrix(net, d), x), net)


@each_strategy
def test_rows_and_not_columns(strategy):
    """∇·(v wᵀ) = (∇v) w + v ∇·w:  for v = (x², 0), w = (0, xy) it is (x³, 0)."""

    def f(p):
        x, y = p[..., 0], p[..., 1]
        v = torch.stack((x**2, 0 * x), dim=-1)
        w = torch.stack((0 * x, x * y), dim=-1)
        return v.unsqueeze(-1) * w.unsqueeze(-2)

    p = points(5, 2)
    exact = torch.stack((p[:, 0] ** 3, torch.zeros(5).double()), dim=-1)
    torch.testing.assert_close(divergence(f, p, strategy), exact)


@each_strategy
@pytest.mark.parametrize(("dims", "components"), [((0, 2), (0, 2)), ((2, 0), (1, 2)), ((1,), (2,))])
def test_components_pick_columns(strategy, dims, components):
    net, x = network(3, 6), points(5, 3)
    found = divergence(matrix(net, 3), x, strategy, dims, components)
    assert_rows(found, row_by_row(matrix(net, 3), x, dims, components), net)


@each_strategy
@pytest.mark.parametrize("part", ["whole", "rows"])
def test_constant_matrices_and_rows(strategy, part):
    def f(p):
        constant = torch.ones(*p.shape[:-1], 3, 3).double()
        return constant if part == "whole" else torch.stack((3 * p, constant[..., 0, :]), dim=-2)

    exact = torch.zeros(4, 3) if part == "whole" else torch.tensor([9.0, 0.0]).expand(4, 2)
    torch.testing.assert_close(divergence(f, points(4, 3), strategy), exact.double())


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
def test_all_rows_share_one_call(strategy):
    net, x = network(3, 12), points(5, 3)
    with calls_of(net) as calls:
        trace_of(matrix(net, 3), x, (0, 1, 2), strategy)
    assert len(calls) == 1


@each_strategy
def test_portions_and_no_graph(strategy):
    net, x = network(3, 6), points(700, 3)
    exact = row_by_row(matrix(net, 3), x)
    assert_rows(Divergence(strategy, memory=2e-4)(matrix(net, 3), x), exact, net)
    with torch.no_grad():
        found = Divergence(strategy)(matrix(net, 3), x)
    assert found.grad_fn is None
    torch.testing.assert_close(found, exact.detach())


def test_under_a_transform():
    net, x = network(3, 6), points(5, 3)
    found = torch.func.vmap(lambda p: divergence(matrix(net, 3), p))(x)
    torch.testing.assert_close(found, row_by_row(matrix(net, 3), x))


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("lead", [(4,), ()])
def test_an_estimate_of_all_rows(norm, lead):
    """(1/m) Σ zᵀJᵢz with J by torch.func; torch's own kernel of layer norm would be wrong here."""
    net = network(3, 6)
    if norm:
        net = nn.Sequential(*net[:2], nn.LayerNorm(6).double(), net[-1])
    f, x = matrix(net, 3), points(*lead, 3)
    z = probe_vectors(lead, 3, 3, Probes(2, "gaussian", pair=True)).flatten(0, 1)
    jacobian = torch.func.jacrev(f)
    for _ in lead:
        jacobian = torch.func.vmap(jacobian)
    products = torch.einsum("m...c,...kcd,m...d->m...k", z, jacobian(x), z)
    exact = products.unflatten(0, (2, 2)).mean(1)
    assert_rows(hutchinson(f, x, 3, Probes(2, "gaussian", pair=True)), exact, net)


def test_estimates_count_calls_and_take_constants():
    x = points(4, 3)
    div = Divergence("hutchinson")
    assert torch.equal(div(lambda p: torch.ones(4, 2, 3).double(), x), torch.zeros(4, 2).double())
    torch.testing.assert_close(  # J is diagonal
        div(lambda p: torch.stack((p**2, p), dim=-2), x),
        torch.stack((2 * x.sum(-1), 0 * x[:, 0] + 3), -1),
    )
    assert div.calls == 2


@pytest.mark.parametrize("strategy", [*STRATEGIES, "hutchinson"])
@pytest.mark.parametrize(
    ("f", "error", "text"),
    [
        (lambda x: x[..., None, :2] * x[..., None], ValueError, "rows of 2 components and 3 coo"),
        (lambda x: (x[..., None] * x[..., None, :]).cfloat(), TypeError, "complex values"),
        (lambda x: (x, x, x), ValueError, "one value per point; rows of a matrix are one tensor"),
        (lambda x: x[..., None, None] * x[..., None, None, :], ValueError, "one axis of"),
    ],
)
def test_what_is_no_matrix_of_such_rows(strategy, f, error, text):
    with pytest.raises(error, match=text):
        divergence(f, points(4, 3), strategy)


def test_fields_are_vectors():
    with pytest.raises(ValueError, match=r"a matrix \(3, 3\) at each point.*pinn.divergence"):
        differentiate(lambda x: x[..., None] * x[..., None, :], points(5, 3))
