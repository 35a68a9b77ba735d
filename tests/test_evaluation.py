"""A solution on grids and at points: values by component, derivatives by name, tables."""

import csv
import re
import sys

import numpy as np
import pytest
import torch
from torch import nn

from pinn.geometry import Box, Coordinates, Geometry, Interval, Rectangle
from pinn.networks import MLP
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.problems import Kovasznay, LidDrivenCavity
from pinn.solution.solution import Solution


class Flow(Problem):
    """u = (x²y, −xy²), p = sin x + y³."""

    coordinates = ("x", "y")
    unknowns = {"u": ("u", "v"), "p": 1}
    geometry = Rectangle(x=(0, 2), y=(0, 1))

    @on("interior")
    def balance(self, u, p):
        return u + p * (1.0, 1.0)


class Known(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, z):
        x, y = self.one * z[..., 0], z[..., 1]
        return torch.stack([x**2 * y, -x * y**2, torch.sin(x) + y**3], -1)


class Family(Problem):
    """Longer names."""

    coordinates = ("x1", "x2")
    unknowns = {"T": 1}
    geometry = Geometry(Coordinates(("x1", "x2")), [0, 0], [1, 1])

    @on("interior")
    def balance(self, T):
        return T


class Space(Problem):
    coordinates = ("x", "y", "z", "t")
    unknowns = {"u": ("u", "v", "w")}
    geometry = Box(time=(0, 2))

    @on("interior")
    def balance(self, u):
        return u


class Twisted(nn.Module):
    """u = (−yt, xt, z²)."""

    def forward(self, q):
        x, y, z, t = q.unbind(-1)
        return torch.stack([-y * t, x * t, z**2], -1)


@pytest.fixture
def flow():
    return Solution(Flow(), Known())


def test_a_grid_has_axes_and_values_in_its_shape(flow):
    grid = flow.on_grid((5, 4))
    x, y = np.meshgrid(np.linspace(0, 2, 5), np.linspace(0, 1, 4), indexing="ij")
    assert list(grid) == ["u", "v", "p"]
    assert grid.shape == (5, 4)
    np.testing.assert_array_equal(grid.axes["x"], x[:, 0])
    np.testing.assert_array_equal(grid.axes["y"], y[0])
    np.testing.assert_array_equal(grid.points, np.stack([x, y], -1))
    np.testing.assert_allclose(grid["v"], -x * y**2, rtol=1e-15)
    np.testing.assert_array_equal(grid["u"], flow(grid.points)["u"][..., 0])
    assert set(grid.values) == {"u", "v", "p"}


