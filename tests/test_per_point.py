"""Products at each point, and NumPy's functions, against nested autograd."""

import math
import operator

import numpy as np
import pytest
import torch
from nested import cases, nested, random
from plane import at

import pinn
from pinn import div, grad, laplacian, vector
from pinn.algebra.channels import every_channel
from pinn.fields.field import coordinate_field, data_field
from pinn.geometry.coordinates import Coordinates

CHANNELS = every_channel(2, (0, 1))
PLACES = random(5, 2) + 0.5
K = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=torch.float64)


def parts(p):
    """x, y, a vector, a matrix and a vector in space, of fields or of tensors."""
    x, y = p[:, 0], p[:, 1]
    u = torch.stack([x * y * y, torch.sin(x) + y], 1)
    rows = [torch.stack([x * x, y], 1), torch.stack([x * y, torch.exp(y)], 1)]
    return x, y, u, torch.stack(rows, 1), torch.stack([x * y, y * y, torch.cos(x)], 1)


def bmm(A, u):
    return torch.einsum("nij,nj->ni", A, u)


# How it is written for fields → the same for tensors with a point axis.
PRODUCTS = {
    "A @ u": [(lambda x, y, u, A, w: A @ u, lambda x, y, u, A, w: bmm(A, u))],
    "u @ A": [(lambda x, y, u, A, w: u @ A, lambda x, y, u, A, w: bmm(A.mT, u))],
    "u @ u": [(lambda x, y, u, A, w: u @ u, lambda x, y, u, A, w: (u * u).sum(-1))],
    "A @ A.T": [(lambda x, y, u, A, w: A @ A.T, lambda x, y, u, A, w: A @ A.mT)],
    "constant": [
        (lambda x, y, u, A, w: ((1, 2), (3, 4), (5, 6)) @ u, lambda x, y, u, A, w: u @ K.T),
        (lambda x, y, u, A, w: K @ u, lambda x, y, u, A, w: u @ K.T),
        (lambda x, y, u, A, w: u @ K.T, lambda x, y, u, A, w: u @ K.T),
        (lambda x, y, u, A, w: K @ A, lambda x, y, u, A, w: K @ A),
        (lambda x, y, u, A, w: (1, 2) @ u, lambda x, y, u, A, w: u[:, 0] + 2 * u[:, 1]),
    ],
    "einsum": [
        (lambda x, y, u, A, w, e=e: torch.einsum(e, A, u), lambda x, y, u, A, w: bmm(A, u))
        for e in ("ij,j->i", "ij,j", "nij,nj->ni", "...ij,...j->...i")
    ],
    "einsum of three": [
        (
            lambda x, y, u, A, w, e=e: torch.einsum(e, u, A, u),
            lambda x, y, u, A, w: (u * bmm(A, u)).sum(-1),
        )
        for e in ("i,ij,j->", "ni,nij,nj->n")
    ],
    "einsum of one": [
        (
            lambda x, y, u, A, w: torch.einsum("ii->", A),
            lambda x, y, u, A, w: A[:, 0, 0] + A[:, 1, 1],
        ),
        (lambda x, y, u, A, w: torch.einsum("nij->nji", A), lambda x, y, u, A, w: A.mT),
    ],
    "contraction": [
        (
            lambda x, y, u, A, w: torch.einsum("ij,ij->", A, A),
            lambda x, y, u, A, w: (A * A).sum((1, 2)),
        ),
        (lambda x, y, u, A, w: torch.einsum("ki,i->k", K, u), lambda x, y, u, A, w: u @ K.T),
    ],
    "norm": [
        (f, lambda x, y, u, A, w: (u * u).sum(-1).sqrt())
        for f in (
            lambda x, y, u, A, w: torch.linalg.norm(u),
            lambda x, y, u, A, w: torch.linalg.norm(u, dim=-1),
            lambda x, y, u, A, w: u.norm(dim=1),
            lambda x, y, u, A, w: torch.norm(u, p=2),
            lambda x, y, u, A, w: np.linalg.norm(u),
            lambda x, y, u, A, w: np.linalg.norm(u, axis=-1),
        )
    ],
    "other norms": [
        (
            lambda x, y, u, A, w: torch.linalg.norm(A),
            lambda x, y, u, A, w: (A * A).sum((1, 2)).sqrt(),
        ),
        (lambda x, y, u, A, w: torch.linalg.norm(u, 1), lambda x, y, u, A, w: u.abs().sum(-1)),
        (
            lambda x, y, u, A, w: torch.linalg.norm(u, math.inf),
            lambda x, y, u, A, w: u.abs().amax(-1),
        ),
    ],
    "dot": [
        (f, lambda x, y, u, A, w: (u * u).sum(-1))
        for f in (
            lambda x, y, u, A, w: torch.dot(u, u),
            lambda x, y, u, A, w: torch.inner(u, u),
            lambda x, y, u, A, w: torch.linalg.vecdot(u, u),
            lambda x, y, u, A, w: pinn.dot(u, u),
            lambda x, y, u, A, w: np.dot(u, u),
        )
    ],
    "outer": [
        (lambda x, y, u, A, w: torch.outer(u, u), lambda x, y, u, A, w: u[:, :, None] * u[:, None])
    ],
    "cross": [
        (f, lambda x, y, u, A, w: torch.linalg.cross(w, torch.stack([y, x, x], 1)))
        for f in (
            lambda x, y, u, A, w: torch.cross(w, vector(y, x, x), dim=-1),
            lambda x, y, u, A, w: torch.linalg.cross(w, vector(y, x, x)),
            lambda x, y, u, A, w: np.cross(w, vector(y, x, x)),
        )
    ],
    "matrix": [
        (
            lambda x, y, u, A, w: torch.trace(A) + A.trace(),
            lambda x, y, u, A, w: 2 * (A[:, 0, 0] + A[:, 1, 1]),
        ),
        (lambda x, y, u, A, w: torch.linalg.det(A), lambda x, y, u, A, w: torch.linalg.det(A)),
        (lambda x, y, u, A, w: torch.diagonal(A), lambda x, y, u, A, w: A.diagonal(dim1=1, dim2=2)),
        (lambda x, y, u, A, w: torch.linalg.inv(A), lambda x, y, u, A, w: torch.linalg.inv(A)),
        (
            lambda x, y, u, A, w: torch.linalg.solve(A, u),
            lambda x, y, u, A, w: bmm(torch.linalg.inv(A), u),
        ),
        (lambda x, y, u, A, w: torch.mv(A, u), lambda x, y, u, A, w: bmm(A, u)),
        (lambda x, y, u, A, w: (A + A.T) / 2, lambda x, y, u, A, w: (A + A.mT) / 2),
        (lambda x, y, u, A, w: A.transpose(1, 2), lambda x, y, u, A, w: A.mT),
        (
            lambda x, y, u, A, w: u.prod(-1) + u.sum(-1),
            lambda x, y, u, A, w: u.prod(-1) + u.sum(-1),
        ),
    ],
    "numpy": [
        (f, g)
        for f, g in (
            (lambda x, y, u, A, w: np.sin(np.pi * x), lambda x, y, u, A, w: torch.sin(np.pi * x)),
            (
                lambda x, y, u, A, w: np.exp(-y) + np.pi * y,
                lambda x, y, u, A, w: torch.exp(-y) + np.pi * y,
            ),
            (
                lambda x, y, u, A, w: np.sqrt(x) + np.square(y),
                lambda x, y, u, A, w: x.sqrt() + y * y,
            ),
            (lambda x, y, u, A, w: np.power(x, 3) / np.float64(2), lambda x, y, u, A, w: x**3 / 2),
            (
                lambda x, y, u, A, w: np.float64(2) * x - np.float32(1),
                lambda x, y, u, A, w: 2 * x - 1,
            ),
            (lambda x, y, u, A, w: np.add(np.float64(2), x), lambda x, y, u, A, w: 2 + x),
            (lambda x, y, u, A, w: np.subtract(1, x * y), lambda x, y, u, A, w: 1 - x * y),
            (lambda x, y, u, A, w: np.divide(1, x), lambda x, y, u, A, w: 1 / x),
            (
                lambda x, y, u, A, w: np.arctan2(y - 1, x - 1),
                lambda x, y, u, A, w: torch.atan2(y - 1, x - 1),
            ),
            (lambda x, y, u, A, w: np.hypot(x, y), lambda x, y, u, A, w: torch.hypot(x, y)),
            (lambda x, y, u, A, w: np.arcsin(x / 4), lambda x, y, u, A, w: torch.asin(x / 4)),
            (lambda x, y, u, A, w: np.absolute(x - 1), lambda x, y, u, A, w: (x - 1).abs()),
            (lambda x, y, u, A, w: np.matmul(A, u), lambda x, y, u, A, w: bmm(A, u)),
            (
                lambda x, y, u, A, w: np.stack([x, y], axis=-1),
                lambda x, y, u, A, w: torch.stack([x, y], -1),
            ),
            (lambda x, y, u, A, w: np.sum(u, axis=-1), lambda x, y, u, A, w: u.sum(-1)),
            (lambda x, y, u, A, w: np.einsum("ij,j->i", A, u), lambda x, y, u, A, w: bmm(A, u)),
            (lambda x, y, u, A, w: np.trace(A), lambda x, y, u, A, w: A[:, 0, 0] + A[:, 1, 1]),
        )
    ],
}


