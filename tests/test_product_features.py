"""Features that are made as products along the axes are those of the network."""

import math

import pytest
import torch
from test_patches import filled, points_in, tree

import pinn
from pinn.algebra.channels import Plan, bilaplace, every_channel
from pinn.derivatives.evaluate import evaluate
from pinn.networks import Patches, Polynomials, Ridges
from pinn.networks.local_features import exponents, number
from pinn.problems import Kovasznay, Poisson
from pinn.solution import product_sums
from pinn.solution.product_features import is_product, product_features
from pinn.solution.product_sums import product_jet

F64 = torch.float64


pytestmark = pytest.mark.usefixtures("double_precision")


def network(dimensions, degree=5):
    made = Patches(None, Polynomials(degree))
    made.lay(tree(dimensions, 6, dimensions), 2)
    made._built = ()
    return filled(made)


PLANS = {
    1: Plan(every_channel(1, (0,), 4)),
    2: Plan((*every_channel(2, (0, 1), 4), bilaplace((0, 1)))),
    3: Plan(every_channel(3, (0, 1), 3)),
    4: Plan(every_channel(4, (0, 1, 2), 2)),
}


@pytest.mark.parametrize("dimensions", PLANS)
def test_products_are_what_the_jets_of_the_features_are(dimensions):
    own, plan = network(dimensions), PLANS[dimensions]
    at = points_in(own.layout, 40)
    patch, _ = own.seen(at)
    jet = evaluate(lambda x: own.local(x, patch).flatten(-2), at, plan, "taylor")
    expected = torch.stack([jet.value, *map(jet.stream, plan.channels)])
    found = product_features(own, at, patch, plan)
    size = expected.abs().amax((1, 2), keepdim=True)
    torch.testing.assert_close(found / size, expected / size, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dimensions", PLANS)
def test_values_and_derivatives_are_those_of_the_network(dimensions):
    own, plan = network(dimensions), PLANS[dimensions]
    at = points_in(own.layout, 60)
    expected, found = evaluate(own, at, plan, "taylor"), product_jet(own, at, plan)
    for channel in plan.channels:
        size = float(expected.stream(channel).detach().abs().max())
        torch.testing.assert_close(
            found.stream(channel), expected.stream(channel).detach(), rtol=1e-10, atol=1e-12 * size
        )
    torch.testing.assert_close(found.value, expected.value.detach())


def test_few_points_at_a_time_give_the_same(monkeypatch):
    own, plan = network(3), PLANS[3]
    at = points_in(own.layout, 60)
    whole = product_jet(own, at, plan)
    monkeypatch.setattr(product_sums, "NUMBERS", 2000)
    monkeypatch.setattr(product_sums, "POINTS", 17)
    parts = product_jet(own, at, plan)
    torch.testing.assert_close(parts.value, whole.value, rtol=1e-13, atol=1e-13)
    for channel in plan.channels:
        size = float(whole.stream(channel).abs().max())
        torch.testing.assert_close(
            parts.stream(channel), whole.stream(channel), rtol=0, atol=1e-13 * size
        )


@pytest.mark.parametrize("dimensions", PLANS)
def test_no_points_and_no_places_have_no_values(dimensions):
    own, plan = network(dimensions), PLANS[dimensions]
    assert product_jet(own, torch.empty(0, dimensions), plan).value.shape == (0, 2)
    nowhere = product_jet(own, torch.full((3, dimensions), math.nan), plan)
    assert bool(nowhere.value.isnan().all())


@pytest.mark.parametrize("dimensions", PLANS)
def test_the_patches_of_a_point_are_found_alike(dimensions):
    own = network(dimensions)
    at = points_in(own.layout, 200)
    patch, counts = own.seen(at)
    assert torch.equal(own.windows.members(at), torch.where(counts, patch, -1))


def test_other_features_are_no_products():
    ridges = Patches(None, Ridges(4))
    ridges.lay(tree(2, 2, 0), 1)
    single = network(2).to(torch.float32)
    assert [is_product(n) for n in (ridges, single, network(2))] == [False, False, True]


class Doubled(Patches):
    """A network of a user's own."""

    def forward(self, x):
        return 2 * super().forward(x)


def changed_networks():
    own = Doubled(None, Polynomials(3))
    own.lay(tree(2, 2, 0), 1)
    yield "a subclass", own
    hooked = network(2)
    hooked.register_forward_hook(lambda module, x, y: 2 * y)
    yield "a hook", hooked
    replaced = network(2)
    replaced.value = lambda x: 2 * x
    yield "a method of the object", replaced
    normed = network(2)
    torch.nn.utils.parametrizations.weight_norm(normed.output)
    yield "a parametrization", normed


def test_what_a_user_has_changed_is_not_passed_over():
    assert {name: is_product(own) for name, own in changed_networks()} == {
        "a subclass": False,
        "a hook": False,
        "a method of the object": False,
        "a parametrization": False,
    }


def test_what_only_refuses_an_export_is_no_change():
    solution = pinn.Solution(Kovasznay(), Patches(None, Polynomials(3)))  # the pressure has a gauge
    network = solution.networks["all"].double()
    assert network._forward_pre_hooks
    assert is_product(network)


def test_a_solution_evaluates_a_hook():
    solution = pinn.Solution(Poisson(), Patches(None, Polynomials(3)))
    filled(solution.networks["all"])
    before = solution([[0.3, 0.4]])["u"]
    solution.networks["all"].register_forward_hook(lambda module, x, y: 2 * y)
    assert solution([[0.3, 0.4]])["u"].item() == pytest.approx(2 * before.item())


@pytest.mark.parametrize("lost", [math.nan, math.inf, -math.inf])
def test_what_is_no_place_has_no_value(lost):
    own = network(2)
    at = points_in(own.layout, 5)
    at[3, 1] = lost
    with torch.no_grad():
        expected = evaluate(own, at, PLANS[2], "taylor")
    found = product_jet(own, at, PLANS[2])
    assert found.value[3].isnan().all()
    assert expected.value[3].isnan().all()
    torch.testing.assert_close(found.value[:3], expected.value[:3])


def test_degrees_along_each_axis():
    features = Polynomials([4, 2])
    features.build(3, 2)
    expected = [(a, b) for a in range(5) for b in range(3) if a / 4 + b / 2 <= 1]
    assert sorted(map(tuple, features.exponents)) == sorted(expected)
    assert number((4, 2)) == len(expected) == features.count
    assert list(exponents((3, 3))) == [(a, b) for a in range(4) for b in range(4 - a)]


def test_too_few_degrees_are_one_line():
    with pytest.raises(ValueError, match="give one, or one for each of the 3 coordinates"):
        Polynomials([4, 2]).build(1, 3)
