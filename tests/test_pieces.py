"""Points box by box: together they are a quadrature of the whole region."""

import math

import pytest
import torch

from pinn.geometry import Ball, Box, Disc, Interval, Rectangle
from pinn.geometry.pieces import Box as Bounds
from pinn.geometry.pieces import pieces
from pinn.networks.layout import Layout, even, grid_cuts
from pinn.problems import CylinderFlow, KovasznayViscosity, PlateWithHoles


def boxes_of(geometry, *counts, cuts=()):
    """The boxes of a grid, some of them cut once more."""
    ends = list(zip(geometry.lower, geometry.upper, strict=True))
    axes = {i: even(*ends[i], n) for i, n in enumerate(counts)}
    layout = Layout(geometry.lower, geometry.upper, grid_cuts(axes, len(ends)))
    for patch, axis in cuts:
        layout.halve(patch, axis)
    return [Bounds(*sides) for sides in layout.sides]


def mean(points, f):
    """The mean of f over the region."""
    value = f(*points.at.unbind(1))
    return float((value * points.weights).mean())


def drawn(geometry, region, boxes, degree=7, count=60):
    points = pieces(geometry, region, boxes, degree, count, 3)
    assert float(points.weights.mean()) == pytest.approx(1, abs=1e-12)
    assert bool((points.weights > 0).all())
    return points


def test_an_interval_and_its_ends():
    geometry = Interval(x=(-1, 2))
    boxes = boxes_of(geometry, 3, cuts=[(1, 0), (1, 0)])
    points = drawn(geometry, "interior", boxes)
    assert len(points) == 5 * 8
    assert mean(points, lambda x: x**15) == pytest.approx((2**16 - 1) / 16 / 3, rel=1e-12)
    end = pieces(geometry, "right", boxes, 7, 60, 0)
    assert end.at.unique().tolist() == [2.0]


def test_polynomials_on_a_rectangle_and_its_sides_are_exact():
    geometry = Rectangle(x=(0, 2), y=(-1, 1))
    boxes = boxes_of(geometry, 2, 3, cuts=[(0, 0), (5, 1), (7, 0)])
    points = drawn(geometry, "interior", boxes)
    exact = (2**9 / 9) * (2 / 7) / 4
    assert mean(points, lambda x, y: x**8 * y**6) == pytest.approx(exact, rel=1e-12)
    top = drawn(geometry, "top", boxes)
    assert bool((top.at[:, 1] == 1).all())
    assert bool((top.normal == torch.tensor([0.0, 1.0])).all())
    assert mean(top, lambda x, y: x**9 * y) == pytest.approx(2**10 / 10 / 2, rel=1e-12)
    whole = drawn(geometry, "boundary", boxes)
    inner = {"top": 2, "bottom": 2, "left": 2, "right": 2}
    assert mean(whole, lambda x, y: x) == pytest.approx((2 + 2 + 0 + 4) / sum(inner.values()))


def test_every_box_has_its_share():
    geometry = Rectangle(x=(0, 1), y=(0, 1))
    boxes = boxes_of(geometry, 2, 2, cuts=[(3, 0), (4, 1)])
    points = drawn(geometry, "interior", boxes, degree=3)
    for lower, upper, *_ in boxes:
        low, high = torch.tensor(lower), torch.tensor(upper)
        own = ((points.at > low) & (points.at < high)).all(1)
        assert int(own.sum()) == 16
        share = float(points.weights[own].sum()) / len(points)
        assert share == pytest.approx(float((high - low).prod()), rel=1e-12)


def test_time_is_one_more_axis():
    geometry = Rectangle(x=(0, 1), y=(0, 2), time=(0, 3))
    boxes = boxes_of(geometry, 2, 1, 3)
    points = drawn(geometry, "interior", boxes, count=2000)
    assert mean(points, lambda x, y, t: x * y * t) == pytest.approx(0.5 * 1 * 1.5, rel=1e-2)
    left = drawn(geometry, "left", boxes)
    assert bool((left.at[:, 0] == 0).all())
    assert mean(left, lambda x, y, t: y**3 * t**2) == pytest.approx(2 * 3, rel=1e-12)
    start = drawn(geometry, "initial", boxes)
    assert bool((start.at[:, 2] == 0).all())
    assert mean(start, lambda x, y, t: x**4 * y**2) == pytest.approx(1 / 5 * 4 / 3, rel=1e-12)


