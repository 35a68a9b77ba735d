"""Functions whose points see each other are refused."""

import copy

import pytest
import torch
from torch import nn

from pinn.independence import CoupledPointsError
from pinn.operators import Divergence, divergence

STRATEGIES = ["auto", "taylor", "vmap", "loop"]
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


def points(*shape, dtype=torch.float64):
    return torch.rand(shape, generator=torch.Generator().manual_seed(5), dtype=dtype) + 0.3


def network(inputs=3, outputs=None, activation=nn.Tanh):
    torch.manual_seed(4)
    outputs = inputs if outputs is None else outputs
    layers = nn.Linear(inputs, 6), activation(), nn.Linear(6, 6), activation()
    return nn.Sequential(*layers, nn.Linear(6, outputs)).double()


def trace(f, x, dims=None, components=None):
    """Σ ∂f_c/∂x_i of each point by `torch.autograd.functional.jacobian`, with its graph."""
    dims = range(x.shape[-1]) if dims is None else dims
    components = range(len(dims)) if components is None else components
    found = []
    for point in x.reshape(-1, x.shape[-1]):
        jacobian = torch.autograd.functional.jacobian(f, point, create_graph=True)
        terms = [jacobian[c, i] for c, i in zip(components, dims, strict=True)]
        found.append(torch.stack(terms).sum())
    return torch.stack(found).reshape(x.shape[:-1]) if found else x.new_zeros(x.shape[:-1])


def assert_exact(f, x, strategy="auto", same=None, **settings):
    """Value and, where f is a module, parameter gradient."""
    found = Divergence(strategy, **settings)(f, x)
    exact = trace(same or f, x, **settings)
    assert found.dtype == x.dtype
    assert found.shape == x.shape[:-1]
    torch.testing.assert_close(found, exact, rtol=1e-11, atol=1e-12)
    parameters = list(f.parameters()) if isinstance(f, nn.Module) else []
    if parameters and x.numel():
        weights = torch.linspace(0.5, 1.5, found.numel(), dtype=x.dtype).reshape(found.shape)
        settle = {"allow_unused": True, "materialize_grads": True}
        ours = torch.autograd.grad((found * weights).sum(), parameters, **settle)
        theirs = torch.autograd.grad((exact * weights).sum(), parameters, **settle)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


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
