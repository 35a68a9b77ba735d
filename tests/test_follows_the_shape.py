"""Values, files, gauges, balanced mass and the announcement of a shape that is no box."""

import csv
import re

import numpy as np
import pytest
import torch
from flows import Plate
from holed import channel, holed, plate, room
from torch import nn

from pinn.assessment.inner_boxes import boxes_inside
from pinn.assessment.mass_balance import mass_balance
from pinn.assessment.scores import mass_tags
from pinn.fields.vector_calculus import div, grad, laplacian
from pinn.geometry import Rectangle
from pinn.geometry.grids import corner, middle
from pinn.geometry.resolution import unresolved
from pinn.networks import MLP
from pinn.networks.embeddings import Periodic
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.missing_conditions import missing_conditions
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution


class Given(nn.Module):
    """A network of known values."""

    def __init__(self, values):
        super().__init__()
        self.values, self.one = values, nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, x):
        return self.one * torch.stack(self.values(x), -1)


def solved(problem, values):
    return Solution(problem, Given(values)).double()


# --- grids and files


@pytest.fixture(scope="module")
def grid():
    solution = solved(Plate(), lambda x: [x[:, 0] ** 2 + x[:, 1]])
    return solution.on_grid(x=9, y=5, derivatives=("u.x",))


def hidden(grid):
    return (grid.points**2).sum(-1) < 0.25 - 1e-6


def test_a_grid_has_no_values_outside(grid):
    gone = hidden(grid)
    assert 0 < gone.sum() < gone.size
    for name in ("u", "u.x", "u.laplacian"):
        assert np.array_equal(np.isnan(grid[name]), gone)
    at = grid.points[~gone]
    assert np.allclose(grid["u"][~gone], at[:, 0] ** 2 + at[:, 1])


