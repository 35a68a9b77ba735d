"""The trace of a chain of matrices: the numbers of reverse mode, for networks of every kind."""

import itertools
import random

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import pinn
from pinn import Divergence
from pinn.derivatives.evaluate import TRACES, trace

ACTIVATIONS = [
    torch.tanh, torch.sin, F.silu, F.gelu, F.softplus, torch.sigmoid, F.elu, F.mish, torch.square,
    torch.atan, lambda z: z * torch.exp(-z * z), lambda z: F.softmax(z, -1),
    lambda z: F.layer_norm(z, z.shape[-1:]), lambda z: F.leaky_relu(z, 0.1), lambda z: z**3,
]  # fmt: skip


class Chain(nn.Module):
    """A network put together at random: skips, gates, heads, a time input, frozen and tied parts.

    Args:
        d: the number of coordinates and of components.
        seed: of all that is random.
        timed: whether the last coordinate is time, which is no component.
    """

    def __init__(self, d: int, seed: int, timed: bool = False) -> None:
        super().__init__()
        draw = random.Random(seed)
        torch.manual_seed(seed)
        width = draw.choice([2, 5, 9])
        self.inside = nn.Linear(d + timed, width)
        self.kinds = [
            draw.choice(["dense", "skip", "gate", "cat"]) for _ in range(draw.randint(0, 3))
        ]
        self.functions = [draw.choice(ACTIVATIONS) for _ in range(len(self.kinds) + 1)]
        self.layers = nn.ModuleList()
        for kind in self.kinds:
            wide = draw.choice([3, 7]) if kind in ("dense", "cat") else width
            self.layers.append(nn.Linear(width, wide))
            width = width + wide if kind == "cat" else wide
        apart = draw.random() < 0.3
        self.outside = nn.ModuleList(
            nn.Linear(width, 1 if apart else d) for _ in range(d if apart else 1)
        )
        self.direct = draw.random() < 0.3
        self.scale = draw.random() < 0.5
        self.register_buffer("about", torch.randn(d + timed))
        if self.layers and draw.random() < 0.5:
            self.layers[0].weight.requires_grad_(False)
        if len(self.layers) > 1 and self.layers[0].weight.shape == self.layers[1].weight.shape:
            self.layers[1].weight = self.layers[0].weight
        self.double()

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        h = self.functions[0](self.inside((x - self.about) / 1.5 if self.scale else x))
        for kind, layer, function in zip(self.kinds, self.layers, self.functions[1:], strict=True):
            z = function(layer(h))
            h = {
                "dense": lambda z=z: z,
                "skip": lambda z=z, h=h: h + 0.5 * z,
                "gate": lambda z=z, h=h: h * torch.sigmoid(z) + (1 - z) * 0.1,
                "cat": lambda z=z, h=h: torch.cat([h, z], -1),
            }[kind]()
        if len(self.outside) > 1:
            return tuple(head(h) for head in self.outside)
        y = self.outside[0](h)
        return x[..., : y.shape[-1]] - y if self.direct else y


