"""Domains: regions, measures, normals, and what they refuse."""

import copy
import math
import pickle

import pytest
import torch

from pinn.geometry import Box, Geometry, Interval, Rectangle
from pinn.geometry.coordinates import Coordinates

FLOAT = torch.float64


def unsteady_box() -> Box:
    return Box(x=(-1.0, 1.0), y=(0.0, 3.0), z=(2.0, 2.5), time=(1.0, 5.0))


# --- regions and measures


def test_regions_of_each_shape():
    assert Interval().regions == ("interior", "left", "right", "boundary")
    faces = ("left", "right", "bottom", "top")
    assert Rectangle(time=(0, 1)).regions == ("interior", *faces, "initial", "final", "boundary")
    assert Box().regions == ("interior", *faces, "back", "front", "boundary")
    assert Box(time=(0, 1)).coordinates.names == ("x", "y", "z", "t")
    assert unsteady_box().lower == (-1.0, 0.0, 2.0, 1.0)
    assert unsteady_box().upper == (1.0, 3.0, 2.5, 5.0)


@pytest.mark.parametrize(
    ("geometry", "region", "expected"),
    [
        (Interval(x=(0.0, 3.0)), "interior", 3.0),
        (Interval(x=(0.0, 3.0)), "left", 1.0),
        (Interval(x=(0.0, 3.0)), "boundary", 2.0),
        (Interval(x=(0.0, 3.0), time=(0.0, 4.0)), "boundary", 8.0),
        (Interval(x=(0.0, 3.0), time=(0.0, 4.0)), "initial", 3.0),
        (Rectangle(x=(0.0, 2.0), y=(1.0, 4.0)), "interior", 6.0),
        (Rectangle(x=(0.0, 2.0), y=(1.0, 4.0)), "left", 3.0),
        (Rectangle(x=(0.0, 2.0), y=(1.0, 4.0)), "top", 2.0),
        (Rectangle(x=(0.0, 2.0), y=(1.0, 4.0)), "boundary", 10.0),
        (unsteady_box(), "interior", 12.0),
        (unsteady_box(), "initial", 3.0),
        (unsteady_box(), "left", 3.0 * 0.5 * 4.0),
        (unsteady_box(), "bottom", 2.0 * 0.5 * 4.0),
        (unsteady_box(), "back", 2.0 * 3.0 * 4.0),
    ],
)
def test_measures(geometry, region, expected):
    assert geometry.measure(region) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("method", ["sobol", "lhs", "uniform"])
def test_interior_points_lie_strictly_inside_and_fill_the_box(method):
    geometry = unsteady_box()
    points = geometry.sample("interior", 512, method)
    lower, upper = torch.tensor(geometry.lower), torch.tensor(geometry.upper)
    assert points.at.shape == (512, 4)
    assert points.at.dtype == FLOAT
    assert points.normal is None
    assert points.columns == {}
    assert ((points.at > lower) & (points.at < upper)).all()
    assert (points.at.amin(0) < lower + 0.05 * (upper - lower)).all()
    assert (points.at.amax(0) > upper - 0.05 * (upper - lower)).all()


def test_interior_stays_open_where_rounding_reaches_the_walls():
    # Here one part in 2^53 of the width is far below the spacing of the numbers at 1e6.
    low, high = 1e6, math.nextafter(math.nextafter(1e6, 2e6), 2e6)
    at = Interval(x=(low, high)).sample("interior", 200, "uniform").at
    assert ((at > low) & (at < high)).all()


@pytest.mark.parametrize(
    ("face", "axis", "value", "sign"),
    [
        ("left", 0, -1.0, -1.0),
        ("right", 0, 1.0, 1.0),
        ("bottom", 1, 0.0, -1.0),
        ("top", 1, 3.0, 1.0),
        ("back", 2, 2.0, -1.0),
        ("front", 2, 2.5, 1.0),
    ],
)
def test_faces_lie_on_the_wall_point_outward_and_span_all_time(face, axis, value, sign):
    points = unsteady_box().sample(face, 256)
    assert (points.at[:, axis] == value).all()
    expected = torch.zeros(256, 3, dtype=FLOAT)
    expected[:, axis] = sign
    torch.testing.assert_close(points.normal, expected, rtol=0, atol=0)
    others = [i for i in range(4) if i != axis]
    spread = points.at[:, others].amax(0) - points.at[:, others].amin(0)
    width = torch.tensor(unsteady_box().upper) - torch.tensor(unsteady_box().lower)
    assert (spread > 0.95 * width[others]).all()


