"""The divergence operator against the trace of torch's own Jacobian."""

import copy
import functools
import gc
import math
import pickle
import weakref

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

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


# What it is


@each_strategy
def test_fields_with_a_known_divergence(strategy):
    x = points(7, 2)
    div = Divergence(strategy)
    torch.testing.assert_close(div(lambda p: p**2, x), 2 * x.sum(-1))
    rotation = div(lambda p: torch.stack((-p[..., 1], p[..., 0]), dim=-1), x)
    torch.testing.assert_close(rotation, torch.zeros(7).double())
    source = div(lambda p: p / (p[..., :1] ** 2 + p[..., 1:] ** 2), x)  # x/|x|² in the plane
    torch.testing.assert_close(source, torch.zeros(7).double())


def test_gradient_with_ones_is_another_quantity():
    """For u = (−y, x) + (x², 0), ∇·u = 2x, while grad(u, x, 1) is Jᵀ1 = (2x + 1, −1)."""

    def u(p):
        return torch.stack((p[..., 0] ** 2 - p[..., 1], p[..., 0]), dim=-1)

    x = points(5, 2).requires_grad_()
    with_ones = torch.autograd.grad(u(x), x, torch.ones(5, 2).double())[0]
    exact = torch.stack((2 * x[:, 0] + 1, -torch.ones(5).double()), dim=-1)
    torch.testing.assert_close(with_ones, exact)
    torch.testing.assert_close(divergence(u, x), 2 * x[:, 0])
    assert (with_ones[:, 0] - divergence(u, x)).abs().min() > 0.9


# Shapes and memory layout


@each_strategy
@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 4, 3), (2, 3, 4, 3), (0, 3), (1, 3), (5, 1)])
def test_any_leading_shape(strategy, shape):
    assert_exact(network(shape[-1]), points(*shape), strategy)


@each_strategy
def test_points_of_any_layout(strategy):
    net = network()
    leaf = points(5, 3).requires_grad_()
    layouts = {
        "transposed": points(3, 5).mT,
        "expanded": points(1, 3).expand(5, 3),
        "strided": points(10, 6)[::2, ::2],
        "non-leaf": leaf * 0.5,
        "leaf": leaf,
    }
    for x in layouts.values():
        assert_exact(net, x, strategy)


@each_strategy
@pytest.mark.parametrize("requires_grad", [False, True])
def test_points_stay_as_they_were(strategy, requires_grad):
    x = points(5, 3).requires_grad_(requires_grad)
    before, version = x.detach().clone(), x._version
    divergence(network(), x, strategy)
    assert torch.equal(x.detach(), before)
    assert (x._version, x.grad, x.requires_grad) == (version, None, requires_grad)


@pytest.mark.parametrize("chunk", [1, 3, 4, 9])
def test_chunks_need_not_divide_the_dimension(chunk):
    found = Divergence("vmap", chunk=chunk)(network(7), points(4, 7))
    torch.testing.assert_close(found, trace(network(7), points(4, 7)))
    with pytest.raises(ValueError, match="chunk is 0: it must be at least 1"):
        Divergence(chunk=0)


# Outputs, components, further inputs


@each_strategy
@pytest.mark.parametrize("kind", ["tuple", "columns", "dict"])
def test_components_may_come_apart(strategy, kind):
    net = network()

    def f(x):
        y = net(x)
        u, v, w = (y[..., i : i + 1] for i in range(3))
        if kind == "columns":
            return u, v, w
        parts = u[..., 0], v[..., 0], w[..., 0]
        return parts if kind == "tuple" else dict(zip("uvw", parts, strict=True))

    found = divergence(f, points(5, 3), strategy)
    torch.testing.assert_close(found, trace(net, points(5, 3)))


@each_strategy
@pytest.mark.parametrize(
    ("dims", "components"),
    [((0, 1), (0, 1)), ((0, 1), (2, 0)), ((2,), (1,)), ((1, 0), (0, 1)), ((0, 1, 2), (3, 2, 1))],
)
def test_selected_dims_and_components(strategy, dims, components):
    net = network(3, outputs=4)
    assert_exact(net, points(5, 3), strategy, dims=dims, components=components)


