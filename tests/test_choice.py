"""What the rule picks, and why; names and errors."""

import pytest
import torch
from oracle import choose, network, points
from torch import nn

from pinn.algebra.channels import Plan, first, laplace
from pinn.choosing.choice import Choice, obstacle_of, rule
from pinn.choosing.sample_step import Trial, some_components
from pinn.operators.divergence import Divergence

PLAN = Plan((first(0), first(1)))
X = torch.linspace(-1, 1, 16, dtype=torch.float64).reshape(8, 2)
FUSED = "every function of the network has a derivative rule"


@pytest.mark.parametrize(
    ("obstacle", "cuda", "processes", "strategy", "reason"),
    [
        (None, False, 1, "taylor", FUSED),
        (None, True, 1, "taylor", FUSED),
        (None, False, 4, "taylor", FUSED),
        (None, True, 4, "taylor", FUSED),
        ("relu has none", False, 1, "loop", "relu has none"),
        ("relu has none", False, 2, "vmap", "relu has none; 2 processes train together"),
        ("relu has none", True, 1, "vmap", "relu has none; on CUDA few launches count"),
        ("relu has none", True, 2, "vmap", "relu has none; on CUDA few launches count"),
    ],
)
def test_the_rule(obstacle, cuda, processes, strategy, reason):
    assert rule(obstacle, cuda, processes) == Choice(strategy, reason)


class NoRule(nn.Module):
    def forward(self, x):
        return torch.special.erfcx(x)


def net(*activations):
    torch.manual_seed(0)
    layers = [nn.Linear(2, 8)]
    for activation in activations:
        layers += [activation, nn.Linear(8, 8)]
    return nn.Sequential(*layers, nn.Linear(8, 2)).double()


@pytest.mark.parametrize("plan", [PLAN, Plan((laplace((0, 1)),))], ids=["first", "collapsed"])
@pytest.mark.parametrize(
    "activation", [nn.Tanh(), nn.SiLU(), nn.GELU(), nn.Softplus(), nn.Sigmoid()]
)
def test_smooth_networks_get_the_fused_pass(activation, plan):
    assert choose(net(activation), X, plan, "rule") == Choice("taylor", FUSED)
    assert choose(net(activation), X, plan, measure=False) == Choice("taylor", FUSED)


@pytest.mark.parametrize(
    ("f", "named"),
    [
        (net(NoRule()), "erfcx has no derivative rule"),
        (lambda x: torch.where(x > 0, x, -x), "comparison"),
    ],
    ids=["special", "comparison"],
)
def test_the_obstacle_is_named(f, named):
    choice = choose(f, X, PLAN, "rule")
    assert choice.strategy == "loop"
    assert choice.reason.startswith("no fused pass: ")
    assert named in choice.reason


class Doubled(torch.autograd.Function):
    """The identity with a slope of two, written with arithmetic only."""

    @staticmethod
    def forward(ctx, x):
        return x * 1.0

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


class Frozen(nn.Module):
    """A network whose graph is cut by `no_grad`: torch's derivative of it is zero."""

    def forward(self, x):
        with torch.no_grad():
            return torch.sin(x)


@pytest.mark.parametrize("f", [Doubled.apply, lambda x: Doubled.apply(x * x), Frozen()])
def test_numbers_that_differ_from_reverse_mode_are_an_obstacle(f):
    choice = choose(f, X, PLAN, "rule")
    assert choice.strategy == "loop"
    assert "differ from reverse mode" in choice.reason


def test_the_same_singularity_on_both_sides_is_no_obstacle():
    at_zero = torch.zeros(4, 2, dtype=torch.float64)
    assert choose(lambda x: 1 / x, at_zero, PLAN, "rule").strategy == "taylor"


def test_a_constant_of_another_precision_is_no_obstacle():
    assert choose(lambda x: torch.ones(x.shape[0], 2), X, PLAN, "rule").strategy == "taylor"


