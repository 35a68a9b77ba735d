"""Taylor arithmetic against nested reverse mode."""

import pytest
import torch
import torch.nn.functional as F
from nested import PLANS, loss, nested
from torch.utils._python_dispatch import TorchDispatchMode

from pinn.algebra.channels import Plan, every_channel, first, laplace, order, second
from pinn.algebra.jet import Jet, MissingDerivativeError
from pinn.algebra.rules.arithmetic import ARITHMETIC
from pinn.algebra.rules.dense_layer import LINEAR
from pinn.algebra.rules.join import JOIN
from pinn.derivatives.evaluate import evaluate
from pinn.fields.field import seed

N, D = 4, 2
EVERY = Plan(every_channel(D, (0, 1)))
COLLAPSED = Plan((laplace((0, 1)),))
ALL = tuple(PLANS.values())
WEIGHT = torch.tensor([[0.7, -0.4], [0.3, 0.9]], dtype=torch.float64)
TENSOR = torch.tensor([0.6, 1.7], dtype=torch.float64)


def generator():
    return torch.Generator().manual_seed(0)


def points(n=N, d=D):
    return torch.rand(n, d, generator=generator(), dtype=torch.float64)


def make_jet(x=None, plan=EVERY):
    x = points() if x is None else x
    return Jet(x, seed(x, plan.channels), lead=x.ndim - 1)


def positive(x, weight):
    """An argument above 1 with derivatives of every order that matters."""
    z = F.linear(x, weight)
    return 1.3 + 0.2 * z + 0.1 * z * z


def assert_agrees(f, plans=ALL, x=None, same=None):
    """By these plans value, streams and parameter gradient of f equal the oracle's.

    The oracle is nested reverse mode of f, or of the same thing.
    """
    x = points() if x is None else x
    same = same or f
    weight = WEIGHT.clone().requires_grad_()
    asked = dict.fromkeys(channel for plan in plans for channel in plan.channels)
    value, exact = nested(lambda at: same(at, weight), x, asked)
    found, wanted = 0.0, 0.0
    for plan in plans:
        jet = evaluate(lambda at: f(at, weight), x, plan, "taylor")
        torch.testing.assert_close(jet.value, value, rtol=1e-12, atol=1e-13)
        for channel in plan.channels:
            torch.testing.assert_close(jet.stream(channel), exact[channel], rtol=1e-11, atol=1e-12)
        found = found + loss(jet.value, map(jet.stream, plan.channels))
        wanted = wanted + loss(value, [exact[channel] for channel in plan.channels])
    ours, theirs = (torch.autograd.grad(number, weight)[0] for number in (found, wanted))
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


# One call or more per entry of the table; z is a jet or a tensor (N, 2), above 1.
BINARY = {
    "jets": lambda g, z: g(z, 2 + z * z),
    "tensor right": lambda g, z: g(z, TENSOR),
    "number right": lambda g, z: g(z, 1.7),
}
LEFT = {"tensor left": lambda g, z: g(TENSOR, z)}
EXAMPLES = {
    F.linear: {
        "bias": lambda g, z: g(z, WEIGHT + 1, TENSOR),
        "no bias": lambda g, z: g(z, WEIGHT + 1),
    },
    torch.cat: {
        "jets": lambda g, z: g((z, z * z), dim=-1),
        "constant": lambda g, z: g((TENSOR.expand(N, 2), z), dim=1),
    },
    torch.stack: {
        "jets": lambda g, z: g([z[..., 0], z[:, 1] * z[:, 0]], dim=-1),
        "constant": lambda g, z: g([TENSOR[0].expand(N), z[..., 1]], dim=1),
    },
    torch.neg: {"one": lambda g, z: g(z)},
    torch.Tensor.__pow__: LEFT,
    torch.Tensor.__rsub__: LEFT,
    torch.Tensor.__rtruediv__: LEFT,
    torch.Tensor.__rpow__: LEFT,
}
for name in ("add", "sub", "mul", "div", "pow"):
    EXAMPLES[getattr(torch, name)] = BINARY | LEFT
    EXAMPLES[getattr(torch.Tensor, name)] = LEFT