@each_strategy
def test_time_closed_over_point_by_point(strategy):
    net, t = network(3, outputs=2), points(5, 1)

    def f(x):
        return net(torch.cat((x, t), dim=-1))

    x = points(5, 2)
    exact = trace(net, torch.cat((x, t), dim=-1), dims=(0, 1))
    torch.testing.assert_close(divergence(f, x, strategy), exact)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "f has 4 components and 3 coordinates are differentiated.*components="),
        ({"components": (0, 1)}, r"4 components and 3 coordinates.*got \(0, 1\)"),
        ({"components": (0, 1, 4)}, r"got \(0, 1, 4\)"),
        ({"components": (0, 1, -1)}, r"got \(0, 1, -1\)"),
        ({"dims": (0, 3)}, r"dims=\(0, 3\) does not name distinct coordinates of 3"),
        ({"dims": (0, 0)}, r"dims=\(0, 0\) does not name distinct"),
        ({"dims": (-1,)}, r"dims=\(-1,\) does not name distinct"),
        ({"dims": ()}, r"dims=\(\) does not name distinct"),
        ({"strategy": "jvp", "components": (0, 1, 2)}, "'jvp' is not one of taylor, vmap, loop"),
    ],
)
def test_settings_that_do_not_fit(settings, text):
    with pytest.raises(ValueError, match=text):
        Divergence(**settings)(network(3, outputs=4), points(5, 3))


@each_strategy
@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (torch.ones(4, 3), TypeError, "x is torch.float32 but.*parameters are torch.float64"),
        (torch.ones(4, 3, dtype=torch.long), TypeError, "dtype torch.int64"),
        (torch.ones(4, 3, dtype=torch.complex64), TypeError, "dtype torch.complex64"),
        (torch.tensor(1.0), ValueError, "no axis of coordinates"),
    ],
)
def test_points_that_cannot_be_differentiated_at(strategy, x, error, text):
    with pytest.raises(error, match=text):
        divergence(network(), x, strategy)


@each_strategy
def test_complex_components_are_refused(strategy):
    with pytest.raises(TypeError, match="complex"):
        divergence(lambda x: torch.ones(4, 3, dtype=torch.complex64), points(4, 3), strategy)


# Components that do not depend on x


class Partly(nn.Module):
    """(network, constant, linear)."""

    def __init__(self):
        super().__init__()
        self.net, self.constant = network(3, 1), nn.Parameter(torch.tensor(2.0).double())

    def forward(self, x):
        u = self.net(x)[..., 0]
        return torch.stack((u, 0 * u.detach() + self.constant, 3 * x[..., 2]), dim=-1)


CONSTANTS = {
    "constant": (lambda x: torch.ones(x.shape, dtype=x.dtype), 0.0),
    "constant of another dtype": (lambda x: torch.ones(x.shape), 0.0),
    "linear": (lambda x: 3 * x, 9.0),
    "identity": (lambda x: x, 3.0),
    "tuple": (lambda x: (x[..., 0], torch.ones(x.shape[:-1]).to(x.dtype), x[..., 0]), 1.0),
}


@each_strategy
@pytest.mark.parametrize("name", CONSTANTS)
@pytest.mark.parametrize("shape", [(4, 3), (3,), (0, 3)])
def test_derivatives_that_vanish_or_are_constant(strategy, name, shape):
    f, exact = CONSTANTS[name]
    found = divergence(f, points(*shape), strategy)
    assert torch.equal(found, torch.full(shape[:-1], exact, dtype=torch.float64))


@pytest.mark.parametrize("strategy", ["auto", "vmap", "loop"])
def test_detached_and_constant_components(strategy):
    assert_exact(Partly(), points(4, 3), strategy)
    torch.testing.assert_close(
        divergence(lambda x: x.detach() ** 2, points(4, 3), strategy), torch.zeros(4).double()
    )


# Graphs


@each_strategy
def test_finite_differences_of_parameters(strategy):
    net, x, h = network(), points(5, 3), 1e-5
    loss = (Divergence(strategy)(net, x) ** 2).sum()
    gradient = torch.autograd.grad(loss, net[2].weight)[0]

    def shifted(step):
        other = copy.deepcopy(net)
        with torch.no_grad():
            other[2].weight[1, 3] += step
        return (trace(other, x) ** 2).sum()

    difference = (shifted(h) - shifted(-h)) / (2 * h)
    torch.testing.assert_close(gradient[1, 3], difference, rtol=1e-7, atol=1e-9)


@each_strategy
def test_a_second_derivative_through_the_divergence(strategy):
    x = points(5, 2).requires_grad_()
    found = torch.autograd.grad(divergence(lambda p: p**3, x, strategy).sum(), x)[0]
    torch.testing.assert_close(found, 6 * x)


