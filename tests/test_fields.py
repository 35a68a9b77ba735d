"""Field arithmetic and vector calculus against polynomials worked out by hand."""

import operator

import numpy as np
import pytest
import torch
from plane import N, assert_equal, at, vector

from pinn.algebra.channels import every_channel
from pinn.algebra.jet import Jet, MissingDerivativeError, NoRuleError
from pinn.fields import field as fields
from pinn.fields.field import coordinate_field, data_field, partial
from pinn.fields.vector_calculus import div, grad, laplacian
from pinn.geometry.coordinates import Coordinates

# Arithmetic


def test_scalar_times_vector_lines_up_the_points():
    field, x, y = at("x", "y")
    for product in (x * field, field * x):
        assert_equal(product, x.value[:, None] * field.value)
        assert_equal(partial(product, "x"), vector(2 * x.value, y.value))
        assert_equal(partial(product, "y"), vector(torch.zeros(N).double(), x.value))


def test_scalar_and_vector_line_up_even_where_points_and_components_are_as_many():
    square = coordinate_field(torch.rand(2, 2, dtype=torch.float64), Coordinates(("x", "y")))
    x = square[:, 0]
    assert_equal(x * square, x.value[:, None] * square.value)
    assert_equal(square / x, square.value / x.value[:, None])
    assert_equal(x / square, x.value[:, None] / square.value)
    expected = torch.stack([2 * x.value, square.value[:, 1]], dim=-1)
    assert_equal(partial(x * square, "x"), expected)


def test_the_sum_of_a_scalar_and_a_vector_is_refused():
    field, x, _ = at("x", "y")
    for left, right in ((x, field), (field, x)):
        with pytest.raises(ValueError, match=r"shape \(2,\).* has no meaning: multiply"):
            left + right
        with pytest.raises(ValueError, match="multiply a scalar by a tuple"):
            left - right
    for refused in (
        lambda: x - (1.0, 0.0),
        lambda: operator.add((1.0, 0.0), x),
        lambda: field + vector(x),
    ):
        with pytest.raises(ValueError, match="has no meaning"):
            refused()
    assert_equal(x * (1.0, 0.0) + field, field.value + torch.stack([x.value, 0 * x.value], -1))


def test_scalar_times_gradient_tensor():
    field, x, y = at("x", "y")
    gradient = grad(vector(x * y, y * y))
    assert_equal(x * gradient, x.value[:, None, None] * gradient.value)
    # (N, 2) beside (N, 2, 2) could mean rows or columns: ∂u/∂n needs the columns.
    for refused in (
        lambda: field * gradient,
        lambda: gradient / field,
        lambda: gradient * (1.0, 2),
    ):
        with pytest.raises(ValueError, match=r"could mean either axis.*advect\(normal, u\)"):
            refused()


def test_a_tuple_may_hold_fields():
    field, x, _ = at("x", "y")
    zero = torch.zeros_like(x.value)
    assert_equal(field - (x, 0.0), field.value - torch.stack([x.value, zero], -1))
    assert_equal(fields.vector(x, 2.0), torch.stack([x.value, zero + 2], -1))
    assert_equal(partial((x * x, 1.0) * x, "x"), torch.stack([3 * x.value**2, zero + 1], -1))


CONSTANT = (2.0, -3.0)
OPERATIONS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.__name__)
def test_tuples_are_constant_vectors(operation):
    field, *_ = at("x", "y")
    row = torch.tensor([CONSTANT], dtype=torch.float64)
    assert_equal(operation(field, CONSTANT), operation(field.value, row))
    if operation is not operator.pow:
        assert_equal(operation(CONSTANT, field), operation(row, field.value))


@pytest.mark.parametrize("operation", OPERATIONS[2:4], ids=lambda o: o.__name__)
def test_a_scalar_meets_a_tuple_as_a_vector(operation):
    _, x, _ = at("x", "y")
    row = torch.tensor([CONSTANT], dtype=torch.float64)
    assert_equal(operation(x, CONSTANT), operation(x.value[:, None], row))
    assert_equal(operation(CONSTANT, x), operation(row, x.value[:, None]))
    divided = operation(x, CONSTANT)
    assert partial(divided, "x").shape == (N, 2)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.__name__)
@pytest.mark.parametrize("number", [2, 2.0, np.float64(2), np.float32(2), torch.tensor(2.0)])
def test_numbers_of_any_kind_are_constants(operation, number):
    _, x, _ = at("x", "y")
    assert_equal(operation(x, number), operation(x.value, 2.0))
    assert_equal(operation(number, x), operation(2.0, x.value))


