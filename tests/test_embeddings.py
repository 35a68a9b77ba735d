"""Embeddings: Fourier and periodic features against their formulas."""

import math

import pytest
import torch
from domain import DOMAIN, FLOAT, built, points

from pinn.geometry import Rectangle
from pinn.networks import MLP, FourierFeatures, Periodic, Polar
from pinn.networks.embeddings import Graded

# --- Fourier features


def test_fourier_features_are_the_formula():
    embedding = FourierFeatures(count=6, scale=1.5, seed=4)
    assert embedding.build(DOMAIN) == 12
    embedding.to(FLOAT)
    generator = torch.Generator().manual_seed(4)
    b = 1.5 * torch.randn(6, 3, generator=generator, dtype=FLOAT)
    x = points()
    lower, upper = (torch.tensor(side, dtype=FLOAT) for side in (DOMAIN.lower, DOMAIN.upper))
    scaled = 2 * (x - lower) / (upper - lower) - 1
    phase = 2 * math.pi * torch.einsum("kd,nd->nk", b, scaled)
    expected = torch.cat([phase.sin(), phase.cos()], -1)
    torch.testing.assert_close(embedding(x), expected, rtol=1e-12, atol=1e-12)


def test_fourier_features_leave_the_global_generator_alone():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    FourierFeatures(count=8).build(DOMAIN)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"count": 0}, "FourierFeatures count is 0: expected at least 1"),
        ({"scale": 0.0}, "positive scale, got 0.0"),
        ({"scale": math.nan}, "positive scale, got nan"),
    ],
)
def test_fourier_features_refuse(arguments, text):
    with pytest.raises(ValueError, match=text):
        FourierFeatures(**arguments)


# --- periodic features


def test_periodic_features_are_the_formula():
    embedding = Periodic({"t": 7.0, "x": 1.5}, harmonics=2)
    assert embedding.build(DOMAIN) == 9
    embedding.to(FLOAT)
    x = points()
    waves = [2 * math.pi * k * x[:, i] / p for i, p in ((2, 7.0), (0, 1.5)) for k in (1, 2)]
    y = (x[:, 1] - 2.15) / 0.15
    expected = torch.stack([w.cos() for w in waves] + [w.sin() for w in waves] + [y], -1)
    torch.testing.assert_close(embedding(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "period"), [("x", 1.5), ("y", 0.3), ("t", 0.7)])
def test_a_periodic_network_repeats_with_its_gradient(name, period):
    network = built(MLP(width=16, depth=2, embedding=Periodic({name: period}, harmonics=3)))
    x = points().requires_grad_()
    shift = torch.zeros(3, dtype=FLOAT)
    shift[DOMAIN.coordinates.index(name)] = period
    shifted = (x.detach() + shift).requires_grad_()
    torch.testing.assert_close(network(x), network(shifted), rtol=0, atol=1e-12)
    (gradient,) = torch.autograd.grad(network(x).sum(), x)
    (again,) = torch.autograd.grad(network(shifted).sum(), shifted)
    torch.testing.assert_close(gradient, again, rtol=1e-11, atol=1e-11)
    half = network(x.detach() + 0.37 * shift)
    assert (half - network(x)).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"periods": {}}, "at least one period"),
        ({"periods": {"x": -1.0}}, "positive period of x, got -1.0"),
        ({"periods": {"x": math.inf}}, "positive period of x, got inf"),
        ({"periods": {"x": 1.0}, "harmonics": 0}, "Periodic harmonics is 0: expected at least 1"),
    ],
)
def test_periodic_refuses(arguments, text):
    with pytest.raises(ValueError, match=text):
        Periodic(**arguments)


def test_periodic_refuses_an_unknown_coordinate_at_build():
    network = MLP(embedding=Periodic({"z": 1.0}))
    with pytest.raises(ValueError, match="unknown coordinate 'z': known: x, y, t"):
        network.build(DOMAIN, 1)


