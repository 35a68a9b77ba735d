"""Shapes in the plane: booleans, quadrature, normals and distances, against closed forms."""

import math

import pytest
import torch

from pinn.geometry.plane import difference, disc, ellipse, intersection, outline, union


def moments(shape, n=10_000):
    """Area and first moments of the quadrature."""
    points = shape.rule(n)
    weights = points.weights * (shape.measure / len(points))
    return float(weights.sum()), *(weights @ points.at).tolist()


def test_a_channel_with_a_cylinder():
    shape = difference(outline((0, 0), (2.2, 0.41)), disc((0.2, 0.2), 0.05, "cylinder"))
    assert list(shape.parts) == ["bottom", "right", "top", "left", "cylinder"]
    lengths = [part.measure for part in shape.parts.values()]
    assert lengths == pytest.approx([2.2, 0.41, 2.2, 0.41, 0.1 * math.pi], rel=1e-15)
    hole = math.pi * 0.05**2
    assert shape.measure == pytest.approx(2.2 * 0.41 - hole, rel=1e-15)
    expected = 2.2 * 0.41 * 1.1 - hole * 0.2, 2.2 * 0.41 * 0.205 - hole * 0.2
    assert moments(shape)[1:] == pytest.approx(expected, rel=1e-9)
    points = shape.rule(10_000)
    assert 9_000 < len(points) < 11_000
    assert points.weights.mean() == pytest.approx(1, rel=1e-14)
    assert (points.weights > 0).all()
    assert (shape.distance(points.at) < 0).all()
    at, normal, _ = shape.parts["cylinder"].place(torch.rand(100, 1, dtype=torch.float64))
    # Into the hole.
    assert torch.allclose(normal, (0.2 - at) / 0.05, atol=1e-14)


def test_a_step_is_two_rectangles_that_share_part_of_an_edge():
    step = union(outline((0, 1), (1, 2)), outline((1, 0), (3, 2)))
    assert step.measure == 5
    assert {name: part.measure for name, part in step.parts.items()} == {
        "left": 2.0,
        "right": 2.0,
        "bottom": 3.0,
        "top": 3.0,
    }
    assert step.contains(torch.tensor([[1.0, 1.5], [0.5, 0.5], [1.0, 0.5]])).tolist() == [
        True,
        False,
        True,
    ]


def test_union_and_intersection_have_the_sum_of_both_areas():
    one, other = ellipse((0, 0), (2, 1), 0.3), disc((2, 0), 1)
    both = union(one, other).measure + intersection(one, other).measure
    assert both == pytest.approx(3 * math.pi, rel=1e-14)