@each_strategy
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_no_graph_in_validation(strategy, mode):
    net = network()
    exact = trace(net, points(5, 3))
    with mode():
        found = divergence(net, points(5, 3), strategy)
        again = divergence(net, points(5, 3), strategy)
    for result in (found, again):
        assert result.grad_fn is None
        torch.testing.assert_close(result, exact)


@each_strategy
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_keeps_its_dtype(strategy, dtype):
    found = divergence(network().to(dtype), points(5, 3).to(dtype), strategy)
    assert found.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 5e-2
    exact = trace(network(), points(5, 3))
    torch.testing.assert_close(found.double(), exact, rtol=tolerance, atol=tolerance)


@each_strategy
def test_autocast_outside_changes_nothing(strategy):
    net, x = network().float(), points(40, 3, dtype=torch.float32)
    exact = divergence(net, x, strategy)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(divergence(copy.deepcopy(net), x, strategy), exact)


# Points that see each other


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


# Code that torch users write


@pytest.mark.parametrize("strategy", ["auto", "vmap", "loop"])
def test_writes_into_a_fresh_buffer(strategy):
    def f(x):
        y = torch.zeros_like(x)
        y[..., 0] = x[..., 0] * x[..., 1]
        y[..., 1] = x[..., 1] ** 2
        y *= 2
        return y

    x = points(5, 2)
    torch.testing.assert_close(divergence(f, x, strategy), 6 * x[:, 1])
    assert Divergence().choice(f, x).strategy == "loop"


@pytest.mark.parametrize("strategy", ["auto", "vmap", "loop"])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_function_that_writes_to_its_argument(strategy, requires_grad):
    def f(x):
        x *= 2
        x[..., 0] += 1
        return x**2

    x = points(5, 2).requires_grad_(requires_grad)
    before = x.detach().clone()
    exact = 4 * (2 * x[:, 0] + 1) + 8 * x[:, 1]
    torch.testing.assert_close(divergence(f, x, strategy), exact)
    assert torch.equal(x.detach(), before)


class Tripled(torch.autograd.Function):
    """x² with three times its slope, as a custom backward may have it."""

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.x = inputs[0]

    @staticmethod
    def backward(ctx, gradient):
        return 6 * ctx.x * gradient


@pytest.mark.parametrize("strategy", ["auto", "loop"])
def test_a_custom_backward_counts(strategy):
    x = points(5, 2)
    torch.testing.assert_close(divergence(Tripled.apply, x, strategy), 6 * x.sum(-1))
    assert Divergence().choice(Tripled.apply, x).strategy == "loop"


@each_strategy
def test_weight_norm(strategy):
    net = network()
    parametrizations.weight_norm(net[2])
    assert_exact(net, points(5, 3), strategy)


@each_strategy
def test_functional_call_with_other_parameters(strategy):
    net, other = network(), network()
    for p in other.parameters():
        p.data *= 1.3
    swapped = {name: p.detach().requires_grad_() for name, p in other.named_parameters()}

    def f(x):
        return torch.func.functional_call(net, swapped, (x,))

    found = divergence(f, points(5, 3), strategy)
    exact = trace(other, points(5, 3))
    torch.testing.assert_close(found, exact)
    ours = torch.autograd.grad(found.sum(), swapped["2.weight"])[0]
    torch.testing.assert_close(ours, torch.autograd.grad(exact.sum(), other[2].weight)[0])


@each_strategy
def test_forward_hooks_run(strategy):
    net, seen = network(), []
    net[0].register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape)))
    net[2].register_forward_hook(lambda module, args, out: 2 * out)
    found = divergence(net, points(5, 3), strategy)
    plain = network()

    def exact(x):
        return plain[4](plain[3](2 * plain[2](plain[1](plain[0](x)))))

    torch.testing.assert_close(found, trace(exact, points(5, 3)))
    assert (5, 6) in seen


def test_a_hook_that_reads_numbers_falls_back():
    net, seen = network(), []
    net[0].register_forward_hook(lambda module, args, out: seen.append(out.norm().item()))
    assert Divergence().choice(net, points(5, 3)).strategy == "loop"
    assert_exact(net, points(5, 3))
    assert all(seen)


