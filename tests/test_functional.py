"""Operators on plain functions: one evaluation serves them all."""

import pytest
import torch
from oracle import calls_of, network, points
from torch.autograd.functional import hessian, jacobian

from pinn import advect, curl, differentiate, div, dt, grad, laplacian


def exactly(found, expected):
    value = found.value if hasattr(found, "value") else found
    torch.testing.assert_close(value, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("strategy", ["auto", "rule", "taylor", "vmap", "loop"])
def test_every_operator_of_one_evaluation(strategy):
    net, x = network(3), points(5, 3)
    for _ in range(3):  # checks come at the first uses
        differentiate(net, x, order=2, strategy=strategy)
    with calls_of(net) as calls:
        u = differentiate(net, x, order=2, strategy=strategy)
        found = {op: op(u) for op in (grad, div, curl, laplacian)} | {advect: advect(u, u)}
    assert len(calls) == 1
    J = torch.stack([jacobian(net, at) for at in x])
    H = torch.stack(
        [torch.stack([hessian(lambda p, k=k: net(p)[k], at) for k in range(3)]) for at in x]
    )
    exactly(u, net(x).detach())
    exactly(found[grad], J)
    exactly(found[div], J.diagonal(dim1=1, dim2=2).sum(-1))
    exactly(found[laplacian], H.diagonal(dim1=2, dim2=3).sum(-1))
    exactly(found[advect], torch.einsum("nij,nj->ni", J, net(x)).detach())
    turn = [J[:, k, j] - J[:, j, k] for j, k in ((1, 2), (2, 0), (0, 1))]
    exactly(found[curl], torch.stack(turn, -1))
    exactly(div(grad(u)), H.diagonal(dim1=2, dim2=3).sum(-1))


def squared_length(x):
    return (x * x).sum(-1)


@pytest.mark.parametrize(
    "f",
    [
        squared_length,
        lambda x: squared_length(x)[..., None],
        lambda x: (squared_length(x),),
        network(2, 1),
    ],
    ids=["(N,)", "(N, 1)", "tuple", "network"],
)
def test_a_scalar_function_gives_a_scalar_field(f):
    x = points(6, 2)
    u = differentiate(f, x, order=2)
    assert tuple(u.shape) == (6,)
    assert tuple(grad(u).shape) == (6, 2)
    assert tuple(laplacian(u).shape) == (6,)
    if not isinstance(f, torch.nn.Module):
        exactly(u, squared_length(x))
        exactly(grad(u), 2 * x)
        exactly(laplacian(u), torch.full((6,), 4.0).double())


def test_a_dict_of_components_is_a_vector():
    u = differentiate(lambda x: {"u": x[:, 0] ** 2, "v": x[:, 0] * x[:, 1]}, points(4, 2))
    exactly(div(u), 3 * points(4, 2)[:, 0])


def test_a_last_coordinate_called_t_is_time():
    x = points(5, 3)
    heat = differentiate(
        lambda p: torch.exp(-2 * p[:, 2]) * torch.sin(p[:, 0]) * torch.sin(p[:, 1]),
        x,
        order=2,
        names=("x", "y", "t"),
    )
    exactly(dt(heat), laplacian(heat).value)
    assert tuple(grad(heat).shape) == (5, 2)


def test_names_of_many_coordinates():
    u = differentiate(torch.sin, points(4, 5))
    assert u.coordinates.names == ("x1", "x2", "x3", "x4", "x5")
    assert differentiate(torch.sin, points(4, 3)).coordinates.names == ("x", "y", "z")


def test_parameter_gradients_flow_and_stop_without_grad():
    net, x = network(2), points(5, 2)
    loss = (div(differentiate(net, x)).value ** 2).sum()
    slope = torch.autograd.grad(loss, net[0].weight)[0]
    exact = sum(jacobian(net, at, create_graph=True).trace() ** 2 for at in x)
    exactly(slope, torch.autograd.grad(exact, net[0].weight)[0])
    with torch.no_grad():
        assert not div(differentiate(net, x)).value.requires_grad


def test_first_order_carries_no_second_derivatives():
    u = differentiate(network(2), points(5, 2))
    with pytest.raises(LookupError, match="was not evaluated: differentiate"):
        laplacian(u)


@pytest.mark.parametrize(
    ("x", "settings", "text"),
    [
        (points(2), {}, r"x has shape \(2,\): expected points \(N, D\)"),
        (points(3, 4, 2), {}, r"x has shape \(3, 4, 2\): expected points \(N, D\)"),
        (points(4, 2), {"order": 0}, "order is 0: expected a whole number from 1 to"),
        (points(4, 2), {"order": 9}, "order is 9: expected a whole number from 1 to"),
        (points(4, 2), {"names": ("x",)}, "1 names are given for 2 coordinates"),
        (points(4, 2), {"names": ("t", "x")}, "time 't' must come last"),
        (points(4, 2), {"strategy": "vmpa"}, "unknown strategy 'vmpa': did you mean 'vmap'"),
        (points(4, 2), {"strategy": "hutchinson"}, "unknown strategy 'hutchinson'"),
    ],
)
def test_what_cannot_be_differentiated(x, settings, text):
    with pytest.raises(ValueError, match=text):
        differentiate(torch.sin, x, **settings)