@pytest.mark.parametrize("strategy", ["taylor", "vmap", "loop"])
def test_a_named_strategy_is_the_users_own(strategy):
    assert choose(net(nn.Tanh()), X, PLAN, strategy) == Choice(strategy, "asked for")


@pytest.mark.parametrize("f", [Doubled.apply, net(NoRule())], ids=["wrong", "no rule"])
def test_a_named_strategy_that_does_not_serve_is_refused(f):
    with pytest.raises(ValueError, match="strategy 'taylor' was asked for, but no fused pass: "):
        choose(f, X, PLAN, "taylor")


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="unknown strategy 'tailor': did you mean 'taylor'"):
        choose(net(nn.Tanh()), X, PLAN, "tailor")


@pytest.mark.parametrize("lead", [(), (0,), (3, 2)])
def test_any_leading_shape_can_be_probed(lead):
    x = torch.rand(*lead, 2, dtype=torch.float64)
    assert choose(net(nn.Tanh()), x, PLAN, "rule").strategy == "taylor"


def test_only_a_few_points_are_tried():
    seen = []

    def f(x):
        seen.append(x.shape[0])
        return torch.sin(x)

    choose(f, torch.rand(1000, 2), PLAN, "rule")
    assert max(seen) <= 16


def test_per_point_data_is_probed_with_the_whole_batch():
    t = torch.linspace(0, 1, 8, dtype=torch.float64).unsqueeze(-1)
    assert choose(lambda x: torch.sin(x * t), X, PLAN, "rule").strategy == "taylor"


def test_an_error_of_the_function_is_the_users():
    def broken(x):
        raise KeyError("weights")

    with pytest.raises(KeyError, match="weights"):
        choose(broken, X, PLAN)


def of_a_trace(f, d):
    """The evaluation of a divergence in d dimensions."""
    return Trial(f, Plan(tuple(map(first, range(d)))), axes=tuple(range(d)))


def test_a_check_looks_at_a_few_components_others_each_time():
    torch.manual_seed(0)
    net, x = nn.Linear(70, 70).double(), points(3, 70)
    parts = [some_components(of_a_trace(net, 70), x) for _ in range(8)]
    assert {len(part.axes) for part in parts} <= {8, 9}
    assert {axis for part in parts for axis in part.axes} == set(range(70))
    for part in parts:
        torch.testing.assert_close(part.f(x), net(x)[:, list(part.axes)])
    apart = some_components(of_a_trace(lambda x: tuple(net(x).unbind(-1)), 70), x)
    torch.testing.assert_close(torch.stack(apart.f(x), -1), net(x)[:, list(apart.axes)])


def test_few_components_and_matrices_are_checked_whole():
    few = of_a_trace(network(3), 3)
    assert some_components(few, points(4, 3)) is few
    matrix = of_a_trace(lambda x: torch.cat([x, x], -1), 40)
    assert some_components(matrix, points(4, 40)) is matrix


@pytest.mark.parametrize("strategy", ["chain", "taylor"])
def test_a_few_components_show_a_custom_backward(strategy):
    x = points(4, 40)
    part = some_components(of_a_trace(lambda x: Doubled.apply(x * x), 40), x)
    assert "no " in obstacle_of(part, x, strategy)
    right = some_components(of_a_trace(lambda x: 2 * x, 40), x)
    assert obstacle_of(right, x, strategy) is None


@pytest.mark.parametrize("strategy", ["chain", "taylor"])
def test_a_new_number_is_checked_in_all_components(strategy):
    def flow(t, x):
        y = 2 * x
        return y if t < 1 else torch.cat([y[..., :-1], Doubled.apply(y[..., -1:])], -1)

    div, x = Divergence(strategy, argnum=1), points(4, 40)
    for t in (0.0, 0.5):
        torch.testing.assert_close(div(flow, t, x), torch.full((4,), 80.0).double())
    for t in (1.0, 2.0, 3.0, 4.0, 5.0):
        with pytest.raises(ValueError, match="differ from reverse mode"):
            div(flow, t, x)