def test_initial_is_the_first_instant_over_the_whole_space():
    points = unsteady_box().sample("initial", 128)
    assert (points.at[:, 3] == 1.0).all()
    assert points.at[:, 1].amax() > 2.8
    assert points.normal is None
    with pytest.raises(ValueError, match="unknown region 'initial'"):
        Box().sample("initial", 4)


def test_the_faces_of_an_interval_are_points():
    points = Interval(x=(2.0, 5.0)).sample("boundary", 4)
    assert points.at[:, 0].tolist() == [2.0, 2.0, 5.0, 5.0]
    assert points.normal[:, 0].tolist() == [-1.0, -1.0, 1.0, 1.0]


def test_time_alone_is_a_geometry():
    clock = Geometry(Coordinates(("t",)), (0.0,), (2.0,))
    assert clock.regions == ("interior", "initial", "final")
    assert clock.sample("initial", 2).at.tolist() == [[0.0], [0.0]]
    assert clock.measure("interior") == 2.0


# --- unions


@pytest.mark.parametrize("n", [1, 2, 7, 100, 1001])
def test_a_union_shares_points_in_proportion_to_measure(n):
    geometry = Rectangle(x=(0.0, 2.0), y=(0.0, 1.0)).named(walls=("left", "top", "bottom"))
    at = geometry.sample("walls", n).at
    assert len(at) == n
    on_left = int((at[:, 0] == 0.0).sum())
    on_top, on_bottom = int((at[:, 1] == 1.0).sum()), int((at[:, 1] == 0.0).sum())
    assert on_left + on_top + on_bottom == n
    for count, share in ((on_left, 0.2), (on_top, 0.4), (on_bottom, 0.4)):
        assert abs(count - n * share) < 1


def test_the_normals_of_a_union_belong_to_its_points():
    points = Rectangle().sample("boundary", 64)
    centred = points.at - 0.5
    # On the unit square the outward component of the position is one half on every face.
    torch.testing.assert_close((centred * points.normal).sum(-1), torch.full((64,), 0.5).double())


def test_opposite_faces_get_different_points():
    geometry = Rectangle()
    left, right = geometry.sample("left", 16).at, geometry.sample("right", 16).at
    assert not torch.equal(left[:, 1], right[:, 1])


def test_named_adds_to_a_copy():
    plain = Rectangle(y=(0.0, 2.0))
    cavity = plain.named(lid="top", walls=("left", "right", "bottom"), closed=("lid", "walls"))
    assert "lid" not in plain.regions
    assert cavity.regions[-3:] == ("lid", "walls", "closed")
    assert isinstance(cavity, Rectangle)
    assert cavity.measure("walls") == 5.0
    assert cavity.measure("closed") == cavity.measure("boundary")
    torch.testing.assert_close(cavity.sample("lid", 8).at, plain.sample("top", 8).at)
    assert (cavity.sample("lid", 8).at[:, 1] == 2.0).all()


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        ({"lid": "topp"}, "region 'lid': 'topp' is not a face, did you mean 'top'"),
        ({"start": "initial"}, "'initial' is not a face"),
        ({"left": "top"}, "'left' is taken"),
        ({"interior": "top"}, "'interior' is taken"),
        ({"walls": ("left", "left")}, "each of its faces once"),
        ({"walls": ("boundary", "left")}, "each of its faces once"),
        ({"walls": ()}, "each of its faces once"),
    ],
)
def test_named_refuses(groups, text):
    with pytest.raises(ValueError, match=text) as caught:
        Rectangle(time=(0, 1)).named(**groups)
    assert "\n" not in str(caught.value)


# --- determinism


@pytest.mark.parametrize("method", ["sobol", "lhs", "uniform"])
@pytest.mark.parametrize("region", ["interior", "boundary", "initial"])
def test_the_seed_decides_the_points(region, method):
    geometry = Rectangle(time=(0.0, 1.0))
    first = geometry.sample(region, 20, method, seed=3).at
    assert torch.equal(first, geometry.sample(region, 20, method, seed=3).at)
    assert not torch.equal(first, geometry.sample(region, 20, method, seed=4).at)


