"""Conditions on fields, coefficients that jump, and plain values per point."""

import numpy as np
import pytest
import torch
from nested import cases, nested, random
from plane import assert_equal, at
from torch import nn

import pinn
from pinn import Problem, Rectangle, div, grad, laplacian, on, where
from pinn.algebra.channels import every_channel
from pinn.algebra.jet import MissingDerivativeError
from pinn.fields.field import coordinate_field, data_field
from pinn.geometry.coordinates import Coordinates

CHANNELS = every_channel(2, (0, 1))
PLACES = random(6, 2) + 0.5
TABLE = torch.tensor([1.0, 5.0, 9.0], dtype=torch.float64)
EDGES = torch.tensor([0.7, 1.0], dtype=torch.float64)

# On fields and, the same words, on tensors.
SAME = {
    "where": [
        lambda x, y, u: torch.where(x < 1.0, 1.0, 10.0) * x * y,
        lambda x, y, u: torch.where(x < 1.0, x * x, y) * y,
        lambda x, y, u: torch.where(x * y < 1.0, x, 2.0),
        lambda x, y, u: torch.where(u > 1.0, u, 2.0 * u),
    ],
    "conditions": [
        lambda x, y, u: (x < 1.0) * x * y + ~(x <= 1.0) * y,
        lambda x, y, u: ((x > 0.7) & (y >= 1.0)) * x + ((x == y) | (x != y)) * y,
        lambda x, y, u: ((x > 1.0) ^ (y > 1.0)) * (x + 1.0),
        lambda x, y, u: torch.logical_and(x > 1.0, torch.logical_not(y > 1.0)) * x,
        lambda x, y, u: torch.lt(x, y) * x + torch.ge(x, 1.0) * y,
        lambda x, y, u: (u > 1.0) * u,
        lambda x, y, u: (u[:, 0] > 1.0) * x,
    ],
    "steps": [
        lambda x, y, u: torch.heaviside(x - 1.0, torch.tensor(0.5).to(PLACES)) * x * y,
        lambda x, y, u: torch.sign(x - 1.0) * x + torch.floor(3 * x) * y,
        lambda x, y, u: TABLE[torch.bucketize(x, EDGES)] * x * y,
    ],
    "bounds": [
        lambda x, y, u: torch.clamp(x * y, 0.6, 1.2) + (x * x).clamp(max=1.0),
        lambda x, y, u: torch.maximum(x * x, y) * torch.minimum(x, y * y),
        lambda x, y, u: torch.relu(x - 1.0) + abs(y - 1.0),
        lambda x, y, u: torch.clamp(x, y - 0.2, y + 0.2),
        lambda x, y, u: x % 0.3,
        lambda x, y, u: x.masked_fill(x < 1.0, 2.0),
    ],
}


def parts(p):
    x, y = p[:, 0], p[:, 1]
    return x, y, torch.stack([x * y, y * y + 0.2 * x], 1)


@pytest.mark.parametrize("f", cases(SAME))
def test_derivatives_are_those_of_each_piece(f):
    field = f(*parts(coordinate_field(PLACES, Coordinates(("x", "y")))))

    def plain(p):
        x, y, u = parts(p)
        steps = TABLE[torch.bucketize(x.detach().contiguous(), EDGES)]
        is_table = "bucketize" in f.__code__.co_names
        is_step = "heaviside" in f.__code__.co_names
        if is_table or is_step:
            return (steps if is_table else (x > 1.0).to(x)) * x * y
        return f(x, y, u)

    value, streams = nested(plain, PLACES, CHANNELS)
    torch.testing.assert_close(field.value.reshape(value.shape), value, rtol=1e-12, atol=1e-12)
    for channel in CHANNELS:
        found = field.stream(channel).reshape(value.shape)
        torch.testing.assert_close(found, streams[channel], rtol=1e-10, atol=1e-10)


def test_a_vector_on_one_side_lines_up_the_points():
    square = coordinate_field(random(2, 2) + 0.5, Coordinates(("x", "y")))
    x, low = square[:, 0], (square.value[:, 0] < 1.0)[:, None]
    for condition in (x < 1.0, x.value < 1.0):
        found = where(condition, square, (5.0, 6.0))
        assert_equal(found, torch.where(low, square.value, torch.tensor([5.0, 6.0]).double()))
        assert_equal(
            torch.where(condition, square, 2 * square), torch.where(low, 1, 2) * square.value
        )
    assert_equal(grad(where(x < 1.0, square, (5.0, 6.0)))[:, 0, 0], low[:, 0].double())


