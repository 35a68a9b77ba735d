"""Vector calculus against polynomials worked out by hand."""

import pytest
import torch
from plane import N, assert_equal, at, vector

from pinn.algebra.channels import Plan, first, laplace
from pinn.algebra.jet import MissingDerivativeError
from pinn.fields.field import Field, partial
from pinn.fields.vector_calculus import advect, curl, div, dt, grad, laplacian


def test_gradient_of_a_scalar():
    _, x, y = at("x", "y")
    assert_equal(grad(x * x * y), vector(2 * x.value * y.value, x.value**2))


def test_gradient_convention_is_component_then_coordinate():
    _, x, y = at("x", "y")
    gradient = grad(vector(x * y * y, x + 3 * y))  # [[y², 2xy], [1, 3]]
    assert gradient.shape == (N, 2, 2)
    one = torch.ones(N).double()
    assert_equal(gradient[:, 0, 0], y.value**2)
    assert_equal(gradient[:, 0, 1], 2 * x.value * y.value)
    assert_equal(gradient[:, 1, 0], one)
    assert_equal(gradient[:, 1, 1], 3 * one)


def test_divergence_of_a_vector_and_of_a_tensor():
    _, x, y = at("x", "y")
    assert_equal(div(vector(x * x * y, x * y)), 2 * x.value * y.value + x.value)
    stress = torch.stack([vector(x * y, y * y), vector(x, x * x * y)], dim=1)
    exact = vector(y.value + 2 * y.value, 1 + x.value**2)  # over the last index
    assert_equal(div(stress), exact)


def test_divergence_is_not_the_sum_of_all_derivatives():
    _, x, y = at("x", "y")
    assert_equal(div(vector(-y, x)), torch.zeros(N).double())


def test_laplacian_by_component():
    _, x, y = at("x", "y")
    assert_equal(laplacian(x * x * x * y), 6 * x.value * y.value)
    assert_equal(laplacian(vector(x * x, x * y * y)), vector(2 + 0 * x.value, 2 * x.value))


def test_advection():
    _, x, y = at("x", "y")
    u = vector(y, x * x)
    f = x * y
    assert_equal(advect(u, f), y.value * y.value + x.value**2 * x.value)
    # (u·∇)u = (u₂ ∂y, u₁ ∂x 2x…) = (x², 2xy)
    assert_equal(advect(u, u), vector(x.value**2, 2 * x.value * y.value))


def test_curl_in_two_dimensions():
    _, x, y = at("x", "y")
    assert_equal(curl(vector(-y, x * x)), 2 * x.value + 1)


def test_curl_in_three_dimensions():
    _, x, y, z = at("x", "y", "z")
    u = vector(y * z, x * x, x * y * y)
    exact = vector(
        2 * x.value * y.value, y.value - y.value**2, 2 * x.value - z.value
    )  # (∂y w − ∂z v, ∂z u − ∂x w, ∂x v − ∂y u)
    assert_equal(curl(u), exact)


def test_time_is_no_space_coordinate():
    _, x, y, t = at("x", "y", "t")
    f = x * x * t * t + y * t
    one = torch.ones(N).double()
    assert_equal(grad(f), vector(2 * x.value * t.value**2, t.value))
    assert_equal(laplacian(f), 2 * t.value**2)
    assert_equal(dt(f), 2 * x.value**2 * t.value + y.value)
    assert_equal(dt(dt(f)), 2 * x.value**2)
    assert_equal(dt(grad(f)), vector(4 * x.value * t.value, one))
    assert_equal(grad(dt(f)), vector(4 * x.value * t.value, one))
    assert_equal(div(vector(x * t, y * y)), t.value + 2 * y.value)
    assert_equal(curl(vector(y * t, x * t * t)), t.value**2 - t.value)
    assert_equal(advect(vector(x, y), f), 2 * x.value**2 * t.value**2 + y.value * t.value)


def test_one_dimension():
    field, x, t = at("x", "t")
    u = x * x * t
    assert_equal(grad(u), (2 * x.value * t.value)[:, None])
    assert_equal(div(u), 2 * x.value * t.value)
    assert_equal(div(grad(u)), 2 * t.value)
    assert_equal(laplacian(u), 2 * t.value)
    assert_equal(advect(u, u), x.value**2 * t.value * 2 * x.value * t.value)
    assert_equal(advect(u[:, None], u), x.value**2 * t.value * 2 * x.value * t.value)
    assert_equal(div(field[:, :1]), torch.ones(N).double())