# --- grid and contains


def test_grid_is_row_major_and_includes_the_end_points():
    grid = Rectangle(x=(0.1, 0.7), y=(-1.0, 1.0)).grid(3)
    expected = [[x, y] for x in (0.1, 0.4, 0.7) for y in (-1.0, 0.0, 1.0)]
    torch.testing.assert_close(grid, torch.tensor(expected, dtype=FLOAT), rtol=1e-15, atol=0)
    assert grid[0].tolist() == [0.1, -1.0]
    assert grid[-1].tolist() == [0.7, 1.0]
    assert unsteady_box().grid(4).shape == (256, 4)
    with pytest.raises(ValueError, match="at least 2 points per axis, got 1"):
        Rectangle().grid(1)


def test_contains_is_the_closed_box_and_interval():
    geometry = Rectangle(x=(0.0, 2.0), time=(0.0, 1.0))
    at = torch.tensor(
        [[1.0, 0.5, 0.5], [2.0, 0.0, 1.0], [2.1, 0.5, 0.5], [1.0, 0.5, 1.5], [1.0, -0.1, 0.0]]
    )
    assert geometry.contains(at).tolist() == [True, True, False, False, False]
    assert geometry.contains(geometry.grid(3)).all()


# --- refusals


@pytest.mark.parametrize(
    "bounds",
    [(1.0, 0.0), (1.0, 1.0), (math.nan, 1.0), (0.0, math.inf), (-math.inf, 0.0), (-1e308, 1e308)],
)
def test_bounds_must_be_finite_and_increase(bounds):
    with pytest.raises(ValueError, match="bounds of y must be finite and increase"):
        Rectangle(y=bounds)
    with pytest.raises(ValueError, match="bounds of t must be finite and increase"):
        Interval(time=bounds)


def test_bounds_must_be_pairs():
    with pytest.raises(ValueError, match="bounds of x must be two numbers"):
        Interval(x=(0.0, 1.0, 2.0))
    with pytest.raises(ValueError, match="bounds of t must be two numbers"):
        Interval(time=1.0)
    with pytest.raises(ValueError, match="need as many bounds"):
        Geometry(Coordinates(("x", "y")), (0.0,), (1.0,))


def test_bad_requests_for_points():
    with pytest.raises(ValueError, match="unknown region 'interor': did you mean 'interior'"):
        Rectangle().sample("interor", 10)
    with pytest.raises(ValueError, match="unknown region 'lid'"):
        Rectangle().measure("lid")
    with pytest.raises(ValueError, match="region 'left' needs at least 1 point, got 0"):
        Rectangle().sample("left", 0)
    with pytest.raises(ValueError, match="unknown sampling method 'sobel': did you mean 'sobol'"):
        Rectangle().sample("left", 3, "sobel")


def test_a_geometry_can_be_copied_and_pickled():
    geometry = Rectangle().named(lid="top").with_points("probes", {"x": [0.5], "y": [0.5]})
    for twin in (copy.deepcopy(geometry), pickle.loads(pickle.dumps(geometry))):
        assert twin.regions == geometry.regions
        assert torch.equal(twin.sample("lid", 5).at, geometry.sample("lid", 5).at)
    assert repr(Interval(time=(0, 2))) == "Interval(x=(0, 1), t=(0, 2))"


def test_gauss_points_and_weights_of_faces():
    box = Rectangle(x=(0, 3), y=(0, 1))
    inside = box.sample("interior", 50, "gauss")
    assert inside.at.shape == (49, 2)
    mean = (inside.weights * inside.at[:, 0] ** 2 * inside.at[:, 1]).mean()
    assert float(mean) == pytest.approx(3 * 0.5, rel=1e-13)
    walls = box.sample("boundary", 40, "gauss")
    assert float(walls.weights.mean()) == pytest.approx(1)
    # ∮ x ds / ∮ ds: two sides of length 3 with mean 3/2, one of length 1 at 3 and one at 0.
    assert float((walls.weights * walls.at[:, 0]).mean()) == pytest.approx((2 * 4.5 + 3) / 8)
    assert box.sample("boundary", 40, "sobol").weights is None


def test_gauss_on_the_ends_of_an_interval():
    ends = Interval().sample("boundary", 2, "gauss")
    assert ends.at[:, 0].tolist() == [0, 1]
    assert ends.weights is None
