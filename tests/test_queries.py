"""A solution is asked with points in any form, and answers in the same."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from equations import solution_of
from torch import nn

from pinn.geometry import Interval, Rectangle
from pinn.networks import MLP
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.representation import TOGETHER
from pinn.solution.solution import Solution

XY = [[0.25, 0.5], [0.75, 0.125], [1.0, 0.0]]


class Flow(Problem):
    """A vector and a scalar, both read by value."""

    coordinates = ("x", "y")
    unknowns = {"u": ("u", "v"), "p": 1}
    geometry = Rectangle()

    @on("interior")
    def balance(self, u, p):
        return u + p * (1.0, 0.0)


class Line(Problem):
    coordinates = ("x",)
    unknowns = {"y": 1}
    geometry = Interval()

    @on("interior")
    def balance(self, y):
        return y


class Polynomial(nn.Module):
    """u = (x, y), p = xy, whatever the precision."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return self.one * torch.stack([x[..., 0], x[..., 1], x[..., 0] * x[..., 1]], -1)


@pytest.fixture
def flow():
    return Solution(Flow(), Polynomial()).double()


FORMS = {
    "list": XY,
    "tuple": tuple(map(tuple, XY)),
    "array": np.array(XY),
    "float32": np.array(XY, dtype=np.float32),
    "float16": np.array(XY, dtype=np.float16),
    "big endian": np.array(XY, dtype=">f8"),
    "extended": np.array(XY, dtype=np.longdouble),
    "reversed": np.array(XY)[::-1][::-1],
    "fortran": np.asfortranarray(XY),
    "dict": {"y": [p[1] for p in XY], "x": np.array([p[0] for p in XY])},
    "frame": pd.DataFrame({"T": [1, 2, 3], "y": [p[1] for p in XY], "x": [p[0] for p in XY]}),
    "structured": np.array([tuple(p) for p in XY], dtype=[("x", "f8"), ("y", "f8")]),
}


@pytest.mark.parametrize("form", FORMS)
def test_arrays_lists_and_columns_give_arrays(flow, form):
    found = flow(FORMS[form])
    assert {name: type(value) for name, value in found.items()} == dict.fromkeys("up", np.ndarray)
    np.testing.assert_array_equal(found["u"], np.array(XY))
    np.testing.assert_array_equal(found["p"], np.array(XY).prod(-1))
    assert found["p"].dtype == np.float64


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tensors_give_tensors_in_the_precision_of_the_solution(flow, dtype):
    found = flow(torch.tensor(XY, dtype=dtype))
    assert found["u"].dtype == torch.float64
    assert found["p"].tolist() == np.array(XY).prod(-1).tolist()
    assert flow.float()(torch.tensor(XY, dtype=dtype))["u"].dtype == torch.float32
    columns = {"x": torch.tensor([0.5, 1.0]), "y": 0.25}
    assert flow(columns)["p"].tolist() == [0.125, 0.25]


def test_whole_numbers_are_positions(flow):
    assert flow([[1, 0], [1, 1]])["p"].tolist() == [0, 1]
    assert flow(torch.tensor([[1, 1]]))["p"].tolist() == [1]
    assert flow(np.array([[0, 1]], dtype=np.uint8))["u"].tolist() == [[0, 1]]


@pytest.mark.parametrize("lead", [(), (1,), (5,), (4, 3), (2, 3, 4), (0,), (0, 3)])
def test_the_leading_shape_is_kept(flow, lead):
    points = np.random.default_rng(0).random((*lead, 2))
    found = flow(points)
    np.testing.assert_array_equal(found["u"], points)
    np.testing.assert_array_equal(found["p"], points.prod(-1))
    tensors = flow(torch.from_numpy(points))
    assert tensors["u"].shape == (*lead, 2)
    assert tensors["p"].shape == lead


def test_columns_broadcast(flow):
    x, y = np.linspace(0, 1, 4), np.linspace(0, 1, 3)
    found = flow({"x": x[:, None], "y": y})["p"]
    np.testing.assert_array_equal(found, x[:, None] * y)
    assert flow({"x": 0.5, "y": 0.5})["p"].shape == ()


def test_one_coordinate_needs_no_axis():
    solution = Solution(Line(), nn.Linear(1, 1).double())
    x = np.linspace(0, 1, 7)
    expected = solution(x[:, None])["y"]
    assert expected.shape == (7,)
    np.testing.assert_array_equal(solution(x)["y"], expected)
    np.testing.assert_array_equal(solution(x.reshape(7, 1))["y"], expected)
    np.testing.assert_array_equal(solution({"x": x})["y"], expected)
    assert solution(0.5)["y"].shape == solution([0.5])["y"].shape == ()


