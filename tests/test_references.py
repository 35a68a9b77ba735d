"""References: exact solutions on grids, and the cavity's computed one."""

import csv
from importlib.resources import files

import numpy as np
import pytest
import torch

from pinn.fields.vector_calculus import grad
from pinn.geometry import Box, Interval, Rectangle
from pinn.physics.problem import Problem
from pinn.physics.references import Reference
from pinn.physics.residuals import on
from pinn.problems.cavity import LidDrivenCavity, cavity_reference


class Swirl(Problem):
    coordinates = ("x", "y")
    unknowns = {"u": ("u", "v"), "p": 1}
    geometry = Rectangle((0.0, 2.0), (0.0, 1.0))

    @on("interior")
    def momentum(self, u):
        return u

    def exact(self, at):
        x, y = at[:, 0], at[:, 1]
        return {"u": torch.stack([x * y, x - y], dim=-1), "p": x * x}


class Unknown(Swirl):
    exact = Problem.exact


class Misnamed(Swirl):
    def exact(self, at):
        return {"pp": at[:, 0]}


class Misshaped(Swirl):
    def exact(self, at):
        return {"p": at}


class Singular(Swirl):
    def exact(self, at):
        return {"p": 1 / at[:, 0]}


class Gradient(Swirl):
    def exact(self, at):
        return {"u": grad(at[:, 0] * at[:, 1] * at[:, 1])}


def reference(**changes):
    at = Rectangle().grid(3)
    given = {
        "at": at,
        "values": {"u": at[:, 0]},
        "judged": torch.ones(9, dtype=torch.bool),
        "shape": (3, 3),
        "source": "by hand",
    }
    return Reference(**(given | changes))


# --- exact solutions


def test_exact_solution_by_component_on_a_regular_grid():
    found = Swirl().reference()
    assert found.shape == (101, 101)
    assert found.at.dtype == torch.float64
    x, y = found.at.unbind(-1)
    assert torch.equal(x, x.reshape(101, 101)[:, :1].expand(101, 101).flatten())  # x is slowest
    assert float(x.max()) == 2.0
    assert list(found.values) == ["u", "v", "p"]
    for name, expected in {"u": x * y, "v": x - y, "p": x * x}.items():
        assert torch.equal(found.values[name], expected)
    assert found.judged.all()
    assert "Swirl" in found.source


def test_exact_solution_may_be_a_derivative():
    found = Gradient().reference()
    x, y = found.at.unbind(-1)
    torch.testing.assert_close(found.values["u"], y * y)
    torch.testing.assert_close(found.values["v"], 2 * x * y)
    assert "p" not in found.values


@pytest.mark.parametrize(
    ("geometry", "shape"),
    [
        (Interval(), (101,)),
        (Interval(time=(0.0, 1.0)), (101, 101)),
        (Box(), (31, 31, 31)),
        (Box(time=(0.0, 1.0)), (15, 15, 15, 15)),
    ],
)
def test_points_per_axis(geometry, shape):
    class Linear(Problem):
        coordinates = geometry.coordinates.names
        unknowns = {"q": 1}

        @on("interior")
        def equation(self, q):
            return q

        def exact(self, at):
            return {"q": at[:, 0]}

    found = Linear(geometry).reference()
    assert found.shape == shape
    assert torch.equal(found.values["q"], found.at[:, 0])


def test_problem_without_exact_solution_has_no_reference():
    assert Unknown().reference() is None
    assert Swirl().reference() is not None


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (Misnamed, r"Misnamed.exact returned 'pp', which is no unknown: did you mean 'p'"),
        (Misshaped, r"Misshaped.exact returned 'p' of shape \(10201, 2\).*expected \(10201,\)"),
        (Singular, r"reference of 'p' is inf at \(0.0, 0.0\)"),
    ],
)
def test_faulty_exact_solution_is_refused(problem, message):
    with pytest.raises(ValueError, match=message):
        problem().reference()


