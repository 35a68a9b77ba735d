"""Derivatives of expressions of coordinates are computed where they are read, and only there."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import pinn
from pinn.fields.field import coordinate_field, partial
from pinn.fields.vector_calculus import laplacian
from pinn.geometry.coordinates import Coordinates

AT = torch.rand(9, 2, dtype=torch.float64)
XY = Coordinates(("x", "y"))


class Counted(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.operations += 1
        return function(*args, **(kwargs or {}))


def long(x, y, terms):
    total = 0
    for k in range(1, terms):
        total = total + pinn.sin(k * x) * pinn.exp(-y / k) / k**2
    return total


@pytest.mark.parametrize("order", [0, 2])
def test_a_long_expression_is_differentiated_only_where_it_is_read(order):
    at = coordinate_field(AT, XY)
    with Counted() as counted:
        f = long(at[:, 0], at[:, 1], 400)
        if order:
            found = laplacian(f).value
    x, y = AT.unbind(1)
    if order:  # as deep as the expression is long
        exact = sum(
            torch.sin(k * x) * torch.exp(-y / k) / k**2 * (1 / k**2 - k**2) for k in range(1, 400)
        )
        torch.testing.assert_close(found, exact)
    else:
        assert counted.operations < 400 * 12
        exact = sum(torch.sin(k * x) * torch.exp(-y / k) / k**2 for k in range(1, 400))
        torch.testing.assert_close(f.value, exact)


def test_derivatives_are_the_same_whenever_they_are_read():
    k = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    at = coordinate_field(AT, XY)
    x, y = at[:, 0], at[:, 1]
    g = pinn.vector(k * pinn.sin(k * x) * y, x**k, (2 - x) / (1 + y))
    first = partial(g, "x")
    with torch.no_grad():
        second = partial(partial(g, "y"), "x")
    third = partial(g, "x").value
    a, b = AT.unbind(1)
    rows = [k * k * torch.cos(k * a) * b, k * a ** (k - 1), -1 / (1 + b)]
    torch.testing.assert_close(first.value, torch.stack(rows, 1))
    torch.testing.assert_close(third, first.value)
    rows = [k * k * torch.cos(k * a), 0 * a, 1 / (1 + b) ** 2]
    torch.testing.assert_close(second.value, torch.stack(rows, 1).detach())
    (slope,) = torch.autograd.grad(first.value.sum(), k)
    check = torch.stack([k * k * torch.cos(k * a) * b, k * a ** (k - 1), 0 * a], 1).sum()
    torch.testing.assert_close(slope, torch.autograd.grad(check, k)[0])
