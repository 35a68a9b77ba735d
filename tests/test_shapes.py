"""Geometries of shapes that are no boxes: names, booleans, motions, time, recipes."""

import math
from pathlib import Path

import pytest
import torch

import pinn
from pinn.base.recipe import build, spec_of
from pinn.cli.main import main
from pinn.geometry import (
    Box,
    Derived,
    Difference,
    Disc,
    Ellipse,
    HalfSpace,
    Intersection,
    Interval,
    Polygon,
    Rectangle,
    Union,
)
from pinn.problems.navier_stokes import NavierStokes

FLOAT = torch.float64


def channel():
    return Rectangle(x=(0, 2.2), y=(0, 0.41)) - Disc((0.2, 0.2), 0.05, name="cylinder")


def step():
    return Rectangle(x=(-2, 0), y=(0, 1)) | Rectangle(x=(0, 10), y=(-1, 1))


def same(a, b):
    assert set(a.regions) == set(b.regions)
    for region in a.regions:
        assert b.measure(region) == pytest.approx(a.measure(region), rel=1e-12)
    assert torch.equal(a.sample("interior", 50).at, b.sample("interior", 50).at)


# --- booleans


def test_a_hole_has_its_name_and_normals_into_it():
    domain = channel()
    assert set(domain.regions) == {
        "interior", "left", "right", "bottom", "top", "cylinder", "boundary",
    }  # fmt: skip
    hole = domain.sample("cylinder", 64)
    centre = torch.tensor([0.2, 0.2], dtype=FLOAT)
    torch.testing.assert_close(hole.normal, (centre - hole.at) / 0.05)
    assert domain.measure("interior") == pytest.approx(2.2 * 0.41 - math.pi * 0.05**2, rel=1e-14)
    assert domain.measure("boundary") == pytest.approx(2 * 2.61 + math.pi * 0.1, rel=1e-14)


@pytest.mark.parametrize("method", ["sobol", "lhs", "uniform", "gauss"])
def test_no_point_lies_in_a_hole(method):
    at = channel().sample("interior", 500, method).at
    assert len(at) == pytest.approx(500, rel=0.1)
    assert bool(((at - 0.2).norm(dim=1) > 0.05).all())


def test_touching_rectangles_have_one_interior():
    domain = step()
    assert domain.measure("interior") == 22
    assert domain.measure("left") == 2  # the inlet, and the face of the step
    assert domain.measure("boundary") == 28
    assert bool(domain.contains(torch.tensor([[0.0, 0.5], [0.0, -0.5]], dtype=FLOAT)).all())


def test_an_unnamed_hole_belongs_to_the_boundary_alone():
    domain = Rectangle() - Rectangle(x=(0.4, 0.6), y=(0.4, 0.6))
    assert domain.measure("left") == 1
    assert domain.measure("boundary") == pytest.approx(4.8)


def test_many_holes_may_share_a_name():
    domain = Rectangle()
    for k in range(4):
        domain = domain - Disc((0.2 + 0.2 * k, 0.5), 0.05, name="holes")
    assert domain.measure("holes") == pytest.approx(4 * math.pi * 0.1, rel=1e-12)
    assert len(spec_of(domain)["init_args"]["holes"]) == 4


def test_a_named_rectangle_has_named_sides():
    domain = Rectangle() - Rectangle(x=(0.4, 0.6), y=(0.4, 0.6), name="block")
    assert domain.measure("block") == pytest.approx(0.8)
    assert domain.measure("block_left") == pytest.approx(0.2)
    assert domain.measure("left") == 1
    normal = domain.sample("block_left", 5).normal
    assert normal.tolist() == [[1.0, 0.0]] * 5  # into the hole


def test_a_half_plane_cuts():
    half = Disc() & HalfSpace((0, 0), (0, 1), name="flat")
    assert half.measure("interior") == pytest.approx(math.pi / 2, rel=1e-14)
    assert half.measure("flat") == pytest.approx(2, rel=1e-14)
    normal = half.sample("flat", 3).normal
    torch.testing.assert_close(normal, torch.tensor([[0.0, 1.0]] * 3, dtype=FLOAT))


