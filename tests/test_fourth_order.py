"""Fourth derivatives: operators of operators, by every strategy, and what they cost."""

import math

import numpy as np
import pytest
import torch
from compositions import composition, in_reverse, of_fields
from nested import PLANS, assert_agrees, nested, random
from plane import assert_equal
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.utils.flop_counter import FlopCounterMode

import pinn
from pinn import Problem, differentiate, on, vector
from pinn.algebra.channels import (
    HIGHEST,
    Plan,
    bilaplace,
    differentiated,
    every_channel,
    first,
    laplace,
    order,
    second,
    symbol,
)
from pinn.algebra.no_rule import NoRuleError
from pinn.algebra.partitions import partitions, splits
from pinn.algebra.rules.arithmetic import compose
from pinn.algebra.series import MissingDerivativeError
from pinn.algebra.terms import derivatives
from pinn.derivatives.evaluate import evaluate
from pinn.fields.field import coordinate_field, partial
from pinn.fields.functions import cos, exp, sin
from pinn.fields.vector_calculus import advect, div, dt, grad, laplacian
from pinn.geometry.coordinates import Coordinates
from pinn.problems.cavity import angle
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution

STRATEGIES = ("taylor", "vmap", "loop")
TWICE = differentiated(differentiated(laplace((0, 1)), 0), 1)


def fields(*names, n=5):
    at = coordinate_field(random(n, len(names)), Coordinates(names), highest=4)
    return at, *(at[:, i] for i in range(len(names)))


def dense(inputs=2, outputs=2, activation=nn.Tanh):
    torch.manual_seed(0)
    layers = [nn.Linear(inputs, 6), activation(), nn.Linear(6, 6), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(6, outputs)).double()


# What a plan of fourth order holds


def test_the_biharmonic_is_one_channel_that_brings_few():
    plane, space = bilaplace((0, 1)), bilaplace((0, 1, 2))
    assert plane == ((0, 0, 0, 0), (0, 0, 1, 1), (0, 0, 1, 1), (1, 1, 1, 1))
    along = [differentiated(laplace((0, 1)), i) for i in (0, 1)]
    lower = (first(0), first(1), second(0, 0), second(0, 1), second(1, 1))
    assert set(Plan((plane,)).channels) == {*lower, *along, plane}
    counts = [sum(order(c) == n for c in Plan((space,)).channels) for n in (1, 2, 3, 4)]
    assert counts == [3, 6, 3, 1]
    assert bilaplace((0,)) == ((0, 0, 0, 0),)


def test_fourth_order_in_words():
    names = ("x", "y", "t")
    assert symbol(bilaplace((0, 1)), names) == "∇⁴"
    assert symbol(TWICE, names) == "∂xy∇²"
    assert symbol(differentiated(differentiated(laplace((0, 1)), 2), 2), names) == "∂tt∇²"
    assert symbol(bilaplace((0,)), names) == "∂xxxx"


def test_terms_of_the_biharmonic_are_collapsed():
    """∇⁴(fg) = … + 4 ∇f·∇∇²g + …;  σ″ has 4 ∇f·∇∇²f + (∇²f)² + 2 fᵢⱼ fᵢⱼ, σ⁗ |∇f|⁴."""
    channel, along = bilaplace((0, 1)), differentiated(laplace((0, 1)), 1)
    assert dict(splits(channel))[along, first(1)] == dict(splits(channel))[first(1), along] == 4
    assert dict(partitions(channel))[first(1), along] == 4
    assert sum(n for blocks, n in partitions(channel) if len(blocks) == 4) == 4
    assert sum(n * math.prod(map(len, blocks)) for blocks, n in splits(channel)) == 4 * 14


def test_every_channel_up_to_fourth_order():
    assert len(every_channel(2, (0, 1), 4)) == 2 + 3 + 1 + 4 + 2 + 5 + 3 + 1
    assert len(every_channel(1, (0,), 4)) == 4
    few = every_channel(100, tuple(range(100)), 4, mixed=False)
    assert sum(order(c) == 4 for c in few) == 1


# Operators of operators


def test_polynomial_by_hand():
    _, x, y = fields("x", "y")
    f, v, w = x**4 * y**2 + y**5, x.value, y.value
    assert_equal(laplacian(laplacian(f)), 24 * w**2 + 48 * v**2 + 120 * w)
    assert_equal(div(grad(laplacian(f))), 24 * w**2 + 48 * v**2 + 120 * w)
    assert_equal(laplacian(div(grad(f))), 24 * w**2 + 48 * v**2 + 120 * w)
    assert_equal(partial(partial(laplacian(f), "x"), "y"), 48 * v * w)
    assert_equal(laplacian(partial(partial(f, "y"), "x")), 48 * v * w)
    assert_equal(partial(partial(partial(partial(f, "x"), "y"), "x"), "y"), 24 * v**2)
    assert_equal(laplacian(laplacian(vector(f, y * f)))[:, 0], 24 * w**2 + 48 * v**2 + 120 * w)


