"""Continuation: the coefficient that a problem names goes through easier values by itself.

    c = c*   →   where that fails   c*/10, …, √10 c, 10 c, …, c*

Newton's method from zero ends at another minimum of |r|² where an equation is far from linear. Its
steps then fall short of what the linear model promises, while the estimated error stays large.
"""

import math
from typing import Any, NamedTuple

from pinn.optim import LevenbergMarquardt
from pinn.physics.problem import Problem

EASIER = 10.0  # by what the coefficient is divided where a start from zero fails
STRIDE = math.sqrt(10)  # by what it is multiplied at first, once a value is solved
LEAST = 1.2  # of strides: below, the way is given up
LOWEST = 1e-4  # of the goal: below, so is the start
GOOD = 0.1  # estimated error from which on a value is solved well enough for the next one
POOR = 0.3  # estimated error of a solution that may be another one
PROMISED = 0.5  # of the decrease that the linear model predicts: below, a step was a hard one
PATIENCE = 5  # rounds at one value


class Move(NamedTuple):
    """What a continuation wants of the next round.

    Args:
        value: of the coefficient.
        fresh: whether the round begins with few patches and zeros.
    """

    value: float
    fresh: bool


class Continuation:
    """Chooses the values of the coefficient that a problem names, if it names one.

    The problem has the goal at first; its attribute is set by `enter`.

    Args:
        problem: whose `continuation` is the name of the coefficient, or None.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.name = None if problem.continuation in problem.ranges else problem.continuation
        self.goal = self.now
        self.start, self.stride = self.goal, STRIDE
        self.rounds, self.was_hard, self.given_up = 0, False, self.name is None

    @property
    def now(self) -> float:
        """The present value; NaN without a coefficient."""
        return math.nan if self.name is None else float(getattr(self.problem, self.name))

    @property
    def is_underway(self) -> bool:
        """Whether the present value is not yet the one that is asked for."""
        return self.now < self.goal

    def note(self, optimizer: LevenbergMarquardt) -> None:
        """Take down whether the last step of a round was a hard one."""
        self.was_hard |= optimizer.stalled or optimizer.past["gain"] < PROMISED

    def after(self, error: float) -> Move | None:
        """What follows a round; None where the next one stays at the same value.

        Args:
            error: the largest estimated error, infinite where there is no estimate.
        """
        self.rounds += 1
        # The first steps at a value that was climbed to are hard ones, and end well.
        was_hard, self.was_hard = self.was_hard and self.now <= self.start, False
        if self.is_underway and error <= GOOD:
            return Move(min(self.stride * self.now, self.goal), fresh=False)
        is_poor = POOR <= error < math.inf
        if self.given_up or not (is_poor and (was_hard or self.rounds >= PATIENCE)):
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
        return f"{self.name} {move.value:.4g}" + (", from zero" if move.fresh else "")

    def enter(self, value: float) -> None:
        """Set the coefficient."""
        assert self.name is not None
        setattr(self.problem, self.name, value)
        self.rounds, self.was_hard = 0, False

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        names = ("start", "stride", "rounds", "was_hard", "given_up")
        return {"now": self.now} | {name: getattr(self, name) for name in names}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what a checkpoint kept."""
        if self.name is not None:
            self.enter(state["now"])
        for name in ("start", "stride", "rounds", "was_hard", "given_up"):
            setattr(self, name, state[name])
