"""What follows from the points alone is evaluated, not traced, and again for other points."""

import math

import pytest
import torch
from test_step import check, made

import pinn
from pinn.fields.field import partial
from pinn.fields.vector_calculus import laplacian
from pinn.geometry import Rectangle
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.recording.recording import Recording
from pinn.recording.tape import RecordingError

MODES = [(i, 1 + i % 5) for i in range(1, 13)]


def source(x, y, sin):
    """Σ sin(iπx) sin(jπy) / (i² + j²)."""
    return sum(sin(i * math.pi * x) * sin(j * math.pi * y) / (i * i + j * j) for i, j in MODES)


class Long(Problem):
    """∇²u = a long expression of the coordinates, and a derivative of another one."""

    coordinates, unknowns, geometry = ("x", "y"), {"u": 1}, Rectangle()

    def __init__(self, form="field"):
        super().__init__()
        self.form, self._factor = form, 1.0

    @on("interior")
    def equation(self, u, x, y):
        if self.form == "field":
            return laplacian(u) - self._factor * source(x, y, pinn.sin)
        if self.form == "tensor":
            return laplacian(u) - self._factor * source(x.value, y.value, torch.sin)
        exact = pinn.sin(2 * x) * y**3 + source(x, y, pinn.sin)
        return laplacian(u) - self._factor * laplacian(exact) + partial(exact, "x")

    @on("boundary")
    def boundary(self, u):
        return u


@pytest.mark.parametrize("form", ["field", "tensor", "derivative"])
def test_a_long_source_is_right_at_other_points_and_after_a_change(form):
    points = {"interior": 150, "boundary": 12}
    step, first = made(Long(form), points=points, mode="recorded")
    _, second = made(Long(form), points=points)
    second["interior"].at.mul_(0.5)
    check(step, first)
    check(step, second)
    step.solution.problem._factor = -3.0
    check(step, second)
    check(step, first)
    assert step.told == []


def test_a_long_source_is_cut_with_its_points():
    step, points = made(Long(), points={"interior": 300, "boundary": 40}, mode="recorded")
    whole = step.gradient(points, step.given)
    cut, _ = made(Long(), points={"interior": 300, "boundary": 40}, mode="recorded", memory=1e-4)
    parts = cut.gradient(points, cut.given)
    assert len(cut.chunks) > 2
    torch.testing.assert_close(parts, whole)
    assert cut.told == step.told == []


def test_what_follows_from_the_points_alone_is_in_no_graph():
    """Thousands of operations on the points, each of which would take milliseconds to trace."""

    def function(varying, fixed):
        terms = (torch.sin(k * fixed[0]) * torch.cos(fixed[0] / (1 + k)) for k in range(1000))
        return [varying[0] * sum(terms)]

    varying, fixed = [torch.rand(5)], [torch.rand(5)]
    recording = Recording(function, varying, fixed)
    assert len(recording.main.lines) < 3
    fixed = [torch.rand(5)]
    found = recording(varying, recording.prepared(fixed))
    assert torch.equal(found[0], function(varying, fixed)[0])


def test_numbers_that_other_points_would_change_are_not_kept():
    def function(varying, fixed):
        return [varying[0] * float(fixed[0].max())]

    with pytest.raises(RecordingError, match="reads values as plain numbers"):
        Recording(function, [torch.rand(3)], [torch.rand(3)])


def test_what_is_written_to_is_right():
    def function(varying, fixed):
        values = torch.zeros_like(fixed[0])
        values += fixed[0] ** 2
        values[0] = varying[0][1]
        return [values * varying[0], 2.0 * fixed[0], torch.cumsum(fixed[0], 0)]

    recording = Recording(function, [torch.rand(3)], [torch.rand(3)])
    varying, fixed = [torch.rand(3)], [torch.rand(3)]
    for a, b in zip(
        recording(varying, recording.prepared(fixed)), function(varying, fixed), strict=True
    ):
        assert torch.equal(a, b)
    split = Recording(
        lambda v, f: [torch.stack([*f[0].unbind()[:2], v[0][0]]), f[0].max(0).values, f[0]],
        varying,
        fixed,
    )
    fixed = [torch.rand(3)]
    found = split(varying, split.prepared(fixed))
    assert torch.equal(found[0], torch.stack([*fixed[0][:2], varying[0][0]]))
    assert torch.equal(found[1], fixed[0].max())
    assert found[2] is fixed[0]


def test_a_literal_that_is_written_to_is_new_at_every_call():
    def function(varying, fixed):
        values = torch.tensor([1.0, 2.0])
        values += varying[0]
        torch._foreach_add_([values], 1.0)
        return [values * fixed[0]]

    recording = Recording(function, [torch.rand(2)], [torch.rand(2)])
    varying, fixed = [torch.rand(2)], [torch.rand(2)]
    values = recording.prepared(fixed)
    for _ in range(2):
        assert torch.equal(recording(varying, values)[0], function(varying, fixed)[0])


def test_random_numbers_on_points_are_drawn_anew():
    recording = Recording(
        lambda v, f: [v[0] + torch.rand_like(f[0])], [torch.zeros(4)], [torch.zeros(4)]
    )
    values = recording.prepared([torch.zeros(4)])
    first, second = (recording([torch.zeros(4)], values)[0] for _ in range(2))
    assert not torch.equal(first, second)


def test_a_factor_is_not_taken_for_the_place_of_a_tensor():
    """Products by other fields and by whole numbers of every size, replayed at other points."""
    first, other = (torch.rand(5, 2, dtype=torch.float64) for _ in range(2))

    def function(varying, fixed):
        x, y = fixed[0][:, 0], fixed[0][:, 1]
        return [x * y, *(x * k for k in range(1, 9)), x**y, *(x**k for k in range(4, 9))]

    recording = Recording(function, [], [first])
    values = recording([], recording.prepared([other]))
    torch.testing.assert_close(values, function([], [other]))


@pytest.mark.parametrize("make", [lambda: torch.zeros(3), lambda: torch.arange(3.0)])
def test_a_tensor_that_is_made_and_written_to_is_new_at_every_step(make):
    def program(given, points):
        sums = make()
        sums += given[0] * points[0]
        return [sums]

    given, points = [torch.tensor([1.0, -1.0, 2.0])], [torch.tensor([1.0, 2.0, 3.0])]
    recording = Recording(program, given, points)
    prepared = recording.prepared(points)
    for scale in (1.0, 1.0, 2.0):
        scaled = [scale * given[0]]
        torch.testing.assert_close(recording(scaled, prepared), program(scaled, points))