for name in ("add", "sub"):
    EXAMPLES[getattr(torch, name)] |= {"alpha": lambda g, z: g(TENSOR, z * z, alpha=0.3)}

CASES = [
    pytest.param(function, call, id=f"{torch.overrides.resolve_name(function)} {label}")
    for function, calls in EXAMPLES.items()
    for label, call in calls.items()
]


def test_every_rule_has_an_example():
    assert set(EXAMPLES) == {*ARITHMETIC, *JOIN, *LINEAR}


@pytest.mark.parametrize(("function", "call"), CASES)
def test_rule_agrees_with_nested_reverse_mode(function, call):
    assert_agrees(lambda x, w: call(function, positive(x, w)))


OPERATORS = {
    "2 - z": lambda z: 2 - z,
    "2 + z": lambda z: 2 + z,
    "2 * z": lambda z: 2 * z,
    "2 / z": lambda z: 2 / z,
    "2 ** z": lambda z: 2**z,
    "z - 2": lambda z: z - 2,
    "z / 2": lambda z: z / 2,
    "tensor - z": lambda z: TENSOR - z,
    "tensor + z": lambda z: TENSOR + z,
    "tensor * z": lambda z: TENSOR * z,
    "tensor / z": lambda z: TENSOR / z,
    "tensor ** z": lambda z: TENSOR**z,
    "z ** tensor": lambda z: z**TENSOR,
    "z / tensor": lambda z: z / TENSOR,
    "z ** z": lambda z: z**z,
    "-z": lambda z: -z,
    "wider tensor": lambda z: z[..., :1] * TENSOR + TENSOR.expand(N, 2),
    "method": lambda z: z.sin().pow(2) + z.mul(3).neg(),
    "quotient": lambda z: (z - 1 / z) / (z * z + z[:, :1]),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operator_agrees_with_nested_reverse_mode(name):
    assert_agrees(lambda x, w: OPERATORS[name](positive(x, w)))


@pytest.mark.parametrize("call", [lambda z, n: z**n, torch.pow], ids=["**", "pow"])
@pytest.mark.parametrize("as_tensor", [False, True], ids=["number", "tensor"])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, 0.5, 2.0])
def test_power_agrees_with_nested_reverse_mode(exponent, as_tensor, call):
    n = torch.tensor(exponent, dtype=torch.float64) if as_tensor else exponent
    assert_agrees(lambda x, w: call(positive(x, w), n) + F.linear(x, w), (EVERY,))


@pytest.mark.parametrize("as_tensor", [False, True], ids=["number", "tensor"])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3])
def test_integer_power_is_finite_at_zero(exponent, as_tensor):
    x = torch.zeros(2, 2, dtype=torch.float64)
    n = torch.tensor(float(exponent), dtype=torch.float64) if as_tensor else exponent

    def shifted(n):
        return lambda at, w: F.linear(at, w) ** n + F.linear(at, w)

    # Reverse mode itself returns NaN for a tensor exponent.
    assert_agrees(shifted(n), (EVERY,), x, same=shifted(exponent))


@pytest.mark.parametrize("exponent", [-1, 0.5])
def test_singular_power_is_infinite_at_zero(exponent):
    y = make_jet(torch.zeros(1, 2, dtype=torch.float64)) ** exponent
    assert y.stream(first(0))[0, 0].isinf()


def test_learnable_exponent_gets_its_gradient():
    n = torch.tensor(2.5, dtype=torch.float64, requires_grad=True)
    y = (2 + make_jet()) ** n
    x = points()
    slope_exact = n.detach() * (2 + x[:, 0]) ** (n.detach() - 1)
    torch.testing.assert_close(y.stream(first(0))[:, 0], slope_exact)
    y.stream(first(0)).sum().backward()
    exact = ((2 + x) ** 1.5 * (1 + 2.5 * (2 + x).log()))[:, 0].sum()  # ∂/∂n of n xⁿ⁻¹
    torch.testing.assert_close(n.grad, exact)


