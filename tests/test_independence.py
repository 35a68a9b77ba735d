"""Functions whose points see each other are refused."""

import copy
from functools import partial

import pytest
import torch
from oracle import assert_exact, each_strategy, network, points, trace
from torch import nn

from pinn.checking.independence import CoupledPointsError
from pinn.checking.samples import trial
from pinn.operators.divergence import Divergence, divergence


class Attention(nn.Module):
    def forward(self, x):
        return torch.softmax(x @ x.mT, dim=-1) @ x


COUPLED = {
    "mean": lambda x: x - x.mean(0),
    "softmax": lambda x: torch.softmax(x, dim=0),
    "neighbour": lambda x: x * torch.roll(x, 1, dims=0),
    "norm of the batch": lambda x: x / x.norm(),
    "random": lambda x: x + torch.rand_like(x),
    "functional dropout": lambda x: nn.functional.dropout(x, 0.5),
}


@each_strategy
@pytest.mark.parametrize("name", COUPLED)
def test_coupled_points_are_refused(strategy, name):
    torch.manual_seed(0)
    with pytest.raises(CoupledPointsError, match="not pointwise"):
        divergence(COUPLED[name], points(16, 3), strategy)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_coupling_is_seen_in_any_precision(dtype):
    with pytest.raises(CoupledPointsError):
        divergence(COUPLED["mean"], points(16, 3).to(dtype))
    assert divergence(network().to(dtype), points(40, 3).to(dtype)).isfinite().all()


@pytest.mark.parametrize("size", [1e-7, 1e-3])
def test_weak_coupling_is_seen_in_single_precision(size):
    net = network().float()

    def nearly(x):
        return net(x) + size * x.mean(0)

    with pytest.raises(CoupledPointsError, match=f"change by .*e-0{'8' if size < 1e-5 else '4'}"):
        divergence(nearly, points(16, 3).float())


def test_weak_coupling_does_not_hide_behind_large_values():
    def uneven(x):
        return torch.stack((1e8 * torch.sin(x[..., 0]), x[..., 1] * x[..., 1].mean()), dim=-1)

    with pytest.raises(CoupledPointsError):
        divergence(uneven, points(16, 2).float())


@pytest.mark.parametrize("n", [2, 3, 40])
def test_coupling_is_seen_in_any_number_of_points(n):
    with pytest.raises(CoupledPointsError):
        divergence(COUPLED["mean"], points(n, 3))


@each_strategy
@pytest.mark.parametrize("shape", [(4, 5, 3), (1, 5, 3), (4, 2, 3)])
def test_attention_over_the_second_axis_is_refused(strategy, shape):
    with pytest.raises(CoupledPointsError, match="not pointwise"):
        divergence(Attention(), points(*shape), strategy)


def test_coupling_through_closed_over_tensors_is_refused():
    t = points(6, 1)
    with pytest.raises(CoupledPointsError):
        divergence(lambda x: (x - x.mean(0)) * t, points(6, 3))


@each_strategy
@pytest.mark.parametrize("track", [True, False])
def test_batch_norm_is_refused_in_training_and_untouched(strategy, track):
    net = nn.Sequential(network(), nn.BatchNorm1d(3, track_running_stats=track).double())
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(CoupledPointsError, match="BatchNorm1d '1' mixes the points"):
        divergence(net, points(5, 3), strategy)
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize("strategy", ["auto", "vmap", "loop"])
def test_batch_norm_in_evaluation(strategy):
    net = nn.Sequential(network(), nn.BatchNorm1d(3).double())
    net(points(20, 3))
    net.eval()
    found = divergence(net, points(5, 3), strategy)
    slope = net[1].weight / (net[1].running_var + net[1].eps).sqrt()
    torch.testing.assert_close(found, trace(lambda x: net[0](x) * slope, points(5, 3)))


@each_strategy
def test_dropout_is_refused_in_training(strategy):
    net = nn.Sequential(network(), nn.Dropout(0.1), nn.Linear(3, 3).double())
    with pytest.raises(CoupledPointsError, match="Dropout '1' draws new random numbers"):
        divergence(net, points(1, 3), strategy)
    net[1].p = 0.0
    assert divergence(net, points(1, 3), "loop").isfinite().all()


@pytest.mark.parametrize("strategy", ["auto", "vmap", "loop"])
def test_dropout_in_evaluation(strategy):
    net = nn.Sequential(network(), nn.Dropout(0.5), nn.Linear(3, 3).double())
    assert_exact(net.eval(), points(5, 3), strategy)


@each_strategy
def test_modules_in_a_closure_are_found(strategy):
    net = nn.Sequential(network(), nn.BatchNorm1d(3).double())
    before = copy.deepcopy(net.state_dict())
    for f in (lambda x: net(x), net.forward, (lambda inner: lambda x: inner(x))(net.forward)):
        with pytest.raises(CoupledPointsError, match="BatchNorm1d '1' mixes the points"):
            divergence(f, points(5, 3), strategy)
    assert torch.equal(net[1].running_mean, before["1.running_mean"])


def test_switching_to_training_is_noticed():
    net = nn.Sequential(network(), nn.Dropout(0.5)).eval()
    div = Divergence()
    div(net, points(5, 3))
    net[1].train()  # the outer module stays in evaluation mode
    with pytest.raises(CoupledPointsError, match="Dropout"):
        div(net, points(5, 3))


@pytest.mark.parametrize("strategy", ["auto", "vmap", "loop"])
@pytest.mark.parametrize("layer", [nn.LayerNorm(3), nn.GroupNorm(1, 3), nn.RMSNorm(3)])
def test_normalisation_of_each_point_is_exact(strategy, layer):
    net = nn.Sequential(network(), layer.double(), nn.Linear(3, 3).double())
    assert_exact(net, points(5, 3), strategy, same=lambda p: net(p[None])[0])


def test_an_infinite_value_elsewhere_is_no_coupling():
    x = points(6, 2)
    x[4] = 0
    found = divergence(lambda p: p / (p[..., :1] ** 2 + p[..., 1:] ** 2), x)
    assert torch.isnan(found[4])
    torch.testing.assert_close(found[:4], torch.zeros(4).double())


def test_a_network_wrapped_for_distributed_training_is_refused(tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    try:
        wrapped = nn.parallel.DistributedDataParallel(network())
        for f in (wrapped, nn.Sequential(wrapped)):
            with pytest.raises(CoupledPointsError, match="wrapped in DistributedDataParallel"):
                divergence(f, points(5, 3))
        assert divergence(wrapped.module, points(5, 3)).shape == (5,)
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("module", [nn.Dropout(0.5), nn.BatchNorm1d(2, dtype=torch.float64)])
def test_modules_inside_a_partial_are_found(module):
    with pytest.raises(CoupledPointsError, match=type(module).__name__):
        divergence(partial(torch.sub, module, alpha=0.5), points(16, 2))


def test_a_partial_is_tried_in_double_precision():
    """Rounding of single precision would hide a tenth of a thousandth in the weights' gradient."""
    net = network(3, 2).float()

    def velocity(net, x, t):
        return net(torch.cat([x, t.expand(len(x), 1)], -1))

    copy, at = trial(partial(velocity, net, t=torch.tensor(0.5)), points(16, 2).float())
    assert copy(at).dtype == torch.float64
    expected = velocity(net, at.float(), torch.tensor(0.5)).double()
    torch.testing.assert_close(copy(at), expected, rtol=1e-5, atol=1e-6)