def test_graded_coordinates_are_steeper_at_the_walls():
    graded = Graded(0.97).double()
    graded.build(Rectangle(x=(1, 3), y=(0, 1)))
    graded.double()
    x = torch.tensor([1.0, 1.5, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    found = graded(torch.stack([x, torch.full_like(x, 0.5)], 1))
    assert found[:, 1].tolist() == [0.0] * 4
    half = math.asin(0.97 / 2) / math.asin(0.97)
    assert found[:, 0].tolist() == pytest.approx([-1.0, -half, 0.0, 1.0], rel=1e-12, abs=1e-12)
    (slope,) = torch.autograd.grad(found.sum(), x)
    assert float(slope[0] / slope[2]) == pytest.approx(1 / math.sqrt(1 - 0.97**2), rel=1e-12)


# --- polar coordinates


def test_polar_coordinates_about_corners_are_the_formula():
    polar = Polar([[0.0, 1.0], [2.0, 0.5]], core=0.2)
    assert polar.build(Rectangle(x=(-1, 5), y=(0, 2), time=(0, 4))) == 9
    polar.to(FLOAT)
    x = torch.tensor([[-1.0, 2.0, 0.0], [0.3, 0.9, 1.0], [5.0, 0.0, 4.0]], dtype=FLOAT)
    expected = [x[:, 0] - 2, x[:, 1] - 1, x[:, 2] / 2 - 1]  # half of the shortest side is 1
    for (a, b), farthest in (((0.0, 1.0), math.hypot(5, 1)), ((2.0, 0.5), math.hypot(3, 1.5))):
        r = ((x[:, 0] - a) ** 2 + (x[:, 1] - b) ** 2 + 0.2**2).sqrt()
        middle = math.sqrt(0.2 * math.hypot(farthest, 0.2))
        expected += [(r / middle).log(), (x[:, 0] - a) / r, (x[:, 1] - b) / r]
    torch.testing.assert_close(polar(x), torch.stack(expected, 1), rtol=1e-12, atol=1e-12)


def test_polar_features_stay_within_their_extents():
    polar = Polar([[0.4, -0.2]])
    geometry = Rectangle(x=(-1, 9), y=(-1, 1))
    polar.build(geometry)
    polar.to(FLOAT)
    at = torch.cat([geometry.sample("interior", 4000).at, torch.tensor([[0.4, -0.2]]).double()])
    largest = polar(torch.cat([at, geometry.grid(2)])).abs().amax(0)
    assert (largest <= torch.tensor(polar.extents) + 1e-12).all()
    # Both ends of x, y and ln r are reached.
    torch.testing.assert_close(largest[:3], torch.tensor(polar.extents[:3], dtype=FLOAT))


def test_units_of_a_spread_layer_bend_in_all_of_a_long_channel():
    torch.manual_seed(0)
    network = built(MLP(400, 1, spread=1.0, embedding=Polar([[0.4, 0.2]])), Rectangle(x=(0, 20)))
    layer = network.hidden[0].requires_grad_(False)
    assert float(layer.weight.abs().max()) <= 1
    # b = −w·c with c within the extents: 20 half-heights along the channel.
    extents = torch.tensor(network.embedding.extents, dtype=FLOAT)
    assert bool((layer.bias.abs() <= layer.weight.abs() @ extents).all())
    assert float(layer.bias.abs().max()) > 5


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"core": 0.0}, "Polar needs a positive core, got 0.0"),
        ({"about": []}, "about is an empty list"),
    ],
)
def test_polar_refuses(arguments, text):
    with pytest.raises(ValueError, match=text):
        Polar(**arguments)


@pytest.mark.parametrize(
    ("about", "text"),
    [
        (None, "Polar finds no hole with a name"),
        (["left"], "'left' is not the boundary of one hole"),
        (["boundary"], "'boundary' is not the boundary of one hole"),
        (["interior"], "'interior' is not the boundary of one hole"),
        (["cylinder"], "unknown region 'cylinder'"),
        ([[1.0, 2.0, 3.0]], "has to be 2 numbers, a position"),
        ([[1.0, math.nan]], "has to be 2 numbers, a position"),
    ],
)
def test_polar_refuses_what_is_no_hole(about, text):
    with pytest.raises(ValueError, match=text):
        Polar(about).build(Rectangle())