def test_a_table_has_the_rows_inside(grid, tmp_path):
    grid.to_csv(tmp_path / "u.csv")
    with (tmp_path / "u.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == int((~hidden(grid)).sum())
    assert all(float(r["u"]) == float(r["x"]) ** 2 + float(r["y"]) for r in rows)


def test_arrays_keep_their_shape(grid, tmp_path):
    grid.to_npz(tmp_path / "u.npz")
    assert np.array_equal(np.isnan(np.load(tmp_path / "u.npz")["u"]), hidden(grid))


def array(text, name, kind):
    import base64

    (data,) = re.findall(rf'Name="{name}"[^>]*>([^<]*)<', text) or [""]
    return np.frombuffer(base64.b64decode(data)[8:], dtype=kind)


def test_image_data_hide_points_and_cells(grid, tmp_path):
    grid.to_vtk(tmp_path / "u.vti")
    points, cells = (tmp_path / "u.vti").read_text().split("<CellData>")
    marks = array(points, "vtkGhostType", "u1").reshape(5, 9).T
    assert np.array_equal(marks == 2, hidden(grid))
    corners = hidden(grid)
    touched = corners[:-1, :-1] | corners[1:, :-1] | corners[:-1, 1:] | corners[1:, 1:]
    assert np.array_equal(array(cells, "vtkGhostType", "u1").reshape(4, 8).T == 32, touched)


def test_an_unstructured_grid_leaves_them_out(grid, tmp_path):
    grid.to_vtk(tmp_path / "u.vtu")
    text = (tmp_path / "u.vtu").read_text()
    kept = int((~hidden(grid)).sum())
    points = array(text, "points", "f8").reshape(-1, 3)
    assert points.shape == (kept, 3)
    assert np.allclose(array(text, "u", "f8"), points[:, 0] ** 2 + points[:, 1])
    corners = array(text, "connectivity", "i8").reshape(-1, 4)
    assert corners.max() < kept
    middles = points[corners].mean(1)
    assert np.allclose(np.ptp(points[corners], axis=1)[:, :2], (0.25, 0.5))
    assert (np.linalg.norm(middles, axis=1) > 0.4).all()


def test_a_grid_inside_of_the_hole_is_refused():
    solution = solved(Plate(), lambda x: [x[:, 0]])
    with pytest.raises(ValueError, match="none of the 4 points of the grid lies in"):
        solution.on_grid(x=[-0.1, 0.1], y=[-0.1, 0.1])


def test_points_in_the_hole_are_told():
    solution = solved(Plate(), lambda x: [x[:, 0]])
    with pytest.warns(UserWarning, match="1 of 2 points lie outside"):
        solution(torch.tensor([[0.0, 0.0], [0.8, 0.0]], dtype=torch.float64))


# --- gauges


class Pressure(Problem):
    """A pressure of which only the gradient is read."""

    coordinates = ("x", "y")
    unknowns = {"p": 1}

    def __init__(self, geometry, gauge):
        super().__init__(geometry)
        self.gauges = {"p": gauge}

    @on("interior")
    def balance(self, p):
        return grad(p)


def test_the_mean_is_that_of_the_shape():
    geometry = holed((0.0, 0.0), (2.0, 1.0), (0.4, 0.5), 0.3)
    solution = solved(Pressure(geometry, "zero_mean"), lambda x: [x[:, 0] ** 2])
    hole = np.pi * 0.3**2 * (0.4**2 + 0.3**2 / 4)
    mean = (8 / 3 - hole) / geometry.measure("interior")
    at = torch.tensor([[1.5, 0.5]], dtype=torch.float64)
    assert float(solution(at)["p"]) == pytest.approx(1.5**2 - mean, abs=1e-10)


class Unsteady(Pressure):
    coordinates = ("x", "y", "t")


def test_at_each_instant_too():
    geometry = holed((0.0, 0.0), (2.0, 1.0), (0.4, 0.5), 0.3, (0.0, 1.0))

    def values(x):
        return [x[:, 0] ** 2 * (1 + x[:, 2]) + x[:, 2]]

    solution = solved(Unsteady(geometry, "zero_mean"), values)
    hole = np.pi * 0.3**2 * (0.4**2 + 0.3**2 / 4)
    mean = (8 / 3 - hole) / geometry.measure("interior")
    at = torch.tensor([[1.5, 0.5, 0.3]], dtype=torch.float64)
    assert float(solution(at)["p"]) == pytest.approx(1.3 * (1.5**2 - mean), abs=1e-10)


def test_a_pin_is_a_point_of_the_shape():
    assert corner(plate()).tolist() == [[-1.0, -1.0]]
    geometry = holed((0.0, 0.0), (1.0, 1.0), (0.0, 0.0), 0.3)
    at = corner(geometry)
    assert bool(geometry.contains(at))
    assert 0.3 <= float(at.norm()) < 0.32
    solution = solved(Pressure(geometry, "pin"), lambda x: [x[:, 0]])
    assert float(solution(at)["p"]) == pytest.approx(0, abs=1e-14)


def test_a_network_is_tried_out_inside():
    assert bool(plate().contains(middle(plate())).all())
    assert middle(Rectangle()).tolist() == [[0.5, 0.5]]


# --- mass


class Flow(Problem):
    coordinates = ("x", "y")
    unknowns = {"velocity": 2}

    def __init__(self, geometry):
        super().__init__(geometry)

    @on("interior")
    def continuity(self, velocity):
        return div(velocity)


class Flow3(Flow):
    coordinates = ("x", "y", "z")
    unknowns = {"velocity": 3}


@pytest.mark.parametrize(("where", "share"), [(channel, 0.9), (plate, 0.85), (room, 0.5)])
def test_boxes_lie_inside_and_fill_most_of_the_shape(where, share):
    geometry = where()
    lower, sides = boxes_inside(geometry, 4)
    unit = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * lower.shape[1])
    corners = lower[:, None] + sides[:, None] * unit
    assert bool(geometry.contains(corners.reshape(-1, lower.shape[1]), slack=1e-9).all())
    assert share < float(sides.prod(1).sum()) / geometry.measure("interior") < 1
    assert len(lower) <= 4000