def test_time_alone():
    _, t = at("t")
    assert_equal(dt(dt(t * t * t)), 6 * t.value)
    assert_equal(laplacian(t * t), torch.zeros(N).double())


def test_variable_coefficient_follows_leibniz():
    _, x, y = at("x", "y")
    u, nu = x * x * y, 1 + x * y
    exact = nu.value * 2 * y.value + y.value * 2 * x.value * y.value + x.value * x.value**2
    assert_equal(div(nu * grad(u)), exact)
    split = nu * laplacian(u) + advect(grad(nu), u)
    assert_equal(split, exact)


@pytest.mark.parametrize("names", [("x",), ("x", "y"), ("x", "y", "z"), ("x", "y", "t")])
def test_divergence_of_the_gradient_is_the_laplacian(names):
    field, *c = at(*names)
    u = torch.sin(c[0] * c[-1]) * torch.exp(c[0]) + c[-1] ** 3 / c[0]
    assert_equal(div(grad(u)), laplacian(u).value)
    vectorial = field * u
    assert_equal(div(grad(vectorial)), laplacian(vectorial).value)


@pytest.mark.parametrize("names", [("x", "y"), ("x", "y", "z")])
def test_curl_of_a_gradient_vanishes(names):
    _, *c = at(*names)
    rotation = curl(grad(torch.sin(c[0] * c[1]) * c[-1] ** 2))
    torch.testing.assert_close(rotation.value, torch.zeros_like(rotation.value))


def test_divergence_of_a_curl_vanishes():
    _, x, y, z = at("x", "y", "z")
    rotation = curl(vector(torch.sin(y * z) * x, x * x * y, torch.exp(x * y) * z))
    assert rotation.value.abs().max() > 0.1
    torch.testing.assert_close(div(rotation).value, torch.zeros(N).double())


def test_partial_by_name_or_number():
    _, x, y = at("x", "y")
    f = x * y * y
    assert_equal(partial(f, "y"), partial(f, 1).value)
    assert_equal(partial(partial(f, "y"), "x"), 2 * y.value)
    assert_equal(partial(partial(f, "x"), "y"), 2 * y.value)


def test_a_collapsed_network_field_multiplies_coordinates():
    """As when an ansatz multiplies a network output, carried with ∇² only, by the distance."""
    field, x, y = at("x", "y")
    plan = Plan((laplace((0, 1)),))
    streams = {first(0): y.value, first(1): x.value, laplace((0, 1)): None}
    u = Field(x.value * y.value, {c: streams[c] for c in plan.channels}, field.coordinates, "u")
    assert_equal(laplacian(x * u), 2 * y.value)
    assert_equal(laplacian(u * x + y), 2 * y.value)


def test_derivatives_end_where_the_evaluation_ended():
    _, x, y = at("x", "y")
    f = (x * x * y).named("f")
    with pytest.raises(
        MissingDerivativeError, match=r"∂x of 'expression' was not evaluated.*order=3"
    ):
        grad(laplacian(f))
    with pytest.raises(MissingDerivativeError, match="∇² of 'expression'"):
        laplacian(grad(f))
    third = Field(f.value, {first(0): f.stream(first(0))}, f.coordinates, "f")
    with pytest.raises(MissingDerivativeError, match="∂y of 'f'"):
        grad(third)


def test_errors_say_what_is_needed():
    field, x, y = at("x", "y")
    with pytest.raises(ValueError, match=r"div of 'at', shape \(5, 1\).*space coordinate \(2\)"):
        div(field[:, :1].named("at"))
    with pytest.raises(ValueError, match=r"div of 'p', shape \(5,\)"):
        div(x.named("p"))
    with pytest.raises(ValueError, match=r"curl of 'p', shape \(5,\).*vector in 2 or 3"):
        curl(x.named("p"))
    with pytest.raises(ValueError, match=r"advect by 'p', shape \(5,\).*\(2\)"):
        advect(x.named("p"), y)
    with pytest.raises(ValueError, match=r"dt of 'p': there is no time among \('x', 'y'\)"):
        dt(x.named("p"))
    with pytest.raises(ValueError, match="unknown coordinate 'z'"):
        partial(x, "z")
    for axis in (2, -1):
        with pytest.raises(
            ValueError, match=f"coordinate number {axis} does not exist: give one by name, 'x'"
        ):
            partial(x, axis)