FAULTS = [
    (
        np.zeros((5, 3)),
        ValueError,
        r"points have shape (5, 3): the last axis must have 2, for (x, y)",
    ),
    (0.5, ValueError, r"points have shape (): the last axis must have 2"),
    (torch.zeros(4), ValueError, r"points have shape (4,)"),
    (
        [[0.5, np.nan]],
        ValueError,
        "point 0 has x = 0.5, y = nan: every coordinate must be a finite",
    ),
    (torch.tensor([[0, 0], [torch.inf, 0]]), ValueError, "point 1 has x = inf, y = 0"),
    (np.ma.masked_equal([[0.5, 0.25]], 0.25), ValueError, "point 0 has x = 0.5, y = nan"),
    ([["a", "b"]], TypeError, "points are text: give numbers, one per coordinate (x, y)"),
    ("points.csv", TypeError, "points are text: give numbers"),
    (None, TypeError, "points are object: give numbers"),
    ([[0.5, 0.5], [0.5]], TypeError, "points are not an array of numbers: give numbers"),
    (np.zeros((2, 2), dtype=complex), TypeError, "points are complex128: give numbers"),
    (torch.zeros(2, 2, dtype=torch.complex64), TypeError, "points are complex64: give numbers"),
    (np.zeros((2, 2), dtype=bool), TypeError, "points are bool: give numbers"),
    ({"x": [0.5]}, ValueError, "points have no column 'y': known: x"),
    ({"x": [0.5], "Y": [0.5]}, ValueError, "points have no column 'y'"),
    (
        {"x": 0.5, "y": 0.5, "z": 0.5},
        ValueError,
        "points have a column 'z', which is no coordinate: known: x, y",
    ),
    ({"x": [1, 2], "y": [1, 2, 3]}, ValueError, "the columns do not fit together: x (2,), y (3,)"),
    ({"x": ["a"], "y": [1]}, TypeError, "points are text"),
    (pd.DataFrame({"x": [1.0], "z": [1.0]}), ValueError, "points have no column 'y'"),
]


@pytest.mark.parametrize(("points", "kind", "message"), FAULTS)
def test_a_mistake_is_one_line(flow, points, kind, message):
    with pytest.raises(kind, match=re.escape(message)) as raised:
        flow(points)
    assert "\n" not in str(raised.value)


def test_extrapolation_is_not_silent(flow):
    with pytest.warns(UserWarning, match=r"1 of 2 points lie outside Rectangle.*not trained"):
        flow([[0.5, 0.5], [0.5, 1.5]])
    with pytest.warns(UserWarning, match=r"1 of 1 points lie outside Rectangle.*not trained"):
        flow.fields(torch.tensor([[0.5, 1.5]], dtype=torch.float64))
    flow([[1 + 1e-9, 0.5]])  # a rounding error beyond a wall


def test_fields_want_a_tensor(flow):
    for given in (XY, np.array(XY)):
        with pytest.raises(TypeError, match=r"points are a \w+: give a tensor"):
            flow.fields(given)


def test_no_gradient_and_no_change_of_the_points(flow):
    points = torch.tensor(XY, dtype=torch.float64, requires_grad=True)
    found = flow(points)["u"]
    assert not found.requires_grad
    found += 1
    assert points.tolist() == XY
    array = np.array(XY)
    array.setflags(write=False)
    flow(array)["u"][:] = 3
    assert array.tolist() == XY


def test_it_is_evaluated_as_after_training():
    net = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(2, 3)), nn.Tanh())
    solution = Solution(Flow(), net.double())
    solution.train()
    state = {name: value.clone() for name, value in solution.state_dict().items()}
    first = solution(XY)["u"]
    assert all(torch.equal(state[name], value) for name, value in solution.state_dict().items())
    assert solution.training
    assert all(module.training for module in net.modules())
    np.testing.assert_array_equal(solution.eval()(XY)["u"], first)


def test_many_points_take_bounded_memory():
    solution = solution_of(Flow(), MLP(256, 1))
    points = np.random.default_rng(0).random((50_000, 2))
    seen = []
    hook = solution.networks["all"].register_forward_hook(lambda m, x, y: seen.append(len(y)))
    found = solution(points)
    hook.remove()
    assert max(seen) <= TOGETHER
    np.testing.assert_allclose(solution(points[-5:])["p"], found["p"][-5:], rtol=1e-13)
