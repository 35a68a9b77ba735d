"""A reference that is given as a table: what errors are then measured against."""

import re

import numpy as np
import pytest
import torch

import pinn
from pinn.assessment.figures import draw
from pinn.assessment.scores import errors
from pinn.geometry import Interval, Rectangle
from pinn.physics.given_reference import given_reference
from pinn.physics.problem import Problem
from pinn.physics.references import Reference
from pinn.physics.residuals import on
from pinn.training.solver import Solver

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Flow(Problem):
    coordinates, unknowns, geometry = ("x", "y"), {"u": ("u", "v"), "p": 1}, Rectangle()

    @on("interior")
    def momentum(self, u, p):
        return pinn.laplacian(u) - pinn.grad(p)

    @on("boundary")
    def walls(self, u):
        return u

    def exact(self, at):
        return {"u": pinn.vector(at[:, 0], -at[:, 1]), "p": 0 * at[:, 0]}


def write(name, columns):
    np.savetxt(
        name,
        np.stack(list(columns.values()), -1),
        delimiter=",",
        comments="",
        header=",".join(columns),
        fmt="%.17g",
    )


def test_a_table_is_a_reference():
    x, y = RNG.random((2, 40))
    write("flow.csv", {"x": x, "y": y, "U": x * y, "q": x})
    found = given_reference(Flow(), {"file": "flow.csv", "columns": {"u": "U", "p": "q"}})
    assert found.shape == (40,)
    assert not found.is_grid
    assert found.source == "flow.csv"
    assert found.judged.all()
    torch.testing.assert_close(found.values["u"], found.at.prod(-1), rtol=0, atol=0)
    assert found.values.keys() == {"u", "p"}
    named = Reference.from_file("flow.csv", ("x", "y"), columns={"v": "U"}, source="an experiment")
    assert (named.source, list(named.values)) == ("an experiment", ["v"])


def test_points_of_a_grid_are_put_in_its_order():
    x, y = (a.reshape(-1) for a in np.meshgrid([0.0, 0.5, 1.0], [0.0, 0.3], indexing="xy"))
    shuffled = RNG.permutation(6)
    found = Reference.from_file(
        {"x": x[shuffled], "y": y[shuffled], "u": (10 * x + y)[shuffled]}, ("x", "y")
    )
    assert found.shape == (3, 2)
    assert found.is_grid
    assert found.values["u"].tolist() == [0.0, 0.3, 5.0, 5.3, 10.0, 10.3]
    np.savez("grid.npz", x=[0.0, 0.5, 1.0], y=[0.0, 0.3], u=10 * x.reshape(2, 3).T)
    assert Reference.from_file("grid.npz", ("x", "y")).shape == (3, 2)
    line = Reference.from_file(
        {"x": [0.5, 0.5, 0.5], "y": [0.0, 0.1, 0.2], "u": [0, 1, 2]}, ("x", "y")
    )
    assert not line.is_grid  # a profile is no picture


def test_the_error_is_measured_against_the_table_and_nothing_else():
    x, y = RNG.random((2, 50))
    write("flow.csv", {"x": x, "y": y, "v": np.ones(50), "p": x + 7})
    solver = Solver(Flow(), pinn.MLP(8, 1), reference="flow.csv")
    solver.double()
    at = torch.from_numpy(np.stack([x, y], -1))
    given = solver.solution(at)
    scores = errors(solver.solution, solver.reference)
    v, p = given["u"][:, 1], given["p"]
    assert scores.keys() == {"error/v", "error/p"}
    assert scores["error/v"] == pytest.approx(float((v - 1).norm() / 50**0.5))
    p, truth = p - p.mean(), at[:, 0] - at[:, 0].mean()  # the pressure has an open constant
    assert scores["error/p"] == pytest.approx(float((p - truth).norm() / truth.norm()))


