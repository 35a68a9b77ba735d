"""A coefficient goes through easier values where a start from zero fails."""

import math

import pytest
import torch
from torch import nn

from pinn.optim import LevenbergMarquardt
from pinn.problems import LidDrivenCavity, Poisson
from pinn.solution.solution import Solution
from pinn.training.continuation import Continuation, Move
from pinn.training.first_patches import first_patches
from pinn.training.rounds import Rounds


def steps(gain: float, loss: float = 1.0) -> LevenbergMarquardt:
    optimizer = LevenbergMarquardt([nn.Parameter(torch.zeros(1, dtype=torch.float64))])
    optimizer.past.update(gain=gain, loss=loss)
    return optimizer


def test_failed_start_goes_down_and_climbs_to_the_goal():
    continuation = Continuation(LidDrivenCavity(1000.0))
    assert continuation.after(math.inf) is None
    assert continuation.after(1.0) is None
    continuation.note(steps(0.2))
    values = []
    move = continuation.after(1.0)
    while move is not None:
        values.append(round(move.value, 6))
        continuation.enter(move.value)
        assert continuation.way.problem.reynolds == move.value
        assert continuation.after(0.5) is None
        move = continuation.after(0.05)
    assert values == [100.0, pytest.approx(316.227766), 1000.0]
    assert not continuation.is_underway


def test_failed_stride_begins_again_with_a_smaller_one():
    continuation = Continuation(LidDrivenCavity(1000.0))
    continuation.restore(continuation.state() | {"now": 316.0, "start": 100.0})
    for _ in range(4):
        continuation.note(steps(0.0))
        assert continuation.after(0.9) is None
    move = continuation.after(0.9)
    assert move == Move(100.0, True)
    continuation.enter(100.0)
    assert continuation.after(0.01) == Move(pytest.approx(100 * 10**0.25), False)


def test_values_that_never_work_end_at_the_goal():
    continuation, values = Continuation(LidDrivenCavity(1000.0)), []
    for _ in range(20):
        continuation.note(steps(0.0))
        if (move := continuation.after(1.0)) is None:
            break
        values.append(move.value)
        continuation.enter(move.value)
    assert values[-1] == 1000.0
    assert min(values) == pytest.approx(0.1)
    assert continuation.given_up


def test_problem_without_a_coefficient_stays_as_it_is():
    continuation = Continuation(Poisson())
    continuation.note(steps(0.0))
    assert continuation.after(2.0) is None
    assert not continuation.is_underway


def test_a_short_step_is_no_end_of_a_round():
    problem = Poisson()
    rounds = Rounds(Solution(problem, first_patches(problem.geometry)), 1e-3)
    assert rounds.is_solved(steps(gain=1.0), 1.001)
    answers = [rounds.is_solved(steps(gain=0.01), 1.001) for _ in range(5)]
    assert answers == [False, False, False, False, True]
    assert not rounds.is_solved(steps(gain=0.01), 2.0)
    assert not rounds.is_solved(steps(gain=0.01), 1.001)
