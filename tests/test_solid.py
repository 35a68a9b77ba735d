"""Solids in space: quadrature, points, normals and distances against closed forms."""

import math

import pytest
import torch

from pinn.geometry import solid

PRIMITIVES = {
    "ball": (solid.ball((0.0, 0.0, 1.0), 2.0), 4 / 3 * math.pi * 8, 16 * math.pi),
    "cylinder": (
        solid.cylinder((1.0, 0.0, 0.0), (1.0, 1.0, 0.0), 0.5, 2.0),
        math.pi * 0.5,
        math.pi * 2.5,
    ),
    "box": (solid.moved(solid.box((0, 0, 0), (1, 2, 3)), angle=0.3, axis=(1, 1, 1)), 6.0, 22.0),
}


def field(x):
    """A cubic vector field."""
    return torch.stack(
        [x[:, 0] ** 3 + x[:, 1] * x[:, 2], x[:, 1] ** 2 * x[:, 0], x[:, 2] * x[:, 0]], 1
    )


def divergence(x):
    """Its divergence."""
    return 3 * x[:, 0] ** 2 + 2 * x[:, 1] * x[:, 0] + x[:, 0]


def interior(shape, f, n):
    """∫ f dV by the shape's rule."""
    points = shape.rule(n)
    return float((f(points.at) * points.weights).mean()) * shape.measure


def boundary(shape, f, n):
    """∮ f(x, normal) ds by the rules of the parts, for f (N,) or (N, 3)."""
    total = 0.0
    for part in shape.parts.values():
        points = part.rule(n)
        values = f(points.at, points.normal)
        weights = points.weights if values.ndim == 1 else points.weights[:, None]
        total = total + (values * weights).mean(0) * part.measure
    return total


def flux(shape, n):
    """∮ f · n ds."""
    return float(boundary(shape, lambda x, normal: (field(x) * normal).sum(1), n))


def area(shape):
    """The sum over the parts."""
    return math.fsum(part.measure for part in shape.parts.values())


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_primitive_has_exact_rules(name):
    shape, volume, surface = PRIMITIVES[name]
    assert shape.measure == pytest.approx(volume, rel=1e-14)
    assert area(shape) == pytest.approx(surface, rel=1e-14)
    assert boundary(shape, lambda x, normal: normal, 500).abs().max() < 1e-12 * surface
    assert flux(shape, 500) == pytest.approx(interior(shape, divergence, 500), rel=1e-12)
    assert shape.contains(shape.rule(500).at).all()


@pytest.mark.parametrize("name", PRIMITIVES)
def test_normals_are_the_gradient_of_the_distance(name):
    shape, _, _ = PRIMITIVES[name]
    unit = torch.rand(500, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for part in shape.parts.values():
        at, normal, _ = part.place(unit)
        assert shape.distance(at).abs().max() < 1e-14 * 10
        assert part.distance(at).max() < 1e-14 * 10
        ends = [shape.distance(at + sign * 1e-6 * normal) for sign in (1, -1)]
        torch.testing.assert_close((ends[0] - ends[1]) / 2e-6, torch.ones(len(at)).double())