# --- names


def test_parts_by_plain_data():
    domain = step().part("inlet", x=-2).part("outlet", x=10)
    domain = domain.part("walls", without=("inlet", "outlet")).part("ledge", x=0)
    measures = {name: domain.measure(name) for name in ("inlet", "outlet", "walls", "ledge")}
    assert measures == pytest.approx({"inlet": 1, "outlet": 2, "walls": 25, "ledge": 1})
    walls = domain.sample("walls", 400).at
    assert not bool(((walls[:, 0] == -2) | (walls[:, 0] == 10)).any())


def test_a_range_cuts_a_face():
    for domain in (Rectangle(), Rectangle() - Disc((0.5, 0.5), 0.1)):
        inlet = domain.part("inlet", x=0, y=(0.25, 0.5))
        at = inlet.sample("inlet", 100).at
        assert inlet.measure("inlet") == pytest.approx(0.25)
        assert bool(((at[:, 1] > 0.25) & (at[:, 1] < 0.5) & (at[:, 0] == 0)).all())
    box = Box().part("hatch", z=1, x=(0, 0.5), y=(0, 0.5))
    assert box.measure("hatch") == 0.25


def test_edges_of_a_polygon_by_number():
    triangle = Polygon([(0, 0), (3, 0), (0, 4)], name="edges")
    domain = triangle.part("long", segments=1).part("others", segments=(0, 2))
    assert domain.measure("long") == pytest.approx(5, rel=1e-15)
    assert domain.measure("others") == pytest.approx(7, rel=1e-15)


def test_a_part_by_a_function_is_refused_in_a_recipe_only():
    domain = Disc().part("upper", where=lambda at: at[:, 1] > 0)
    assert domain.measure("upper") == pytest.approx(math.pi, rel=1e-9)
    with pytest.raises(ValueError, match="picks a part by a function, which a checkpoint cannot"):
        spec_of(domain)


def test_names_survive_booleans():
    lid = Rectangle().named(lid="top").part("inlet", x=0, y=(0, 0.5))
    domain = lid - Disc((0.5, 0.5), 0.1)
    assert domain.measure("lid") == 1
    assert domain.measure("inlet") == pytest.approx(0.5)
    cut = lid - Rectangle(x=(-1, 2), y=(0.5, 2), name="above")  # nothing of the lid is left
    assert "lid" not in cut.regions


def test_measured_points_survive_a_hole_that_leaves_them():
    points = Rectangle().with_points("probes", {"x": [0.1], "y": [0.1]})
    assert len((points - Disc((0.5, 0.5), 0.1)).sample("probes", 1)) == 1
    with pytest.raises(ValueError, match="1 of 1 lie outside"):
        points - Disc((0.1, 0.1), 0.05)


# --- motions and time


def test_motions_keep_names_and_measures():
    lid = Rectangle(x=(0, 2)).named(lid="top")
    turned = lid.rotated(math.pi / 2, about=(0, 0))
    assert turned.lower == pytest.approx((-1, 0))
    assert turned.upper == pytest.approx((0, 2))
    assert turned.measure("lid") == 2
    assert turned.sample("lid", 2).normal.tolist() == [[-1.0, 0.0]] * 2
    assert lid.scaled(3).measure("lid") == pytest.approx(6)
    assert lid.translated((1, 5)).lower == (1, 5)
    with pytest.raises(ValueError, match="has inlet: move it before it gets parts"):
        Rectangle().part("inlet", x=0).translated((1, 0))


def test_every_shape_lasts_some_time():
    ring = Disc(time=(0, 3)) - Disc(radius=0.5, name="inner")
    assert ring.coordinates.names == ("x", "y", "t")
    assert ring.measure("inner") == pytest.approx(math.pi * 3)
    assert ring.measure("initial") == pytest.approx(math.pi * 0.75)
    points = ring.sample("interior", 400, "gauss")
    mean = float((points.weights * points.at[:, 2] ** 2).mean())
    assert mean == pytest.approx(3, rel=1e-12)
    assert bool((ring.sample("final", 10).at[:, 2] == 3).all())
    with pytest.raises(ValueError, match="differ in time or parameters"):
        Disc(time=(0, 3)) - Disc(radius=0.5, time=(0, 1))