def test_products_and_functions_by_hand():
    _, x, y = fields("x", "y")
    k = 4 * (math.pi**4)
    f = sin(math.pi * x) * sin(math.pi * y)
    assert_equal(laplacian(laplacian(f)), k * f.value)
    g = exp(x + 2 * y)
    assert_equal(laplacian(laplacian(g)), 25 * g.value)
    both = laplacian(laplacian(f * 1.0 + g))
    assert_equal(both, k * f.value + 25 * g.value)


def test_with_time_the_laplacian_is_over_space():
    _, x, t = fields("x", "t")
    f = sin(2 * x) * cos(3 * t)
    assert_equal(laplacian(laplacian(f)), 16 * f.value)
    assert_equal(laplacian(dt(dt(f))), 36 * f.value)
    assert_equal(dt(dt(laplacian(f))), 36 * f.value)
    assert_equal(dt(dt(dt(dt(f)))), 81 * f.value)


def test_the_fifth_order_is_refused():
    _, x, y = fields("x", "y")
    with pytest.raises(MissingDerivativeError, match=r"order 5, and the highest is 4"):
        grad(laplacian(laplacian(x * y)))


OPERATORS = {
    "biharmonic": lambda u: laplacian(laplacian(u)),
    "divergence": lambda u: div(grad(laplacian(u))),
    "inside": lambda u: laplacian(div(grad(u))),
    "mixed": lambda u: laplacian(partial(partial(u, "x"), "y")),
}


@pytest.mark.parametrize("strategy", ["auto", "rule", *STRATEGIES])
def test_a_plain_function(strategy):
    x = random(5, 2)

    def f(p):
        return torch.sin(2 * p[:, 0]) * torch.exp(p[:, 1])

    u = differentiate(f, x, order=4, strategy=strategy)
    for name, exact in {"biharmonic": 9, "divergence": 9, "inside": 9}.items():
        assert_equal(OPERATORS[name](u), exact * f(x))
    slopes = 2 * torch.cos(2 * x[:, 0]) * torch.exp(x[:, 1])
    assert_equal(OPERATORS["mixed"](u), -3 * slopes)
    lean = differentiate(f, x, order=4, strategy=strategy, mixed=False)
    assert_equal(laplacian(laplacian(lean)), 9 * f(x))


def test_many_dimensions_take_no_mixed_fourth_derivatives():
    x = random(3, 8)
    net = dense(8, 1)
    u = differentiate(net, x, order=4, mixed=False, strategy="taylor")
    assert sum(order(c) == 4 for c in u.streams) == 1
    _, streams = nested(net, x, [bilaplace(range(8))])
    torch.testing.assert_close(laplacian(laplacian(u)).value, streams[bilaplace(range(8))][:, 0])


# Every strategy, and nested reverse mode


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "plan",
    [PLANS["fourth"], PLANS["collapsed fourth"], Plan((TWICE,)), Plan((bilaplace((0, 1)), TWICE))],
    ids=["every", "biharmonic", "mixed", "both"],
)
def test_strategies_agree(plan, strategy):
    assert_agrees(dense(), random(4, 2), plan, strategy)