def test_three_dimensions_are_drawn_evenly():
    geometry = Box(x=(0, 1), y=(0, 1), z=(0, 1))
    boxes = boxes_of(geometry, 2, 2, 1)
    points = drawn(geometry, "interior", boxes, count=4000)
    assert mean(points, lambda x, y, z: x**2 * y * z) == pytest.approx(1 / 12, rel=1e-2)
    face = drawn(geometry, "top", boxes)
    assert len(face) >= 16


def test_a_square_without_a_disc():
    geometry = Rectangle(x=(-1, 1), y=(-1, 1)) - Disc((0.1, 0), 0.4, name="disc")
    boxes = boxes_of(geometry, 4, 3, cuts=[(4, 0)])
    points = drawn(geometry, "interior", boxes, degree=15)
    assert bool(geometry.contains(points.at).all())
    area = 4 - math.pi * 0.16
    radius = (8 / 3 - (math.pi * 0.4**4 / 2 + math.pi * 0.16 * 0.01)) / area
    assert mean(points, lambda x, y: x * x + y * y) == pytest.approx(radius, rel=1e-2)
    ring = drawn(geometry, "disc", boxes, degree=40)
    distance = (ring.at - torch.tensor([0.1, 0.0])).norm(dim=1)
    torch.testing.assert_close(distance, torch.full_like(distance, 0.4))
    assert mean(ring, lambda x, y: x) == pytest.approx(0.1, abs=0.02)
    assert mean(ring, lambda x, y: (x - 0.1) ** 2) == pytest.approx(0.08, rel=0.1)


@pytest.mark.parametrize("problem", [PlateWithHoles, CylinderFlow])
def test_regions_of_shipped_shapes(problem):
    geometry = problem().geometry
    boxes = boxes_of(geometry, 6, 3)
    many = geometry.sample("interior", 20000, "sobol", 0).at
    points = drawn(geometry, "interior", boxes, degree=12)
    assert bool(geometry.contains(points.at).all())
    for f in (lambda x, y: x, lambda x, y: y, lambda x, y: x * y):
        size = float(f(*many.unbind(1)).abs().mean())
        expected = float(f(*many.unbind(1)).mean())
        assert mean(points, f) == pytest.approx(expected, abs=1e-2 * size)
    for region in set(problem().regions()) - {"interior"}:
        points = drawn(geometry, region, boxes, degree=12)
        expected = geometry.sample(region, 4000, "sobol", 1).at.mean(0)
        size = torch.tensor(geometry.upper) - torch.tensor(geometry.lower)
        found = (points.at * points.weights[:, None]).mean(0)
        assert float(((found - expected) / size).abs().max()) < 0.02, region


def test_a_solid():
    geometry = Box(x=(-1, 1), y=(-1, 1), z=(-1, 1)) - Ball((0, 0, 0), 0.5)
    boxes = boxes_of(geometry, 2, 2, 1)
    points = drawn(geometry, "interior", boxes, degree=4, count=1500)
    assert bool(geometry.contains(points.at).all())
    volume = 8 - 4 / 3 * math.pi * 0.5**3
    moment = (8 / 3 - 4 / 15 * math.pi * 0.5**5) / volume
    assert mean(points, lambda x, y, z: x * x) == pytest.approx(moment, rel=3e-2)


def test_measured_points_are_as_they_are():
    problem = KovasznayViscosity(samples=9)
    geometry = problem.geometry
    (region,) = [r for r in problem.regions() if geometry.is_measured(r)]
    points = pieces(geometry, region, boxes_of(geometry, 2, 2), 5, 20, 1)
    whole = geometry.sample(region, 1)
    assert torch.equal(points.at, whole.at)
    assert points.columns.keys() == whole.columns.keys()
    for name in whole.columns:
        assert torch.equal(points.columns[name], whole.columns[name])


def test_the_same_seed_gives_the_same_points():
    geometry = Rectangle(x=(-1, 1), y=(-1, 1)) - Disc((0, 0), 0.5)
    boxes = boxes_of(geometry, 2, 2)
    first, second, other = (pieces(geometry, "interior", boxes, 6, 9, s).at for s in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
