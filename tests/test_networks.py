"""Networks and embeddings: values by hand, precision, and what a Taylor jet can pass through."""

import copy
import math
import pickle

import pytest
import torch
from jsonargparse import ArgumentParser
from torch import nn
from torch.overrides import TorchFunctionMode

from pinn.geometry import Box, Interval, Rectangle
from pinn.networks import MLP, Embedding, FourierFeatures, Network, Periodic
from pinn.networks.mlp import ACTIVATIONS
from pinn.spec import build, spec_of

FLOAT = torch.float64
DOMAIN = Rectangle(x=(-0.5, 1.0), y=(2.0, 2.3), time=(0.0, 7.0))


def built(network: Network, geometry=DOMAIN, outputs: int = 3, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    network.build(geometry, outputs)
    return network.to(FLOAT)


def points(n: int = 20, geometry=DOMAIN) -> torch.Tensor:
    return geometry.sample("interior", n, seed=1).at


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
    with pytest.raises(ValueError, match=r"built with 3 inputs and 3 outputs, .* 3 and 2"):
        network.build(DOMAIN, 2)
    with pytest.raises(ValueError, match="cannot build it with 1 and 3"):
        network.build(Interval(), 3)


def test_calling_before_build():
    with pytest.raises(RuntimeError, match=r"^MLP has no layers yet: call build\(.*\) first$"):
        MLP()(points())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"activation": "tahn"}, "unknown activation 'tahn': did you mean 'tanh'"),
        ({"width": 0}, "width and depth of at least 1, got 0 and 4"),
        ({"depth": 0}, "width and depth of at least 1, got 64 and 0"),
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
        ({"count": 0}, "count of at least 1, got 0"),
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
        ({"periods": {"x": 1.0}, "harmonics": 0}, "at least 1 harmonic, got 0"),
    ],
)
def test_periodic_refuses(arguments, text):
    with pytest.raises(ValueError, match=text):
        Periodic(**arguments)


def test_periodic_refuses_an_unknown_coordinate_at_build():
    network = MLP(embedding=Periodic({"z": 1.0}))
    with pytest.raises(ValueError, match="unknown coordinate 'z': known: x, y, t"):
        network.build(DOMAIN, 1)


# --- precision and copies


EMBEDDINGS = {
    "none": lambda: None,
    "fourier": lambda: FourierFeatures(count=4, scale=0.7, seed=2),
    "periodic": lambda: Periodic({"y": 0.3}, harmonics=2),
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
