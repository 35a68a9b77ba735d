"""Files for ParaView, read back by VTK's own library: nothing is rounded or out of place."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from torch import nn

from pinn.geometry import Box, Coordinates, Geometry, Interval, Rectangle
from pinn.networks import MLP
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.solution import Solution

# The parts that are used: the whole of VTK takes seconds to load.
xml = pytest.importorskip("vtkmodules.vtkIOXML")
from vtkmodules.util.numpy_support import vtk_to_numpy  # noqa: E402
from vtkmodules.vtkFiltersVerdict import vtkCellSizeFilter  # noqa: E402

READERS = {
    ".vti": xml.vtkXMLImageDataReader,
    ".vtr": xml.vtkXMLRectilinearGridReader,
    ".vtu": xml.vtkXMLUnstructuredGridReader,
}


def load(path):
    """Points (N, 3), arrays by name, and the data set, as VTK sees them."""
    reader = READERS[path.suffix]()
    reader.SetFileName(str(path))
    reader.Update()
    assert reader.GetErrorCode() == 0
    data = reader.GetOutput()
    values = data.GetPointData()
    arrays = {
        values.GetArrayName(k): vtk_to_numpy(values.GetArray(k))
        for k in range(values.GetNumberOfArrays())
    }
    points = np.array([data.GetPoint(k) for k in range(data.GetNumberOfPoints())])
    return points, arrays, data


def made(geometry, dtype=torch.float64):
    """A random solution with a vector and a scalar in any number of dimensions."""
    names = geometry.coordinates.names
    parts = tuple("uvw"[: len(geometry.coordinates.space)])
    vector = parts if len(parts) > 1 else 1

    class Any(Problem):
        coordinates = names
        unknowns = {"q": vector, "p": 1}

        @on("interior")
        def balance(self, q, p):
            return q + p * (1.0,) * len(parts) if len(parts) > 1 else q + p

    torch.manual_seed(0)
    return Solution(Any(geometry), MLP(6, 1)).to(dtype)


def compare(solution, points, arrays):
    """The arrays against the solution at the points that VTK reports."""
    space = len(solution.problem.geometry.coordinates.space)
    assert (points[:, space:] == 0).all()
    found = solution(points[:, :space])
    q = found["q"].reshape(len(points), -1)
    np.testing.assert_array_equal(arrays["p"], found["p"])
    if space > 1:
        assert arrays["q"].shape == (len(points), 3)
        np.testing.assert_array_equal(arrays["q"][:, :space], q)
        assert (arrays["q"][:, space:] == 0).all()
    else:
        np.testing.assert_array_equal(arrays["q"], q[:, 0])


DOMAINS = [Interval(x=(0, 2)), Rectangle(x=(0, 2), y=(-1, 1)), Box(z=(0, 4))]


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("geometry", DOMAINS, ids=["line", "plane", "space"])
def test_a_grid_is_read_back_to_the_last_bit(geometry, suffix, tmp_path):
    solution = made(geometry)
    sizes = (5, 4, 3)[: len(geometry.coordinates)]
    grid = solution.on_grid(sizes)
    grid.to_vtk(tmp_path / f"flow{suffix}")
    points, arrays, data = load(tmp_path / f"flow{suffix}")
    compare(solution, points, arrays)
    # x is the fastest in VTK, the slowest here.
    expected = grid.points.reshape(*sizes, -1).transpose(*range(len(sizes))[::-1], len(sizes))
    np.testing.assert_array_equal(points[:, : len(sizes)], expected.reshape(len(points), -1))
    assert data.GetNumberOfCells() == np.prod([size - 1 for size in sizes])
    if suffix != ".vtu":
        assert data.GetDimensions() == (*sizes, *[1] * (3 - len(sizes)))


def test_cells_of_an_unstructured_grid_fill_the_domain(tmp_path):
    for geometry, size in zip(DOMAINS, (2.0, 4.0, 4.0), strict=True):
        grid = made(geometry).on_grid((5, 4, 3)[: len(geometry.coordinates)])
        grid.to_vtk(tmp_path / "flow.vtu")
        _, _, data = load(tmp_path / "flow.vtu")
        quality = vtkCellSizeFilter()
        quality.SetInputData(data)
        quality.Update()
        cells = quality.GetOutput().GetCellData()
        name = ("Length", "Area", "Volume")[len(geometry.coordinates) - 1]
        sizes = vtk_to_numpy(cells.GetArray(name))
        assert (sizes > 0).all()  # no cell is turned inside out
        assert sizes.sum() == pytest.approx(size)


def test_scattered_points(tmp_path):
    solution = made(Rectangle())
    at = np.random.default_rng(0).random((3, 7, 2))
    solution.at(at, derivatives=["q.vorticity"]).to_vtk(tmp_path / "probes.vtu")
    points, arrays, data = load(tmp_path / "probes.vtu")
    np.testing.assert_array_equal(points[:, :2], at.reshape(-1, 2))
    compare(solution, points, arrays)
    assert set(arrays) == {"q", "p", "q.vorticity"}
    assert data.GetNumberOfCells() == 21


def test_positions_that_are_not_even(tmp_path):
    solution = made(Rectangle())
    grid = solution.on_grid(3, x=[0.0, 0.1, 0.5, 1.0])
    with pytest.raises(ValueError, match=r"the axis 'x' is not evenly spaced: write \.vtr"):
        grid.to_vtk(tmp_path / "flow.vti")
    assert not list(tmp_path.iterdir())
    grid.to_vtk(tmp_path / "flow.vtr")
    points, arrays, _ = load(tmp_path / "flow.vtr")
    compare(solution, points, arrays)


def test_names_of_components_and_single_precision(tmp_path):
    solution = made(Rectangle(), torch.float32)
    solution.on_grid(4).to_vtk(tmp_path / "flow.vti")
    _, arrays, data = load(tmp_path / "flow.vti")
    assert arrays["p"].dtype == np.float32
    vector = data.GetPointData().GetArray("q")
    assert [vector.GetComponentName(k) for k in range(2)] == ["u", "v"]


def series(path):
    """Instant → file of a collection."""
    entries = ElementTree.parse(path).getroot().iter("DataSet")
    return {float(entry.get("timestep")): path.with_name(entry.get("file")) for entry in entries}


def test_with_time_there_is_a_file_for_every_instant(tmp_path):
    solution = made(Rectangle(time=(0, 3)))
    grid = solution.on_grid((4, 3, 3))
    grid.to_vtk(tmp_path / "flow.pvd")
    found = series(tmp_path / "flow.pvd")
    assert list(found) == [0.0, 1.5, 3.0]
    for time, path in found.items():
        assert path.suffix == ".vti"
        points, arrays, data = load(path)
        at = np.concatenate([points[:, :2], np.full((12, 1), time)], 1)
        np.testing.assert_allclose(arrays["p"], solution(at)["p"], rtol=1e-13)
        assert data.GetFieldData().GetArray("TimeValue").GetValue(0) == time
    with pytest.raises(ValueError, match=r"3 instants do not fit into one \.vti file"):
        grid.to_vtk(tmp_path / "flow.vti")
    solution.on_grid(4, t=1.5).to_vtk(tmp_path / "one.vti")
    points, arrays, data = load(tmp_path / "one.vti")
    assert data.GetFieldData().GetArray("TimeValue").GetValue(0) == 1.5
    at = np.concatenate([points[:, :2], np.full((16, 1), 1.5)], 1)
    np.testing.assert_allclose(arrays["p"], solution(at)["p"], rtol=1e-13)


def test_scattered_points_with_time(tmp_path):
    solution = made(Interval(time=(0, 1)))
    at = np.array([[0.1, 0.0], [0.2, 1.0], [0.3, 0.0], [0.4, 1.0]])
    there = solution.at(at)
    there.to_vtk(tmp_path / "probes.vtu")
    _, arrays, _ = load(tmp_path / "probes.vtu")
    np.testing.assert_array_equal(arrays["t"], at[:, 1])
    there.to_vtk(tmp_path / "probes.pvd")
    found = series(tmp_path / "probes.pvd")
    points, arrays, _ = load(found[1.0])
    np.testing.assert_array_equal(points[:, 0], [0.2, 0.4])
    np.testing.assert_allclose(arrays["p"], solution(at[1::2])["p"], rtol=1e-14)


def test_a_slice_lies_where_it_was_cut(tmp_path):
    solution = made(Box())
    solution.on_grid(3, y=0.25).to_vtk(tmp_path / "slice.vtu")
    points, arrays, data = load(tmp_path / "slice.vtu")
    assert (points[:, 1] == 0.25).all()
    assert data.GetNumberOfCells() == 4
    compare(solution, points, arrays)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flow.vtk", "'flow.vtk' has no ending of .vti, .vtr, .vtu, .pvd"),
        ("flow", "'flow' has no ending of"),
        ("flow.vti", "scattered points have no grid: write .vtu or .pvd in place of .vti"),
    ],
)
def test_a_file_that_cannot_hold_it_is_refused(name, message, tmp_path):
    there = made(Rectangle()).at(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=re.escape(message)):
        there.to_vtk(tmp_path / name)


def test_more_than_three_space_coordinates_are_refused(tmp_path):
    geometry = Geometry(Coordinates(("a", "b", "c", "d")), [0] * 4, [1] * 4)

    class Wide(Problem):
        coordinates, unknowns = ("a", "b", "c", "d"), {"p": 1}

        @on("interior")
        def balance(self, p):
            return p

    grid = Solution(Wide(geometry), nn.Linear(4, 1).double()).on_grid(2)
    with pytest.raises(ValueError, match=r"VTK has three space coordinates, the problem 4"):
        grid.to_vtk(tmp_path / "flow.vtr")
