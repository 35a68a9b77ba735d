"""Collocation points: they follow from (seed, step, rank, region) and nothing else."""

import re

import pytest
import torch

from pinn.problems import Continuity, Kovasznay, LidDrivenCavity, Poisson
from pinn.training.collocation import FACE, VOLUME, Collocation

DOUBLE = torch.zeros((), dtype=torch.float64)


def collocation(problem=None, points=None, **settings):
    data = Collocation(points or {"interior": 9, "boundary": 6}, **settings)
    data.check(problem or Poisson())
    return data


def interior(data, step=0, rank=0, like=DOUBLE):
    return data.draw(Poisson(), step, rank, like)["interior"].at


@pytest.mark.parametrize("method", ["sobol", "lhs", "uniform"])
def test_the_same_place_in_a_run_has_the_same_points(method):
    here = collocation(method=method, resample=3, seed=5)
    there = collocation(method=method, resample=3, seed=5)
    torch.manual_seed(1)
    interior(there, step=20)  # another history, and another state of the global generator
    assert torch.equal(interior(here, step=7), interior(there, step=7))
    assert torch.equal(interior(here, step=6), interior(here, step=8))


def test_seed_step_rank_and_region_all_count():
    data = collocation(resample=1)
    drawn = [
        interior(data),
        interior(data, step=1),
        interior(data, rank=1),
        interior(collocation(seed=1)),
    ]
    for i, a in enumerate(drawn):
        for b in drawn[:i]:
            assert not set(a.flatten().tolist()) & set(b.flatten().tolist())
    cavity = Collocation({"lid": 8, "walls": 8})
    faces = cavity.draw(LidDrivenCavity(walls="soft"), 0, 0, DOUBLE)
    assert not torch.equal(faces["lid"].at[:, 0], faces["walls"].at[:, 0])


def test_without_resampling_the_first_points_stay():
    data = collocation()
    assert torch.equal(interior(data, step=0), interior(data, step=10_000))


def test_points_are_drawn_once_for_all_evaluations_of_a_step():
    data = collocation(resample=1)
    assert interior(data, step=3) is interior(data, step=3)
    assert interior(data, step=3) is not interior(data, step=4)


@pytest.mark.parametrize("method", ["sobol", "lhs", "uniform"])
def test_held_out_points_are_never_training_points(method):
    data = collocation(method=method, held_out=500, resample=1)
    held_out = data.draw_held_out(Poisson(), DOUBLE)["interior"].at
    assert held_out.shape == (500, 2)
    kept = {tuple(at) for at in held_out.tolist()}
    for step in range(20):
        for rank in range(2):
            assert not kept & {tuple(at) for at in interior(data, step, rank).tolist()}
    assert torch.equal(held_out, data.draw_held_out(Poisson(), DOUBLE)["interior"].at)


def test_points_have_the_precision_of_the_weights():
    data = collocation(Kovasznay())
    points = data.draw(Kovasznay(), 0, 0, torch.zeros(()))
    assert {p.at.dtype for p in points.values()} == {torch.float32}
    assert points["boundary"].normal.dtype == torch.float32
    double = data.draw(Kovasznay(), 0, 0, DOUBLE)
    assert torch.equal(double["interior"].at.float(), points["interior"].at)


def test_missing_regions_have_a_default():
    problem = Continuity()
    data = Collocation({"interior": 5})
    data.check(problem)
    assert data.points == {"interior": 5, "initial": VOLUME, "boundary": FACE}
    sizes = {name: len(p.at) for name, p in data.draw(problem, 0, 0, DOUBLE).items()}
    assert sizes == data.points


def test_another_problem_gets_its_own_points():
    data = collocation(Poisson())
    unit = data.draw(Poisson(), 0, 0, DOUBLE)["interior"].at
    data.check(Kovasznay())
    wider = data.draw(Kovasznay(), 0, 0, DOUBLE)["interior"].at
    assert unit.min() >= 0
    assert wider.min() < 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"points": {"interior": 0}}, "data.points.interior is 0: expected at least 1"),
        ({"resample": -1}, "data.resample is -1: expected at least 0"),
        ({"held_out": 0}, "data.held_out is 0: expected at least 1"),
    ],
)
def test_numbers_out_of_range(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Collocation(**settings)


def test_a_region_that_does_not_exist():
    message = "data.points names region 'interor', where Poisson has no residual: did you mean"
    with pytest.raises(ValueError, match=re.escape(message)):
        Collocation({"interor": 5}).check(Poisson())


def test_a_region_without_residual():
    with pytest.raises(ValueError, match="names region 'left', where Poisson has no residual"):
        Collocation({"left": 5}).check(Poisson())
