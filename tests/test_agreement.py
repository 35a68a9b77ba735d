"""A strategy is trusted after its numbers agree with reverse mode's, and not before."""

import copy

import pytest
import torch
from oracle import network, points
from torch import nn
from torch.utils.checkpoint import checkpoint

from pinn.algebra.channels import Plan, every_channel, first, laplace
from pinn.base.costs import Count
from pinn.checking.agreement import disagreement

GRADIENT = Plan((first(0), first(1), first(2)))
PLAN = Plan((first(0), first(1), laplace((0, 1, 2))))
X = points(50, 3)


def own(forward, backward):
    """An `autograd.Function` of one tensor with a backward of its own."""

    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx, gradient):
            return backward(ctx.saved_tensors[0], gradient)

    return Own.apply


SCALED = own(lambda x: x * 1.0, lambda x, g: 2 * g)
STRAIGHT_THROUGH = own(torch.sin, lambda x, g: g)
NEGATED = own(torch.tanh, lambda x, g: -g * (1 - torch.tanh(x) ** 2))
RIGHT = own(lambda x: x * x, lambda x, g: 2 * x * g)


class Between(nn.Module):
    """A function between two linear layers."""

    def __init__(self, function):
        super().__init__()
        torch.manual_seed(1)
        self.inner, self.outer = nn.Linear(3, 8), nn.Linear(8, 3)
        self.function = function

    def forward(self, x):
        return self.outer(self.function(self.inner(x)))


@pytest.mark.parametrize("strategy", ["taylor", "vmap", "loop"])
@pytest.mark.parametrize("activation", [nn.Tanh, nn.SiLU, nn.Softplus])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_smooth_networks_agree(strategy, activation, dtype):
    net = network(activation=activation).to(dtype)
    for plan in (Plan(), PLAN, Plan(every_channel(3, (0, 1, 2)))):
        assert disagreement(net, X.to(dtype), plan, strategy) is None


@pytest.mark.parametrize("plan", [GRADIENT, PLAN], ids=["first", "second"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("function", "what"),
    [
        (SCALED, "first derivatives"),
        (STRAIGHT_THROUGH, "first derivatives"),
        (NEGATED, "first derivatives"),
        (RIGHT, "parameter gradients"),  # its forward runs without a graph
    ],
    ids=["scaled", "straight through", "wrong sign", "right"],
)
def test_a_custom_backward_is_seen(function, what, plan, dtype):
    reason = disagreement(Between(function).to(dtype), X.to(dtype), plan, "taylor")
    assert reason == f"no fused pass: its {what} differ from reverse mode (a custom backward?)"


def test_a_function_for_the_loop_only_is_named():
    reason = disagreement(Between(RIGHT), X.float(), PLAN, "vmap")
    assert reason.startswith("no batched reverse pass: In order to use an autograd.Function")
    assert disagreement(Between(RIGHT), X.float(), PLAN, "loop") is None


class Branching(nn.Module):
    """Takes another branch where it is not given a tensor."""

    def __init__(self, factor):
        super().__init__()
        self.net, self.factor = network(), factor

    def forward(self, x):
        y = self.net(x)
        return y if isinstance(x, torch.Tensor) else self.factor * y


@pytest.mark.parametrize("factor", [2.0, 1 + 1e-6, -1.0])
def test_a_branch_on_the_type_is_seen(factor):
    for dtype in (torch.float64, torch.float32):  # compared in float64 either way
        reason = disagreement(Branching(factor).to(dtype), X.to(dtype), PLAN, "taylor")
        assert reason.startswith("no fused pass: its values differ")
    assert disagreement(Branching(factor), X, PLAN, "vmap") is None


class Forgetful(nn.Module):
    """The right numbers, but part of the parameter gradient is lost on a jet."""

    def __init__(self):
        super().__init__()
        self.net, self.scale = network(), nn.Parameter(torch.ones(3).double())

    def forward(self, x):
        scale = self.scale if isinstance(x, torch.Tensor) else self.scale.detach()
        return self.net(x) * scale


def test_a_lost_parameter_gradient_is_seen():
    reason = disagreement(Forgetful(), X, PLAN, "taylor")
    assert reason.startswith("no fused pass: its parameter gradients differ")


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("quantity", ["component", "direction"])
def test_small_quantities_do_not_hide_behind_large_ones(size, quantity):
    if quantity == "direction" and size == 1e-8:
        size = 1e-4  # ten orders below the other direction is within its rounding
    reason = disagreement(Uneven(quantity, size), X, GRADIENT, "taylor")
    assert reason.startswith("no fused pass: its first derivatives differ")


class Uneven(nn.Module):
    """10⁴ sin x and a small other part with the wrong slope, as components or as one sum."""

    def __init__(self, quantity, size):
        super().__init__()
        self.quantity, self.size = quantity, size

    def forward(self, x):
        large, small = 1e4 * torch.sin(x[..., 0]), self.size * SCALED(x[..., 1])
        return torch.stack((large, small) if self.quantity == "component" else (large + small,), -1)


def test_singular_points_neither_count_nor_hide_the_others():
    singular = points(50, 3)
    singular[0] = 0

    class Over(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x) / x

    for strategy in ("taylor", "vmap"):
        assert disagreement(Over(network()), singular, PLAN, strategy) is None
        assert disagreement(Over(network()), singular[:1], PLAN, strategy) is None
    assert "parameter gradients" in disagreement(Over(Forgetful()), singular, PLAN, "taylor")


def test_numbers_that_are_finite_in_reverse_mode_only_are_an_obstacle():
    class Spoilt(nn.Module):
        def forward(self, x):
            return torch.sin(x) if isinstance(x, torch.Tensor) else torch.sin(x) / 0

    assert "values differ" in disagreement(Spoilt(), X, PLAN, "taylor")


@pytest.mark.parametrize("lead", [(), (0,), (1,), (3, 2), (2, 3, 4), (4, 0)])
def test_any_leading_shape(lead):
    x = torch.rand(*lead, 3, dtype=torch.float64)
    assert disagreement(network(), x, PLAN, "taylor") is None
    assert disagreement(Branching(2.0), x, PLAN, "taylor") is not None


# Modules with a state of their own


def normalised(wrap):
    torch.manual_seed(3)
    return nn.Sequential(wrap(nn.Linear(3, 8)), nn.Tanh(), wrap(nn.Linear(8, 3)))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("strategy", ["taylor", "vmap"])
def test_spectral_norm_iterates_only_in_training(strategy, training):
    net = normalised(nn.utils.parametrizations.spectral_norm).train(training)
    before = copy.deepcopy(net.state_dict())
    assert disagreement(net, X.float(), PLAN, strategy) is None
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize("strategy", ["taylor", "vmap"])
@pytest.mark.parametrize("old", [False, True])
def test_weight_norm(strategy, old):
    if old:
        with pytest.warns(FutureWarning, match="weight_norm"):
            net = normalised(nn.utils.weight_norm)
        net(X.float())  # from now on it cannot be copied
        with pytest.raises(RuntimeError, match="deepcopy"):
            copy.deepcopy(net)
    else:
        net = normalised(nn.utils.parametrizations.weight_norm)
    assert disagreement(net, X.float(), PLAN, strategy) is None


def test_dropout_gives_other_numbers_every_time():
    net = nn.Sequential(network(), nn.Dropout(0.5))
    assert "values differ" in disagreement(net, X, GRADIENT, "vmap")
    assert disagreement(net.eval(), X, GRADIENT, "vmap") is None


def test_checkpoints_that_reverse_mode_can_use():
    net = Between(lambda h: checkpoint(torch.sin, h, use_reentrant=False))
    assert disagreement(net, X.float(), PLAN, "loop") is None
    assert disagreement(net, X.float(), PLAN, "taylor") is None
    assert "saved tensor hooks" in disagreement(net, X.float(), PLAN, "vmap")


def test_checkpoints_that_it_cannot_use():
    net = Between(lambda h: checkpoint(torch.sin, h, use_reentrant=True))
    with pytest.raises(RuntimeError, match="use_reentrant=False"):
        disagreement(net, X.float(), PLAN, "taylor")


@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # torch's own import
@pytest.mark.parametrize("strategy", ["taylor", "vmap", "loop"])
@pytest.mark.parametrize("part", ["whole", "inner"])
def test_compiled_networks_run_uncompiled(strategy, part):
    net = network()
    if part == "whole":
        net = torch.compile(net)
    else:
        net[2] = torch.compile(net[2])
    assert disagreement(net, X, PLAN, strategy) is None


# Side effects and cost


def test_no_trace_is_left():
    net, x = nn.Sequential(network(), nn.Dropout(0.5)), points(50, 3).requires_grad_()
    net[1].eval()
    state, modes = torch.get_rng_state(), [m.training for m in net.modules()]
    with torch.random.fork_rng():
        disagreement(lambda p: net(p) + 0 * torch.rand_like(p), x, PLAN, "taylor")
        assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in net.modules()] == modes
    assert x.grad is None
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_any_grad_mode(mode):
    with mode():
        x = points(50, 3)
        assert disagreement(network(), x, PLAN, "taylor") is None
        assert disagreement(Forgetful(), x, PLAN, "taylor") is not None
        assert not torch.is_grad_enabled()


