"""Geometries in space: names, booleans, surfaces from files, recipes."""

import math

import pytest
import torch

from pinn.base.recipe import build, spec_of
from pinn.geometry import Ball, Box, Cylinder, Difference, HalfSpace, Surface
from pinn.geometry.solid import mesh


def block(z=(-1, 1)):
    return Box(x=(-1, 1), y=(-1, 1), z=z)


def test_a_body_in_a_box_has_its_name():
    domain = block() - Ball(radius=0.5, name="ball")
    assert domain.measure("ball") == pytest.approx(math.pi, rel=1e-9)
    assert domain.measure("interior") == pytest.approx(8 - math.pi / 6, rel=1e-6)
    hole = domain.sample("ball", 50)
    torch.testing.assert_close(hole.normal, -hole.at / 0.5)
    for method in ("sobol", "gauss"):
        at = domain.sample("interior", 200, method).at
        assert bool((at.norm(dim=1) > 0.5).all())


def test_a_cylinder_alone_has_three_parts_and_all_times():
    pipe = Cylinder(radius=0.5, height=2, time=(0, 3))
    assert pipe.coordinates.names == ("x", "y", "z", "t")
    measures = {name: pipe.measure(name) for name in ("side", "base", "top", "initial")}
    expected = {"side": 6 * math.pi, "base": 0.75 * math.pi, "top": 0.75 * math.pi}
    assert measures == pytest.approx(expected | {"initial": 0.5 * math.pi})


def test_a_half_space_cuts_a_ball_and_motions_keep_names():
    half = (Ball(name="dome") & HalfSpace((0, 0, 0), (0, 0, 1), name="flat")).rotated(
        math.pi / 2, axis=(1, 0, 0), about=(0, 0, 0)
    )
    assert half.measure("flat") == pytest.approx(math.pi, rel=1e-4)
    assert half.measure("dome") == pytest.approx(2 * math.pi, rel=1e-4)
    normal = half.sample("flat", 1).normal[0]
    assert normal.tolist() == pytest.approx([0, -1, 0], abs=1e-12)


def test_a_surface_travels_without_its_file(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    path = tmp_path / "box.stl"
    trimesh.creation.box((1.0, 2.0, 3.0)).export(path)
    body = Surface(path, name="skin")
    recipe = spec_of(Box(x=(-2, 2), y=(-2, 2), z=(-2, 2)) - body)
    path.unlink()
    again = build(recipe)
    assert again.measure("skin") == pytest.approx(22, rel=1e-6)
    assert again.measure("interior") == pytest.approx(64 - 6, rel=1e-6)


def test_the_recipe_of_a_body():
    domain = block() - Ball(radius=0.5, name="ball")
    again = build(spec_of(domain))
    assert set(again.regions) == set(domain.regions)
    assert again.measure("ball") == domain.measure("ball")
    named = Difference(block(), [Ball(radius=0.5, name="ball")])
    assert torch.equal(named.sample("ball", 9).at, domain.sample("ball", 9).at)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Ball(radius=0), "radius of a ball"),
        (lambda: Cylinder(axis=(0, 0, 0)), "axis of a cylinder"),
        (lambda: Cylinder(height=-1), "height of a cylinder"),
        (lambda: Surface("nowhere.stl"), "nowhere.stl"),
        (lambda: Surface(), "either a file, or vertices and faces"),
        (lambda: block() - Ball((9, 9, 9)), "nothing in common with the domain"),
        (lambda: Ball(radius=0.1) - block(), "nothing is left"),
        (lambda: HalfSpace((0, 0, 0), (0, 0, 1)).measure("interior"), "half-space has no end"),
    ],
)
def test_a_wrong_body_is_refused_in_one_line(make, text):
    with pytest.raises(ValueError, match=text) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_the_triangles_of_a_surface_are_its_own():
    corners, faces = mesh(block().rotated(0.0).shape)
    assert len(corners) == 8
    assert len(faces) == 12
