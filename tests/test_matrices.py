"""A matrix is written by rows everywhere, and derivatives go up to order three."""

import pytest
import torch
from nested import random
from plane import assert_equal, at
from torch import nn

import pinn
from pinn import (
    Problem,
    Rectangle,
    advect,
    curl,
    differentiate,
    div,
    dt,
    grad,
    laplacian,
    on,
    partial,
    vector,
)
from pinn.algebra.jet import MissingDerivativeError
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution


def stacked(*parts, dim=-1):
    return torch.stack(parts, dim=dim)


def test_the_divergence_of_a_matrix_given_by_rows():
    p = random(6, 2)
    u = differentiate(
        lambda p: torch.stack([p[:, 0] * p[:, 1], p[:, 0] ** 2, p[:, 1] ** 2, p[:, 0]], -1), p
    )
    a, b, c, d = (u[:, k] for k in range(4))
    x, y = p.T
    zero = 0 * x
    for matrix in (
        vector(vector(a, b), vector(c, d)),
        vector((a, b), (c, d)),
        vector(vector(a, b), (c, d)),
        u.unflatten(-1, (2, 2)),
    ):
        assert_equal(div(matrix), stacked(y, zero))
        assert_equal(matrix[:, 0, 1], x**2)
    assert_equal((1.0 + 0 * a) * ((1, 2), (3, 4)), vector((1, 2), (3, 4)).expand(6, 2, 2))
    assert_equal(u.unflatten(-1, (2, 2)) * ((a, b), (c, d)), u.value.unflatten(-1, (2, 2)) ** 2)


def test_rows_of_gradients_are_the_gradient_of_the_vector():
    _, x, y = at("x", "y")
    u = vector(x * y * y, x + 3 * y)
    by_rows = vector(grad(u[:, 0]), grad(u[:, 1]))
    assert_equal(by_rows, grad(u).value)
    assert_equal(div(by_rows), laplacian(u).value)
    assert_equal(by_rows[:, 0, 1], 2 * x.value * y.value)  # ∂u₁/∂y
    assert_equal(div(grad(u).T), grad(div(u)).value)
    assert_equal(grad(u) @ u, advect(u, u).value)
    assert_equal(grad(u).T[:, 0], partial(u, "x").value)


def test_three_dimensions_and_constants_in_rows():
    _, x, y, z = at("x", "y", "z")
    stress = vector((x * y, 0, z), vector(y, y * z, x), (1, 2.0, x * z))
    exact = stacked(y.value + 1, z.value, x.value)
    assert_equal(div(stress), exact)
    assert_equal(stress[:, 2], stacked(1 + 0 * x.value, 2 + 0 * x.value, x.value * z.value))
    spin = curl(vector(y * z, x * x, x * y * y))
    skew = grad(vector(y * z, x * x, x * y * y))
    skew = skew - skew.T
    assert_equal(vector(skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]), spin.value)


def test_components_of_different_shapes_are_refused():
    field, x, _ = at("x", "y")
    for components in ((field, x), (x, (x, x)), ((x, x), (x, x, x))):
        with pytest.raises((ValueError, TypeError), match="give"):
            vector(*components)


def cubic(p):
    x, y = p[:, 0], p[:, 1]
    return torch.stack([x**3 * y**2 + torch.sin(x * y), torch.exp(x) * y**3], -1)


@pytest.mark.parametrize("strategy", ["auto", "taylor", "vmap", "loop", "rule"])
def test_third_derivatives_of_a_plain_function(strategy):
    p = random(5, 2)
    u = differentiate(cubic, p, order=3, strategy=strategy)
    x, y = p.T
    sine, cosine = torch.sin(x * y), torch.cos(x * y)
    exact = 12 * x * y - 2 * y * sine - x * y**2 * cosine  # ∂²x ∂y of the first
    assert_equal(partial(partial(partial(u, "x"), "y"), "x")[:, 0], exact)
    assert_equal(laplacian(partial(u, "y"))[:, 1], torch.exp(x) * (3 * y**2 + 6))
    assert_equal(div(laplacian(u)), laplacian(div(u)).value)