def slopes(values: Tensor, net: nn.Module) -> list[Tensor]:
    """The gradient of a fixed combination of values."""
    weights = torch.linspace(-1, 2, values.numel(), dtype=values.dtype).reshape(values.shape)
    learned = [p for p in net.parameters() if p.requires_grad]
    if not values.requires_grad:
        return [torch.zeros_like(p) for p in learned]
    return list(
        torch.autograd.grad(
            (weights * values).sum(), learned, materialize_grads=True, allow_unused=True
        )
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.sampled_from([1, 2, 3, 11]), st.sampled_from([(6,), (2, 3), (1,), ()])
)
def test_random_chains_have_the_numbers_of_reverse_mode(seed, d, lead):
    timed = seed % 3 == 0
    net = Chain(d, seed, timed)
    x = torch.randn(*lead, d + timed, dtype=torch.float64)
    ours, theirs = (trace(net, x, range(d), name) for name in ("chain", "loop"))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    for a, b in zip(slopes(ours, net), slopes(theirs, net), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def dense(d: int, h: int, hidden: int, components: int | None = None) -> nn.Sequential:
    """A dense network with tanh."""
    widths = [d, *[h] * hidden]
    layers = [nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in itertools.pairwise(widths)]
    return nn.Sequential(*layers, nn.Linear(h, components or d))


@pytest.mark.parametrize(("d", "h"), [(3, 8), (9, 4)])  # directions of the axes, and of a layer
@pytest.mark.parametrize("hidden", [1, 2, 3, 4])
def test_the_gradient_of_a_divergence_is_right(d, h, hidden):
    torch.manual_seed(hidden)
    net = dense(d, h, hidden).double()
    x = torch.randn(4, d, dtype=torch.float64, requires_grad=True)
    found = []
    for name in ("chain", "loop"):
        (toward,) = torch.autograd.grad(trace(net, x, range(d), name).sum(), x, create_graph=True)
        found.append(
            [toward, *torch.autograd.grad(toward.square().sum(), list(net.parameters())[:-1])]
        )
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("strategy", sorted(TRACES))
@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_rows_of_a_matrix_and_some_of_the_coordinates(strategy, hidden):
    net = dense(4, 6, hidden, components=6).double()

    def stress(x):
        return net(x).unflatten(-1, (2, 3))

    x = torch.randn(5, 4, dtype=torch.float64)
    expected = torch.func.vmap(torch.func.jacrev(stress))(x)[..., [0, 1, 2], [3, 0, 2]].sum(-1)
    found = Divergence(strategy, dims=(3, 0, 2))(stress, x)
    torch.testing.assert_close(found, expected)


def masked(d: int) -> nn.Sequential:
    """An autoregressive map: component k depends on the coordinates up to k."""
    net = nn.Sequential(nn.Linear(d, 4 * d), nn.Tanh(), nn.Linear(4 * d, d))
    place = torch.arange(4 * d) // 4
    with torch.no_grad():
        net[0].weight *= place[:, None] >= torch.arange(d)
        net[2].weight *= torch.arange(d)[:, None] >= place
    return net


class Equivariant(nn.Module):
    """Each entry and the mean of all, through the same layers."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.mean, self.out = nn.Linear(1, 6), nn.Linear(1, 6), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(-1)
        return self.out(torch.tanh(self.own(x) + self.mean(x.mean(-2, keepdim=True))))[..., 0]


STRUCTURES = {
    "low rank": lambda: nn.Sequential(
        nn.Linear(9, 16), nn.Tanh(), nn.Linear(16, 2), nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 9)
    ),
    "autoregressive": lambda: masked(9),
    "convolutions": lambda: nn.Sequential(
        nn.Unflatten(-1, (1, 3, 3)), nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(),
        nn.Conv2d(4, 4, 3, padding=1), nn.SiLU(), nn.Conv2d(4, 1, 3, padding=1), nn.Flatten(-3),
    ),
    "equivariant": Equivariant,
    "gated": lambda: nn.Sequential(
        nn.Linear(9, 32), nn.GLU(), nn.Linear(16, 32), nn.GLU(-1), nn.Linear(16, 9)
    ),
}  # fmt: skip


@pytest.mark.parametrize("structure", STRUCTURES)
def test_structures_give_their_trace_away(structure):
    torch.manual_seed(0)
    net, x = STRUCTURES[structure]().double(), torch.randn(7, 9, dtype=torch.float64)
    ours, theirs = (Divergence(name)(net, x) for name in ("chain", "loop"))
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(slopes(ours, net), slopes(theirs, net), strict=True):
        torch.testing.assert_close(a, b)


class Doubled(torch.autograd.Function):
    """A backward that is not that of the forward pass."""

    @staticmethod
    def forward(ctx, z):
        return torch.tanh(z)

    @staticmethod
    def backward(ctx, g):
        return 2 * g


def between(function):
    """A dense layer, a function of it, and a dense layer."""
    torch.manual_seed(0)
    inside, outside = nn.Linear(3, 8), nn.Linear(8, 3)
    return lambda x: outside(function(inside(x)))


REFUSED = {
    "matrices that differ": (
        lambda z: torch.einsum("nij,nj->ni", z.reshape(-1, 2, 4).mT @ z.reshape(-1, 2, 4), z[:, :4])
        .repeat(1, 2),
        "another matrix at each point",
    ),
    "attention": (
        lambda z: F.scaled_dot_product_attention(*[z.unflatten(-1, (2, 4))] * 3).flatten(-2),
        "another matrix at each point|no rule|not known",
    ),
    "a backward of its own": (Doubled.apply, "differ from reverse mode"),
    "no rule": (
        lambda z: F.max_pool1d(z.unsqueeze(1), 2)[:, 0].repeat(1, 2),
        "has no derivative rule",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("count", [3, 8, 16])  # 8: as many points as features
def test_what_is_no_chain_is_refused_in_one_line(case, count):
    function, reason = REFUSED[case]
    with pytest.raises(ValueError, match=f"no chain of matrices: .*({reason})") as refusal:
        Divergence("chain")(between(function), torch.randn(count, 3))
    assert "\n" not in str(refusal.value)


def test_auto_takes_another_strategy_where_there_is_no_chain():
    f, x = between(REFUSED["attention"][0]), torch.randn(16, 3)
    torch.testing.assert_close(Divergence()(f, x), Divergence("loop")(f, x))
    assert Divergence().choice(f, x).strategy != "chain"


def test_dropout_is_refused_in_training_and_right_in_evaluation():
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3))
    x = torch.randn(6, 3)
    with pytest.raises(ValueError, match="Dropout"):
        Divergence("chain")(net, x)
    net.eval()
    torch.testing.assert_close(Divergence("chain")(net, x), Divergence("loop")(net, x))


def changed_through_data(net):
    net[0][0].weight.data.mul_(1.5)


def changed_by_an_optimiser(net):
    loss = Divergence("chain")(net, torch.randn(9, 3)).square().mean()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    loss.backward()
    optimizer.step()


def changed_by_a_new_layer(net):
    net[2] = nn.Linear(8, 3)


@pytest.mark.parametrize(
    "change", [changed_through_data, changed_by_an_optimiser, changed_by_a_new_layer]
)
def test_the_constant_matrix_follows_the_weights(change):
    net, x, operator = dense(3, 8, 2), torch.randn(9, 3), Divergence("chain")
    before = operator(net, x)
    change(net)
    after = operator(net, x)
    torch.testing.assert_close(after, Divergence("loop")(net, x))
    assert not torch.allclose(before, after)


def flops(run) -> int:
    """Those of the matrix products of a value and its parameter gradient."""
    with FlopCounterMode(display=False) as counter:
        run().square().mean().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("h", [32, 64])
def test_two_hidden_layers_cost_a_forward_pass_whatever_the_dimension(h):
    ratios = []
    for d in (2, 8, 32, 128, 256):
        net, x = dense(d, h, 2), torch.randn(h, d)
        ratios.append(
            flops(lambda n=net, x=x: trace(n, x, range(len(x[0])), "chain"))
            / flops(lambda n=net, x=x: n(x))
        )
    assert max(ratios) <= 2.1
    assert ratios == sorted(ratios, reverse=True)  # it does not grow with d


def test_few_points_pay_for_the_constant_matrix():
    """d h² a step against d h a point and sweep: the count, not the rule of thumb, decides."""
    net = dense(64, 256, 2)
    few, many = torch.randn(1, 64), torch.randn(2048, 64)
    costs = [
        {row["strategy"]: row["flops"] for row in Divergence().explain(net, x).table}
        for x in (few, many)
    ]
    assert costs[0]["chain"] > 0.1 * costs[0]["loop"]
    assert costs[1]["chain"] < 0.05 * costs[1]["loop"]


@pytest.mark.parametrize("hidden", [3, 4])
def test_directions_are_those_of_the_narrower_side(hidden):
    """d directions through all layers but one, or h through all but two."""
    h, points = 16, 64
    counted = []
    for d in (4, 16, 64, 256):
        net, x = dense(d, h, hidden), torch.randn(points, d)
        counted.append(flops(lambda n=net, x=x: trace(n, x, range(len(x[0])), "chain")))
    sweeps = 6 * points * h * h * h * (hidden - 2)
    assert counted[0] < sweeps
    for d, count in zip((64, 256), counted[2:], strict=True):
        ends = 6 * points * d * h + 6 * d * h * h
        assert count < 1.2 * sweeps + ends + 12 * points * h * h * hidden


def test_auto_picks_and_explains_it():
    net, x = dense(16, 32, 2), torch.randn(512, 16)
    told = Divergence().explain(net, x)
    assert told.strategy == "chain"
    assert "chain" in str(told)
    assert {row["strategy"] for row in told.table} == {"chain", "taylor", "vmap", "loop"}


def test_other_derivatives_do_not_offer_it():
    with pytest.raises(ValueError, match="strategy 'chain'"):
        pinn.differentiate(dense(3, 8, 2), torch.randn(9, 3), strategy="chain")


def test_many_components_are_checked_by_their_sum_and_some_of_them():
    """The first call at d = 128 takes a few passes more than the sums, not all d² entries."""
    net, x = dense(128, 16, 2), torch.randn(64, 128)
    torch.testing.assert_close(Divergence("chain")(net, x), Divergence("loop")(net, x))

    def wrong_in_one(x):
        y = net(x)
        return torch.cat([Doubled.apply(y[..., :1]), y[..., 1:]], -1)

    assert Divergence().choice(wrong_in_one, x).strategy in ("loop", "vmap")
    with pytest.raises(ValueError, match=r"its (values|first derivatives) differ"):
        Divergence("chain")(wrong_in_one, x)
