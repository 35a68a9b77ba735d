"""Hutchinson's estimate: unbiased, of the variance that theory gives, and repeatable."""

import math

import pytest
import torch
from oracle import network, points, trace
from torch import nn

from pinn.derivatives.hutchinson import estimated, hutchinson
from pinn.derivatives.probes import Probes, columns, hadamard, probe_vectors
from pinn.geometry.sampling import stream_seed

each_distribution = pytest.mark.parametrize("distribution", ["rademacher", "gaussian"])
MATRIX = torch.randn(6, 6, generator=torch.Generator().manual_seed(3)).double()


def linear(x):
    """x ↦ Ax, whose Jacobian is A at every point."""
    return nn.functional.linear(x, MATRIX)


def variance(distribution, probes=1):
    """Of the mean; (n − m)/(n − 1) of that of independent signs, with n the power of two from d."""
    symmetric = (MATRIX + MATRIX.mT) / 2
    if distribution == "gaussian":
        return 2 * symmetric.square().sum() / probes
    one = 2 * (symmetric.square().sum() - symmetric.diagonal().square().sum())
    return one / probes * (8 - probes) / 7


@each_distribution
@pytest.mark.parametrize("probes", [1, 2, 5])
def test_mean_and_variance(distribution, probes):
    n = 20_000
    found = hutchinson(linear, points(n, 6), 1, Probes(probes, distribution))
    expected = variance(distribution, probes)
    standard_error = (expected / n).sqrt()
    assert (found.mean() - MATRIX.trace()).abs() < 4 * standard_error
    torch.testing.assert_close(found.var(), expected, rtol=0.06, atol=0)


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("more", [0, 3])
def test_as_many_probes_as_coordinates_are_exact(d, more):
    net, x = network(d), points(4, d)
    found = hutchinson(net, x, 0, Probes(d + more, pair=True))
    torch.testing.assert_close(found, trace(net, x).expand(2, 4))


@each_distribution
@pytest.mark.parametrize("probes", [2, 5])
def test_the_square_of_the_standard_error_is_unbiased(distribution, probes):
    n = 20_000
    value, error = estimated(linear, points(n, 6), 1, Probes(probes, distribution))
    assert torch.equal(value, hutchinson(linear, points(n, 6), 1, Probes(probes, distribution)))
    squares = error.square()
    gap = (squares.mean() - variance(distribution, probes)).abs()
    assert gap < 4 * squares.std() / n**0.5
    assert gap < 0.05 * variance(distribution, probes)


def test_the_standard_error_of_matrices_and_of_exact_means():
    net, x = network(6, 12), points(5, 6)
    value, error = estimated(lambda p: net(p).unflatten(-1, (2, 6)), x, 1, Probes(3))
    assert value.requires_grad
    assert not error.requires_grad
    for row in range(2):
        one = estimated(lambda p, row=row: net(p)[:, 6 * row : 6 * row + 6], x, 1, Probes(3))
        torch.testing.assert_close(value[:, row], one.value)
        torch.testing.assert_close(error[:, row], one.error)
    assert torch.equal(estimated(net[:1], x, 1, Probes(6)).error, torch.zeros(5).double())


@pytest.mark.parametrize(
    ("settings", "text"), [({}, "and 1 probe is asked"), ({"count": 4, "pair": True}, "two est")]
)
def test_a_standard_error_needs_the_probes_of_one_estimate(settings, text):
    with pytest.raises(ValueError, match=f"{text}.*give Probes.count=2. or more, without pair"):
        estimated(linear, points(4, 6), 1, Probes(**settings))


@pytest.mark.parametrize("d", [2, 5, 8, 13])
def test_columns_are_orthogonal_signs_and_every_set_is_as_likely(d):
    n = 1 << math.ceil(math.log2(d))
    whole = hadamard(torch.arange(n), n).double()
    assert torch.equal(whole @ whole.mT, n * torch.eye(n).double())
    assert torch.equal(hadamard(torch.arange(n), d).double(), whole[:, :d])
    chosen = columns((7000,), 3, 8, torch.Generator().manual_seed(d)).sort(0).values
    sets, counts = chosen.mT.unique(dim=0, return_counts=True)
    assert len(sets) == math.comb(8, 3)
    assert (sets.diff() > 0).all()
    assert ((counts - 125).abs() < 4.5 * 125**0.5).all()


def test_mean_over_seeds_at_each_point_of_a_network():
    net, x = network(), points(5, 3)
    found = torch.stack([hutchinson(net, x, seed, Probes(2)).detach() for seed in range(300)])
    standard_error = found.std(0) / 300**0.5
    assert ((found.mean(0) - trace(net, x)).abs() < 4 * standard_error).all()


def test_rademacher_probes_are_exact_for_a_diagonal_jacobian():
    x = points(7, 3)
    found = hutchinson(torch.sin, x, 0, Probes())
    torch.testing.assert_close(found, torch.cos(x).sum(-1))
    gaussian = hutchinson(torch.sin, x, 0, Probes(distribution="gaussian"))
    assert (gaussian - found).abs().min() > 1e-3


