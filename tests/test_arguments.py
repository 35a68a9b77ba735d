"""Which argument of f is the points: f(x), f(t, x), f(x, condition), tensors or NumPy arrays."""

import numpy as np
import pytest
import torch
from oracle import STRATEGIES, calls_of, each_strategy, network, points, trace
from torch import nn

from pinn.cache.rechecks import KNOWN
from pinn.operators import Probes
from pinn.operators.divergence import Divergence, divergence


class Flow(nn.Module):
    """f(t, x) as solvers of ordinary differential equations call it."""

    def __init__(self, d=2):
        super().__init__()
        self.net = network(d + 1, d)

    def forward(self, t, x):
        t = torch.as_tensor(t).to(x)
        if t.ndim < x.ndim:
            t = t.reshape(*t.shape, *(1 for _ in range(x.ndim - t.ndim)))
        return self.net(torch.cat((t.expand_as(x[..., :1]), x), dim=-1))


TIMES = {
    "number": lambda n: 0.4,
    "0-d": lambda n: torch.tensor(0.4).double(),
    "(N,)": lambda n: torch.linspace(0.1, 0.9, n).double(),
    "(N, 1)": lambda n: torch.linspace(0.1, 0.9, n).double().unsqueeze(-1),
    "single precision": lambda n: torch.tensor(0.5),
}


def in_points(t, x):
    """(t, x) as points (N, 1 + d), for the oracle."""
    t = torch.as_tensor(t).to(x)
    return torch.cat((t.reshape(-1, 1).expand(x.shape[0], 1), x), dim=-1)


def exact(flow, t, x):
    return trace(flow.net, in_points(t, x), dims=range(1, x.shape[-1] + 1))


@pytest.mark.parametrize("closure", [False, True])
@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("strategy", [*STRATEGIES, "chain"])
def test_time_beside_the_points(strategy, time, closure):
    flow, x, t = Flow(), points(5, 2), TIMES[time](5)
    differentiable = isinstance(t, torch.Tensor)
    if differentiable:
        t.requires_grad_()
    if closure:
        found = divergence(lambda x: flow(t, x), x, strategy)
    else:
        found = Divergence(strategy, argnum=1)(flow, t, x)
    expected = exact(flow, t, x)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
    wanted = [*flow.parameters(), *([t] if differentiable else [])]
    settle = {"allow_unused": True, "materialize_grads": True}
    ours = torch.autograd.grad(found.square().sum(), wanted, **settle)
    theirs = torch.autograd.grad(expected.square().sum(), wanted, **settle)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(
            a, b, rtol=1e-10 if a.dtype == torch.float64 else 1e-6, atol=1e-12
        )
    assert not differentiable or ours[-1].abs().min() > 1e-5


@pytest.mark.parametrize("closure", [False, True])
def test_a_new_time_needs_no_new_decision_and_soon_no_check(closure):
    flow, x = Flow(), points(40, 2)
    div = Divergence("loop", argnum=0 if closure else 1)

    def at(t):
        f = lambda x: flow(t, x)  # noqa: E731
        return (f, div(f, x)) if closure else (flow, div(flow, t, x))

    times = torch.linspace(0, 1, 30).double()
    for t in times[:20]:
        owner, found = at(t)
        torch.testing.assert_close(found, exact(flow, t, x))
    decisions = KNOWN[owner.__code__ if closure else owner]
    assert len(decisions) == 1
    for t in times[20:]:
        with calls_of(flow) as calls:
            found = at(t)[1]
        assert len(calls) == 1
        torch.testing.assert_close(found, exact(flow, t, x))
    assert len(decisions) == 1


def test_arguments_behind_the_points_and_flags():
    """A flag may change what f computes: the fused pass has no rule for one of the branches."""
    net, x = network(), points(5, 3)

    def f(x, scale, plain):
        return (
            scale * net(x)
            if plain
            else scale * torch.special.bessel_j1(net(x))[..., [1, 2, 0]].sinc()
        )

    div = Divergence()
    for scale, plain in ((2.0, True), (torch.tensor(3.0).double(), True)):
        torch.testing.assert_close(div(f, x, scale, plain), scale * trace(net, x))
    with pytest.raises(Exception, match="bessel_j1"):
        div(f, x, 2.0, False)