# --- the dataclass


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": (3, 4)}, r"shape \(3, 4\) needs points \(12, 2\)"),
        ({"judged": torch.ones(8, dtype=torch.bool)}, r"judged \(9,\), got \(9, 2\) and \(8,\)"),
        ({"values": {"u": torch.zeros(9, 1)}}, r"'u' has shape \(9, 1\): it must be \(9,\)"),
        ({"values": {"u": torch.full((9,), torch.nan)}}, r"'u' is nan at \(0.0, 0.0\)"),
    ],
)
def test_inconsistent_reference_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        reference(**changes)


def test_a_point_that_is_not_judged_may_have_no_value():
    values = torch.zeros(9)
    values[4] = torch.nan
    judged = torch.ones(9, dtype=torch.bool)
    judged[4] = False
    assert reference(values={"u": values}, judged=judged).values["u"][4].isnan()


# --- the cavity


@pytest.mark.parametrize("reynolds", [100, 400.0, 1000, 3200, 5000])
def test_cavity_boundary_values_fix_the_axis_order(reynolds):
    found = cavity_reference(reynolds)
    x, y = found.at.unbind(-1)
    u, v = found.values["u"], found.values["v"]
    lid = found.judged & (y == 1)
    walls = found.judged & ((y == 0) | (x == 0) | (x == 1))
    assert int(lid.sum()) == 89  # 0.06 … 0.94
    assert torch.equal(u[lid], torch.ones(89, dtype=torch.float64))
    assert float(torch.maximum(u[walls].abs(), v[walls].abs()).max()) < 1e-6
    assert str(int(reynolds)) in found.source


def test_cavity_judges_all_but_the_corners():
    found = cavity_reference(100)
    kept = found.judged.reshape(101, 101)
    assert int((~kept).sum()) == 4 * 6 * 6
    for i in (slice(0, 6), slice(95, 101)):
        for j in (slice(0, 6), slice(95, 101)):
            assert not kept[i, j].any()
    assert all(bool(value[found.judged].isfinite().all()) for value in found.values.values())


def test_below_a_parabolic_lid_the_rim_is_not_judged():
    found = LidDrivenCavity(profile="parabolic").reference()
    x, y = found.at.unbind(-1)
    assert int(found.judged.sum()) == 91**2
    assert float(torch.minimum(found.at, 1 - found.at)[found.judged].min()) == pytest.approx(0.05)
    lid = y == 1
    torch.testing.assert_close(found.values["u"][lid], (4 * x * (1 - x))[lid], rtol=0, atol=1e-7)
    assert LidDrivenCavity(400.0, profile="parabolic").reference() is None


@pytest.mark.parametrize("reynolds", [200, 100.5, 7500])
def test_cavity_is_known_at_five_reynolds_numbers(reynolds):
    assert cavity_reference(reynolds) is None


@pytest.mark.parametrize("reynolds", [100, 1000])
def test_cavity_extrema_agree_with_the_literature(reynolds):
    found = cavity_reference(reynolds)
    u = found.values["u"].reshape(101, 101)[50]
    v = found.values["v"].reshape(101, 101)[:, 50]
    ours = {"u_min_x0.5": u.min(), "v_max_y0.5": v.max(), "v_min_y0.5": v.min()}
    text = (files("pinn.problems") / "cavity_data" / "cavity_extrema.csv").read_text()
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    compared = 0
    for row in rows:
        if float(row["re"]) == reynolds and row["quantity"] in ours:
            # The extremum lies between two points of the grid: 2e-3 of it is missed at most.
            assert float(ours[row["quantity"]]) == pytest.approx(float(row["value"]), rel=4e-3)
            compared += 1
    assert compared >= 3


@pytest.mark.parametrize("reynolds", [100, 400, 1000])
def test_cavity_centreline_agrees_with_ghia(reynolds):
    text = (files("pinn.problems") / "cavity_data" / "ghia1982_u_x0.5.csv").read_text()
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    y, theirs = np.array([[float(r["y"]), float(r[f"u_re{reynolds}"])] for r in rows]).T
    u = cavity_reference(reynolds).values["u"].reshape(101, 101)[50].numpy()
    ours = np.interp(y, np.linspace(0, 1, 101), u)
    # Their table is good to 0.9 %; straight lines between our points add 0.2 %.
    assert np.linalg.norm(ours - theirs) < 0.012 * np.linalg.norm(theirs)