def test_derivatives_by_name(flow):
    grid = flow.on_grid(6)
    x, y = grid.points[..., 0], grid.points[..., 1]
    expected = {
        "u.x": 2 * x * y,
        "u.xy": 2 * x,
        "u.yx": 2 * x,
        "u.xxy": 2 + 0 * x,
        "p.yy": 6 * y,
        "p.laplacian": -np.sin(x) + 6 * y,
        "divergence": 0 * x,
        "u.divergence": 0 * x,
        "vorticity": -(y**2) - x**2,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(grid[name], value, rtol=1e-12, atol=1e-12, err_msg=name)
    stored = flow.on_grid(6, derivatives=tuple(expected))
    assert list(stored) == ["u", "v", "p", *expected]
    for name, value in expected.items():
        np.testing.assert_allclose(stored[name], value, rtol=1e-12, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(grid.vorticity(), expected["vorticity"], atol=1e-12)
    np.testing.assert_allclose(grid.divergence(), 0, atol=1e-12)
    np.testing.assert_allclose(grid.laplacian("p"), expected["p.laplacian"], atol=1e-12)
    slope = np.stack([np.cos(x), 3 * y**2], -1)
    np.testing.assert_allclose(grid.gradient("p"), slope, rtol=1e-12, atol=1e-12)


def test_at_points_the_answer_has_the_form_of_the_points(flow):
    points = torch.rand(3, 4, 2, dtype=torch.float64)
    there = flow.at(points, derivatives=["u.x"])
    torch.testing.assert_close(there["u.x"], 2 * points[..., 0] * points[..., 1])
    assert isinstance(there.vorticity(), torch.Tensor)
    assert there["p"].shape == (3, 4)
    assert there.axes == {}
    assert isinstance(flow.at({"x": [1.0, 2.0], "y": 0.5})["p"], np.ndarray)
    assert flow.at([0.5, 0.5])["p"].shape == ()


def test_a_solution_by_a_stream_function():
    solution = Solution(LidDrivenCavity(), MLP(6, 1)).double()
    points = torch.rand(20, 2, dtype=torch.float64) * 0.8 + 0.1
    there = solution.at(points)
    torch.testing.assert_close(there["u"], solution(points)["u"][:, 0])
    assert there.divergence().abs().max() < 1e-12
    x = points.clone().requires_grad_()
    (slope,) = torch.autograd.grad(solution.values(x)["u"][:, 0].sum(), x)
    torch.testing.assert_close(there.gradient("u"), slope)
    with pytest.raises(ValueError, match=r"'u.yyyy' is a derivative of order 4: at most 4 .* 1"):
        there["u.yyyy"]


def test_axes_one_by_one():
    solution = Solution(Space(), Twisted())
    grid = solution.on_grid(3, t=[0.0, 0.5, 2.0], z=0.25)
    assert grid.shape == (3, 3, 3)
    assert list(grid.axes) == ["x", "y", "t"]
    x, y, t = (grid.points[..., i] for i in (0, 1, 3))
    np.testing.assert_allclose(grid["u"], -y * t)
    np.testing.assert_allclose(grid["w"], 0.0625)
    np.testing.assert_allclose(grid["v.t"], x)
    turning = grid.vorticity()
    assert turning.shape == (3, 3, 3, 3)
    np.testing.assert_allclose(turning[..., 2], 2 * t)
    np.testing.assert_allclose(turning[..., :2], 0, atol=1e-14)
    assert solution.on_grid(2, t=4).shape == (2, 2, 2, 4)
    assert solution.on_grid(x=2, y=3, z=4, t=1.0).shape == (2, 3, 4)
    assert solution.on_grid(x=0.5, y=0.5, z=0.5, t=1.0)["u"].shape == ()


def test_longer_names_of_coordinates():
    class Product(nn.Module):
        def forward(self, z):
            return z[..., :1] ** 2 * z[..., 1:]

    there = Solution(Family(), Product()).at(np.array([[0.5, 0.25]]))
    np.testing.assert_allclose(there["T.x1"], 2 * 0.5 * 0.25)
    np.testing.assert_allclose(there["T.x1.x2"], 2 * 0.5)
    np.testing.assert_allclose(there["T.x1.x1"], 0.5)


FAULTS = [
    (lambda s: s.on_grid(), "the grid has no points along 'x': give on_grid(50), or x=50"),
    (lambda s: s.on_grid((3, 4, 5)), "the grid is given for 3 axes, the problem has 2: (x, y)"),
    (
        lambda s: s.on_grid(1),
        "x=1 asks for 1 points, but a grid needs at least 2: for a position, write x=1.0",
    ),
    (lambda s: s.on_grid(3, z=1.0), "unknown coordinate 'z'"),
    (lambda s: s.on_grid("many"), "x='many': give a number of points, a position, or positions"),
    (lambda s: s.on_grid(3, y=[1.0, 0.5]), "the positions along 'y' must increase"),
    (lambda s: s.on_grid(3, y=[]), "y=[]: give a number of points"),
    (lambda s: s.on_grid(3, y=float("nan")), "y=nan: give a number of points"),
    (lambda s: s.on_grid(10**5), "a grid of 100000 × 100000 has 1e+10 points, more than 2e+08"),
    (lambda s: s.on_grid(3)["q"], "'q' is neither an unknown nor a derivative here"),
    (
        lambda s: s.on_grid(3)["u.z"],
        "'u.z' is no derivative here: after the dot come coordinates",
    ),
    (
        lambda s: s.on_grid(3)["u.yyyyy"],
        "'u.yyyyy' is a derivative of order 5: at most 4 are",
    ),
    (
        lambda s: s.on_grid(3)["p.vorticity"],
        "'p.vorticity' needs a vector with 2 components",
    ),
    (
        lambda s: s.on_grid(3, ["vortcity"]),
        "'vortcity' is neither an unknown nor a derivative here",
    ),
]


@pytest.mark.parametrize(("ask", "message"), FAULTS)
def test_a_mistake_is_one_line(flow, ask, message):
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        ask(flow)
    assert "\n" not in str(raised.value)


def test_a_derivative_of_other_weights_is_refused(flow):
    grid = flow.on_grid(4)
    with torch.no_grad():
        flow.networks["all"].one.add_(1e-3)
    with pytest.raises(RuntimeError, match="the solution has changed since it was evaluated"):
        grid["u.x"]


def test_ten_coordinates_take_a_section():
    names = tuple(f"x{i}" for i in range(10))

    class Bowl(Problem):
        coordinates, unknowns = names, {"u": 1}
        geometry = Geometry(Coordinates(names), [0.0] * 10, [1.0] * 10)

        @on("interior")
        def balance(self, u):
            return u

    solution = Solution(Bowl(), MLP(4, 1)).double()
    with pytest.raises(ValueError, match=r"has 9.8e\+16 points.* or fix a coordinate, as in x9"):
        solution.on_grid(50)
    grid = solution.on_grid(0.5, x0=5, x3=4)
    assert grid["u"].shape == (5, 4)
    assert grid["u.x7"].shape == (5, 4)


# --- tables


def test_csv_is_read_back_exactly(flow, tmp_path):
    grid = flow.on_grid((3, 4), derivatives=["vorticity"])
    grid.to_csv(tmp_path / "flow.csv")
    with (tmp_path / "flow.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["x", "y", "u", "v", "p", "vorticity"]
    for name in ("u", "v", "p", "vorticity"):
        assert [float(row[name]) for row in rows] == grid[name].reshape(-1).tolist()
    assert [float(row["y"]) for row in rows] == grid.points[..., 1].reshape(-1).tolist()
    loaded = np.genfromtxt(tmp_path / "flow.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(loaded["p"].reshape(3, 4), grid["p"])


def test_npz_is_read_back_exactly(flow, tmp_path):
    grid = flow.on_grid((3, 4), derivatives=["u.x"])
    grid.to_npz(tmp_path / "flow")
    with np.load(tmp_path / "flow") as data:
        np.testing.assert_array_equal(data["x"], grid.axes["x"])
        np.testing.assert_array_equal(data["u.x"], grid["u.x"])
    flow.at(grid.points.reshape(-1, 2)).to_npz(tmp_path / "points.npz")
    with np.load(tmp_path / "points.npz") as data:
        assert data["x"].shape == data["p"].shape == (12,)


def test_xarray(flow):
    pytest.importorskip("xarray")
    data = flow.on_grid((3, 4), derivatives=["vorticity"]).to_xarray()
    assert data["u"].dims == ("x", "y")
    assert float(data["u"].sel(x=2.0, y=1.0)) == pytest.approx(4.0)
    assert "vorticity" in data
    data = Solution(Space(), Twisted()).on_grid(2, ["vorticity"], t=1.0).to_xarray()
    assert data["u"].dims == ("x", "y", "z")
    assert float(data["t"]) == 1.0
    np.testing.assert_allclose(data["vorticity_z"], 2.0)
    scattered = flow.at(torch.rand(5, 2)).to_xarray()
    assert scattered["p"].dims == ("point",)
    assert scattered["x"].dims == ("point",)


def test_without_xarray_the_line_says_what_to_install(flow, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ModuleNotFoundError, match="which is not installed: pip install xarray"):
        flow.on_grid(3).to_xarray()


def test_tables_of_single_precision(tmp_path):
    solution = Solution(Kovasznay(), MLP(4, 1)).float()
    grid = solution.on_grid(3)
    assert grid["u"].dtype == np.float32
    assert grid.axes["x"].dtype == np.float64
    grid.to_csv(tmp_path / "flow.csv")
    loaded = np.genfromtxt(tmp_path / "flow.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(loaded["u"].astype(np.float32).reshape(3, 3), grid["u"])


def test_an_interval_has_curves():
    class Line(Problem):
        coordinates, unknowns, geometry = ("x",), {"y": 1}, Interval()

        @on("interior")
        def balance(self, y):
            return y

    grid = Solution(Line(), nn.Linear(1, 1).double()).on_grid(5)
    assert grid["y"].shape == grid["y.x"].shape == (5,)
    assert grid.gradient("y").shape == (5, 1)
