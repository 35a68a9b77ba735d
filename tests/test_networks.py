"""Networks: values by hand, precision, and what a Taylor jet can pass through."""

import copy
import math
import pickle

import pytest
import torch
from domain import DOMAIN, FLOAT, built, points
from jsonargparse import ArgumentParser
from torch import nn
from torch.overrides import TorchFunctionMode

from pinn.base.recipe import build, spec_of
from pinn.geometry import Box, Interval, Rectangle
from pinn.networks import MLP, Embedding, FourierFeatures, Network, Periodic, Polar
from pinn.networks.mlp import ACTIVATIONS

# --- MLP


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_mlp_is_the_formula(activation):
    network = built(MLP(width=5, depth=2, activation=activation))
    for bias in (layer.bias for layer in (*network.hidden, network.output)):
        nn.init.normal_(bias)
    sigma = {
        "tanh": lambda z: (z.exp() - (-z).exp()) / (z.exp() + (-z).exp()),
        "sin": lambda z: (1j * z).exp().imag,
        "silu": lambda z: z / (1 + (-z).exp()),
        "gelu": lambda z: 0.5 * z * (1 + torch.erf(z / math.sqrt(2))),
        "softplus": lambda z: (1 + z.exp()).log(),
        "sigmoid": lambda z: 1 / (1 + (-z).exp()),
    }[activation]
    x = points()
    lower, upper = (torch.tensor(side, dtype=FLOAT) for side in (DOMAIN.lower, DOMAIN.upper))
    h = 2 * (x - lower) / (upper - lower) - 1
    for layer in network.hidden:
        h = sigma(h @ layer.weight.T + layer.bias)
    expected = h @ network.output.weight.T + network.output.bias
    torch.testing.assert_close(network(x), expected, rtol=1e-12, atol=1e-12)


def test_mlp_sizes_and_leading_shapes():
    network = built(MLP(width=7, depth=3), outputs=4)
    shapes = [tuple(layer.weight.shape) for layer in (*network.hidden, network.output)]
    assert shapes == [(7, 3), (7, 7), (7, 7), (4, 7)]
    assert network(torch.zeros(2, 5, 3, dtype=FLOAT)).shape == (2, 5, 4)
    assert network(torch.zeros(3, dtype=FLOAT)).shape == (4,)


def test_mlp_starts_with_xavier_weights_and_zero_biases_in_float32():
    torch.manual_seed(0)
    network = MLP(width=300, depth=2)
    network.build(DOMAIN, 2)
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert {b.dtype for b in network.buffers()} == {torch.float32}
    assert network.hidden[1].weight.std().item() == pytest.approx(math.sqrt(2 / 600), rel=0.02)
    assert not network.hidden[1].bias.any()
    assert network(points().float()).dtype == torch.float32


def test_the_seed_decides_the_weights():
    x = points()
    assert torch.equal(built(MLP())(x), built(MLP())(x))
    assert not torch.equal(built(MLP())(x), built(MLP(), seed=1)(x))


def test_the_default_precision_is_respected():
    torch.set_default_dtype(FLOAT)
    try:
        network = MLP(width=3, depth=1, embedding=FourierFeatures(2))
        network.build(DOMAIN, 1)
    finally:
        torch.set_default_dtype(torch.float32)
    assert {t.dtype for t in (*network.parameters(), *network.buffers())} == {FLOAT}


def test_building_twice():
    network = built(MLP(width=4, depth=1))
    before = network(points())
    network.build(DOMAIN, 3)
    assert torch.equal(network(points()), before)
    with pytest.raises(
        ValueError, match=r"built with 3 inputs and 3 outputs, .* 3 inputs and 2 outputs"
    ):
        network.build(DOMAIN, 2)
    with pytest.raises(ValueError, match="cannot be built with 1 inputs and 3 outputs"):
        network.build(Interval(), 3)


def test_calling_before_build():
    with pytest.raises(RuntimeError, match=r"^MLP has no layers yet: call build\(.*\) first$"):
        MLP()(points())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"activation": "tahn"}, "unknown activation 'tahn': did you mean 'tanh'"),
        ({"width": 0}, "MLP width is 0: expected at least 1"),
        ({"depth": 0}, "MLP depth is 0: expected at least 1"),
    ],
)
def test_mlp_refuses(arguments, text):
    with pytest.raises(ValueError, match=text):
        MLP(**arguments)


def test_a_network_needs_an_output():
    with pytest.raises(ValueError, match="at least 1 output, got 0"):
        MLP().build(DOMAIN, 0)


def test_the_base_classes_are_abstract():
    for base in (Network, Embedding):
        with pytest.raises(TypeError, match="abstract"):
            base()


# --- precision and copies


EMBEDDINGS = {
    "none": lambda: None,
    "fourier": lambda: FourierFeatures(count=4, scale=0.7, seed=2),
    "periodic": lambda: Periodic({"y": 0.3}, harmonics=2),
    "polar": lambda: Polar([[0.3, 2.1], [1.1, 2.2]]),
}


@pytest.fixture(params=sorted(EMBEDDINGS))
def network(request) -> Network:
    torch.manual_seed(0)
    network = MLP(width=6, depth=2, embedding=EMBEDDINGS[request.param]())
    network.build(DOMAIN, 2)
    return network