def test_a_table_of_parameters_is_trained():
    _, x, _ = at("x", "y")
    table = nn.Parameter(TABLE.clone())
    found = table[torch.bucketize(x, EDGES)] * x
    (ours,) = torch.autograd.grad(found.value.sum(), table)
    index = torch.bucketize(x.value.contiguous(), EDGES)
    assert torch.equal(ours, torch.zeros(3).double().index_add(0, index, x.value))


def test_a_coefficient_that_jumps_multiplies_what_is_differentiated():
    _, x, y = at("x", "y")
    u, low = x * x * y, x.value < 1.0
    k = torch.where(low, 1.0, 10.0).double()
    for coefficient in (
        torch.where(x < 1.0, 1.0, 10.0),
        torch.where(x.value < 1.0, 1.0, 10.0),
        np.where(x < 1.0, 1.0, 10.0),
        1.0 + 9.0 * (x >= 1.0),
        pinn.where(~(x < 1.0), 10.0, 1.0),
        data_field(k, x.coordinates, "k"),
    ):
        assert_equal(coefficient * laplacian(u), k * 2 * y.value)
        assert_equal(coefficient * grad(u), k[:, None] * grad(u).value)
    assert_equal(div(torch.where(x < 1.0, 1.0, 10.0) * grad(u)), k * 2 * y.value)


def test_plain_values_have_no_derivative_and_conditions_on_data_have_none():
    _, x, y = at("x", "y")
    for k in (
        torch.where(x.value < 1.0, 1.0, 10.0),
        data_field(x.value, x.coordinates, "k"),
        data_field(x.value, x.coordinates, "k") > 1.0,
    ):
        with pytest.raises(MissingDerivativeError, match=r"is not known.*such as x\.value"):
            div(k * grad(x * y))


REFUSED = {
    "if": (lambda x, u: bool(x < 1.0), "torch.where"),
    "chained": (lambda x, u: 0.2 < x < 0.5, r"\(0\.2 < x\) & \(x < 0\.5\)"),
    "and": (lambda x, u: (x < 0.5) and (x > 0.2), "torch.where"),
    "no parentheses": (lambda x, u: x < 0.5 & x, "parentheses"),
    "not a condition": (lambda x, u: where(x, 1.0, 2.0), "is no condition: compare"),
    "scalar and vector": (lambda x, u: where(x < 1.0, x, u), "has no meaning"),
    "none": (lambda x, u: x == None, "NoneType"),  # noqa: E711
    "membership": (lambda x, u: x in [1.0, 2.0], "torch.where"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_condition_is_refused_in_one_line(name):
    field, x, _ = at("x", "y")
    call, words = REFUSED[name]
    with pytest.raises((TypeError, ValueError), match=words) as raised:
        call(x, field)
    assert "\n" not in str(raised.value)


class Jump(Problem):
    """−∇·(k ∇u) = 0 between 0 and 1 with k = 1 and 10 is u″ = 0 on each side; here k u″ = f."""

    coordinates, unknowns, geometry = ("x", "y"), {"u": 1}, Rectangle()

    def __init__(self, write="field"):
        super().__init__()
        self.write = write

    def coefficient(self, x):
        return {
            "field": lambda: torch.where(x < 0.5, 1.0, 10.0),
            "values": lambda: torch.where(x.value < 0.5, 1.0, 10.0),
            "numpy": lambda: np.where(x < 0.5, 1.0, 10.0),
            "mask": lambda: (x < 0.5) + 10.0 * ~(x < 0.5),
        }[self.write]()

    @on("interior")
    def eq(self, u, x):
        k = self.coefficient(x)
        return k * laplacian(u) - 4.0 * k + np.sin(np.pi * x) - pinn.sin(torch.pi * x)

    @on("boundary")
    def known(self, u, x, y):
        return u - (x * x + y * y)


@pytest.mark.parametrize("write", ["field", "values", "numpy", "mask"])
def test_a_material_with_a_jump_in_a_problem(write, tmp_path):
    torch.manual_seed(0)
    phases = [pinn.Phase(optimizer="LevenbergMarquardt", steps=6, train="output")]
    s = pinn.fit(Jump(write), pinn.MLP(width=150, depth=1, spread=2.0), phases=phases,
                 points={"interior": 100, "boundary": 60}, weights={"known": 100.0},
                 folder=str(tmp_path), compile="auto" if write == "field" else False)  # fmt: skip
    places = random(20, 2)
    assert (s.double()(places)["u"] - places.square().sum(-1)).abs().max() < 1e-3