@pytest.mark.parametrize("lead", [0, 1, 2])
def test_stacked_points_give_what_each_gives_alone(lead):
    x = torch.rand((*(3, 2)[:lead], 2), generator=generator(), dtype=torch.float64)
    jet = evaluate(lambda at: torch.tanh(F.linear(at, WEIGHT)), x, EVERY, "taylor")
    flat = evaluate(lambda at: torch.tanh(F.linear(at, WEIGHT)), x.reshape(-1, 2), EVERY, "taylor")
    for channel in EVERY.channels:
        torch.testing.assert_close(jet.stream(channel).reshape(-1, 2), flat.stream(channel))


def test_covered_laplacian_is_the_sum_of_its_terms():
    jet = make_jet()
    f = jet[:, 0] * jet[:, 0] * jet[:, 1]
    torch.testing.assert_close(f.stream(laplace((0, 1))), 2 * points()[:, 1])


def test_collapsed_meets_separate_second_derivatives():
    separate, collapsed = make_jet(), make_jet(plan=COLLAPSED)
    for f, g in ((separate, collapsed), (collapsed, separate)):
        product = f[:, 0] * f[:, 0] * g[:, 1] * g[:, 1]
        exact = 2 * points()[:, 1] ** 2 + 2 * points()[:, 0] ** 2
        torch.testing.assert_close(product.stream(laplace((0, 1))), exact)
        two = torch.full((N, 2), 2.0, dtype=torch.float64)
        torch.testing.assert_close((f * f + g).stream(laplace((0, 1))), two)
        both = torch.stack((f[:, 0] * f[:, 0], g[:, 1]), dim=-1)
        torch.testing.assert_close(both.stream(laplace((0, 1)))[:, 0], two[:, 0])


def test_missing_channel_is_named():
    jet = make_jet(plan=Plan((first(0),)))
    with pytest.raises(MissingDerivativeError, match="∂1 of f was not evaluated"):
        jet.stream(first(1))
    with pytest.raises(MissingDerivativeError, match="∇² of f"):
        jet.stream(laplace((0, 1)))


def test_zero_streams_cost_nothing():
    jet = make_jet()
    assert jet.streams[second(0, 0)] is None
    linear = F.linear(jet * 3 + 1, WEIGHT)
    assert all(linear.streams[c] is None for c in EVERY.channels if order(c) == 2)
    torch.testing.assert_close(linear.stream(second(0, 0)), torch.zeros(N, 2).double())


LOOKS = {
    "len": (len, N),
    "numel": (lambda z: z.numel(), 2 * N),
    "size": (lambda z: z.size(-1), 2),
    "shape": (lambda z: z.shape[0], N),
    "is_floating_point": (lambda z: z.is_floating_point(), True),
    "is_cuda": (lambda z: z.is_cuda, False),
    "is_nested": (lambda z: z.is_nested, False),
    "requires_grad": (lambda z: z.requires_grad, False),
    "a tensor": (lambda z: isinstance(z, torch.Tensor), False),
    "unpacked": (lambda z: len(z.unbind(-1)), 2),
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_jet_looks_like_its_value(name):
    look, answer = LOOKS[name]
    assert look(make_jet()) == answer


def test_a_product_of_rows_has_its_mixed_term():
    def cube(at):
        z = torch.tanh(F.linear(at, WEIGHT))
        return z * (z * z)

    channel = laplace((0, 1))
    by_rule, exact = (evaluate(cube, points(), Plan((channel,)), s) for s in ("taylor", "loop"))
    torch.testing.assert_close(by_rule.stream(channel), exact.stream(channel))


def test_a_product_launches_as_often_in_any_dimension():
    def launches(d, plan):
        x = points(N, d)
        z = torch.tanh(F.linear(Jet(x, seed(x, plan.channels)), points(5, d)))
        with Launches() as counted:
            product = z * (z * z)
        assert product.streams.whole is not None
        return counted.count

    assert launches(3, Plan((laplace(range(3)),))) == launches(9, Plan((laplace(range(9)),)))


class Launches(TorchDispatchMode):
    """Counts operations that compute."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        views = ("view", "slice", "select", "unsqueeze", "expand", "alias")
        self.count += not any(name in str(func) for name in views)
        return func(*args, **(kwargs or {}))
