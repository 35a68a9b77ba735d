"""Identities of vector calculus, for random networks, dimensions and shapes."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pinn.algebra.channels import Plan, every_channel
from pinn.checking.agreement import disagreement
from pinn.derivatives.evaluate import STRATEGIES
from pinn.fields.field import vector
from pinn.fields.vector_calculus import curl, div, grad, laplacian
from pinn.operators.differentiate import differentiate
from pinn.operators.divergence import divergence

examples = settings(max_examples=20, derandomize=True, deadline=None, database=None)
ACTIVATIONS = (nn.Tanh, nn.SiLU, nn.GELU, nn.Softplus, nn.Sigmoid)
strategies = st.sampled_from(sorted(STRATEGIES))
dimensions = st.integers(1, 5)
leads = st.lists(st.integers(0, 4), max_size=3).map(tuple)


class Residual(nn.Module):
    """x ↦ W₂ σ(W₁ x + b₁) + sin(Kx) · σ(…) + x-independent bias."""

    def __init__(self, inputs, outputs, width, activation):
        super().__init__()
        self.inner, self.outer = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.wave = nn.Linear(inputs, outputs)
        self.activation = activation()

    def forward(self, x):
        y = self.outer(self.activation(self.inner(x)))
        return y + torch.sin(self.wave(x)) * y


@st.composite
def networks(draw, inputs=None, outputs=None):
    """A network from R^inputs to R^outputs; as many of both, if they are not given."""
    inputs = draw(dimensions) if inputs is None else inputs
    outputs = inputs if outputs is None else outputs
    torch.manual_seed(draw(st.integers(0, 2**31)))
    width, activation = draw(st.integers(1, 8)), draw(st.sampled_from(ACTIVATIONS))
    if draw(st.booleans()):
        return Residual(inputs, outputs, width, activation).double()
    layers = [nn.Linear(inputs, width), activation()]
    for _ in range(draw(st.integers(0, 2))):
        layers += [nn.Linear(width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, outputs)).double()


def inputs_of(f):
    return next(f.parameters()).shape[-1]


def at(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)).double() * 4 - 2


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@examples
@given(networks(3, 3), strategies, st.integers(1, 6))
def test_a_curl_has_no_divergence(potential, strategy, n):
    flow = differentiate(potential, at(n, 3), 2, strategy=strategy)
    close(div(curl(flow)).value, torch.zeros(n).double())


@examples
@given(networks(2, 1), strategies, st.integers(1, 6))
def test_a_stream_function_has_no_divergence(psi, strategy, n):
    slope = grad(differentiate(psi, at(n, 2), 2, strategy=strategy))
    close(div(vector(slope[..., 1], -slope[..., 0])).value, torch.zeros(n).double())


@examples
@given(st.integers(1, 4).flatmap(lambda d: networks(d, 1)), strategies, st.integers(1, 6))
def test_the_laplacian_is_the_divergence_of_the_gradient(phi, strategy, n):
    field = differentiate(phi, at(n, inputs_of(phi)), 2, strategy=strategy)
    close(laplacian(field).value, div(grad(field)).value)


@st.composite
def pairs(draw):
    d = draw(dimensions)
    return draw(networks(d)), draw(networks(d))


@examples
@given(pairs(), strategies, leads, st.floats(-3, 3), st.floats(-3, 3))
def test_linearity(both, strategy, lead, a, b):
    (f, g), x = both, at(*lead, inputs_of(both[0]))
    found = divergence(lambda p: a * f(p) + b * g(p), x, strategy)
    assert found.shape == lead
    close(found, a * divergence(f, x, strategy) + b * divergence(g, x, strategy))


@st.composite
def scaled(draw):
    d = draw(st.integers(1, 4))
    return draw(networks(d)), draw(networks(d, 1))


@examples
@given(scaled(), strategies, st.integers(1, 6))
def test_the_product_rule(both, strategy, n):
    (f, phi), x = both, at(n, inputs_of(both[0]))
    slope = grad(differentiate(phi, x, 1, strategy=strategy)).value
    exact = phi(x)[..., 0] * divergence(f, x, strategy) + (slope * f(x)).sum(-1)
    close(divergence(lambda p: phi(p) * f(p), x, strategy), exact)


@examples
@given(networks(), strategies, leads)
def test_affine_maps_of_the_input(f, strategy, lead):
    """g(x) = A⁻¹ f(Ax + b) has the divergence of f at Ax + b."""
    d = inputs_of(f)
    x, shift = at(*lead, d), at(d)
    matrix = torch.eye(d).double() + 0.3 * at(d, d) / d
    inverse = torch.linalg.inv(matrix)
    linear = nn.functional.linear
    found = divergence(lambda p: linear(f(linear(p, matrix, shift)), inverse), x, strategy)
    close(found, divergence(f, linear(x, matrix, shift), strategy))


@examples
@given(networks(), strategies, leads)
def test_shapes_do_not_change_numbers(f, strategy, lead):
    x = at(*lead, inputs_of(f))
    found = divergence(f, x, strategy)
    assert found.shape == lead
    close(found.reshape(-1), divergence(f, x.reshape(-1, x.shape[-1]), strategy))


@examples
@given(st.integers(1, 3).flatmap(lambda d: networks(d, 2)), st.integers(1, 3))
def test_all_strategies_agree(f, highest):
    d = inputs_of(f)
    plan = Plan(every_channel(d, tuple(range(d)), highest))
    for strategy in STRATEGIES:
        assert disagreement(f, at(20, d), plan, strategy) is None
