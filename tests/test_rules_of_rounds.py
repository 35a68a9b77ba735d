"""The rules by which rounds go on: weights of conditions, steps, memory, scales of columns."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pinn.optim import LevenbergMarquardt
from pinn.optim.budget import Budget
from pinn.optim.gram import LEAST, LOCAL, local_scale
from pinn.optim.linear_model import least_damping
from pinn.problems import Poisson
from pinn.solution.solution import Solution
from pinn.training import options
from pinn.training.density import FIRST, Density
from pinn.training.emphasis import LEAST as SMALL
from pinn.training.emphasis import MOST, Emphasis
from pinn.training.first_patches import first_patches
from pinn.training.former import Former
from pinn.training.kept_rounds import restore, state
from pinn.training.options import Option, chosen
from pinn.training.outcome import Outcome, Plan
from pinn.training.rounds import Rounds
from pinn.training.trust import UNPROVEN


@pytest.fixture
def rounds():
    problem = Poisson()
    return Rounds(Solution(problem, first_patches(problem.geometry)), 1e-3)


def outcome(errors, number=2, loss=1e-4):
    return Outcome(number, 1, 8, 45, 144, loss, loss, errors)


# --- weights of conditions


def emphasis(*parts, now=MOST):
    return Emphasis(now, parts=list(parts))


def test_conditions_count_little_where_nothing_falls():
    flat = emphasis((1.0, 0.0), (1.0, 0.0))
    flat.follow(may_shrink=True)
    assert flat.now == SMALL
    for _ in range(4):  # one round may rise at first; then they grow with what falls
        flat.parts.append((flat.parts[-1][0] / 100, 0.0))
        flat.follow(may_shrink=True)
    assert SMALL < flat.now <= MOST


def test_beside_an_easier_coefficient_they_count_in_full():
    flat = emphasis((1.0, 0.0), (1.0, 0.0))
    flat.follow(may_shrink=False)
    assert flat.now == MOST


def test_they_count_in_full_again_before_a_run_ends(rounds):
    rounds.emphasis = emphasis((1.0, 0.0), (1e-9, 0.0), now=SMALL)
    last = outcome({"u": 1e-5})
    rounds.outcomes.append(last)
    plan = rounds.decide(last, torch.ones(1), torch.zeros(1, 2))
    assert last.decision == "conditions count in full again"
    assert plan.cuts == []
    assert rounds.emphasis.now == MOST
    assert rounds.decide(last, torch.ones(1), torch.zeros(1, 2)) is None
    assert last.decision == "done"


# --- errors


def test_a_round_with_too_few_points_does_not_make_the_next_look_good():
    """Its residual says nothing about its error; the best round before it does."""
    parts = [(1e-4, 0.0), (1e2, 0.0), (1e-4, 0.0)]
    former = Former({}, 2, {"u": 1e-2})
    (error,) = former.errors({"u": 1e-3}, emphasis(*parts)).values()
    assert error == pytest.approx(1.9e-2, rel=0.02)  # nothing has fallen: 0.95/0.05 times
    (alone,) = Former({}, 2, {"u": 1e-2}).errors({"u": 1e-3}, emphasis(*parts[1:])).values()
    assert alone < 1e-5


def test_a_round_that_falls_well_has_changed_what_the_error_was():
    (error,) = (
        Former({}, 1, {"u": 1.0}).errors({"u": 1e-3}, emphasis((1.0, 0.0), (1e-4, 0.0))).values()
    )
    assert error == pytest.approx(1e-3 * 0.01 / 0.99)


def test_more_points_alone_keep_the_former_solution(rounds):
    """On the same patches nothing shows what the patches cannot."""
    rounds.emphasis = emphasis((1.0, 0.0), (1e-2, 0.0))
    rounds.errors = {"u": 1e-2}
    rounds.next = Plan([(0, 0, 0.5)], 8, 1.3)
    rounds.enter()
    former = rounds.former
    assert former.rounds == 2
    assert former.estimates == {"u": 1e-2}
    rounds.emphasis.parts.append((1e-2, 0.0))
    rounds.errors = {"u": 1.0}
    rounds.next = Plan([], rounds.degrees, 1.8)
    rounds.enter()
    assert rounds.former is former
    rounds.next = Plan([], (9, 9), 1.8)
    rounds.enter()
    assert rounds.former.rounds == 3


def test_a_checkpoint_keeps_what_errors_are_measured_against(rounds):
    rounds.former = Former.of(rounds.networks, emphasis((1.0, 0.0), (0.1, 0.0)), {"u": 1e-2})
    rounds.density = Density(1.82, 1.82, True)
    other = Rounds(rounds.solution, 1e-3)
    restore(other, state(rounds))
    assert (other.former.rounds, other.former.estimates) == (2, {"u": 1e-2})
    assert other.density == rounds.density
    weight = rounds.network.output.weight
    (kept,) = other.former.networks.values()
    assert torch.equal(kept.output.weight, weight)
    earlier = {name: value for name, value in state(rounds).items() if name != "former"}
    earlier["emphasis"]["parts"] = [(1.0, 0.0), (0.1, 0.0), (0.2, 0.0)]
    restore(other, earlier | {"density": 1.82})
    assert other.former.rounds == 3  # the first round alone would make any later one look good
    assert other.density == Density(1.82)


def test_points_that_were_too_few_once_do_not_become_fewer_again():
    density = Density()
    assert density.follow(1.0, 10.0)
    assert not density.follow(1.0, 1.0)
    assert density.now == FIRST
    assert density.follow(1.0, 10.0)
    assert not density.follow(1.0, 1.0)
    assert density.now > FIRST


# --- steps


def stepped(loss, damping, gain=1.0):
    optimizer = LevenbergMarquardt([nn.Parameter(torch.zeros(1, dtype=torch.float64))])
    optimizer.past.update(gain=gain, loss=loss, damping=damping)
    return optimizer


def test_damping_stays_where_no_orthogonal_factor_is_needed(rounds):
    optimizer = stepped(1e-3, 1e-16)
    optimizer.room = Budget(100, 300, 1e9, is_local=True)
    rounds.is_solved(optimizer, 1.0)
    assert optimizer.damping > least_damping(optimizer.room, torch.float64) > 1e-16
    optimizer = stepped(1e-22, 1e-16)
    rounds.is_solved(optimizer, 1e-10)
    assert optimizer.damping == 1e-16


def test_a_round_ends_after_five_steps_that_fell_short(rounds):
    rounds.short = 4
    ends = [rounds.is_solved(stepped(1.0, 1e-12, gain=0.3), 1.0) for _ in range(3)]
    assert ends == [True, True, True]  # also where it went on once more, with less damping


@pytest.mark.parametrize(("damping", "is_solved"), [(1e-12, True), (1e-9, False)])
def test_a_damped_step_is_not_the_last_one(rounds, damping, is_solved):
    """It may hardly move along soft directions, which decide on the error."""
    assert rounds.is_solved(stepped(0.5, damping), 1.0) is is_solved


@pytest.mark.parametrize(
    ("errors", "loss", "gain", "is_solved"),
    [
        ({"u": 1e-1}, 1e-14, 0.95, True),  # expected: 1e-6 of 1e-3
        ({"u": 1e-1}, 1e-7, 0.95, False),  # expected: about enough
        ({"u": 1e-1}, 1e-14, 0.8, False),  # less than the linear model promised
        ({}, 1e-14, 0.95, False),
    ],
)
def test_a_round_whose_error_is_far_below_takes_no_other_step(
    rounds, errors, loss, gain, is_solved
):
    rounds.outcomes.append(outcome(errors))
    rounds.former.networks = rounds.networks
    assert rounds.is_solved(stepped(loss, 1e-12, gain), 1e-4) is is_solved


def test_the_first_round_of_a_coefficient_takes_every_step(rounds):
    rounds.outcomes.append(outcome({"u": 1e-1}))
    assert not rounds.is_solved(stepped(1e-14, 1e-12, 0.95), 1e-4)
    rounds.former.networks = rounds.networks
    assert rounds.is_solved(stepped(1e-14, 1e-12, 0.95), 1e-4)
    rounds.emphasis.now = SMALL  # losses with other weights are not compared
    assert not rounds.is_solved(stepped(1e-14, 1e-12, 0.95), 1e-4)


# --- what is chosen


def option(gain, cost, share, words):
    return Option(gain, cost, [], (8, 8), words, share)


def chosen_of(monkeypatch, *given, wanted=10.0):
    monkeypatch.setattr(options, "halved", lambda facts, share: given[0])
    monkeypatch.setattr(options, "raised", lambda facts: iter(given[1:]))
    return chosen(SimpleNamespace(wanted=wanted, degrees=(8, 8)))


def test_a_round_in_between_leaves_room_for_another(monkeypatch):
    large, small = option(5.0, 1.0, 0.9, "large"), option(2.0, 1.0, 0.3, "small")
    assert chosen_of(monkeypatch, large, small).words == "small"
    assert chosen_of(monkeypatch, large, small, wanted=5.0).words == "large"  # it ends the run
    assert chosen_of(monkeypatch, large).words == "large"  # there is no other
    higher = large._replace(degrees=(10, 10), words="degree 10")
    assert chosen_of(monkeypatch, large, higher, small).words == "degree 10"
    assert chosen_of(monkeypatch, option(5.0, 1.0, 1.1, "too large"), small).words == "small"
    assert chosen_of(monkeypatch, option(5.0, 1.0, 1.1, "too large")) is None


def test_degrees_that_take_a_hundred_times_as_long_are_raised_in_two_rounds(monkeypatch):
    halves = option(0.1, 2.0, 0.1, "halves")
    many, few = option(5.0, 5.7, 0.1, "degree 16"), option(2.4, 3.6, 0.1, "degree 13")
    assert chosen_of(monkeypatch, halves, many, few).words == "degree 13"
    large = option(9.0, 3.0, 1.1, "does not fit")
    assert chosen_of(monkeypatch, large, many).words == "degree 16"


def test_halves_are_taken_however_long_once_an_error_is_known(monkeypatch):
    """The coefficients of a single patch fall slowly, and a patch has no smaller cut."""
    halves, degree = option(1.2, 4.8, 0.1, "halves"), option(0.1, 3.9, 0.1, "degree 16")
    far = option(9.0, 6.0, 0.1, "halves")
    assert chosen_of(monkeypatch, halves, degree, wanted=math.inf).words == "halves"
    assert chosen_of(monkeypatch, far, degree, wanted=math.inf).words == "degree 16"
    assert chosen_of(monkeypatch, far, degree).words == "halves"


def test_a_promise_is_believed_up_to_what_is_wanted(rounds):
    facts = SimpleNamespace(
        network=rounds.network,
        wanted=2.0,
        room=1e12,
        cost=lambda new: 1.0,
        effort=lambda layout, degrees: SimpleNamespace(memory=1e9),
    )
    layout = rounds.network.layout
    assert options.Facts.option(facts, 7.0, layout, (9, 9), "degree 9").gain == 2.0
    assert options.Facts.option(facts, 1.0, layout, (9, 9), "degree 9").gain == 1.0


def test_after_a_step_of_the_coefficient_degrees_are_not_believed():
    from pinn.problems import LidDrivenCavity
    from pinn.training.outcome import Plan

    problem = LidDrivenCavity(1000.0)
    rounds = Rounds(Solution(problem, first_patches(problem.geometry)), 1e-3)
    rounds.next = Plan([], 8, 1.3, 100.0, fresh=True)
    rounds.enter()
    assert rounds.trust.degrees == 1.0
    rounds.next = Plan([], 8, 1.3, 316.0)
    rounds.enter()
    assert rounds.trust.degrees == UNPROVEN
    assert problem.reynolds == 316.0


# --- scales


def test_columns_of_a_patch_are_scaled_beside_its_own():
    squares = torch.tensor([1e8, 1.0, 4e-4, 1e-9, 0.0], dtype=torch.float64)
    found = local_scale(squares, [1, 3, 1]) ** -2
    mean, floor = squares[1:4].mean(), LEAST * squares.mean()
    exact = torch.stack([squares[0], squares[1], LOCAL * mean + floor, LOCAL * mean + floor, floor])
    torch.testing.assert_close(found, exact)


@pytest.mark.parametrize(("left", "more"), [(1.0, 0), (0.3, options.SPARE)])
def test_a_step_with_few_unknowns_asks_for_more_degrees(left, more):
    falls = SimpleNamespace(needed=lambda level: [9.0, 7.0, 5.0])
    facts = SimpleNamespace(degrees=(12, 12, 12), falls=falls, tolerance=1e-3, left=left)
    found = options.Facts.needed.func(facts)
    assert found == [9.0 + more, 7.0 + more, 5.0 + more]