@each_distribution
def test_the_square_of_an_estimate_is_biased_and_the_product_of_a_pair_is_not(distribution):
    n, exact = 40_000, MATRIX.trace() ** 2
    x = points(n, 6)
    square = hutchinson(linear, x, 2, Probes(distribution=distribution)).square()
    product = hutchinson(linear, x, 3, Probes(distribution=distribution, pair=True)).prod(0)
    assert (product.mean() - exact).abs() < 4 * product.std() / n**0.5
    biased = exact + variance(distribution)
    assert (square.mean() - biased).abs() < 4 * square.std() / n**0.5
    assert biased - exact > 40 * square.std() / n**0.5


def test_a_pair_is_two_estimates_of_as_many_probes():
    x = points(20_000, 6)
    first, second = hutchinson(linear, x, 5, Probes(4, pair=True))
    for estimate in (first, second):
        torch.testing.assert_close(estimate.var(), variance("rademacher", 4), rtol=0.06, atol=0)
    assert torch.corrcoef(torch.stack((first, second)))[0, 1].abs() < 4 / 20_000**0.5


@each_distribution
def test_the_seed_is_all_that_counts(distribution):
    net, x = network(), points(6, 3)

    def estimate(step, rank):
        seed = stream_seed(7, step, rank, "divergence")
        return hutchinson(net, x, seed, Probes(2, distribution))

    state = torch.get_rng_state()
    found = estimate(3, 0)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert torch.equal(estimate(3, 0), found)
    for step, rank in ((4, 0), (3, 1)):
        assert (estimate(step, rank) - found).abs().median() > 1e-6  # of few signs some are equal


def test_each_point_and_probe_has_its_own_vector():
    z = probe_vectors((50,), 3, 0, Probes(4, "gaussian"))
    assert z.shape == (1, 4, 50, 3)
    assert len(torch.unique(z)) == z.numel()
    for probes in (Probes(), Probes(2, pair=True)):
        signs = probe_vectors((5000,), 4, 0, probes).double()
        assert set(signs.unique().tolist()) == {-1, 1}
        assert (signs.mean(2).abs() < 4.5 / 5000**0.5).all()
        entries = signs[:, 0].movedim(1, -1).flatten(0, 1)  # of both estimates
        assert (torch.corrcoef(entries) - torch.eye(len(entries))).abs().max() < 4.5 / 5000**0.5


@each_distribution
def test_parameter_gradients_are_those_of_the_same_estimate(distribution):
    net, x, seed = network(), points(6, 3), 11
    z = probe_vectors((6,), 3, seed, Probes(2, distribution))[0].double()
    at = x.clone().requires_grad_()
    y = net(at)
    rows = [torch.autograd.grad((y * k).sum(), at, create_graph=True)[0] for k in z]
    exact = torch.stack([(row * k).sum(-1) for row, k in zip(rows, z, strict=True)]).mean(0)
    found = hutchinson(net, x, seed, Probes(2, distribution))
    torch.testing.assert_close(found, exact)
    settle = {"allow_unused": True, "materialize_grads": True}
    ours = torch.autograd.grad(found.square().sum(), net.parameters(), **settle)
    theirs = torch.autograd.grad(exact.square().sum(), net.parameters(), **settle)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dims", [(0, 2), (2, 0)])
@pytest.mark.parametrize("count", [1, 3])
def test_chosen_coordinates(dims, count):
    net, x = network(3, outputs=2), points(2, 4, 3)
    z = probe_vectors((2, 4), 2, 1, Probes(count, "gaussian", pair=True)).flatten(0, 1)
    at = x.clone().requires_grad_()
    y = net(at)
    rows = [torch.autograd.grad((y * k).sum(), at, retain_graph=True)[0] for k in z]
    terms = [(row[..., list(dims)] * k).sum(-1) for row, k in zip(rows, z, strict=True)]
    exact = torch.stack(terms).unflatten(0, (2, count)).mean(1)
    torch.testing.assert_close(
        hutchinson(net, x, 1, Probes(count, "gaussian", pair=True), dims), exact
    )


@pytest.mark.parametrize("lead", [(), (0,), (1,), (2, 3)])
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_any_shape_in_any_grad_mode(lead, mode):
    net = network()
    exact = hutchinson(net, points(*lead, 3), 4, Probes()).detach()
    with mode():
        x = points(*lead, 3)
        found = hutchinson(net, x, 4, Probes())
        assert x.grad is None
    assert found.requires_grad == (mode is torch.enable_grad)
    torch.testing.assert_close(found.detach().clone(), exact)


def test_outputs_apart_and_constants():
    x = points(4, 3)

    def apart(p):
        return tuple(torch.sin(p[..., i]) for i in range(3))

    found = hutchinson(apart, x, 0, Probes())
    torch.testing.assert_close(found, torch.cos(x).sum(-1))
    zero = hutchinson(lambda p: torch.ones(p.shape).double(), x, 0, Probes())
    assert torch.equal(zero, torch.zeros(4).double())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_precision_of_the_points(dtype, tolerance):
    exact = hutchinson(network(), points(6, 3), 4, Probes())
    found = hutchinson(network().to(dtype), points(6, 3).to(dtype), 4, Probes())
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), exact, rtol=tolerance, atol=tolerance)


def test_components_that_do_not_fit():
    with pytest.raises(ValueError, match="f has 3 components and 2 are differentiated"):
        hutchinson(nn.Tanh(), points(4, 3), 0, Probes(), dims=(0, 1))