@pytest.mark.parametrize("pair", cases(PRODUCTS))
def test_value_and_derivatives_are_those_of_nested_autograd(pair):
    ours, theirs = pair
    places = coordinate_field(PLACES, Coordinates(("x", "y")))
    field = ours(*parts(places))
    value, streams = nested(lambda p: theirs(*parts(p)), PLACES, CHANNELS)
    torch.testing.assert_close(field.value.reshape(value.shape), value, rtol=1e-12, atol=1e-12)
    assert field.shape == theirs(*parts(PLACES)).shape
    for channel in CHANNELS:
        found = field.stream(channel).reshape(value.shape)
        torch.testing.assert_close(found, streams[channel], rtol=1e-9, atol=1e-9)


def test_the_flux_through_a_wall():
    _, x, y = at("x", "y")
    T = x * x * y
    normal = data_field(torch.tensor([[0.6, 0.8]]).double().expand(5, 2), x.coordinates, "normal")
    exact = 0.6 * 2 * x.value * y.value + 0.8 * x.value**2
    for flux in (
        normal @ grad(T),
        grad(T) @ normal,
        (0.6, 0.8) @ grad(T),
        pinn.dot(normal, grad(T)),
    ):
        torch.testing.assert_close(flux.value, exact, rtol=1e-7, atol=1e-7)
    stress = grad(vector(T, x * y))
    assert torch.equal((stress @ normal).value, (normal @ stress.T).value)