# --- recipes


@pytest.mark.parametrize(
    "domain",
    [
        channel(),
        step().part("inlet", x=-2).named(walls=("top", "bottom")),
        (Disc(name="rim") & Ellipse(semi_axes=(2, 0.5), angle=0.3)).rotated(0.2),
        Polygon([(0, 0), (1, 0), (1, 1), (0, 1)], smooth=True, name="blob").scaled(2.0),
        Disc(time=(0, 1)) - Disc(radius=0.2, name="a") - Disc((0.5, 0.5), 0.1, name="b"),
        Rectangle() & HalfSpace((0.5, 0.5), (1, 1), name="cut"),
    ],
)
def test_a_geometry_is_plain_data(domain):
    same(domain, build(spec_of(domain)))


def test_the_classes_of_configurations_are_the_operators():
    hole, other = Disc((0.5, 0.5), 0.1, name="hole"), Disc((1, 0.5), 0.3)
    same(Difference(Rectangle(), [hole]), Rectangle() - hole)
    same(Union([Rectangle(), other]), Rectangle() | other)
    same(Intersection([Rectangle(), other]), Rectangle() & other)
    same(Derived(Rectangle(), [{"named": {"lid": "top"}}]), Rectangle().named(lid="top"))


# --- what is wrong


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Disc(radius=-1), "radius of a disc must be finite and above 0, got -1"),
        (lambda: Ellipse(semi_axes=(1, 0)), "semi-axes, finite and above 0"),
        (lambda: Polygon([(0, 0), (1, 1)]), "3 points"),
        (lambda: Polygon([(0, 0), (1, 1), (0, 1), (1, 0)]), "edges 0 and 2 of the polygon meet"),
        (lambda: Rectangle() - Disc((5, 5), 1), "the hole does not meet the domain"),
        (lambda: Disc((0.5, 0.5), 0.1) - Rectangle(), "nothing is left"),
        (lambda: Rectangle() & Disc((5, 5), 1), "nothing is left"),
        (lambda: Disc() - Box(), "2 coordinates of space meets one of 3"),
        (lambda: Interval() | Interval(x=(2, 3)), "cannot be combined"),
        (lambda: Disc() | HalfSpace((0, 0), (1, 0)), "the union has no end"),
        (lambda: HalfSpace((0, 0), (1, 0)) - Disc(), "the difference has no end"),
        (lambda: HalfSpace((0, 0), (0, 0)), "a normal that is not zero"),
        (lambda: HalfSpace((0, 0), (0, 1)).sample("interior", 3), "half-space has no end"),
        (lambda: channel().part("inlet", x=0.7), "no piece of the boundary lies on x = 0.7"),
        (lambda: Box().part("inlet", x=0.7), "nothing of the boundary lies there"),
        (lambda: channel().part("left", x=0), "'left' is taken"),
        (lambda: channel().part("inlet", z=0), "unknown coordinate 'z'"),
        (lambda: channel().part("inlet", x=(1, 0)), "the lower end must come first"),
        (lambda: channel().part("inlet", x=(1, 0, 3)), "give one number, or two"),
        (lambda: channel().part("inlet", of="lef"), "did you mean 'left'"),
        (lambda: Rectangle(time=(0, 1)).part("start", t=0), "no coordinate of space"),
        (lambda: Derived(Rectangle(), [{"rename": {}}]), "a step calls 'rename'"),
        (
            lambda: Derived(Rectangle(), [{"part": {"nme": "a"}}]),
            "missing a required argument: 'name'",
        ),
        (lambda: Union([]), "Union is of no geometry"),
    ],
)
def test_a_wrong_geometry_is_refused_in_one_line(make, text):
    with pytest.raises(ValueError, match=text) as caught:
        make()
    assert "\n" not in str(caught.value)


# --- in a run


