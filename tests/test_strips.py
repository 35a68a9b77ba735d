"""Points in thin strips at the faces of a box, and what a box has of a shape with corners."""

import pytest
import torch

from pinn.geometry import Polygon, Rectangle
from pinn.geometry.pieces import Box, pieces
from pinn.geometry.strips import Stretched, Strip, gauss_along
from pinn.networks.layout import Layout

L_SHAPE = Polygon([(-1, -1), (0, -1), (0, 0), (1, 0), (1, 1), (-1, 1)])
COARSE = Layout((-1, -1), (1, 1), [(0, 0, 0.0), (0, 1, 0.0), (1, 1, 0.0)])


def integral(at, weights, power):
    return float((weights * at**power).sum() / weights.sum())


def test_a_wide_strip_leaves_the_points_as_they_are():
    plain, _ = gauss_along([], 12)
    same, weights = gauss_along([Strip(1 / 6), Strip(5 / 6)], 12)
    assert torch.equal(plain, same)
    assert float(weights.sum()) == pytest.approx(12)


@pytest.mark.parametrize("strips", [[Strip(0.005)], [Strip(0.995)], [Strip(0.003), Strip(0.997)]])
def test_a_thin_strip_has_points_of_its_own(strips):
    at, weights = gauss_along(strips, 12)
    assert len(at) == 12 + 4 * len(strips)
    for strip in strips:
        own = at < strip.end if strip.end < 0.5 else at > strip.end
        assert int(own.sum()) == 4
    for power in range(8):
        assert integral(at, weights, power) == pytest.approx(1 / (power + 1), rel=1e-12)


def test_a_strip_that_nothing_else_sees_has_as_many_as_a_box():
    at, weights = gauss_along([Strip(1 / 6, is_alone=True)], 12)
    assert int((at < 1 / 6).sum()) == 12
    assert int((at > 1 / 6).sum()) == 12
    assert integral(at, weights, 9) == pytest.approx(0.1, rel=1e-12)


def test_points_that_are_drawn_fill_thin_strips_too():
    stretched = Stretched([Strip(0.001), Strip(0.8)], 8)
    even = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    at, weights = stretched(even)
    assert int((at < 0.001).sum()) > 900
    assert stretched.more == pytest.approx(11 / 8)
    assert bool((at.diff() > 0).all())
    for power in range(4):
        assert integral(at, weights, power) == pytest.approx(1 / (power + 1), rel=1e-4)


def mean(points, f):
    return float((f(*points.at.unbind(1)) * points.weights).mean())


def test_a_box_that_touches_the_boundary_is_whole():
    """Polynomials are integrated exactly over an L-shape whose corners are corners of boxes."""
    points = pieces(L_SHAPE, "interior", COARSE.with_strips(), 7, 60, 0)
    exact = (4 / 9 - 1 / 9) / 3  # of the square, less the quarter that is missing
    assert mean(points, lambda x, y: x**2 * y**2) == pytest.approx(exact, rel=1e-12)
    assert bool(L_SHAPE.contains(points.at).all())


def test_a_strip_beyond_which_the_shape_ends_is_dense():
    boxes = COARSE.with_strips()
    points = pieces(L_SHAPE, "interior", boxes, 7, 60, 0)
    (strip,) = {box.above[0] for box in boxes if box.upper[0] == 0 and box.upper[1] == 0}
    inside = (points.at[:, 0] > -strip) & (points.at[:, 0] < 0) & (points.at[:, 1] < 0)
    ends = boxes[[b.upper == [0, 0] for b in boxes].index(True)].ending(L_SHAPE.shape)
    assert list(ends) == [(0, 1)]
    assert int(inside.sum()) == 8 * 8


def test_a_wall_between_two_boxes_belongs_to_the_one_inside():
    """The box outside may be large: its few points would be all that the wall has."""
    finer = Layout(COARSE.lower, COARSE.upper, COARSE.cuts)
    inside = next(k for k, (low, high) in enumerate(finer.sides) if low == [-1, -1])
    other = finer.halve(inside, 1)
    assert finer.sides[other][1] == [0.0, 0.0]
    points = pieces(L_SHAPE, "boundary", finer.with_strips(), 7, 60, 0)
    wall = (points.at[:, 0] == 0) & (points.at[:, 1] < 0)
    assert int(wall.sum()) >= 2 * 8
    assert float(points.weights[wall].sum() / points.weights.sum()) == pytest.approx(1 / 8)
    for low, high in (finer.sides[inside], finer.sides[other]):
        own = wall & (points.at[:, 1] > low[1]) & (points.at[:, 1] < high[1])
        assert int(own.sum()) >= 8


def test_faces_of_a_rectangle_are_where_they_were():
    geometry = Rectangle(x=(0, 1), y=(0, 1))
    boxes = [Box([0, 0], [0.5, 1]), Box([0.5, 0], [1, 1])]
    points = pieces(geometry, "boundary", boxes, 3, 9, 0)
    assert len(points) == 6 * 4
    assert mean(points, lambda x, y: x) == pytest.approx(0.5)
