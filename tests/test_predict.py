"""`train.py predict`: values of a checkpoint in files that other programs read."""

import csv
import re
import shutil

import numpy as np
import pytest
import torch
from short import fit, only

import pinn
from pinn.checkpoints.names import newest_first
from pinn.cli.main import main
from pinn.cli.predict import far_values
from pinn.problems import LidDrivenCavity, TaylorGreen2D

POINTS = "name,y,x\nfirst,0.25,0.5\n\nsecond,0.75,0.1\n"


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """A checkpoint that was moved away from its run, which is there no more, and opens."""
    return moved(tmp_path_factory.mktemp("steady"))


@pytest.fixture(scope="module")
def unsteady(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unsteady")
    return moved(folder, problem=TaylorGreen2D(), points={"interior": 16})


def moved(folder, **settings):
    trained = fit(folder / "runs", **settings)
    newest = newest_first(only(folder / "runs") / "checkpoints")[0]
    path = folder / "elsewhere.ckpt"
    shutil.move(newest, path)
    shutil.rmtree(folder / "runs")
    at = trained.problem.geometry.sample("interior", 20).at
    for name, value in pinn.load(path)(at).items():
        torch.testing.assert_close(value, trained(at)[name], rtol=1e-6, atol=1e-6)
    return path


def run(checkpoint, *arguments):
    return main(["predict", "--ckpt_path", str(checkpoint), *arguments])


def test_points_from_a_table(steady, here, capsys):
    (here / "points.csv").write_text(POINTS, encoding="utf-8-sig")
    assert run(steady, "--points", "points.csv", "--output", "out.csv", "--derivatives", "u.x") == 0
    assert "wrote     out.csv: u, u.x at 2 points" in capsys.readouterr().out
    with open("out.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    solution = pinn.load(steady)
    there = solution.at([[0.5, 0.25], [0.1, 0.75]])
    for name in ("u", "u.x"):
        found = [float(row[name]) for row in rows]
        np.testing.assert_allclose(found, there[name], rtol=1e-6)
    assert [float(row["x"]) for row in rows] == [0.5, 0.1]


def test_a_grid_for_vtk(steady, here):
    vtk = pytest.importorskip("vtk")
    from vtk.util.numpy_support import vtk_to_numpy

    assert run(steady, "--grid", "9", "--output", "field.vtu") == 0
    reader = vtk.vtkXMLUnstructuredGridReader()
    reader.SetFileName("field.vtu")
    reader.Update()
    found = reader.GetOutput()
    places = vtk_to_numpy(found.GetPoints().GetData())[:, :2].astype(float)
    expected = pinn.load(steady)(torch.from_numpy(places))["u"]
    values = vtk_to_numpy(found.GetPointData().GetArray("u"))
    assert len(values) == 81
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-7)


def test_a_series_in_time(unsteady, here):
    assert run(unsteady, "--grid", "x=5,y=4,t=3", "--output", "flow.pvd") == 0
    assert sorted(path.name for path in here.iterdir()) == [
        "flow.pvd",
        *(f"flow_{k:04d}.vti" for k in range(3)),
    ]


def test_values_that_would_hide_all_others_are_said(tmp_path_factory, here, capsys):
    """The cavity's pressure is infinite at the two ends of its lid, which a grid meets."""
    cavity = moved(
        tmp_path_factory.mktemp("cavity"), problem=LidDrivenCavity(), points={"interior": 32}
    )
    assert run(cavity, "--grid", "9", "--output", "flow.vti") == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "note" in line]
    assert line.startswith("note      p is ")
    assert "at 2 of 81 points" in line
    assert run(cavity, "--grid", "x=9,y=0.5", "--output", "line.vti") == 0
    assert "note" not in capsys.readouterr().out


def test_a_peak_that_is_smooth_is_not_said():
    x = np.linspace(-1, 1, 2000)
    columns = {"rho": np.exp(-((x / 0.01) ** 2)), "zero": 0 * x, "step": 1.0 * (x > 0.99)}
    assert list(far_values(columns)) == []
    (line,) = far_values({"p": np.where(x == x[7], np.inf, np.where(x == x[9], 1e9, x))})
    assert line.startswith("p is 1.0e+09 in size at 1 of 2000 points")