def test_third_derivative_of_a_linear_function_is_zero():
    u = differentiate(nn.Linear(3, 1), torch.rand(5, 3), order=3)
    assert torch.equal(grad(laplacian(u)).value, torch.zeros(5, 3))


@pytest.mark.parametrize("order", [0, 5, 1.5, True, "2"])
def test_the_limit_of_order_is_four_everywhere(order):
    with pytest.raises(ValueError, match=r"expected a whole number from 1 to 4; for a higher"):
        differentiate(cubic, random(5, 2), order=order)


def biharmonic(u):
    return laplacian(laplacian(u))


HIGHER = {
    "sixth": lambda u: biharmonic(laplacian(u)),
    "fifth": lambda u: partial(biharmonic(u), "x"),
    "in time": lambda u: dt(dt(dt(dt(dt(u))))),
    "mixed": lambda u: biharmonic(dt(u)),
    "grad of grad": lambda u: grad(biharmonic(u))[:, 0],
    "divergence": lambda u: div(grad(laplacian(partial(u, "x")))),
    "in a sum": lambda u: biharmonic(u + laplacian(u)),
    "in a product": lambda u: biharmonic(u * laplacian(u)),
}


@pytest.mark.parametrize("name", HIGHER)
def test_a_fifth_derivative_is_refused_with_the_form_that_works(name):
    class Plate(Problem):
        coordinates, unknowns = ("x", "y", "t"), {"u": 1}
        geometry = Rectangle(time=(0, 1))

        @on("interior")
        def eq(self, u):
            return HIGHER[name](u) - 1.0

    words = r"order [56], and the highest is 4: .* w - laplacian\(u\)"
    with pytest.raises(MissingDerivativeError, match=words) as raised:
        plan_regions(Solution(Plate(), pinn.MLP(width=4, depth=1)))
    assert "\n" not in str(raised.value)


def test_the_mixed_form_of_the_biharmonic_equation(tmp_path):
    class Plate(Problem):
        """∇⁴u = 8 for u = x²y²."""

        coordinates, unknowns, geometry = ("x", "y"), {"u": 1, "w": 1}, Rectangle()

        @on("interior")
        def moment(self, u, w):
            return w - laplacian(u)

        @on("interior")
        def load(self, w):
            return laplacian(w) - 8.0

        @on("boundary")
        def known(self, u, w, x, y):
            return vector(u - x**2 * y**2, w - 2 * (x**2 + y**2))

    torch.manual_seed(0)
    phases = [pinn.Phase(optimizer="LevenbergMarquardt", steps=5, train="output")]
    s = pinn.fit(Plate(), pinn.MLP(width=150, depth=1, spread=2.0), phases=phases,
                 points={"interior": 100, "boundary": 60}, weights={"known": 100.0},
                 folder=str(tmp_path), compile=False)  # fmt: skip
    p = random(20, 2)
    assert (s.double()(p)["u"] - p[:, 0] ** 2 * p[:, 1] ** 2).abs().max() < 1e-3


def test_a_coordinate_may_be_given_as_itself():
    _, x, y = at("x", "y")
    x, y = x.named("x"), y.named("y")
    assert_equal(partial(x * x * y, x), 2 * x.value * y.value)


def test_what_was_not_evaluated_says_the_order_to_ask_for():
    u = differentiate(cubic, random(5, 2))
    with pytest.raises(MissingDerivativeError, match=r"differentiate\(f, x, order=2\)"):
        laplacian(u)
    with pytest.raises(MissingDerivativeError, match=r"differentiate\(f, x, order=3\)"):
        laplacian(grad(differentiate(cubic, random(5, 2), order=2)))
