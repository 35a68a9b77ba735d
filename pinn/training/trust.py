"""How much each way to refine keeps of what it promises."""

import math
from dataclasses import dataclass

from pinn.training.emphasis import WELL

LEAST, LEAST_OF_CUTS = 0.1, 0.7  # the smallest shares that are believed
UNPROVEN = LEAST  # of degrees, at first where the solution was begun from that of another problem
STUCK = 0.8  # the fall of a round in which next to nothing has changed


@dataclass
class Trust:
    """The shares of promises that were kept last.

    Args:
        degrees: of higher degrees.
        cuts: of halved patches.
        promised: the fall of the residual's logarithm that the round now promises; None in the
            first one, and where only points are added.
        is_degree: whether that round has higher degrees.
    """

    degrees: float = 1.0
    cuts: float = 1.0
    promised: float | None = None
    is_degree: bool = False

    def promise(self, gain: float, is_degree: bool) -> None:
        """Take down what the next round promises, as much of it as is believed."""
        share = self.degrees if is_degree else self.cuts
        self.promised, self.is_degree = gain / share, is_degree

    def judge(self, fall: float) -> None:
        """Hold the promise against the fall of the residual."""
        if fall < WELL:
            self.degrees = 1.0
        if self.promised is not None:
            kept = -math.log(max(fall, 1e-300)) / max(self.promised, 1e-3)
            # Before a layer is resolved cuts change little, and are what is needed all the same.
            if self.is_degree:
                self.degrees = min(max(kept, LEAST), 1.0)
            else:
                self.cuts = min(max(kept, LEAST_OF_CUTS), 1.0)
        if fall > STUCK:  # what falls slowly is not yet the solution: its coefficients say nothing
            self.degrees = LEAST
        self.promised = None