@pytest.mark.parametrize("channel", [differentiated(laplace((0, 1)), 0), bilaplace((0, 1)), TWICE])
def test_rows_have_derivatives_of_their_gradient(channel):
    """Through two hidden layers, the second of which takes all rows at once."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    net, asked = net.double(), Plan((channel,))
    names = [name for name, _ in net.named_parameters()][:-1]

    def streams(x, *weights):
        held = dict(zip(names, weights, strict=True))
        jet = evaluate(lambda p: torch.func.functional_call(net, held, (p,)), x, asked, "taylor")
        return tuple(jet.stream(c) for c in asked.channels)

    inputs = [random(2, 2), *(net.get_parameter(name).detach() for name in names)]
    inputs = [tensor.requires_grad_() for tensor in inputs]
    assert gradcheck(streams, inputs, atol=1e-6, rtol=1e-5)
    assert gradgradcheck(streams, inputs, atol=1e-6, rtol=1e-5, fast_mode=True)


def test_a_rule_that_is_not_written_so_far_is_refused():
    def short(x):
        yield torch.sin(x)
        yield torch.cos(x)

    with pytest.raises(NoRuleError, match="short is written up to its derivative of order 1, and"):
        evaluate(lambda p: compose(p, derivatives(short)), random(3, 2), PLANS["every"], "taylor")


# Each set of coordinates, with how many of them are space.
DOMAINS = [
    (("x",), 1),
    (("x", "y"), 2),
    (("x", "t"), 1),
    (("x", "y", "t"), 2),
    (("x", "y", "z"), 3),
]
SHAPES = {1: pinn.Interval, 2: pinn.Rectangle, 3: pinn.Box}


class Composed(Problem):
    """A residual that is a random composition."""

    unknowns = {"u": 2}

    def __init__(self, tree):
        self.tree = tree
        space = [name for name in self.coordinates if name != "t"]
        time = {"time": (0, 1)} if "t" in self.coordinates else {}
        super().__init__(SHAPES[len(space)](**dict.fromkeys(space, (-1.0, 1.0)), **time))


def composed(names):
    """The class of such problems over some coordinates, which its residual takes by name."""
    listed = ", ".join(names)
    source = f"lambda self, u, {listed}: of_fields(self.tree, u, vector({listed}))"
    residual = eval(source, {"of_fields": of_fields, "vector": vector})
    residual.__name__, residual.__qualname__ = "equation", "Composed.equation"
    body = {"coordinates": names, "equation": on("interior")(residual), "__module__": __name__}
    return type("Composed", (Composed,), body)


CLASSES = [(composed(names), space) for names, space in DOMAINS]


@pytest.mark.parametrize("seed", [*range(15), *range(16, 21)])
def test_random_compositions_agree_with_nested_reverse_mode(seed):
    """With the derivatives that the residual reads and no others: value and parameter gradient."""
    kind, space = CLASSES[seed % len(CLASSES)]
    count = len(kind.coordinates)
    tree, net = composition(seed, space, count, depth=4), dense(count)
    x = (1.4 * random(3, count, seed=seed) - 0.7).requires_grad_()
    keep = {"allow_unused": True, "materialize_grads": True}
    exact = in_reverse(tree, net(x), x, space)
    wanted = torch.autograd.grad(exact.sum(), list(net.parameters()), **keep)
    assert any(slope.any() for slope in wanted)
    solution = Solution(kind(tree), net)
    plans = plan_regions(solution)["interior"].networks
    solution.strategy = dict.fromkeys(solution.networks, STRATEGIES[seed % 3])
    unknowns, at = solution.fields(x.detach(), plans)
    found = of_fields(tree, unknowns["u"], at).value
    torch.testing.assert_close(found, exact, rtol=1e-9, atol=1e-9 * float(exact.abs().max()))
    slopes = torch.autograd.grad(found.sum(), list(net.parameters()), **keep)
    for a, b in zip(slopes, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9 * (1 + float(b.abs().max())))


# Problems


class KuramotoSivashinsky(Problem):
    """∂u/∂t + u ∂u/∂x + ∂²u/∂x² + ∂⁴u/∂x⁴ = 0."""

    coordinates, unknowns = ("x", "t"), {"u": 1}
    geometry = pinn.Interval(time=(0, 1))

    @on("interior")
    def equation(self, u):
        return dt(u) + u * partial(u, "x") + laplacian(u) + laplacian(laplacian(u))


class Vorticity(Problem):
    """(u·∇)ω = ∇²ω/Re with ω = −∇²ψ, u = (∂ψ/∂y, −∂ψ/∂x) made by the ansatz."""

    coordinates, unknowns = ("x", "y"), {"u": 2}
    outputs = {"psi": 1}
    geometry = pinn.Rectangle()

    def ansatz(self, raw, at):
        psi = raw["psi"]
        return {"u": vector(partial(psi, "y"), -partial(psi, "x"))}

    @on("interior")
    def equation(self, u):
        vorticity = partial(u[:, 1], "x") - partial(u[:, 0], "y")
        return advect(u, vorticity) - 0.025 * laplacian(vorticity)


class Psi(Problem):
    """The same in ψ itself."""

    coordinates, unknowns = ("x", "y"), {"psi": 1}
    geometry = pinn.Rectangle()

    @on("interior")
    def equation(self, psi):
        vorticity = -laplacian(psi)
        velocity = vector(partial(psi, "y"), -partial(psi, "x"))
        return advect(velocity, vorticity) - 0.025 * laplacian(vorticity)


def plan(problem, net):
    return plan_regions(Solution(problem, net))["interior"].networks["all"]


def test_the_dry_run_finds_what_is_read_and_no_more():
    assert plan(KuramotoSivashinsky(), dense(2, 1)) == Plan((((0,) * 4,), first(1)))
    words = plan(Psi(), dense(2, 1)).describe(("x", "y"))
    assert words == "value ∂x ∂y ∂xx ∂xy ∂yy ∂x∇² ∂y∇² ∇⁴"
    assert plan(Vorticity(), dense(2, 1)).order == 4


def test_the_vorticity_equation_is_the_same_in_either_form():
    net, x = dense(2, 1), random(5, 2)
    found = []
    for problem in (Vorticity(), Psi()):
        solution = Solution(problem, net)
        plans = plan_regions(solution)["interior"].networks
        for strategy in STRATEGIES:
            solution.strategy = dict.fromkeys(solution.networks, strategy)
            unknowns, _ = solution.fields(x, plans)
            found.append(problem.equation(*unknowns.values()).value)
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-9, atol=1e-11)


def test_derivatives_by_name():
    net = dense(2, 1)
    solution = Solution(KuramotoSivashinsky(), net)
    _, streams = nested(net, x := random(4, 2), [((0, 0, 0, 0),), ((0, 0, 1, 1),)])
    values = solution.at(x, derivatives=("u.xxxx", "u.xtxt"))
    torch.testing.assert_close(values["u.xxxx"], streams[((0, 0, 0, 0),)][:, 0].detach())
    torch.testing.assert_close(values["u.xtxt"], streams[((0, 0, 1, 1),)][:, 0].detach())
    with pytest.raises(ValueError, match=f"order 5: at most {HIGHEST} are offered"):
        solution.at(x, derivatives=("u.xxxxx",))
    with pytest.raises(ValueError, match="order 4: at most 4 are offered, and the ansatz takes 1"):
        Solution(Vorticity(), net).at(x, derivatives=("u1.xxxx",))


def test_a_source_of_higher_order_than_the_equation():
    class Made(Problem):
        coordinates, unknowns = ("x", "y"), {"u": 1}
        geometry = pinn.Rectangle()

        @on("interior")
        def equation(self, u, x, y):
            return laplacian(u) - laplacian(laplacian(sin(x) * sin(y)))

    solution, x = Solution(Made(), dense(2, 1)), random(3, 2)
    plans = plan_regions(solution)["interior"].networks
    assert plans["all"].order == 2
    unknowns, at = solution.fields(x, plans)
    source = laplacian(unknowns["u"]) - Made().equation(unknowns["u"], at[:, 0], at[:, 1])
    torch.testing.assert_close(source.value, 4 * (torch.sin(x[:, 0]) * torch.sin(x[:, 1])))


class Moving(Problem):
    """∂p/∂x = t cos x leaves a function of time open."""

    coordinates, unknowns = ("x", "t"), {"p": 1}
    geometry = pinn.Interval(time=(0, 1))

    @on("interior")
    def equation(self, p, x, t):
        return partial(p, "x") - t * cos(x)


def test_a_gauge_that_follows_time_is_subtracted_from_fourth_derivatives():
    net, x = dense(2, 1), random(4, 2)
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(40))

    def gauged(points):
        line = torch.stack(torch.broadcast_tensors(0.5 * nodes + 0.5, points[:, 1:]), -1)
        return net(points) - (net(line)[..., 0] * weights).sum(-1, keepdim=True) / 2

    channels = {"p.tttt": ((1, 1, 1, 1),), "p.xxtt": ((0, 0, 1, 1),)}
    _, streams = nested(gauged, x, channels.values())
    found = Solution(Moving(), net).at(x, derivatives=tuple(channels))
    for name, channel in channels.items():
        torch.testing.assert_close(found[name], streams[channel][:, 0].detach())


def test_the_angle_about_a_corner_of_the_cavity():
    at, x, y = fields("x", "y")
    about = angle(1.0 - x, y + 0.3, (-1, 1))
    channels = every_channel(2, (0, 1), 4)
    _, streams = nested(lambda p: torch.atan2(p[:, 1] + 0.3, 1 - p[:, 0]), at.value, channels)
    for channel, exact in streams.items():
        torch.testing.assert_close(about.stream(channel), exact[:, 0], rtol=1e-9, atol=1e-7)


def test_an_exported_program_has_fourth_derivatives(tmp_path):
    net, x = dense(2, 1), random(4, 2)
    Solution(Psi(), net).export(tmp_path / "psi.pt2", derivatives=("psi.xxyy",))
    found = torch.export.load(tmp_path / "psi.pt2").module()(x)
    _, streams = nested(net, x, [((0, 0, 1, 1),)])
    torch.testing.assert_close(found["psi.xxyy"], streams[((0, 0, 1, 1),)][:, 0].detach())


# What it costs


def test_a_channel_of_fourth_order_costs_as_much_as_one_of_second():
    """Operations of the matrix products, value and backward, for each channel."""
    net, x = dense(), random(16, 2)
    costs = []
    for channel in (laplace((0, 1)), bilaplace((0, 1))):
        asked = Plan((channel,))
        with FlopCounterMode(display=False) as counter:
            jet = evaluate(net, x, asked, "taylor")
            sum((jet.stream(c) ** 2).sum() for c in asked.channels).backward()
        costs.append(counter.get_total_flops() / (1 + len(asked.channels)))
    assert costs[1] < 1.1 * costs[0]