def test_settings_that_name_no_argument():
    with pytest.raises(TypeError, match="called with 1 arguments, and argnum=1 counts from 0"):
        Divergence(argnum=1)(network(), points(4, 3))
    with pytest.raises(ValueError, match="argnum is -1: expected at least 0"):
        Divergence(argnum=-1)


@pytest.mark.parametrize(
    "like",
    [
        lambda t, x: t.to(x).expand(*x.shape[:-1], 1),
        lambda t, x: t.type_as(x).reshape(1, 1).expand(x.shape[0], -1),
        lambda t, x: t.double().expand_as(x[..., :1]),
        lambda t, x: torch.ones(x.shape[0], 1).to(x) * t,
        lambda t, x: torch.ones_like(x[..., :1]) * t,
    ],
)
@pytest.mark.parametrize("strategy", [*STRATEGIES, "chain"])
def test_what_takes_its_type_or_shape_from_the_points(strategy, like):
    net, x, t = network(3, 2), points(5, 2), torch.tensor(0.25)
    found = divergence(lambda x: net(torch.cat((like(t, x), x), dim=-1)), x, strategy)
    torch.testing.assert_close(found, trace(net, in_points(t, x), dims=(1, 2)))


# NumPy in, NumPy out


ARRAYS = {
    "plain": lambda x: x,
    "read-only": lambda x: np.frombuffer(x.tobytes()).reshape(x.shape),
    "Fortran": np.asfortranarray,
    "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "strided": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
    "big-endian": lambda x: x.astype(">f8"),
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ARRAYS)
@each_strategy
def test_an_array_gives_an_array(strategy, kind):
    net, x = network(), ARRAYS[kind](points(5, 3).numpy())
    before = x.copy()
    found = Divergence(strategy)(net, x)
    assert type(found) is np.ndarray
    assert found.dtype == np.float64
    expected = trace(net, torch.tensor(before.astype("f8"))).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-11)
    assert np.array_equal(x, before)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float16, 2e-2)])
@each_strategy
def test_the_dtype_of_an_array_is_kept(strategy, dtype, tolerance):
    x = points(5, 3).numpy().astype(dtype)
    net = network().to(torch.from_numpy(x).dtype)
    found = Divergence(strategy)(net, x)
    assert found.dtype == dtype
    expected = trace(network(), torch.tensor(x).double()).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_arrays_of_time_of_matrices_and_of_estimates():
    flow, x, t = Flow(), points(5, 2).numpy(), np.linspace(0, 1, 5)
    expected = exact(flow, t, torch.from_numpy(x)).detach().numpy()
    for time in (t, t[:, None], torch.from_numpy(t)):
        np.testing.assert_allclose(Divergence(argnum=1)(flow, time, x), expected, rtol=1e-11)
    assert divergence(lambda p: p.unsqueeze(-1) * p.unsqueeze(-2), x).shape == (5, 2)
    pair = Divergence("hutchinson", probes=Probes(pair=True))(torch.sin, x)
    np.testing.assert_allclose(pair, np.cos(x).sum(-1)[None].repeat(2, 0))
    assert Divergence("loop").choice(network(), np.ones((4, 3))).strategy == "loop"
    assert {row["strategy"] for row in Divergence().explain(network(), np.ones((4, 3))).table}
    assert divergence(torch.sin, np.ones(3)).shape == ()


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.ones((4, 3), dtype=int), "x has dtype torch.int64: derivatives need real"),
        (np.ones((4, 3), dtype=bool), "x has dtype torch.bool"),
        (np.ones((4, 3), dtype=np.complex128), "x has dtype torch.complex128"),
        (np.ones((4, 3), dtype=np.longdouble), "x has dtype (longdouble|float128|float96): give"),
        (np.ones((4, 3), dtype=object), "x has dtype object: give float64 or float32"),
        (np.full((4, 3), "1.0"), "x has dtype <U3: give float64 or float32"),
        (np.ma.masked_less(np.ones((4, 3)), 2), "x is a masked array"),
        (np.ones((4, 3), dtype=np.float32), "x is torch.float32 but the network's parameters"),
    ],
)
def test_arrays_that_no_tensor_can_stand_for(x, text):
    with pytest.raises(TypeError, match=text):
        divergence(network(), x)


@each_strategy
def test_a_function_of_arrays_is_refused(strategy):
    with pytest.raises(TypeError, match="f computes with NumPy"):
        divergence(lambda x: np.sin(x), points(4, 3).numpy(), strategy)
