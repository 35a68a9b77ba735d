"""Hutchinson's estimate: unbiased, of the variance that theory gives, and repeatable."""

import pytest
import torch
from oracle import network, points, trace
from torch import nn

from pinn.derivatives.hutchinson import Probes, hutchinson, probe_vectors
from pinn.geometry.sampling import stream_seed

each_distribution = pytest.mark.parametrize("distribution", ["rademacher", "gaussian"])
MATRIX = torch.tensor([[1.0, 2.0, -1.0], [0.5, -3.0, 0.3], [2.0, 0.7, 1.5]]).double()


def linear(x):
    """x ↦ Ax, whose Jacobian is A at every point."""
    return nn.functional.linear(x, MATRIX)


def variance(distribution):
    symmetric = (MATRIX + MATRIX.mT) / 2
    diagonal = symmetric.diagonal().square().sum() if distribution == "rademacher" else 0.0
    return 2 * (symmetric.square().sum() - diagonal)


@each_distribution
@pytest.mark.parametrize("probes", [1, 4])
def test_mean_and_variance(distribution, probes):
    n = 20_000
    found = hutchinson(linear, points(n, 3), 1, Probes(probes, distribution))
    expected = variance(distribution) / probes
    standard_error = (expected / n).sqrt()
    assert (found.mean() - MATRIX.trace()).abs() < 4 * standard_error
    torch.testing.assert_close(found.var(), expected, rtol=0.06, atol=0)


def test_mean_over_seeds_at_each_point_of_a_network():
    net, x = network(), points(5, 3)
    found = torch.stack([hutchinson(net, x, seed, Probes(8)).detach() for seed in range(300)])
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
    x = points(n, 3)
    square = hutchinson(linear, x, 2, Probes(distribution=distribution)).square()
    product = hutchinson(linear, x, 3, Probes(distribution=distribution, pair=True)).prod(0)
    assert (product.mean() - exact).abs() < 4 * product.std() / n**0.5
    biased = exact + variance(distribution)
    assert (square.mean() - biased).abs() < 4 * square.std() / n**0.5
    assert biased - exact > 40 * square.std() / n**0.5


def test_a_pair_is_two_estimates_of_as_many_probes():
    x = points(20_000, 3)
    first, second = hutchinson(linear, x, 5, Probes(4, pair=True))
    for estimate in (first, second):
        torch.testing.assert_close(estimate.var(), variance("rademacher") / 4, rtol=0.06, atol=0)
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
        assert (estimate(step, rank) - found).abs().min() > 1e-6


def test_each_point_and_probe_has_its_own_vector():
    z = probe_vectors((4, 50, 3), "gaussian", 0)
    assert len(torch.unique(z)) == z.numel()
    signs = probe_vectors((4, 5000), "rademacher", 0)
    assert set(signs.unique().tolist()) == {-1, 1}
    assert signs.double().mean().abs() < 4 / 20_000**0.5


@each_distribution
def test_parameter_gradients_are_those_of_the_same_estimate(distribution):
    net, x, seed = network(), points(6, 3), 11
    z = probe_vectors((2, 6, 3), distribution, seed).double()
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
    z = probe_vectors((2 * count, 2, 4, 2), "rademacher", 1).double()
    at = x.clone().requires_grad_()
    y = net(at)
    rows = [torch.autograd.grad((y * k).sum(), at, retain_graph=True)[0] for k in z]
    terms = [(row[..., list(dims)] * k).sum(-1) for row, k in zip(rows, z, strict=True)]
    exact = torch.stack(terms).unflatten(0, (2, count)).mean(1)
    torch.testing.assert_close(hutchinson(net, x, 1, Probes(count, pair=True), dims), exact)


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