def test_a_grid_at_one_instant(unsteady, here):
    xarray = pytest.importorskip("xarray")
    arguments = ("--grid", "6,t=0.5", "--derivatives", "vorticity,divergence")
    for name in ("flow.npz", "flow.nc"):
        assert run(unsteady, *arguments, "--output", name) == 0
    grid = pinn.load(unsteady).on_grid(6, t=0.5)
    with np.load("flow.npz") as arrays, xarray.open_dataset("flow.nc") as data:
        np.testing.assert_allclose(arrays["vorticity"].squeeze(), grid.vorticity(), rtol=1e-12)
        np.testing.assert_allclose(data["p"], grid["p"], rtol=1e-12, atol=1e-14)


def test_points_outside_are_said(steady, here, capsys):
    (here / "points.csv").write_text("x,y\n0.5,0.5\n3.0,0.5\n", encoding="utf-8")
    assert run(steady, "--points", "points.csv", "--output", "out.csv") == 0
    assert re.search("warning   1 of 2 points lie outside", capsys.readouterr().out)


MISTAKES = [
    ([], r"predict needs --output"),
    (["--output", "o.csv"], r"needs one of --points and --grid"),
    (["--output", "o.csv", "--grid", "5", "--points", "points.csv"], r"one of --points and --grid"),
    (["--output", "o.txt", "--grid", "5"], r"o\.txt ends in none of \.csv, \.npz"),
    (["--output", "no/o.csv", "--grid", "5"], r"the folder no is not there"),
    (["--output", "o.csv", "--points", "none.csv"], r"--points: none\.csv does not exist"),
    (["--output", "o.csv", "--grid", "five"], r"--grid 'five': expected a number of points"),
    (["--output", "o.csv", "--grid", "x=5"], r"no points along 'y'"),
    (["--output", "o.csv", "--grid", "5,z=3"], r"'z'"),
    (["--output", "o.csv", "--gird", "5"], r"takes no '--gird' \(did you mean 'grid'\?\)"),
    (
        ["--output", "o.csv", "--grid", "5", "--derivatives", "w.x"],
        r"'w\.x' is neither an unknown nor",
    ),
    (["--output", "o.vti", "--points", "points.csv"], r"\.vti"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_a_mistake_is_one_line(arguments, message, steady, here, capsys):
    (here / "points.csv").write_text(POINTS, encoding="utf-8")
    said(steady, arguments, message, capsys)
    assert [path.name for path in here.iterdir()] == ["points.csv"]


TABLES = [
    ("x,z\n0,0\n", r"points\.csv has no column 'y'.*it has x, z"),
    ("0,0\n1,1\n", r"has no header"),
    ("", r"has no header"),
    ("x,y\n", r"no points"),
    ("x,y\n0,0\n0.5\n", r"line 3: 1 entries, where the header has 2"),
    ("x,y\n0,abc\n", r"column 'y', point 1: 'abc' is no number"),
    ("x,y\n0,nan\n", r"y = nan"),
    ("x,y,x\n0,0,0\n", r"two columns 'x'"),
]


@pytest.mark.parametrize(("text", "message"), TABLES)
def test_a_table_that_does_not_fit_is_one_line(text, message, steady, here, capsys):
    (here / "points.csv").write_text(text, encoding="utf-8")
    said(steady, ["--points", "points.csv", "--output", "out.csv"], message, capsys)


def said(checkpoint, arguments, message, capsys):
    assert run(checkpoint, *arguments) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert re.search(message, line), line


def test_no_checkpoint(here, capsys):
    said("none.ckpt", ["--grid", "5", "--output", "o.csv"], "none.ckpt does not exist", capsys)
    (here / "text.ckpt").write_text("no", encoding="utf-8")
    said("text.ckpt", ["--grid", "5", "--output", "o.csv"], "text.ckpt is damaged", capsys)
    assert main(["predict"]) == 2
    assert "predict needs --ckpt_path" in capsys.readouterr().err
