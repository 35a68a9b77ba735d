"""The divergence by random probes: seeded, resumable, and never chosen by itself."""

import pytest
import torch
from oracle import network, points, trace

from pinn.operators import Probes
from pinn.operators.divergence import Divergence


def estimate(**settings):
    return Divergence("hutchinson", probes=Probes(**settings))


@pytest.mark.parametrize("distribution", ["rademacher", "gaussian"])
def test_the_mean_of_many_calls_is_the_divergence(distribution):
    net, x = network(), points(4, 3)
    div = estimate(count=64, distribution=distribution)
    with torch.no_grad():
        mean = torch.stack([div(net, x) for _ in range(200)]).mean(0)
    torch.testing.assert_close(mean, trace(net, x).detach(), rtol=0, atol=0.02)


def test_calls_differ_and_follow_from_the_seed():
    net, x = network(), points(4, 3)
    one, same, other = estimate(), estimate(), estimate(seed=1)
    first, second = one(net, x), one(net, x)
    assert not torch.equal(first, second)
    assert torch.equal(first, same(net, x))
    assert not torch.equal(first, other(net, x))


def test_a_resumed_operator_goes_on_where_it_was():
    net, x = network(), points(4, 3)
    one, resumed = estimate(), estimate()
    one(net, x)
    resumed.load_state_dict(one.state_dict())
    assert torch.equal(one(net, x), resumed(net, x))
    assert Divergence().state_dict() == {}


def test_a_pair_has_two_independent_estimates():
    net, x = network(), points(4, 3)
    pair = estimate(pair=True)(net, x)
    assert tuple(pair.shape) == (2, 4)
    assert not torch.equal(*pair)


def test_a_value_comes_with_its_standard_error():
    net, x = network(5), points(40, 5)
    one, same = estimate(count=3), estimate(count=3)
    value, error = one.estimate(net, x)
    assert torch.equal(value, same(net, x))
    assert one.calls == same.calls == 1
    within = ((value - trace(net, x)).abs() < 3 * error).double().mean()
    assert 0.5 < within < 1
    assert error.mean() > 1e-2
    arrays = estimate(count=3).estimate(net, x.numpy())
    assert torch.equal(torch.from_numpy(arrays.value), value)
    assert torch.equal(torch.from_numpy(arrays.error), error)
    with pytest.raises(ValueError, match="strategy 'loop' is exact"):
        Divergence("loop").estimate(net, x)
    with pytest.raises(ValueError, match="1 probe is asked for"):
        estimate().estimate(net, x)


def test_dims_and_components_are_those_of_the_exact_one():
    def f(x):
        return torch.stack((x[:, 0] ** 2, x[:, 1] ** 3, x[:, 2]), dim=-1)

    x = points(4, 3)
    div = Divergence("hutchinson", dims=(0, 1), components=(0, 1))
    torch.testing.assert_close(div(f, x), 2 * x[:, 0] + 3 * x[:, 1] ** 2)  # J is diagonal


def test_no_exact_strategy_is_an_estimate():
    net, x = network(), points(40, 3)
    assert "hutchinson" not in {row["strategy"] for row in Divergence().explain(net, x).table}
    assert Divergence("hutchinson").choice(net, x).reason == "asked for"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"count": 0}, "probes.count is 0: expected at least 1"),
        ({"distribution": "gauss"}, "unknown distribution 'gauss': did you mean 'gaussian'"),
    ],
)
def test_settings_of_probes_that_make_no_sense(settings, text):
    with pytest.raises(ValueError, match=text):
        Probes(**settings)