def test_a_checkpoint_holds_the_geometry(tmp_path):
    problem = NavierStokes(channel().part("wake", x=2.2, y=(0.1, 0.3)), reynolds=20.0)
    solution = pinn.fit(
        problem,
        pinn.MLP(width=10, depth=1, spread=1.0),
        points={"interior": 40},
        phases=[pinn.Phase(2, "LevenbergMarquardt")],
        folder=tmp_path,
    )
    (file,) = tmp_path.glob("**/checkpoints/*.ckpt")
    loaded = pinn.load(file)
    same(loaded.problem.geometry, problem.geometry)
    at = problem.geometry.sample("interior", 5).at
    assert torch.equal(loaded(at)["u"], solution(at)["u"])


YAML = """
model:
  problem:
    class_path: pinn.problems.navier_stokes.NavierStokes
    init_args:
      reynolds: 20
      geometry:
        class_path: Difference
        init_args:
          of: {class_path: Rectangle, init_args: {x: [0, 2.2], y: [0, 0.41]}}
          holes:
            - {class_path: Disc, init_args: {centre: [0.2, 0.2], radius: 0.05, name: cylinder}}
  network: {class_path: MLP, init_args: {width: 10, depth: 1, spread: 1}}
data: {points: {interior: 40}}
trainer: {max_steps: 1}
"""


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "radius: 0.05",
            "radus: 0.05",
            "unknown key 'model.problem.geometry.holes.radus'",
        ),
        ("radius: 0.05", "radius: -0.05", "radius of a disc must be finite and above 0, got -0.05"),
        ("path: Disc", "path: Disk", "unknown class 'Disk': did you mean 'Disc'?"),
        ("[0.2, 0.2]", "[5, 5]", "the hole does not meet the domain"),
        ("centre: [0.2, 0.2]", "centre: here", "centre is 'here': expected"),
        ("class_path: Difference", "class_path: MLP", "'MLP' is no Geometry"),
    ],
)
def test_a_wrong_geometry_in_a_configuration_is_one_line(tmp_path, capsys, old, new, text):
    path = tmp_path / "wrong.yaml"
    path.write_text(YAML.replace(old, new))
    assert main(["--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1


# --- points in a file


def test_an_aerofoil_comes_from_a_file_and_travels_without_it(tmp_path):
    given = Path(__file__).with_name("joukowski.csv")
    rows = [line for line in given.read_text().splitlines() if line[0] not in "#x"]
    listed, table = tmp_path / "wing.dat", tmp_path / "wing.csv"
    listed.write_text("JOUKOWSKI 12 %\n" + "\n".join(row.replace(",", "   ") for row in rows))
    table.write_text("x;y\n" + "\n".join(row.replace(",", ";") for row in rows))
    wings = [Polygon(path, smooth=True, name="wing") for path in (given, listed, table)]
    chord = 4.0335678
    for wing in wings:
        same(wing, wings[0])
        assert wing.upper[0] - wing.lower[0] == pytest.approx(chord, rel=1e-4)
    tunnel = Rectangle(x=(-6, 6), y=(-4, 4)) - wings[1]
    recipe = spec_of(tunnel)
    listed.unlink()
    same(tunnel, build(recipe))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("1 2\n3 4\nx\n", "line 3: 'x' is not two numbers"),
        ("x,y\n1,2\n3,n/a\n4,4\n", "line 3, column 'y'"),
        ("x,y\n1,2\n3,4\n", "3 points"),
    ],
)
def test_a_wrong_file_of_points_is_told_by_its_line(tmp_path, text, message):
    path = tmp_path / "wing.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        Polygon(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="nowhere"):
        Polygon(tmp_path / "nowhere.csv")


# --- a problem with coefficients


def test_a_quantity_of_a_problem_with_a_coefficient():
    class Level(pinn.Problem):
        coordinates, unknowns, geometry = ("x", "y"), {"u": 1}, Disc()

        def __init__(self):
            super().__init__()
            self.k = torch.nn.Parameter(torch.tensor(2.0))

        @pinn.on("interior")
        def level(self, u):
            return u - self.k

        @pinn.quantity
        def area(self, u):
            return pinn.integral(0 * u + self.k, on="interior")

    solution = pinn.Solution(Level(), pinn.MLP(width=5, depth=1))
    assert solution.quantities()["area"].value == pytest.approx(2 * math.pi)