def test_constants_are_exact_after_a_cast_to_float64(network):
    torch.set_default_dtype(FLOAT)
    try:
        exact = MLP(width=6, depth=2, embedding=build_again(network.embedding))
        exact.build(DOMAIN, 2)
    finally:
        torch.set_default_dtype(torch.float32)
    cast = copy.deepcopy(network).to(FLOAT)
    for (name, buffer), reference in zip(cast.named_buffers(), exact.buffers(), strict=True):
        assert buffer.dtype == FLOAT
        assert torch.equal(buffer, reference), name
    rounded = copy.deepcopy(cast).to(torch.float32)
    for buffer, reference in zip(rounded.buffers(), network.buffers(), strict=True):
        assert torch.equal(buffer, reference)


def build_again(embedding: Embedding) -> Embedding:
    return type(embedding)(**spec_of(embedding)["init_args"])


def test_a_float32_checkpoint_keeps_the_constants_exact(network):
    reference = copy.deepcopy(network).to(FLOAT)
    twin = MLP(width=6, depth=2, embedding=build_again(network.embedding))
    twin.build(DOMAIN, 2)
    twin.load_state_dict(network.state_dict())
    assert torch.equal(twin.to(FLOAT)(points()), reference(points()))


def test_constants_of_a_loaded_checkpoint_win(network):
    network.to(FLOAT)
    elsewhere = MLP(width=6, depth=2, embedding=build_again(network.embedding))
    elsewhere.build(Rectangle(time=(0.0, 1.0)), 2)
    elsewhere.to(FLOAT).load_state_dict(network.state_dict())
    assert torch.equal(elsewhere(points()), network(points()))
    elsewhere.to(FLOAT)  # the constants it was built with must not come back
    assert torch.equal(elsewhere(points()), network(points()))


def test_copies_and_pickles_compute_the_same(network):
    network.to(FLOAT)
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(twin(points()), network(points()))
        assert spec_of(twin) == spec_of(network)
        assert twin.embedding is not network.embedding


def test_a_recorded_network_is_rebuilt_with_its_weights(network):
    twin = build(spec_of(network))
    twin.build(DOMAIN, 2)
    twin.load_state_dict(network.state_dict())
    x = points().float()
    assert torch.equal(twin(x), network(x))


# --- what a Taylor jet can pass through


JET_FUNCTIONS = {"linear", "sub", "mul", "tanh", "sin", "cos", "cat", "__getitem__"}
JET_FUNCTIONS |= {"add", "log", "rsqrt"}


class Listener(TorchFunctionMode):
    """Notes every torch function that is called."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.seen.add(func.__name__)
        return func(*args, **(kwargs or {}))


def test_forward_uses_only_functions_with_a_taylor_rule(network):
    x = points().float()
    with Listener() as listener:
        network(x)
    assert "linear" in listener.seen
    assert listener.seen <= JET_FUNCTIONS


def test_forward_compiles_to_one_graph(network):
    program = torch.export.export(network, (points().float(),))
    x = points(20).float()
    torch.testing.assert_close(program.module()(x), network(x))


def test_points_do_not_influence_each_other(network):
    network.to(FLOAT)
    x = points()
    alone = torch.stack([network(row) for row in x])
    torch.testing.assert_close(network(x), alone, rtol=1e-13, atol=1e-13)


# --- YAML


def test_networks_are_made_from_a_config():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Network, "network")
    config = parser.parse_object(
        {
            "network": {
                "class_path": "pinn.networks.MLP",
                "init_args": {
                    "width": 8,
                    "embedding": {
                        "class_path": "pinn.networks.Periodic",
                        "init_args": {"periods": {"x": 2.0}},
                    },
                },
            }
        }
    )
    network = parser.instantiate(config).network
    assert (network.width, network.depth, network.embedding.periods) == (8, 4, {"x": 2.0})
    assert spec_of(network)["init_args"]["embedding"]["init_args"]["harmonics"] == 1
    assert built(network, Box(), 1)(torch.zeros(1, 3, dtype=FLOAT)).shape == (1, 1)


def test_a_spread_layer_bends_inside_the_box():
    torch.manual_seed(0)
    net = built(MLP(400, 2, spread=[3.0, 0.5]), Rectangle())
    first, second = (layer.requires_grad_(False) for layer in net.hidden)
    assert float(first.weight[:, 0].abs().max()) == pytest.approx(3, rel=0.05)
    assert float(first.weight[:, 1].abs().max()) == pytest.approx(0.5, rel=0.05)
    # Each unit is zero somewhere in [-1, 1]²: |b| ≤ |w₁| + |w₂|.
    assert bool((first.bias.abs() <= first.weight.abs().sum(1)).all())
    assert float(second.bias.abs().max()) == 0


@pytest.mark.parametrize("spread", [0.0, -1.0, float("nan"), float("inf"), [1.0, 0.0]])
def test_a_wrong_spread_is_refused(spread):
    with pytest.raises(ValueError, match="MLP spread is"):
        MLP(8, 1, spread=spread)


def test_a_spread_for_other_inputs_is_refused():
    with pytest.raises(ValueError, match="has 3 numbers, the first layer 2 inputs"):
        built(MLP(8, 1, spread=[1.0, 2.0, 3.0]), Rectangle())
