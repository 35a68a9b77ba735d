"""The divergence operator against the trace of torch's own Jacobian."""

import copy

import pytest
import torch
from oracle import assert_exact, each_strategy, network, points, trace
from torch import nn

from pinn.operators import Probes
from pinn.operators.divergence import Divergence, divergence


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


def test_points_that_are_no_tensor_are_named():
    with pytest.raises(TypeError, match="x is a list: give a tensor"):
        divergence(network(), [[1.0, 2.0, 3.0]])


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
        (
            {"strategy": "jvp", "components": (0, 1, 2)},
            "unknown strategy 'jvp': known: auto, r",
        ),
        ({"memory": 0.0}, "memory is 0.0: give GiB above 0"),
        ({"probes": Probes()}, "probes are for strategy 'hutchinson', got strategy 'auto'"),
        ({"strategy": "hutchinson", "memory": 1.0}, "memory= is for exact strategies"),
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
    """∇·f has a derivative by x in turn: f = x³ gives ∂(3Σx²)/∂x = 6x."""
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
        # Not bit for bit: the race of `auto` may choose another strategy for the copy. bfloat16
        # would differ by 1e-3.
        torch.testing.assert_close(divergence(copy.deepcopy(net), x, strategy), exact)
