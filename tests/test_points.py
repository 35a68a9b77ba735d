"""Points that are given: measured data, its columns, and what is refused."""

import math

import numpy as np
import pytest
import torch

from pinn.geometry import Interval, Points, Rectangle

FLOAT = torch.float64


def test_a_point_cloud_returns_all_its_points():
    columns = {"T": [5.0, 6.0, 7.0], "t": [0.0, 0.5, 1.0], "x": torch.tensor([0.1, 0.2, 0.3])}
    plain = Interval(time=(0.0, 1.0))
    probed = plain.with_points("probes", columns)
    assert "probes" not in plain.regions
    assert probed.regions[-1] == "probes"
    assert probed.measure("probes") == 3.0
    for n in (1, 50):
        points = probed.sample("probes", n)
        assert points.at.dtype == FLOAT
        assert points.at[:, 1].tolist() == [0.0, 0.5, 1.0]
        torch.testing.assert_close(points.at[:, 0], torch.tensor([0.1, 0.2, 0.3]).double())
        assert points.normal is None
        assert list(points.columns) == ["T"]
        assert points.columns["T"].tolist() == [5.0, 6.0, 7.0]
        assert points.columns["T"].dtype == FLOAT


def test_a_point_cloud_is_a_copy_of_the_data():
    x = torch.tensor([0.5], dtype=FLOAT)
    read_only = np.array([1.0])
    read_only.setflags(write=False)
    geometry = Interval().with_points("probes", {"x": x, "u": read_only})
    x[0] = 9.0
    assert geometry.sample("probes", 1).at.item() == 0.5
    assert geometry.sample("probes", 1).columns["u"].item() == 1.0


def test_a_rounding_error_outside_the_box_is_forgiven():
    edge = torch.tensor([0.1], dtype=torch.float32)  # above 0.1 by 1.5e-9
    geometry = Interval(x=(0.0, 0.1)).with_points("probes", {"x": edge, "u": [1.0]})
    assert len(geometry.sample("probes", 1).at) == 1


@pytest.mark.parametrize(
    ("name", "columns", "text"),
    [
        ("probes", {"x": [0.1], "u": [1.0]}, "'probes': no column for coordinate 'y'"),
        ("probes", {"x": [0.1], "y": [0.1, 0.2]}, "columns differ in length, .*'x': 1, 'y': 2"),
        ("probes", {"x": [0.1], "y": [0.1], "u": [math.nan]}, "column 'u' holds nan in row 0"),
        ("probes", {"x": [0.1, 0.2], "y": [0.1, math.inf]}, "column 'y' holds inf in row 1"),
        ("probes", {"x": [], "y": []}, "column 'x' must be"),
        ("probes", {"x": [[0.1]], "y": [0.1]}, r"column 'x' must be .* got \(1, 1\)"),
        ("probes", {"x": ["a"], "y": [0.1]}, "column 'x' is not numeric"),
        ("probes", {"x": [0.1, 40.0], "y": [0.1, 0.2]}, "1 of 2 lie outside Rectangle"),
        ("left", {"x": [0.1], "y": [0.1]}, "'left' is taken"),
        ("my probes", {"x": [0.1], "y": [0.1]}, "'my probes' is not an identifier"),
    ],
)
def test_with_points_refuses(name, columns, text):
    with pytest.raises(ValueError, match=text) as caught:
        Rectangle().with_points(name, columns)
    assert "\n" not in str(caught.value)


def test_points_default_to_no_normal_and_no_data():
    points = Points(torch.zeros(2, 1, dtype=FLOAT))
    assert points.normal is None
    assert points.columns == {}


def test_points_are_changed_as_one():
    columns = {"x": [0.1, 0.2, 0.3], "speed": [1.0, 2.0, 3.0]}
    points = Interval().with_points("probe", columns).sample("probe", 3)
    doubled = points.map(lambda t: 2 * t)
    assert doubled.columns["speed"].tolist() == [2.0, 4.0, 6.0]
    assert points.select([2, 0]).columns["speed"].tolist() == [3.0, 1.0]
    assert [len(part) for part in points.split(2)] == [2, 1]
    assert points.to(torch.ones(1)).columns["speed"].dtype == torch.float32
    assert points.replaced(points.tensors).at is points.at
    assert doubled.normal is None
    assert doubled.weights is None


def test_normals_and_weights_follow_their_points():
    points = Rectangle().sample("left", 4, "gauss")
    some = points.select(slice(1, 3))
    assert torch.equal(some.normal, points.normal[1:3])
    assert torch.equal(some.weights, points.weights[1:3])


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_parts_of_points_sum_to_the_whole(count):
    whole = Rectangle().sample("boundary", 14, "gauss")
    value = whole.at.prod(-1) + whole.normal[:, 0]
    parts = [whole.part(rank, count) for rank in range(count)]
    assert {len(part) for part in parts} == {-(-len(whole) // count)}
    sums = [(part.weights * (part.at.prod(-1) + part.normal[:, 0])).sum() for part in parts]
    torch.testing.assert_close(sum(sums), (whole.weights * value).sum(), rtol=1e-14, atol=0)
    assert sum(part.counted for part in parts) == pytest.approx(len(whole))
    used = torch.cat([part.at[part.weights > 0] for part in parts])
    assert sorted(used.tolist()) == sorted(whole.at.tolist())


def test_points_that_every_process_has_count_once():
    data = Interval().with_points("data", {"x": [0.1, 0.2, 0.7]}).sample("data", 1)
    parts = [data.evenly(4) for _ in range(4)]
    assert sum(part.counted for part in parts) == pytest.approx(3)
    assert sum(float((part.weights * part.at[:, 0]).sum()) for part in parts) == pytest.approx(1.0)
    assert parts[0].select(slice(2)).counted == pytest.approx(0.5)
    assert data.weights is None


def test_a_part_of_one_point_has_nothing_where_another_has_it():
    left = Rectangle().sample("left", 1, "gauss")
    first, second = left.part(0, 2), left.part(1, 2)
    assert (first.weights.tolist(), second.weights.tolist()) == ([1.0], [0.0])
    assert first.counted == second.counted == 0.5