def test_reflected_operations_stay_fields_with_derivatives():
    _, x, y = at("x", "y")
    assert_equal(grad(1 / x), vector(-1 / x.value**2, torch.zeros(N).double()))
    assert_equal(grad(1 - x * y), vector(-y.value, -x.value))
    assert_equal(laplacian(2**x), np.log(2) ** 2 * 2**x.value)
    assert_equal(laplacian(CONSTANT / x), 2 * torch.tensor([CONSTANT]) / x.value[:, None] ** 3)


def test_learnable_number_gets_its_gradient():
    _, x, y = at("x", "y")
    viscosity = torch.tensor(0.1, requires_grad=True)
    div(viscosity * grad(x * x * y)).value.sum().backward()
    torch.testing.assert_close(viscosity.grad.double(), 2 * y.value.sum(), rtol=1e-6, atol=0)


RAW = {
    "points": lambda: torch.linspace(1.0, 2.0, N),
    "vector": lambda: torch.linspace(1.0, 2.0, 2 * N).reshape(N, 2),
    "array": lambda: np.linspace(1.0, 2.0, N),
}


@pytest.mark.parametrize("raw", RAW)
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow"])
def test_plain_values_per_point_are_data_whose_derivative_is_unknown(name, raw):
    field, x, _ = at("x", "y")
    other = RAW[raw]()
    f = field if raw == "vector" else x
    beside = torch.as_tensor(other).double()
    operation = getattr(operator, name)
    for found, exact in (
        (operation(f, other), operation(f.value, beside)),
        (operation(other, f), operation(beside, f.value)),
    ):
        assert_equal(found, exact)
        with pytest.raises(MissingDerivativeError, match=r"plain tensors such as x\.value"):
            grad(found)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow"])
def test_plain_values_per_point_in_torch_functions(name):
    _, x, _ = at("x", "y")
    function, raw = getattr(torch, name), torch.linspace(1.0, 2.0, N).double()
    assert_equal(function(x, raw), function(x.value, raw))
    assert_equal(function(raw, x), function(raw, x.value))
    with pytest.raises(MissingDerivativeError, match="is not known"):
        partial(function(raw, x), "x")


@pytest.mark.parametrize("join", [torch.stack, torch.cat])
def test_plain_values_per_point_are_joined_as_data(join):
    field, x, _ = at("x", "y")
    f = x if join is torch.stack else field
    for parts in ([f, f.value], [f.value, f]):
        found = join(parts, dim=-1)
        assert_equal(found, join([f.value, f.value], dim=-1))
        with pytest.raises(MissingDerivativeError, match="is not known"):
            partial(found, "x")


def test_joining_points_is_refused():
    _, x, y = at("x", "y")
    with pytest.raises(NoRuleError, match=r"would join the points: use vector\(u, v\)$"):
        torch.cat([x, y], dim=-1)


# Measured data


def test_data_can_be_compared_with_but_not_differentiated():
    _, x, _ = at("x", "y")
    measured = data_field(torch.full((N,), 2.0).double(), x.coordinates, "u_measured")
    assert_equal(x - measured, x.value - 2)
    assert_equal(measured * x, 2 * x.value)
    with pytest.raises(MissingDerivativeError, match="∂y of 'u_measured' is not known"):
        partial(measured, "y")
    with pytest.raises(MissingDerivativeError, match="∇² of 'u_measured'"):
        laplacian(measured)
    with pytest.raises(MissingDerivativeError, match="∂x of 'expression'"):
        grad(x * measured)


def test_names_and_repr():
    field, x, _ = at("x", "y")
    assert field.name == "at"
    assert (x + 1).name == "expression"
    assert repr(x.named("u")) == "Field('u', shape=(5,), derivatives=[∂x ∂y ∂xx ∂xy ∂yy ∇²])"


def test_coordinates_have_unit_gradient_and_no_curvature():
    field, *_ = at("x", "y", "t")
    channels = every_channel(3, (0, 1))
    assert set(field.streams) == set(channels)
    assert_equal(grad(field), torch.eye(3, dtype=torch.float64)[:, :2].expand(N, 3, 2))
    assert_equal(laplacian(field), torch.zeros(N, 3).double())
    assert isinstance(field, Jet)