class Heat(Problem):
    coordinates, unknowns, geometry = ("x", "t"), {"u": 1}, Interval(time=(0.0, 1.0))

    @on("interior")
    def heat(self, u):
        return pinn.dt(u) - pinn.partial(pinn.partial(u, "x"), "x")

    @on("initial")
    def start(self, u):
        return u


class Open(Heat):
    """u is open up to a function of time."""

    @on("interior")
    def heat(self, u):
        return pinn.partial(pinn.partial(u, "x"), "x")

    @on("initial")
    def start(self, u):
        return pinn.partial(u, "x")


def test_a_reference_in_time():
    x, t = RNG.random((2, 30))
    solver = Solver(
        Heat(),
        pinn.MLP(8, 1),
        reference=Reference.from_file({"x": x, "t": t, "u": x * t}, ("x", "t")),
    )
    assert solver.reference.values["u"].shape == (30,)
    with pytest.raises(ValueError, match=r"30 points at 30 instants, .* give several points"):
        Solver(Open(), pinn.MLP(8, 1), reference=solver.reference)


def test_figures_of_a_scattered_reference_show_the_prediction():
    x, y = RNG.random((2, 50))
    reference = Reference.from_file({"x": x, "y": y, "u": x}, ("x", "y"))
    problem = Flow()
    problem.exact = lambda at: None
    figures = draw(problem, reference, lambda at: dict.fromkeys(("u", "v", "p"), at[:, 0]))
    assert {"u", "v", "p"} <= figures.keys()


def test_a_given_reference_belongs_to_the_last_stage():
    class Staged(Flow):
        stages = ({"level": 1.0}, {"level": 2.0})
        level = 1.0

    given = Reference.from_file({"x": [0.1, 0.2], "y": [0.3, 0.1], "u": [1.0, 2.0]}, ("x", "y"))
    judge = Solver(Staged(), pinn.MLP(8, 1), reference=given).judge
    assert judge.reference(0).source == "exact solution of Staged"
    assert judge.reference(1) is given


WRONG = {
    "no component": ({"x": [0.1], "y": [0.2], "w": [1.0]}, {}, "has values of 'w': known: u, v, p"),
    "no value": ({"x": [0.1], "y": [0.2]}, {}, "has no values: expected a column of u, v, p"),
    "outside": ({"x": [0.1, 9], "y": [0.2, 0], "u": [1, 2]}, {}, "1 of 2 points lie outside Rect"),
    "nan": ({"x": [0.1], "y": [0.2], "u": [np.nan]}, {}, "line 2, column 'u' is empty or nan"),
    "key": ({"x": [0.1], "y": [0.2], "u": [1]}, {"column": {}}, "reference has the key 'column'"),
    "file": ({"x": [0.1], "y": [0.2], "u": [1]}, {"file": 3}, "reference.file is 3: give the path"),
    "not there": ({"x": [0.1], "y": [0.2], "u": [1]}, {"file": "g.csv"}, "g.csv does not exist"),
}


@pytest.mark.parametrize(("columns", "more", "line"), WRONG.values(), ids=WRONG)
def test_a_wrong_reference_is_one_clear_line(columns, more, line):
    write("f.csv", {name: np.array(values, float) for name, values in columns.items()})
    with pytest.raises(ValueError, match=re.escape(line)) as caught:
        Solver(Flow(), pinn.MLP(8, 1), reference={"file": "f.csv"} | more)
    assert "\n" not in str(caught.value)


def test_other_objects_are_no_reference():
    with pytest.raises(ValueError, match="reference is a float: give a file, a mapping with file"):
        Solver(Flow(), pinn.MLP(8, 1), reference=3.5)
    flat = Reference.from_file({"x": [0.5], "u": [1.0]}, ("x",))
    with pytest.raises(ValueError, match=r"has 1 coordinates, and the problem has \('x', 'y'\)"):
        Solver(Flow(), pinn.MLP(8, 1), reference=flat)