def test_relu_and_kinks_fall_back():
    net = network(activation=nn.ReLU)
    assert "relu" in Divergence().choice(net, points(5, 3)).reason
    assert_exact(net, points(5, 3))
    assert_exact(network(activation=functools.partial(nn.ReLU, inplace=True)), points(5, 3))


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


# What is remembered about a function


class Counted:
    """Counts how often it is called; the base of callables of several kinds."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return x * x

    def method(self, x):
        return self(x)


class Slotted:
    __slots__ = ()

    def __call__(self, x):
        return x * x


class Unhashable:
    __hash__ = None

    def __call__(self, x):
        return x * x


def squared(x, factor=1.0):
    return factor * x * x


@pytest.mark.parametrize(
    "f",
    [
        torch.square,
        Slotted(),
        Unhashable(),
        Counted().method,
        functools.partial(squared, factor=1.0),
        squared,
        lambda x: x * x,
    ],
    ids=["builtin", "slots", "unhashable", "method", "partial", "function", "lambda"],
)
def test_any_callable_will_do(f):
    x = points(5, 2)
    div = Divergence()
    for _ in range(2):
        torch.testing.assert_close(div(f, x), 2 * x.sum(-1))


@pytest.mark.parametrize("pick", [lambda c: c, lambda c: c.method], ids=["object", "method"])
def test_a_function_is_probed_once_whatever_the_number_of_points(pick):
    counted = Counted()
    div = Divergence()
    div(pick(counted), points(5, 2))
    probed = counted.calls
    for n in (5, 6, 2, 100):
        div(pick(counted), points(n, 2))
    assert counted.calls == probed + 4
    divergence(pick(counted), points(7, 2))  # the function form remembers too
    assert counted.calls == probed + 5


@pytest.mark.parametrize("change", ["points", "dtype", "strategy", "lead"])
def test_other_circumstances_are_probed_anew(change):
    counted = Counted()
    Divergence()(counted, points(1, 2))
    before = counted.calls
    x = {"points": points(4, 2), "dtype": points(1, 2).float(), "lead": points(1, 4, 2)}
    Divergence("vmap" if change == "strategy" else "auto")(counted, x.get(change, points(1, 2)))
    probes = counted.calls - before - 1
    assert probes == 0 if change == "strategy" else probes > 0


def test_one_point_does_not_vouch_for_many():
    div, f = Divergence(), Attention()
    div(f, points(1, 1, 3))
    with pytest.raises(CoupledPointsError):
        div(f, points(1, 5, 3))


def test_functions_are_not_kept_alive():
    net = network()
    gone = weakref.ref(net)
    Divergence()(net, points(5, 3))
    del net
    gc.collect()
    assert gone() is None


def test_the_operator_can_be_copied_and_pickled():
    div = Divergence("auto", dims=(0, 1), components=(0, 1))
    net = network()
    exact = div(net, points(5, 3))
    for other in (copy.deepcopy(div), pickle.loads(pickle.dumps(div))):
        assert torch.equal(other(net, points(5, 3)), exact)
    assert repr(div) == "Divergence(strategy='auto', dims=(0, 1), components=(0, 1))"


def test_probing_is_done_on_a_few_points():
    seen = []

    def f(x):
        seen.append(math.prod(x.shape[:-1]))
        return x * x

    divergence(f, points(50, 40, 2))
    assert sorted(seen)[-2] <= 16**2
    assert seen[-1] == 2000


# Cost


class Flops(TorchDispatchMode):
    def __enter__(self):
        self.count = 0
        return super().__enter__()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if (rule := flop_registry.get(func._overloadpacket)) is not None:
            self.count += rule(*args, **(kwargs or {}), out_val=out)
        return out


@pytest.mark.parametrize("d", [2, 3, 4])
def test_independent_heads_cost_two_forward_passes_in_the_loop(d):
    def head():
        return nn.Sequential(
            nn.Linear(d, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)
        )

    heads = nn.ModuleList(head() for _ in range(d))
    x = torch.rand(64, d)

    def apart(at):
        return tuple(net(at) for net in heads)

    def together(at):
        return torch.cat(apart(at), dim=-1)

    def flops(f, *arguments):
        with Flops() as counter:
            f(*arguments)
        return counter.count

    div = Divergence("loop")
    for f in (apart, together):
        div.choice(f, x)
    forward = flops(apart, x)
    assert flops(div, apart, x) <= 2.05 * forward
    assert flops(div, together, x) >= (0.97 + d) * forward