def test_divergence_of_an_anisotropic_flux():
    _, x, y = at("x", "y")
    T = x * x * y
    k = ((2.0, 1.0), (0.0, 3.0))  # ∇·(k∇T) = 2 T_xx + T_xy + 3 T_yy
    torch.testing.assert_close(div(k @ grad(T)).value, 4 * y.value + 2 * x.value)
    assert laplacian(k @ vector(x * x, y)).shape == (5, 2)


def test_in_place_arithmetic_makes_another_field():
    x = y = parts(coordinate_field(PLACES, Coordinates(("x", "y"))))[0]
    x += 1.0
    x *= y
    torch.testing.assert_close(laplacian(x).value, 2 + 0 * PLACES[:, 0])
    assert torch.equal(y.value, PLACES[:, 0])


REFUSED = {
    "scalar @": (lambda x, y, u, A, w: x @ u, "a scalar takes"),
    "lengths": (lambda x, y, u, A, w: A @ w, "neighbouring lengths"),
    "spectral": (lambda x, y, u, A, w: torch.linalg.norm(A, 2), "of order 2 of a matrix"),
    "raw": (lambda x, y, u, A, w: torch.ones(5, 2) @ u, "constant matrix or one vector per point"),
    "stack": (lambda x, y, u, A, w: torch.stack([x, y]), "vector"),
    "array": (lambda x, y, u, A, w: np.array([x, y]), "vector"),
    "math": (lambda x, y, u, A, w: math.sin(x), r"sin\(x\) for math\.sin\(x\)"),
    "floor": (lambda x, y, u, A, w: math.floor(x), "no single number"),
    "numpy": (lambda x, y, u, A, w: np.i0(x), "."),
    "ufunc": (lambda x, y, u, A, w: np.gcd(x, y), "numpy.gcd takes no field"),
    "out": (lambda x, y, u, A, w: np.sin(x, out=np.zeros(5)), "takes its arguments alone"),
    "torch": (lambda x, y, u, A, w: torch.special.zeta(x, y), "zeta takes no field"),
    "all points": (lambda x, y, u, A, w: u.sum(), "points"),
    "method": (lambda x, y, u, A, w: x.cpu(), "Tensor.cpu takes no field"),
    "autograd": (lambda x, y, u, A, w: torch.autograd.grad(x, y), r"write partial\(u, 'x'\)"),
    "numpy.gradient": (lambda x, y, u, A, w: np.gradient(u, x), r"write grad\(u\)"),
    "a point": (lambda x, y, u, A, w: u[0], r"u\[:, 0\] is a component"),
    "some points": (lambda x, y, u, A, w: u[x < 1.0], r"where\(condition, u, 0\.0\)"),
    "written": (lambda x, y, u, A, w: operator.setitem(u, 0, 1.0), "not written to"),
    "called": (lambda x, y, u, A, w: u(x), "no function of other points"),
    "components": (lambda x, y, u, A, w: u * (1, 2, 3), "same number of components"),
    "values": (lambda x, y, u, A, w: u.numpy(), r"the tensor u\.value"),
    "attribute": (lambda x, y, u, A, w: x.valeu, "no attribute 'valeu'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_meaning_is_refused_in_one_line(name):
    call, words = REFUSED[name]
    with pytest.raises((TypeError, ValueError, AttributeError), match=words) as raised:
        call(*parts(coordinate_field(PLACES, Coordinates(("x", "y")))))
    assert "\n" not in str(raised.value)
    assert "Taylor" not in str(raised.value)
