"""Continuation: the coefficient that a problem names goes through easier values by itself.

    c = c*   →   where that fails   c*/10, …, √10 c, 10 c, …, c*

Newton's method from zero ends at another minimum of |r|² where an equation is far from linear. Its
steps then fall short of what the linear model promises, while the estimated error stays large.
Where no coefficient is named, a problem with a time is solved for a part of that.
"""

import math
from typing import Any, NamedTuple

from pinn.optim import LevenbergMarquardt
from pinn.physics.problem import Problem
from pinn.training.coefficient import Coefficient
from pinn.training.horizon import Horizon, can_grow

EASIER = 10.0  # by what the coefficient is divided where a start from zero fails
STRIDE = math.sqrt(10)  # by what it is multiplied at first, once a value is solved
LEAST = 1.2  # of strides: below, the way is given up
LOWEST = 1e-4  # of the goal: below, so is the start
GOOD = 0.1  # estimated error from which on a value is solved well enough for the next one
POOR = 0.3  # estimated error of a solution that may be another one
PROMISED = 0.5  # of the decrease that the linear model predicts: below, a step was a hard one
PATIENCE = 5  # rounds at one value
STAYS = 3  # rounds of a time, one after the other, in which next to nothing falls
STUCK = 0.9  # the fall of the residual in such a round


class Move(NamedTuple):
    """What a continuation wants of the next round.

    Args:
        value: of the coefficient.
        fresh: whether the round begins with few patches and zeros.
    """

    value: float
    fresh: bool


class Continuation:
    """Chooses the values of the coefficient that a problem names, or of its duration, if it can.

    The problem has the goal at first; another value is set by `enter`.

    Args:
        problem: whose `continuation` is the name of the coefficient, or None.
    """

    def __init__(self, problem: Problem) -> None:
        self.way = way_of(problem)
        self.goal = self.start = self.now
        self.stride = STRIDE
        self.rounds, self.was_hard, self.given_up = 0, False, self.way is None

    @property
    def now(self) -> float:
        """The present value; NaN without a coefficient."""
        return math.nan if self.way is None else self.way.now

    @property
    def is_underway(self) -> bool:
        """Whether the present value is not yet the one that is asked for."""
        return self.now < self.goal

    def note(self, optimizer: LevenbergMarquardt) -> None:
        """Take down whether the last step of a round was a hard one."""
        self.was_hard |= optimizer.stalled or optimizer.past["gain"] < PROMISED

    def after(self, error: float, fall: float = 1.0) -> Move | None:
        """What follows a round; None where the next one stays at the same value.

        Args:
            error: the largest estimated error, infinite where there is no estimate.
            fall: of the residual in the round; a time is shortened only where nothing falls.
        """
        in_time = isinstance(self.way, Horizon)
        begins = in_time and (fall < STUCK or math.isinf(error))
        self.rounds = 0 if begins else self.rounds + 1
        # The first steps at a value that was climbed to are hard ones, and end well. So do most of
        # those over all of a time; where they do not, nothing falls.
        was_hard = self.was_hard and self.now <= self.start and not in_time
        self.was_hard = False
        if self.is_underway and error <= GOOD:
            return Move(min(self.stride * self.now, self.goal), fresh=False)
        is_poor = POOR <= error < math.inf
        stays = self.rounds >= (STAYS if in_time else PATIENCE)
        if self.given_up or not (is_poor and (was_hard or stays)):
            return None
        return self.retreat()

    def retreat(self) -> Move:
        """Begin again: at an easier value, or with smaller strides."""
        if self.now > self.start:
            self.stride = math.sqrt(self.stride)
        else:
            self.start /= EASIER
        self.given_up = self.stride < LEAST or self.start < LOWEST * self.goal
        return Move(self.goal if self.given_up else self.start, fresh=True)

    def told(self, move: Move) -> str:
        """The move in words."""
        assert self.way is not None
        return self.way.told(move.value) + (", from zero" if move.fresh else "")

    @property
    def until(self) -> float | None:
        """The time at which patches end; None where they fill the domain."""
        return self.way.until if isinstance(self.way, Horizon) else None

    def enter(self, value: float) -> None:
        """Set the coefficient."""
        assert self.way is not None
        self.way.enter(value)
        self.rounds, self.was_hard = 0, False

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        names = ("start", "stride", "rounds", "was_hard", "given_up")
        return {"now": self.now} | {name: getattr(self, name) for name in names}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what a checkpoint kept."""
        if self.way is not None:
            self.enter(state["now"])
        for name in ("start", "stride", "rounds", "was_hard", "given_up"):
            setattr(self, name, state[name])


def way_of(problem: Problem) -> Coefficient | Horizon | None:
    """What a problem is continued in: the coefficient that it names, else its time."""
    if problem.continuation is not None and problem.continuation not in problem.ranges:
        return Coefficient(problem)
    if can_grow(problem.geometry, problem.regions()):
        return Horizon(problem.geometry)
    return None