@pytest.mark.parametrize(("kind", "where"), [(Flow, channel), (Flow3, room)])
def test_the_balance_is_the_mean_of_the_divergence_over_boxes(kind, where):
    geometry = where()
    solution = solved(kind(geometry), lambda x: [x[:, 0] ** 3, *(x[:, 1:] * 0.5).unbind(-1)])
    names = solution.problem.components("velocity")
    lower, sides = boxes_inside(geometry, 4)
    upper, volume = lower + sides, sides.prod(1)
    d = lower.shape[1]
    mean = (upper[:, 0] ** 3 - lower[:, 0] ** 3) / sides[:, 0] + 0.5 * (d - 1)
    wanted = float(((volume * mean**2).sum() / volume.sum()).sqrt())
    assert mass_balance(solution, names) == pytest.approx(wanted, rel=1e-10)
    turning = solved(kind(geometry), lambda x: [x[:, 1], -x[:, 0], *(0 * x[:, 2:]).unbind(-1)])
    assert mass_balance(turning, names) < 1e-13


def test_without_a_box_that_fits_there_is_no_score():
    geometry = holed((-1.0, -1.0), (1.0, 1.0), (0.0, 0.0), 0.999)
    thin = geometry.shape.distance
    geometry.shape.distance = lambda at: thin(at).clamp(min=-1e-3)  # a lower bound of the distance
    assert not len(boxes_inside(geometry, 4)[0])
    assert mass_tags(solved(Flow(geometry), lambda x: [x[:, 0], x[:, 1]])) == {}


# --- precision


def test_a_hole_that_single_precision_does_not_resolve():
    small = holed((0.0, 0.0), (2.2, 0.41), (0.2, 0.2), 1e-5)
    assert "with a part of the boundary that measures 2e-05" in unresolved(small, torch.float32)
    assert not unresolved(channel(), torch.float32)
    assert not unresolved(small, torch.float64)


# --- the announcement


class Walls(Problem):
    """Heat with conditions on some parts."""

    coordinates = ("x", "y")
    unknowns = {"u": 1}

    def __init__(self, geometry=None):
        super().__init__(geometry or channel().named(walls=["top", "bottom"]))

    @on("interior")
    def balance(self, u):
        return laplacian(u)

    @on("walls", "left")
    def cold(self, u):
        return u


class Open(Walls):
    @on("hole")
    def hot(self, u):
        return u - 1


class Half(Open):
    def __init__(self):
        super().__init__(channel().named(walls=["top", "bottom"], way="right"))


class Posed(Half):
    @on("way")
    def end(self, u):
        return u


class Transport(Walls):
    """Of first order: what flows out needs no condition."""

    @on("interior")
    def balance(self, u):
        return grad(u)[:, 0]


class Built(Open):
    """The outflow is in the ansatz."""

    def ansatz(self, raw, at):
        return {"u": (2.2 - at[:, 0]) * raw["u"]}


def lines(problem, network=None):
    solution = Solution(problem, network or MLP(4, 1))
    return missing_conditions(solution, plan_regions(solution))


def test_forgotten_parts_are_named():
    assert lines(Walls()) == ["'right'", "'hole'"]
    assert lines(Open()) == ["'right'"]
    assert lines(Posed()) == []


def test_parts_that_something_else_takes_care_of_are_not():
    assert lines(Transport()) == []
    assert lines(Built()) == []
    assert lines(Plate()) == []


class Piece(Walls):
    """A wall of which a piece has a condition."""

    def __init__(self):
        geometry = Rectangle().part("slot", x=1, y=(0, 0.4)).named(walls=["top", "bottom"])
        super().__init__(geometry)

    @on("slot")
    def hot(self, u):
        return u - 1


def test_a_part_of_a_part():
    (line,) = lines(Piece())
    assert re.fullmatch("(59|60|61)% of 'right'", line)


class Duct(Walls):
    def __init__(self):
        super().__init__(Rectangle().named(walls=["top", "bottom"]))

    @on("walls")
    def cold(self, u):
        return u


def test_periodic_faces():
    assert lines(Duct()) == ["'left'", "'right'"]
    assert lines(Duct(), MLP(4, 1, embedding=Periodic({"x": 1.0}))) == []