def test_at_most_16_points_are_tried():
    seen = []

    def f(x):
        seen.append(x.shape[0])
        return torch.sin(x)

    disagreement(f, torch.rand(1000, 2), Plan((first(0),)), "vmap")
    assert seen
    assert max(seen) <= 16


def test_a_check_costs_a_fraction_of_an_evaluation():
    layers = [m for _ in range(5) for m in (nn.Linear(128, 128), nn.Tanh())]
    net = nn.Sequential(nn.Linear(2, 128), nn.Tanh(), *layers, nn.Linear(128, 3))
    plan, x = Plan((first(0), first(1), laplace((0, 1)))), torch.rand(10_000, 2)
    with Count() as forward:
        net(x)
    with Count() as check:
        assert disagreement(net, x, plan, "taylor") is None
    assert check.flops < 0.12 * forward.flops
    assert check.launches < 2500  # of some 20 µs each


def test_an_error_of_the_function_is_the_users():
    def broken(x):
        raise KeyError("weights")

    with pytest.raises(KeyError, match="weights"):
        disagreement(broken, X, PLAN, "taylor")


def test_the_obstacle_is_named():
    reason = disagreement(lambda x: torch.logcumsumexp(x, -1), X, PLAN, "taylor")
    assert reason == "no fused pass: torch.logcumsumexp has no derivative rule"


def test_large_weights_that_cancel_are_no_mistake():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 300), nn.Tanh(), nn.Linear(300, 1)).double()
    with torch.no_grad():  # of order 0.1 from weights of order 1e8, as least squares leaves them
        net[0].weight.mul_(2)
        features = torch.tanh(net[0](points(400, 3)))
        net[2].weight.copy_(1e9 * torch.linalg.svd(features)[2][-1:])
    assert disagreement(net, X, PLAN, "taylor") is None
    assert disagreement(nn.Sequential(net[0], Act(NEGATED), net[2]), X, PLAN, "taylor") is not None


class Act(nn.Module):
    """A function as a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)
